// The door between the platform and the Rust in index.js. It knows no rule: it hands strings in, gets a
// verdict out, and applies the verdict's lists to the platform's own Request and Response, so that a paid
// request crosses the wasm border once and no body is ever copied.
import { DurableObject } from "cloudflare:workers";
import * as rust from "./index.js";
import policyFile from "./policy.txt";
import files, { build } from "./files.js";
import { LATE, byTheUnit, pause, within } from "./meter.mjs";

// A Rust panic poisons the wasm instance, and nothing would ever settle the promises of the poisoned one.
// The panic hook sets `criticalError`: every event in flight is rejected, the next one gets a new instance.
const state = rust.__worker_init_state();
const inFlight = new Set();
let poisoned = false;
Object.defineProperty(state, "criticalError", {
  get: () => poisoned,
  set(value) {
    poisoned = value;
    if (!value) return;
    for (const reject of inFlight) reject(new Error("the Rust worker panicked"));
    inFlight.clear();
  },
});

const renew = () => {
  if (poisoned) {
    rust.__wbg_reset_state();
    state.criticalError = false;
    state.instanceId++;
  }
};

const run = (f) => {
  renew();
  return new Promise((resolve, reject) => {
    inFlight.add(reject);
    // The runtime drops events of clients that hang up; theirs never settle and must not pile up.
    if (inFlight.size > 4096) inFlight.delete(inFlight.values().next().value);
    const settle = (how) => (value) => { inFlight.delete(reject); how(value); };
    try {
      f().then(settle(resolve), settle(reject));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
      settle(reject)(error);
    }
  });
};

// Some clients announce an empty body with every request.
const bodyOf = (request) => request.headers.get("content-length") === "0" ? null : request.body;

// What Rust reads of a request: method, URL, "name:value" lines, whether a body comes with it.
const asked = (request) => {
  let fields = "";
  request.headers.forEach((value, name) => { fields += name + ":" + value + "\n"; });
  return [request.method, request.url, fields, bodyOf(request) !== null];
};

const decide = (request, read, env) => {
  renew();
  const ask = () => rust.decide(request, ...read, Date.now() / 1000);
  // Empty: this instance is new and has not read its configuration.
  return ask() || (rust.configure(env, policyFile, build, { exchange }), rules.clear(), ask());
};

// Of an empty text, none.
const words = (text, blank) => text ? text.split(blank) : [];

// A body over this many bytes is not for us: a node says little.
const REPLY_BYTES_MAX = 65536;

// Rust's own requests, to the node's side: "=name:value" lines and a body out; the status, the values of the reply's
// fields that were asked for, and the body back, a line each. Rejects with one word where there is no reply.
const exchange = async (url, fields, body, names, ms) => {
  const headers = words(fields, "\n").map(field);
  const init = { method: "POST", headers, body, redirect: "manual", signal: AbortSignal.timeout(ms) };
  // What is asked for again is asked of the node itself, and of no cache on the way.
  if (body === undefined) Object.assign(init, { method: "GET", cache: "no-store" });
  let up;
  try { up = await fetch(url, init); } catch (error) { throw error?.name === "TimeoutError" ? "late" : "unreachable"; }
  try {
    const size = up.headers.get("content-length");
    const text = size !== null && +size <= REPLY_BYTES_MAX && !up.headers.has("content-encoding")
      ? await up.text() : new TextDecoder().decode(await bounded(up.body));
    return [up.status, ...words(names, " ").map((name) => up.headers.get(name) ?? ""), text].join("\n");
  } catch (error) {
    throw error?.name === "TimeoutError" ? "late" : "broken";
  }
};

const bounded = async (body) => {
  const pieces = [];
  let size = 0;
  for await (const piece of body ?? []) {
    if ((size += piece.byteLength) > REPLY_BYTES_MAX) throw new Error("too long");
    pieces.push(piece);
  }
  return new Blob(pieces).arrayBuffer();
};

// What to do to responses, by number; fetched from Rust once an instance.
const rules = new Map();
const rulesOf = (number) => {
  let found = rules.get(number);
  if (!found) {
    found = JSON.parse(rust.response_rules(number));
    found.cache ??= undefined;
    found.drop = new Set([...found.drop, ...found.drop_caching]);
    rules.set(number, found);
  }
  return found;
};

const field = (line) => {
  const colon = line.indexOf(":", 1);
  return [line.slice(1, colon), line.slice(colon + 1)];
};

// "R402", "=name:value" lines, an empty line, the body.
const respond = (verdict) => {
  const end = verdict.indexOf("\n\n");
  const [status, ...lines] = verdict.slice(0, end).split("\n");
  const body = verdict.slice(end + 2);
  return new Response(body || null, { status: +status.slice(1), headers: lines.map(field) });
};

