"""bolthub: pays with its own PhoenixdWallet, which the dev wallet takes for what it speaks."""

import sys

from bolthub import L402Client, PhoenixdWallet

import wallet

client = L402Client(
    PhoenixdWallet(url=wallet.URL, password=wallet.PASSWORD), max_per_request_sats=100
)
for _ in range(2):
    response = client.get(sys.argv[1])
    print(response.status_code, response.text)
