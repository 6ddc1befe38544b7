//! `POST /relay` (C7): believes signed, fresh messages for the node, answers each id once, signs what it answers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use l402::UnixTime;
use l402::relay::{
    Audience, InvoiceCreate, InvoiceCreated, InvoiceLookup, InvoiceState, InvoiceStatus, RELAY_BODY_BYTES_MAX,
    RelayCall, RelayFault, RelaySecrets, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use l402::{Msat, PaymentHash};
use rusqlite::Transaction;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::dev::{Chance, DevNode};
use crate::problem::Problem;
use crate::store::replies::{Reply, Seen};
use crate::store::{Store, invoices, replies};

/// What the relay needs to answer.
pub(crate) struct Relay {
    pub(crate) secrets: RelaySecrets,
    pub(crate) node: DevNode,
    pub(crate) store: Arc<Store>,
}

/// The relay's routes.
pub(crate) fn router(relay: Arc<Relay>) -> Router {
    Router::new()
        .route("/relay", post(call).layer(DefaultBodyLimit::max(RELAY_BODY_BYTES_MAX)))
        .route("/health", get(health))
        .with_state(relay)
}

async fn call(State(relay): State<Arc<Relay>>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => return unsigned(Problem::TooLong),
        Err(_) => return unsigned(Problem::Unreadable),
    };
    let now = clock::now();
    let id = match authenticate(&relay.secrets, &headers, &body, now) {
        Ok(id) => id.to_owned(),
        Err(fault) => {
            tracing::warn!(%fault, "a relay message was refused");
            return unsigned(fault.into());
        }
    };
    let work = {
        let (relay, id) = (Arc::clone(&relay), id.clone());
        tokio::task::spawn_blocking(move || relay.answer(&id, &body, now)).await
    };
    let reply = match work {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => {
            tracing::error!(%error, "the database failed");
            Problem::Unavailable.into()
        }
        Err(error) => {
            tracing::error!(%error, "the answer was not finished");
            Problem::Unavailable.into()
        }
    };
    signed(&relay.secrets, &id, reply)
}

/// Believes the message, and returns its id. Each header must be there once.
fn authenticate<'a>(
    secrets: &RelaySecrets,
    headers: &'a HeaderMap,
    body: &[u8],
    now: UnixTime,
) -> Result<&'a str, RelayFault> {
    let only = |name, fault| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().and_then(|value| value.to_str().ok()).ok_or(fault)?;
        if values.next().is_none() { Ok(first) } else { Err(fault) }
    };
    let id = only(WEBHOOK_ID, RelayFault::UnreadableId)?;
    let timestamp = only(WEBHOOK_TIMESTAMP, RelayFault::UnreadableTimestamp)?;
    let signature = only(WEBHOOK_SIGNATURE, RelayFault::UnreadableSignature)?;
    secrets.verify(id, timestamp, signature, body, now)?;
    Ok(id)
}

impl Relay {
    /// The answer to a message that was believed. In one transaction, so that of several same messages at once one
    /// makes the invoice and the others find its answer.
    fn answer(&self, id: &str, body: &[u8], now: UnixTime) -> rusqlite::Result<Reply> {
        let call = match RelayCall::parse(body, Audience::Node) {
            Ok(call) => call,
            Err(fault) => {
                tracing::warn!(id, %fault, "a signed relay message was refused");
                return Ok(Problem::from(fault).into());
            }
        };
        let asked = Sha256::digest(body).into();
        self.store.transaction(|transaction| {
            match replies::seen(transaction, id, &asked, now)? {
                Seen::Answered(reply) => return Ok(reply),
                Seen::ForAnother => return Ok(Problem::IdReused.into()),
                Seen::Never => {}
            }
            let reply = match &call {
                RelayCall::InvoiceCreate(order) => self.create(transaction, id, order, now)?,
                RelayCall::InvoiceLookup(InvoiceLookup { payment_hash }) => lookup(transaction, *payment_hash, now)?,
                RelayCall::InvoiceSettled(_) => Problem::WrongAudience.into(),
            };
            // What failed on our side may go well the next time, so it is no answer to keep.
            if reply.status < 500 {
                replies::keep(transaction, id, &asked, &reply, now)?;
            }
            Ok(reply)
        })
    }

    fn create(
        &self,
        transaction: &Transaction<'_>,
        id: &str,
        order: &InvoiceCreate,
        now: UnixTime,
    ) -> rusqlite::Result<Reply> {
        let mut chance = Chance { preimage: [0; 32], payment_secret: [0; 32] };
        let drawn = getrandom::fill(&mut chance.preimage).and_then(|()| getrandom::fill(&mut chance.payment_secret));
        if drawn.is_err() {
            tracing::error!("the system gives no random bytes");
            return Ok(Problem::Unavailable.into());
        }
        let made = match self.node.make(order, &chance, now) {
            Ok(made) => made,
            Err(problem) => {
                tracing::warn!(id, ?problem, "an invoice was not made");
                return Ok(problem.into());
            }
        };
        invoices::insert(
            transaction,
            &invoices::Invoice {
                payment_hash: made.payment_hash,
                request_id: id.to_owned(),
                bolt11: made.bolt11.clone(),
                preimage: made.preimage,
                amount: Msat(order.amount_msat),
                service: order.service.clone(),
                purpose: order.purpose.clone(),
                created_at: now,
                expires_at: made.expires_at,
                settled_at: None,
            },
        )?;
        let (hash, amount_msat) = (made.payment_hash.short(), order.amount_msat);
        tracing::info!(%hash, amount_msat, service = order.service, "invoice made");
        let created = InvoiceCreated {
            bolt11: made.bolt11,
            payment_hash: made.payment_hash,
            expires_at: made.expires_at,
            backend: "dev".to_owned(),
        };
        Ok(Reply { status: 200, body: created.to_body() })
    }
}

fn lookup(transaction: &Transaction<'_>, hash: PaymentHash, now: UnixTime) -> rusqlite::Result<Reply> {
    let unknown = InvoiceStatus { status: InvoiceState::NotFound, amount_msat: None, preimage: None, settled_at: None };
    let status = invoices::find(transaction, hash)?.map_or(unknown, |invoice| invoice.status(now));
    Ok(Reply { status: 200, body: status.to_body() })
}

async fn health(State(relay): State<Arc<Relay>>) -> Response {
    let probe = move || relay.store.read(|connection| connection.query_row("SELECT 1", [], |_| Ok(())));
    match tokio::task::spawn_blocking(probe).await {
        Ok(Ok(())) => Json(json!({"status": "ok", "backend": "dev", "network": "regtest"})).into_response(),
        _ => unsigned(Problem::Unavailable),
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        Self { status: problem.status(), body: problem.body() }
    }
}

/// To somebody who did not prove who they are.
fn unsigned(problem: Problem) -> Response {
    response(problem.into())
}

/// Signed over the id of the question, so that an answer fits no other.
fn signed(secrets: &RelaySecrets, id: &str, reply: Reply) -> Response {
    let now = clock::now();
    let signature = secrets.sign(id, now, &reply.body);
    let headers = [(WEBHOOK_ID, id.to_owned()), (WEBHOOK_TIMESTAMP, now.0.to_string()), (WEBHOOK_SIGNATURE, signature)];
    (headers, response(reply)).into_response()
}

fn response(reply: Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    (status, [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], reply.body).into_response()
}
