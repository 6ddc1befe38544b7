// A page of another site that got the widget from npm and bundled it with esbuild, which was told nothing about it. Its
// content security policy allows its own scripts, the seller, and nothing else.
// `given.folder` is where `npm install satstile-widget` was typed.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { build } from "esbuild";
import { edge, elsewhere, given, heard, invoiceOn, part, pay, tell, until } from "./lib.mjs";

const { folder } = given;
const SCRIPT = `import { SatstilePaywall } from "satstile-widget";
globalThis.receipt = document.querySelector("satstile-paywall").whenPaid();
globalThis.buy = (url) => SatstilePaywall.fetch(url, { maxSats: 50 });
`;
const page = (script, attributes) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>A friend's page</title>
<link rel="icon" href="data:,"><script type="module" src="/${script}/page.js"></script>
<satstile-paywall src="${edge}/articles/1" ${attributes}><a href="${edge}/articles/1">Read on</a></satstile-paywall>`;
const POLICY = `default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src ${edge} ${edge.replace("http", "ws")}; style-src 'self'; img-src data:`;

// Many small files, as an application has them, and a single one, as a plain page.
await writeFile(path.join(folder, "page.js"), SCRIPT);
const bundle = (to, options) => build({
  absWorkingDir: folder, entryPoints: ["page.js"], bundle: true, minify: true, format: "esm", outdir: to, logLevel: "warning", ...options,
});
await mkdir(path.join(folder, "site"));
await bundle("site/split", { splitting: true });
await bundle("site/single", { format: "iife" });

const site = createServer(async ({ url }, response) => {
  const { pathname, search } = new URL(url, "http://site");
  const [, kind, script] = pathname.split("/");
  if (kind === "page" || kind === "strict") {
    const policy = kind === "strict" ? POLICY.replace("'wasm-unsafe-eval'", "") : POLICY;
    const html = page(script, decodeURIComponent(search.slice(1)));
    return response.writeHead(200, { "content-type": "text/html", "content-security-policy": policy }).end(html);
  }
  const module = await readFile(path.join(folder, "site", path.basename(kind), path.basename(script ?? ""))).catch(() => {});
  response.writeHead(module ? 200 : 404, { "content-type": "text/javascript" }).end(module);
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
const home = `http://127.0.0.1:${site.address().port}`;
const open = (visit, script, attributes = "") => visit.page.goto(`${home}/page/${script}?${encodeURIComponent(attributes)}`);

const nothingElse = async (visit) => {
  assert.deepEqual(elsewhere(visit, edge, home), [], "nobody else is asked for anything");
  assert.deepEqual(await heard(visit.page, "violation"), [], "the page's policy holds");
  assert.deepEqual(visit.said, []);
};

const paid = (script) => async (visit) => {
  await open(visit, script);
  const invoice = await invoiceOn(visit.page);
  assert.match(invoice, /^lnbcrt210n1/);
  assert.ok(await part(visit.page, "qr").isVisible());
  const { preimage } = await pay(invoice);
  const receipt = await visit.page.evaluate(() => receipt);
  assert.equal(receipt.preimage, preimage);
  assert.equal(receipt.payment_hash, createHash("sha256").update(Buffer.from(preimage, "hex")).digest("hex"));
  assert.equal(receipt.resource, `${edge}/articles/1`);
  assert.equal(receipt.issuer, edge);
  assert.match(receipt.signature, /./);
  assert.equal((await heard(visit.page, "token")).length, 1);
  const declared = /interface Receipt {([^}]*)}/.exec(await readFile(path.join(installed, "index.d.ts"), "utf8"))[1];
  for (const name in receipt) assert.match(declared, new RegExp(`\\b${name}\\??:`), `${name} is not declared`);
  await nothingElse(visit);
};

const installed = path.join(folder, "node_modules/satstile-widget");
const [{ declarations: [manifest] }] = JSON.parse(await readFile(path.join(installed, "custom-elements.json"), "utf8")).modules;
const names = (list) => list.map(({ name }) => name).sort();

await tell({
  "bundled into small files, it shows an invoice and is paid": paid("split"),
  "bundled into a single file, it is paid as well": paid("single"),

  "nothing but the entry is loaded until somebody wants to pay": async (visit) => {
    await open(visit, "split", 'mode="button"');
    await visit.page.waitForFunction(() => customElements.get("satstile-paywall"));
    const scripts = () => visit.requests.filter((request) => request.resourceType() === "script").length;
    const before = scripts();
    await visit.page.click("a");
    await invoiceOn(visit.page);
    assert.ok(scripts() > before);
    assert.ok(before <= 2, `${before} scripts are loaded for a link`);
    assert.equal(visit.page.url().startsWith(home), true);
    await nothingElse(visit);
  },

  "where the page allows no wasm, the link stands there as before": async (visit) => {
    await visit.page.goto(`${home}/strict/split`);
    await until(visit.page, "error");
    const [{ detail }] = await heard(visit.page, "error");
    assert.equal(detail.kind, "load");
    assert.ok(await visit.page.locator("a").isVisible());
    assert.equal(await visit.page.evaluate(() => document.querySelector("satstile-paywall").shadowRoot), null);
    assert.equal(visit.requests.filter((request) => request.url().startsWith(edge)).length, 0, "no invoice is made for nobody");
  },

  "another language is a module, too": async (visit) => {
    await open(visit, "split", 'lang="de"');
    await invoiceOn(visit.page);
    const german = await readFile(path.join(installed, "lang/de.js"), "utf8");
    assert.ok(german.includes(JSON.stringify(await part(visit.page, "copy").textContent())));
    await nothingElse(visit);
  },

  "a call to an API becomes a dialog and then an answer": async (visit) => {
    await open(visit, "split", 'mode="button"');
    await visit.page.waitForFunction(() => globalThis.buy);
    const answer = visit.page.evaluate((url) => buy(url).then((response) => response.status), `${edge}/api/echo`);
    await pay(await invoiceOn(visit.page));
    assert.equal(await answer, 200);
    await nothingElse(visit);
  },

  "the manifest names every part, variable and attribute": async (visit) => {
    await open(visit, "split", 'mode="button" wallets="list"');
    await visit.page.click("a");
    await invoiceOn(visit.page);
    const found = await visit.page.evaluate(() => {
      const element = document.querySelector("satstile-paywall");
      const root = element.shadowRoot;
      const parts = new Set([...root.querySelectorAll("[part]")].flatMap((node) => [...node.part]));
      const slots = new Set([...root.querySelectorAll("slot")].map((slot) => slot.name));
      const css = root.adoptedStyleSheets.flatMap((sheet) => [...sheet.cssRules].map((rule) => rule.cssText)).join();
      const variables = new Set([...css.matchAll(/var\((--satstile-[a-z-]+)/g)].map(([, name]) => name));
      return { parts: [...parts], slots: [...slots], variables: [...variables], attributes: element.constructor.observedAttributes };
    });
    const more = ["over"]; // once the invoice has ended
    assert.deepEqual([...found.parts, ...more].sort(), names(manifest.cssParts));
    assert.deepEqual(found.slots.sort(), names(manifest.slots));
    assert.deepEqual(found.variables.sort(), names(manifest.cssProperties));
    assert.deepEqual(found.attributes.toSorted(), names(manifest.attributes));
  },
});
