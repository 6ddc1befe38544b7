//! Payments out: the books say what is to be paid, the node webhook pays it, the books hear what came of it (T90 – T94).
//!
//! ```text
//! books: reserve, "sent"  ──▶  node: payment.send  ──▶  books: succeeded | failed
//!                                   │ no answer, not definite: it stays reserved
//!                    alarm of the books  ──▶  node: payment.lookup, until it is definite
//! ```
//!
//! An invoice of ours goes another way: [`own_invoices`](crate::accounts::own_invoices).

use l402::balance::BalanceToken;
use l402::bolt11::{Expected, Invoice};
use l402::encoding::to_base64url;
use l402::problem::Refusal;
use l402::relay::{PaymentId, PaymentLookup, PaymentSend, PaymentState, PaymentStatus, RelayCall};
use l402::{Msat, PaymentHash};
use satstile_ledger::Id;
use satstile_lightning::lnurl::Address;
use satstile_lightning::lnurl::pay::Payable;
use satstile_lightning::pasted;
use serde_json::{Value, json};
use worker::{Env, Response};

use crate::accounts::api::{self, EXPIRY_MIN_S, Served, bad, key_of};
use crate::accounts::{arrivals, lnurl, own_invoices};
use crate::config::gate::{self, Gate, Setup};
use crate::invoices::backend::Webhook;
use crate::invoices::relay;
use crate::objects::account::orders::ANOTHER_ORDER;
use crate::objects::account::{Answer, Listed, No, Order, PayAnswer, PayOut, PayoutSeen, SeePayout, SessionSeen};
use crate::objects::routing::{self, Cost};
use crate::objects::words::Word;
use crate::objects::{Keyed, ask, binding};
use crate::platform::{crypto, http, log};

/// The longest life of an invoice that is paid: a year. Nothing is held open for it.
const EXPIRY_MAX_S: u64 = 31_536_000;

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
    let to = Recipient::read(gate, body)?;
    let id = match (&key, &to) {
        (Some(key), _) => Id::derive("withdraw", &[&by.account.0, key.as_bytes()]),
        // The same invoice is paid once whatever happens, and an address gives another one each time.
        (None, Recipient::Invoice { .. }) => Id(crypto::random()?),
        (None, Recipient::Address(..)) => {
            let reason = "send an Idempotency-Key with an address: without one a repeated request would pay twice";
            return Err(bad(reason).into());
        }
    };
    let digest = hex::encode(by.digest());
    let keyed = key.map(|key| Keyed { id: key_of(by, &key), request: to.digest() });
    // First whether this token may at all: nobody else's address is asked anything before (T97). And the same key again:
    // what became of the first, if this is the same order (T73).
    let see = SeePayout { by: digest.clone(), id: hex::encode(id.0), keyed };
    let known: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, &account, "payout", &see).await?;
    match known {
        Ok(known) if to.could_be(&known) => return ordered(&see.id, &known),
        Ok(_) => return Err(No { status: 422, reason: ANOTHER_ORDER.to_owned() }.into()),
        // There is none under this id.
        Err(no) if no.status == 409 => {}
        Err(no) => return Err(no.into()),
    }
    let invoice = match &to {
        Recipient::Invoice { text, invoice, amount } => read(gate, text, invoice, *amount)?,
        Recipient::Address(address, amount) => lnurl::invoice_of(gate, address, *amount).await?,
    };
    if invoice.amount < limits.min || invoice.amount > limits.max {
        let (min, max) = (limits.min.0.div_ceil(1_000), limits.max.0 / 1_000);
        return Err(bad(format!("one payout is {min} to {max} sats")).into());
    }
    if let Some(owner) = owner(env, &invoice.payment_hash).await? {
        own_invoices::pay(gate, env, by, &see, &owner, &invoice).await?;
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
        keyed,
    };
    let seen: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, &account, "pay-out", &order).await?;
    let seen = carry_out(env, payer, &account, seen?).await?;
    log::event("payout", json!({"account": account, "amount_msat": order.amount_msat, "state": seen.state}));
    shown(&order.id, &seen)
}

