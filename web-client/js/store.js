// What is kept in the browser. Credentials go into sessionStorage at most, and only when the page says so (T113). A
// storage that is full, locked or missing remembers nothing; the payment still counts in memory.
const of = (kind) => ({
  get(name) { try { return globalThis[kind].getItem(name) ?? undefined; } catch { return undefined; } },
  set(name, value) {
    try { value === undefined ? globalThis[kind].removeItem(name) : globalThis[kind].setItem(name, value); } catch { /* see above */ }
  },
});
export const session = of("sessionStorage");
export const local = of("localStorage");

// Where a credential is kept: "cookie" (of the seller, which no script can read; on its own pages only), "session", "none".
export const rememberAs = (wish, isHome) => wish === "none" || wish === "session" ? wish : isHome ? "cookie" : "session";
const name = (seller, what) => `satstile:${seller.origin} ${what}`;
export const recall = (remember, seller, what) => remember === "session" ? session.get(name(seller, what)) : undefined;
export const keep = (remember, seller, what, value) => { if (remember === "session" || !value) session.set(name(seller, what), value); };

// The unpaid 402, so that a reload does not ask for another invoice (T58).
export const billOf = (seller) => { try { return JSON.parse(session.get(`satstile:bill:${seller.resource}`)); } catch { return undefined; } };
export const keepBill = (seller, heard) => session.set(`satstile:bill:${seller.resource}`, heard && JSON.stringify(heard));
