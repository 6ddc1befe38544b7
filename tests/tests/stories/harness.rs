//! The harness itself: everything starts, knows each other, can be crashed, and one payment goes through.

use satstile_tests::{Stack, StackOptions, http, raw};
use serde_json::json;

#[test]
fn a_payment_opens_the_door_through_every_process() {
    let stack = Stack::start(StackOptions::default());
    let refused = http::get(&stack.url("/articles/1"), &[]);
    assert_eq!(refused.status, 402, "{}\n{}", refused.text(), stack.log().join("\n"));
    assert!(stack.origin.seen().is_empty());

    let text = |key: &str| refused.json()[key].as_str().map(str::to_owned).unwrap_or_default();
    let preimage = stack.node().pay(&text("invoice"));
    let credential = format!("L402 {}:{preimage}", text("macaroon"));
    let paid = http::get(&stack.url("/articles/1"), &[("authorization", &credential)]);
    assert_eq!(paid.status, 200, "{}", paid.text());
    assert!(paid.text().starts_with("# A payment that travels"));

    let seen = stack.origin.seen();
    assert_eq!((seen.len(), seen[0].target.as_str()), (1, "/articles/1"));
    assert_eq!(seen[0].header("authorization"), None);
}

#[test]
fn a_crash_keeps_address_and_storage_and_a_policy_can_be_laid_over() {
    let mut stack = Stack::start(StackOptions { node: false, ..StackOptions::default() });
    let nowhere = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(raw::request(stack.workerd.address(), nowhere).status, 404);
    stack.workerd.crash_restart();
    assert_eq!(raw::request(stack.workerd.address(), nowhere).status, 404);
    stack.workerd.restart_with(&json!({ "free": [{ "path": "/nowhere" }] }));
    assert_eq!(raw::request(stack.workerd.address(), nowhere).text(), "There is nothing here. The list is at /\n");
    assert_eq!(stack.origin.seen().len(), 1);
}
