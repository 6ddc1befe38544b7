// The words between Rust and the shim.
import assert from "node:assert/strict";
import { test } from "node:test";
import { field, pack, respond, unpack, words } from "../../src/js/verdict.mjs";

test("a field is a name and all that follows its first colon", () => {
  assert.deepEqual(field("=location:http://a.test:80/"), ["location", "http://a.test:80/"]);
  assert.deepEqual(field("+x:"), ["x", ""]);
});

test("an empty text has no words", () => {
  assert.deepEqual(words("", "\n"), []);
  assert.deepEqual(words("a\nb", "\n"), ["a", "b"]);
});

test("an answer has its status, each of its fields and its body, blank lines too", async () => {
  const answer = respond("R402\n=set-cookie:a=1\n=set-cookie:b=2\n=vary:Accept\n\nfirst\n\nlast");
  assert.equal(answer.status, 402);
  assert.deepEqual([answer.headers.getSetCookie(), answer.headers.get("vary")], [["a=1", "b=2"], "Accept"]);
  assert.equal(await answer.text(), "first\n\nlast");
  assert.equal(await respond("R204\n=a:b\n\n").text(), "");
});

test("what is kept comes back byte for byte, says that it was kept, and says nothing of its length", async () => {
  const body = Uint8Array.from({ length: 256 }, (_, n) => n);
  const kept = await pack(new Response(body, { status: 201, headers: { "content-length": "256", "content-type": "a/b", "set-cookie": "a=1" } }), body);
  const again = unpack(Buffer.from(kept).toString("base64"));
  assert.equal(again.status, 201);
  assert.deepEqual(new Uint8Array(await again.arrayBuffer()), body);
  assert.deepEqual(["content-length", "content-type", "set-cookie", "idempotent-replayed"].map((name) => again.headers.get(name)), [null, "a/b", "a=1", "true"]);
});

test("an empty body that was kept is none", async () => {
  const kept = await pack(new Response(null, { status: 204 }), new Uint8Array(0));
  const again = unpack(Buffer.from(kept).toString("base64"));
  assert.deepEqual([again.status, again.body], [204, null]);
});
