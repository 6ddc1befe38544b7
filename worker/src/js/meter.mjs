// An answer in events that a session pays: one unit for each event that counts, reserved before it is handed on.
import { pause, within } from "./deliver.mjs";

// How many units are reserved at a time, once it is known that the answer is a stream.
const AHEAD = 16;
// How long an answer waits for another deposit, and how often it looks for one, in milliseconds.
const TOP_UP_MS = 60000;
const LOOK_MS = 500;
// An event that is longer is handed on in pieces of this size, and counts with the first of them.
const EVENT_BYTES_MAX = 262144;

const LF = 10, CR = 13;
// So much of a line is looked at: enough for `event: ` and the longest name that a policy may have.
const HEAD_BYTES_MAX = 80;
// A stream may begin with a byte order mark.
const DATA = /^(\xef\xbb\xbf)?data(:|$)/, DONE = /^(\xef\xbb\xbf)?data: ?\[DONE\]$/, NAME = /^(\xef\xbb\xbf)?event(: ?(.*))?$/s;

// Events that only say how a stream goes, as two large APIs name them: no units, unless the policy says which events are.
const NO_UNITS = new Set(["ping", "error", "message_start", "message_delta", "message_stop",
  "response.created", "response.in_progress", "response.completed"]);
// Whether an event with data and this name is a unit. One without a name is a "message" (HTML, 9.2.6).
const isUnit = (units) => (name) => units.length ? units.includes(name || "message") : !NO_UNITS.has(name);

// Cuts bytes after each event (HTML, 9.2.5): whole lines up to an empty one. Nothing is changed or lost. Without bytes: the
// rest, at the end of a stream.
export const events = (counts = isUnit([])) => {
  let pieces = [], size = 0, head = "", length = 0, name = "", data = false, done = false, counted = false, afterCr = false;
  const cut = (kind) => {
    // A long event, which was counted before its end, counts once.
    const event = { kind: kind === "data" && counted ? "other" : kind, pieces };
    counted ||= kind === "data";
    pieces = [];
    size = 0;
    return event;
  };
  const line = () => {
    if (DONE.test(head)) done = true;
    else if (DATA.test(head)) data = true;
    // The last name of several counts; one that is longer is none that anybody knows.
    else if (NAME.test(head)) name = length > HEAD_BYTES_MAX ? "?" : NAME.exec(head)[3] ?? "";
    head = "";
    length = 0;
  };
  const kind = () => data && counts(name) ? "data" : done ? "done" : "other";
  return (chunk) => {
    if (!chunk) {
      if (length > 0) line();
      return size > 0 ? [cut(kind())] : [];
    }
    const found = [];
    let from = 0;
    const take = (to) => {
      if (to > from) { pieces.push(chunk.subarray(from, to)); size += to - from; }
      from = to;
    };
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (byte === LF && afterCr) { afterCr = false; continue; }
      afterCr = byte === CR;
      if (byte !== LF && byte !== CR) {
        if (length++ < HEAD_BYTES_MAX) head += String.fromCharCode(byte);
      } else if (length > 0) {
        line();
      } else {
        take(i + 1);
        found.push(cut(kind()));
        data = done = counted = false;
        name = "";
      }
    }
    take(chunk.length);
    // Whatever its first line says, so much is no comment.
    if (size >= EVENT_BYTES_MAX) found.push(cut(counts(name) ? "data" : "other"));
    return found;
  };
};

const said = (name, data) => new TextEncoder().encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);

// `ticket` reserves one unit. `meter(ticket, used, want)` ends it with what was used, and reserves more. `byEvent`: "1" where
// the client has asked to be told of its session, and the names of the units.
export const byTheUnit = (up, rule, ticket, meter, byEvent, concluded) => {
  const [tells, ...units_of] = byEvent.trim().split(" ");
  const [, session, , unit_msat] = ticket.split(" ");
  const { readable, writable } = new TransformStream();
  const reader = up.body.getReader(), writer = writable.getWriter();
  let left = 1, used = 0, units = 0, spent = 0, told = false, gone = false;
  for (const end of [reader.closed, writer.ready]) end.catch(() => {});
  const leaving = new Promise((_, reject) => { writer.closed.catch((why) => { gone = true; reject(why); }); });
  leaving.catch(() => {});
  const write = (bytes) => within(rule.idle_ms, writer.write(bytes));
  // Who did not ask would take our events for the origin's, and read them as such.
  const say = async (name, data) => { if (tells === "1") await write(said(name, data)); };
  const settle = async (want) => {
    const next = await meter(ticket, used, want);
    units += used;
    ({ ticket, spent } = next);
    [left, used] = [next.units, 0];
  };
  const standing = () => ({ sessionId: session, balanceSpent: spent, balanceRequired: unit_msat / 1000 });

  // A unit for the next event; false when none came in time, or the client has left.
  const reserve = async () => {
    if (used < left) return true;
    await settle(AHEAD);
    if (left > 0) return true;
    await say("payment-need-topup", standing());
    for (const until = Date.now() + TOP_UP_MS; Date.now() < until && !gone;) {
      await pause(LOOK_MS);
      await settle(AHEAD);
      if (left > 0) return true;
    }
    if (!gone) await say("session-timeout", standing());
    return false;
  };
  const tell = async () => {
    if (told) return;
    told = true;
    await settle(0);
    const receipt = { method: "lightning", reference: session, spent: units * (unit_msat / 1000), status: "success",
      timestamp: new Date(Math.floor(Date.now() / 1000) * 1000).toISOString().replace(".000", ""), units };
    await say("payment-receipt", receipt);
  };

  const pump = async () => {
    const cut = events(isUnit(units_of)), end = Date.now() + rule.total_ms;
    for (let over = false; !over;) {
      const next = Promise.race([reader.read(), leaving]);
      const piece = await within(Math.min(rule.idle_ms, end - Date.now()), next);
      over = piece.done;
      for (const event of cut(piece.value)) {
        if (event.kind === "data" && !(await reserve())) return;
        if (event.kind === "done") await tell();
        for (const [i, bytes] of event.pieces.entries()) {
          await write(bytes);
          // With its first byte: who leaves in the middle of an event has had of it what they wanted.
          if (i === 0 && event.kind === "data") used++;
        }
      }
    }
    await tell();
  };
  const finish = async (how) => {
    reader.cancel().catch(() => {});
    try { if (left > 0 || used > 0) await settle(0); } catch { /* it ends by itself */ }
    how().catch(() => {});
    concluded();
  };
  pump().then(() => finish(() => writer.close()), (error) => finish(() => writer.abort(error)));
  return readable;
};
