// What the loader brings when a paywall is needed: the Rust, and what touches the browser for it.
import init from "rust";

export { fetchPaid } from "./fetch.js";
export { Paywall } from "./paywall.js";

import { configure } from "./words.js";

// `wasm`: where the Rust is (a response, bytes, a promise of one); `language`: brings the texts of a language code, whose
// file has a hash.
export const start = async (wasm, language) => {
  configure(language);
  await init({ module_or_path: wasm });
};
