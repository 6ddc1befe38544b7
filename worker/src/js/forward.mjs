// A verdict to forward, carried out: the request to the origin, what comes back instead of an answer, and who hands the
// body on.
import * as rust from "./index.js";
import { LATE, alarm, bodyOf, costs, delivered, gathered, isCoded, isEvents, pause, watched } from "./deliver.mjs";
import { answer, read, tells } from "./fields.mjs";
import { run } from "./instance.mjs";
import { byTheUnit } from "./meter.mjs";
import { field, pack, respond } from "./verdict.mjs";

// What to do to responses, by number; fetched from Rust once an instance.
export const rules = new Map();
const rulesOf = (number) => {
  let found = rules.get(number);
  if (!found) {
    found = read(rust.response_rules(number));
    rules.set(number, found);
  }
  return found;
};

// Whether `fetch` asks for this URL byte for byte, instead of one that it takes for the same.
const plain = new Set();
const isPlain = (url) => {
  if (plain.has(url)) return true;
  if (new URL(url).href !== url) return false;
  if (plain.size >= 1000) plain.clear();
  plain.add(url);
  return true;
};

// Charges units of a session and reserves more: the ticket of those, how many, and what the session has cost.
const meterOf = (env) => async (ticket, used, want) => {
  const once = () => run(() => rust.meter(env, ticket, used, want));
  const [next, units, spent] = (await once().catch(() => pause(200).then(once))).split("\n");
  return { ticket: next, units: +units, spent: +spent };
};

// A stream's cost is written down after so many milliseconds, and not before: most streams are over by then.
const PROGRESS_MS = 5000;

