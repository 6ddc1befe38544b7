#!/usr/bin/env bash
# aperture (sqlite, plain HTTP) in front of an origin, making its invoices on devnet.sh's alice.
#   aperture.sh up | down | status | pid    (needs a devnet that is up; same DEVNET_DIR and DEVNET_BIN)
# ORIGIN (127.0.0.1:8789), APERTURE_PORT (22081), PROM_PORT (22082), LOGLEVEL (info, aperture's own).
# MPP=1 also switches on the Payment scheme. STRICT=1 checks invoices with lnd.
set -euo pipefail
cache=${SATSTILE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/satstile}
D=${DEVNET_DIR:-$cache/devnet}
A=$D/aperture
BIN=${DEVNET_BIN:-$cache/peers/bin}
ORIGIN=${ORIGIN:-127.0.0.1:8789}
PORT=${APERTURE_PORT:-22081}
PPORT=${PROM_PORT:-22082}
pid_of() { cat "$A/$1.pid" 2>/dev/null || true; }
alive() { local p; p=$(pid_of "$1"); [[ -n $p && -r /proc/$p/cmdline ]] && tr '\0' ' ' <"/proc/$p/cmdline" | grep -q -- "$BIN/$1"; }
start() { local n=$1; shift; setsid nohup "$@" >>"$A/$n.log" 2>&1 </dev/null & echo $! >"$A/$n.pid"; }
stop() { if alive "$1"; then local p i; p=$(pid_of "$1"); kill -TERM "$p"; for i in $(seq 100); do alive "$1" || break; sleep 0.1; done; alive "$1" && kill -KILL "$p"; fi; rm -f "$A/$1.pid"; }
case ${1:-} in
up)
  # shellcheck disable=SC1091
  . "$D/env"; umask 077; mkdir -p "$A"
  strict=false mpp=false; [[ ${STRICT:-} ]] && strict=true; [[ ${MPP:-} ]] && mpp=true
  cat >"$A/aperture.yaml" <<YAML
listenaddr: "127.0.0.1:$PORT"
insecure: true
servestatic: false
debuglevel: "${LOGLEVEL:-info}"
strictverify: $strict
dbbackend: "sqlite"
authenticator:
  network: "regtest"
  lndhost: "$ALICE_RPC"
  tlspath: "$ALICE_TLS"
  macdir: "$ALICE_MACDIR"
  enablempp: $mpp
  mpprealm: "devnet"
prometheus:
  enabled: true
  listenaddr: "127.0.0.1:$PPORT"
logging:
  file: {disable: true}
services:
  - {name: "free", hostregexp: '.*', pathregexp: '^/free(/|$)', address: "$ORIGIN", protocol: http, auth: "off"}
  - {name: "api",  hostregexp: '.*', pathregexp: '^/api',       address: "$ORIGIN", protocol: http, price: 10, timeout: 600}
YAML
  alive aperture || start aperture "$BIN/aperture" --basedir="$A" --configfile="$A/aperture.yaml" --sqlite.dbfile="$A/aperture.db"
  for _ in $(seq 150); do curl -sf --noproxy '*' -o /dev/null "http://127.0.0.1:$PORT/free/echo" && { echo "aperture on http://127.0.0.1:$PORT"; exit 0; }; sleep 0.2; done
  echo "aperture did not come up:" >&2; tail -n 20 "$A/aperture.log" >&2; exit 1 ;;
down) stop aperture ;;
pid) pid_of aperture ;;
status) if alive aperture; then echo "aperture up pid=$(pid_of aperture)"; else echo "aperture down"; exit 1; fi ;;
*) sed -n '2,5p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
