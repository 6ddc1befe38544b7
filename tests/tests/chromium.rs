//! A person with a browser: a real Chromium against the real worker, node webhook and wallet. What happens on the
//! screen is told in `tests/browser/*.mjs`; this brings up what it looks at.

mod common;

use std::process::Command;

use common::plenty;
use satstile_tests::binaries::root;
use satstile_tests::{Stack, StackOptions};
use serde_json::{Value, json};

fn stack() -> Stack {
    Stack::start(StackOptions { pages: true, ..plenty(json!({})) })
}

/// Runs `tests/browser/<name>.mjs`, which gets the stack's addresses and what is `given` to it.
#[track_caller]
fn run(name: &str, stack: &Stack, given: &Value) {
    let facts = json!({
        "edge": stack.localhost(),
        "blog": stack.origin.blog_url(),
        "wallet": format!("http://{}", stack.node().wallet_address()),
        "password": stack.node().wallet_password(),
        "given": given,
    });
    // Not on the command line, which every user of the machine may read.
    let status = Command::new("node")
        .current_dir(root())
        .arg(format!("tests/browser/{name}.mjs"))
        .env("SATSTILE_STACK", facts.to_string())
        .status()
        .expect("node is there: xtask has checked it");
    assert!(status.success(), "tests/browser/{name}.mjs failed; it said why above");
    let broken = common::first_break(&stack.log());
    assert!(broken.is_none(), "the worker broke: {}", broken.unwrap_or_default());
}

/// C6: QR, pay, and the page unlocks by itself; by keyboard, on a phone, in the dark; nobody else is asked
/// for anything (T117), and the page keeps its own policy (T110).
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn a_browser_without_javascript_pays_and_gets_in() {
    run("unlock", &stack(), &json!({}));
}

/// Each form of the component: what it shows can be paid, and opens at once (T115, T117).
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn whoever_pays_in_a_page_reads_on_in_a_moment() {
    run("pay", &stack(), &json!({}));
}

/// In what is read aloud, by keyboard alone, in twelve languages, in any colours, on the smallest screen.
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn whoever_cannot_see_or_point_pays_like_anybody_else() {
    run("access", &stack(), &json!({}));
}
