// The dev wallet as a client sees it: something that pays a BOLT11 invoice and gives the preimage.
// It speaks phoenixd's `POST /payinvoice`; WALLET_URL and WALLET_PASSWORD say where it is and who may pay.
const { WALLET_URL, WALLET_PASSWORD } = process.env;

export async function pay(invoice) {
  const response = await fetch(`${WALLET_URL}/payinvoice`, {
    method: "POST",
    headers: { Authorization: "Basic " + Buffer.from(`:${WALLET_PASSWORD}`).toString("base64") },
    body: new URLSearchParams({ invoice }),
  });
  const reply = await response.text();
  // phoenixd answers 200 to a payment that failed, too: only the preimage says that it went through.
  const preimage = response.ok && JSON.parse(reply).paymentPreimage;
  if (!preimage) throw new Error(`the wallet did not pay: ${response.status} ${reply}`);
  return preimage;
}
