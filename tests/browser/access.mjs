// Whoever pays without eyes, without a mouse, in another language, with large fingers, in few colours or without
// movement gets in like anybody else.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { browser, edge, heard, invoiceOn, part, pay, PHONE, scan, shoot, sleep, stage, tell } from "./lib.mjs";

const axe = await readFile("node_modules/axe-core/axe.min.js", "utf8");
const LANGUAGES = ["ar", "de", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru", "zh"];
const texts = Object.fromEntries(await Promise.all(["en", ...LANGUAGES].map(async (code) =>
  [code, JSON.parse(await readFile(`web-client/lang/${code}.json`, "utf8"))])));

// axe-core finds nothing in the paywall, or on the whole page.
const isAccessible = async (page, state, where = "satstile-paywall") => {
  await page.evaluate(axe);
  const found = await page.evaluate(async (where) => {
    const { violations, passes } = await axe.run(where);
    const nodes = ({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.flat()} ${failureSummary}`);
    return { violations: violations.flatMap(nodes), passes: passes.length };
  }, where);
  assert.deepEqual(found.violations, [], state);
  assert.ok(found.passes > 5, `${state}: axe looked at nothing`);
};

// Fingers are 44 px wide. What stands alone is large enough in both directions, a text field at least in height.
const fitsFingers = async (page, state) => {
  const small = await page.evaluate(() => {
    const root = document.querySelector("satstile-paywall:defined").shadowRoot;
    return [...root.querySelectorAll("a, button, summary, input, textarea")].filter((node) => node.checkVisibility()).flatMap((node) => {
      const { width, height } = node.getBoundingClientRect();
      return width < 44 || height < 44 ? [`${node.getAttribute("part") ?? node.localName} ${width}x${height}`] : [];
    });
  });
  assert.deepEqual(small, [], state);
};

// Nothing is wider than the screen, and no text than what is around it.
const fits = async (page, state) => {
  const wide = await page.evaluate(() => {
    const nodes = [...document.querySelector("satstile-paywall:defined").shadowRoot.querySelectorAll("*")];
    const over = nodes.filter((node) => !node.matches("textarea, [part~=unseen]") && node.clientWidth && node.scrollWidth > node.clientWidth + 1);
    const names = over.map((node) => `${node.getAttribute("part") ?? node.localName} ${node.scrollWidth} > ${node.clientWidth}`);
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth ? [...names, `page ${scrollWidth} > ${clientWidth}`] : names;
  });
  assert.deepEqual(wide, [], state);
};

const focused = (page) => page.evaluate(() => {
  let node = document.activeElement;
  while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
  return node?.getAttribute("part")?.split(" ")[0] || node?.localName;
});

const CSP_OFF = { bypassCSP: true }; // for axe alone
const ARTICLE = '<satstile-paywall src="/articles/1"></satstile-paywall>';

const paidFor = async (visit) => {
  await stage(visit, '<satstile-paywall src="/articles/1" remember="session"></satstile-paywall>');
  await pay(await invoiceOn(visit.page));
  await part(visit.page, "done").waitFor();
};

await tell({
  "axe finds nothing in a page, in the light": [CSP_OFF, async ({ page }) => {
    await page.goto(edge + "/free/1");
    await part(page, "qr").waitFor();
    await isAccessible(page, "inline, light");
    await fitsFingers(page, "inline");
  }],

  "axe finds nothing in the dark": [{ ...CSP_OFF, colorScheme: "dark" }, async (visit) => {
    const { page } = visit;
    await page.goto(edge + "/free/1");
    await part(page, "qr").waitFor();
    await isAccessible(page, "inline, dark");
    await paidFor(visit);
    await isAccessible(page, "paid, dark");
  }],

  "axe finds nothing in what a page sets light or dark against the system": [CSP_OFF, async (visit) => {
    const { page } = visit;
    await stage(visit, '<satstile-paywall src="/articles/1" theme="dark"></satstile-paywall>');
    await part(page, "qr").waitFor();
    await isAccessible(page, "dark in a light page");
    assert.equal(await part(page, "card").evaluate((card) => getComputedStyle(card).backgroundColor), "rgb(29, 29, 34)");
  }],

  "axe finds nothing in a window, and nothing in one on a large screen": [CSP_OFF, async ({ page }) => {
    await page.goto(edge + "/free/demo");
    await page.locator("satstile-paywall[mode=button] a").first().click();
    await part(page, "qr").waitFor();
    await isAccessible(page, "window");
    await fitsFingers(page, "window");
    await fits(page, "window");
    await page.setViewportSize({ width: 1280, height: 900 });
    await isAccessible(page, "window, large");
    await shoot(page, "modal-large");
  }],

  "axe finds nothing once it is paid, nor in the code for another device": [CSP_OFF, async (visit) => {
    const { page } = visit;
    await paidFor(visit);
    await isAccessible(page, "paid");
    await fitsFingers(page, "paid");
    await part(page, "handover").click();
    await part(page, "handed").waitFor();
    await isAccessible(page, "handed over");
    await shoot(page, "paid-in-page");
  }],

  "axe finds nothing in an error": [CSP_OFF, async (visit) => {
    const { page } = visit;
    await stage(visit, '<satstile-paywall src="/articles/1" max-sats="20"></satstile-paywall>');
    await part(page, "error").waitFor();
    assert.match(await part(page, "error").textContent(), /21 sats/);
    assert.equal((await heard(page, "error"))[0].detail.kind, "too-dear");
    assert.equal(await page.locator("satstile-paywall [role=status]").textContent(), await part(page, "error").textContent());
    await isAccessible(page, "error");
    await fitsFingers(page, "error");
    await shoot(page, "error");
  }],

  "axe finds nothing on the gateway's page, with the component": [CSP_OFF, async ({ page }) => {
    await page.goto(edge + "/articles/1");
    await part(page, "copy").waitFor(); // the component has one
    await isAccessible(page, "402 page", "html");
    await fitsFingers(page, "402 page");
    await shoot(page, "402");
  }],

  "axe finds nothing on the gateway's page, when the component does not come": [CSP_OFF, async ({ context, page }) => {
    await context.route("**/widget.js", (route) => route.abort());
    await page.goto(edge + "/articles/1");
    await isAccessible(page, "402 page without the component", "html");
    assert.equal(await page.locator("[part~=copy]").count(), 0);
  }],

  "with forced colours it can be seen, scanned and pressed": [{ ...CSP_OFF, forcedColors: "active" }, async ({ page }) => {
    await page.goto(edge + "/free/1");
    await part(page, "qr").waitFor();
    await isAccessible(page, "forced colours");
    assert.equal(scan(await page.screenshot({ fullPage: true })), "lightning:" + (await invoiceOn(page)).toUpperCase());
    assert.equal(await part(page, "primary").evaluate((link) => getComputedStyle(link).borderTopWidth), "2px");
    await shoot(page, "forced-colors");
  }],

  "in Arabic it reads from right to left": [CSP_OFF, async (visit) => {
    const { page } = visit;
    await stage(visit, `<div lang="ar" dir="rtl">${ARTICLE}</div>`);
    await part(page, "qr").waitFor();
    assert.equal(await part(page, "card").getAttribute("dir"), "rtl");
    assert.equal(await part(page, "link").textContent(), texts.ar.open_wallet);
    await isAccessible(page, "Arabic");
    const [copy, label] = [await part(page, "copy").boundingBox(), await page.locator("satstile-paywall [part=field] label").boundingBox()];
    assert.ok(copy.x < label.x, "the field is mirrored");
    await shoot(page, "rtl");
  }],

  "twelve languages fit on the smallest phone, waiting and paid, and none is English in disguise": [{ viewport: { width: 320, height: 640 } }, async (visit) => {
    const { page } = visit;
    const ids = Object.keys(texts.en);
    await stage(visit, '<satstile-paywall src="/articles/1" remember="session"></satstile-paywall>');
    await part(page, "qr").waitFor();
    await page.locator("satstile-paywall summary").click();
    const read = async (code, where) => {
      await page.evaluate((code) => { document.querySelector("satstile-paywall").lang = code; }, code);
      const [name, id] = where;
      await page.waitForFunction(([name, text]) => document.querySelector("satstile-paywall").shadowRoot.querySelector(`[part~=${name}]`).textContent === text, [name, texts[code][id]]);
      await fits(page, `${code}, ${id}`);
    };
    for (const code of LANGUAGES) {
      assert.deepEqual(Object.keys(texts[code]), ids, code);
      const same = ids.filter((id) => texts[code][id] === texts.en[id]);
      assert.ok(same.length <= 3, `${code}: ${same}`); // "{n} sats", and the like
      await read(code, ["link", "open_wallet"]);
    }
    assert.equal(await page.locator("satstile-paywall svg").first().getAttribute("aria-label"), texts.zh.qr_label.replace("{amount}", texts.zh.amount.replace("{n}", "21")));
    await read("en", ["link", "open_wallet"]);
    await pay(await invoiceOn(page));
    await part(page, "done").waitFor();
    await part(page, "handover").click();
    await part(page, "handed").waitFor();
    for (const code of LANGUAGES) await read(code, ["receipt", "receipt"]);
    assert.deepEqual(visit.said, []);
  }],

  "the gateway's page speaks the reader's language, and says which one it is": [{ locale: "de-DE" }, async ({ page }) => {
    await page.goto(edge + "/articles/1");
    await part(page, "copy").waitFor();
    assert.equal(await part(page, "link").textContent(), texts.de.open_wallet);
    assert.equal(await part(page, "card").evaluate((card) => card.closest("[lang]")?.lang.slice(0, 2)), "de");
  }],

  "without JavaScript, too, and from right to left where that is its way": [{ locale: "ar-EG", javaScriptEnabled: false }, async ({ page }) => {
    await page.goto(edge + "/articles/1");
    assert.equal(await part(page, "link").textContent(), texts.ar.open_wallet);
    assert.deepEqual([await page.locator("html").getAttribute("lang"), await page.locator("html").getAttribute("dir")], ["ar", "rtl"]);
    await shoot(page, "402-no-script-ar");
  }],

  "who has no mouse reaches everything in order, and a window gives the focus back": async ({ page }) => {
    await page.goto(edge + "/free/demo");
    const link = page.locator("satstile-paywall[mode=button] a").first();
    await link.focus();
    await page.keyboard.press("Enter");
    await part(page, "qr").waitFor();
    const way = [await focused(page)];
    for (let n = 0; n < 10; n++) {
      await page.keyboard.press("Tab");
      way.push(await focused(page));
    }
    assert.deepEqual(way.slice(0, 8), ["dialog", "webln", "link", "copy", "invoice", "renew", "summary", "close"]);
    // What is behind the window is not reached.
    assert.ok(!way.includes("a") && !way.includes("pre"), `${way}`);
    await page.keyboard.press("Escape");
    await page.locator("satstile-paywall dialog[open]").waitFor({ state: "detached" });
    assert.ok(await link.evaluate((link) => link === document.activeElement));
  },

  "in a page, Tab goes from the link to the copy button to the details, and Enter copies and answers (d13)": async (visit) => {
    const { page } = visit;
    await visit.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: edge });
    await stage(visit, ARTICLE);
    const invoice = await invoiceOn(page);
    const way = [];
    for (let n = 0; n < 5; n++) {
      await page.keyboard.press("Tab");
      way.push(await focused(page));
      if (way.at(-1) === "copy") await page.keyboard.press("Enter");
    }
    assert.deepEqual(way, ["link", "copy", "invoice", "renew", "summary"]);
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), invoice);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "preimage");
    // D13: Enter is the answer to a field of one line, and what is said of it stands beside it.
    await page.keyboard.type("00".repeat(32));
    await page.keyboard.press("Enter");
    const wrong = page.getByText(texts.en.preimage_wrong);
    await wrong.waitFor();
    const [field, said] = [await part(page, "preimage").boundingBox(), await wrong.boundingBox()];
    assert.ok(said.y >= field.y + field.height && said.y - field.y - field.height < 16, "it stands below the field");
    assert.equal(await focused(page), "preimage");
    await shoot(page, "wrong-preimage");
    await page.keyboard.type("1");
    await wrong.waitFor({ state: "hidden" });
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await wrong.waitFor();
    assert.deepEqual(await heard(page, "settled"), []);
  },

  "a screen reader hears each state once, and no seconds": async (visit) => {
    const { page } = visit;
    await stage(visit, '<satstile-paywall src="/articles/1" remember="session"></satstile-paywall>');
    const invoice = await invoiceOn(page);
    await page.evaluate(() => {
      globalThis.announced = [];
      const root = document.querySelector("satstile-paywall").shadowRoot;
      for (const live of root.querySelectorAll("[aria-live], [role=status], [role=alert], [role=timer]")) {
        new MutationObserver(() => announced.push(live.textContent)).observe(live, { childList: true, characterData: true, subtree: true });
      }
    });
    await sleep(3_000);
    assert.deepEqual(await page.evaluate(() => announced), []);
    await pay(invoice);
    await part(page, "done").waitFor();
    const said = await page.evaluate(() => announced);
    assert.deepEqual(said, [texts.en.paid]);
    assert.equal(await part(page, "unseen").count(), 1, "it stands there in large letters, too");
    assert.equal(await page.locator("satstile-paywall [aria-live]").count(), 1);
  },

  "who wants no movement sees none": [{ reducedMotion: "reduce" }, async (visit) => {
    const { page } = visit;
    let answer;
    let arrived;
    const asked = new Promise((resolve) => { arrived = resolve; });
    await visit.context.route(edge + "/articles/1", async (route) => { await new Promise((go) => { answer = go; arrived(); }); await route.continue(); });
    await stage(visit, ARTICLE);
    await part(page, "busy").waitFor();
    const moving = () => page.evaluate(() => document.querySelector("satstile-paywall").shadowRoot.getAnimations().length);
    assert.equal(await moving(), 0);
    await page.emulateMedia({ reducedMotion: "no-preference" });
    assert.equal(await moving(), 1, "the others see that something is going on");
    await asked; // the wheel turns before the question is out
    answer();
    await part(page, "qr").waitFor();
    assert.equal(await moving(), 0);
  }],

  "nothing on the gateway's page moves when the component takes over": async (visit) => {
    const names = ["title", "amount", "note", "qr", "link", "invoice"];
    const boxes = async (page) => {
      const found = {};
      for (const name of names) {
        const { x, y, width, height } = await part(page, name).boundingBox();
        found[name] = [x, y, width, height].map(Math.round).join(" ");
      }
      return found;
    };
    for (const viewport of [PHONE, { width: 320, height: 640 }, { width: 1280, height: 800 }]) {
      const plain = await browser.newContext({ viewport, javaScriptEnabled: false });
      const before = await plain.newPage();
      await before.goto(edge + "/articles/1");
      await visit.page.setViewportSize(viewport);
      await visit.page.goto(edge + "/articles/1");
      await part(visit.page, "copy").waitFor();
      assert.deepEqual(await boxes(visit.page), await boxes(before), `${viewport.width} px wide`);
      await plain.close();
    }
    assert.deepEqual(visit.said, []);
  },
}, { lanes: 3 });
