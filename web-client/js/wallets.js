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

// The preimage that the wallet in this browser says it got (https://www.webln.dev); only ever asked after a click.
export const payHere = async (bolt11) => {
  await window.webln.enable();
  return String((await window.webln.sendPayment(bolt11)).preimage);
};
