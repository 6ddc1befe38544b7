//! A back end that is called straight from here: the requests of `satstile_lightning`, sent one after the other within
//! one deadline and behind the same breaker as the relay's (T59, T69).
//!
//! Nothing is sent twice. No back end takes a label as a name to answer the same order by, so a second `create` could
//! be a second invoice; and who looks up comes back by itself.

use satstile_lightning::http::Method;
use satstile_lightning::{BackendFault, Connection, HttpReply, HttpRequest, Step, backend};
use worker::Date;

use crate::accounts::lnurl;
use crate::invoices::backend::{DEADLINE_MS, NodeFault};
use crate::invoices::breaker::Errand;
use crate::platform::exchange::{NoReply, Outgoing, ask, ask_lnurl};
use crate::platform::log;

/// No back end needs more requests for one call.
const STEPS_MAX: usize = 4;

/// Why a call came to nothing.
type Failure = (NodeFault, String);

/// Makes a call: sends what it asks for, and calls again with the replies, until it is done.
pub async fn run<T>(
    connection: &Connection,
    errand: Errand,
    call: impl Fn(&[HttpReply]) -> Result<Step<T>, BackendFault>,
) -> Result<T, NodeFault> {
    if errand.must_wait() {
        return Err(NodeFault::Silent);
    }
    let end_ms = Date::now().as_millis() + DEADLINE_MS;
    let mut replies = Vec::new();
    let outcome = loop {
        match call(&replies) {
            Ok(Step::Done(result)) => break Ok(result),
            Ok(Step::Ask(_)) if replies.len() >= STEPS_MAX => {
                break Err((NodeFault::Wrong, "it asks for one more request".to_owned()));
            }
            Ok(Step::Ask(request)) => match send(connection, &request, end_ms).await {
                Ok(reply) => replies.push(reply),
                Err(failure) => break Err(failure),
            },
            Err(fault) => break Err(failure_of(fault)),
        }
    };
    match outcome {
        Ok(result) => {
            errand.note_answer();
            Ok(result)
        }
        Err(failure) => Err(noted(connection, errand, failure)),
    }
}

/// Only silence opens the breaker: who answers nonsense answers.
fn noted(connection: &Connection, errand: Errand, (fault, reason): Failure) -> NodeFault {
    if fault == NodeFault::Silent {
        errand.note_silence();
    }
    log::warn("node", &format!("BACKEND ({}): {reason}", connection.backend.kind()));
    fault
}

/// In the words of [`BackendFault`], none of which come from the back end (T60).
fn failure_of(fault: BackendFault) -> Failure {
    let kind = if fault.is_transient() { NodeFault::Silent } else { NodeFault::Wrong };
    (kind, fault.to_string())
}

async fn send(connection: &Connection, request: &HttpRequest, end_ms: u64) -> Result<HttpReply, Failure> {
    let kind = connection.backend.kind();
    if !lnurl::admits(kind, &request.url) {
        return Err(failure_of(BackendFault::ForeignHost));
    }
    let fields: Vec<(&str, &str)> = request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let outgoing = Outgoing {
        url: &request.url,
        fields: &fields,
        body: match request.method {
            Method::Get => None,
            Method::Post => Some(request.body.as_deref().unwrap_or_default()),
        },
        names: &[],
        ms: end_ms.saturating_sub(Date::now().as_millis()),
    };
    // A Lightning address's service names the addresses that are asked; all others are the operator's own words.
    let reply = if kind == backend::lnaddress::KIND { ask_lnurl(&outgoing).await } else { ask(&outgoing).await };
    match reply {
        Ok(reply) => Ok(HttpReply::new(reply.status, reply.body)),
        Err(NoReply::Unreachable) => Err(failure_of(BackendFault::Unreachable)),
        Err(NoReply::Late) => Err((NodeFault::Silent, "no answer within 5 s".to_owned())),
        Err(NoReply::Broken) => Err((NodeFault::Wrong, "sent a body over 64 KB or broke off".to_owned())),
    }
}
