"""The dev wallet as a client sees it: something that pays a BOLT11 invoice and gives the preimage.

It speaks phoenixd's `POST /payinvoice`; WALLET_URL and WALLET_PASSWORD say where it is and who may pay.
"""

import base64
import json
import os
import urllib.parse
import urllib.request

URL = os.environ["WALLET_URL"]
PASSWORD = os.environ["WALLET_PASSWORD"]


def pay(invoice: str) -> str:
    basic = base64.b64encode(f":{PASSWORD}".encode()).decode()
    request = urllib.request.Request(
        f"{URL}/payinvoice",
        data=urllib.parse.urlencode({"invoice": invoice}).encode(),
        headers={"Authorization": f"Basic {basic}"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        reply = json.load(response)
    # phoenixd answers 200 to a payment that failed, too: only the preimage says that it went through.
    if "paymentPreimage" not in reply:
        raise RuntimeError(f"the wallet did not pay: {reply}")
    return reply["paymentPreimage"]
