// How the body of an answer reaches the client, and how that ended: within the operator's limits of time, read whole to be
// kept, watched while it passes, or handed on piece by piece until its claim can be concluded.

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export const LATE = new Error("the origin took too long");

// A promise, or LATE.
export const within = (ms, promise) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(LATE), ms);
  const settle = (how) => (value) => { clearTimeout(timer); how(value); };
  promise.then(settle(resolve), settle(reject));
});

// Rings once nobody has asked for more time in so many milliseconds. One timer for all the waits of a delivery: to set one
// anew for each costs more than to look at the clock when it rings.
export const alarm = (ms, ring) => {
  let until, set, timer;
  const arm = () => { set = until; timer = setTimeout(look, until - Date.now()); };
  const look = () => { if (Date.now() < until) arm(); else ring(); };
  const by = (ms) => {
    until = Date.now() + ms;
    if (set <= until) return;
    clearTimeout(timer);
    arm();
  };
  by(ms);
  return { by, off: () => clearTimeout(timer) };
};

// What some origins write into `Content-Encoding` where nothing is encoded (RFC 9110, 8.4.1 registers none of them but
// identity).
const NO_CODINGS = new Set(["", "identity", "none", "null", "utf-8", "utf8", "us-ascii", "iso-8859-1", "7bit", "8bit", "binary"]);

// Whether a body is compressed, or encoded otherwise. What lists no coding is none.
export const isCoded = ({ headers }) =>
  (headers.get("content-encoding") ?? "").split(",").some((name) => !NO_CODINGS.has(name.trim().toLowerCase()));

// Some clients announce an empty body with every request.
export const bodyOf = (request) => request.headers.get("content-length") === "0" ? null : request.body;

export const isEvents = (response) => /^text\/event-stream *(;|$)/i.test(response.headers.get("content-type"));

// A response to be kept is read until it ends, or is too long to keep: then what was read goes before the rest.
export const gathered = async (up, rule) => {
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
// The most that was said in the bytes so far; -1 when nothing was. What they are worth is in `delivery/spend.rs`.
const SAYS_COST = new TextEncoder().encode(": satstile-cost-msat=");
export const costs = () => {
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

// A long body may pause for idle_ms and last for total_ms, no longer: then it breaks off, and with it the
// origin's side.
export const watched = (body, rule, stop) => {
  const idle = alarm(rule.idle_ms, stop);
  const total = setTimeout(stop, rule.total_ms);
  return body.pipeThrough(new TransformStream({
    transform(chunk, out) { idle.by(rule.idle_ms); out.enqueue(chunk); },
    flush() { idle.off(); clearTimeout(total); },
  }));
};

// A claimed delivery counts once it has reached the client: whole, or as far as the client wanted it. An
// origin that fails, before or in the middle, has delivered nothing, and the same payment may try again.
// `meter`: of what the client has had, the costs are read on the way.
export const delivered = (up, rule, request, conclude, meter) => {
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
