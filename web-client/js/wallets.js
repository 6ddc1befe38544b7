// Who pays. On iOS `lightning:` opens one app and nobody is asked which; there the wallets are listed, by the nested
// schemes they have agreed on. Android has a chooser of its own.
import { local } from "./store.js";

const WALLETS = [
  ["Phoenix", "phoenix:lightning:"], ["Blink", "blink:lightning:"], ["BlueWallet", "bluewallet:lightning:"], ["Breez", "breez:"],
  ["Cash App", "https://cash.app/launch/lightning/"], ["Muun", "muun:"], ["Wallet of Satoshi", "walletofsatoshi:lightning:"],
  ["Zeus", "zeusln:lightning:"],
];
const CHOICE = "satstile:wallet";

// An iPad says that it is a Mac; a Mac has no touch screen.
export const isIos = () => /iPhone|iPad/.test(navigator.userAgent) || (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);

// All of them, the one that was chosen before in front.
export const wallets = () => {
  const chosen = local.get(CHOICE);
  return WALLETS.toSorted(([a], [b]) => (b === chosen) - (a === chosen));
};
export const choose = (name) => local.set(CHOICE, name);

// After these the payment may be under way, or may have arrived; after any other "no", a person's own for example, not.
const DOUBT = /^$|time|pend|flight|transit|already|unknown|network|connect|internal/i;

// Pays with the wallet in this browser (https://www.webln.dev); only ever after a click. `sends` is called before it is
// told to. Gives the preimage, or "" for a wallet that does not tell it; undefined when nothing was paid.
export const payHere = async (bolt11, sends) => {
  try { await window.webln.enable(); } catch { return; }
  sends();
  try {
    const paid = await window.webln.sendPayment(bolt11);
    return typeof paid?.preimage === "string" ? paid.preimage : "";
  } catch (error) {
    return DOUBT.test(error?.message ?? error ?? "") ? "" : undefined;
  }
};
