// The wasm instance of the Rust in index.js: how it is configured and called, and how it is renewed after a trap.
import * as rust from "./index.js";
import policyFile from "./policy.txt";
import { build } from "./files.js";
import { exchange } from "./exchange.mjs";

// A trap in Rust (a panic, a full stack, no more memory) poisons the wasm instance, and nothing would ever settle the
// promises of the poisoned one. `criticalError` is set: every event in flight is rejected, the next one gets a new instance.
export const state = rust.__worker_init_state();
const inFlight = new Set();
let poisoned = false;
Object.defineProperty(state, "criticalError", {
  get: () => poisoned,
  set(value) {
    poisoned = value;
    if (!value) return;
    for (const reject of inFlight) reject(new Error("the Rust worker panicked"));
    inFlight.clear();
  },
});

export const renew = () => {
  if (poisoned) {
    rust.__wbg_reset_state();
    state.criticalError = false;
    state.instanceId++;
  }
};

export const run = (f) => {
  renew();
  return new Promise((resolve, reject) => {
    inFlight.add(reject);
    // The runtime drops events of clients that hang up; theirs never settle and must not pile up.
    if (inFlight.size > 4096) inFlight.delete(inFlight.values().next().value);
    const settle = (how) => (value) => { inFlight.delete(reject); how(value); };
    try {
      f().then(settle(resolve), settle(reject));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) state.criticalError = true;
      settle(reject)(error);
    }
  });
};

// What Rust asks of JavaScript; the second, as the last thing that a poisoned instance does.
const shim = { exchange, abandon() { state.criticalError = true; } };

// Has Rust read its configuration.
export const configure = (env) => rust.configure(env, policyFile, build, shim);
