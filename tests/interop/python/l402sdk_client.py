"""l402sdk (module `l402`, a Rust core): pays only through a Lightning node's own API.

The dev wallet answers the one LND REST call it makes; the macaroon is the hex of the wallet's password.
"""

import sys

from l402 import Budget, L402Client

import wallet

client = L402Client.with_lnd_rest(
    wallet.URL,
    wallet.PASSWORD.encode().hex(),
    budget=Budget(per_request_max=100),
)
for _ in range(2):
    response = client.get(sys.argv[1])
    print(response.status, response.text())