/// What became of a payout.
pub async fn see(by: &BalanceToken, id: &str, env: &Env) -> Served<Response> {
    let see = SeePayout { by: hex::encode(by.digest()), id: id.to_owned(), keyed: None };
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

/// Who is to be paid, and how much: what an order means, however it is written.
enum Recipient {
    Invoice { text: String, invoice: Box<Invoice>, amount: Msat },
    Address(Address, Msat),
}

impl Recipient {
    fn read(gate: &Gate, body: &Value) -> Served<Self> {
        match (body.get("invoice").and_then(Value::as_str), body.get("address").and_then(Value::as_str)) {
            (Some(text), None) => {
                let text = pasted::invoice(text).map_err(|fault| bad(fault.to_string()))?;
                let invoice =
                    Invoice::parse(&text).map_err(|fault| bad(format!("the invoice cannot be read: {fault}")))?;
                let Some(amount) = invoice.amount else { return Err(bad("the invoice must ask for an amount").into()) };
                if body.get("amount_sats").is_some() && api::amount(body)? != amount {
                    return Err(bad("amount_sats is not what the invoice asks").into());
                }
                Ok(Self::Invoice { text, invoice: Box::new(invoice), amount })
            }
            (None, Some(text)) => {
                let amount = api::amount(body)?;
                Ok(Self::Address(lnurl::address(gate, text)?, amount))
            }
            _ => Err(bad("send either an invoice, or an address with amount_sats").into()),
        }
    }

    /// The order's name (T73): of its meaning, so that it is the same with other blanks or letters.
    fn digest(&self) -> Id {
        match self {
            Self::Invoice { invoice, amount, .. } => {
                Id::derive("order", &[b"invoice", &invoice.payment_hash.0, &amount.0.to_be_bytes()])
            }
            Self::Address(address, amount) => {
                Id::derive("order", &[b"address", address.to_string().as_bytes(), &amount.0.to_be_bytes()])
            }
        }
    }

    /// Whether a payout may have been ordered so. A key that an earlier version took is bound to no order (T86).
    fn could_be(&self, known: &PayoutSeen) -> bool {
        match self {
            Self::Invoice { invoice, .. } => invoice.payment_hash.to_string() == known.hash,
            Self::Address(_, amount) => amount.0 == known.amount_msat,
        }
    }
}

/// Reads an invoice that somebody wants to be paid.
fn read(gate: &Gate, bolt11: &str, invoice: &Invoice, amount: Msat) -> Served<Payable> {
    let expected = Expected {
        network: gate.policy.network,
        amount,
        payment_hash: invoice.payment_hash,
        min_expiry_s: EXPIRY_MIN_S,
        max_expiry_s: EXPIRY_MAX_S,
        now: http::now(),
    };
    invoice.check_to_pay(&expected).map_err(|fault| bad(format!("the invoice cannot be paid: {fault}")))?;
    Ok(Payable {
        bolt11: bolt11.to_ascii_lowercase(),
        payment_hash: invoice.payment_hash,
        amount,
        expires_at: invoice.expires_at(),
    })
}

/// The top-up that an invoice is for, if it is one of ours. The index says so: whose invoice it is, is for the payer to send.
async fn owner(env: &Env, hash: &PaymentHash) -> Served<Option<Listed>> {
    Ok(arrivals::listed(env, hash).await?)
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
        if let Some(cost) = routing_cost(&said.id, &heard) {
            count_routing(env, cost).await;
        }
        order = heard.order.take();
        seen = Some(heard);
    }
    Ok(seen)
}

/// What routing a refund has cost, once the node was definite about its payout.
fn routing_cost(payout: &str, seen: &PayoutSeen) -> Option<Cost> {
    let is_over = seen.is_refund && seen.state != "pending";
    is_over.then(|| Cost { payout: payout.to_owned(), msat: seen.fee_msat.unwrap_or(0) })
}

/// Corrects what was taken of the day for it. Where that fails, it stays taken.
pub async fn count_routing(env: &Env, cost: Cost) {
    if let Err(error) = ask::<()>(env, binding::ALLOWANCES, routing::NAME, "cost", &cost).await {
        log::failed("routing", &error.to_string());
    }
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

/// What the books' answer to one of these operations wants to be told elsewhere: another line for an alarm to follow.
pub fn left_over(operation: &str, question: &str, answer: &str) -> Option<String> {
    use crate::objects::words::Words;
    let order = match operation {
        "pay-answer" => {
            let seen = Answer::<PayoutSeen>::hear(answer).ok()?.ok()?;
            let payout = PayAnswer::hear(question).ok()?.id;
            match routing_cost(&payout, &seen) {
                Some(Cost { payout, msat }) => return Some(format!("routing {payout} {msat}")),
                None => seen.order,
            }
        }
        "session-close" => Answer::<SessionSeen>::hear(answer).ok()?.ok()?.order,
        _ => None,
    };
    order.map(|order| format!("pay {}", Word::say(&order)))
}
