// The door between the platform and the Rust in index.js. It knows no rule: it hands strings in, gets a
// verdict out, and applies the verdict's lists to the platform's own Request and Response, so that a paid
// request crosses the wasm border once and no body is ever copied.
import * as rust from "./index.js";
import files from "./files.js";
import { bodyOf } from "./deliver.mjs";
import { forward, rules } from "./forward.mjs";
import { configure, renew, run, state } from "./instance.mjs";
import { field, respond, unpack } from "./verdict.mjs";

export { Account, Allowance, MintBudget, Payment, Totals } from "./objects.mjs";

// What Rust reads of a request: method, URL, "name:value" lines, whether a body comes with it. The first line has no name,
// so that no client can say it: it is the runtime's word about the connection.
const asked = (request) => {
  let fields = ":" + connection(request) + "\n";
  request.headers.forEach((value, name) => { fields += name + ":" + value + "\n"; });
  return [request.method, request.url, fields, bodyOf(request) !== null];
};

// Over which connection a request came: "=" and the peer that plain workerd names (a Unix socket's has no address), "cf"
// where a platform in front describes the request, nothing where nobody does.
const connection = ({ cf }) => !cf ? "" : "clientIp" in cf ? "=" + cf.clientIp : "clientPid" in cf || "clientUid" in cf ? "=" : "cf";

const decide = (request, read, env) => {
  renew();
  const ask = () => rust.decide(request, ...read, Date.now() / 1000);
  // Empty: this instance is new and has not read its configuration.
  return ask() || (configure(env), rules.clear(), ask());
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
  return env.ACCOUNTS.getByName(`index:${hash[0]}`).fetch(`https://watch/${hash}/${until}`, { headers: { upgrade: "websocket" } });
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
