//! `POST /relay` (C7): believes signed, fresh messages for the node, answers each id once, signs what it answers.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use l402::relay::{
    Audience, CancelStatus, InvoiceCancel, InvoiceCreate, InvoiceCreated, InvoiceLookup, InvoiceState, InvoiceStatus,
    PaymentStatus, RELAY_BODY_BYTES_MAX, RelayCall, RelayFault, RelaySecrets, WEBHOOK_ID, WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
};
use l402::{Msat, PaymentHash, UnixTime};
use satstile_lightning::Status;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::cancel;
use crate::clock;
use crate::looks::Looks;
use crate::maker::Maker;
use crate::order::Made;
use crate::payout::Payouts;
use crate::places::Place;
use crate::problem::Problem;
use crate::recent::Recent;
use crate::store::invoices::Invoice;
use crate::store::replies::{Reply, Seen};
use crate::store::{invoices, replies};
use crate::turns::Turns;
use crate::watch;

/// What the relay needs to answer.
pub(crate) struct Relay {
    pub(crate) secrets: RelaySecrets,
    /// For payments out of the node; without, there are none.
    pub(crate) payouts: Option<(RelaySecrets, Arc<Payouts>)>,
    pub(crate) maker: Maker,
    pub(crate) looks: Looks,
    pub(crate) turns: Turns,
    pub(crate) recent: Recent,
}

/// The relay's routes.
pub(crate) fn router(relay: Arc<Relay>) -> Router {
    Router::new()
        .route("/relay", post(call).layer(DefaultBodyLimit::max(RELAY_BODY_BYTES_MAX)))
        .route("/health", get(health))
        .with_state(relay)
}

async fn call(State(relay): State<Arc<Relay>>, request: Request) -> Response {
    let headers = request.headers().clone();
    // Before its body is waited for, which may never come: what no signature can save is refused by its fields (T59).
    if let Err(fault) = signed_fields(&headers).and_then(|fields| fields.check(clock::now())) {
        tracing::warn!(%fault, "a relay message was refused by its fields");
        relay.looks.metrics.refused();
        return unsigned(fault.into());
    }
    let place = request.extensions().get::<Arc<Place>>().cloned();
    let body = match Bytes::from_request(request, &()).await {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => return unsigned(Problem::TooLong),
        Err(_) => return unsigned(Problem::Unreadable),
    };
    let now = clock::now();
    let (id, signer) = match relay.signer(&headers, &body, now) {
        Ok((id, signer)) => (id.to_owned(), signer),
        Err(fault) => {
            tracing::warn!(%fault, "a relay message was refused");
            relay.looks.metrics.refused();
            return unsigned(fault.into());
        }
    };
    if let Some(place) = place {
        place.is_proven();
    }
    // Each secret is good for its own calls only (T61). To the other ones it is a stranger's.
    let call = RelayCall::parse(&body, Audience::Node);
    if call.as_ref().is_ok_and(|call| relay.switches_on(call) && Signer::of(call) != signer) {
        tracing::warn!(id, "a relay message was signed by the secret for other calls");
        relay.looks.metrics.refused();
        return unsigned(Problem::NotSigned);
    }
    // A task of its own: a worker that hangs up does not stop an invoice half way.
    let work = tokio::spawn({
        let (relay, id) = (Arc::clone(&relay), id.clone());
        async move { relay.answer(&id, call, &body, now).await }
    });
    let reply = work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the answer was not finished");
        Problem::Unavailable.into()
    });
    signed(relay.secrets_of(signer), &id, reply)
}

/// Which of the two kinds of secrets a message was signed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signer {
    Invoices,
    Payouts,
}

impl Signer {
    /// Who may say this.
    const fn of(call: &RelayCall) -> Self {
        match call {
            RelayCall::PaymentSend(_) | RelayCall::PaymentLookup(_) | RelayCall::InvoiceCancel(_) => Self::Payouts,
            RelayCall::InvoiceCreate(_) | RelayCall::InvoiceLookup(_) | RelayCall::InvoiceSettled(_) => Self::Invoices,
        }
    }
}

/// The three fields of a signed message, as they came.
struct SignedFields<'a> {
    id: &'a str,
    timestamp: &'a str,
    signature: &'a str,
}

impl SignedFields<'_> {
    /// Whether a body could make this message one to believe, as far as its fields tell.
    fn check(&self, now: UnixTime) -> Result<(), RelayFault> {
        RelaySecrets::check_fields(self.id, self.timestamp, self.signature, now)
    }
}

/// Each must be there once.
fn signed_fields(headers: &HeaderMap) -> Result<SignedFields<'_>, RelayFault> {
    let only = |name, fault| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().and_then(|value| value.to_str().ok()).ok_or(fault)?;
        if values.next().is_none() { Ok(first) } else { Err(fault) }
    };
    let id = only(WEBHOOK_ID, RelayFault::UnreadableId)?;
    let timestamp = only(WEBHOOK_TIMESTAMP, RelayFault::UnreadableTimestamp)?;
    let signature = only(WEBHOOK_SIGNATURE, RelayFault::UnreadableSignature)?;
    Ok(SignedFields { id, timestamp, signature })
}