// "S200" or "S304", "U" a file of the widget, "=name:value" lines; nothing when there is no such file.
const serve = (verdict) => {
  const [status, name, ...lines] = verdict.split("\n");
  const file = files[name.slice(1)];
  return file && new Response(status === "S304" ? null : file, { status: +status.slice(1), headers: lines.map(field) });
};

// "W", a payment hash, until when: the object of that payment takes the socket. Of what the client sent, only the
// wish for one goes on.
const watch = (verdict, env) => {
  const [hash, until] = verdict.slice(1).split(" ");
  return env.PAYMENTS.getByName(hash).fetch(`https://watch/${until}`, { headers: { upgrade: "websocket" } });
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

// An answer that is kept, and one that was: the status, "=name:value" lines, an empty line, the body. What the runtime
// says of a body's length it says anew.
const pack = (response, bytes) => {
  let head = response.status + "";
  response.headers.forEach((value, name) => { if (name !== "content-length" && name !== "transfer-encoding") head += "\n=" + name + ":" + value; });
  return new Blob([head, "\n\n", bytes]).arrayBuffer().then((whole) => new Uint8Array(whole));
};
const unpack = (kept) => {
  const bytes = Uint8Array.from(atob(kept), (letter) => letter.charCodeAt(0));
  const end = bytes.findIndex((byte, at) => byte === 10 && bytes[at + 1] === 10);
  const [status, ...lines] = new TextDecoder().decode(bytes.subarray(0, end)).split("\n");
  const body = bytes.subarray(end + 2);
  const headers = [...lines.map(field), ["idempotent-replayed", "true"]];
  return new Response(body.length ? body : null, { status: +status, headers, encodeBody: "manual" });
};

const isEvents = (response) => /^text\/event-stream *(;|$)/i.test(response.headers.get("content-type"));

// A response to be kept is read until it ends, or is too long to keep: then what was read goes before the rest.
const gathered = async (up, rule) => {
  const pieces = [], until = Date.now() + rule.total_ms;
  const size = up.headers.get("content-length");
  if (!up.body) return { bytes: new Uint8Array(0) };
  if (isEvents(up) || (size !== null && +size > rule.small_bytes)) return { rest: up };
  const reader = up.body.getReader();
  for (let read = 0; ;) {
    const piece = await within(Math.min(rule.idle_ms, until - Date.now()), reader.read());
    if (piece.done) return { bytes: new Uint8Array(await new Blob(pieces).arrayBuffer()) };
    pieces.push(piece.value);
    if ((read += piece.value.byteLength) > rule.small_bytes) break;
  }
  const pull = async (out) => {
    if (pieces.length) return out.enqueue(pieces.shift());
    const piece = await reader.read();
    if (piece.done) out.close(); else out.enqueue(piece.value);
  };
  return { rest: { status: up.status, body: new ReadableStream({ pull, cancel: (why) => reader.cancel(why) }) } };
};

// An origin may say in its stream of events what that has cost so far, in comments: whole lines ": satstile-cost-msat=1234".
// The most that was said in the bytes so far; -1 when nothing was. What they are worth is in `spend.rs`.
const SAYS_COST = new TextEncoder().encode(": satstile-cost-msat=");
const costs = () => {
  const other = SAYS_COST.length + 1;
  let at = 0, line = -1, most = -1;
  return (bytes) => {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i];
      if (byte === 10 || byte === 13) {
        if (line > most) most = line;
        at = 0;
        line = -1;
      } else if (at < SAYS_COST.length) {
        at = byte === SAYS_COST[at] ? at + 1 : other;
      } else if (at !== other) {
        if (byte >= 48 && byte <= 57) line = Math.max(line, 0) * 10 + byte - 48;
        else { at = other; line = -1; }
      }
    }
    return most;
  };
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
// "B" the terms on which a failed purchase is given back.
const forward = async (request, verdict, env, ctx) => {
  const lines = verdict.split("\n");
  const rule = rulesOf(lines[0].slice(1));
  const headers = new Headers(request.headers);
  const added = [];
  let url, claim, terms, keeps = false;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i];
    switch (line[0]) {
      case "U": url = line.slice(1); break;
      case "-": headers.delete(line.slice(1)); break;
      case "=": headers.set(...field(line)); break;
      case "+": added.push(field(line)); break;
      case "!": claim = line.slice(1); break;
      case "K": keeps = true; break;
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
  const giveBack = async (kind) => {
    try { return respond(await run(() => rust.give_back(env, claim, kind, terms))); } finally { concluded(); }
  };
  const fault = (kind) => {
    if (terms) return giveBack(kind);
    conclude(false);
    return respond(rust.upstream_fault(kind));
  };

  if (!isPlain(url)) return fault("rewritten");
  const abort = new AbortController();
  const stop = () => abort.abort(LATE);
  const timer = setTimeout(stop, rule.first_byte_ms);
  let up;
  try {
    up = await fetch(url, {
      method: request.method, headers, body: bodyOf(request), redirect: "manual", cache: rule.cache, signal: abort.signal,
      encodeResponseBody: "manual", // what is compressed passes as it is
    });
  } catch {
    // Whether the client broke its upload off or the origin failed, nobody can tell: the payment stays good.
    if (!abort.signal.aborted && bodyOf(request) !== null) terms = undefined;
    return fault(abort.signal.aborted ? "timeout" : "failed");
  } finally {
    clearTimeout(timer);
  }
  if (rule.refuse.includes(up.status)) {
    up.body?.cancel().catch(() => {});
    return fault("challenges");
  }

  // The origin may say by itself that it cannot do this.
  const failed = terms && (up.headers.get("satstile-error-code") ?? (up.status === 429 || up.status >= 500 ? `${up.status}` : null));
  if (failed) {
    up.body?.cancel().catch(() => {});
    return giveBack(failed);
  }

  const size = up.headers.get("content-length");
  let body = up.body;
  cost = (claim && up.headers.get("satstile-cost-msat")) ?? "";
  let kept;
  if (keeps && up.status < 500) {
    try {
      const found = await gathered(up, rule);
      kept = found.bytes;
      body = kept ? (kept.length ? kept : null) : delivered(found.rest, rule, request, conclude);
    } catch (error) {
      stop();
      return fault(error === LATE ? "timeout" : "failed");
    }
  } else if (claim) {
    const counts = isEvents(up) && !up.headers.get("content-encoding")?.replace(/^identity$/i, "");
    if (counts && up.ok && up.body && claim.startsWith("session ")) body = byTheUnit(up, rule, claim, meterOf(env), concluded);
    else body = delivered(up, rule, request, conclude, counts && claim.startsWith("hold ") ? { read: costs(), note } : undefined);
  } else if (body && size !== null && +size <= rule.small_bytes) {
    // Whole or not at all; no timer outlives a stream that is handed on.
    try { body = await within(rule.idle_ms, up.arrayBuffer()); } catch (error) { return fault(error === LATE ? "timeout" : "failed"); }
  } else if (body) {
    body = watched(body, rule, stop);
  }
  const out = new Response(body, { status: up.status, statusText: up.statusText, headers: up.headers, encodeBody: "manual" });
  const back = out.headers;
  const nominated = back.get("connection")?.toLowerCase().split(",").map((name) => name.trim());
  up.headers.forEach((_, name) => { if (rule.drop.has(name) || nominated?.includes(name)) back.delete(name); });
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
  if (keeps && up.status < 500 && !kept) back.set("satstile-replay", "not-kept");
  if (kept) {
    // Kept before it is told: who never hears this answer can ask for it again.
    try {
      await conclude(true, await pack(out, kept));
    } catch {
      back.set("satstile-replay", "not-kept");
    }
  }
  return out;
};

