//! A request that did not pay: let it through after all (dry run, free allowance), or sell.

use l402::caveat;
use l402::challenge::Challenge;
use l402::cookie::{WAIT_MARGIN_S, Waiting};
use l402::decide::Quote;
use l402::identifier::Identifier;
use l402::policy::{FreeAllowance, Mode};
use l402::problem::{Answer, Refusal};
use l402::reference;
use l402::token::Token;
use serde_json::json;
use worker::{Context, Env, Request, Result};

use crate::config::gate::Gate;
use crate::delivery::ticket::{Admission, Ticket};
use crate::delivery::wait::{self, Waited};
use crate::delivery::{page, sessions, verdict};
use crate::invoices::order::{Made, Wanted};
use crate::invoices::{budget, client, invoice, pool};
use crate::objects::{Take, Taken, ask, binding};
use crate::platform::{crypto, http, log};
use crate::totals;

/// Answers a quote.
pub async fn charge(gate: &Gate, quote: &Quote<'_>, request: &Request, env: &Env, ctx: &Context) -> Result<Admission> {
    let price = i64::try_from(quote.service.price.0).unwrap_or(i64::MAX);
    let reason = quote.reason.map_or_else(|| "no credential".to_owned(), |denial| denial.to_string());
    // (1) What is let through without paying.
    if gate.policy.mode == Mode::DryRun {
        log::event("would_charge", json!({"service": quote.service.id, "amount_msat": price, "reason": reason}));
        totals::count(env, ctx, &quote.service.id, |counts| {
            counts.would_charge += 1;
            counts.would_charge_msat += price;
        });
        return Ok(Admission::Verdict(verdict::forward(&quote.pass)));
    }
    if let Some(allowance) = quote.service.free_allowance
        && let Some(verdict) = allowed(gate, quote, allowance, request, env, ctx).await
    {
        return Ok(Admission::Verdict(verdict));
    }
    if quote.is_head {
        return Ok(Admission::refuse_to(quote, &Refusal::UnpaidHead));
    }
    if let Some(sessions) = gate.policy.sessions.as_ref().filter(|_| quote.by_session) {
        return sessions::offer(gate, sessions, quote, request, env, ctx).await;
    }
    // (2) A browser that is waiting for its payment gets its page, or the same challenge again.
    let mut previous = None;
    if let Some(unverified_wait) = &quote.unverified_wait {
        match wait::resume(gate, quote, unverified_wait, request, env, ctx).await? {
            Waited::Unlocked(answer) => return Ok(Admission::answer(&answer)),
            Waited::Same(challenge) => return Ok(Admission::answer(&show(gate, quote, &challenge, None))),
            Waited::Over(watched) => previous = watched.map(|waiting| waiting.token),
        }
    }
    // (3) A new invoice, within every budget.
    let (policy, service, host) = (&gate.policy, quote.service, &quote.place.host);
    let made = if let Some(ready) = pool::take(service, host, policy.invoice_expiry_s) {
        match budget::take_ahead(env, policy, &quote.place, request).await {
            Ok(()) => Ok(ready),
            Err(refusal) => {
                pool::give_back(service, host, ready);
                return Ok(Admission::refuse_to(quote, &refusal));
            }
        }
    } else {
        let permit = match budget::take(env, policy, &quote.place, request).await {
            Ok(permit) => permit,
            Err(refusal) => return Ok(Admission::refuse_to(quote, &refusal)),
        };
        let made = invoice::create(gate, &Wanted::grant(service, host)).await;
        drop(permit);
        made
    };
    let made = match made {
        Ok(made) => made,
        Err(fault) => return Ok(Admission::refuse_to(quote, &fault.refusal())),
    };
    pool::refill(env, ctx, service, host);
    totals::count(env, ctx, &quote.service.id, |counts| counts.challenges += 1);
    Ok(Admission::answer(&sell(gate, quote, made, previous)?))
}

/// The whole of the above where nothing has to be waited for: live, nothing given away, nobody's page that waits, an
/// invoice at hand, and the budgets as well. Then the request crosses the wasm border once.
pub fn at_once(gate: &Gate, quote: &Quote<'_>, request: &Request) -> Option<AtOnce> {
    let (service, host, policy) = (quote.service, &quote.place.host, &gate.policy);
    let is_plain = policy.mode == Mode::Live
        && service.free_allowance.is_none()
        && !quote.is_head
        && !quote.by_session
        && quote.unverified_wait.is_none();
    if !is_plain {
        return None;
    }
    let made = pool::take(service, host, policy.invoice_expiry_s)?;
    if !budget::take_held(policy, &quote.place, request) {
        pool::give_back(service, host, made);
        return None;
    }
    let answer = sell(gate, quote, made, None).map_err(|e| log::failed("charge", &e.to_string())).ok()?;
    totals::gather(&service.id, |counts| counts.challenges += 1);
    let leaves_work = totals::is_due() || pool::wanted(service, host) > 0;
    Some(AtOnce { answer, leaves_work: leaves_work.then(|| format!("{} {host}", service.id)) })
}

