//! The worker's side of the relay: signed requests to the node webhook, with a deadline, one retry under
//! the same id, and a breaker (C7, T53, T59, T69).

use core::cell::Cell;

use l402::relay::{RelayCall, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use worker::Date;

use crate::exchange::{NoReply, Outgoing, ask};
use crate::gate::Gate;
use crate::{http, log};

/// For one call with its retry, reply body included, in milliseconds.
const DEADLINE_MS: u64 = 5_000;
/// Failures in a row after which the node is left alone for a while.
const BREAKER_FAILURES: u32 = 5;
/// For how long, in milliseconds; then one request tries again.
const BREAKER_OPEN_MS: u64 = 5_000;

/// The node failed us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// No answer, or one that says "not now": 503.
    Silent,
    /// An answer that cannot be used: 502.
    Wrong,
}

thread_local! {
    static FAILURES: Cell<u32> = const { Cell::new(0) };
    static TRY_AGAIN_MS: Cell<u64> = const { Cell::new(0) };
}

/// Makes a call; gives the bytes of a reply that the node signed.
pub async fn call(gate: &Gate, id: &str, call: &RelayCall) -> Result<Vec<u8>, NodeFault> {
    if is_open() {
        return Err(NodeFault::Silent);
    }
    let body = String::from_utf8(call.to_body()).unwrap_or_default();
    let end_ms = Date::now().as_millis() + DEADLINE_MS;
    let outcome = match attempt(gate, id, &body, end_ms).await {
        // The same id: were the first attempt heard after all, its answer comes again.
        Err((NodeFault::Silent, _)) if Date::now().as_millis() < end_ms => attempt(gate, id, &body, end_ms).await,
        outcome => outcome,
    };
    match outcome {
        Ok(reply) => {
            FAILURES.set(0);
            Ok(reply)
        }
        Err((fault, reason)) => {
            if fault == NodeFault::Silent {
                note_failure();
            }
            log::warn("node", &reason);
            Err(fault)
        }
    }
}

/// Whether the breaker is open. When its time is over, the one who asks may try; the others wait on.
fn is_open() -> bool {
    if FAILURES.get() < BREAKER_FAILURES {
        return false;
    }
    let now_ms = Date::now().as_millis();
    if now_ms < TRY_AGAIN_MS.get() {
        return true;
    }
    TRY_AGAIN_MS.set(now_ms + BREAKER_OPEN_MS);
    false
}

fn note_failure() {
    FAILURES.set(FAILURES.get().saturating_add(1));
    TRY_AGAIN_MS.set(Date::now().as_millis() + BREAKER_OPEN_MS);
}

async fn attempt(gate: &Gate, id: &str, body: &str, end_ms: u64) -> Result<Vec<u8>, (NodeFault, String)> {
    let at = http::now();
    let outgoing = Outgoing {
        url: &format!("{}/relay", gate.node_url),
        fields: &[
            ("content-type", "application/json"),
            (WEBHOOK_ID, id),
            (WEBHOOK_TIMESTAMP, &at.0.to_string()),
            (WEBHOOK_SIGNATURE, &gate.relay.sign(id, at, body.as_bytes())),
        ],
        body: Some(body),
        names: &[WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE],
        ms: end_ms.saturating_sub(Date::now().as_millis()),
    };
    let reply = ask(&outgoing).await.map_err(|why| match why {
        NoReply::Unreachable => (NodeFault::Silent, "cannot be reached at NODE_URL".to_owned()),
        NoReply::Late => (NodeFault::Silent, "no answer within 5 s".to_owned()),
        NoReply::Broken => (NodeFault::Wrong, "sent a body over 64 KB or broke off".to_owned()),
    })?;
    let status = reply.status;
    if matches!(status, 429 | 500..=599) {
        return Err((NodeFault::Silent, format!("answered {status}")));
    }
    let verified = match reply.fields.as_slice() {
        [replied_to, timestamp, signature] => {
            replied_to == id && gate.relay.verify(id, timestamp, signature, reply.body.as_bytes(), http::now()).is_ok()
        }
        _ => false,
    };
    if !verified {
        let why = format!("answered {status} without a valid signature: do RELAY_SECRETS agree?");
        return Err((NodeFault::Wrong, why));
    }
    match status {
        200 => Ok(reply.body.into_bytes()),
        _ => Err((NodeFault::Wrong, format!("refused with {status}"))),
    }
}