// A long body may pause for idle_ms and last for total_ms, no longer: then it breaks off, and with it the
// origin's side.
const watched = (body, rule, stop) => {
  let idle = setTimeout(stop, rule.idle_ms);
  const total = setTimeout(stop, rule.total_ms);
  return body.pipeThrough(new TransformStream({
    transform(chunk, out) {
      clearTimeout(idle);
      idle = setTimeout(stop, rule.idle_ms);
      out.enqueue(chunk);
    },
    flush() { clearTimeout(idle); clearTimeout(total); },
  }));
};

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

// A claimed delivery counts once it has reached the client: whole, or as far as the client wanted it. An
// origin that fails, before or in the middle, has delivered nothing, and the same payment may try again.
// `meter`: of what the client has had, the costs are read on the way.
const delivered = (up, rule, request, conclude, meter) => {
  const safe = request.method === "GET" || request.method === "HEAD";
  // A client that breaks its own upload off takes the origin's answer down with it, and looks like an origin that failed.
  const uploads = bodyOf(request) !== null;
  if (up.status >= 500) { conclude(false); return up.body; }
  if (!up.body) { conclude(true); return null; }
  const { readable, writable } = new TransformStream();
  const pump = async () => {
    const reader = up.body.getReader();
    const writer = writable.getWriter();
    // Their failures are told by the reads and writes below.
    for (const told of [reader.closed, writer.closed, writer.ready]) told.catch(() => {});
    const until = Date.now() + rule.total_ms;
    for (let sent = 0; ;) {
      let piece;
      try {
        piece = await within(Math.min(rule.idle_ms, until - Date.now()), reader.read());
      } catch (error) {
        // The origin broke off: nothing was delivered. Our own limit after some of it: that much was.
        conclude((error === LATE || uploads) && sent > 0);
        reader.cancel(error).catch(() => {});
        return writer.abort(error).catch(() => {});
      }
      try {
        if (piece.done) { await writer.close(); conclude(true); return; }
        const cost = meter?.read(piece.value);
        await within(rule.idle_ms, writer.write(piece.value));
        sent += piece.value.byteLength;
        meter?.note(cost);
      } catch (gone) {
        // A reader who left has read what was sent; and an order that was carried out is a delivery unread, unless it
        // was for the very stream.
        conclude(sent > 0 || (!safe && !meter));
        return reader.cancel(gone).catch(() => {});
      }
    }
  };
  pump();
  return readable;
};

