//! Payments out: the books say what is to be paid, the node webhook pays it, the books hear what came of it (T90 – T94).
//!
//! ```text
//! books: reserve, "sent"  ──▶  node: payment.send  ──▶  books: succeeded | failed
//!                                   │ no answer, not definite: it stays reserved
//!                    alarm of the books  ──▶  node: payment.lookup, until it is definite
//! ```
//!
//! An invoice of ours goes another way: [`own_invoices`](crate::own_invoices).

use l402::balance::BalanceToken;
use l402::bolt11::{Expected, Invoice};
use l402::encoding::to_base64url;
use l402::problem::Refusal;
use l402::relay::{PaymentId, PaymentLookup, PaymentSend, PaymentState, PaymentStatus, RelayCall};
use l402::{Msat, PaymentHash};
use satstile_ledger::Id;
use satstile_lightning::lnurl::pay::{self, Payable};
use satstile_lightning::lnurl::{Address, Guard, Loopback, Terms};
use satstile_lightning::{HttpReply, HttpRequest};
use serde_json::{Value, json};
use worker::{Env, Response};

use crate::exchange::{self, Outgoing};
use crate::gate::{self, Gate, Setup};
use crate::objects::account::{Answer, No, Order, PayAnswer, PayOut, PayoutSeen, SeePayout, SessionSeen};
use crate::objects::words::Word;
use crate::objects::{Owner, ask, binding};
use crate::prepaid::{self, Served, bad};
use crate::relay::{self, Webhook};
use crate::{crypto, http, log, own_invoices};

/// An invoice that is to be paid must be good for so long at least.
const EXPIRY_MIN_S: u64 = 60;
/// The longest life of an invoice that is paid: a year. Nothing is held open for it.
const EXPIRY_MAX_S: u64 = 31_536_000;
/// For one question to a Lightning address's service, in milliseconds (T97).
const LNURL_MS: u64 = 5_000;

/// `{"invoice": "lnbc…"}`, or `{"address": "name@host", "amount_sats": 100}`: the balance pays.
pub async fn withdraw(
    gate: &Gate,
    by: &BalanceToken,
    (body, key): (&Value, Option<String>),
    env: &Env,
) -> Served<Response> {
    let Some((limits, payer)) = gate.policy.payouts.zip(gate.payer.as_ref()) else {
        return Err(Refusal::NotFound.into());
    };
    let account = by.account.to_string();
    let id = match &key {
        Some(key) => Id::derive("withdraw", &[&by.account.0, key.as_bytes()]),
        None => Id(crypto::random()?),
    };
    let digest = hex::encode(by.digest());
    // First whether this token may at all: nobody else's address is asked anything before (T97). And the same key again:
    // what became of the first; an address gives another invoice each time.
    let see = SeePayout { by: digest.clone(), id: hex::encode(id.0) };
    let known: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, &account, "payout", &see).await?;
    match known {
        Ok(known) if is_same_order(body, &known) => return ordered(&see.id, &known),
        Ok(_) => {
            let reason = "the Idempotency-Key was used for another payout".to_owned();
            return Err(No { status: 422, reason }.into());
        }
        // There is none under this id.
        Err(no) if no.status == 409 => {}
        Err(no) => return Err(no.into()),
    }
    let invoice = match (body.get("invoice").and_then(Value::as_str), body.get("address").and_then(Value::as_str)) {
        (Some(bolt11), None) => read(gate, bolt11)?,
        (None, Some(address)) => of_address(gate, address, prepaid::amount(body)?).await?,
        _ => return Err(bad("send either an invoice, or an address with amount_sats").into()),
    };
    if body.get("amount_sats").is_some() && prepaid::amount(body)? != invoice.amount {
        return Err(bad("amount_sats is not what the invoice asks").into());
    }
    if invoice.amount < limits.min || invoice.amount > limits.max {
        let (min, max) = (limits.min.0.div_ceil(1_000), limits.max.0 / 1_000);
        return Err(bad(format!("one payout is {min} to {max} sats")).into());
    }
    if let Some(to) = owner(env, &invoice.payment_hash).await? {
        own_invoices::pay(gate, env, by, &see.id, &to, &invoice).await?;
        let seen: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, &account, "payout", &see).await?;
        return ordered(&see.id, &seen?);
    }
    let order = PayOut {
        by: digest,
        id: hex::encode(id.0),
        hash: invoice.payment_hash.to_string(),
        amount_msat: invoice.amount.0,
        fee_limit_msat: limits.fee_limit(invoice.amount).0,
        bolt11: invoice.bolt11,
    };
    let seen: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, &account, "pay-out", &order).await?;
    let seen = carry_out(env, payer, &account, seen?).await?;
    log::event("payout", json!({"account": account, "amount_msat": order.amount_msat, "state": seen.state}));
    shown(&order.id, &seen)
}

