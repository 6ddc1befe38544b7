// mppx brings no Lightning method of its own: this is the whole of one, and then a fetch that pays with it.
import { Credential, Method, z } from "mppx";
import { Mppx } from "mppx/client";
import { pay } from "./wallet.mjs";

const [url] = process.argv.slice(2);
const charge = Method.from({
  name: "lightning",
  intent: "charge",
  schema: {
    credential: { payload: z.object({ preimage: z.string() }) },
    request: z.object({
      amount: z.string(),
      currency: z.optional(z.string()),
      description: z.optional(z.string()),
      methodDetails: z.object({
        invoice: z.string(),
        paymentHash: z.optional(z.string()),
        network: z.optional(z.string()),
      }),
    }),
  },
});
const lightning = Method.toClient(charge, {
  async createCredential({ challenge }) {
    const preimage = await pay(challenge.request.methodDetails.invoice);
    return Credential.serialize({ challenge, payload: { preimage } });
  },
});
const client = Mppx.create({ methods: [lightning], polyfill: false });

for (let call = 0; call < 2; call++) {
  const response = await client.fetch(url);
  console.log(response.status, await response.text());
  if (!response.headers.has("payment-receipt")) throw new Error("a paid response without a receipt");
}
