// Sellers who lie, payloads in every field, files that were changed on their way, and pages that allow next to nothing:
// what is drawn can be paid safely or is not drawn, nothing is injected, and nobody else is asked (T109, T110, T112,
// T115, T117).
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { edge, elsewhere, given, heard, invoiceOn, news, OWN, part, pay, shoot, sleep, tell, until } from "./lib.mjs";

const bills = given; // invoices whose descriptions are payloads, with their preimages

// A server of the test's own on an origin of its own. `answer` gets the path, gives [status, headers, body].
const listen = async (answer) => {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "authorization, content-type", "access-control-expose-headers": "www-authenticate" };
    const [status, headers, body] = request.method === "OPTIONS" ? [204, {}, ""] : answer(request.url);
    response.writeHead(status, { ...cors, "cache-control": "no-store", ...headers }).end(body);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  server.unref();
  return { origin: `http://127.0.0.1:${server.address().port}`, asked };
};

// Sells things, by name: what its 402 says, and what its status URL answers.
const sell = (things, status = () => ({ status: "pending" }), more = () => undefined) => listen((url) => {
  const json = (code, value, headers) => [code, { "content-type": "application/json", ...headers }, JSON.stringify(value)];
  if (url === "/.well-known/satstile/status") return json(200, status());
  if (more(url)) return json(200, more(url));
  const thing = things[decodeURIComponent(url.slice(1))];
  return thing ? json(402, thing.body, { "www-authenticate": thing.challenge }) : json(404, {});
});

// A page of somebody's own, under the policy of T110, which allows the seller's edge and nothing else.
const STRICT = (seller) => `default-src 'none'; script-src ${edge} 'wasm-unsafe-eval'; connect-src ${edge} ${edge.replace("http", "ws")}${seller ? ` ${seller} ${seller.replace("http", "ws")}` : ""}; style-src ${edge}; img-src data:`;
const host = async ({ page }, body, seller, policy = STRICT(seller)) => {
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Somebody's page</title>
    <link rel="icon" href="data:,"><script type="module" src="${OWN}widget.js"></script></head><body><main><h1>Somebody's page</h1>${body}</main></body></html>`;
  const { origin } = await listen(() => [200, { "content-type": "text/html; charset=utf-8", "content-security-policy": policy }, html]);
  await page.goto(origin + "/");
  return origin;
};

// A real challenge, to be bent.
const honest = async () => {
  const response = await fetch(edge + "/articles/1", { headers: { accept: "application/json" } });
  return { challenge: response.headers.get("www-authenticate"), body: await response.json() };
};
const bent = async (change) => {
  const offer = await honest();
  change(offer);
  return offer;
};
const withRequest = (offer, change) => {
  offer.challenge = offer.challenge.replace(/request="([^"]+)"/, (_, request) => {
    const said = JSON.parse(Buffer.from(request, "base64url"));
    change(said);
    return `request="${Buffer.from(JSON.stringify(said)).toString("base64url")}"`;
  });
};

// What is inside the shadow, as tags; the path of a QR code is there or not.
const anatomy = (page, selector) => page.evaluate((selector) => {
  const { shadowRoot } = document.querySelector(selector);
  return [...shadowRoot.querySelectorAll("*")].map((node) => `${node.localName}[${node.getAttributeNames().toSorted()}]`).join(" ");
}, selector);
const outside = (page) => page.evaluate(() => document.querySelectorAll("*").length);

const isQuiet = async (visit, ...origins) => {
  assert.deepEqual(await heard(visit.page, "violation"), []);
  // The sellers of this test have no sockets; of such Chromium complains by itself.
  assert.deepEqual(visit.said.filter((line) => !line.startsWith("WebSocket connection to 'ws://127.0.0.1:")), []);
  assert.deepEqual(elsewhere(visit, edge, ...origins), []);
};

