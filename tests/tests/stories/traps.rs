//! A trap in the Rust of the worker: who is answered what, and that the next request meets a worker that is whole.

use std::time::Duration;

use satstile_tests::{Stack, StackOptions};
use serde_json::json;

use crate::common::bank::{TOPUP, post};
use crate::common::{buy, get_with, invoices, plenty, seen, timed};

/// The module that holds the widget's files runs in the isolate. This one traps where Rust writes down a top-up of 7 sats,
/// in a future that nobody waits for but the promise of its request, and lets the node be slow about one of 5.
const TRAPS: &str = r#"
export const build = "";
export default {};
const { log } = console;
let armed = true;
console.log = (line) => {
  if (armed && line.includes('"event":"topup"') && line.includes('"amount_msat":7000')) {
    armed = false;
    throw new WebAssembly.RuntimeError("unreachable");
  }
  log(line);
};
const { fetch } = globalThis;
globalThis.fetch = async (url, init) => {
  if (String(init?.body).includes("5000")) await new Promise((resolve) => setTimeout(resolve, 8000));
  return fetch(url, init);
};
"#;

/// Nothing is left hanging, nothing is forwarded, and nobody who paid notices later (T51).
#[test]
fn a_trap_answers_everybody_in_flight_at_once_and_the_next_request_finds_a_new_instance() {
    let policy = json!({"prepaid": {"topup_min_msat": 1_000, "topup_max_msat": 1_000_000}});
    let stack = Stack::start(StackOptions { files: Some(TRAPS.to_owned()), ..plenty(policy) });
    let ticket = buy(&stack, "/articles/1");
    stack.origin.clear();
    let top_up = |sats: u64| timed(|| post(&stack, TOPUP, None, &json!({ "amount_sats": sats })));

    let (beside, trapped) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| top_up(5));
        // Under way for certain: its invoice comes in 8 seconds.
        std::thread::sleep(Duration::from_millis(500));
        let trapped = top_up(7);
        (beside.join().unwrap(), trapped)
    });
    for (who, (answer, took)) in [("the one that traps", &trapped), ("the one beside it", &beside)] {
        assert_eq!(answer.status, 503, "{who}: {}", answer.text());
        assert_eq!(answer.all("retry-after"), ["1"], "{who}");
        assert_eq!(answer.json()["detail"], "Nothing was charged. Try again later.", "{who}");
        assert!(*took < Duration::from_secs(5), "{who} took {took:?}");
    }
    assert_eq!(seen(&stack), [""; 0]);

    let before = invoices(&stack);
    let (again, _) = top_up(7);
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(invoices(&stack) - before, 1);
    assert_eq!(get_with(&stack, "/articles/1", &ticket.l402()).status, 200);
    assert_eq!(seen(&stack), ["/articles/1"]);
}
