// A person with a browser and no JavaScript: sees the price, pays with a phone, and the page opens by itself.
// usage: node unlock.mjs EDGE_URL WALLET_URL WALLET_PASSWORD [SCREENSHOT_DIRECTORY]
// Needs Debian's chromium; playwright-core drives it and brings no browser of its own.
import assert from "node:assert/strict";
import path from "node:path";
import { chromium } from "playwright-core";

const [edge, wallet, password, pictures] = process.argv.slice(2);
const shoot = async (page, name) => pictures && page.screenshot({ path: path.join(pictures, name) });

const pay = async (invoice) => {
  const authorization = "Basic " + Buffer.from(":" + password).toString("base64");
  const answer = await fetch(wallet + "/payinvoice", { method: "POST", headers: { authorization }, body: new URLSearchParams({ invoice }) });
  const { paymentPreimage, reason } = await answer.json();
  assert.ok(paymentPreimage, `the wallet did not pay: ${reason}`);
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
try {
  const phone = { width: 390, height: 844 };
  const context = await browser.newContext({ javaScriptEnabled: false, viewport: phone, deviceScaleFactor: 2 });
  const page = await context.newPage();
  const outside = [];
  page.on("request", (request) => new URL(request.url()).origin === edge || outside.push(request.url()));

  // The page: a 402 with everything a wallet needs.
  const first = await page.goto(edge + "/articles/1");
  assert.equal(first.status(), 402);
  assert.match(first.headers()["www-authenticate"], /^L402 macaroon="/);
  assert.equal(await page.locator(".price").textContent(), "21 sats");
  assert.ok(await page.locator("svg[role=img]").isVisible());
  const invoice = await page.locator("textarea").inputValue();
  assert.match(invoice, /^lnbcrt210n1/);
  assert.equal(await page.locator("a.open").getAttribute("href"), "lightning:" + invoice);
  // By keyboard: the first thing that Tab reaches is the wallet link.
  await page.keyboard.press("Tab");
  assert.ok(await page.locator("a.open:focus").count());
  await shoot(page, "402.png");

  // Nothing scrolls sideways on a phone.
  assert.ok((await page.locator("main").boundingBox()).width <= phone.width);

  // It refreshes by itself, and shows the same invoice while that lives.
  await page.waitForEvent("load", { timeout: 9_000 });
  assert.equal(await page.locator("textarea").inputValue(), invoice);

  // The phone pays, and the page opens without anybody touching it.
  await pay(invoice);
  await page.locator("textarea").waitFor({ state: "detached", timeout: 12_000 });
  assert.match(await page.locator("h1").textContent(), /payment/i);
  await shoot(page, "200.png");

  // The next article of the same service opens at once; another service does not.
  assert.equal((await page.goto(edge + "/articles/2")).status(), 200);
  assert.equal((await page.goto(edge + "/dear/echo")).status(), 402);
  assert.deepEqual(outside, [], "the pages ask nobody else for anything");

  // In the dark, and with a wide window.
  const desk = await browser.newPage({ colorScheme: "dark", viewport: { width: 1280, height: 800 } });
  const errors = [];
  desk.on("console", (message) => message.type() === "error" && !message.text().includes("402") && errors.push(message.text()));
  assert.equal((await desk.goto(edge + "/articles/3")).status(), 402);
  await shoot(desk, "402-dark.png");
  assert.deepEqual(errors, [], "the page keeps its own content security policy");
  console.log("a browser without JavaScript paid and got in");
} finally {
  await browser.close();
}