export default {
  async fetch(request, env, ctx) {
    try {
      const read = asked(request);
      const verdict = decide(request, read, env);
      if (verdict[0] === "F") return await forward(request, verdict, env, ctx);
      if (verdict[0] === "R") return respond(verdict);
      if (verdict[0] === "*") {
        const end = verdict.indexOf("\n");
        rust.afterwards(verdict.slice(1, end), env, ctx);
        return respond(verdict.slice(end + 1));
      }
      const file = verdict[0] === "S" && serve(verdict);
      if (file) return file;
      const answer = await run(() => rust.admit(request, ...read, env, ctx));
      if (typeof answer !== "string") return answer;
      if (answer[0] === "R") return respond(answer);
      if (answer[0] === "P") return unpack(answer.slice(1));
      return await (answer[0] === "W" ? watch(answer, env) : forward(request, answer, env, ctx));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
      console.error(JSON.stringify({ level: "error", event: "panic", reason: String(error?.message ?? error).slice(0, 200) }));
      return new Response('{"detail":"Nothing was charged. Try again later.","status":503,"title":"Not available now","type":"about:blank"}', {
        status: 503, headers: { "content-type": "application/problem+json", "cache-control": "no-store", "retry-after": "1" },
      });
    }
  }
};

// Real subclasses of DurableObject, as the platform demands. What is due to be forgotten is forgotten here.
const durable = (name) => class extends DurableObject {
  #object;
  #instance;
  #get() {
    if (this.#instance !== state.instanceId) {
      this.#object = new rust.StoredObject(name, this.ctx);
      this.#instance = state.instanceId;
    }
    return this.#object;
  }
  ask(operation, question) { return run(async () => this.#get().ask(operation, question)); }
  alarm() { return this.ctx.storage.deleteAll(); }
};

// Who waits for a payment may hold a socket to it, and is told the one word "settled": a hint, and no proof. The
// sockets sleep with the object and leave no rows.
const SOCKETS_MAX = 8;
const tell = (socket) => { try { socket.send("settled"); socket.close(1000); } catch { /* it has left */ } };

export class Payment extends durable("Payment") {
  #open() { return this.ctx.getWebSockets().filter((socket) => socket.readyState === WebSocket.OPEN); }
  async ask(operation, question) {
    const answer = await super.ask(operation, question);
    if (operation === "settle" && answer === "New") this.#open().forEach(tell);
    return answer;
  }
  async fetch(request) {
    for (const socket of this.#open()) if (socket.deserializeAttachment() <= Date.now() / 1000) socket.close(1000);
    if (this.#open().length >= SOCKETS_MAX) return new Response(null, { status: 429, headers: { "cache-control": "no-store", "retry-after": "5" } });
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment(+request.url.slice("https://watch/".length));
    if (await super.ask("watch", "")) tell(server);
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "satstile.v1" } });
  }
  // Nothing is said here; "ping" is answered without waking anybody.
  webSocketMessage(socket) { socket.close(1008); }
  webSocketClose(socket) { socket.close(1000); }
}

// An account's books. What is left to be done in them is not forgotten: the platform gives an alarm that throws up after
// some tries, and this one is set again.
export class Account extends durable("Account") {
  async alarm() {
    try {
      if (!rust.is_configured()) rust.configure(this.env, policyFile, build, { exchange });
      // One line for each payout that the node has not answered definitely, and for each transfer that the other book has
      // not. One that fails holds up no other, and its row asks again (T85).
      for (let order of words(await this.ask("alarm", ""), "\n")) {
        try {
          // What an answer leaves to be done is another line: an order that was lost is sent again.
          for (let turn = 0; order && turn < 3; turn++) {
            const said = await run(() => rust.follow(order, this.env));
            if (!said) break;
            const end = said.indexOf("\n"), operation = said.slice(0, end);
            order = rust.left_over(operation, await this.ask(operation, said.slice(end + 1)));
          }
        } catch { /* nothing is known */ }
      }
    } catch {
      await this.ctx.storage.setAlarm(Date.now() + 30_000);
    }
  }
}
export const MintBudget = durable("MintBudget");
export const Allowance = durable("Allowance");
export const Totals = durable("Totals");
