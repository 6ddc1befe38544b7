// How an answer reaches the client, and what is concluded from that.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { LATE, alarm, bodyOf, costs, delivered, gathered, isCoded, isEvents, within } from "../../src/js/deliver.mjs";

const bytes = (text) => new TextEncoder().encode(text);
const headers = (object) => ({ headers: new Headers(object) });
const request = (method = "GET", body = null) => ({ method, headers: new Headers(), body });
const RULE = { idle_ms: 60, total_ms: 500, small_bytes: 8 };

// A body that gives these pieces, and then ends, fails, or says nothing.
const body = (pieces, end = "closes") => new ReadableStream({
  pull(out) {
    if (pieces.length) out.enqueue(bytes(pieces.shift()));
    else if (end === "closes") out.close();
    else if (end === "fails") out.error(new Error("reset"));
    else return new Promise(() => {});
  },
}, { highWaterMark: 0 });

// What is concluded of a delivery, once, and what the client had of it.
const conclusion = async (up, { asked = request(), leaves } = {}) => {
  let conclude;
  const concluded = new Promise((resolve) => { conclude = resolve; });
  const out = delivered(up, RULE, asked, conclude);
  let had = "";
  const reader = out?.getReader();
  try {
    for (let piece; reader && !(piece = await reader.read()).done;) {
      had += new TextDecoder().decode(piece.value);
      if (leaves) { await reader.cancel("gone"); break; }
    }
  } catch { had += "!"; }
  return [await concluded, had];
};

test("a whole answer counts, an empty one too, and the origin's own fault does not (F6)", async () => {
  assert.deepEqual(await conclusion({ status: 200, body: body(["a", "b"]) }), [true, "ab"]);
  assert.deepEqual(await conclusion({ status: 204, body: null }), [true, ""]);
  assert.deepEqual(await conclusion({ status: 404, body: body(["no"]) }), [true, "no"]);
  assert.deepEqual(await conclusion({ status: 500, body: body(["oops"]) }), [false, "oops"]);
});

test("an origin that breaks off has delivered nothing, however much came", async () => {
  assert.deepEqual(await conclusion({ status: 200, body: body([], "fails") }), [false, "!"]);
  assert.deepEqual(await conclusion({ status: 200, body: body(["half"], "fails") }), [false, "half!"]);
});

test("our own limit ends what was under way: some of it counts, none of it does not (T45)", async () => {
  assert.deepEqual(await conclusion({ status: 200, body: body(["half"], "stalls") }), [true, "half!"]);
  assert.deepEqual(await conclusion({ status: 200, body: body([], "stalls") }), [false, "!"]);
});

test("who breaks off an upload of their own has had what came", async () => {
  const asked = request("POST", "a stream");
  assert.deepEqual(await conclusion({ status: 200, body: body(["half"], "fails") }, { asked }), [true, "half!"]);
  assert.deepEqual(await conclusion({ status: 200, body: body([], "fails") }, { asked }), [false, "!"]);
});

test("who leaves has had what was sent", async () => {
  assert.deepEqual(await conclusion({ status: 200, body: body(["a", "b", "c"], "stalls") }, { leaves: true }), [true, "a"]);
});

test("an alarm rings once its time is over, and not before the last time that it was given", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  let rang = 0;
  const patience = alarm(100, () => { rang++; });
  t.mock.timers.tick(90);
  patience.by(100); // until 190
  t.mock.timers.tick(99);
  assert.equal(rang, 0);
  t.mock.timers.tick(1);
  assert.equal(rang, 1);
  const hurried = alarm(100, () => { rang++; });
  hurried.by(10); // sooner than the timer that is set
  t.mock.timers.tick(10);
  assert.equal(rang, 2);
  const quiet = alarm(100, () => { rang++; });
  quiet.by(200);
  quiet.off();
  t.mock.timers.tick(1_000);
  assert.equal(rang, 2);
  mock.reset();
});

test("a promise is itself within its time, and LATE behind it", async () => {
  assert.equal(await within(50, Promise.resolve(7)), 7);
  await assert.rejects(within(50, Promise.reject(new Error("own"))), /own/);
  await assert.rejects(within(5, new Promise(() => {})), LATE);
});

test("an answer is kept whole when it is short; a longer one goes on with nothing lost", async () => {
  const up = (pieces, head) => ({ status: 200, body: body(pieces), ...headers(head) });
  const short = await gathered(up(["1234", "5678"]), RULE);
  assert.equal(new TextDecoder().decode(short.bytes), "12345678");
  const long = await gathered(up(["1234", "56789", "0"]), RULE);
  assert.equal(long.bytes, undefined);
  assert.equal(await new Response(long.rest.body).text(), "1234567890");
  const announced = up(["x"], { "content-length": "9" });
  assert.equal((await gathered(announced, RULE)).rest, announced, "it is not even begun");
  const stream = up(["x"], { "content-type": "text/event-stream" });
  assert.equal((await gathered(stream, RULE)).rest, stream);
  assert.equal((await gathered({ status: 204, body: null, ...headers() }, RULE)).bytes.length, 0);
});

test("a cost is a whole comment line with a number, wherever the pieces are cut; the most counts", () => {
  const said = (text) => {
    const answers = new Set();
    for (let cut = 0; cut <= text.length; cut++) {
      const cost = costs();
      cost(bytes(text.slice(0, cut)));
      answers.add(cost(bytes(text.slice(cut))));
    }
    assert.equal(answers.size, 1, text);
    return [...answers][0];
  };
  assert.equal(said(": satstile-cost-msat=12\n"), 12);
  assert.equal(said(": satstile-cost-msat=12\r\n: satstile-cost-msat=7\r"), 12);
  assert.equal(said(": satstile-cost-msat=0\n"), 0);
  for (const none of [": satstile-cost-msat=12", "data: satstile-cost-msat=12\n", ": satstile-cost-msat=\n", ": satstile-cost-msat=-1\n",
    ": satstile-cost-msat=1 2\n", ": satstile-cost-msat=12x\n", " : satstile-cost-msat=12\n"]) assert.equal(said(none), -1, none);
});

test("codings, streams of events and empty bodies are known by their fields", () => {
  assert.ok(isCoded(headers({ "content-encoding": "identity, GZIP" })));
  assert.ok(!isCoded(headers({ "content-encoding": " Identity , none" })) && !isCoded(headers({})));
  for (const type of ["text/event-stream", "Text/Event-Stream; charset=utf-8", "text/event-stream ;a"]) assert.ok(isEvents(headers({ "content-type": type })), type);
  for (const type of ["text/event-streams", "text/html; a=text/event-stream"]) assert.ok(!isEvents(headers({ "content-type": type })), type);
  assert.equal(bodyOf({ headers: new Headers({ "content-length": "0" }), body: "a stream" }), null);
  assert.equal(bodyOf({ headers: new Headers({ "content-length": "1" }), body: "a stream" }), "a stream");
});
