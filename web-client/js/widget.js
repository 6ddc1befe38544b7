// The loader that a page includes. It knows the hashes of what it loads (BUILD is filled in by `cargo xtask worker`),
// so one `integrity` on its own script tag covers all of it.
import { define } from "./element.js";

const base = new URL(`/.well-known/satstile/widget-${BUILD.id}/`, import.meta.url).href;
const get = (name, integrity) => fetch(base + name, { integrity, credentials: "omit" });

// A module has no `integrity` of its own; one that was preloaded with a hash has.
const checked = (href, integrity) => new Promise((resolve, reject) => {
  const onerror = () => reject(new Error(`${href} cannot be loaded, or is not what it should be`));
  document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href, integrity, crossOrigin: "", onload: resolve, onerror }));
});

let core;
const load = () => core ??= (async () => {
  const wasm = get("core.wasm", BUILD.wasm);
  wasm.catch(() => {}); // `start` tells
  await checked(`${base}core.js`, BUILD.core);
  const module = await import(`${base}core.js`);
  await module.start(wasm, async (language, hash) => (await get(`${language}.json`, hash)).json());
  return module;
})().catch((error) => { core = undefined; throw error; });

export const SatstilePaywall = globalThis.SatstilePaywall ??= define(load);