/// What became of a payout.
pub async fn see(by: &BalanceToken, id: &str, env: &Env) -> Served<Response> {
    let see = SeePayout { by: hex::encode(by.digest()), id: id.to_owned() };
    let seen: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, &by.account.to_string(), "payout", &see).await?;
    match seen {
        Ok(seen) => shown(id, &seen),
        Err(no) if no.status == 409 => Err(Refusal::NotFound.into()),
        Err(no) => Err(no.into()),
    }
}

/// The answer to an order. One for an invoice of ours that could not be settled here is a "no", as it is where that is
/// known before.
fn ordered(id: &str, seen: &PayoutSeen) -> Served<Response> {
    if seen.stays_here && seen.state == "failed" {
        return Err(own_invoices::declined().into());
    }
    shown(id, seen)
}

fn shown(id: &str, seen: &PayoutSeen) -> Served<Response> {
    Ok(http::json(
        200,
        &json!({
            "payout_id": id,
            "status": seen.state,
            "amount_sats": seen.amount_msat / 1_000,
            "amount_msat": seen.amount_msat,
            "fee_limit_msat": seen.fee_limit_msat,
            "fee_msat": seen.fee_msat,
            "preimage": seen.preimage,
            "balance_sats": seen.available_msat / 1_000,
            "balance_msat": seen.available_msat,
        }),
    )?)
}

/// Whether a repeated request is about the same invoice, or for an address about the same amount.
fn is_same_order(body: &Value, known: &PayoutSeen) -> bool {
    match body.get("invoice").and_then(Value::as_str) {
        Some(bolt11) => Invoice::parse(bolt11).is_ok_and(|invoice| invoice.payment_hash.to_string() == known.hash),
        None => prepaid::amount(body).is_ok_and(|amount| amount.0 == known.amount_msat),
    }
}

/// What an invoice must be to be paid from here. Its signature is checked by the node webhook, before anything is sent.
pub fn terms(gate: &Gate) -> Terms {
    Terms { network: gate.policy.network, min_expiry_s: EXPIRY_MIN_S, now: http::now() }
}

/// Reads an invoice that somebody wants to be paid.
fn read(gate: &Gate, bolt11: &str) -> Served<Payable> {
    let invoice = Invoice::parse(bolt11).map_err(|fault| bad(format!("the invoice cannot be read: {fault}")))?;
    let Some(amount) = invoice.amount else { return Err(bad("the invoice must ask for an amount").into()) };
    let expected = Expected {
        network: gate.policy.network,
        amount,
        payment_hash: invoice.payment_hash,
        min_expiry_s: EXPIRY_MIN_S,
        max_expiry_s: EXPIRY_MAX_S,
        now: http::now(),
    };
    invoice.check(&expected).map_err(|fault| bad(format!("the invoice cannot be paid: {fault}")))?;
    Ok(Payable {
        bolt11: bolt11.to_ascii_lowercase(),
        payment_hash: invoice.payment_hash,
        amount,
        expires_at: invoice.expires_at(),
    })
}

/// An invoice of a Lightning address for exactly this amount (LUD-16, LUD-06, T96 – T98).
async fn of_address(gate: &Gate, address: &str, amount: Msat) -> Served<Payable> {
    let is_local = gate.policy.network == l402::bolt11::Network::Regtest;
    let loopback = if is_local { Loopback::Allowed } else { Loopback::Refused };
    let own: Vec<&str> = gate.policy.hosts.iter().filter_map(|host| host.split(':').next()).collect();
    let guard = Guard { own_hosts: &own, loopback };
    let no = |reason: &dyn core::fmt::Display| bad(format!("the Lightning address cannot be paid: {reason}"));
    let address = Address::parse(&address.to_ascii_lowercase(), loopback).map_err(|fault| no(&fault))?;
    let service = address.url(&guard).map_err(|fault| no(&fault))?;
    let request = pay::PayRequest::read(&fetch(&pay::request(&service)).await?).map_err(|fault| no(&fault))?;
    let order = request.order(amount, "", &guard).map_err(|fault| no(&fault))?;
    let reply = fetch(&order.request()).await?;
    Ok(order.read(&reply, &terms(gate)).map_err(|fault| no(&fault))?)
}

/// One question to somebody's service: no redirect, 64 KB, five seconds (T97).
async fn fetch(request: &HttpRequest) -> Served<HttpReply> {
    let fields = [("accept", "application/json")];
    let outgoing = Outgoing { url: &request.url, fields: &fields, body: None, names: &[], ms: LNURL_MS };
    let reply = exchange::ask(&outgoing).await.map_err(|_| bad("the Lightning address's service does not answer"))?;
    Ok(HttpReply { status: reply.status, unverified_body: reply.body.into_bytes() })
}

/// The account that an invoice fills, if it is one of ours.
async fn owner(env: &Env, hash: &PaymentHash) -> Served<Option<String>> {
    let owner: Owner = ask(env, binding::PAYMENTS, &hash.to_string(), "owner", &()).await?;
    Ok(owner.account)
}

