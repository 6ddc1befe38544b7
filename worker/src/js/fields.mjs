// What the head of an origin's answer loses and gains on its way to the client. The lists are Rust's (`l402/src/response.rs`);
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
// Each question to the platform's own objects costs more than all that is decided here, so the origin's fields are
// gone through once, and only what stands in them is asked about.
export const answer = (up, body, rule, added, wantsMoney) => {
  const { status, headers: theirs } = up;
  // A socket is handed on as it is: no byte of it is seen here.
  const init = { status, statusText: up.statusText, headers: theirs, encodeBody: "manual" };
  const out = new Response(body, status === 101 ? { ...init, webSocket: up.webSocket } : init);
  const back = out.headers;
  const seen = new Map();
  theirs.forEach((value, name) => seen.set(name, value));
  const nominated = seen.get("connection")?.toLowerCase().split(",").map((name) => name.trim());
  for (const name of seen.keys()) {
    if (!rule.drop.has(name) && !nominated?.includes(name)) continue;
    back.delete(name);
    seen.delete(name);
  }
  if (seen.has("content-encoding") && !isCoded(up)) back.delete("content-encoding");
  if (wantsMoney) back.delete("www-authenticate");
  if (seen.has("set-cookie")) {
    const cookies = back.getSetCookie();
    if (cookies.some((cookie) => isOurs(cookie, rule))) {
      back.delete("set-cookie");
      for (const cookie of cookies) if (!isOurs(cookie, rule)) back.append("set-cookie", cookie);
    }
  }
  for (const [name, fits] of rule.drop_unless) if (seen.has(name) && !fits.test(seen.get(name))) back.delete(name);
  for (const [name, value] of rule.open) {
    const own = seen.get(name);
    if (own !== undefined && own !== value && !own.includes(",")) continue;
    if (own !== value) back.set(name, value);
    for (const other of rule.open_drops) if (seen.has(other)) back.delete(other);
  }
  for (const [name, value] of rule.set) back.set(name, value);
  for (const [name, value] of rule.append) back.append(name, value);
  if (up.ok) for (const [name, value] of added) back.set(name, value);
  if (status >= 300 && status < 400) {
    const location = home(seen.get("location"), rule.origin);
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
