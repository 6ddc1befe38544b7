//! An invoice of ours is paid between two balances, once, with nothing paid over Lightning (T95).
//!
//! ```text
//! payer's book: into the outbox ──▶ node: invoice.cancel ──▶ receiver's book: credits the top-up, or declines
//!        ▲                                                                     │
//!        └──────── delivered; or back with the payer, and the answer is 409 ◀──┘
//! ```
//!
//! Only a refill is paid so: its account has its tokens. Who ordered a first top-up claims it by a preimage, and that
//! nobody gets where nothing is paid. It is money from one balance to another, so the policy must have `transfers` on.

use l402::balance::BalanceToken;
use satstile_lightning::lnurl::pay::Payable;
use serde_json::json;
use worker::Env;

use crate::accounts::api::Served;
use crate::accounts::transfers;
use crate::config::gate::Gate;
use crate::objects::account::{Answer, Listed, No, SeePayout, SeeTopUp, Send, TopUpSeen};
use crate::objects::{ask, binding};
use crate::platform::log;

/// Orders it, under the id of the withdrawal. What became of it is in the payer's book.
pub async fn pay(
    gate: &Gate,
    env: &Env,
    by: &BalanceToken,
    order: &SeePayout,
    topup: &Listed,
    invoice: &Payable,
) -> Served<()> {
    if !gate.policy.prepaid.as_ref().is_some_and(|module| module.transfers) {
        return Err(not_here().into());
    }
    let account = by.account.to_string();
    let to = topup.account.as_str();
    if account == to {
        return Err(no("the invoice fills this very balance: paying oneself is no payment").into());
    }
    let hash = invoice.payment_hash.to_string();
    // Of a refill its book knows more: another balance may have paid it. A new account has no book yet.
    let is_credited = match topup.is_refill && !topup.is_credited {
        true => {
            let see = SeeTopUp { hash: hash.clone() };
            let seen: Answer<TopUpSeen> = ask(env, binding::ACCOUNTS, to, "topup", &see).await?;
            let Ok(seen) = seen else { return Err(not_here().into()) };
            seen.is_credited
        }
        false => topup.is_credited,
    };
    if is_credited {
        return Err(no("the invoice has been paid already").into());
    }
    if !topup.is_refill {
        return Err(no(
            "the invoice opens a new balance here, which is claimed by the proof of a Lightning payment: pay it \
                       from another wallet; or order it with the token of a balance, or use transfer",
        )
        .into());
    }
    if topup.asked_msat != invoice.amount.0 {
        return Err(no("the invoice is for another amount than its top-up").into());
    }
    let send = Send {
        by: hex::encode(by.digest()),
        id: order.id.clone(),
        to: to.to_owned(),
        amount_msat: invoice.amount.0,
        invoice: Some(hash),
        keyed: order.keyed,
    };
    let seen = transfers::carry_out(gate, env, &account, &send).await?;
    let payment = invoice.payment_hash.short();
    log::event("own invoice", json!({"account": account, "payment": payment, "state": seen.state}));
    Ok(())
}

/// The money is back with who wanted to pay.
pub fn declined() -> No {
    no(
        "the invoice is one of ours and could not be settled between the balances: it was paid meanwhile, or the node cannot \
        withdraw it from Lightning. Nothing was paid, and the amount is back in the balance",
    )
}

/// Nobody settles it here.
pub fn not_here() -> No {
    no("the invoice is one of ours: it fills a balance here and is paid by another wallet")
}

fn no(reason: &str) -> No {
    No { status: 409, reason: reason.to_owned() }
}
