// Requests of Rust's own, to the node's side (`platform/exchange.rs`): one crossing out, one back.
import { env as bound } from "cloudflare:workers";
import { isCoded } from "./deliver.mjs";
import { field, words } from "./verdict.mjs";

// A body over this many bytes is not for us: a node says little.
const REPLY_BYTES_MAX = 65536;

// Rust's own requests, to the node's side: "=name:value" lines and a body out; the status, the values of the reply's
// fields that were asked for, and the body back, a line each. Rejects with one word where there is no reply. What somebody
// else's address leads to goes out by a door that has no way to this machine, where there is one.
export const exchange = async (url, fields, body, names, ms, lnurl) => {
  const headers = words(fields, "\n").map(field);
  const init = { method: "POST", headers, body, redirect: "manual", signal: AbortSignal.timeout(ms) };
  // What is asked for again is asked of the node itself, and of no cache on the way.
  if (body === undefined) Object.assign(init, { method: "GET", cache: "no-store" });
  let up;
  try { up = await (lnurl && bound.LNURL_EGRESS ? bound.LNURL_EGRESS.fetch(url, init) : fetch(url, init)); } catch (error) { throw error?.name === "TimeoutError" ? "late" : "unreachable"; }
  try {
    const size = up.headers.get("content-length");
    const text = size !== null && +size <= REPLY_BYTES_MAX && !isCoded(up)
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
