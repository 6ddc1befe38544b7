// Starts the worker from wrangler.toml by wrangler's own test harness and asks what needs no node webhook.
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:net";

const { createTestHarness } = createRequire(process.cwd() + "/package.json")("wrangler");
const b64 = () => randomBytes(32).toString("base64");
const ed25519 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), randomBytes(32)]);
const secrets = {
  MASTER_KEYS: `1:${b64()}`,
  RELAY_SECRETS: `whsec_${b64()}`,
  CHALLENGE_SECRET: b64(),
  RECEIPT_KEY: ed25519.toString("base64"),
  AUDIT_KEY: b64(),
};

// The node webhook's address is one where nobody answers: at its own port there may be a `cargo xtask dev`.
const nobody = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
await once(nobody, "listening");
const vars = { NODE_URL: `http://127.0.0.1:${nobody.address().port}` };

const harness = createTestHarness({ workers: [{ configPath: "wrangler.toml", secrets, vars }] });
let failed = false;
const check = async (method, path, expected) => {
  const response = await fetch(new URL(path, url), { method, redirect: "manual" });
  await response.arrayBuffer();
  const ok = expected.includes(response.status);
  failed ||= !ok;
  console.log(`${ok ? "ok  " : "FAIL"} ${method} ${path} → ${response.status}${ok ? "" : `, expected ${expected.join(" or ")}`}`);
};
const { url } = await harness.listen();
try {
  await check("HEAD", "/articles/1", [402]); // decided by the wasm
  await check("GET", "/articles/1", [502, 503]); // asked its Durable Object, and found no node
  await check("GET", "/nowhere", [404]);
} finally {
  if (failed) for (const line of harness.getLogs()) console.log(`${line.level}: ${line.message}`);
  await harness.close();
}
process.exit(failed ? 1 : 0);
