//! The worker's side of the relay: signed requests to the node webhook, with a deadline, one retry under
//! the same id, and a breaker (C7, T53, T59, T69).

use l402::relay::{RelayCall, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use worker::Date;

use crate::invoices::backend::{DEADLINE_MS, NodeFault, Webhook};
use crate::invoices::breaker::Errand;
use crate::platform::exchange::{NoReply, Outgoing, ask};
use crate::platform::{http, log};

/// Makes a call; gives the bytes of a reply that the node signed.
pub async fn call(webhook: &Webhook, id: &str, call: &RelayCall) -> Result<Vec<u8>, NodeFault> {
    heard(webhook, id, call).await?.ok_or(NodeFault::Wrong)
}

/// The same; `None` where the node signed that it does not do this: it knows no such call, or has it off.
pub async fn heard(webhook: &Webhook, id: &str, call: &RelayCall) -> Result<Option<Vec<u8>>, NodeFault> {
    let errand = match call {
        RelayCall::InvoiceCreate(_) => Errand::Make,
        RelayCall::PaymentSend(_) | RelayCall::PaymentLookup(_) | RelayCall::InvoiceCancel(_) => Errand::Pay,
        RelayCall::InvoiceLookup(_) | RelayCall::InvoiceSettled(_) => Errand::LookUp,
    };
    if errand.must_wait() {
        return Err(NodeFault::Silent);
    }
    let body = String::from_utf8(call.to_body()).unwrap_or_default();
    let end_ms = Date::now().as_millis() + DEADLINE_MS;
    let outcome = match attempt(webhook, id, &body, end_ms).await {
        // The same id: were the first attempt heard after all, its answer comes again.
        Err((NodeFault::Silent, _)) if Date::now().as_millis() < end_ms => attempt(webhook, id, &body, end_ms).await,
        outcome => outcome,
    };
    match outcome {
        Ok(reply) => {
            errand.note_answer();
            Ok(reply)
        }
        Err((fault, reason)) => {
            if fault == NodeFault::Silent {
                errand.note_silence();
            }
            log::warn("node", &reason);
            Err(fault)
        }
    }
}

async fn attempt(webhook: &Webhook, id: &str, body: &str, end_ms: u64) -> Result<Option<Vec<u8>>, (NodeFault, String)> {
    let at = http::now();
    let outgoing = Outgoing {
        url: &format!("{}/relay", webhook.url),
        fields: &[
            ("content-type", "application/json"),
            (WEBHOOK_ID, id),
            (WEBHOOK_TIMESTAMP, &at.0.to_string()),
            (WEBHOOK_SIGNATURE, &webhook.secrets.sign(id, at, body.as_bytes())),
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
            replied_to == id
                && webhook.secrets.verify(id, timestamp, signature, reply.body.as_bytes(), http::now()).is_ok()
        }
        _ => false,
    };
    if !verified {
        let why = format!("answered {status} without a valid signature: do the secrets agree?");
        return Err((NodeFault::Wrong, why));
    }
    if status != 200 {
        log::warn("node", &format!("refused with {status}"));
        return Ok(None);
    }
    Ok(Some(reply.body.into_bytes()))
}
