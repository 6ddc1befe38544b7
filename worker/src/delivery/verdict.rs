//! The words between Rust and the shim: one string a verdict, one tag letter a line.
//!
//! ```text
//! F1                             forward, then treat the response by rules 1
//! Uhttp://127.0.0.1:8789/a       URL, byte for byte
//! -authorization                 request field to drop
//! =via:1.1 satstile-demo         request field to set
//! +payment-receipt:…             response field to set on a 2xx
//! !payment <hash> <id>           claim to conclude when it is delivered, or not
//! E1 delta message               of a stream: tell the client of its session, 0 for not; which events are units, none
//!                                named for the usual ones
//! K                              keep what is delivered with it, when that is small
//!
//! R404                           respond, with fields, an empty line, and the body
//! =content-type:application/problem+json
//!
//! {…}
//!
//! *api example.com               a line before it: this is left to be done after the answer
//!
//! S304                           respond with a file of the widget, or without it
//! Uwidget.js                     which one; where it is not there, ask `admit`
//! =cache-control:…               field
//!
//! W<payment hash> 1900000000     hand a WebSocket to the payment's object, until then
//!
//! P<base64>                      answer what was kept
//!
//! A                              ask `admit`
//! ```
//!
//! Header values cannot hold a line break: the platform refuses them on the way in, and what we make
//! ourselves has none.

use l402::decide::{Pass, wants_html};
use l402::problem::{Answer, Refusal, Stake};
use l402::response::ResponseRules;
use serde_json::json;

use crate::config::gate::Setup;
use crate::config::origin::{self, OriginSecret};
use crate::delivery::page;
use crate::platform::log;

/// The verdict that more than strings is needed.
pub const ADMIT: &str = "A";

/// Responses whose length says at most this are handed on without watching them trickle: 64 KiB is a
/// few packets, and a stalled one ends with its connection.
const SMALL_BYTES: u32 = 64 * 1024;

/// The verdict to forward.
#[must_use]
pub fn forward(pass: &Pass) -> String {
    let mut text = String::with_capacity(256);
    text.push('F');
    text.push(char::from(b'0' + pass.rules.number));
    let mut line = |tag: char, parts: &[&str]| {
        text.push('\n');
        text.push(tag);
        parts.iter().for_each(|part| text.push_str(part));
    };
    line('U', &[&pass.url]);
    pass.drop.iter().for_each(|name| line('-', &[name]));
    pass.set.iter().for_each(|(name, value)| line('=', &[name, ":", value]));
    text
}

/// A verdict to forward, with fields for the response and a claim to conclude.
#[must_use]
pub fn forward_with(pass: &Pass, response: &[(&str, String)], claim: Option<&str>) -> String {
    let mut text = forward(pass);
    for (name, value) in response {
        text.push_str(&format!("\n+{name}:{value}"));
    }
    if let Some(claim) = claim {
        text.push_str(&format!("\n!{claim}"));
    }
    text
}

/// The same, asked of the origin as it is.
#[must_use]
pub fn uncompressed(forward: String) -> String {
    forward + "\n=accept-encoding:identity"
}

/// The same, of a session: whether its client is told of it in the stream, and which events are units.
#[must_use]
pub fn by_the_event(forward: String, units: Option<&[String]>, takes_frames: bool) -> String {
    format!("{forward}\nE{} {}", u32::from(takes_frames), units.unwrap_or_default().join(" "))
}

/// The same, to be kept for whoever sends the same request again.
#[must_use]
pub fn keeping(forward: String) -> String {
    forward + "\nK"
}

/// The verdict to answer what was kept: base64 of the shim's own form.
#[must_use]
pub fn replay(kept: &str) -> String {
    format!("P{kept}")
}

/// The same, for a purchase that is given back when the origin fails it.
#[must_use]
pub fn giving_back(forward: &str, terms: &str) -> String {
    format!("{forward}\nB{terms}")
}

/// The verdict to answer at once.
#[must_use]
pub fn respond(answer: &Answer) -> String {
    let mut text = format!("R{}", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("\n={name}:{value}"));
    }
    text.push_str("\n\n");
    text.push_str(&answer.body);
    text
}

/// The same, with work that is left to be done.
#[must_use]
pub fn respond_and(answer: &Answer, work: &str) -> String {
    format!("*{work}\n{}", respond(answer))
}

/// The rules of one number, with the operator's limits, as JSON for the shim.
#[must_use]
pub fn response_rules(setup: &Setup, number: &str) -> String {
    let rules = ResponseRules::of(number.parse().unwrap_or(u8::MAX));
    let (policy, secret) = match setup {
        Setup::Ready(gate) => (&gate.policy, &gate.origin_secret),
        Setup::Faulty { free: Some(free), .. } => (&free.policy, &free.origin_secret),
        Setup::Faulty { free: None, .. } => return "{}".to_owned(),
    };
    let limits = policy.timeouts;
    let ms = |seconds: u32| u64::from(seconds) * 1_000;
    let drop = [rules.drop, rules.drop_too].concat();
    json!({
        "drop": drop, "drop_unless": rules.drop_unless, "set": rules.set, "append": rules.append, "open_drops": rules.open_drops, "open": rules.open, "refuse": rules.refuse,
        // A cookie of ours is set by us alone (C6).
        "cookies": l402::cookie::PREFIX.to_ascii_lowercase(),
        // What the origin knows us by: the first goes along, none comes back (D4).
        "secret_field": origin::FIELD, "secrets": secret.as_ref().map_or(&[][..], OriginSecret::expose),
        // A paid answer is nobody's else, not even a cache's between us and the origin (T40).
        "cache": (rules.number != 0).then_some("no-store"), "origin": policy.origin, "small_bytes": SMALL_BYTES,
        "first_byte_ms": ms(limits.first_byte_s), "idle_ms": ms(limits.idle_s), "total_ms": ms(limits.total_s),
    })
    .to_string()
}

/// The answer when the origin did not do its part. `kind` is the shim's word for how.
#[must_use]
pub fn upstream_fault(kind: &str, stake: Stake, (method, accept): (&str, &str)) -> String {
    let refusal = match kind {
        "timeout" => Refusal::OriginTimeout(stake),
        "challenges" => Refusal::OriginChallenges(stake),
        _ => Refusal::OriginFailed(stake),
    };
    respond(&page::refuse(&refusal, wants_html(Some(accept)), method))
}

/// Writes down how the origin failed: where it is, without the query, which is its visitors' own, and in the platform's words.
pub fn note_fault(kind: &str, url: &str, error: &str) {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let error: String = if query.is_empty() { error.to_owned() } else { error.replace(query, "…") };
    log::origin(kind, address, error.get(..200).unwrap_or(&error));
}
