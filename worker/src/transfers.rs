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

use l402::balance::{AccountId, BalanceToken};
use l402::problem::Refusal;
use satstile_ledger::Id;
use serde_json::{Value, json};
use worker::{Env, Response};

use crate::gate::Gate;
use crate::objects::account::{Acked, Answer, CreditOrder, Send, TransferSeen};
use crate::objects::words::{Word, Words};
use crate::objects::{ask, binding};
use crate::prepaid::{self, Served, bad};
use crate::{http, log};

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
    let to = body.get("to").and_then(Value::as_str).and_then(AccountId::from_hex);
    let to = to.ok_or_else(|| bad("to must be the 32 hex digits of an account, as its `GET balance` says"))?;
    let (amount, account) = (prepaid::amount(body)?, by.account.to_string());
    let send = Send {
        by: hex::encode(by.digest()),
        id: hex::encode(Id::derive("transfer", &[&by.account.0, key.as_bytes()]).0),
        to: to.to_string(),
        amount_msat: amount.0,
    };
    let sent: Answer<TransferSeen> = ask(env, binding::ACCOUNTS, &account, "send", &send).await?;
    let seen = deliver(env, &account, sent?).await;
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

/// Carries the money over and the answer back. The sender's book has written it down, so it is sent, whatever fails here.
async fn deliver(env: &Env, account: &str, mut seen: TransferSeen) -> TransferSeen {
    let Some(order) = seen.order.take() else { return seen };
    let Some(acked) = carry(env, &order).await else { return seen };
    match ask::<Answer<TransferSeen>>(env, binding::ACCOUNTS, account, "ack", &acked).await {
        Ok(Ok(heard)) => heard,
        Ok(Err(no)) => {
            log::warn("transfer", &no.reason);
            seen
        }
        Err(error) => {
            log::failed("transfer", &error.to_string());
            seen
        }
    }
}

/// One message to the receiver's book; nothing where it does not answer.
async fn carry(env: &Env, order: &CreditOrder) -> Option<Acked> {
    match ask::<Answer<Acked>>(env, binding::ACCOUNTS, &order.to, "receive", order).await {
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

/// One message out of an alarm; the answer in the words of `ack`, or nothing.
pub async fn follow(line: &str, env: &Env) -> Option<String> {
    let acked = carry(env, &<CreditOrder as Word>::hear(line)?).await?;
    Some(Words::say(&acked))
}
