// What is asked of the seller, and nobody else (T117). Answers are handed on as they are; the Rust judges them.
import { payment_request } from "rust";

const OWN = "/.well-known/satstile/";
const TIMEOUT_MS = 10_000;

// Who sells what `src` names, and how this page stands to it; undefined for what is not on the web.
export const sellerOf = (src) => {
  let url;
  try { url = new URL(src, document.baseURI); } catch { return; }
  if (!/^https?:$/.test(url.protocol)) return;
  url.hash = "";
  const own = url.origin + OWN;
  return { resource: url.href, path: url.pathname + url.search, origin: url.origin, own, isHome: url.origin === location.origin };
};

// A response, or undefined when there is none in time.
export const send = (method, url, { authorization, body, cookies } = {}) => fetch(url, {
  method, body, cache: "no-store", redirect: url.includes(OWN) ? "error" : "follow", credentials: cookies ? "same-origin" : "omit", signal: AbortSignal.timeout(TIMEOUT_MS),
  headers: { accept: "application/json, */*;q=0.1", ...(authorization && { authorization }), ...(body && { "content-type": "text/plain" }) },
}).catch(() => {});

// Whether a cookie of this browser opens it already; undefined when nobody said so. Nothing is used up by the question.
export const isOpen = async (seller) => {
  const response = await send("GET", passUrl(seller), { cookies: true });
  const { open } = response?.ok ? await json(response) : {};
  return typeof open === "boolean" ? open : undefined;
};

export const passUrl = (seller) => `${seller.own}pass?for=${encodeURIComponent(seller.path)}`;

// Redirects are followed, on the seller's own site.
export const isFrom = (seller, { url }) => !url || new URL(url).origin === seller.origin;

// The body as an object; empty when it is none.
export const json = (response) => response.json().then((value) => value ?? {}, () => ({}));
const text = (value) => typeof value === "string" && !value.includes("\n") ? value : "";

// What came of asking for the resource: an event for the Rust, and the 402 as it was heard, to be heard again by
// another tab or after a reload.
export const answer = async (response, seller) => {
  // What another site says, to which a redirect led, is not the seller's word, nor its invoice the seller's.
  if (!response || !isFrom(seller, response)) return { event: ["none"] };
  const { status } = response;
  // Before a payment every failure on the seller's side means that nothing was charged.
  const putOff = status === 429 ? "later" : status > 501 && status < 505 && "unsold";
  if (putOff) return { event: [putOff, response.headers.get("retry-after") ?? ""] };
  if (status !== 402) {
    response.body?.cancel(); // nobody reads it here
    return { event: [response.ok || status === 304 ? "free" : "none"] };
  }
  const heard = { challenge: response.headers.get("www-authenticate") ?? "", body: await json(response) };
  return { event: offer(heard), heard };
};

// A 402 as an event: the challenge, and what the rest of it says of the same purchase.
export const offer = ({ challenge, body }) => {
  const request = payment_request(challenge);
  let network = "";
  try {
    network = JSON.parse(atob(request.replace(/-/g, "+").replace(/_/g, "/"))).methodDetails.network;
  } catch { /* no Payment challenge, or none of ours: the body speaks alone */ }
  const terms = [body.amount_msat, body.payment_hash, body.invoice, body.macaroon, body.expires_at, network];
  return ["offer", challenge, terms.map((term) => typeof term === "number" ? String(term) : text(term)).join("\n")];
};

// Whether the invoice with this hash was paid: an event, and the signed receipt if there is one (C5).
export const status = async (seller, hash, authorization) => {
  const response = await send("POST", `${seller.own}status`, { authorization });
  if (!response?.ok) return { event: ["unknown", hash, response?.headers.get("retry-after") ?? ""] };
  const { status, preimage, token, receipt } = await json(response);
  // Settled without a proof: nothing to open the door with, yet.
  const known = status === "expired" || (status === "settled" && preimage) ? status : "pending";
  return { event: [known, hash, `${text(preimage)} ${text(token)}`.trim()], receipt };
};

// Whether a credential that was kept is still good. Without an answer it may be: nobody is asked to pay twice.
export const isGood = async (seller, authorization) => {
  const response = await send("POST", `${seller.own}status`, { authorization: authorization.split(":")[0] });
  if (!response || response.status >= 429) return true;
  const { status, access_expires_at: end } = response.ok ? await json(response) : {};
  return status === "settled" && Date.parse(end) > Date.now();
};

// A link that opens the resource once, on another device or in another tab; or the id of a text that says why not.
export const oneTimeLink = async (seller, authorization) => {
  const response = await send("POST", `${seller.own}handover`, { authorization, body: seller.path });
  const { url } = response?.ok ? await json(response) : {};
  if (text(url).startsWith(`${seller.own}open/`)) return { url }; // of this seller and of nobody else (T52)
  return { fault: response?.status === 429 ? "error_limit" : "error_network" };
};

// The public keys that sign receipts (C16).
export const keys = async (seller) => {
  const response = await send("GET", `${seller.own}keys.json`);
  return response?.ok ? (await json(response)).keys : undefined;
};
