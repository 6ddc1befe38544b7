"""pyl402: an httpx client with a wallet and a store for tokens.

Mind: from its store it sends the scheme twice (`L402 L402 <token>:<preimage>`), which is no credential, so the
second call here is refused. `store.delete(url)` after each call makes it pay again instead.
"""

import sys

from pyl402.client import L402Client
from pyl402.token_store import MemoryTokenStore
from pyl402.wallet import PaymentResult, Wallet

import wallet


class DevWallet(Wallet):
    def pay_invoice(self, invoice: str) -> PaymentResult:
        return PaymentResult(wallet.pay(invoice), True)


client = L402Client(DevWallet(), MemoryTokenStore())
for _ in range(2):
    response = client.get(sys.argv[1])
    print(response.status_code, response.text)
