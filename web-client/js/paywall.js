// One resource, being paid for in a page: tells the Rust what happens, and does what it says. No rule is in here. For
// another resource the element makes another one of these, so that nothing of one purchase gets into the next.
import { Paywall as Checkout, qr } from "rust";
import { answer, isGood, isOpen, keys, offer, oneTimeLink, passUrl, sellerOf, send, status } from "./net.js";
import { receiptOf, save } from "./receipt.js";
import { billOf, keep, keepBill, recall, rememberAs } from "./store.js";
import { Tabs } from "./tabs.js";
import { View } from "./view.js";
import { isIos, payHere } from "./wallets.js";
import { wordsOf } from "./words.js";

const THANKS_MS = 700; // "Paid" is read for so long before the page goes on
const NOTICE_MS = 4_000;
const RECEIPT_TRIES = 3;

export class Paywall {
  #host; #settle; #frame; #checkout; #seller; #words; #view; #tabs; #timer; #socket; #heard; #signature; #notice;
  #facts = {}; #effects = []; #acting; #leads; #shown; #offered; #taken; #leaving; #opened; #stop; #cookieless; #paying; #asked; #ended; #paidAt; #polledAt = 0;

  // `settle` resolves `whenPaid()` with the receipt.
  constructor(host, settle) {
    this.#host = host;
    this.#settle = settle;
    this.#frame = { page: "page", modal: "dialog", button: "dialog" }[host.mode] ?? "inline";
    this.#shown = this.#frame !== "dialog";
  }

