// What the head of an answer loses and gains on its way to the client: for each rule what it does, and the nearest answer that
// it leaves alone. The lists themselves are Rust's, and tested there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, read, tells } from "../../src/js/fields.mjs";

const rules = (change = {}) => read(JSON.stringify({
  drop: ["server", "connection", "www-authenticate"], drop_unless: [["service-worker-allowed", "/[a-z]+"]],
  set: [["cache-control", "private, no-store"]], append: [["vary", "Authorization, Cookie"]],
  open: [["access-control-allow-origin", "*"]], open_drops: ["access-control-allow-credentials"],
  cookies: "__host-satstile-", origin: "http://origin.test", secrets: ["s3cr/et"], cache: null, ...change,
}));

const through = (headers, { status = 200, rule = rules(), added = [], wantsMoney = false } = {}) =>
  answer(new Response(status === 204 ? null : "body", { status, headers }), "body", rule, added, wantsMoney).headers;

test("what is listed goes, and what the connection names; a name that only looks alike stays", () => {
  const back = through({ server: "x", "x-server": "y", connection: "X-Hop, close", "x-hop": "1", "x-hope": "2" });
  assert.deepEqual([back.get("server"), back.get("connection"), back.get("x-hop")], [null, null, null]);
  assert.deepEqual([back.get("x-server"), back.get("x-hope")], ["y", "2"]);
});

test("a pattern is for the whole value (T37)", () => {
  const of = (value) => through({ "service-worker-allowed": value }).get("service-worker-allowed");
  assert.equal(of("/folder"), "/folder");
  for (const wide of ["/", "/folder/", "x/folder", "/folder\t, /"]) assert.equal(of(wide), null, wide);
});

test("a coding that is none is taken out; a real one passes (B5)", () => {
  const of = (value) => through({ "content-encoding": value }).get("content-encoding");
  for (const none of ["identity", "utf-8", "none, Identity"]) assert.equal(of(none), null, none);
  for (const real of ["gzip", "identity, br", "x-unknown"]) assert.equal(of(real), real);
});

test("a cookie of ours never comes from an origin, however it is written; all others do (C2)", () => {
  const headers = new Headers();
  const own = ["sid=1; Path=/", "a=__Host-satstile-pass", "__Host-other=1"];
  const forged = ["__Host-satstile-pass=1", " =__host-SATSTILE-wait=1"];
  for (const cookie of [own[0], forged[0], own[1], forged[1], own[2]]) headers.append("set-cookie", cookie);
  assert.deepEqual(through(headers).getSetCookie(), own);
  assert.deepEqual(through({ "set-cookie": own[0] }).getSetCookie(), [own[0]]);
  assert.deepEqual(through({}).getSetCookie(), []);
});

test("every page may read it, unless the origin names one; then its word about credentials stands, too (T46)", () => {
  const open = through({ "access-control-allow-credentials": "true" });
  assert.deepEqual([open.get("access-control-allow-origin"), open.get("access-control-allow-credentials")], ["*", null]);
  const own = through({ "access-control-allow-origin": "https://a.test", "access-control-allow-credentials": "true" });
  assert.deepEqual([own.get("access-control-allow-origin"), own.get("access-control-allow-credentials")], ["https://a.test", "true"]);
  // Two names are one that no browser takes.
  assert.equal(through({ "access-control-allow-origin": "https://a.test, https://b.test" }).get("access-control-allow-origin"), "*");
});

test("what is set replaces, what is appended follows, what is added is for a success", () => {
  const headers = { "cache-control": "public", vary: "Accept" }, added = [["payment-receipt", "r"]];
  const good = through(headers, { added });
  assert.deepEqual(["cache-control", "vary", "payment-receipt"].map((name) => good.get(name)), ["private, no-store", "Accept, Authorization, Cookie", "r"]);
  assert.equal(through(headers, { status: 404, added }).get("payment-receipt"), null);
});

test("a redirect to the origin leads here; to anywhere else it stays, and so does a path", () => {
  const of = (location, status = 302) => through({ location }, { status }).get("location");
  assert.equal(of("http://origin.test/a?b#c"), "/a?b#c");
  assert.equal(of("//origin.test/a"), "/a");
  for (const other of ["http://origin.test:81/a", "https://origin.test/a", "http://origin.test//evil.test/a", "/a", "a", "http://["]) assert.equal(of(other), other);
  assert.equal(of("http://origin.test/a", 201), "http://origin.test/a", "no redirect");
});

test("a challenge that asks for money goes; of a free route a login stays", () => {
  const rule = rules({ drop: [] });
  assert.equal(through({ "www-authenticate": "Basic" }, { status: 401, rule }).get("www-authenticate"), "Basic");
  assert.equal(through({ "www-authenticate": "L402 x" }, { status: 401, rule, wantsMoney: true }).get("www-authenticate"), null);
});

test("a secret is seen wherever it stands in a head, as it is and as an address writes it (D4)", () => {
  const { hidden } = rules();
  const up = (headers, init) => new Response("s3cr/et", { headers, ...init });
  for (const headers of [{ "x-echo": "a s3cr/et b" }, { location: "/?k=s3cr%2Fet" }, { "set-cookie": "k=s3cr/et" }]) assert.ok(tells(up(headers), hidden), JSON.stringify(headers));
  assert.ok(tells(up({}, { statusText: "s3cr/et" }), hidden));
  assert.ok(!tells(up({ "x-echo": "s3cr-et" }), hidden), "a body is not looked into, and another text is no secret");
});
