// The card: what a person sees and touches. Built once; then only texts and what is hidden change, so that focus and
// screen readers keep their place. Text goes in as text, never as markup (T109).
import css from "./paywall.css";
import { choose, wallets } from "./wallets.js";

const SVG = "http://www.w3.org/2000/svg";
let sheet;

const element = (tag, part, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  if (part) made.setAttribute("part", part);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  made.append(...children);
  return made;
};
const slot = (name, ...fallback) => element("slot", "", name ? { name } : {}, ...fallback);
const button = (part, text = "") => element("button", part, { type: "button" }, text);
const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const show = (node, isShown) => { node.hidden = !isShown; };

// `drawing` is "size path".
const picture = (place, drawing, label) => {
  const svg = document.createElementNS(SVG, "svg");
  const [size, path] = drawing.split(/ (.*)/);
  const attributes = { viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label, "shape-rendering": "crispEdges" };
  for (const name in attributes) svg.setAttribute(name, attributes[name]);
  for (const [fill, d] of [["#fff", `M0 0h${size}v${size}H0z`], ["#000", path]]) {
    const node = document.createElementNS(SVG, "path");
    node.setAttribute("fill", fill);
    node.setAttribute("d", d);
    svg.append(node);
  }
  place.replaceChildren(svg);
};

export class View {
  #at = {}; #shown;

  // `frame` is "inline", "page" or "dialog"; `wish` is called with the name of what was pressed.
  constructor(host, frame, wish) {
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    // Not inline, so that the page's policy needs no exception (T110).
    if (!sheet) { sheet = new CSSStyleSheet(); sheet.replaceSync(css); }
    root.adoptedStyleSheets = [sheet];
    const at = this.#at;
    const put = (name, node) => at[name] = node;
    const pressed = (name, node) => {
      node.addEventListener("click", (event) => { event.preventDefault(); wish(name); });
      return put(name, node);
    };
    const qr = () => element("div", "qr");
    at.card = element("section", "card", { "aria-labelledby": "title" },
      element(frame === "page" ? "h1" : "h2", "title", { id: "title" }, slot("title", put("title", element("span")))),
      put("amount", element("div", "amount")),
      slot("description"),
      put("note", element("p", "note")),
      put("busy", element("div", "busy")),
      put("pay", element("div", "pay", {},
        put("qr", qr()),
        pressed("webln", button("webln primary")),
        put("link", element("a", "link primary")),
        put("wallets", element("div", "wallets")),
        element("div", "field", {},
          put("label", element("label", "", { for: "invoice" })),
          pressed("copy", button("copy action small")),
          put("invoice", element("textarea", "invoice", { id: "invoice", readonly: "", rows: 4, spellcheck: "false" }))),
        put("timer", element("p", "timer")),
        element("div", "more", {},
          pressed("share", button("share action small")),
          pressed("renew", button("renew action small")),
          element("details", "details", {},
            put("summary", element("summary", "", { id: "preimage" })),
            put("typed", element("input", "preimage", { "aria-labelledby": "preimage", autocomplete: "off", autocapitalize: "off", spellcheck: "false" })),
            put("wrong", element("p", "error", { role: "alert", hidden: "" })),
            pressed("check", button("check action")))))),
      put("paid", element("div", "paid", {},
        put("done", element("p", "done")),
        slot("paid"),
        pressed("open", element("a", "open primary")),
        pressed("receipt", button("receipt action")),
        pressed("handover", button("handover action")),
        put("handed", element("div", "handed", { hidden: "" }, put("handedQr", qr()), put("hint", element("p", "hint")))))),
      put("failed", element("div", "failed", {}, slot("error", put("error", element("p", "error"))), pressed("again", button("again primary")))),
      put("status", element("p", "status", { role: "status", "aria-live": "polite" })),
      slot("footer"));
    at.typed.addEventListener("keydown", ({ key }) => { if (key === "Enter") wish("check"); });
    at.typed.addEventListener("input", () => show(at.wrong, false));
    if (frame !== "dialog") return root.replaceChildren(at.card);
    at.card.append(pressed("close", button("close", "×")));
    this.dialog = element("dialog", "dialog", { "aria-labelledby": "title", tabindex: "-1" }, at.card);
    this.dialog.addEventListener("close", () => wish("closed")); // by Esc, too
    root.replaceChildren(this.dialog, slot());
  }

