#!/usr/bin/env bash
# A throw-away Lightning network on loopback for tests and measurements: btcd (regtest) and two lnd nodes,
# "alice" (the merchant, who takes invoices) and "bob" (the payer), with one funded, active channel bob→alice.
#
#   devnet.sh up            start (or resume) and print the env vars
#   devnet.sh status        one line a process, and the channel's state; rc 0 only when usable
#   devnet.sh env           print the env vars again
#   devnet.sh down [--wipe] stop what `up` started (and delete the data directory)
#   devnet.sh mine N        mine N blocks
#   devnet.sh carol         start a third node behind bob, who takes a fee for what he passes on: a channel bob→carol
#   devnet.sh invoice SATS [MEMO]   new invoice on alice: "<bolt11> <payment hash hex>"
#   devnet.sh pay BOLT11    pay it from bob: "<preimage hex>"
#   devnet.sh connect       bake a macaroon for invoices only and write alice's connection string for satstile-node
#                           to the file "connection" in the data directory; print the file's name
#   devnet.sh wallet        the same for bob, who pays: a macaroon that sends payments and asks about them, in the file
#                           "wallet", for `satstile pay`
#
# Environment (all optional):
#   SATSTILE_CACHE    what outlives a checkout  (default ~/.cache/satstile)
#   DEVNET_DIR        data directory            (default $SATSTILE_CACHE/devnet)
#   DEVNET_BIN        where btcd and lnd are    (default $SATSTILE_CACHE/peers/bin, see build.sh)
#   DEVNET_PORT_BASE  first port; uses +0..+1 btcd, +10..+12 alice, +13..+15 carol, +20..+22 bob (default 21000)
#   DEVNET_CHAN_SATS  channel size              (default 10000000)
#   DEVNET_PUSH_SATS  alice's side of it        (default 1000000)
#   DEVNET_TIMEOUT    seconds for each wait     (default 120)
#   DEVNET_KEEP=1     leave things running when `up` fails
# Needs bash, curl, jq, od, sha256sum, flock, setsid. Everything listens on 127.0.0.1 only.
set -euo pipefail

cache=${SATSTILE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/satstile}
D=${DEVNET_DIR:-$cache/devnet}
BIN=${DEVNET_BIN:-$cache/peers/bin}
BASE=${DEVNET_PORT_BASE:-21000}
CHAN=${DEVNET_CHAN_SATS:-10000000}
PUSH=${DEVNET_PUSH_SATS:-1000000}
TMO=${DEVNET_TIMEOUT:-120}

P_BTCD=$((BASE)) P_BTCD_RPC=$((BASE + 1))
declare -A P2P=([alice]=$((BASE + 10)) [carol]=$((BASE + 13)) [bob]=$((BASE + 20)))
declare -A RPC=([alice]=$((BASE + 11)) [carol]=$((BASE + 14)) [bob]=$((BASE + 21)))
declare -A REST=([alice]=$((BASE + 12)) [carol]=$((BASE + 15)) [bob]=$((BASE + 22)))
# Nobody's key: btcd wants some address at its start, before bob has one. Never mined to.
THROWAWAY=bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202

