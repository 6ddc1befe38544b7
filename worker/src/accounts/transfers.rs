//! From one balance to another here: two books, two objects, and no transaction over both (T84).
//!
//! ```text
//! sender's book: out of the balance, into the outbox
//!        │ credit                            ▲ ack: it has the money, or there is no such account
//!        ▼                                   │
//! receiver's book: into the balance, and the inbox, once
//! ```
//!
//! The request carries both messages. What is lost on the way, whoever is killed, the alarm of the sender's book carries
//! again, with growing pauses, until there is an answer (T85). Until then the money is in transit and nobody's to spend.
//!
//! An invoice of ours is paid the same way. Before each message the node is asked to withdraw it, and the message says
//! whether it is withdrawn definitely: else somebody could pay it over Lightning as well (T95).

use l402::PaymentHash;
use l402::balance::{AccountId, BalanceToken};
use l402::encoding::to_base64url;
use l402::problem::Refusal;
use l402::relay::{CancelState, CancelStatus, InvoiceCancel, RelayCall};
use satstile_ledger::{BookId, Id};
use serde_json::{Value, json};
use worker::{Env, Response};

use crate::accounts::api::{self, Served, bad};
use crate::config::gate::{self, Gate, Setup};
use crate::invoices::backend::Webhook;
use crate::invoices::relay;
use crate::objects::account::{Acked, Answer, CreditOrder, Send, TransferSeen};
use crate::objects::words::{Word, Words};
use crate::objects::{Keyed, ask, binding};
use crate::platform::{crypto, http, log};

/// `{"to": "<account>", "amount_sats": 10}`: the balance gives to another. A key is asked for, since a transfer has no
/// invoice to be told from its repetition by (T73).
pub async fn transfer(
    gate: &Gate,
    by: &BalanceToken,
    (body, key): (&Value, Option<String>),
    env: &Env,
) -> Served<Response> {
    if !gate.policy.prepaid.as_ref().is_some_and(|module| module.transfers) {
        return Err(Refusal::NotFound.into());
    }
    let key = key.ok_or_else(|| bad("send an Idempotency-Key: without one a repeated request would send twice"))?;
    let to = body.get("to").and_then(Value::as_str).and_then(|to| Some((to, AccountId::from_address(to, &gate.keys)?)));
    let (to, (named, is_ours)) = to.ok_or_else(|| bad("to must be an account, as its `GET balance` says"))?;
    let (amount, account) = (api::amount(body)?, by.account.to_string());
    let send = Send {
        by: hex::encode(by.digest()),
        id: hex::encode(Id::derive("transfer", &[&by.account.0, key.as_bytes()]).0),
        to: to.to_ascii_lowercase(),
        amount_msat: amount.0,
        invoice: None,
        keyed: Some(Keyed {
            id: api::key_of(by, &key),
            request: Id::derive("order", &[b"transfer", &named.0, &amount.0.to_be_bytes()]),
        }),
    };
    let seen =
        if is_ours { carry_out(gate, env, &account, &send).await? } else { come_back(env, &account, &send).await? };
    log::event("transfer", json!({"account": account, "amount_msat": amount.0, "state": seen.state}));
    Ok(http::json(
        200,
        &json!({
            "transfer_id": send.id,
            "status": seen.state,
            "amount_sats": amount.0 / 1_000,
            "balance_sats": seen.available_msat / 1_000,
            "balance_msat": seen.available_msat,
        }),
    )?)
}

/// To a name that was never given here: nobody is there, and no object is asked whether somebody is (T64).
async fn come_back(env: &Env, account: &str, send: &Send) -> Served<TransferSeen> {
    let sent: Answer<TransferSeen> = ask(env, binding::ACCOUNTS, account, "send", send).await?;
    let seen = sent?;
    let (Some(order), Some(to)) = (&seen.order, AccountId::from_hex(send.to.get(..32).unwrap_or_default())) else {
        return Ok(seen);
    };
    let nobody = Acked { id: order.id.clone(), by: hex::encode(BookId::of_account(&to.0).0), accepted: false };
    let bounced: Answer<TransferSeen> = ask(env, binding::ACCOUNTS, account, "ack", &nobody).await?;
    Ok(bounced?)
}

/// Takes the money out of the sender's book, carries it over, and the answer back.
pub async fn carry_out(gate: &Gate, env: &Env, account: &str, send: &Send) -> Served<TransferSeen> {
    let sent: Answer<TransferSeen> = ask(env, binding::ACCOUNTS, account, "send", send).await?;
    let mut seen = sent?;
    // From here on it is written down, and is sent whatever fails here.
    let Some(order) = seen.order.take() else { return Ok(seen) };
    let Some(acked) = carry(env, Some(gate), &order).await else { return Ok(seen) };
    Ok(match ask::<Answer<TransferSeen>>(env, binding::ACCOUNTS, account, "ack", &acked).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(no)) => {
            log::warn("transfer", &no.reason);
            seen
        }
        Err(error) => {
            log::failed("transfer", &error.to_string());
            seen
        }
    })
}

/// One message to the receiver's book; nothing where it does not answer.
async fn carry(env: &Env, gate: Option<&Gate>, order: &CreditOrder) -> Option<Acked> {
    let is_canceled = match &order.invoice {
        // Without its settings the worker cannot ask, and does not guess.
        Some(hash) => is_canceled(gate?.payer.as_ref(), PaymentHash::from_hex(hash)?).await?,
        None => false,
    };
    let order = &CreditOrder { is_canceled, ..order.clone() };
    // Behind the name of an old account stands that it was given here.
    let name = order.to.get(..32).unwrap_or(&order.to);
    match ask::<Answer<Acked>>(env, binding::ACCOUNTS, name, "receive", order).await {
        Ok(Ok(acked)) => Some(acked),
        Ok(Err(no)) => {
            log::event("transfer waits", json!({"to": order.to, "reason": no.reason}));
            None
        }
        Err(error) => {
            log::failed("transfer", &error.to_string());
            None
        }
    }
}

/// Whether nobody can pay an invoice of ours any more; `None` while nobody knows, for then it may be withdrawn already.
async fn is_canceled(payer: Option<&Webhook>, payment_hash: PaymentHash) -> Option<bool> {
    // Payouts were switched off in the meantime: nobody withdraws it, and the money comes back.
    let Some(payer) = payer else { return Some(false) };
    let id = format!("cancel.{}", to_base64url(&crypto::random::<16>().ok()?));
    let call = RelayCall::InvoiceCancel(InvoiceCancel { payment_hash });
    // A node webhook that signs "no" has asked nobody.
    let Some(reply) = relay::heard(payer, &id, &call).await.ok()? else { return Some(false) };
    let said = CancelStatus::parse(&reply);
    let status = said.map_err(|fault| log::warn("transfer", &fault.to_string())).ok()?.status;
    match status {
        CancelState::Canceled => Some(true),
        CancelState::Settled | CancelState::Open | CancelState::NotFound => {
            log::event("own invoice", json!({"payment": payment_hash.short(), "node": format!("{status:?}")}));
            Some(false)
        }
        CancelState::Unknown => None,
    }
}

/// One message out of an alarm; the answer in the words of `ack`, or nothing.
pub async fn follow(line: &str, env: &Env) -> Option<String> {
    let setup = gate::current();
    let gate = match setup.as_deref() {
        Some(Setup::Ready(gate)) => Some(&**gate),
        _ => None,
    };
    let acked = carry(env, gate, &<CreditOrder as Word>::hear(line)?).await?;
    Some(Words::say(&acked))
}
