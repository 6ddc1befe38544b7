// `SatstilePaywall.fetch`: like `fetch`, and a 402 becomes a dialog. Once it is paid the request is sent again, once. Who
// closes the dialog, or would have to pay more than `maxSats`, gets the 402 itself, as `fetch` would give it.
import { isFrom, json } from "./net.js";
import { keep, recall } from "./store.js";

export const fetchPaid = async (input, init = {}) => {
  const first = new Request(input, init);
  const again = first.clone(); // a body can be read once
  const unpaid = await fetch(first);
  const challenge = unpaid.headers.get("www-authenticate") ?? "";
  const seller = new URL(first.url);
  // A 402 of another site, to which a redirect led, is not for us to pay, nor to be believed about what was paid before.
  if (unpaid.status !== 402 || !isFrom(seller, unpaid) || first.headers.has("authorization") || !/\bL402\b/.test(challenge)) return unpaid;

  const paid = (authorization) => {
    const request = again.clone();
    request.headers.set("authorization", authorization);
    return fetch(request);
  };
  // Something of this service may have been paid for already.
  const { service } = await json(unpaid.clone());
  const kept = init.remember !== "none" && service && recall("session", seller, service);
  if (kept) {
    const response = await paid(kept);
    if (response.status !== 401 && response.status !== 402) return response;
    keep("session", seller, service);
  }
  const authorization = await ask(first.url, init, unpaid.clone());
  if (!authorization) return unpaid;
  if (init.remember !== "none" && service) keep("session", seller, service, authorization);
  return paid(authorization);
};

// Shows the dialog for this very 402. The credential, or undefined.
const ask = (src, { maxSats, lang, theme, wallets }, unpaid) => new Promise((resolve) => {
  const element = document.createElement("satstile-paywall");
  for (const [name, value] of Object.entries({ src, mode: "modal", remember: "none", "max-sats": maxSats, lang, theme, wallets })) {
    if (value != null && value !== Infinity) element.setAttribute(name, value);
  }
  element.unpaid = unpaid;
  const end = (value) => { element.remove(); resolve(value); };
  element.addEventListener("satstile:token", (event) => {
    event.preventDefault(); // the one who asked takes it: there is no page to open
    end(event.detail.authorization);
  });
  element.addEventListener("satstile:close", () => end());
  element.addEventListener("satstile:error", ({ detail }) => detail.kind === "too-dear" && end());
  document.body.append(element);
  element.open();
});
