#!/usr/bin/env bash
# Builds the peers that we are measured against and tested with, at the exact versions of the go.mod files beside
# this script, from the Go module proxy: btcd (1 min), lnd (up to 19 min on two busy cores), aperture (10 min).
#   build.sh [btcd|lnd|aperture …]   (default: what is missing)
# PEERS_BIN: where to (peers/bin in SATSTILE_CACHE, or in ~/.cache/satstile). `cargo xtask devnet` and `bench` call this
# when the versions change; it takes no lock, they do.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SATSTILE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/satstile}
out=${PEERS_BIN:-$cache/peers/bin}
command -v go >/dev/null || { echo "peers: Go is not installed (https://go.dev/dl)" >&2; exit 1; }
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# mod=mod: `go build` completes the module files, in a copy, so that the working tree stays clean.
export CGO_ENABLED=0 GOFLAGS="-mod=mod -trimpath -buildvcs=false"

build() { # module tags package…
  local module=$1 tags=$2 start=$SECONDS
  shift 2
  echo "peers: building $module …" >&2
  cp -r "$here/$module" "$work/"
  (cd "$work/$module" && nice -n 10 go build -ldflags '-s -w' ${tags:+-tags "$tags"} -o "$out/" "$@")
  echo "peers: building $module … $((SECONDS - start)) s" >&2
}
one() {
  case $1 in
  btcd) build btcd "" github.com/btcsuite/btcd github.com/btcsuite/btcd/cmd/btcctl ;;
  lnd) build lnd "signrpc walletrpc chainrpc invoicesrpc routerrpc" \
    github.com/lightningnetwork/lnd/cmd/lnd github.com/lightningnetwork/lnd/cmd/lncli ;;
  aperture) build aperture "" github.com/lightninglabs/aperture/cmd/aperture ;;
  *) echo "peers: no $1; there are btcd, lnd, aperture" >&2; exit 2 ;;
  esac
}
if [ $# -gt 0 ]; then
  for module in "$@"; do one "$module"; done
else
  for module in btcd lnd aperture; do [ -x "$out/$module" ] || one "$module"; done
fi