  // ── What the element passes on ────────────────────────────────────────────────────────────────────────────────────
  connected() { return this.#begin(); }
  open() { this.#shown = true; return this.#begin(); }
  close() { this.#view?.dialog?.close(); }
  renew() { this.#step("renew"); }
  check() { this.#step(this.#facts.phase === "idle" ? "start" : "hint"); }
  // For good. What is still on its way from the network comes to nothing.
  end() {
    this.#ended = true;
    this.#view?.dialog?.close();
    // No old invoice stays on the screen; the page's own link stands there again.
    if (this.#view) this.#host.shadowRoot.replaceChildren(document.createElement("slot"));
    this.#stop?.abort();
    clearTimeout(this.#timer);
    this.#hangUp();
    this.#tabs?.close();
    this.#checkout?.free();
    this.#tabs = this.#view = this.#checkout = undefined;
  }
  async changed(name) {
    if (name === "lang") this.#words = this.#view && await wordsOf(this.#language());
    this.#draw();
  }
  // The element begins anew afterwards.
  async forget() {
    const seller = this.#seller ??= sellerOf(this.#host.src);
    if (!seller) return;
    for (const what of [this.#service, seller.path]) keep(this.#remember, seller, what);
    keepBill(seller);
    if (this.#remember === "cookie") await send("DELETE", passUrl(seller), { cookies: true });
  }

  get #remember() { return rememberAs(this.#host.remember, this.#seller?.isHome); }
  get #service() { return String(this.#heard?.body.service ?? ""); }
  get #hasPaidSlot() { return !!this.#host.querySelector(":scope > [slot=paid]"); }
  get #isSeen() { return this.#shown && document.visibilityState === "visible"; }

  // Language, card, listeners, the first question: what is not there yet.
  async #begin() {
    this.#words ??= await wordsOf(this.#language());
    if (!this.#host.isConnected || this.#ended) return;
    if (!this.#view) {
      this.#seller = sellerOf(this.#host.src);
      if (!this.#seller) return this.#fire("error", { kind: "src", message: `src="${this.#host.src}" is not an address on the web` });
      this.#checkout = new Checkout(this.#host.maxSats);
      this.#view = new View(this.#host, this.#frame, (wish) => this.#grant(wish));
      this.#tabs = new Tabs(this.#seller.resource, (message, isSame) => this.#hear(message, isSame));
      this.#listen();
    }
    const { dialog } = this.#view;
    if (dialog && !dialog.open) {
      dialog.showModal(); // Tab stays inside, Esc closes, focus goes back to where it was
      dialog.focus(); // itself: what is inside comes and goes, and the focus with it
    }
    this.#step("seen", this.#isSeen);
    this.#step("start");
    this.#draw();
  }

  // The nearest `lang`, as CSS sees it; on the gateway's own page, the browser's.
  #language() {
    const ofPage = this.#frame === "page" ? "" : this.#host.closest("[lang]")?.lang;
    return ofPage || navigator.language || "en";
  }

  // Somebody comes back from the wallet, the connection comes back, a tab is shown again.
  #listen() {
    this.#stop = new AbortController();
    const back = () => { this.#step("seen", this.#isSeen); this.#draw(); };
    const { signal } = this.#stop;
    document.addEventListener("visibilitychange", back, { signal });
    for (const name of ["pageshow", "focus", "online", "offline"]) window.addEventListener(name, back, { signal });
  }

  // Events in, effects out, in order; what a page's own listener does in the middle of it waits for its turn.
  #step(event, given = "", more = "") {
    if (!this.#checkout) return;
    const word = (value) => typeof value === "boolean" ? String(+value) : String(value ?? "");
    const lines = this.#checkout.step(event, word(given), word(more), Date.now() / 1000, Math.random() * 256);
    this.#facts = Object.fromEntries(this.#checkout.view().trimEnd().split("\n").map((line) => line.split(/ (.*)/s)));
    this.#effects.push(...lines.split("\n").filter(Boolean));
    if (this.#acting) return;
    this.#acting = true;
    while (this.#effects.length) {
      const [effect, ...given] = this.#effects.shift().split(" ");
      // Whatever goes wrong in the middle of a question is no answer to it, and the next one is asked.
      const unanswered = { ask: ["none"], poll: ["unknown", given[0]], unlock: ["not-unlocked"] }[effect];
      this[`_${effect}`](given)?.catch?.(() => unanswered && this.#step(...unanswered));
    }
    this.#acting = false;
  }

  // ── Effects, by their names in lines.rs ───────────────────────────────────────────────────────────────────────────
  async _ask() {
    const { event, heard, isShared } = await this.#answer();
    if (this.#ended) return;
    const before = this.#facts.bolt11;
    this.#step(...event);
    if (!heard || this.#facts.phase !== "waiting" || this.#facts.bolt11 === before) return;
    // Only what the Rust has put on the screen is told to others and kept.
    this.#heard = heard;
    const kept = billOf(this.#seller); // what was sent before a reload
    this.#sent(heard.sent || (kept?.challenge === heard.challenge && kept.sent));
    if (!isShared) this.#tabs?.tell("bill", { heard });
    if (this.#remember !== "none") keepBill(this.#seller, heard);
  }

  _draw() {
    this.#notice = undefined;
    this.#draw();
    if (this.#facts.phase === "open") this.#whenOpen();
  }

  async _poll([hash, ...authorization]) {
    this.#polledAt = Date.now();
    const { event, receipt } = await status(this.#seller, hash, authorization.join(" "));
    this.#signature = receipt ?? this.#signature;
    this.#step(...event);
  }

  // The server tells that it is worth looking; a hint, and without it the polls go on. The token travels as a
  // subprotocol, since a URL is logged (T62, T121).
  _watch([token]) {
    this.#hangUp();
    const urlSafe = token.replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
    try {
      const socket = this.#socket = new WebSocket(this.#seller.own.replace(/^http/, "ws") + "watch", ["satstile.v1", urlSafe]);
      const say = (...event) => { if (socket === this.#socket) this.#step(...event); };
      socket.onopen = () => say("live", true);
      socket.onmessage = ({ data }) => data === "settled" && say("hint");
      socket.onclose = () => say("live", false);
    } catch { /* not allowed to: the polls do it */ }
  }
  #hangUp() {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  _wake([ms]) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#step("tick"), ms);
  }

  _rest() {
    clearTimeout(this.#timer);
    this.#hangUp();
  }

  // Offers the credential to the page, which may take it; else it becomes a cookie, or is kept in the tab.
  async _unlock([preimage, ...words]) {
    const authorization = words.join(" ");
    this.#paidAt ??= new Date().toISOString();
    if (!this.#offered) {
      this.#offered = true;
      this.#taken = !this.#offer(authorization);
    }
    keepBill(this.#seller);
    if (!this.#taken) {
      if (this.#remember === "cookie") {
        const response = await send("POST", `${this.#seller.own}pass`, { authorization, cookies: true });
        if (!response?.ok) return this.#step(response && response.status < 500 && response.status !== 429 ? "refused" : "not-unlocked");
        // A browser may take no cookies; what was paid is then not shown as an unpaid page after a reload.
        const opens = await isOpen(this.#seller);
        this.#cookieless = opens === false;
        if (!opens) return this.#step(this.#cookieless ? "refused" : "not-unlocked");
      }
      for (const what of [this.#service, this.#seller.path]) keep(this.#remember, this.#seller, what, authorization);
      this.#tabs?.tell("paid", { preimage });
    }
    this.#step("unlocked");
  }

  _tell([news, kind]) {
    if (news === "preimage") return this.#view.refuse(this.#words);
    if (news === "renewed") this.#notify("renewed");
    const { bolt11, msat, hash, ends } = this.#facts;
    this.#fire(news, { resource: this.#seller.resource, invoice: bolt11, amountMsat: msat && +msat, paymentHash: hash, expiresAt: ends, kind });
  }

  // ── What the effects need ─────────────────────────────────────────────────────────────────────────────────────────

  // From the page itself, from what was bought before, from another tab, from before a reload, and last from the seller.
  async #answer() {
    const seller = this.#seller;
    const isFirst = !this.#asked;
    this.#asked = true;
    if (isFirst) {
      const { unpaid, dataset } = this.#host;
      if (unpaid) return answer(unpaid, seller);
      if (dataset.challenge) {
        const heard = { challenge: dataset.challenge, body: JSON.parse(dataset.terms) ?? {} };
        return { event: offer(heard), heard };
      }
      if (await this.#isRemembered()) return { event: ["free"] };
    }
    const tabs = this.#tabs;
    if (tabs && this.#leads !== true) {
      this.#leads = await tabs.leads(() => { this.#leads = true; this.#step("leads", true); });
      this.#step("leads", this.#leads);
      const heard = this.#leads ? undefined : await tabs.bill();
      if (heard) return { event: offer(heard), heard, isShared: true };
    }
    const kept = isFirst && this.#remember !== "none" && billOf(seller);
    if (kept?.body && Date.parse(kept.body.expires_at) > Date.now()) return { event: offer(kept), heard: kept };
    return answer(await send("GET", seller.resource, { cookies: this.#remember === "cookie" }), seller);
  }

  async #isRemembered() {
    if (this.#remember === "cookie") return isOpen(this.#seller);
    const authorization = recall(this.#remember, this.#seller, this.#seller.path);
    if (!authorization) return false;
    if (!await isGood(this.#seller, authorization)) {
      keep(this.#remember, this.#seller, this.#seller.path);
      return false;
    }
    if (!this.#offered) {
      this.#offered = true;
      this.#offer(authorization);
    }
    return true;
  }

  // False when the page takes the credential for itself.
  #offer(authorization) { return this.#fire("token", { authorization, resource: this.#seller.resource }, true); }

  #hear({ say, heard, preimage }, isSame) {
    const { phase } = this.#facts;
    if (say === "bill?" && phase === "waiting" && this.#heard) this.#tabs.tell("bill", { heard: this.#heard });
    if (say === "bill" && phase === "waiting" && heard) {
      if (this.#leads === false) {
        this.#heard = heard; // renewed over there, for both
        this.#step(...offer(heard));
      }
      if (heard.challenge === this.#heard?.challenge) this.#sent(heard.sent);
    }
    if (say !== "paid") return;
    if (isSame) this.#step("preimage", preimage, "tab");
    // What was paid for over there may open this as well.
    if (phase === "waiting" && this.#remember === "cookie") this.#isRemembered().then((isOpen) => isOpen && this.#step("free"));
  }

  // Bubbles and leaves the shadow. False when it was canceled.
  #fire(name, detail, cancelable = false) {
    return this.#host.dispatchEvent(new CustomEvent(`satstile:${name}`, { bubbles: true, composed: true, cancelable, detail }));
  }

  // Once: goes on to what was paid for, unless the page has its own idea; and the receipt.
  async #whenOpen() {
    if (this.#opened) return;
    this.#opened = true;
    const { proof } = this.#facts;
    // Who has paid before and presses the button wants what is behind it.
    const isWanted = proof || this.#frame === "dialog";
    const goesOn = isWanted && !this.#taken && this.#remember === "cookie" && !this.#hasPaidSlot;
    if (goesOn || this.#frame === "page") {
      this.#leaving = true;
      this.#draw();
      setTimeout(() => this.#go(), proof ? THANKS_MS : 0);
    }
    if (proof) this.#settle(await this.#receipt());
  }

  #go() {
    const { resource } = this.#seller;
    // The same address once more: its 402 was not to be kept, so this asks anew.
    if (location.href.split("#")[0] === resource) location.reload();
    else location.assign(resource);
  }

  // Signed, if the seller signs within a moment.
  async #receipt() {
    const [authorization] = this.#checkout.authorization().split(":");
    for (let tries = 0; !this.#signature && tries < RECEIPT_TRIES; tries++) {
      // The server wants a second between two questions (C5).
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, this.#polledAt + 1_000 - Date.now())));
      this.#polledAt = Date.now();
      this.#signature = (await status(this.#seller, this.#facts.hash, authorization)).receipt;
    }
    return receiptOf(this.#seller, this.#facts, this.#heard, this.#paidAt, this.#signature);
  }

  #credential() { return this.#checkout.authorization() ?? recall(this.#remember, this.#seller, this.#seller.path); }

  // ── What a person presses ─────────────────────────────────────────────────────────────────────────────────────────
  async #grant(wish) {
    if (this.#ended) return;
    const { bolt11 } = this.#facts;
    switch (wish) {
      case "webln": {
        this.#paying = true; // one click, one payment
        this.#draw();
        const preimage = await payHere(bolt11, () => this.#send(bolt11, true));
        this.#paying = false;
        if (preimage === undefined) {
          this.#send(bolt11, false);
          return this.#notify("wallet_failed");
        }
        this.#step("preimage", preimage, "tab"); // one that is wrong or missing says nothing: the seller will
        return this.#draw();
      }
      case "copy":
        try { await navigator.clipboard.writeText(bolt11); return this.#notify("copied"); } catch { return this.#view.selectInvoice(); }
      case "share": return navigator.share({ text: `lightning:${bolt11}` }).catch(() => {}); // who changes their mind is told nothing
      case "check": return this.#step("preimage", this.#view.typed);
      case "renew": case "again": return this.#step("renew");
      case "close": return this.close();
      case "closed":
        this.#shown = false;
        this.#step("seen", false);
        return this.#fire("close", {});
      case "open": {
        if (this.#remember === "cookie") return this.#go();
        // No cookie here: a one-time link, which this browser opens instead of another device.
        const { url: action, fault } = await oneTimeLink(this.#seller, this.#credential());
        if (fault) return this.#notify(fault);
        const form = Object.assign(document.createElement("form"), { method: "post", action: `${action}?lang=${this.#words.tag}`, target: "_blank", hidden: true });
        document.body.append(form);
        form.submit();
        return form.remove();
      }
      case "handover": {
        const { url, fault } = await oneTimeLink(this.#seller, this.#credential());
        return fault ? this.#notify(fault) : this.#view.handOver(qr(url), url, this.#words);
      }
      case "receipt": return save({ ...await this.#receipt(), keys: await keys(this.#seller) });
    }
  }

  // A wallet may be paying this invoice, or certainly does not: for all tabs, and after a reload. Nobody is offered to pay
  // it a second time.
  #send(bolt11, isSent) {
    if (this.#facts.bolt11 !== bolt11 || this.#facts.proof) return;
    this.#sent(isSent);
    this.#tabs?.tell("bill", { heard: this.#heard });
    if (this.#remember !== "none") keepBill(this.#seller, this.#heard);
  }
  #sent(isSent) {
    this.#heard.sent = isSent;
    if (!isSent === !!this.#facts.sent) this.#step("sent", !!isSent);
  }

  // Says something for a moment.
  #notify(text) {
    this.#notice = text;
    this.#draw();
    setTimeout(() => { if (this.#notice === text) { this.#notice = undefined; this.#draw(); } }, NOTICE_MS);
  }

  #draw() {
    if (!this.#view || !this.#words) return;
    const { wallets } = this.#host;
    const facts = this.#cookieless ? { ...this.#facts, error: "error_cookies" } : this.#facts;
    this.#view.draw(facts, this.#words, {
      resource: this.#seller.resource, walletList: wallets === "list" || (wallets !== "none" && isIos()), noWallets: wallets === "none",
      hasWebln: !!window.webln, isPayingHere: this.#paying, isOffline: !navigator.onLine, isLeaving: this.#leaving, hasPaidSlot: this.#hasPaidSlot, notice: this.#notice,
    });
  }
}
