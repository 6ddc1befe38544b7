//! The header fields of the widget's files. The shim has the bytes and adds them.

use std::cell::RefCell;

use l402::Request;
use l402::headers::Headers;

use crate::config::gate::Setup;

thread_local! {
    static BUILD: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Remembers which build of the widget the shim has.
pub fn load(build: &str) {
    BUILD.set(build.to_owned());
}

/// The verdict on a file's name; `None` for any other, and while the configuration has a fault.
///
/// Pages of any site load these, so everybody may read them. A name that holds the build's id never means other
/// bytes; the two that a page can write down are asked about again after five minutes.
pub fn verdict(setup: &Setup, name: &str, request: &Request<'_>) -> Option<String> {
    let is_ready = matches!(setup, Setup::Ready(_));
    if !is_ready || !matches!(request.method, "GET" | "HEAD") {
        return None;
    }
    let (file, is_pinned) = match name.strip_prefix("widget-").and_then(|rest| rest.split_once('/')) {
        Some((build, file)) if is_build(build) => (file, true),
        Some(_) => return None,
        None if matches!(name, "widget.js" | "widget.json") => (name, false),
        None => return None,
    };
    let (stem, extension) = file.split_once('.')?;
    let is_stem = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let kind = match extension {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "wasm" => "application/wasm",
        _ => return None,
    };
    if stem.is_empty() || !stem.bytes().all(is_stem) {
        return None;
    }
    let etag = BUILD.with_borrow(|build| format!("\"{build}\""));
    let (status, caching) = match is_pinned {
        true => ("200", "31536000, immutable".to_owned()),
        false if has(request, &etag) => ("304", format!("300\n=etag:{etag}")),
        false => ("200", format!("300\n=etag:{etag}")),
    };
    Some(format!(
        "S{status}\nU{name}\n=content-type:{kind}\n=x-content-type-options:nosniff\n=access-control-allow-origin:*\n\
         =cross-origin-resource-policy:cross-origin\n=timing-allow-origin:*\n=cache-control:public, max-age={caching}"
    ))
}

fn is_build(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the client holds these very bytes (RFC 9110 §13.1.2). Whoever compresses on the way makes the tag weak.
fn has(request: &Request<'_>, etag: &str) -> bool {
    let held = Headers::parse(request.headers).ok().and_then(|headers| headers.get("if-none-match"));
    let mut tags = held.unwrap_or_default().split(',').map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|tag| tag == etag || tag == "*")
}