await tell({
  "an invoice that is not what the challenge says is never on the screen": async (visit) => {
    const { page } = visit;
    const other = await honest();
    const things = {
      amount: await bent(({ body }) => { body.amount_msat /= 10; }),
      hash: await bent(({ body }) => { body.payment_hash = other.body.payment_hash; }),
      invoice: await bent(({ body }) => { body.invoice = other.body.invoice; }),
      token: await bent(({ body }) => { body.macaroon = other.body.macaroon; }),
      expiry: await bent(({ body }) => { body.expires_at = new Date(Date.now() + 86_400_000).toISOString().replace(/\.\d+/, ""); }),
      network: await bent((offer) => withRequest(offer, (said) => { said.methodDetails.network = "mainnet"; })),
      dear: await honest(),
      unreadable: await bent((offer) => { offer.challenge = offer.challenge.replace(/invoice="lnbc/, 'invoice="lnbx'); }),
      good: await honest(),
    };
    const seller = await sell(things);
    const origin = await host(visit, Object.keys(things).map((name) =>
      `<satstile-paywall id="sells-${name}" src="${seller.origin}/${name}" ${name === "dear" ? 'max-sats="20"' : ""}><a href="/${name}">${name}</a></satstile-paywall>`).join(""), seller.origin);
    for (const name of Object.keys(things)) await page.locator(`#sells-${name}`).scrollIntoViewIfNeeded();
    await page.locator("#sells-good [part~=qr] svg").waitFor();
    await page.waitForFunction(() => heard.filter(({ name }) => name === "error").length === 8);
    const kinds = Object.fromEntries((await heard(page, "error")).map(({ detail }) => [new URL(detail.resource).pathname.slice(1), detail.kind]));
    assert.deepEqual(kinds, {
      amount: "mismatch", hash: "mismatch", invoice: "mismatch", token: "mismatch", expiry: "mismatch", network: "mismatch",
      dear: "too-dear", unreadable: "challenge",
    });
    for (const name of Object.keys(kinds)) {
      const drawn = await page.locator(`#sells-${name}`).evaluate(({ shadowRoot }) => {
        const all = (selector) => [...shadowRoot.querySelectorAll(selector)];
        return [all("svg").length, all("textarea")[0].value, all("a").map((link) => link.getAttribute("href")).filter((href) => /lightning|lnbc/.test(href)).length];
      });
      assert.deepEqual(drawn, [0, "", 0], name);
    }
    assert.equal((await heard(page, "invoice")).length, 1, "only the good one is shown");
    assert.ok(!seller.asked.some((line) => line.startsWith("POST") && !line.endsWith("/status")), `${seller.asked}`);
    await shoot(page, "mismatch");
    assert.deepEqual(elsewhere(visit, edge, origin, seller.origin), []);
  },

  "a preimage that is none opens nothing, whoever brings it": async (visit) => {
    const { page } = visit;
    const another = (await pay((await honest()).body.invoice)).preimage;
    let said = { status: "settled", preimage: "00".repeat(32) };
    const seller = await sell({ zero: await honest(), other: await honest(), none: await honest() }, () => said);
    const origin = await host(visit, `<satstile-paywall src="${seller.origin}/zero"></satstile-paywall>`, seller.origin);
    await until(page, "error");
    assert.equal((await heard(page, "error"))[0].detail.kind, "false-proof");
    // That of another purchase.
    said = { status: "settled", preimage: another };
    await page.evaluate((src) => { heard.length = 0; document.querySelector("satstile-paywall").src = src; }, seller.origin + "/other");
    await until(page, "error");
    assert.equal((await heard(page, "error"))[0].detail.kind, "false-proof");
    assert.equal(await part(page, "pay").count(), 0, "and the invoice is gone");
    // Settled without any: it goes on waiting. Other windows, other tabs and wallets that lie are not believed either.
    said = { status: "settled" };
    await page.evaluate((src) => {
      heard.length = 0;
      window.webln = { enable: async () => {}, sendPayment: async () => ({ preimage: "11".repeat(32) }) };
      document.querySelector("satstile-paywall").src = src;
    }, seller.origin + "/none");
    await part(page, "webln").click();
    await page.getByText("Waiting for the seller").waitFor();
    assert.ok(await part(page, "webln").isDisabled());
    await page.evaluate((resource) => {
      new BroadcastChannel("satstile").postMessage({ say: "paid", resource, preimage: "22".repeat(32) });
      for (const say of ["paid", "settled", "satstile:settled"]) window.postMessage({ say, type: say, resource, preimage: "22".repeat(32) }, "*");
    }, seller.origin + "/none");
    await sleep(2_500);
    assert.ok(await part(page, "qr").isVisible());
    const told = await news(page);
    assert.ok(!told.includes("token") && !told.includes("settled"), `${told}`);
    assert.deepEqual(elsewhere(visit, edge, origin, seller.origin), []);
  },

  // C5: the seller alone may say "paid" without a preimage, with that invoice's own token.
  "a token that the seller attests opens its own door, and another's does not": async (visit) => {
    const { page } = visit;
    const [mine, other] = [await honest(), await honest()];
    const attested = ({ body }) => {
      const bytes = Buffer.from(body.macaroon, "base64");
      const caveat = Buffer.from("satstile_attested=1");
      const more = [Buffer.from([2, caveat.length]), caveat, Buffer.from([0, 0, 6, 32]), Buffer.alloc(32, 7)];
      return Buffer.concat([bytes.subarray(0, -35), ...more]).toString("base64");
    };
    const half = "ab".repeat(32);
    let said = { status: "settled", preimage: half, token: attested(other) };
    const seller = await sell({ wrong: mine, right: mine }, () => said);
    const origin = await host(visit, `<satstile-paywall src="${seller.origin}/wrong"></satstile-paywall>`, seller.origin);
    await until(page, "error");
    assert.equal((await heard(page, "error"))[0].detail.kind, "false-proof");
    assert.ok(!(await news(page)).includes("token"));
    said = { status: "settled", preimage: half, token: attested(mine) };
    await page.evaluate((src) => { heard.length = 0; document.querySelector("satstile-paywall").src = src; }, seller.origin + "/right");
    await part(page, "done").waitFor();
    assert.equal((await heard(page, "token"))[0].detail.authorization, `L402 ${attested(mine)}:${half}`);
    const receipt = await page.evaluate(() => document.querySelector("satstile-paywall").whenPaid());
    assert.deepEqual([receipt.payment_hash, "preimage" in receipt && receipt.preimage !== undefined], [mine.body.payment_hash, false]);
    assert.deepEqual(elsewhere(visit, edge, origin, seller.origin), []);
  },

  "nobody else is asked, wherever a seller points to": async (visit) => {
    const { page } = visit;
    const thief = await listen(() => [200, {}, "{}"]);
    const [bill] = bills;
    const seller = await sell(
      { thing: { challenge: `L402 macaroon="AAAA", invoice="${bill.bolt11}"`, body: { service: "s", status_url: thief.origin + "/status", url: thief.origin, keys: thief.origin } } },
      () => ({ status: "settled", preimage: bill.preimage, receipt: "x", status_url: thief.origin }),
      (url) => url.endsWith("/handover") && { url: thief.origin + "/.well-known/satstile/open/x" });
    const origin = await host(visit, `<satstile-paywall src="${seller.origin}/thing"></satstile-paywall>`, seller.origin);
    await part(page, "done").waitFor(); // this one has its preimage
    await part(page, "handover").click();
    await page.getByText("The server cannot be reached").waitFor();
    assert.equal(await page.locator("satstile-paywall [part=handed] svg").count(), 0);
    assert.ok(seller.asked.includes("POST /.well-known/satstile/status"));
    assert.deepEqual(thief.asked, []);
    assert.deepEqual(elsewhere(visit, edge, origin, seller.origin), []);
  },

  "a limit that is no number allows nothing": async (visit) => {
    const { page } = visit;
    const [bill] = bills;
    const seller = await sell({ thing: { challenge: `L402 macaroon="AAAA", invoice="${bill.bolt11}"`, body: {} } });
    const limits = ["5 sats", "1,000,000", "-1", "NaN", "lots"];
    const origin = await host(visit, limits.map((limit) => `<satstile-paywall src="${seller.origin}/thing" max-sats="${limit}"></satstile-paywall>`).join(""), seller.origin);
    for (const element of await page.locator("satstile-paywall").all()) await element.scrollIntoViewIfNeeded();
    await page.waitForFunction((count) => heard.filter(({ name }) => name === "error").length === count, limits.length);
    assert.deepEqual((await heard(page, "error")).map(({ detail }) => detail.kind), limits.map(() => "too-dear"));
    assert.equal(await page.locator("satstile-paywall svg").count(), 0);
    assert.deepEqual(elsewhere(visit, edge, origin, seller.origin), []);
  },

  "what another site asks for, to which a redirect led, is not shown as the seller's": async (visit) => {
    const { page } = visit;
    const [bill] = bills;
    const thief = await sell({ thing: { challenge: `L402 macaroon="AAAA", invoice="${bill.bolt11}"`, body: { service: "s" } } });
    const seller = await listen((url) => url === "/thing" ? [302, { location: `${thief.origin}/thing` }, ""] : [404, {}, ""]);
    const origin = await host(visit, `<satstile-paywall src="${seller.origin}/thing"></satstile-paywall>`, `${seller.origin} ${thief.origin}`);
    await until(page, "error");
    assert.deepEqual((await heard(page, "error")).map(({ detail }) => detail.kind), ["unreachable"]);
    assert.equal(await page.locator("satstile-paywall svg").count(), 0);
    const status = await page.evaluate((url) => SatstilePaywall.fetch(url).then((response) => response.status), `${seller.origin}/thing`);
    assert.equal(status, 402);
    assert.equal(await page.locator("dialog").count(), 0, "nobody was asked to pay it");
    assert.deepEqual(elsewhere(visit, edge, origin, seller.origin, thief.origin), []);
  },

  "a body that is no object answers nothing, and the polls go on": async (visit) => {
    const { page } = visit;
    const [bill] = bills;
    const bodies = [null, 7, "settled", [], { status: "settled", preimage: bill.preimage }];
    let n = 0;
    const seller = await sell({ thing: { challenge: `L402 macaroon="AAAA", invoice="${bill.bolt11}"`, body: null } }, () => bodies[Math.min(n++, bodies.length - 1)]);
    await host(visit, `<satstile-paywall src="${seller.origin}/thing"></satstile-paywall>`, seller.origin);
    await until(page, "settled");
    assert.ok(n >= bodies.length);
  },

  "markup in what a seller says stays text": async (visit) => {
    const { page } = visit;
    let opened = 0;
    page.on("dialog", (dialog) => { opened++; dialog.dismiss(); });
    const things = Object.fromEntries(bills.map(({ description, bolt11 }, n) => [n, {
      challenge: `L402 macaroon="AAAA", invoice="${bolt11}"`,
      body: { service: description, price: description, description, title: description, detail: description },
    }]));
    const seller = await sell(things);
    const origin = await host(visit, `<div id="stage"><satstile-paywall src="${seller.origin}/0">a footer</satstile-paywall></div>`, seller.origin);
    await until(page, "invoice");
    const [url, before] = [page.url(), await outside(page)];
    const shapes = new Set();
    for (const n of bills.keys()) {
      await page.evaluate(async ([src, payload]) => {
        heard.length = 0;
        const element = document.createElement("satstile-paywall");
        for (const [name, value] of Object.entries({ src, lang: payload, theme: payload, wallets: payload, mode: "inline", remember: payload })) element.setAttribute(name, value);
        const title = document.createElement("span");
        title.slot = "footer";
        title.textContent = payload;
        element.append(title);
        document.getElementById("stage").replaceChildren(element);
      }, [`${seller.origin}/${n}`, bills[n].description]);
      await until(page, "invoice");
      const shown = await page.locator("satstile-paywall [part=title]").textContent();
      assert.equal(shown, bills[n].description.replace(/\p{Cc}/gu, " "));
      shapes.add(await anatomy(page, "satstile-paywall"));
      assert.equal(await outside(page), before + 1, bills[n].description);
      assert.equal(await page.locator("satstile-paywall [part=invoice]").inputValue(), bills[n].bolt11);
    }
    assert.equal(bills.length, 51);
    assert.equal(shapes.size, 1, [...shapes].join("\n"));
    assert.equal(opened, 0);
    assert.equal(page.url(), url);
    await isQuiet(visit, origin, seller.origin);
  },

  "a src that is no address on the web is never followed": async (visit) => {
    const { page } = visit;
    const origin = await host(visit, `<div id="stage"></div>`);
    for (const src of ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "file:///etc/passwd", "http://", "blob:x"]) {
      await page.evaluate((src) => {
        heard.length = 0;
        const element = document.createElement("satstile-paywall");
        element.src = src;
        document.getElementById("stage").replaceChildren(element);
      }, src);
      await until(page, "error");
      assert.equal((await heard(page, "error"))[0].detail.kind, "src", src);
      assert.equal(await page.locator("satstile-paywall a").count(), 0, src);
    }
    await isQuiet(visit, origin);
  },

  "a page that allows next to nothing can sell, hand over and give a receipt": async (visit) => {
    const { page } = visit;
    const origin = await host(visit, `<satstile-paywall src="${edge}/articles/1"><a href="${edge}/articles/1">Read</a></satstile-paywall>`);
    await part(page, "qr").waitFor();
    await page.evaluate(() => { document.querySelector("satstile-paywall").lang = "de"; });
    await page.waitForFunction(() => document.querySelector("satstile-paywall").shadowRoot.querySelector("[part~=card]").lang === "de");
    await pay(await invoiceOn(page));
    await part(page, "done").waitFor();
    const [download] = await Promise.all([page.waitForEvent("download"), part(page, "receipt").click()]);
    assert.match(download.suggestedFilename(), /^receipt-[0-9a-f]{8}\.json$/);
    await part(page, "handover").click();
    await page.locator("satstile-paywall [part=handed] svg").waitFor();
    // "Open" in this browser: a one-time link in a tab of its own, which gets the cookie that this page cannot set.
    const [tab] = await Promise.all([visit.context.waitForEvent("page"), part(page, "open").click()]);
    // Another site sent the reader there, so the reader says so once more: nobody plants a pass (T114).
    await tab.getByRole("button").click();
    await tab.waitForURL(edge + "/articles/1");
    assert.match(await tab.locator("h1").textContent(), /payment/i);
    assert.equal(page.url(), origin + "/");
    await isQuiet(visit, origin);
  },

  ...Object.fromEntries(["core.js", "core.wasm"].map((file) => [`a ${file} that was changed on its way does not run, and the link stays a link`, async (visit) => {
    const { page } = visit;
    await visit.context.route(`**/${file}`, async (route) => {
      const response = await route.fetch();
      const body = await response.body();
      body[body.length - 2] ^= 1;
      await route.fulfill({ response, body });
    });
    await page.goto(edge + "/free/1");
    await until(page, "error");
    assert.equal((await heard(page, "error"))[0].detail.kind, "load");
    assert.equal(await page.locator("satstile-paywall").evaluate((host) => host.shadowRoot), null);
    await page.locator("satstile-paywall a").click();
    await page.waitForURL(edge + "/articles/1");
    // The gateway's page, which is complete without the component.
    const invoice = await invoiceOn(page);
    assert.match(invoice, /^lnbcrt210n1/);
    assert.deepEqual((await news(page)).filter((name) => name !== "error"), []);
    // The same for a button: the click goes where the link goes.
    await page.goto(edge + "/free/demo");
    await page.locator("satstile-paywall[mode=button] a").first().click();
    await page.waitForURL(edge + "/dear/field-notes.pdf");
  }])),
}, { lanes: 3 });
