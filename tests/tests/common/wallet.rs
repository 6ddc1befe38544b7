//! The wallet of somebody outside, as phoenixd speaks: it makes invoices, and says what it has received.

use l402::encoding::to_base64;
use satstile_tests::raw::Response;
use satstile_tests::{Node, http};
use serde_json::Value;

use super::bank::{ok, text};

fn ask(node: &Node, method: &str, path: &str, form: &str) -> Response {
    let password = to_base64(format!(":{}", node.wallet_password()).as_bytes());
    let fields = [
        ("authorization", format!("Basic {password}")),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    http::send(method, &format!("http://{}{path}", node.wallet_address()), &fields, form.as_bytes())
}

/// An invoice and its hash; the description says how paying it goes.
#[track_caller]
pub fn invoice(node: &Node, sats: u64, description: &str) -> (String, String) {
    made(node, &format!("amountSat={sats}&description={description}"))
}

/// The same without an amount.
#[track_caller]
pub fn open_invoice(node: &Node, description: &str) -> (String, String) {
    made(node, &format!("description={description}"))
}

#[track_caller]
fn made(node: &Node, form: &str) -> (String, String) {
    let made = ok(ask(node, "POST", "/createinvoice", form));
    (text(&made, "serialized"), text(&made, "paymentHash"))
}

#[track_caller]
pub fn is_paid(node: &Node, hash: &str) -> bool {
    incoming(node, hash)["isPaid"] == true
}

/// What came in for an invoice, in sats.
#[track_caller]
pub fn received(node: &Node, hash: &str) -> u64 {
    incoming(node, hash)["receivedSat"].as_u64().unwrap()
}

#[track_caller]
fn incoming(node: &Node, hash: &str) -> Value {
    ok(ask(node, "GET", &format!("/payments/incoming/{hash}"), ""))
}
