//! `watch`: a WebSocket on which a widget hears that its invoice was settled. A hint: what the settlement says is
//! told by `status`, to who asks with the token. It is held by the index of the hash: an invoice that nobody paid has no
//! object of its own.

use l402::cookie::WAIT_MARGIN_S;
use l402::decide::WATCH_PROTOCOL;
use l402::token::UnverifiedToken;
use worker::Request;

use crate::config::gate::{Gate, Setup};
use crate::platform::http;
use crate::well_known::minted::as_minted;

/// The verdict that hands the connection to the payment's object; `None` when it is not to be.
pub fn verdict(setup: &Setup, name: &str, request: &Request) -> Option<String> {
    match setup {
        Setup::Ready(gate) if name == "watch" => watch(gate, request),
        _ => None,
    }
}

/// A browser can send no other field with a WebSocket, and a URL is no place for a token (T62, T121).
fn watch(gate: &Gate, request: &Request) -> Option<String> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    header("upgrade").filter(|protocol| protocol.eq_ignore_ascii_case("websocket"))?;
    let offered = header("sec-websocket-protocol")?;
    let (protocol, token) = offered.split_once(',')?;
    let token = UnverifiedToken::parse(token.trim()).ok().filter(|_| protocol.trim() == WATCH_PROTOCOL)?;
    let token = token.verify(&gate.keys).ok()?;
    let until = as_minted(gate, &token)?.invoice_expires_at.plus(WAIT_MARGIN_S);
    (http::now() < until).then(|| format!("W{} {}", token.identifier.payment_hash, until.0))
}
