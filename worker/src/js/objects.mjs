// The classes of the Durable Objects, as the platform wants them; what they do is Rust (`objects/`). And what an account's
// object does by itself: it tells who waits for a payment, and its alarm carries out what is left to be done.
import { DurableObject } from "cloudflare:workers";
import * as rust from "./index.js";
import { configure, run, state } from "./instance.mjs";
import { words } from "./verdict.mjs";

// What an object asks itself needs no number (`objects/words.rs`), and no name that the worker could call.
const act = Symbol("act");

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
  call(operation, message) { return run(async () => this.#get().call(operation, message)); }
  [act](operation, question) { return run(async () => this.#get().act(operation, question)); }
  alarm() { return this.ctx.storage.deleteAll(); }
};

export const Payment = durable("Payment");

// Who waits for a payment may hold a socket to the index of its hash, and is told the one word "settled": a hint, and no
// proof. The sockets sleep with the object and leave no rows.
const SOCKETS_MAX = 8;
const tell = (socket) => { try { socket.send("settled"); socket.close(1000); } catch { /* it has left */ } };
const isOpen = (socket) => socket.readyState === WebSocket.OPEN;

// An account's books. What is left to be done in them is not forgotten: the platform gives an alarm that throws up after
// some tries, and this one is set again.
export class Account extends durable("Account") {
  #open(hash) { return this.ctx.getWebSockets(hash).filter(isOpen); }
  async call(operation, message) {
    const answer = await super.call(operation, message);
    // Behind the number stands the hash.
    if (operation === "note-settled") this.#open(words(message, "\n")[1]).forEach(tell);
    return answer;
  }
  async fetch(request) {
    const [hash, until] = request.url.slice("https://watch/".length).split("/");
    for (const socket of this.#open(hash)) if (socket.deserializeAttachment() <= Date.now() / 1000) socket.close(1000);
    if (this.#open(hash).length >= SOCKETS_MAX) return new Response(null, { status: 429, headers: { "cache-control": "no-store", "retry-after": "5" } });
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.ctx.acceptWebSocket(server, [hash]);
    server.serializeAttachment(+until);
    if (await this[act]("watched", hash)) tell(server);
    return new Response(null, { status: 101, webSocket: client, headers: { "sec-websocket-protocol": "satstile.v1" } });
  }
  // Nothing is said here; "ping" is answered without waking anybody.
  webSocketMessage(socket) { socket.close(1008); }
  webSocketClose(socket) { socket.close(1000); }
  async alarm() {
    try {
      if (!rust.is_configured()) configure(this.env);
      // One line for each payout that the node has not answered definitely, for each transfer that the other book has not,
      // for each session that nobody uses and for each top-up that nobody paid. One that fails holds up no other, and its
      // row asks again (T85).
      for (let order of words(await this[act]("alarm", ""), "\n")) {
        try {
          // What an answer leaves to be done is another line: an order that was lost is sent again.
          for (let turn = 0; order && turn < 3; turn++) {
            const said = await run(() => rust.follow(order, this.env));
            if (!said) break;
            const end = said.indexOf("\n"), operation = said.slice(0, end), question = said.slice(end + 1);
            order = rust.left_over(operation, question, await this[act](operation, question));
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
