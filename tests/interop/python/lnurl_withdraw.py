"""lnurl: a wallet that collects a refund by LNURL-withdraw (LUD-03).

    lnurl_withdraw.py LNURL BOLT11

Prints one JSON object: what the link offered, and what the service said to the invoice. `accepted` is not `paid`: that
is seen at the node that made the invoice. Exits 0 when the claim was accepted, 1 when it was refused or went wrong.

Mind: the package checks the invoice against the link's limits before it sends it, waits 5 seconds for an answer, and
follows redirects. It speaks plain http with this machine only.
"""

import asyncio
import json
import sys

import lnurl
from lnurl.models import LnurlErrorResponse, LnurlSuccessResponse, LnurlWithdrawResponse


async def withdraw(code: str, bolt11: str) -> dict:
    url = str(lnurl.decode(code).url)
    offer = await lnurl.handle(code)
    if isinstance(offer, LnurlErrorResponse):
        return {"url": url, "accepted": False, "reason": offer.reason}
    if not isinstance(offer, LnurlWithdrawResponse):
        return {"url": url, "accepted": False, "reason": f"not a withdrawRequest: {type(offer).__name__}"}
    offered = {
        "min_msat": int(offer.minWithdrawable),
        "max_msat": int(offer.maxWithdrawable),
        "description": offer.defaultDescription,
        "callback": str(offer.callback),
    }
    # From the beginning, as a wallet that scans a QR code would.
    reply = await lnurl.execute(code, bolt11)
    accepted = isinstance(reply, LnurlSuccessResponse)
    reason = reply.reason if isinstance(reply, LnurlErrorResponse) else None
    return {"url": url, "offered": offered, "accepted": accepted, "reason": reason}


try:
    result = asyncio.run(withdraw(sys.argv[1], sys.argv[2]))
except Exception as e:  # whatever a wallet would show its owner
    result = {"accepted": False, "fault": type(e).__name__, "reason": str(e)}
print(json.dumps(result))
sys.exit(0 if result["accepted"] else 1)
