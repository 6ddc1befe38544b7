"""l402-requests: a client with a budget; it keeps the token of an endpoint and sends it again.

Its own LndWallet decodes lnd's hex preimage as base64, so it pays and then fails; any WalletBase works.
"""

import sys

from l402_requests import BudgetController, L402Client, WalletBase

import wallet


class DevWallet(WalletBase):
    async def pay_invoice(self, bolt11: str) -> str:
        return wallet.pay(bolt11)


client = L402Client(
    wallet=DevWallet(), budget=BudgetController(max_sats_per_request=100)
)
for _ in range(2):
    response = client.get(sys.argv[1])
    print(response.status_code, response.text)
