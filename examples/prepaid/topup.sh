#!/usr/bin/env bash
# Fill a prepaid balance, spend it, fill it again: with curl and jq, against `cargo xtask dev` or any deployment that has
# `prepaid` in its policy. The wallet speaks phoenixd's API; its password is what `cargo xtask dev` prints.
set -euo pipefail

API="${API:-http://localhost:8787}"
WALLET="${WALLET:-http://localhost:9740}"
: "${PHOENIX_WALLET_PASSWORD:?the password of the wallet}"

pay() {
  curl -sS -X POST "$WALLET/payinvoice" -u ":$PHOENIX_WALLET_PASSWORD" --data-urlencode "invoice=$1" | jq -r '.paymentPreimage'
}

# Step 1: Create topup invoice (new token)
TOPUP=$(curl -sS -X POST "$API/api/v1/topup" \
  -H "Content-Type: application/json" \
  -d '{"amount_sats":120}')
echo "$TOPUP" | jq .
INVOICE=$(echo "$TOPUP" | jq -r '.invoice')
CLAIM_SECRET=$(echo "$TOPUP" | jq -r '.claim_secret')

# Step 2: Pay invoice with your wallet and get preimage
PREIMAGE=$(pay "$INVOICE")

# Step 3: Claim token. The secret shows that it was you who ordered: everybody who forwarded the payment knows its preimage
CLAIM=$(curl -sS -X POST "$API/api/v1/topup/claim" \
  -H "Content-Type: application/json" \
  -d "{\"preimage\":\"$PREIMAGE\", \"claim_secret\":\"$CLAIM_SECRET\"}")
echo "$CLAIM" | jq .
TOKEN=$(echo "$CLAIM" | jq -r '.token')

# Step 4: Spend balance with bearer token
curl -sS -X POST "$API/api/v1/openai/v1/chat/completions" \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $TOKEN" \
  -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"say hello in 5 words"}]}' | jq .

# Refill existing token:
REFILL=$(curl -sS -X POST "$API/api/v1/topup" \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer $TOKEN" \
  -d '{"amount_sats":50}')
PREIMAGE=$(pay "$(echo "$REFILL" | jq -r '.invoice')")
curl -sS -X POST "$API/api/v1/topup/claim" \
  -H "Content-Type: application/json" \
  -d "{\"preimage\":\"$PREIMAGE\", \"token\":\"$TOKEN\"}" | jq .

# What is left, and what happened to it
curl -sS "$API/api/v1/balance" -H "Authorization: Bearer $TOKEN" | jq .
