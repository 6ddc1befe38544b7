//! The answer that leaves a browser with what it has paid for.

use l402::cookie::{clear_wait, set_pass};
use l402::problem::Answer;

use crate::platform::http;

/// An answer that sets the pass and forgets the wait.
pub fn hold(status: u16, scope: &str, token: &str, preimage_hex: &str, life_s: u64) -> Answer {
    let mut answer = http::bare(status);
    answer.headers.push(("set-cookie", set_pass(scope, token, preimage_hex, life_s)));
    answer.headers.push(("set-cookie", clear_wait(scope)));
    answer
}
