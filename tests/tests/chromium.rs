//! A person with a browser and no JavaScript, in a real Chromium. What happens on the screen is told in
//! `tests/browser/unlock.mjs`; this brings up what it looks at.

use std::process::Command;

use satstile_tests::binaries::root;
use satstile_tests::{Stack, StackOptions};

/// C6: QR, pay, and the page unlocks by itself; by keyboard, on a phone, in the dark; nobody else is asked
/// for anything (T117), and the page keeps its own policy (T110).
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn a_browser_without_javascript_pays_and_gets_in() {
    let stack = Stack::start(StackOptions::default());
    let wallet = format!("http://{}", stack.node().wallet_address());
    let status = Command::new("node")
        .current_dir(root())
        .arg("tests/browser/unlock.mjs")
        // Chromium keeps `Secure` cookies of plain http for the name localhost only.
        .args([stack.url("").replace("127.0.0.1", "localhost"), wallet, stack.node().wallet_password()])
        .status()
        .expect("node is there: xtask has checked it");
    assert!(status.success(), "tests/browser/unlock.mjs failed; it said why above");
}
