//! Everything that needs I/O: one `match` on what the core decided.

use l402::Decision;
use l402::encoding::to_base64;
use l402::problem::Refusal;
use worker::{Context, Env, Request, Result};

use crate::accounts::prepaid;
use crate::config::gate::{self, Setup};
use crate::delivery::ticket::{Admission, Outcome, Ticket};
use crate::delivery::{charge, page, redeem, sessions, spend, verdict};
use crate::objects::{Conclude, Concluded, Taken, ask, binding};
use crate::platform::{http, log};
use crate::well_known::{own, watch};

/// Decides again, with the request at hand, and acts.
pub async fn admit(request: Request, asked: &l402::Request<'_>, env: &Env, ctx: &Context) -> Result<Admission> {
    let refuse = |refusal: &Refusal<'_>| Ok(Admission::answer(&page::refuse_request(refusal, asked)));
    let Some(setup) = gate::current() else { return refuse(&Refusal::NotReady) };
    match setup.decide(asked, http::now()) {
        Decision::Free(pass) | Decision::Paid(pass) => Ok(Admission::Verdict(verdict::forward(&pass))),
        Decision::Own(name, place) => match watch::verdict(&setup, &name, &request) {
            Some(verdict) => Ok(Admission::Verdict(verdict)),
            None => Ok(Admission::Answer(own::serve(&setup, &name, &place, request, env, ctx).await?)),
        },
        Decision::Preflight(methods) => Ok(Admission::answer(&http::route_preflight(methods, asked))),
        Decision::Refuse(refusal, _) => refuse(&refusal),
        Decision::Charge(quote) => match &*setup {
            Setup::Ready(gate) => charge::charge(gate, &quote, &request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Prepaid(asked) => match &*setup {
            Setup::Ready(gate) => Ok(Admission::Answer(prepaid::serve(gate, &asked, request, env).await?)),
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Spend(spend) => match &*setup {
            Setup::Ready(gate) => spend::spend(gate, &spend, &request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Session(session) => match &*setup {
            Setup::Ready(gate) => sessions::serve(gate, &session, &request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Claim(claim) => match &*setup {
            Setup::Ready(gate) => redeem::redeem(gate, &claim, request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
    }
}

/// Writes down what an answer under way has cost so far; only a balance is charged by it.
pub async fn progress(env: &Env, ticket: &str, seen_msat: Option<u64>) -> Result<()> {
    match (Ticket::from_line(ticket), seen_msat) {
        (Some(Ticket::Hold { account, id, is_metered: true, .. }), Some(seen_msat)) => {
            spend::progress(env, &account, id, seen_msat).await
        }
        _ => Ok(()),
    }
}

/// Ends what [`Ticket`] names; whether what was delivered is kept. An attempt that failed may be tried again with the same
/// payment (D8).
pub async fn conclude(env: &Env, ticket: &str, outcome: Outcome<'_>) -> Result<bool> {
    let Outcome { delivered, answer, .. } = outcome;
    match Ticket::from_line(ticket).ok_or("not a ticket of ours")? {
        Ticket::Payment { hash, id } => {
            let end = Conclude { id, delivered, answer: answer.map(to_base64) };
            let concluded: Concluded = ask(env, binding::PAYMENTS, &hash, "conclude", &end).await?;
            return Ok(concluded.keeps);
        }
        Ticket::Session { .. } => sessions::end(env, ticket, outcome).await?,
        Ticket::Hold { account, id, price_msat, is_metered } => {
            // A price that is fixed is nobody's to change, whatever the shim has read.
            let (cost_msat, seen_msat) = if is_metered { (outcome.cost_msat, outcome.seen_msat) } else { (None, None) };
            let outcome = Outcome { cost_msat, seen_msat, ..outcome };
            spend::end(env, &account, id, price_msat, outcome).await?;
        }
        Ticket::Allowance { .. } if delivered => {}
        Ticket::Allowance { name, take } => {
            let back: Taken = ask(env, binding::ALLOWANCES, &name, "give-back", &take).await?;
            log::event("allowance returned", serde_json::json!({"remaining": back.remaining}));
        }
    }
    Ok(false)
}
