# Makes `cargo build --target wasm32-unknown-unknown` possible and prints the rustup toolchain to use
# on stdout (an empty line: the active one). Run by wasm_target.rs as `bash -c`.
#   1. the active rustc has the target already;
#   2. `rustup target add`: an ordinary machine, a few seconds;
#   3. a toolchain that an earlier run of (4) made;
#   4. Debian or Ubuntu, as root: the distribution's rustc, with std compiled once for wasm32 (about a
#      minute of CPU), linked into rustup as `debian-wasm`. The default toolchain is never changed.
# SETUP_WASM_SKIP_RUSTUP=1 skips 1 and 2, to try 3 and 4. RUSTUP_TIMEOUT: seconds for 2 (120).
set -euo pipefail
target=wasm32-unknown-unknown
name=debian-wasm
log() { echo "setup-wasm: $*" >&2; }
has_std() { # has_std RUSTC…: has this rustc a std for the target?
  local dir
  dir=$("$@" --print target-libdir --target $target 2>/dev/null) && compgen -G "$dir/libstd-*.rlib" >/dev/null
}
use() { echo "$1"; exit 0; }

if [ -z "${SETUP_WASM_SKIP_RUSTUP:-}" ]; then
  has_std rustc && use ""
  if command -v rustup >/dev/null; then
    log "rustup target add $target"
    if timeout "${RUSTUP_TIMEOUT:-120}" rustup target add $target >&2 && has_std rustc; then use ""; fi
    log "rustup could not fetch it"
  fi
fi
command -v rustup >/dev/null && has_std rustup run $name rustc && use $name

log "taking the distribution's Rust instead"
if ! has_std /usr/bin/rustc; then
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    log "that needs apt and root: run 'rustup target add $target' by hand, or this command as root on Debian"
    exit 1
  fi
  if ! [ -x /usr/bin/rustc ] || ! [ -x /usr/bin/cargo ] || ! [ -d /usr/lib/rustlib/src/rust/library ] || ! [ -e /usr/bin/rust-lld ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2
    apt-get install -y -q --no-install-recommends rustc-web cargo-web rust-web-src rust-web-llvm >&2
  fi
  # /usr/bin/rust-lld is a link to lld-NN, of the package of that name.
  [ -e "$(readlink -f /usr/bin/rust-lld)" ] || apt-get install -y -q --no-install-recommends "$(readlink /usr/bin/rust-lld)" >&2

  library=/usr/lib/rustlib/src/rust/library
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/src"
  : >"$work/src/lib.rs"
  cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "mkstd"
version = "0.0.0"
edition = "2021"
[workspace]
[profile.release]
opt-level = 3
debug = false
TOML
  log "compiling std for $target, about a minute"
  # std's dependencies are vendored beside its sources: no network is used here.
  # embed-bitcode: without it a profile with `lto = true` cannot use this std.
  (cd "$work" && env -u RUSTUP_TOOLCHAIN -u CARGO PATH="/usr/bin:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
    RUSTFLAGS="-Cembed-bitcode=yes" CARGO_TARGET_DIR="$work/t" /usr/bin/cargo build -q --release --offline \
    --config 'source.crates-io.replace-with="std"' --config "source.std.directory=\"$library/vendor\"" \
    -Z build-std=std,panic_abort,panic_unwind,proc_macro,test --target $target >&2)
  dir=/usr/lib/rustlib/$target/lib
  mkdir -p "$dir.new"
  cp "$work/t/$target"/release/deps/lib*.rlib "$dir.new/"
  rm -f "$dir.new"/libmkstd-*
  rm -rf "$dir"
  mv "$dir.new" "$dir"
  has_std /usr/bin/rustc || { log "std was built, but rustc does not see it"; exit 1; }
fi
if command -v rustup >/dev/null; then
  rustup toolchain link $name /usr >&2
  use $name
fi
use ""
