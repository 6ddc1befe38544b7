// Somebody with JavaScript pays: inline, by a button, in a window, by the wallet in the browser, for an API, on another
// site. What is on the screen can be paid, and what was paid opens at once.
import assert from "node:assert/strict";
import { blog, count402, edge, elsewhere, heard, invoiceOn, news, param, part, pay, quantile, scan, shoot, sleep, stage, tell, until, wallet } from "./lib.mjs";

const THANKS_MS = 700; // of paywall.js: "Paid" is read for so long

const challengeOf = (page, path) => page.waitForResponse((response) => response.url() === edge + path && response.status() === 402);

// Pays so many times, as a visitor without cookies, and tells how long it took until the page knew, and until it went on.
const measure = async (what, { context, page }, payments) => {
  const known = [], gone = [];
  let settled;
  await page.exposeFunction("tellSettled", (at) => { settled = at; });
  await page.addInitScript(() => addEventListener("satstile:settled", () => tellSettled(Date.now()), true));
  for (let n = 0; n < payments; n++) {
    await page.goto(edge + "/free/1");
    const invoice = await invoiceOn(page);
    await sleep(300 + Math.random() * 1_000);
    const commit = page.waitForEvent("framenavigated").then(() => Date.now());
    const { at } = await pay(invoice);
    gone.push(await commit - at - THANKS_MS);
    known.push(settled - at);
    await page.waitForLoadState("load");
    assert.equal(page.url(), edge + "/articles/1");
    await context.clearCookies();
  }
  for (const [end, times] of [["unlocked", known], ["the next page, less the thanks", gone]]) {
    console.log(`  paid to ${end}, ${what}: p50 ${quantile(times, 0.5)} ms, p95 ${quantile(times, 0.95)} ms (n = ${times.length})`);
  }
  return known;
};

