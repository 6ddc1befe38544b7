//! A request that a prepaid balance pays for: hold what it may cost, forward, settle what it did cost (T79 – T81).
//!
//! | how it ends | what is charged |
//! | --- | --- |
//! | the client had all of it | what the origin says in `Satstile-Cost-Msat`, 0 included; else the price |
//! | the client left in the middle, or our own time limit came, after the first byte | the same |
//! | the origin failed, before or in the middle | nothing |
//! | nobody says how it ended (this worker died) | nothing, once the hold's time is over |

use l402::decide::Spend;
use l402::problem::Refusal;
use serde_json::json;
use worker::{Context, Env, Request, Result};

use crate::admit::{Admission, Outcome, Ticket};
use crate::gate::Gate;
use crate::objects::account::{self, Answer, Left};
use crate::objects::{ask, binding};
use crate::{charge, crypto, log, verdict};

/// A hold outlives the longest response by half as much again, in seconds, and by this much at most.
const HOLD_MARGIN_MAX_S: u32 = 60;
/// What is left, in msat, for the client to see.
const BALANCE_FIELD: &str = "satstile-balance-msat";

/// Reserves, then forwards; or offers an invoice, when the balance does not cover it.
pub async fn spend(gate: &Gate, spend: &Spend<'_>, request: &Request, env: &Env, ctx: &Context) -> Result<Admission> {
    let (quote, limits) = (&spend.otherwise, gate.policy.timeouts);
    let price = quote.service.price.min(spend.ceiling);
    let longest = limits.longest_s();
    let question = account::Reserve {
        token: hex::encode(spend.token.digest()),
        id: hex::encode(crypto::random::<32>()?),
        ceiling_msat: spend.ceiling.0,
        estimate_msat: price.0,
        ttl_s: longest.saturating_add((longest / 2).min(HOLD_MARGIN_MAX_S)).min(satstile_ledger::hold::HOLD_TTL_MAX_S),
    };
    let account = spend.token.account.to_string();
    let held: Answer<Left> = ask(env, binding::ACCOUNTS, &account, "hold", &question).await?;
    match held {
        Ok(left) => {
            let ticket = Ticket::Hold { account, id: question.id, price_msat: price.0 }.to_line();
            let added = [(BALANCE_FIELD, left.available_msat.to_string())];
            Ok(Admission::Verdict(verdict::forward_with(&quote.pass, &added, Some(&ticket))))
        }
        Err(no) => match no.status {
            // An invoice for this one request, in the place of a bare "no".
            402 => charge::charge(gate, quote, request, env, ctx).await,
            401 => Ok(Admission::refuse(&Refusal::Forgery { service: &quote.service.id }, quote.is_head)),
            _ => {
                log::warn("balance", &no.reason);
                Ok(Admission::refuse(&Refusal::Unavailable(60), quote.is_head))
            }
        },
    }
}

/// Settles or voids a hold.
pub async fn end(env: &Env, account: &str, id: String, price_msat: u64, outcome: Outcome<'_>) -> Result<()> {
    let cost_msat = outcome.delivered.then(|| outcome.cost_msat.unwrap_or(price_msat));
    let question = account::End { id, cost_msat, has_begun: outcome.delivered };
    let ended: Answer<Left> = ask(env, binding::ACCOUNTS, account, "end", &question).await?;
    if let Err(no) = ended {
        log::event("hold not ended", json!({"account": account, "reason": no.reason}));
    }
    Ok(())
}
