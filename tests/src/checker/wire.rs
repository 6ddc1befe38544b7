//! Requests that may come to nothing: a client that goes on when nobody answers.

use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::Value;

use crate::raw::{self, Response};

/// What a client can say about an answer for sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This status, and every byte of the body.
    Whole(u16),
    /// This status, and then the connection broke.
    Cut(u16),
    /// Nothing. Whether it was done, nobody knows.
    Nothing,
}

/// Sends it on a connection of its own.
pub fn send(
    to: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
    body: &[u8],
) -> (Heard, Option<Response>) {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for (name, value) in fields {
        let _ = write!(head, "{name}: {value}\r\n"); // writing to a String cannot fail
    }
    if !body.is_empty() {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    let bytes = [head.as_bytes(), b"\r\n", body].concat();
    match raw::try_request(to, &bytes) {
        Ok(response) if response.complete => (Heard::Whole(response.status), Some(response)),
        Ok(response) => (Heard::Cut(response.status), Some(response)),
        Err(_) => (Heard::Nothing, None),
    }
}

/// The JSON of a whole 200; `Err` with what was heard instead.
pub fn json(
    to: SocketAddr,
    method: &str,
    target: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Value, Heard> {
    keyed(to, (method, target), token, None, body)
}

/// The same under an `Idempotency-Key`.
pub fn keyed(
    to: SocketAddr,
    (method, target): (&str, &str),
    token: Option<&str>,
    key: Option<&str>,
    body: Option<&Value>,
) -> Result<Value, Heard> {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let authorization = authorization.as_deref().map(|value| ("Authorization", value));
    let fields: Vec<_> = authorization.into_iter().chain(key.map(|key| ("Idempotency-Key", key))).collect();
    let body = body.map(Value::to_string).unwrap_or_default();
    match send(to, method, target, &fields, body.as_bytes()) {
        (Heard::Whole(200), Some(response)) => serde_json::from_slice(&response.body).map_err(|_| Heard::Cut(200)),
        (heard, _) => Err(heard),
    }
}
