// The life of a payment in a browser: it is renewed, reloaded, seen in two tabs, paid while nobody looks or without a
// connection, taken to another device, proven, remembered or forgotten. Nobody pays twice, and nobody waits for nothing.
//
// Ten minutes pass by playwright's `page.clock`, which moves `Date` and the timers of the page alone: the invoice is
// over for the page and can still be paid, as one can that was on its way when it ended.
import assert from "node:assert/strict";
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFile } from "node:fs/promises";
import { arrive, count402, edge, heard, invoiceOn, news, OWN, part, pay, scan, shoot, sleep, stage, tell, until } from "./lib.mjs";

const ARTICLE = edge + "/articles/1";
const keeps = (remember, more = "") => `<satstile-paywall src="/articles/1" remember="${remember}">${more}</satstile-paywall>`;
const PAID = '<p slot="paid">Thank you, dear reader.</p>'; // a page with an idea of its own stays where it is
const polls = ({ requests }, page) => requests.filter((request) => request.url() === OWN + "status" && request.frame().page() === page).length;
const withoutSockets = (context) => context.addInitScript(() => { delete globalThis.WebSocket; });
// The same preview in two tabs, which show the same invoice.
const inTwoTabs = async ({ page, context }) => {
  await withoutSockets(context);
  await page.goto(edge + "/free/1");
  const invoice = await invoiceOn(page);
  const second = await context.newPage();
  await second.goto(edge + "/free/1");
  assert.equal(await invoiceOn(second), invoice);
  return { invoice, second };
};
const passes = async (context) => (await context.cookies()).filter(({ name }) => name.includes("pass"));
const isOpened = async (page) => {
  await page.waitForURL(ARTICLE);
  assert.match(await page.locator("h1").textContent(), /payment/i);
};

