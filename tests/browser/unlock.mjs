// A person with a browser and no JavaScript: sees the price, pays with a phone, and the page opens by itself.
import assert from "node:assert/strict";
import { edge, elsewhere, invoiceOn, part, pay, PHONE, scan, shoot, tell } from "./lib.mjs";

await tell({
  "without JavaScript the page is complete, looks by itself, and opens": [{ javaScriptEnabled: false }, async (visit) => {
    const { page, said } = visit;
    // The page: a 402 with everything a wallet needs.
    const first = await page.goto(edge + "/articles/1");
    assert.equal(first.status(), 402);
    assert.match(first.headers()["www-authenticate"], /^L402 macaroon="/);
    assert.equal(await part(page, "amount").textContent(), "21 sats");
    assert.ok(await page.locator("svg[role=img]").isVisible());
    const invoice = await invoiceOn(page);
    assert.match(invoice, /^lnbcrt210n1/);
    assert.equal(scan(await page.screenshot({ fullPage: true })), "lightning:" + invoice.toUpperCase());
    assert.equal(await part(page, "link").getAttribute("href"), "lightning:" + invoice);
    // By keyboard: the first thing that Tab reaches is the wallet link.
    await page.keyboard.press("Tab");
    assert.ok(await page.locator("[part~=link]:focus").count());
    await shoot(page, "402-no-script");

    // Nothing scrolls sideways on a phone.
    assert.ok((await page.locator("main").boundingBox()).width <= PHONE.width);

    // It refreshes by itself, and shows the same invoice while that lives.
    await page.waitForEvent("load", { timeout: 9_000 });
    assert.equal(await invoiceOn(page), invoice);

    // The phone pays, and the page opens without anybody touching it.
    await pay(invoice);
    await page.locator("textarea").waitFor({ state: "detached" });
    assert.match(await page.locator("h1").textContent(), /payment/i);
    await shoot(page, "article");

    // The next article of the same service opens at once; another service does not.
    assert.equal((await page.goto(edge + "/articles/2")).status(), 200);
    assert.equal((await page.goto(edge + "/dear/echo")).status(), 402);
    assert.deepEqual(elsewhere(visit, edge), [], "the pages ask nobody else for anything");
    assert.deepEqual(said, []);
  }],

  "in the dark, and with a wide window, the page keeps its own policy": [
    { javaScriptEnabled: false, colorScheme: "dark", viewport: { width: 1280, height: 800 } },
    async ({ page, said }) => {
      assert.equal((await page.goto(edge + "/articles/3")).status(), 402);
      await shoot(page, "402-dark");
      assert.deepEqual(said, []);
    },
  ],
});
