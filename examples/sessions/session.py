#!/usr/bin/env python3
"""One deposit, several requests, and the rest back: the Payment scheme's intent `session`, with the standard library.

Against any deployment whose policy has `sessions`; URL is a route of a service with `session = true`. The wallet speaks
phoenixd's API, as that of `cargo xtask dev` does; its password is what that command prints.
"""

import base64
import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ.get("URL", "http://localhost:8787/api/echo")
WALLET = os.environ.get("WALLET", "http://localhost:9740")
PASSWORD = os.environ["PHOENIX_WALLET_PASSWORD"]


def ask(url, headers=None, form=None):
    """Status, header fields and body of an answer, whatever its status."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, data, headers or {}))
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.headers, answer.read().decode()


def wallet(path, **form):
    secret = base64.b64encode(f":{PASSWORD}".encode()).decode()
    status, _, body = ask(WALLET + path, {"Authorization": f"Basic {secret}"}, form)
    if status != 200:
        raise SystemExit(f"the wallet says {status}: {body}")
    return json.loads(body)


def decoded(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def deposit():
    """A challenge, as it came, and what it asks for."""
    status, headers, body = ask(URL, {"Accept-Payment": "lightning/session"})
    if status != 402:
        raise SystemExit(f"no deposit is asked for, but {status}: {body}")
    found = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', headers["WWW-Authenticate"])
    challenge = {name: re.sub(r"\\(.)", r"\1", value) for name, value in found}
    return challenge, decoded(challenge["request"])


def say(challenge, **payload):
    """The same request with a credential: the challenge, and what is wanted."""
    credential = json.dumps({"challenge": challenge, "payload": payload}).encode()
    text = base64.urlsafe_b64encode(credential).decode().rstrip("=")
    status, headers, body = ask(URL, {"Authorization": f"Payment {text}"})
    print(payload["action"], status, headers.get("Satstile-Balance-Msat", ""), body.strip())
    if status != 200:
        raise SystemExit(1)


challenge, terms = deposit()
print(f"{terms['depositAmount']} sats for requests of {terms['amount']} sats each")
preimage = wallet("/payinvoice", invoice=terms["depositInvoice"])["paymentPreimage"]
# Without an amount, and good for a day: the rest goes there when the session ends.
back = wallet("/createinvoice", description="the rest", expirySeconds=86400)

# Each credential repeats the challenge of the session's own deposit; its preimage says whose it is.
mine = {"sessionId": terms["paymentHash"], "preimage": preimage}
say(challenge, action="open", preimage=preimage, returnInvoice=back["serialized"])
say(challenge, action="bearer", **mine)

more, its = deposit()
paid = wallet("/payinvoice", invoice=its["depositInvoice"])["paymentPreimage"]
say(more, action="topUp", sessionId=terms["paymentHash"], topUpPreimage=paid)

say(challenge, action="bearer", **mine)
say(challenge, action="close", **mine)
