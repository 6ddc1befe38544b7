// <satstile-paywall>: what only JavaScript can say, `class extends HTMLElement`. The behaviour is in Rust, and is
// fetched when a paywall is seen, opened or needed; until then the page's own link stands there and works.
// `load` brings the Rust: a promise of the module that wasm-bindgen wrote.
export const define = (load) => {
  const defaults = { src: "", mode: "inline", theme: "auto", wallets: "auto", remember: "cookie" };

  // On a server there is nothing to extend and nothing to define.
  class SatstilePaywall extends (globalThis.HTMLElement ?? class {}) {
    static observedAttributes = [...Object.keys(defaults), "lang", "max-sats", "maxsats"];
    static async fetch(input, init) { return (await load()).fetchPaid(input, init); }

    #core; #seen; #paid; #settle;
    constructor() {
      super();
      this.#promise();
    }
    #promise() { this.#paid = new Promise((resolve) => { this.#settle = resolve; }); }

    whenPaid() { return this.#paid; }
    // JSX that sets attributes alone writes `maxSats` without the dash.
    get maxSats() {
      const sats = this.getAttribute("max-sats") ?? this.getAttribute("maxsats");
      return sats == null ? Infinity : +sats;
    }
    set maxSats(sats) { this.#reflect("max-sats", sats === Infinity ? null : sats); }

    connectedCallback() {
      const { mode } = this;
      if (mode === "button") return this.addEventListener("click", this.#click);
      if (mode === "modal") return; // until somebody calls `open()`
      if (mode === "page") return void this.#do("connected");
      this.#seen = new IntersectionObserver((entries) => {
        if (entries.some((entry) => entry.isIntersecting)) { this.#seen.disconnect(); this.#do("connected"); }
      }, { rootMargin: "200px" });
      this.#seen.observe(this);
    }
    disconnectedCallback() {
      this.#seen?.disconnect();
      this.removeEventListener("click", this.#click);
      const core = this.#core;
      this.#core = undefined;
      core?.then((paywall) => paywall.end(), () => {});
    }
    attributeChangedCallback(name, before, now) {
      if (before === now || !this.#core) return;
      if (["src", "max-sats", "maxsats", "mode"].includes(name)) return this.#restart();
      this.#core.then((paywall) => paywall.changed(name), () => {});
    }
    // Another resource, or the same from the beginning: another purchase.
    #restart() {
      this.disconnectedCallback();
      this.#promise();
      if (this.isConnected) this.connectedCallback();
    }
    async forget() {
      await this.#do("forget");
      this.#restart();
    }

    #reflect(name, value) { value == null ? this.removeAttribute(name) : this.setAttribute(name, value); }
    #do(what) {
      this.#core ??= load().then((rust) => new rust.Paywall(this, this.#settle));
      return this.#core.then((core) => core[what](), (error) => {
        this.#core = undefined; // the next try loads again
        this.dispatchEvent(new CustomEvent("satstile:error", { bubbles: true, composed: true, detail: { kind: "load", message: String(error) } }));
      });
    }

    // The link inside opens the dialog; with a modifier key, or without the Rust, it stays a link.
    #click = async (event) => {
      const link = event.target.closest("a, button");
      if (!link || !this.contains(link) || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      await this.#do("open");
      if (!this.#core && link.href) location.href = link.href;
    };

    static {
      for (const name of ["open", "close", "renew", "check"]) {
        this.prototype[name] = function () { return this.#do(name); };
      }
      for (const name in defaults) {
        Object.defineProperty(this.prototype, name, {
          get() { return this.getAttribute(name) ?? defaults[name]; },
          set(value) { this.#reflect(name, value); },
        });
      }
    }
  }
  if (globalThis.customElements && !customElements.get("satstile-paywall")) customElements.define("satstile-paywall", SatstilePaywall);
  return SatstilePaywall;
};
