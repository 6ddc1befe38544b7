// The entry of the npm package. Everything else is a module behind a literal `import()`, the wasm too, so that any
// bundler takes it without being told how; and nothing of it is fetched before a paywall is seen, opened or needed.
import { define } from "./element.js";

const LANGUAGES = {
  ar: () => import("./lang/ar.js"), de: () => import("./lang/de.js"), es: () => import("./lang/es.js"),
  fr: () => import("./lang/fr.js"), it: () => import("./lang/it.js"), ja: () => import("./lang/ja.js"),
  nl: () => import("./lang/nl.js"), pl: () => import("./lang/pl.js"), pt: () => import("./lang/pt.js"),
  ru: () => import("./lang/ru.js"), zh: () => import("./lang/zh.js"),
};

// gzip in base64: text that every bundler takes, and that a server cannot make much smaller or larger.
const unpacked = (base64) => {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
};

let core;
const load = () => core ??= (async () => {
  const [module, wasm] = await Promise.all([import("./core.js"), import("./wasm.js")]);
  await module.start(unpacked(wasm.default), async (language) => (await LANGUAGES[language]()).default);
  return module;
})().catch((error) => { core = undefined; throw error; });

// A page may have the gateway's own copy as well: the element is defined once, by whoever comes first.
export const SatstilePaywall = globalThis.customElements?.get("satstile-paywall") ?? define(load);
