// The dev wallet as a WebLN provider (webln.guide), for pages of the origins that the wallet was started with.
// Nothing is asked before paying: the money is regtest's. A wallet that is already in the browser goes first.
"use strict";

(() => {
  if (window.webln) return;
  const pay = new URL("/webln/pay", document.currentScript.src);

  async function sendPayment(invoice) {
    if (!webln.enabled) throw new Error("call webln.enable() first");
    let answer;
    try {
      answer = await fetch(pay, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ invoice: String(invoice) }),
        credentials: "omit",
      });
    } catch {
      throw new Error("the dev wallet cannot be reached, or does not know this page's origin");
    }
    const { preimage, reason } = await answer.json().catch(() => ({}));
    if (!answer.ok || !preimage) throw new Error(reason ?? "the dev wallet did not pay");
    return { preimage };
  }

  const webln = {
    enabled: false,
    async enable() {
      webln.enabled = true;
    },
    async getInfo() {
      return { node: { alias: "Satstile dev wallet" }, supports: ["lightning"], methods: ["getInfo", "sendPayment"] };
    },
    sendPayment,
  };
  window.webln = webln;
  // For who looked before this script ran; extensions tell it in the same way.
  window.dispatchEvent(new Event("webln:ready"));
})();