LAST=20 # so many of a daemon's last lines are shown when it fails: its log goes with the data directory
last() { tail -n "$LAST" "$D/$1.log" 2>/dev/null | sed "s/^/  $1: /" >&2; }
say() { printf '%s devnet: %s\n' "$(date +%T)" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# ---------------------------------------------------------------- processes
pid_of() { cat "$D/$1.pid" 2>/dev/null || true; }
alive() { # only a live process whose command line names our data directory counts
  local p; p=$(pid_of "$1")
  [[ -n $p && -r /proc/$p/cmdline ]] && { tr '\0' ' ' <"/proc/$p/cmdline"; } 2>/dev/null | grep -qF -- "$D/$1"
}
start() { # name cmd...
  local n=$1; shift
  # 9>&- : the lock must not be inherited
  setsid nohup "$@" >>"$D/$n.log" 2>&1 </dev/null 9>&- &
  echo $! >"$D/$n.pid"
  # until the fork has exec'd, its command line is still ours: give it up to 3 s
  local i; for i in $(seq 60); do alive "$n" && return 0; kill -0 "$(pid_of "$n")" 2>/dev/null || break; sleep 0.05; done
  last "$n"; die "$n did not start; its last lines are above"
}
stop() { # name seconds
  local n=$1 t=$(( ${2:-20} * 10 )) p; p=$(pid_of "$n")
  if alive "$n"; then
    kill -TERM "$p" 2>/dev/null || true
    while alive "$n" && (( t-- > 0 )); do sleep 0.1; done
    if alive "$n"; then say "$n did not stop, killing it"; kill -KILL "$p" 2>/dev/null || true; sleep 0.2; fi
  fi
  rm -f "$D/$n.pid"
}
wait_for() { # what seconds cmd...   (polls 5 times a second; fails early if a process died)
  local what=$1 end=$((SECONDS + $2)); shift 2
  until "$@" >/dev/null 2>&1; do
    for n in $watch; do alive "$n" || { last "$n"; die "$n died while waiting for $what; its last lines are above"; }; done
    (( SECONDS < end )) || { for n in $watch; do last "$n"; done; die "timed out waiting for $what; the daemons' last lines are above"; }
    sleep 0.2
  done
}
watch=""
port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# ---------------------------------------------------------------- RPC
btc() { # method [json params]
  local r; r=$(curl -sS --fail-with-body --noproxy '*' --max-time 60 --cacert "$D/btcd/rpc.cert" -K "$D/btcd/curlrc" \
    -d "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"$1\",\"params\":${2:-[]}}" "https://127.0.0.1:$P_BTCD_RPC/") || return 1
  jq -e 'if .error then error(.error.message) else .result end' <<<"$r"
}
macdir() { echo "$D/$1/data/chain/bitcoin/regtest"; }
machex() { od -An -v -tx1 "$(macdir "$1")/${2:-admin}.macaroon" | tr -d ' \n'; }
rest() { # node path [json body]
  local n=$1 p=$2; shift 2
  local r; r=$(curl -sS --noproxy '*' --max-time 60 --cacert "$D/$n/tls.cert" \
    -H "Grpc-Metadata-macaroon: $(machex "$n")" ${1:+-d "$1"} "https://127.0.0.1:${REST[$n]}$p") || return 1
  if jq -e 'type=="object" and has("code") and has("message")' <<<"$r" >/dev/null 2>&1; then
    say "$n $p: $(jq -r .message <<<"$r")"; return 1
  fi
  printf '%s\n' "$r"
}
height() { btc getblockcount; }
# btcd deletes its block database at every start on regtest, so each block mined here is kept as
# hex, and replayed into a restarted btcd.
batch() { # JSON-RPC batch on stdin
  curl -sS --fail-with-body --noproxy '*' --max-time 120 --cacert "$D/btcd/rpc.cert" -K "$D/btcd/curlrc" -d @- "https://127.0.0.1:$P_BTCD_RPC/"
}
mine() {
  btc generate "[$1]" | jq -c '[.[] | {jsonrpc:"2.0",id:.,method:"getblock",params:[.,0]}]' | batch |
    jq -er '.[] | if .error then error(.error.message) else .result end' >>"$D/blocks.hex"
}
replay() {
  [[ -s $D/blocks.hex ]] || return 0
  jq -cRn '[inputs | {jsonrpc:"2.0",id:1,method:"submitblock",params:[.]}]' <"$D/blocks.hex" | batch |
    jq -e 'all(.[]; .error == null and .result == null)' >/dev/null || die "replaying $D/blocks.hex failed"
  [[ $(height) == $(wc -l <"$D/blocks.hex") ]] || die "replayed to height $(height), not $(wc -l <"$D/blocks.hex")"
}
rpc_up() { [[ -s $D/$1/tls.cert && -s $(macdir "$1")/admin.macaroon ]] && rest "$1" /v1/getinfo | jq -e .identity_pubkey; }
synced() { local h; h=$(height); rest "$1" /v1/getinfo | jq -e --argjson h "$h" '.synced_to_chain and .block_height == $h'; }
pubkey() { rest "$1" /v1/getinfo | jq -er .identity_pubkey; }
chan_active() { rest "$1" '/v1/channels?active_only=true' | jq -e --arg r "$2" 'any(.channels[]; .remote_pubkey == $r)'; }
has_chan() { rest bob /v1/channels | jq -e '.channels | length > 0' || rest bob /v1/channels/pending | jq -e '.pending_open_channels | length > 0'; }
has_funds() { rest bob /v1/balance/blockchain | jq -e --argjson n "$((CHAN + 100000))" '(.confirmed_balance|tonumber) >= $n'; }
funding_seen() { btc getrawmempool | jq -e 'length > 0'; }
has_peer() { rest bob /v1/peers | jq -e --arg r "$1" 'any(.peers[]; .pub_key == $r)'; }

start_btcd() {
  start btcd "$BIN/btcd" --regtest --configfile=/dev/null --datadir="$D/btcd/data" --logdir="$D/btcd/logs" \
    --rpccert="$D/btcd/rpc.cert" --rpckey="$D/btcd/rpc.key" --rpcuser="$RPCUSER" --rpcpass="$RPCPASS" \
    --listen="127.0.0.1:$P_BTCD" --rpclisten="127.0.0.1:$P_BTCD_RPC" \
    --nodnsseed --noonion --nostalldetect --txindex --debuglevel=warn --miningaddr="$(cat "$D/mining.addr" 2>/dev/null || echo "$THROWAWAY")"
  watch="$watch btcd"
  wait_for "btcd's RPC" "$TMO" height
  replay
}
start_lnd() {
  local n=$1
  mkdir -p "$D/$n"
  : >>"$D/$n/lnd.conf"
  start "$n" "$BIN/lnd" --lnddir="$D/$n" --configfile="$D/$n/lnd.conf" --noseedbackup --alias="$n" \
    --bitcoin.regtest --bitcoin.node=btcd --btcd.rpchost="127.0.0.1:$P_BTCD_RPC" --btcd.rpccert="$D/btcd/rpc.cert" \
    --btcd.rpcuser="$RPCUSER" --btcd.rpcpass="$RPCPASS" \
    --listen="127.0.0.1:${P2P[$n]}" --rpclisten="127.0.0.1:${RPC[$n]}" --restlisten="127.0.0.1:${REST[$n]}" \
    --nobootstrap --trickledelay=1000 --debuglevel=info --bitcoin.defaultchanconfs=1 \
    --tlsextradomain=localhost --healthcheck.diskspace.attempts=0 --healthcheck.chainbackend.attempts=0
  watch="$watch $n"
}

# ---------------------------------------------------------------- commands
print_env() {
  local n N
  echo "export DEVNET_DIR=$D DEVNET_NETWORK=regtest"
  for n in alice bob; do
    N=${n^^}
    echo "export ${N}_REST=https://127.0.0.1:${REST[$n]} ${N}_RPC=127.0.0.1:${RPC[$n]} ${N}_TLS=$D/$n/tls.cert ${N}_MACDIR=$(macdir $n)"
    echo "export ${N}_PUBKEY=$(pubkey $n)"
    echo "export ${N}_MACAROON_HEX=$(machex $n)"
  done
  echo "export ALICE_INVOICE_MACAROON_HEX=$(machex alice invoice)"
}

up() {
  local t0 n; t0=$(date +%s.%N)
  for c in curl jq od flock setsid; do command -v $c >/dev/null || die "needs $c"; done
  for c in btcd lnd; do [[ -x $BIN/$c ]] || die "no $BIN/$c: run tests/peers/build.sh"; done
  umask 077; mkdir -p "$D/btcd"
  exec 9>"$D/.lock"; flock -w 5 9 || die "another devnet.sh works on $D"
  if [[ ! -s $D/rpc.creds ]]; then
    printf 'RPCUSER=devnet\nRPCPASS=%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" >"$D/rpc.creds"
  fi
  . "$D/rpc.creds"
  printf 'user = "%s:%s"\n' "$RPCUSER" "$RPCPASS" >"$D/btcd/curlrc"
  local -A port=([btcd]="$P_BTCD $P_BTCD_RPC" [alice]="${P2P[alice]} ${RPC[alice]} ${REST[alice]}" [bob]="${P2P[bob]} ${RPC[bob]} ${REST[bob]}")
  for n in btcd alice bob; do
    alive $n && continue
    for p in ${port[$n]}; do port_free "$p" || die "port $p (for $n) is in use; set DEVNET_PORT_BASE"; done
  done
  [[ ${DEVNET_KEEP:-} ]] || trap 'rc=$?; if (( rc )); then say "up failed, stopping"; down; fi' EXIT

  if alive btcd; then watch="$watch btcd"; else start_btcd; fi
  if [[ ! -s $D/mining.addr ]]; then
    # btcd mines only to an address given at its start, and that is to be one of bob's: run bob
    # once for it (its RPC answers before it is synced), then restart btcd while no lnd is connected.
    alive bob || start_lnd bob
    wait_for "bob's RPC" "$TMO" rpc_up bob
    rest bob '/v1/newaddress?type=0' | jq -er .address >"$D/mining.addr.new"
    watch=""; stop bob; stop alice; stop btcd
    mv "$D/mining.addr.new" "$D/mining.addr"
    start_btcd
    mine 110 # 100 blocks of coinbase maturity and some; regtest halves the reward every 150
    say "chain ready, height $(height) ($(elapsed "$t0") s)"
  fi
  for n in bob alice; do if alive $n; then watch="$watch $n"; else start_lnd $n; fi; done
  for n in bob alice; do wait_for "$n's RPC" "$TMO" rpc_up $n; done
  say "daemons up ($(elapsed "$t0") s)"
  # a fresh tip, so that a resumed network counts as synced however old it is
  if has_chan >/dev/null 2>&1; then mine 1; fi
  nudge_at=$((SECONDS + 10))
  for n in bob alice; do wait_for "$n to sync" "$TMO" synced_or_nudge $n; done
  wait_for "bob's funds" "$TMO" funds_or_chan
  local a b; a=$(pubkey alice) b=$(pubkey bob)
  has_peer "$a" >/dev/null 2>&1 || rest bob /v1/peers "{\"addr\":{\"pubkey\":\"$a\",\"host\":\"127.0.0.1:${P2P[alice]}\"},\"perm\":true}" >/dev/null || true
  wait_for "bob to be connected to alice" "$TMO" has_peer "$a"
  if ! has_chan >/dev/null 2>&1; then
    say "chain synced, opening the channel ($(elapsed "$t0") s)"
    # SYNC call: answers with the funding txid once it is in the mempool
    rest bob /v1/channels "{\"node_pubkey_string\":\"$a\",\"local_funding_amount\":\"$CHAN\",\"push_sat\":\"$PUSH\",\"sat_per_vbyte\":\"5\",\"min_confs\":1}" >"$D/open.json" || die "openchannel failed"
    wait_for "the funding transaction" "$TMO" funding_seen
  fi
  # 6 confirmations: enough for the channel to be announced too
  if ! chan_active bob "$a" >/dev/null 2>&1; then mine 6; fi
  wait_for "bob's channel to be active" "$TMO" chan_active bob "$a"
  wait_for "alice's channel to be active" "$TMO" chan_active alice "$b"
  # lnd calls a channel active before its link carries a payment (a payment right then fails with
  # FAILURE_REASON_INSUFFICIENT_BALANCE), so ready means: one satoshi was really paid.
  local inv; read -r inv _ < <(new_invoice 1 "devnet ready")
  wait_for "a test payment" "$TMO" pay_invoice "$inv"
  trap - EXIT
  print_env >"$D/env"
  say "ready in $(elapsed "$t0") s; env vars in $D/env"
  cat "$D/env"
}
nudge_at=0
synced_or_nudge() { # a new block helps an lnd that missed one
  synced "$1" && return 0
  if (( nudge_at && SECONDS >= nudge_at )); then mine 1; nudge_at=$((SECONDS + 10)); fi
  return 1
}
funds_or_chan() { has_chan || has_funds; }
carol() { # whoever is paid there is paid through bob
  . "$D/rpc.creds"
  umask 077
  alive carol || start_lnd carol
  wait_for "carol's RPC" "$TMO" rpc_up carol
  mine 1
  nudge_at=$((SECONDS + 10))
  for n in carol bob; do wait_for "$n to sync" "$TMO" synced_or_nudge $n; done
  local b c; b=$(pubkey bob) c=$(pubkey carol)
  has_peer "$c" >/dev/null 2>&1 || rest bob /v1/peers "{\"addr\":{\"pubkey\":\"$c\",\"host\":\"127.0.0.1:${P2P[carol]}\"},\"perm\":true}" >/dev/null || true
  wait_for "bob to be connected to carol" "$TMO" has_peer "$c"
  if ! chan_active bob "$c" >/dev/null 2>&1; then
    rest bob /v1/channels "{\"node_pubkey_string\":\"$c\",\"local_funding_amount\":\"$PUSH\",\"sat_per_vbyte\":\"5\",\"min_confs\":1}" >"$D/open-carol.json" || die "openchannel failed"
    wait_for "the funding transaction" "$TMO" funding_seen
    mine 6
  fi
  wait_for "bob's channel to carol to be active" "$TMO" chan_active bob "$c"
  wait_for "carol's channel to be active" "$TMO" chan_active carol "$b"
}
new_invoice() { # sats memo -> "bolt11 hash-hex"
  rest alice /v1/invoices "$(jq -cn --arg v "$1" --arg m "$2" '{value:$v,memo:$m}')" |
    jq -r '.payment_request + " " + .r_hash' | { read -r pr h; echo "$pr $(base64 -d <<<"$h" | od -An -v -tx1 | tr -d ' \n')"; }
}
pay_invoice() { # bolt11 -> preimage hex
  rest bob /v2/router/send "{\"payment_request\":\"$1\",\"timeout_seconds\":30,\"fee_limit_sat\":\"100\",\"no_inflight_updates\":true}" |
    jq -er 'if .error then error(.error.message) else .result end |
      if .status=="SUCCEEDED" then .payment_preimage else error(.status + " " + .failure_reason) end'
}
thumbprint() { sed '/-----/d' "$D/$1/tls.cert" | base64 -d | sha256sum | cut -d' ' -f1; }
write_connection() { # node file uri...   (a macaroon for these calls alone)
  local n=$1 f=$2 m; shift 2
  m=$(rest "$n" /v1/macaroon "$(jq -cn '{permissions: [$ARGS.positional[] | {entity: "uri", action: .}]}' --args "$@")" |
    jq -er .macaroon) || die "$n bakes no macaroon"
  umask 077
  printf 'type=lnd-rest;server=https://127.0.0.1:%s;macaroon=%s;certthumbprint=%s\n' \
    "${REST[$n]}" "$m" "$(thumbprint "$n")" >"$D/$f.new"
  mv "$D/$f.new" "$D/$f"
  echo "$D/$f"
}
connect() { # nothing that could spend is in this macaroon
  write_connection alice connection /lnrpc.Lightning/AddInvoice /lnrpc.Lightning/LookupInvoice \
    /lnrpc.Lightning/SubscribeInvoices
}
wallet() { # and nothing but spending in this one
  write_connection bob wallet /routerrpc.Router/SendPaymentV2 /routerrpc.Router/TrackPaymentV2
}
elapsed() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN{printf "%.1f", b-a}'; }

down() {
  [[ -d $D ]] || return 0
  # lnd first, both at once, then the chain
  local n; for n in bob alice carol; do alive $n && kill -TERM "$(pid_of $n)" 2>/dev/null || true; done
  stop bob; stop alice; stop carol; stop btcd
  if [[ ${1:-} == --wipe ]]; then
    [[ -f $D/rpc.creds ]] || die "$D does not look like a devnet directory, not deleting it"
    rm -rf -- "$D"
  fi
}

status() {
  local n ok=0
  for n in btcd alice bob; do
    if alive $n; then echo "$n up pid=$(pid_of $n)"; else echo "$n down"; ok=1; fi
  done
  (( ok == 0 )) || return 1
  . "$D/rpc.creds"
  echo "height $(height)"
  rest bob '/v1/channels' | jq -r '.channels[] | "channel \(.channel_point) active=\(.active) capacity=\(.capacity) bob=\(.local_balance) alice=\(.remote_balance)"'
  rest bob '/v1/channels?active_only=true' | jq -e '.channels | length > 0' >/dev/null
}

case ${1:-} in
  up) up ;;
  down) down "${2:-}" ;;
  status) status ;;
  env) print_env ;;
  mine) . "$D/rpc.creds"; mine "${2:?blocks}" ;;
  carol) carol ;;
  invoice) new_invoice "${2:?sats}" "${3:-}" ;;
  pay) pay_invoice "${2:?bolt11}" ;;
  connect) connect ;;
  wallet) wallet ;;
  *) sed -n '2,27p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 2 ;;
esac
