//! Ordinary requests, for the parts of a story where the bytes do not matter. See [`raw`](crate::raw) where they do.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::raw::{self, Response};

/// `GET`
#[track_caller]
pub fn get(url: &str, headers: &[(&str, &str)]) -> Response {
    send("GET", url, headers, b"")
}

/// `POST`
#[track_caller]
pub fn post(url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    send("POST", url, headers, body)
}

/// Any method. `Host`, `Content-Length` (with a body) and `Connection: close` are added where missing.
#[track_caller]
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let (address, target) = split(url);
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    let mut add = |name: &str, value: &str| {
        let _ = write!(head, "{name}: {value}\r\n"); // writing to a String cannot fail
    };
    for (name, value) in headers {
        add(name, value);
    }
    let missing = |name: &str| !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if missing("host") {
        add("Host", &address.to_string());
    }
    if !body.is_empty() && missing("content-length") && missing("transfer-encoding") {
        add("Content-Length", &body.len().to_string());
    }
    if missing("connection") {
        add("Connection", "close");
    }
    let bytes = [head.as_bytes(), b"\r\n", body].concat();
    raw::request(address, &bytes)
}

/// Address and target of `http://127.0.0.1:8787/path`.
#[track_caller]
fn split(url: &str) -> (SocketAddr, &str) {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("the harness speaks plain http only: {url}"));
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(at);
    let address = host.replace("localhost", "127.0.0.1").parse();
    let address = address.unwrap_or_else(|e| panic!("{host} in {url} is not address:port: {e}"));
    (address, if target.is_empty() { "/" } else { target })
}