/// A 402 without waiting, and what is to be done after it.
pub struct AtOnce {
    pub answer: Answer,
    /// For [`afterwards`].
    pub leaves_work: Option<String>,
}

/// What [`at_once`] left: counts to write, a pool to fill.
pub fn afterwards(gate: &Gate, work: &str, env: &Env, ctx: &Context) {
    if totals::is_due() {
        totals::write_soon(env, ctx);
    }
    let Some((service, host)) = work.split_once(' ') else { return };
    if let Some(service) = gate.policy.service_named(service) {
        pool::refill(env, ctx, service, host);
    }
}

/// The token that this invoice pays for, and the 402 with both.
fn sell(gate: &Gate, quote: &Quote<'_>, made: Made, previous: Option<String>) -> Result<Answer> {
    let Made { bolt11, invoice, reference } = made;
    let price = i64::try_from(quote.service.price.0).unwrap_or(i64::MAX);
    let reason = quote.reason.map_or_else(|| "no credential".to_owned(), |denial| denial.to_string());
    let identifier = Identifier::new(invoice.payment_hash, gate.keys.minting_id(), crypto::random()?);
    let valid_until = invoice.expires_at().plus(quote.service.valid_s);
    let mut caveats = caveat::minted(&gate.policy, quote.service, quote.route, valid_until);
    reference::conceal(&gate.keys, &identifier, &reference, &mut caveats).ok_or("a reference too long for a token")?;
    let token = Token::mint(&gate.keys, identifier, &caveats).map_err(|denial| denial.to_string())?;
    let challenge = Challenge::new(quote.service, quote.route, &quote.place, &gate.keys, &token, bolt11, invoice)
        .map_err(|fault| fault.to_string())?;
    let payment = challenge.invoice.payment_hash.short();
    log::event(
        "challenge",
        json!({"service": quote.service.id, "amount_msat": price, "reason": reason, "payment": payment}),
    );
    Ok(show(
        gate,
        quote,
        &challenge,
        Some(Waiting { token: challenge.token.clone(), bolt11: challenge.bolt11.clone(), previous }),
    ))
}

/// The 402, for people or for programs; the same header fields for both.
fn show(gate: &Gate, quote: &Quote<'_>, challenge: &Challenge, waiting: Option<Waiting>) -> Answer {
    let mut answer = challenge.answer(quote.payment_first, quote.reason);
    if quote.wants_html {
        let path = quote.pass.url.strip_prefix(&gate.policy.origin).unwrap_or("/");
        let page = page::render(challenge, path, &answer.body, quote, http::now());
        answer.headers.retain(|(name, _)| *name != "content-type");
        answer.headers.extend(page.headers);
        answer.body = page.html;
        if let Some(waiting) = waiting {
            let life_s = gate.policy.invoice_expiry_s.saturating_add(WAIT_MARGIN_S);
            answer
                .headers
                .push(("set-cookie", waiting.set_cookie(&gate.keys, &quote.service.scope(quote.route), life_s)));
        }
    }
    answer
}

/// The verdict to forward for nothing, while the client's allowance lasts. Whatever goes wrong here
/// charges (C14).
async fn allowed(
    gate: &Gate,
    quote: &Quote<'_>,
    allowance: FreeAllowance,
    request: &Request,
    env: &Env,
    ctx: &Context,
) -> Option<String> {
    let name = format!("{}:{}", quote.service.id, client::key(&gate.policy, request));
    let take = Take { count: allowance.count, window_s: allowance.window_s };
    let taken: Result<Taken> = ask(env, binding::ALLOWANCES, &name, "take", &take).await;
    let remaining = taken.map_err(|error| log::failed("allowance", &error.to_string())).ok()?.remaining?;
    totals::count(env, ctx, &quote.service.id, |counts| counts.allowed += 1);
    let ticket = Ticket::Allowance { name, take }.to_line();
    Some(verdict::forward_with(&quote.pass, &[("satstile-free-remaining", remaining.to_string())], Some(&ticket)))
}