await tell({
  "an invoice that ends is replaced in its place, and a late payment of the old one opens": async (visit) => {
    const { page } = visit;
    await page.clock.install();
    await page.goto(edge + "/free/1");
    const old = await invoiceOn(page);
    await page.clock.fastForward("09:30"); // far from the end, however slow this machine is
    await sleep(500);
    assert.equal(await invoiceOn(page), old);
    await page.clock.fastForward("00:48");
    await until(page, "renewed");
    await page.getByText("Here is a new invoice").waitFor();
    const renewed = await invoiceOn(page);
    assert.notEqual(renewed, old);
    assert.equal(scan(await page.screenshot({ fullPage: true })), "lightning:" + renewed.toUpperCase());
    assert.deepEqual((await news(page)).filter((name) => ["expired", "renewed", "error"].includes(name)), ["expired", "renewed"]);
    assert.equal(count402(visit, "/articles/1"), 2);
    await pay(old);
    // Time jumps until the page has heard of it, and no more: a jump ends the questions that are on their way.
    const hasHeard = () => heard(page, "settled").then(({ length }) => length > 0, () => true); // it may have gone on
    for (let n = 0; n < 8 && !await hasHeard(); n++) {
      await page.clock.fastForward("00:18").catch(() => {});
      await sleep(400);
    }
    await isOpened(page);
    assert.equal(count402(visit, "/articles/1"), 2, "and no third invoice");
  },

  "a hidden page asks for no new invoice": async (visit) => {
    const { page } = visit;
    await page.clock.install();
    await page.goto(edge + "/free/1");
    const old = await invoiceOn(page);
    const isSeen = (state) => page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
    await isSeen("hidden");
    for (const _ of Array(4)) { await page.clock.fastForward("05:00"); await sleep(200); }
    assert.equal(count402(visit, "/articles/1"), 1);
    assert.equal(await invoiceOn(page), old);
    await isSeen("visible");
    await until(page, "renewed");
    assert.equal(count402(visit, "/articles/1"), 2);
  },

  "a reload while waiting shows the same invoice, and makes no other": async (visit) => {
    const { page } = visit;
    await page.goto(edge + "/free/1");
    const invoice = await invoiceOn(page);
    for (const _ of Array(3)) {
      await page.reload();
      assert.equal(await invoiceOn(page), invoice);
    }
    assert.equal(count402(visit, "/articles/1"), 1);
    await pay(invoice);
    await isOpened(page);
    // Who has paid and comes back to the preview is asked for nothing.
    await page.goto(edge + "/free/1");
    await part(page, "open").click();
    await isOpened(page);
    assert.equal(count402(visit, "/articles/1"), 1);
  },

  "two tabs show one invoice, one of them polls, and both open": async (visit) => {
    const { page } = visit;
    const { invoice, second } = await inTwoTabs(visit);
    assert.equal(count402(visit, "/articles/1"), 1);
    const before = polls(visit, page);
    await sleep(3_500);
    assert.ok(polls(visit, page) > before);
    assert.equal(polls(visit, second), 0);
    await pay(invoice);
    await Promise.all([isOpened(page), isOpened(second)]);
    assert.equal(count402(visit, "/articles/1"), 1);
  },

  "the tab that polls is closed, and the other takes over": async (visit) => {
    const { page } = visit;
    const { invoice, second } = await inTwoTabs(visit);
    await page.close();
    await pay(invoice);
    await isOpened(second);
    assert.equal(count402(visit, "/articles/1"), 1);
  },

  "a payment while nobody looks opens at once when somebody comes back": async (visit) => {
    const { page, context } = visit;
    await withoutSockets(context); // a phone cuts them when it changes to the wallet
    await page.goto(edge + "/free/1");
    const invoice = await invoiceOn(page);
    const isSeen = (state) => page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
    await isSeen("hidden");
    await sleep(1_200); // what was on its way
    const before = polls(visit, page);
    await pay(invoice);
    await sleep(3_000);
    assert.equal(polls(visit, page), before, "a hidden page rests");
    const back = Date.now();
    await isSeen("visible");
    await until(page, "settled");
    const [{ at }] = await heard(page, "settled");
    assert.ok(at - back < 1_000, `${at - back} ms`);
    console.log(`  back from the wallet to unlocked: ${at - back} ms`);
    await isOpened(page);
  },

  "a payment without a connection opens when the connection is back": async (visit) => {
    const { page, context } = visit;
    await withoutSockets(context);
    await page.goto(edge + "/free/1");
    const invoice = await invoiceOn(page);
    await context.setOffline(true);
    await page.getByText("No connection").waitFor();
    await shoot(page, "offline");
    await pay(invoice);
    await sleep(1_500);
    assert.deepEqual(await heard(page, "settled"), []);
    assert.equal(await invoiceOn(page), invoice, "and the invoice stays on the screen");
    await context.setOffline(false);
    await isOpened(page);
    assert.equal(count402(visit, "/articles/1"), 1);
  },

  "what was paid for here is read on another device, once": async (visit) => {
    const { page } = visit;
    await stage(visit, keeps("session"));
    await pay(await invoiceOn(page));
    await part(page, "handover").click();
    await part(page, "handed").waitFor();
    const link = scan(await page.screenshot({ fullPage: true }));
    assert.ok(link.startsWith(OWN + "open/"), link);
    await shoot(page, "handover");
    const [phone, stranger] = [await arrive(), await arrive()];
    await phone.page.goto(link);
    await phone.page.getByRole("button").click();
    await isOpened(phone.page);
    assert.equal((await phone.page.reload()).status(), 200);
    await stranger.page.goto(link);
    await stranger.page.getByRole("button").click();
    await stranger.page.getByText("This link has ended").waitFor();
    assert.equal((await stranger.page.goto(ARTICLE)).status(), 402);
    await Promise.all([phone.context.close(), stranger.context.close()]);
  },

  "the receipt proves the purchase to anybody, and opens nothing": async (visit) => {
    const { page } = visit;
    const asked = page.waitForResponse((response) => response.url() === ARTICLE && response.status() === 402);
    await stage(visit, keeps("session"));
    const { macaroon, invoice } = await (await asked).json();
    const { preimage } = await pay(invoice);
    const [download] = await Promise.all([page.waitForEvent("download"), part(page, "receipt").click()]);
    const text = await readFile(await download.path(), "utf8");
    // From here on without a network.
    const receipt = JSON.parse(text);
    assert.ok(!text.includes(macaroon) && !/macaroon|token|L402/i.test(text), text);
    assert.deepEqual([receipt.type, receipt.resource, receipt.issuer, receipt.service, receipt.amount_msat, receipt.invoice, receipt.preimage],
      ["satstile-receipt", ARTICLE, edge, "articles", 21_000, invoice, preimage]);
    assert.equal(createHash("sha256").update(Buffer.from(preimage, "hex")).digest("hex"), receipt.payment_hash);
    const [head, body, signature] = receipt.signature.split(".");
    const { alg, kid } = JSON.parse(Buffer.from(head, "base64url"));
    const jwk = receipt.keys.find((key) => key.kid === kid);
    const holds = (body) => verify(null, Buffer.from(`${head}.${body}`), createPublicKey({ key: jwk, format: "jwk" }), Buffer.from(signature, "base64url"));
    assert.equal(alg, "EdDSA");
    assert.ok(holds(body));
    const said = JSON.parse(Buffer.from(body, "base64url"));
    assert.ok(Object.values(said).includes(receipt.payment_hash) && Object.values(said).includes(edge), JSON.stringify(said));
    const forged = Buffer.from(JSON.stringify({ ...said, iss: "https://evil.test" })).toString("base64url");
    assert.ok(!holds(forged), "and for no other seller");
    // They are the published keys.
    assert.deepEqual(receipt.keys, (await (await fetch(OWN + "keys.json")).json()).keys);
  },

  "whoever forgets is asked anew, and has no cookie left": async (visit) => {
    const { page, context } = visit;
    await stage(visit, keeps("cookie", PAID));
    const invoice = await invoiceOn(page);
    await pay(invoice);
    await page.getByText("dear reader").waitFor();
    const [pass] = await passes(context);
    assert.ok(pass.httpOnly && pass.secure && pass.name.startsWith("__Host-"), JSON.stringify(pass));
    assert.equal((await context.request.get(ARTICLE)).status(), 200);
    assert.equal(page.url(), edge + "/free/stage", "nothing navigated");
    await page.evaluate(() => document.querySelector("satstile-paywall").forget());
    await part(page, "qr").waitFor();
    assert.notEqual(await invoiceOn(page), invoice);
    assert.deepEqual(await passes(context), []);
    assert.equal((await context.request.get(ARTICLE)).status(), 402);
  },

  "a page that takes the token itself gets it, and no cookie is set": async (visit) => {
    const { page, context } = visit;
    await stage(visit, keeps("cookie"));
    await page.evaluate(() => {
      const element = document.querySelector("satstile-paywall");
      element.addEventListener("satstile:token", (event) => { event.preventDefault(); globalThis.taken = event.detail; });
      element.whenPaid().then((receipt) => { globalThis.paid = receipt; });
    });
    const { preimage } = await pay(await invoiceOn(page));
    await page.waitForFunction(() => globalThis.paid);
    const { authorization, resource } = await page.evaluate(() => taken);
    assert.equal(resource, ARTICLE);
    assert.ok(authorization.startsWith("L402 ") && authorization.endsWith(":" + preimage));
    const paid = await page.evaluate(() => paid);
    assert.deepEqual([paid.preimage, paid.resource, paid.amount_msat, "macaroon" in paid], [preimage, ARTICLE, 21_000, false]);
    await sleep(1_200);
    assert.equal(page.url(), edge + "/free/stage");
    assert.deepEqual(await passes(context), []);
    assert.ok(!JSON.stringify(await page.evaluate(() => ({ ...sessionStorage, ...localStorage }))).includes(preimage));
    assert.equal((await fetch(ARTICLE, { headers: { authorization } })).status, 200);
  },

  "another src is another purchase, and nothing of the first gets into it": async (visit) => {
    const { page, context } = visit;
    await stage(visit, keeps("cookie"));
    await page.evaluate(() => {
      globalThis.taken = [];
      document.querySelector("satstile-paywall").addEventListener("satstile:token", (event) => { event.preventDefault(); taken.push(event.detail); });
    });
    const first = await invoiceOn(page);
    await pay(first);
    await page.waitForFunction(() => taken.length === 1);
    // Its answer is held up while the address changes once more: it comes too late, and is not shown.
    let late;
    await context.route(edge + "/articles/3", async (route) => { late = route; });
    await page.evaluate(() => { document.querySelector("satstile-paywall").src = "/articles/3"; });
    while (!late) await sleep(50);
    const [, promise] = await Promise.all([
      page.evaluate(() => { document.querySelector("satstile-paywall").src = "/dear/1"; }),
      page.waitForResponse((response) => response.url() === edge + "/dear/1" && response.status() === 402),
    ]);
    await late.continue();
    await part(page, "qr").locator("svg").waitFor();
    await sleep(1_000);
    assert.equal(await part(page, "amount").textContent(), "50 sats");
    const second = await invoiceOn(page);
    assert.ok((await promise.headerValue("www-authenticate")).includes(second) && second !== first);
    await pay(second);
    await page.waitForFunction(() => taken.length === 2);
    const [one, two] = await page.evaluate(() => taken);
    assert.deepEqual([one.resource, two.resource], [ARTICLE, edge + "/dear/1"]);
    assert.notEqual(one.authorization, two.authorization);
    assert.equal((await page.evaluate(async () => (await document.querySelector("satstile-paywall").whenPaid()).resource)), two.resource);
  },

  "remembered for the session, it opens after a reload and in no other tab; not remembered, it is gone": async (visit) => {
    const { page, context } = visit;
    await stage(visit, keeps("session"));
    await pay(await invoiceOn(page));
    await part(page, "done").waitFor();
    await page.reload();
    await until(page, "token");
    await part(page, "open").waitFor();
    assert.equal(count402(visit, "/articles/1"), 1);
    assert.deepEqual(await passes(context), []);
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), [], "never in localStorage (T113)");
    const other = await context.newPage();
    await other.goto(edge + "/free/stage");
    await part(other, "qr").waitFor();
    await other.close();

    const unremembered = await arrive();
    await stage(unremembered, keeps("none"));
    const invoice = await invoiceOn(unremembered.page);
    const { preimage } = await pay(invoice);
    await part(unremembered.page, "done").waitFor();
    assert.ok(!JSON.stringify(await unremembered.page.evaluate(() => ({ ...sessionStorage, ...localStorage }))).includes(preimage));
    await unremembered.page.reload();
    await part(unremembered.page, "qr").waitFor();
    assert.notEqual(await invoiceOn(unremembered.page), invoice);
    assert.deepEqual(await passes(unremembered.context), []);
    await unremembered.context.close();
  },

  "a connection lost between the cookie and the question for it is no browser without cookies": async (visit) => {
    const { page, context } = visit;
    const asked = [];
    const lose = (route) => [2, 3].includes(asked.push(route.request())) ? route.abort() : route.continue();
    await context.route(OWN + "pass?for=*", lose);
    await page.goto(edge + "/free/1");
    await pay(await invoiceOn(page));
    await isOpened(page);
    assert.equal(asked.length, 4, "before it shows an invoice, twice in vain, and once with an answer");
    assert.equal(count402(visit, "/articles/1"), 1);
  },

  "a browser that takes no cookies says so, keeps the proof, and nobody pays twice": async (visit) => {
    const { page, context } = visit;
    // As a browser does that refuses them: the answer comes, and no cookie with it.
    const refuse = (route) => route.request().method() === "POST" ? route.fulfill({ status: 204 }) : route.continue();
    await context.route(OWN + "pass*", refuse);
    await page.goto(edge + "/free/1");
    await pay(await invoiceOn(page));
    await part(page, "error").filter({ hasText: "does not keep the cookie" }).waitFor();
    await shoot(page, "cookies");
    assert.equal((await heard(page, "error"))[0].detail.kind, "refused");
    await part(page, "again").click();
    await part(page, "error").filter({ hasText: "does not keep the cookie" }).waitFor();
    await sleep(1_000);
    assert.equal(page.url(), edge + "/free/1");
    assert.equal(count402(visit, "/articles/1"), 1);
    // Once they are allowed, the same payment opens.
    await context.unroute(OWN + "pass*", refuse);
    await part(page, "again").click();
    await isOpened(page);
    assert.equal(count402(visit, "/articles/1"), 1);
  },
}, { lanes: 3 });
