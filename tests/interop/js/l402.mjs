// l402 (npm): an axios interceptor with a store for tokens.
//
// Mind: it retries through itself, so a server that answers 402 to a paid request is paid again, and again.
import axios from "axios";
import l402 from "l402";
import { pay } from "./wallet.mjs";

const [url] = process.argv.slice(2);
const wallet = {
  async payInvoice(invoice) {
    try {
      return { preimage: await pay(invoice), success: true };
    } catch (error) {
      return { preimage: "", success: false, error: String(error) };
    }
  },
};
const client = axios.create({ responseType: "text" });
l402.setupL402Interceptor(client, wallet, new l402.MemoryTokenStore());

for (let call = 0; call < 2; call++) {
  const response = await client.get(url);
  console.log(response.status, response.data);
}