/// An invoice of ours is not paid over the network: the node would pay itself (T95). For who cannot settle it between two
/// balances, either.
pub async fn refuse_our_own(env: &Env, hash: &PaymentHash) -> Served<()> {
    match owner(env, hash).await? {
        Some(_) => Err(own_invoices::not_here().into()),
        None => Ok(()),
    }
}

/// Tells the node what the books have written down, and the books what it said. Where there is no answer, nothing
/// changes, and the alarm of the books asks again.
pub async fn carry_out(env: &Env, payer: &Webhook, book: &str, mut seen: PayoutSeen) -> Served<PayoutSeen> {
    match seen.order.take() {
        Some(order) => Ok(carry(env, payer, book, order).await?.unwrap_or(seen)),
        None => Ok(seen),
    }
}

/// The same, of one order; how its payout stands then, if anything was heard.
pub async fn carry(env: &Env, payer: &Webhook, book: &str, order: Order) -> Served<Option<PayoutSeen>> {
    let (mut order, mut seen) = (Some(order), None);
    // Twice at most: an order that was lost on its way is sent again under the same id.
    for _ in 0..2 {
        let Some(next) = order.take() else { break };
        let Some(said) = tell(payer, &next).await else { break };
        let heard: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, book, "pay-answer", &said).await?;
        let mut heard = heard?;
        order = heard.order.take();
        seen = Some(heard);
    }
    Ok(seen)
}

/// Tells one order to the node, or asks about it; `None` while nobody knows.
async fn tell(payer: &Webhook, order: &Order) -> Option<PayAnswer> {
    let (payment_id, payment_hash) = (PaymentId::from_hex(&order.id)?, PaymentHash::from_hex(&order.hash)?);
    let call = match order.is_send {
        true => RelayCall::PaymentSend(PaymentSend {
            payment_id,
            bolt11: order.bolt11.clone(),
            payment_hash,
            amount_msat: order.amount_msat,
            fee_limit_msat: order.fee_limit_msat,
        }),
        false => RelayCall::PaymentLookup(PaymentLookup { payment_id, payment_hash }),
    };
    let id = format!("pay.{}", to_base64url(&crypto::random::<16>().ok()?));
    let reply = relay::call(payer, &id, &call).await.ok()?;
    let status = match PaymentStatus::parse(&reply, payment_hash) {
        Ok(status) => status,
        Err(fault) => {
            log::warn("payout", &fault.to_string());
            return None;
        }
    };
    if let Some(reason) = &status.reason {
        log::event("payout", json!({"payout": payment_id.short(), "node": reason}));
    }
    let state = match status.status {
        PaymentState::Succeeded => "succeeded",
        PaymentState::Failed => "failed",
        PaymentState::Unknown => "unknown",
        PaymentState::NotFound => "not_found",
    };
    Some(PayAnswer {
        id: order.id.clone(),
        state: state.to_owned(),
        preimage: status.preimage.as_ref().map(l402::Preimage::expose_hex),
        fee_msat: status.fee_msat,
        store_since: status.store_since.0,
    })
}

/// One order out of an alarm; the answer in the words of `pay-answer`, or nothing.
pub async fn follow(line: &str) -> Option<String> {
    use crate::objects::words::Words;
    let setup = gate::current()?;
    let Setup::Ready(gate) = &*setup else { return None };
    let said = tell(gate.payer.as_ref()?, &<Order as Word>::hear(line)?).await?;
    Some(Words::say(&said))
}

/// What the books' answer to one of these operations wants to be told to the node: another line for an alarm to follow.
pub fn left_over(operation: &str, answer: &str) -> Option<String> {
    use crate::objects::words::Words;
    let order = match operation {
        "pay-answer" => Answer::<PayoutSeen>::hear(answer).ok()?.ok()?.order,
        "session-close" => Answer::<SessionSeen>::hear(answer).ok()?.ok()?.order,
        _ => None,
    };
    order.map(|order| format!("pay {}", Word::say(&order)))
}

/// Who pays, if anybody does: the node webhook, with a secret of its own (T61).
pub fn payer(
    policy: Option<&l402::Policy>,
    node: Option<&crate::node::Node>,
    secrets: Option<String>,
    faults: &mut Vec<String>,
) -> Option<Webhook> {
    policy?.payouts?;
    let mut fault = |text: &str| {
        faults.push(text.to_owned());
        None
    };
    let Some(crate::node::Node::Webhook(webhook)) = node else {
        return fault("payouts need a node webhook: NODE_URL, and PAYOUT_SECRETS here and there");
    };
    let Some(secrets) = secrets else {
        return fault(
            "PAYOUT_SECRETS is missing; on this machine put it into .dev.vars and start again, deployed: \
             `wrangler secret put PAYOUT_SECRETS`",
        );
    };
    match l402::relay::RelaySecrets::parse(&secrets) {
        Ok(secrets) => Some(Webhook { url: webhook.url.clone(), secrets }),
        Err(error) => fault(&format!("PAYOUT_SECRETS {error}")),
    }
}
