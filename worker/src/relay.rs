//! The worker's side of the relay: signed requests to the node webhook, with a deadline, one retry under
//! the same id, and a breaker (C7, T53, T59, T69).

use core::cell::Cell;
use core::time::Duration;

use futures_util::future::{Either, select};
use l402::relay::{RELAY_BODY_BYTES_MAX, RelayCall, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use web_sys::{RequestInit, RequestRedirect};
use worker::wasm_bindgen::JsValue;
use worker::{AbortController, Date, Delay, Fetch, Headers, Request, Response};

use crate::gate::Gate;
use crate::{http, log};

/// For one call with its retry, reply body included.
const DEADLINE: Duration = Duration::from_secs(5);
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
    let body = call.to_body();
    let abort = AbortController::default();
    let attempts = Box::pin(async {
        match attempt(gate, id, &body, &abort).await {
            // The same id: were the first attempt heard after all, its answer comes again.
            Err((NodeFault::Silent, _)) => attempt(gate, id, &body, &abort).await,
            outcome => outcome,
        }
    });
    let outcome = match select(attempts, Delay::from(DEADLINE)).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right(_) => Err((NodeFault::Silent, "no answer within 5 s".to_owned())),
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

async fn attempt(gate: &Gate, id: &str, body: &[u8], abort: &AbortController) -> Result<Vec<u8>, (NodeFault, String)> {
    let silent = |reason: &str| (NodeFault::Silent, reason.to_owned());
    let wrong = |reason: &str| (NodeFault::Wrong, reason.to_owned());
    let request = signed(gate, id, body).map_err(|e| silent(&e.to_string()))?;
    let sent = Fetch::Request(request).send_with_signal(&abort.signal()).await;
    let mut response = sent.map_err(|_| silent("cannot be reached at NODE_URL"))?;
    let status = response.status_code();
    if matches!(status, 429 | 500..=599) {
        return Err(silent(&format!("answered {status}")));
    }
    let reply = read(&mut response).await.ok_or_else(|| wrong("sent a body over 64 KB or broke off"))?;
    let header = |name: &str| response.headers().get(name).ok().flatten().unwrap_or_default();
    let verified = header(WEBHOOK_ID) == id
        && gate.relay.verify(id, &header(WEBHOOK_TIMESTAMP), &header(WEBHOOK_SIGNATURE), &reply, http::now()).is_ok();
    if !verified {
        return Err(wrong(&format!("answered {status} without a valid signature: do RELAY_SECRETS agree?")));
    }
    if status == 200 { Ok(reply) } else { Err(wrong(&format!("refused with {status}"))) }
}

fn signed(gate: &Gate, id: &str, body: &[u8]) -> worker::Result<Request> {
    let at = http::now();
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    headers.set(WEBHOOK_ID, id)?;
    headers.set(WEBHOOK_TIMESTAMP, &at.0.to_string())?;
    headers.set(WEBHOOK_SIGNATURE, &gate.relay.sign(id, at, body))?;
    // The platform's own `RequestInit`: the crate's brings a serialiser for image options along.
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers.0);
    init.set_body(&JsValue::from_str(&String::from_utf8_lossy(body)));
    init.set_redirect(RequestRedirect::Manual);
    Ok(web_sys::Request::new_with_str_and_init(&format!("{}/relay", gate.node_url), &init)?.into())
}

async fn read(response: &mut Response) -> Option<Vec<u8>> {
    http::collect(response.stream().ok()?, RELAY_BODY_BYTES_MAX).await.ok().flatten()
}
