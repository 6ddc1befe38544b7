// @getalby/lightning-tools: fetch with a wallet. The second argument names the function to use.
//
//   node lightning-tools.mjs URL fetchWithL402|fetch402|fetchWithMpp
import * as tools from "@getalby/lightning-tools/402";
import { pay } from "./wallet.mjs";

const [url, name] = process.argv.slice(2);
const paidFetch = tools[name];
const wallet = { payInvoice: async ({ invoice }) => ({ preimage: await pay(invoice) }) };
const mpp = name === "fetchWithMpp";
// fetchWithMpp reads only the first challenge: ask for that one to come first. An object for each call, since
// the library writes its credential into the one it is given.
const init = () => (mpp ? { headers: { "Accept-Payment": "lightning/charge" } } : {});

const first = await paidFetch(url, init(), { wallet });
console.log(first.status, await first.text());

// What was paid for is handed back by the caller; the library remembers nothing. A Payment credential is
// good for one delivery, so there is nothing to hand back with MPP.
const { credentials } = first.payment;
const second = await paidFetch(url, init(), mpp ? { wallet } : { wallet, credentials });
console.log(second.status, await second.text());