await tell({
  "the camera reads the invoice of the 402 from the screen, and nothing else asks for it": async (visit) => {
    const { page } = visit;
    const asked = challengeOf(page, "/articles/1");
    await page.goto(edge + "/free/1");
    const invoice = param(await (await asked).headerValue("www-authenticate"), "invoice");
    await part(page, "qr").waitFor();
    const seen = scan(await page.screenshot({ fullPage: true }));
    assert.equal(seen, "lightning:" + invoice.toUpperCase());
    assert.equal(await invoiceOn(page), invoice);
    assert.equal(await part(page, "link").getAttribute("href"), "lightning:" + invoice);
    assert.equal(invoice, invoice.toLowerCase());
    assert.equal(await part(page, "amount").textContent(), "21 sats");
    await shoot(page, "inline");

    await visit.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: edge });
    await part(page, "copy").click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), invoice);
    assert.equal(await part(page, "copy").textContent(), "Copied");

    const opened = page.waitForResponse((response) => response.url() === edge + "/articles/1" && response.request().isNavigationRequest());
    await pay(invoice);
    await until(page, "settled");
    assert.match(await part(page, "status").textContent(), /Thank you/);
    await shoot(page, "paid");
    assert.equal((await opened).status(), 200);
    await page.waitForURL(edge + "/articles/1");
    assert.equal(await page.locator("satstile-paywall").count(), 0);
    assert.equal(count402(visit, "/articles/1"), 1);
    assert.deepEqual(elsewhere(visit, edge, wallet), []);
    assert.deepEqual(visit.said, []);
  },

  "a picture in the dark, on a large screen, and small in a window, is read as well": [{ colorScheme: "dark", viewport: { width: 1280, height: 900 }, deviceScaleFactor: 1 }, async ({ page, said }) => {
    await page.goto(edge + "/free/2");
    await part(page, "qr").waitFor();
    const seen = scan(await page.screenshot({ fullPage: true }));
    assert.equal(seen, "lightning:" + (await invoiceOn(page)).toUpperCase());
    await shoot(page, "dark");
    await page.setViewportSize({ width: 320, height: 640 });
    assert.equal(scan(await page.screenshot({ fullPage: true })), seen);
    assert.deepEqual(said, []);
  }],

  "one click pays with the wallet in the browser, and it is never asked before": async (visit) => {
    const { page } = visit;
    await page.goto(edge + "/free/demo");
    await page.locator("satstile-paywall[mode=button] a").first().click();
    await part(page, "webln").waitFor();
    const asksWallet = () => visit.requests.filter((request) => request.url() === wallet + "/webln/pay").length;
    assert.equal(asksWallet(), 0);
    await shoot(page, "modal");
    await part(page, "webln").click();
    await until(page, "settled");
    assert.ok(asksWallet() > 0);
    assert.equal(count402(visit, "/dear/field-notes.pdf"), 1);
  },

  "who pays with the wallet in the browser, before any poll, gets a signed receipt": async (visit) => {
    const { page } = visit;
    await stage(visit, `<satstile-paywall src="/articles/2"><p slot="paid">All yours.</p></satstile-paywall>`, { head: `<script defer src="${wallet}/webln.js"></script>` });
    await part(page, "webln").click();
    const receipt = await page.evaluate(() => document.querySelector("satstile-paywall").whenPaid());
    assert.equal(receipt.signature.split(".").length, 3);
    assert.equal(receipt.resource, edge + "/articles/2");
    await page.getByText("All yours.").waitFor();
    assert.equal(page.url(), edge + "/free/stage", "a page with a word of its own stays");
  },

  // B9: whatever a wallet gives back, it may have paid. Each of them really pays here, and tells no preimage of use.
  ...Object.fromEntries(Object.entries({
    nothing: "undefined", "an empty object": "({})", "an empty preimage": "({ preimage: '' })", "an error as its value": "new Error('odd')",
    "a doubtful end": "Promise.reject(new Error('reply timeout'))",
  }).map(([what, given]) => [`a wallet that pays and gives ${what} is not offered the invoice again, and the page opens (b9)`, async (visit) => {
    const { page } = visit;
    await page.addInitScript(`globalThis.asked = []; window.webln = { enable: async () => {}, sendPayment: async (invoice) => { asked.push(invoice); return ${given}; } };`);
    await stage(visit, `<satstile-paywall src="/articles/2"><p slot="paid">All yours.</p></satstile-paywall>`);
    const invoice = await invoiceOn(page);
    await part(page, "webln").click();
    await page.getByText("Sent. Waiting for the seller").waitFor();
    assert.ok(await part(page, "webln").isDisabled());
    await page.reload();
    await page.getByText("Sent. Waiting for the seller").waitFor();
    assert.equal(await invoiceOn(page), invoice);
    assert.ok(await part(page, "webln").isDisabled(), "nor after a reload");
    await pay(invoice);
    await page.getByText("All yours.").waitFor();
    assert.equal(count402(visit, "/articles/2"), 1);
  }])),

  // B9, the nearest "no": who says no in the wallet has paid nothing.
  "who says no in the wallet may press again (b9)": async (visit) => {
    const { page } = visit;
    await page.addInitScript(`window.webln = { enable: async () => {}, sendPayment: async () => { throw new Error("User rejected"); } };`);
    await stage(visit, '<satstile-paywall src="/articles/2"></satstile-paywall>');
    await part(page, "webln").click();
    await page.getByText("The wallet did not pay.").waitFor();
    assert.ok(await part(page, "webln").isEnabled());
  },

  // D7: it says so, and is there by itself once it can be sold again.
  "what cannot be sold just now is asked for again by itself (d7)": async (visit) => {
    const { page, context } = visit;
    let isDown = true;
    await context.route(edge + "/articles/2", (route) => isDown
      ? route.fulfill({ status: 503, headers: { "retry-after": "1" }, contentType: "application/problem+json", body: '{"code":"cannot_be_sold"}' })
      : route.continue());
    await stage(visit, '<satstile-paywall src="/articles/2"></satstile-paywall>');
    await part(page, "error").filter({ hasText: "Cannot be sold just now. Nothing was charged." }).waitFor();
    await shoot(page, "unsold");
    isDown = false;
    await part(page, "qr").waitFor();
    assert.equal((await heard(page, "error")).length, 1);
  },

  // D11: the system is dark, and the page says nothing of it.
  "in a page that knows no dark the card is light (d11)": [{ colorScheme: "dark" }, async (visit) => {
    const { page } = visit;
    const background = async (head) => {
      await stage(visit, '<satstile-paywall src="/articles/2"></satstile-paywall>', { head });
      await part(page, "qr").waitFor();
      const colour = await part(page, "card").evaluate((card) => getComputedStyle(card).backgroundColor);
      await visit.context.unroute(`${edge}/free/stage`);
      return colour;
    };
    assert.equal(await background(""), "rgb(255, 255, 255)");
    assert.equal(await background('<meta name="color-scheme" content="light dark">'), "rgb(29, 29, 34)");
    assert.equal(await background("<style>:root { color-scheme: light dark }</style>"), "rgb(29, 29, 34)");
  }],

  "a file behind a button opens by its plain address, and in parts": async (visit) => {
    const { page } = visit;
    const file = edge + "/dear/field-notes.pdf";
    await page.goto(edge + "/free/demo");
    assert.equal(count402(visit, "/dear/"), 0, "nothing is asked for before the click");
    const link = page.locator("satstile-paywall[mode=button] a").first();
    await link.click();
    const opened = page.waitForResponse((response) => response.url() === file && response.request().isNavigationRequest());
    await pay(await invoiceOn(page));
    const pdf = await opened;
    assert.equal(pdf.status(), 200);
    assert.equal(await pdf.headerValue("content-type"), "application/pdf");
    const reader = await visit.context.newPage();
    await reader.goto(edge + "/free/1");
    const [status, range, bytes] = await reader.evaluate(async (file) => {
      const response = await fetch(file, { headers: { range: "bytes=0-4" } });
      return [response.status, response.headers.get("content-range"), await response.text()];
    }, file);
    assert.equal(status, 206);
    assert.match(range, /^bytes 0-4\/\d+$/);
    assert.equal(bytes, "%PDF-");
    assert.equal(count402(visit, "/dear/"), 1, "what opened once asks for no second payment");
  },

  "a window that the page opens closes without a payment, and opens again with the same invoice": async (visit) => {
    const { page } = visit;
    await page.goto(edge + "/free/demo");
    await page.evaluate(() => customElements.whenDefined("satstile-paywall"));
    await page.locator("#read").click();
    const dialog = page.locator("satstile-paywall dialog[open]");
    await dialog.waitFor();
    const invoice = await invoiceOn(page);
    await page.keyboard.press("Escape");
    await until(page, "close");
    assert.equal(await dialog.count(), 0);
    assert.deepEqual(await news(page), ["challenge", "invoice", "pending", "close"]);
    await page.evaluate(() => document.getElementById("paywall").open());
    assert.equal(await invoiceOn(page), invoice);
    await pay(invoice);
    await page.waitForURL(edge + "/articles/3");
    assert.equal(count402(visit, "/articles/3"), 1);
  },

  "a fetch that can pay asks again once, and a second call needs no payment": async (visit) => {
    const { page } = visit;
    await page.goto(edge + "/free/demo");
    const call = () => page.evaluate(async () => {
      const response = await customElements.get("satstile-paywall").fetch("/api/echo", { method: "POST", body: "twelve bytes" });
      return [response.status, (await response.json()).body_base64];
    });
    const first = call();
    const invoice = await invoiceOn(page);
    await shoot(page, "fetch");
    await pay(invoice);
    assert.deepEqual(await first, [200, Buffer.from("twelve bytes").toString("base64")]);
    assert.equal(await page.locator("satstile-paywall dialog").count(), 0);
    const asked = () => visit.requests.filter((request) => request.url() === edge + "/api/echo").length;
    assert.equal(asked(), 2);
    assert.deepEqual(await call(), [200, Buffer.from("twelve bytes").toString("base64")]);
    assert.equal(asked(), 4, "unpaid, then with what was bought before");
    assert.equal(await page.locator("satstile-paywall dialog").count(), 0);
    assert.deepEqual(await visit.context.cookies(), []);
  },

  "a fetch that would cost too much, or whose window is closed, gives the 402": async (visit) => {
    const { page } = visit;
    await page.goto(edge + "/free/demo");
    const call = (init) => page.evaluate(async (init) => {
      const response = await customElements.get("satstile-paywall").fetch("/api/echo", init);
      return [response.status, (await response.json()).amount_msat];
    }, init);
    assert.deepEqual(await call({ maxSats: 9 }), [402, 10_000]);
    assert.equal(visit.requests.filter((request) => request.url().startsWith(wallet + "/webln/")).length, 0);
    assert.deepEqual(await heard(page, "invoice"), []);
    const closed = call({ maxSats: 10 });
    await part(page, "close").click();
    assert.deepEqual(await closed, [402, 10_000]);
    assert.deepEqual(await heard(page, "settled"), []);
    assert.equal(await page.locator("satstile-paywall dialog").count(), 0);
  },

  "a friend's blog sells the article as text, and no third party hears of it": async (visit) => {
    const { page } = visit;
    await page.goto(blog + "/");
    await part(page, "qr").scrollIntoViewIfNeeded();
    const invoice = await invoiceOn(page);
    assert.equal(scan(await page.screenshot({ fullPage: true })), "lightning:" + invoice.toUpperCase());
    assert.equal(await page.locator("#article h2").count(), 0);
    await pay(invoice);
    await page.locator("#article h2").waitFor();
    assert.equal(await page.locator("#article h2").textContent(), "The status code that waited");
    assert.ok(await page.locator("#article p").count() > 3);
    assert.equal(page.url(), blog + "/", "and nothing navigated");
    await shoot(page, "blog");
    assert.equal(count402(visit, "/articles/2"), 1);
    // The script of the wallet is the blog's own wish.
    assert.deepEqual(elsewhere(visit, blog, edge), [wallet + "/webln.js"]);
    assert.deepEqual(await visit.context.cookies(), []);
    // After a reload it is there again, unasked and unpaid. (The server wants a second between two questions.)
    await sleep(2_500);
    await page.reload();
    await page.locator("#article h2").waitFor();
    assert.equal(count402(visit, "/articles/2"), 1);
    assert.deepEqual(visit.said, []);
  },

  "told by the socket, the page opens in a moment": async (visit) => {
    const times = await measure("by WebSocket", visit, 20);
    assert.equal(visit.sockets.length, 20);
    assert.ok(quantile(times, 0.5) < 1_000);
  },

  "without the socket it polls, and still opens in seconds": async (visit) => {
    await visit.context.addInitScript(() => { delete globalThis.WebSocket; });
    const times = await measure("by polling", visit, 6);
    assert.deepEqual(visit.sockets, []);
    assert.ok(times.every((time) => time < 8_000));
  },
}, { lanes: 2 });