/// Believes the message, and returns its id.
fn authenticate<'a>(
    secrets: &RelaySecrets,
    headers: &'a HeaderMap,
    body: &[u8],
    now: UnixTime,
) -> Result<&'a str, RelayFault> {
    let SignedFields { id, timestamp, signature } = signed_fields(headers)?;
    secrets.verify(id, timestamp, signature, body, now)?;
    Ok(id)
}

impl Relay {
    /// Believes a message by either kind of secret, and returns its id and which kind that was.
    fn signer<'a>(&self, headers: &'a HeaderMap, body: &[u8], now: UnixTime) -> Result<(&'a str, Signer), RelayFault> {
        let by_invoices = authenticate(&self.secrets, headers, body, now).map(|id| (id, Signer::Invoices));
        match (&by_invoices, &self.payouts) {
            (Err(RelayFault::WrongSignature), Some((secrets, _))) => {
                authenticate(secrets, headers, body, now).map(|id| (id, Signer::Payouts))
            }
            _ => by_invoices,
        }
    }

    const fn secrets_of(&self, signer: Signer) -> &RelaySecrets {
        match (signer, &self.payouts) {
            (Signer::Payouts, Some((secrets, _))) => secrets,
            _ => &self.secrets,
        }
    }

    /// Whether somebody here takes such a call. What is off is answered as off, whoever asks.
    const fn switches_on(&self, call: &RelayCall) -> bool {
        matches!(Signer::of(call), Signer::Invoices) || self.payouts.is_some()
    }

    /// The answer to a message that was believed, the same for the same message. One at a time for each id, so that of
    /// several at once one makes the invoice and the others find its answer.
    async fn answer(&self, id: &str, call: Result<RelayCall, RelayFault>, body: &[u8], now: UnixTime) -> Reply {
        let call = match call {
            Ok(call) => call,
            Err(fault) => {
                tracing::warn!(id, %fault, "a signed relay message was refused");
                return Problem::from(fault).into();
            }
        };
        let asked: [u8; 32] = Sha256::digest(body).into();
        let _turn = self.turns.enter(id).await;
        match self.looks.store.read(|books| replies::seen(books, id, &asked, now)) {
            Some(Seen::Answered(reply)) => return reply,
            Some(Seen::ForAnother) => return Problem::IdReused.into(),
            Some(Seen::Never) => {}
            None => return Problem::Unavailable.into(),
        }
        // The id of a payment is in the message, and answered from how the payment stands.
        let changes = !matches!(call, RelayCall::InvoiceCreate(_));
        let (reply, made) = match call {
            RelayCall::InvoiceCreate(order) => match self.maker.make(id, &order, now).await {
                Ok(made) => (created(&made), Some(self.kept(id, order, made, now))),
                Err(problem) => {
                    tracing::warn!(id, ?problem, "an invoice was not made");
                    (problem.into(), None)
                }
            },
            RelayCall::InvoiceLookup(InvoiceLookup { payment_hash }) => (self.lookup(payment_hash, now).await, None),
            RelayCall::InvoiceSettled(_) => (Problem::WrongAudience.into(), None),
            RelayCall::PaymentSend(_) | RelayCall::PaymentLookup(_) => (self.payment(call, now).await, None),
            RelayCall::InvoiceCancel(InvoiceCancel { payment_hash }) => (self.cancel(payment_hash, now).await, None),
        };
        // What failed on our side may go well the next time, and what became of an invoice may change: neither is an
        // answer to keep.
        if reply.status >= 500 || changes {
            return reply;
        }
        let (id, kept) = (id.to_owned(), reply.clone());
        let write = self.looks.store.write(move |books| {
            if let Some((invoice, next_look_ms)) = &made {
                invoices::insert(books, invoice, *next_look_ms)?;
            }
            replies::keep(books, &id, &asked, &kept, now)
        });
        write.await.map_or_else(|| Problem::Unavailable.into(), |()| reply)
    }

    /// The answer to a call about a payment out of the node.
    async fn payment(&self, call: RelayCall, now: UnixTime) -> Reply {
        let Some((_, payouts)) = &self.payouts else { return Problem::PayoutsOff.into() };
        let status = match call {
            RelayCall::PaymentSend(order) => payouts.send(order, now).await,
            RelayCall::PaymentLookup(asked) => payouts.lookup(&asked).await,
            _ => Err(Problem::UnknownType),
        };
        status.map_or_else(Reply::from, |status: PaymentStatus| Reply { status: 200, body: status.to_body() })
    }

    /// The answer to the call that withdraws an invoice. It moves money, so it is as good as off where payouts are.
    async fn cancel(&self, hash: PaymentHash, now: UnixTime) -> Reply {
        if self.payouts.is_none() {
            return Problem::PayoutsOff.into();
        }
        let state = cancel::cancel(&self.looks, &self.maker, &self.turns, hash, now).await;
        state.map_or_else(Reply::from, |status| Reply { status: 200, body: CancelStatus { status }.to_body() })
    }

    /// The invoice as it is kept, and when its back end is asked about it.
    fn kept(&self, id: &str, order: InvoiceCreate, made: Made, now: UnixTime) -> (Invoice, Option<u64>) {
        let (hash, amount_msat) = (made.payment_hash.short(), order.amount_msat);
        tracing::info!(%hash, amount_msat, service = order.service, backend = made.backend, "invoice made");
        self.looks.metrics.made(&made.backend);
        let remote = self.maker.remote(&made.backend);
        let next_look_ms = remote.map(|remote| watch::first_look_ms(remote, clock::now_ms()));
        let invoice = Invoice {
            payment_hash: made.payment_hash,
            request_id: id.to_owned(),
            backend: made.backend,
            reference: made.reference,
            bolt11: made.bolt11,
            preimage: made.preimage,
            amount: Msat(order.amount_msat),
            service: order.service,
            purpose: order.purpose,
            created_at: now,
            expires_at: made.expires_at,
            settled_at: None,
            cancel_asked_at: None,
            canceled_at: None,
            node_fee: Msat(0),
        };
        (invoice, next_look_ms)
    }

    /// What became of an invoice of ours: what is written down, or else the word of the node that made it.
    async fn lookup(&self, hash: PaymentHash, now: UnixTime) -> Reply {
        let found = self.looks.store.read(|books| invoices::find(books, hash));
        let Some(found) = found else { return Problem::Unavailable.into() };
        let unknown = InvoiceStatus {
            status: InvoiceState::NotFound,
            amount_msat: None,
            preimage: None,
            settled_at: None,
            received_msat: None,
        };
        let Some(invoice) = found else { return ok(&unknown) };
        // Our own clock decides for the dev node alone, whose preimages are here: it takes no payment after it. Of another
        // node's invoice "expired" is the node's to say, for a payment may be under way in it (T65); without an answer, or
        // with a back end that is configured no more, nobody knows. What was withdrawn is over, and not every back end
        // remembers it.
        if invoice.settled_at.is_some() || invoice.canceled_at.is_some() || invoice.preimage.is_some() {
            return ok(&invoice.status(now));
        }
        let amount_msat = Some(invoice.amount.0);
        let unpaid = |status| ok(&InvoiceStatus { status, amount_msat, ..unknown.clone() });
        let Some(remote) = self.maker.remote(&invoice.backend) else { return unpaid(InvoiceState::Pending) };
        if self.recent.is_unpaid(hash, Instant::now()) {
            return unpaid(InvoiceState::Pending);
        }
        match self.looks.look(remote, &invoice).await {
            Ok(Status::Settled { preimage, at, node_fee, .. }) => {
                let settled_at = Some(at.unwrap_or(now));
                let received_msat = invoices::received(invoice.amount, node_fee);
                ok(&InvoiceStatus { status: InvoiceState::Settled, amount_msat, preimage, settled_at, received_msat })
            }
            Ok(Status::Pending) => {
                self.recent.saw_unpaid(hash, Instant::now());
                unpaid(InvoiceState::Pending)
            }
            Ok(Status::Expired) => unpaid(InvoiceState::Expired),
            Ok(Status::Canceled) => unpaid(InvoiceState::Canceled),
            Ok(Status::NotFound) => unpaid(InvoiceState::NotFound),
            Err(_) => Problem::Unavailable.into(),
        }
    }
}

fn ok(status: &InvoiceStatus) -> Reply {
    Reply { status: 200, body: status.to_body() }
}

fn created(made: &Made) -> Reply {
    let created = InvoiceCreated {
        bolt11: made.bolt11.clone(),
        payment_hash: made.payment_hash,
        expires_at: made.expires_at,
        // The kind alone: where the node is, is nobody's business (T60).
        backend: made.backend.split(' ').next().unwrap_or_default().to_owned(),
    };
    Reply { status: 200, body: created.to_body() }
}

/// Whether invoices can be made: for a load balancer, without a word on where or for whom (T128).
async fn health(State(relay): State<Arc<Relay>>) -> Response {
    let remotes = relay.maker.remotes();
    let resting = remotes.iter().filter(|remote| remote.is_resting()).count();
    let is_up = remotes.is_empty() || resting < remotes.len();
    let can_write = relay.looks.store.write(|books| books.query_row("SELECT 1", [], |_| Ok(()))).await.is_some();
    if !can_write || !is_up {
        return unsigned(Problem::Unavailable);
    }
    Json(json!({"status": "ok", "backends": remotes.len().max(1), "resting": resting})).into_response()
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