  get typed() { return this.#at.typed.value; }
  selectInvoice() { this.#at.invoice.select(); }

  // Says beside the field that what stands in it is wrong.
  refuse(words) {
    say(this.#at.wrong, words.text("preimage_wrong"));
    show(this.#at.wrong, true);
  }

  // A link for another device, as a QR code.
  handOver(drawing, link, words) {
    picture(this.#at.handedQr, drawing, link);
    say(this.#at.hint, words.text("handover_hint"));
    show(this.#at.handed, true);
  }

  // `facts` is what the Rust says; the rest is what this browser can do and what the page wants.
  draw(facts, words, { resource, walletList, noWallets, hasWebln, isPayingHere, isOffline, isLeaving, hasPaidSlot, notice }) {
    const at = this.#at;
    const { phase } = facts;
    const t = words.text;
    at.card.dir = words.dir;
    at.card.lang = words.tag;
    const isPaying = phase === "waiting" || phase === "over";
    show(at.busy, phase === "idle" || phase === "asking" || phase === "settled" || isLeaving);
    show(at.pay, isPaying);
    show(at.paid, phase === "open" && !isLeaving);
    show(at.failed, phase === "failed");

    const amount = facts.sats && words.amount(facts.sats);
    show(at.amount, !!amount);
    say(at.amount, amount ?? "");
    say(at.title, facts.title || t(phase === "open" ? "paid" : "pay"));
    show(at.note, !!facts.test);
    say(at.note, t("network_test"));

    const drawn = `${words.tag} ${facts.bolt11}`; // the picture has a label
    if (isPaying && this.#shown !== drawn) {
      this.#shown = drawn;
      if (facts.qr) picture(at.qr, facts.qr, t("qr_label", { amount }));
      at.invoice.value = facts.bolt11;
      at.link.href = `lightning:${facts.bolt11}`;
      at.wallets.replaceChildren(element("p", "hint", {}, t("choose_wallet")), ...wallets().map(([name, scheme]) => {
        const link = element("a", "wallet", { href: scheme + facts.bolt11 }, name);
        link.addEventListener("click", () => choose(name));
        return link;
      }));
    }
    at.qr.setAttribute("part", phase === "over" ? "qr over" : "qr");
    show(at.webln, hasWebln);
    at.webln.disabled = !!isPayingHere || !!facts.sent;
    show(at.link, !walletList && !noWallets);
    at.link.setAttribute("part", hasWebln ? "link action" : "link primary");
    show(at.wallets, walletList);
    show(at.share, !!navigator.share);
    show(at.timer, phase === "waiting");
    if (facts.until) say(at.timer, t("valid", { time: words.time(facts.until) }));

    show(at.done, !!facts.proof);
    show(at.open, !hasPaidSlot);
    at.open.href = resource;
    show(at.receipt, !!facts.proof);
    show(at.handover, !!facts.proof);

    const error = facts.error ? t(facts.error, { amount: facts.dear && words.amount(facts.dear) }) : "";
    if (error) say(at.error, error);
    const texts = {
      webln: "pay_browser", link: "open_wallet", label: "invoice", copy: notice === "copied" ? "copied" : "copy", share: "share", renew: "renew",
      summary: "preimage", check: "check", done: "paid", open: "open", receipt: "receipt", handover: "handover", again: "retry",
    };
    for (const name in texts) say(at[name], t(texts[name]));
    at.card.querySelector("[part=close]")?.setAttribute("aria-label", t("close"));
    // One line says the state, once for each state; seconds are not announced.
    const state = { idle: "loading", asking: "loading", waiting: facts.sent ? "sent" : "waiting", over: facts.sent ? "sent" : "expired", settled: "paid", open: isLeaving ? "opening" : "" }[phase];
    const thanks = isLeaving && facts.proof ? `${t("paid")} ` : "";
    const line = thanks + t(isOffline && phase !== "open" ? "offline" : notice ?? state ?? "");
    // What stands above in large letters is in this line for ears only.
    const large = phase === "failed" ? error : phase === "open" && facts.proof ? t("paid") : "";
    at.status.setAttribute("part", line ? "status" : "status unseen");
    say(at.status, line || large);
  }
}
