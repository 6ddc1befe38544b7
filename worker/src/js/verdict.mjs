// The words between Rust and here: the lines that `delivery/verdict.rs` writes are read, and an answer that is kept is packed and
// unpacked.

// Of an empty text, none.
export const words = (text, blank) => text ? text.split(blank) : [];

export const field = (line) => {
  const colon = line.indexOf(":", 1);
  return [line.slice(1, colon), line.slice(colon + 1)];
};

// "R402", "=name:value" lines, an empty line, the body.
export const respond = (verdict) => {
  const end = verdict.indexOf("\n\n");
  const [status, ...lines] = verdict.slice(0, end).split("\n");
  const body = verdict.slice(end + 2);
  return new Response(body || null, { status: +status.slice(1), headers: lines.map(field) });
};

// An answer that is kept, and one that was: the status, "=name:value" lines, an empty line, the body. What the runtime
// says of a body's length it says anew.
export const pack = (response, bytes) => {
  let head = response.status + "";
  response.headers.forEach((value, name) => { if (name !== "content-length" && name !== "transfer-encoding") head += "\n=" + name + ":" + value; });
  return new Blob([head, "\n\n", bytes]).arrayBuffer().then((whole) => new Uint8Array(whole));
};
export const unpack = (kept) => {
  const bytes = Uint8Array.from(atob(kept), (letter) => letter.charCodeAt(0));
  const end = bytes.findIndex((byte, at) => byte === 10 && bytes[at + 1] === 10);
  const [status, ...lines] = new TextDecoder().decode(bytes.subarray(0, end)).split("\n");
  const body = bytes.subarray(end + 2);
  const headers = [...lines.map(field), ["idempotent-replayed", "true"]];
  return new Response(body.length ? body : null, { status: +status, headers, encodeBody: "manual" });
};
