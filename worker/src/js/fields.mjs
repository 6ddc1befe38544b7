// What the head of an origin's answer loses and gains on its way to the client. The lists are Rust's (`l402/src/headers.rs`);
// nothing here knows their reasons.
import { isCoded } from "./deliver.mjs";

// The rules of one number, from the JSON that Rust has of them.
export const read = (json) => {
  const found = JSON.parse(json);
  found.cache ??= undefined;
  found.drop = new Set(found.drop);
  // A secret may stand in an address in another spelling.
  found.hidden = found.secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]);
  found.drop_unless = found.drop_unless.map(([name, fits]) => [name, new RegExp(`^(?:${fits})$`)]);
  return found;
};

// Whether one of these texts stands in the head of a response.
export const tells = (up, texts) => {
  let head = up.statusText;
  up.headers.forEach((value, name) => { head += "\n" + name + ":" + value; });
  return texts.some((text) => head.includes(text));
};

// The answer for the client. `added` are fields for a success; `wantsMoney`: its `WWW-Authenticate` asks for a payment.
export const answer = (up, body, rule, added, wantsMoney) => {
  // A socket is handed on as it is: no byte of it is seen here.
  const out = new Response(body, { status: up.status, statusText: up.statusText, headers: up.headers, encodeBody: "manual", webSocket: up.webSocket });
  const back = out.headers;
  const nominated = back.get("connection")?.toLowerCase().split(",").map((name) => name.trim());
  up.headers.forEach((_, name) => { if (rule.drop.has(name) || nominated?.includes(name)) back.delete(name); });
  if (!isCoded(up)) back.delete("content-encoding");
  if (wantsMoney) back.delete("www-authenticate");
  const cookies = back.getSetCookie();
  if (cookies.some((cookie) => isOurs(cookie, rule))) {
    back.delete("set-cookie");
    for (const cookie of cookies) if (!isOurs(cookie, rule)) back.append("set-cookie", cookie);
  }
  for (const [name, fits] of rule.drop_unless) if (!fits.test(back.get(name) ?? "")) back.delete(name);
  for (const [name, value] of rule.open) {
    const own = back.get(name);
    if (own !== null && own !== value && !own.includes(",")) continue;
    back.set(name, value);
    rule.open_drops.forEach((other) => back.delete(other));
  }
  for (const [name, value] of rule.set) back.set(name, value);
  for (const [name, value] of rule.append) back.append(name, value);
  if (up.ok) for (const [name, value] of added) back.set(name, value);
  if (up.status >= 300 && up.status < 400) {
    const location = home(back.get("location"), rule.origin);
    if (location) back.set("location", location);
  }
  return out;
};

// Whether a cookie of the origin has a name of ours, also for a browser that overlooks what stands before it.
const isOurs = (cookie, rule) => cookie.replace(/^[\s=]+/, "").toLowerCase().startsWith(rule.cookies);

// A redirect to the origin's own address, as one to ours; undefined for any other.
const home = (location, origin) => {
  if (!location || !/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(location)) return undefined;
  try {
    const to = new URL(location, origin);
    return to.origin === origin && !to.pathname.startsWith("//") ? to.pathname + to.search + to.hash : undefined;
  } catch {
    return undefined;
  }
};
