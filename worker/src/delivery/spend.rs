//! A request that a prepaid balance pays for: hold what it may cost, forward, settle what it did cost (T79 – T81).
//!
//! A service at a fixed price charges that, whatever its origin says. Where the policy names a ceiling (`ceiling_msat`), the
//! origin says what a use costs: in the head of its answer (`Satstile-Cost-Msat: 1234`), or, where it knows that only
//! on the way, in a stream of events: in comments (`: satstile-cost-msat=1234`), each of which counts from the beginning.
//! The most that was said in the stream counts, 0 included, and the head where the stream says nothing; the ledger charges
//! no more than the ceiling.
//!
//! | how it ends | what is charged |
//! | --- | --- |
//! | the client had all of it | what the stream said; else what the head said; else the price |
//! | the client left after the first byte, or our own time limit came | the same, by what had been sent until then |
//! | the client left before the first byte | nothing; an order (no GET or HEAD) that was answered by anything but a stream that we read was carried out: by the head, else the price |
//! | the origin broke off | what the stream said until then; else nothing |
//! | the same where the request had a body, which the client may have broken off | as if the client had left |
//! | the origin failed before the first byte, or by its status | nothing |
//! | nobody says how it ended (this worker died) | what the stream had said when that was last written down, else nothing; once the hold's time is over |

use l402::decide::{Quote, Spend};
use l402::problem::Refusal;
use serde_json::json;
use worker::{Context, Env, Request, Result};

use crate::config::gate::Gate;
use crate::delivery::hold::{BALANCE_FIELD, hold_ttl_s};
use crate::delivery::ticket::{Admission, Outcome, Ticket};
use crate::delivery::{charge, verdict};
use crate::objects::account::{self, Answer, Left};
use crate::objects::{ask, binding};
use crate::platform::{crypto, log};

/// Reserves, then forwards; or offers an invoice, when the balance does not cover it.
pub async fn spend(gate: &Gate, spend: &Spend<'_>, request: &Request, env: &Env, ctx: &Context) -> Result<Admission> {
    let quote = &spend.otherwise;
    let price = quote.service.price.min(spend.ceiling);
    let question = account::Reserve {
        token: hex::encode(spend.token.digest()),
        id: hex::encode(crypto::random::<32>()?),
        ceiling_msat: spend.ceiling.0,
        estimate_msat: price.0,
        ttl_s: hold_ttl_s(gate),
    };
    let account = spend.token.account.to_string();
    // What delivers nothing costs nothing: it is asked whether the balance would do, and nothing is held.
    if quote.is_head {
        let covers: Answer<Left> = ask(env, binding::ACCOUNTS, &account, "covers", &question).await?;
        return match covers {
            Ok(left) => {
                let added = [(BALANCE_FIELD, left.available_msat.to_string())];
                Ok(Admission::Verdict(verdict::forward_with(&quote.pass, &added, None)))
            }
            Err(no) => refused(gate, quote, &no, request, env, ctx).await,
        };
    }
    let held: Answer<Left> = ask(env, binding::ACCOUNTS, &account, "hold", &question).await?;
    match held {
        Ok(left) => {
            let is_metered = quote.service.ceiling.is_some();
            let ticket = Ticket::Hold { account, id: question.id, price_msat: price.0, is_metered }.to_line();
            let added = [(BALANCE_FIELD, left.available_msat.to_string())];
            let forward =
                verdict::forward_with(&quote.pass.clone().paid(&quote.service.id, None), &added, Some(&ticket));
            // Nobody reads costs in what is compressed, and whether it is shall not be for the client to choose.
            Ok(Admission::Verdict(if is_metered { verdict::uncompressed(forward) } else { forward }))
        }
        Err(no) => refused(gate, quote, &no, request, env, ctx).await,
    }
}

/// What follows from the book's "no".
async fn refused(
    gate: &Gate,
    quote: &Quote<'_>,
    no: &account::No,
    request: &Request,
    env: &Env,
    ctx: &Context,
) -> Result<Admission> {
    match no.status {
        // An invoice for this one request, in the place of a bare "no".
        402 => charge::charge(gate, quote, request, env, ctx).await,
        401 => Ok(Admission::refuse(&Refusal::Forgery { service: &quote.service.id }, quote.is_head)),
        _ => {
            log::warn("balance", &no.reason);
            Ok(Admission::refuse_to(quote, &Refusal::Unavailable(60)))
        }
    }
}

/// Settles or voids a hold.
pub async fn end(env: &Env, account: &str, id: String, price_msat: u64, outcome: Outcome<'_>) -> Result<()> {
    let cost_msat = outcome.seen_msat.or_else(|| outcome.delivered.then(|| outcome.cost_msat.unwrap_or(price_msat)));
    let question = account::End { id, cost_msat, has_begun: cost_msat.is_some() };
    let ended: Answer<Left> = ask(env, binding::ACCOUNTS, account, "end", &question).await?;
    if let Err(no) = ended {
        log::event("hold not ended", json!({"account": account, "reason": no.reason}));
    }
    Ok(())
}

/// Writes down what a use has cost so far, for the case that nobody will say how it ended.
pub async fn progress(env: &Env, account: &str, id: String, seen_msat: u64) -> Result<()> {
    let noted: Answer<Left> =
        ask(env, binding::ACCOUNTS, account, "progress", &account::Seen { id, seen_msat }).await?;
    if let Err(no) = noted {
        log::warn("progress", &no.reason);
    }
    Ok(())
}

/// What `Satstile-Cost-Msat` says: digits and nothing else, or nothing. A number beyond all is beyond every ceiling.
pub fn cost_in_head(field: &str) -> Option<u64> {
    let is_number = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| field.parse().unwrap_or(u64::MAX))
}

/// What the shim counted in a stream; negative when that said nothing. Exact up to 2^53 msat, which no ceiling reaches.
pub fn cost_in_stream(seen: f64) -> Option<u64> {
    (seen >= 0.0).then_some(seen as u64)
}