// "F1", then "U" url, "-" request fields to drop, "=" to set, "+" response fields to set, "!" the claim, "K" to keep it,
// "E" how a stream is paid by the event, "B" the terms on which a failed purchase is given back.
export const forward = async (request, verdict, env, ctx) => {
  const lines = verdict.split("\n");
  const rule = rulesOf(lines[0].slice(1));
  const headers = new Headers(request.headers);
  const added = [];
  let url, claim, terms, byEvent = "0", keeps = false;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i];
    switch (line[0]) {
      case "U": url = line.slice(1); break;
      case "-": headers.delete(line.slice(1)); break;
      case "=": headers.set(...field(line)); break;
      case "+": added.push(field(line)); break;
      case "!": claim = line.slice(1); break;
      case "K": keeps = true; break;
      case "E": byEvent = line.slice(1); break;
      case "B": terms = line.slice(1); break;
    }
  }
  // From here on until it is concluded: a client that hangs up must not leave its claim open.
  let concluded;
  if (claim) ctx.waitUntil(new Promise((resolve) => { concluded = resolve; }));
  let cost = "", seen = -1;
  const conclude = (delivered, kept) => {
    const once = () => run(() => rust.conclude(env, claim, delivered, kept, cost, seen));
    // An object that was busy or is being moved takes it a moment later. Of a payment and of a hold the first ending
    // counts; an allowance would be given back twice.
    const again = (ms) => (error) => { if (claim.startsWith("allowance ")) throw error; return pause(ms).then(once); };
    const done = claim && once().catch(again(200)).catch(again(2000));
    done?.then(concluded, concluded);
    return done;
  };
  // What the client has had of a stream that says what it costs.
  let noted = -1, noteAt;
  const note = (so_far) => {
    seen = so_far;
    if (seen === noted || Date.now() < (noteAt ??= Date.now() + PROGRESS_MS)) return;
    noted = seen;
    noteAt = Date.now() + PROGRESS_MS;
    run(() => rust.progress(env, claim, seen)).catch(() => {});
  };
  let patience;
  const giveBack = async (kind) => {
    patience?.off();
    try { return respond(await run(() => rust.give_back(env, claim, kind, terms))); } finally { concluded(); }
  };
  const fault = (kind, error) => {
    rust.note_upstream_fault(kind, url, String(error?.message ?? error ?? ""));
    if (terms) return giveBack(kind);
    patience?.off();
    conclude(false);
    return respond(rust.upstream_fault(kind, headers.has("satstile-service"), request.method, request.headers.get("accept") ?? ""));
  };
  // Only the origin is told who we are.
  if (rule.secrets.length && url.startsWith(rule.origin + "/")) headers.set(rule.secret_field, rule.secrets[0]);

  if (!isPlain(url)) return fault("rewritten", "the platform would ask for another URL");
  const abort = new AbortController();
  const stop = () => abort.abort(LATE);
  const lateOrFailed = () => abort.signal.aborted ? "timeout" : "failed";
  patience = alarm(rule.first_byte_ms, stop);
  let up;
  try {
    up = await fetch(url, {
      method: request.method, headers, body: bodyOf(request), redirect: "manual", cache: rule.cache, signal: abort.signal,
      encodeResponseBody: "manual", // what is compressed passes as it is
    });
  } catch (error) {
    // Whether the client broke its upload off or the origin failed, nobody can tell: the payment stays good.
    if (!abort.signal.aborted && bodyOf(request) !== null) terms = undefined;
    return fault(lateOrFailed(), error);
  }
  const login = rule.drop.has("www-authenticate") ? null : up.headers.get("www-authenticate");
  const wantsMoney = login !== null && rust.asks_for_payment(login);
  if (rule.refuse.includes(up.status) || (wantsMoney && up.status === 401)) {
    up.body?.cancel().catch(() => {});
    return fault("challenges", `it answered ${up.status}`);
  }
  if (rule.hidden.length && tells(up, rule.hidden)) {
    up.body?.cancel().catch(() => {});
    return fault("secret", `${rule.secret_field} stands in the head of its answer`);
  }

  // The origin may say by itself that it cannot do this.
  const failed = terms && (up.headers.get("satstile-error-code") ?? (up.status === 429 || up.status >= 500 ? `${up.status}` : null));
  if (failed) {
    up.body?.cancel().catch(() => {});
    return giveBack(failed);
  }

  const size = up.headers.get("content-length");
  let body = up.body;
  const isWhole = body !== null && !claim && size !== null && +size <= rule.small_bytes;
  if (!isWhole) patience.off();
  // Of a service at a fixed price nobody reads costs: it charges its price.
  const isMetered = claim?.startsWith("hold ") && claim.endsWith(" metered");
  cost = (isMetered && up.headers.get("satstile-cost-msat")) || "";
  let kept;
  if (keeps && up.status < 500) {
    try {
      const found = await gathered(up, rule);
      kept = found.bytes;
      body = kept ? (kept.length ? kept : null) : delivered(found.rest, rule, request, conclude);
    } catch (error) {
      stop();
      return fault(error === LATE ? "timeout" : "failed", error);
    }
  } else if (claim) {
    const counts = isEvents(up) && !isCoded(up);
    if (counts && up.ok && up.body && claim.startsWith("session ")) body = byTheUnit(up, rule, claim, meterOf(env), byEvent, concluded);
    else body = delivered(up, rule, request, conclude, counts && claim.startsWith("hold ") ? { read: isMetered ? costs() : () => -1, note } : undefined);
  } else if (isWhole) {
    // Whole or not at all; no timer outlives a stream that is handed on.
    patience.by(rule.idle_ms);
    try { body = await up.arrayBuffer(); } catch (error) { return fault(lateOrFailed(), error); }
    patience.off();
  } else if (body) {
    body = watched(body, rule, stop);
  }
  const out = answer(up, body, rule, added, wantsMoney);
  if (keeps && up.status < 500 && !kept) out.headers.set("satstile-replay", "not-kept");
  if (kept) {
    // Kept before it is told: who never hears this answer can ask for it again.
    let keeps = false;
    try { keeps = await conclude(true, await pack(out, kept)); } catch { /* it is not */ }
    if (!keeps) out.headers.set("satstile-replay", "not-kept");
  }
  return out;
};
