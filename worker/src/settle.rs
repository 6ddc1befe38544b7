//! How a payment becomes known here: pushed by the node webhook, or asked for (C7, T54, T67).

use l402::caveat;
use l402::cookie::WAIT_MARGIN_S;
use l402::policy::Service;
use l402::problem::Refusal;
use l402::relay::{
    Audience, InvoiceState, RELAY_BODY_BYTES_MAX, RelayCall, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use l402::token::Token;
use l402::{Msat, PaymentHash, UnixTime, reference};
use satstile_lightning::Watched;
use serde_json::json;
use worker::{Context, Env, Request, Response, Result};

use crate::accounts::{arrivals, prepaid};
use crate::config::gate::Gate;
use crate::delivery::sessions;
use crate::invoices::backend::Node;
use crate::invoices::backend::Webhook;
use crate::invoices::budget;
use crate::invoices::invoice::open_request_id;
use crate::invoices::node;
use crate::objects::account::{Answer, Looked, Note, SeeTopUp, listings};
use crate::objects::{Bind, Bound, Ended, KEEP_S, Settle, Settled, Settlement, ask, binding};
use crate::platform::{http, log};
use crate::totals;

/// `POST settlements`: the node says that an invoice was paid. A duplicate is a 200 without effect.
pub async fn pushed(gate: &Gate, mut request: Request, env: &Env, ctx: &Context) -> Result<Response> {
    // Nobody else signs, and what nobody signed is not even a hint (T54).
    let Node::Webhook(Webhook { secrets, .. }) = &gate.node else { return http::refuse(&Refusal::NotFound, false) };
    let header = |name: &str| request.headers().get(name).ok().flatten().unwrap_or_default();
    let (id, timestamp, signature) = (header(WEBHOOK_ID), header(WEBHOOK_TIMESTAMP), header(WEBHOOK_SIGNATURE));
    let body = match http::body(&mut request, RELAY_BODY_BYTES_MAX).await? {
        Ok(body) => body,
        Err(refusal) => return http::refuse(&refusal, false),
    };
    if let Err(fault) = secrets.verify(&id, &timestamp, &signature, &body, http::now()) {
        log::warn("settlement", &fault.to_string());
        return http::refuse(&Refusal::Unauthorized, false);
    }
    let refused = |reason: &str| {
        log::warn("settlement", reason);
        http::refuse(&Refusal::Conflict, false)
    };
    // Reading the call checks sha256(preimage) too.
    let settled = match RelayCall::parse(&body, Audience::Worker) {
        Ok(RelayCall::InvoiceSettled(settled)) => settled,
        Ok(_) => return refused("a call that is not for the worker"),
        Err(fault) => return refused(&fault.to_string()),
    };
    // The seal says that this edge asked for this amount: nothing had to be remembered.
    let Some((service, asked)) = open_request_id(&gate.keys, &settled.request_id) else {
        return refused("a request id that is not ours");
    };
    if asked != Msat(settled.amount_msat) {
        return refused("another amount than was asked for");
    }
    if settled.node_fee_msat() > 0 {
        log::event(
            "node fee",
            json!({"service": service, "node_fee_msat": settled.node_fee_msat(), "payment": settled.payment_hash.short()}),
        );
    }
    let settlement = Settlement {
        amount_msat: i64::try_from(settled.amount_msat).unwrap_or(i64::MAX),
        preimage: settled.preimage.as_ref().map(l402::Preimage::expose_hex).unwrap_or_default(),
        settled_at: i64::try_from(settled.settled_at.0).unwrap_or(i64::MAX),
    };
    let outcome = match service.as_str() {
        // A deposit is looked up when a session is opened with it; until then it waits.
        sessions::DEPOSIT => match sessions::arrived(gate, env, &settled.payment_hash, asked).await? {
            true => Settled::Known,
            false => return http::refuse(&Refusal::Unavailable(5), false),
        },
        // What fills a balance is looked up first, whoever says it (C7).
        prepaid::TOPUP => match arrivals::credit(gate, env, &settled.payment_hash).await? {
            true => Settled::New,
            // Not credited yet: the node will say it again.
            false => return http::refuse(&Refusal::Unavailable(5), false),
        },
        _ => {
            // One id settles one payment. Above, the node is asked about the hash itself.
            let bind = Bind::new(&settled.request_id, &settled.payment_hash);
            match ask(env, binding::ALLOWANCES, &bind.object(), "bind", &bind).await? {
                Bound::Here => {
                    let came = Came { settlement, node_fee_msat: settled.node_fee_msat() };
                    record(gate, env, ctx, &settled.payment_hash, &service, came).await?
                }
                Bound::Elsewhere => return refused("a request id that has settled another payment"),
            }
        }
    };
    let (status, word) = match outcome {
        Settled::New => (200, "recorded"),
        Settled::Known => (200, "known"),
        Settled::Contradiction => return refused("a second settlement with another amount"),
    };
    let reply = json!({"status": word}).to_string();
    let at = http::now();
    let response = http::json(status, &json!({"status": word}))?;
    response.headers().set(WEBHOOK_ID, &id)?;
    response.headers().set(WEBHOOK_TIMESTAMP, &at.0.to_string())?;
    response.headers().set(WEBHOOK_SIGNATURE, &secrets.sign(&id, at, reply.as_bytes()))?;
    Ok(response)
}

/// The settlement of a token of ours, if there is one. Asks the node as often as the hash and the client have turns (T58).
/// A node that is silent means "not yet", and so does no turn.
pub async fn of_token(
    gate: &Gate,
    env: &Env,
    ctx: &Context,
    request: &Request,
    token: &Token,
    invoice_expires_at: UnixTime,
) -> Result<Option<Settlement>> {
    let hash = token.identifier.payment_hash;
    let known = known(env, &hash).await?;
    // An old token is no lever on the node: its invoice is watched for ten minutes more, and no longer (C6).
    if !known.may_look || http::now() >= invoice_expires_at.plus(WAIT_MARGIN_S) {
        return Ok(known.settlement);
    }
    let service = caveat::service_of(token.caveats()).unwrap_or_default().to_owned();
    // A push carries the amount that was asked for; a look-up does not, and the token keeps it. For one that was sold
    // before that the price of today stands in.
    let today = || gate.policy.service_named(&service).map(|service| service.price);
    let Some(price) = caveat::price_at_sale(token.caveats()).or_else(today) else {
        return Ok(known.settlement);
    };
    if !budget::may_look(env, &gate.policy, request).await {
        return Ok(known.settlement);
    }
    let reference = reference::reveal(&gate.keys, token).unwrap_or_default();
    let watched = Watched { payment_hash: hash, amount: price, reference: &reference };
    let Some(status) = node::look_up(gate, &watched).await else { return Ok(known.settlement) };
    // The node's state is the proof of payment, never the presence of a preimage.
    let (InvoiceState::Settled, Some(amount), Some(at)) = (status.status, status.amount_msat, status.settled_at) else {
        return Ok(known.settlement);
    };
    // Less than the price is not settled (T66).
    if amount < price.0 {
        log::warn("settlement", "the node says settled, for less than the price");
        return Ok(known.settlement);
    }
    if status.preimage.as_ref().is_some_and(|preimage| preimage.payment_hash() != hash) {
        log::warn("settlement", "the node says settled, and its preimage does not fit the hash");
        return Ok(known.settlement);
    }
    // Some nodes never tell a preimage: then their word is all there is, and what was heard first stays (T67).
    if status.preimage.is_none() && known.settlement.is_some() {
        return Ok(known.settlement);
    }
    let settlement = Settlement {
        amount_msat: i64::try_from(amount).unwrap_or(i64::MAX),
        preimage: status.preimage.as_ref().map(l402::Preimage::expose_hex).unwrap_or_default(),
        settled_at: i64::try_from(at.0).unwrap_or(i64::MAX),
    };
    let came = Came { settlement: settlement.clone(), node_fee_msat: status.node_fee_msat() };
    record(gate, env, ctx, &hash, &service, came).await?;
    Ok(Some(settlement))
}

/// What is known of a purchase here, and whether the node may be asked about it now. The index is asked first: of what nobody
/// paid there is no object, and a poll makes none (T58).
async fn known(env: &Env, hash: &PaymentHash) -> Result<Ended> {
    let see = SeeTopUp { hash: hash.to_string() };
    let looked: Answer<Looked> = ask(env, binding::ACCOUNTS, &listings::name(hash), "look", &see).await?;
    let looked = looked.map_err(|no| no.reason)?;
    match looked.is_settled {
        true => ask(env, binding::PAYMENTS, &see.hash, "look", &()).await,
        false => Ok(Ended { settlement: None, may_look: looked.may_look }),
    }
}

/// A settlement, and what the node kept of it (T66).
struct Came {
    settlement: Settlement,
    node_fee_msat: u64,
}

async fn record(
    gate: &Gate,
    env: &Env,
    ctx: &Context,
    hash: &PaymentHash,
    service: &str,
    Came { settlement, node_fee_msat }: Came,
) -> Result<Settled> {
    let amount_msat = settlement.amount_msat;
    let until = grant_ends(gate, gate.policy.service_named(service), settlement.settled_at);
    let outcome: Settled =
        ask(env, binding::PAYMENTS, &hash.to_string(), "settle", &Settle { settlement, until }).await?;
    // Then the index: a poll that comes in between asks the node.
    let note = Note { hash: hash.to_string(), about: until.saturating_add(KEEP_S).to_string() };
    let noted: Answer<()> = ask(env, binding::ACCOUNTS, &listings::name(hash), "note-settled", &note).await?;
    noted.map_err(|no| no.reason)?;
    if outcome == Settled::New {
        log::event("settled", json!({"service": service, "amount_msat": amount_msat, "payment": hash.short()}));
        totals::count(env, ctx, service, |counts| {
            counts.settled += 1;
            counts.settled_msat += amount_msat;
            counts.node_fee_msat += i64::try_from(node_fee_msat).unwrap_or(i64::MAX);
        });
    }
    Ok(outcome)
}

/// No token for this purchase lives longer: the invoice's whole life, then the grant.
fn grant_ends(gate: &Gate, service: Option<&Service>, settled_at: i64) -> u64 {
    let valid_s = service.map_or(0, |service| service.valid_s);
    u64::try_from(settled_at).unwrap_or(0).saturating_add(gate.policy.invoice_expiry_s).saturating_add(valid_s)
}
