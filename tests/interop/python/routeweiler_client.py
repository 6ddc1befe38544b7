"""routeweiler: a router over payment rails; Lightning through any object that pays and names its node.

The network must be given: it is compared with the invoice's prefix.
"""

import asyncio
import sys

from routeweiler import Routeweiler
from routeweiler.funding.lightning import LightningFundingSource

import wallet


class DevWallet:
    async def pay_invoice(self, bolt11: str, *, max_fee_msat: int) -> bytes:
        return bytes.fromhex(await asyncio.to_thread(wallet.pay, bolt11))

    async def get_node_pubkey(self) -> str:
        return "02" + "00" * 32


async def main(url: str) -> None:
    lightning = await LightningFundingSource.create(
        DevWallet(), network="bitcoin-regtest"
    )
    async with Routeweiler(funding=[lightning]) as client:
        for _ in range(2):
            response = await client.get(url)
            print(response.status_code, response.text)


asyncio.run(main(sys.argv[1]))
