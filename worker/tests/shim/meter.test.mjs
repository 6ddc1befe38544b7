// A stream of events that a session pays by the unit: what is a unit, where the stream is cut, and what is charged in the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { byTheUnit, events } from "../../src/js/meter.mjs";

const bytes = (text) => new TextEncoder().encode(text);
const text = (pieces) => pieces.map((piece) => new TextDecoder().decode(piece)).join("");

// The kinds of the events, and their bytes joined again, for every place at which the stream may be cut in two.
const kinds = (stream) => {
  const all = new Set();
  for (let at = 0; at <= stream.length; at++) {
    const cut = events();
    const found = [...cut(bytes(stream.slice(0, at))), ...cut(bytes(stream.slice(at))), ...cut()];
    assert.equal(text(found.flatMap((event) => event.pieces)), stream, "nothing is changed or lost");
    all.add(found.map((event) => event.kind).join(" "));
  }
  assert.equal(all.size, 1, `${JSON.stringify(stream)}: ${[...all]}`);
  return [...all][0];
};

test("an event with data is a unit; comments, and events that only say how it goes, are none (B10)", () => {
  assert.equal(kinds("data: a\n\n"), "data");
  assert.equal(kinds("data: a\ndata: b\n\ndata: c\n\n"), "data data");
  assert.equal(kinds(": hello\n\n"), "other");
  assert.equal(kinds("event: ping\ndata: {}\n\n"), "other");
  assert.equal(kinds("event: pings\ndata: {}\n\n"), "data");
  assert.equal(kinds("event: ping\n\n"), "other");
  assert.equal(kinds("data: [DONE]\n\n"), "done");
  assert.equal(kinds("data: [DONE] \n\n"), "data");
  assert.equal(kinds("data: a"), "data");
  // Any end of a line, the one of two bytes cut in the middle, too (HTML, 9.2.5).
  assert.equal(kinds("data: a\r\n\r\ndata: b\r\rdata: c\n\n"), "data data data");
});

test("a policy may say which events are units, by name; one without a name is a message", () => {
  const of = (units, stream) => events((name) => units.includes(name || "message"))(bytes(stream)).map((event) => event.kind);
  assert.deepEqual(of(["token"], "event: token\ndata: a\n\nevent: ping\ndata: b\n\ndata: c\n\n"), ["data", "other", "other"]);
  assert.deepEqual(of(["message"], "data: c\n\n"), ["data"]);
});

test("an event of more than a quarter of a mebibyte goes on in pieces and counts once", () => {
  const cut = events();
  const first = cut(bytes("data: " + "x".repeat(262144)));
  const rest = cut(bytes("y\n\n"));
  assert.deepEqual([...first, ...rest].map((event) => event.kind), ["data", "other"]);
});

// A stream through the meter of a book that holds so many units; what the client had, and what the book was told.
const metered = async (stream, units, { tells = "" } = {}) => {
  const asked = [];
  let spent = 1;
  const meter = async (ticket, used, want) => {
    asked.push([used, want]);
    const given = Math.min(want, units - spent);
    if (want > 0) spent += given;
    return { ticket: "session s t 10", units: given, spent };
  };
  let ended;
  const concluded = new Promise((resolve) => { ended = resolve; });
  const up = { body: new Response(stream).body };
  const out = byTheUnit(up, { idle_ms: 1_000, total_ms: 10_000 }, "session s t 10", meter, `${tells} `, ended);
  const had = await new Response(out).text();
  await concluded;
  return { had, asked };
};

test("each event is reserved before it is handed on, and what was used is told in the end", async () => {
  const { had, asked } = await metered("data: a\n\ndata: b\n\n", 100);
  assert.equal(had, "data: a\n\ndata: b\n\n");
  assert.deepEqual(asked[0], [1, 16], "the unit of the ticket is used up by the first event");
  const used = asked.reduce((sum, [used]) => sum + used, 0);
  assert.equal(used, 2);
  assert.equal(asked.at(-1)[1], 0, "in the end nothing more is wanted");
});

test("the session's own events go to who asked for them, and to nobody else (B10)", async () => {
  assert.match((await metered("data: a\n\n", 100, { tells: "1" })).had, /^data: a\n\nevent: payment-receipt\ndata: .*"reference":"s".*"units":1/s);
  assert.equal((await metered("data: a\n\n", 100)).had, "data: a\n\n");
});
