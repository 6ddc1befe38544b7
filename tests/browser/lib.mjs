// What the stories in real Chromium share: the browser, the wallet of somebody's phone, a camera for QR codes, and ears
// for what a page says, asks for and is refused. `cargo xtask test browser` starts what they look at.
// usage: SATSTILE_STACK='{"edge": …, "blog": …, "wallet": …, "password": …}' node pay.mjs [SCREENSHOT_DIRECTORY]
import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import jsqr from "jsqr";
import { chromium } from "playwright-core";
import { PNG } from "pngjs";

export const { edge, blog, wallet, password, given } = JSON.parse(process.env.SATSTILE_STACK);
export const OWN = edge + "/.well-known/satstile/";
export const PHONE = { width: 390, height: 844 };
const pictures = process.argv[2] ?? "target/screenshots";
await mkdir(pictures, { recursive: true });

// Debian's chromium; playwright-core drives it and brings no browser of its own.
export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});

// Tells stories, `lanes` at a time, each with a browser profile of its own (`options` of playwright's newContext), and
// ends the process. A story that fails does not stop the others. One story alone: STORY="part of its name" node ….mjs
export const tell = async (stories, { lanes = 2 } = {}) => {
  const waiting = Object.entries(stories).filter(([name]) => name.includes(process.env.STORY ?? ""));
  let failed = 0;
  const lane = async () => {
    for (let next; (next = waiting.shift());) {
      const [name, story] = next;
      const [options, act] = Array.isArray(story) ? story : [{}, story];
      const begun = Date.now();
      const visit = await arrive(options);
      try {
        await within(120_000, act(visit));
        console.log(`  ok      ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
      } catch (error) {
        failed++;
        await shoot(visit.page, `failed-${name.replace(/\W+/g, "-").slice(0, 60)}`).catch(() => {});
        console.log(`  FAILED  ${name}`);
        // To whoever started us, who says it again at the end.
        console.error(`  FAILED  ${name}\n${error.stack}\n  the page said: ${JSON.stringify(visit.said.slice(0, 5))}`);
      }
      await visit.context.unrouteAll({ behavior: "ignoreErrors" });
      await visit.context.close();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  await browser.close();
  process.exit(failed && 1);
};

const within = (ms, promise) => {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

// Somebody with a fresh browser: a page, and what was heard of it.
export const arrive = async (options = {}) => {
  const context = await browser.newContext({ viewport: PHONE, deviceScaleFactor: 2, ...options });
  context.setDefaultTimeout(15_000);
  // Pages that a test made up have no address, so Chromium takes them for strangers on this machine's network.
  await context.grantPermissions(["local-network-access"]);
  const visit = { context, requests: [], answers: [], said: [], sockets: [] };
  context.on("request", (request) => visit.requests.push(request));
  context.on("response", (response) => visit.answers.push(response));
  // Everything on the console but the line that Chromium itself writes for each 402, and exceptions.
  context.on("console", (message) => /status of 402/.test(message.text()) || visit.said.push(message.text()));
  context.on("weberror", (error) => visit.said.push(String(error.error())));
  context.on("page", (page) => page.on("websocket", (socket) => visit.sockets.push(socket)));
  await context.addInitScript(() => {
    globalThis.heard = [];
    for (const name of ["ready", "challenge", "invoice", "pending", "settled", "token", "expired", "renewed", "error", "close"]) {
      globalThis.addEventListener(`satstile:${name}`, ({ detail }) => heard.push({ name, at: Date.now(), detail }), true);
    }
    globalThis.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => heard.push({ name: "violation", at: Date.now(), detail: { violatedDirective, blockedURI } }), true);
  });
  visit.page = await context.newPage();
  return visit;
};

export const heard = (page, name) => page.evaluate((name) => heard.filter((event) => event.name === name), name);
export const news = async (page) => (await page.evaluate(() => heard)).map((event) => event.name);
export const until = (page, name, count = 1) => page.waitForFunction(
  ([name, count]) => heard.filter((event) => event.name === name).length >= count, [name, count], { polling: 50 });

// A part of the card that can be seen.
export const part = (page, name) => page.locator(`satstile-paywall [part~=${name}]:visible`).first();
export const invoiceOn = (page) => part(page, "invoice").inputValue();
// The whole page, or for a dialog what is in the window.
export const shoot = async (page, name) =>
  page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: !await page.locator("dialog[open]").count() });

// What a phone's camera reads from the screen; undefined where there is no QR code.
export const scan = (png) => {
  const { data, width, height } = PNG.sync.read(png);
  return jsqr(new Uint8ClampedArray(data), width, height)?.data;
};

// The phone pays. Gives the moment at which its wallet said so.
export const pay = async (invoice) => {
  const authorization = "Basic " + Buffer.from(":" + password).toString("base64");
  const answer = await fetch(wallet + "/payinvoice", { method: "POST", headers: { authorization }, body: new URLSearchParams({ invoice }) });
  const { paymentPreimage, reason } = await answer.json();
  assert.ok(paymentPreimage, `the wallet did not pay: ${reason}`);
  return { at: Date.now(), preimage: paymentPreimage };
};

// `invoice` and the like of a 402's challenge.
export const param = (challenge, name) => new RegExp(`\\b${name}="([^"]*)"`).exec(challenge)?.[1];
export const count402 = (visit, path) => visit.answers.filter((answer) => answer.status() === 402 && answer.url().startsWith(edge + path)).length;
export const elsewhere = ({ requests }, ...origins) =>
  requests.map((request) => new URL(request.url())).filter((url) => url.protocol.startsWith("http") && !origins.includes(url.origin)).map(String);
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const quantile = (values, q) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];

// A page of the edge's own origin with this in it, and the component. `head`: more of the head; `headers`: of the answer.
export const stage = async ({ context, page }, body, { head = "", headers = {}, origin = edge } = {}) => {
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>A page of the test</title><link rel="icon" href="data:,"><script type="module" src="${OWN}widget.js"></script>${head}</head>
    <body><main><h1>A page</h1>${body}</main></body></html>`;
  const url = `${origin}/free/stage`;
  await context.route(url, (route) => route.fulfill({ contentType: "text/html; charset=utf-8", headers, body: html }));
  await page.goto(url);
};
