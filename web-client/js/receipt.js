// The receipt that a person can keep: what was bought, the invoice, its preimage if it is known, and the seller's signature (C16). It
// never holds the token, so whoever finds it can check the purchase and not use it.
export const receiptOf = (seller, facts, heard, paidAt, signature) => ({
  type: "satstile-receipt", resource: seller.resource, issuer: seller.origin, service: heard?.body.service, description: facts.title,
  price: heard?.body.price, amount_msat: +facts.msat, paid_at: paidAt, invoice: facts.bolt11,
  payment_hash: facts.hash, preimage: facts.proof === "attested" ? undefined : facts.proof, signature,
});

export const save = (receipt) => {
  const url = URL.createObjectURL(new Blob([JSON.stringify(receipt, null, 2)], { type: "application/json" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: `receipt-${receipt.payment_hash.slice(0, 8)}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
};
