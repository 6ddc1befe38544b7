//! A person with a browser: a real Chromium against the real worker, node webhook and wallet. What happens on the
//! screen is told in `tests/browser/*.mjs`; this brings up what it looks at.

mod common;

use common::browser::tell;
use common::fake_node::Draft;
use common::plenty;
use l402::relay::InvoiceCreate;
use satstile_tests::{Stack, StackOptions};
use serde_json::{Value, json};

fn stack() -> Stack {
    Stack::start(StackOptions { pages: true, ..plenty(json!({})) })
}

/// C6: QR, pay, and the page unlocks by itself; by keyboard, on a phone, in the dark; nobody else is asked
/// for anything (T117), and the page keeps its own policy (T110).
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn a_browser_without_javascript_pays_and_gets_in() {
    tell("unlock", &stack(), &json!({}));
}

/// Each form of the component: what it shows can be paid, and opens at once (T115, T117).
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn whoever_pays_in_a_page_reads_on_in_a_moment() {
    tell("pay", &stack(), &json!({}));
}

/// In what is read aloud, by keyboard alone, in twelve languages, in any colours, on the smallest screen.
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn whoever_cannot_see_or_point_pays_like_anybody_else() {
    tell("access", &stack(), &json!({}));
}

/// Sellers who lie, markup in every field, changed files, strict pages: nothing is drawn that should not be paid, nothing
/// runs that is not the component's, nobody else hears of it (T109, T110, T112, T115, T117).
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn whoever_lies_to_the_component_gets_no_payment_and_no_script() {
    tell("hostile", &stack(), &payloads());
}

/// Renewed, reloaded, in two tabs, out of sight, without a connection, on another device: one payment, and it counts
/// (C6, C16, T58, T113).
#[test]
#[ignore = "needs Debian's chromium: cargo xtask test browser --install"]
fn whoever_has_paid_never_pays_twice() {
    tell("life", &stack(), &json!({}));
}

/// Invoices that a hostile seller's node would sign: what they are for is markup.
fn payloads() -> Value {
    let payloads: Vec<String> = serde_json::from_str(include_str!("../browser/payloads.json")).unwrap();
    let bill = |description: String| {
        let order = InvoiceCreate {
            amount_msat: 21_000,
            description: description.clone(),
            expiry_s: 600,
            service: "articles".to_owned(),
            purpose: "l402".to_owned(),
            payee: None,
        };
        let made = Draft::of(&order).sign();
        json!({"description": description, "bolt11": made.bolt11, "preimage": made.preimage.expose_hex()})
    };
    payloads.into_iter().map(bill).collect()
}
