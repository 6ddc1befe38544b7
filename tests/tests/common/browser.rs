//! The stories of `tests/browser/*.mjs`, in a real Chromium.

use std::process::{Command, Stdio};

use satstile_tests::Stack;
use satstile_tests::binaries::root;
use serde_json::{Value, json};

/// Runs `tests/browser/<name>.mjs`, which gets the stack's addresses and what is `given` to it. What went well is printed
/// as it happens, what did not is the failure.
#[track_caller]
pub fn tell(name: &str, stack: &Stack, given: &Value) {
    let facts = json!({
        "edge": stack.localhost(),
        "blog": stack.origin.blog_url(),
        "wallet": format!("http://{}", stack.node().wallet_address()),
        "password": stack.node().wallet_password(),
        "given": given,
    });
    // Not on the command line, which every user of the machine may read.
    let told = Command::new("node")
        .current_dir(root())
        .arg(format!("tests/browser/{name}.mjs"))
        .env("SATSTILE_STACK", facts.to_string())
        .stdout(Stdio::inherit())
        .output()
        .expect("node is there: xtask has checked it");
    assert!(told.status.success(), "tests/browser/{name}.mjs:\n{}", String::from_utf8_lossy(&told.stderr));
    let broken = super::first_break(&stack.log());
    assert!(broken.is_none(), "the worker broke: {}", broken.unwrap_or_default());
}
