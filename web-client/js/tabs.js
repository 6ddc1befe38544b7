// The same resource in several tabs: one of them polls (Web Locks), all show the same invoice and all unlock
// (BroadcastChannel). Both reach pages of this origin only, and a message is still a hint: the Rust checks what it brings.
const ANSWER_MS = 300;

export class Tabs {
  #channel = globalThis.BroadcastChannel && new BroadcastChannel("satstile");
  #release; #answer; #leads; #resource;

  constructor(resource, hear) {
    this.#resource = resource;
    this.#channel?.addEventListener("message", ({ data }) => {
      const isSame = data?.resource === resource;
      if (isSame && data.say === "bill") this.#answer?.(data.heard);
      if (isSame || data?.say === "paid") hear(data, isSame);
    });
  }

  tell(say, more) { this.#channel?.postMessage({ say, resource: this.#resource, ...more }); }

  // Whether this tab polls for all. If not, `promoted` is called once the one that did is gone.
  leads(promoted) {
    const { locks } = navigator; // in secure contexts only; without, every tab leads
    if (!locks) return true;
    return this.#leads ??= new Promise((decide) => {
      const name = `satstile:${this.#resource}`;
      const held = new Promise((release) => { this.#release = release; });
      locks.request(name, { ifAvailable: true }, (lock) => {
        decide(!!lock);
        if (lock) return held;
        locks.request(name, () => { this.#leads = true; promoted(); return held; });
      });
    });
  }

  // The 402 that another tab shows, if one answers.
  bill() {
    return new Promise((resolve) => {
      this.#answer = resolve;
      this.tell("bill?");
      setTimeout(resolve, ANSWER_MS);
    });
  }

  close() { this.#release?.(); this.#channel?.close(); }
}
