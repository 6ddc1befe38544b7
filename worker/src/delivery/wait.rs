//! A browser without JavaScript comes back every five seconds with its `wait` cookie (C6).

use l402::bolt11::Invoice;
use l402::caveat::{self, Demand};
use l402::challenge::Challenge;
use l402::cookie::{WAIT_MARGIN_S, Waiting};
use l402::decide::Quote;
use l402::problem::Answer;
use l402::route::Methods;
use l402::token::{Token, UnverifiedToken};
use worker::{Context, Env, Request, Result};

use crate::config::gate::Gate;
use crate::delivery::unlock::hold;
use crate::platform::http;
use crate::settle;
use crate::well_known::minted::{Proof, as_minted};

/// What became of the challenge that the browser was shown.
pub enum Waited {
    /// Paid: the same page again, with the cookie that opens it.
    Unlocked(Answer),
    /// Not paid yet, and it still can be: the same challenge, never a new invoice.
    Same(Box<Challenge>),
    /// Too late to pay. A payment that is still under way is watched for a while longer.
    Over(Option<Waiting>),
}

/// Looks after the invoices in a `wait` cookie: the one that is shown, and the one before it.
pub async fn resume(
    gate: &Gate,
    quote: &Quote<'_>,
    unverified_wait: &str,
    request: &Request,
    env: &Env,
    ctx: &Context,
) -> Result<Waited> {
    let opened = Waiting::open(&gate.keys, &quote.service.scope(quote.route), unverified_wait);
    let Some((waiting, token, invoice)) = opened.and_then(|waiting| good_for(gate, quote, waiting)) else {
        return Ok(Waited::Over(None));
    };
    for paid in
        [Some(token.clone()), waiting.previous.as_deref().and_then(|text| verified(gate, text))].into_iter().flatten()
    {
        let Some(minted) = as_minted(gate, &paid) else { continue };
        let settlement = settle::of_token(gate, env, ctx, request, &paid, minted.invoice_expires_at).await?;
        match settlement.and_then(|settlement| Proof::of(gate, minted.service, &paid, &settlement)) {
            Some(Proof::Preimage(preimage)) => return Ok(Waited::Unlocked(unlock(gate, quote, &paid, &preimage))),
            Some(Proof::Attested(token, attestation)) => {
                return Ok(Waited::Unlocked(unlock(gate, quote, &token, &attestation.expose_hex())));
            }
            None => {}
        }
    }
    // After a change of price the old invoice is watched, and no longer shown.
    if http::now() < invoice.expires_at() && invoice.amount == Some(quote.service.price) {
        let challenge =
            Challenge::new(quote.service, quote.route, &quote.place, &gate.keys, &token, waiting.bolt11, invoice);
        return Ok(challenge.map_or(Waited::Over(None), |challenge| Waited::Same(Box::new(challenge))));
    }
    let still_watched = http::now() < invoice.expires_at().plus(WAIT_MARGIN_S);
    Ok(Waited::Over(still_watched.then_some(waiting)))
}

/// The token and invoice of a cookie of ours, if they are for this very page.
fn good_for(gate: &Gate, quote: &Quote<'_>, waiting: Waiting) -> Option<(Waiting, Token, Invoice)> {
    let token = verified(gate, &waiting.token)?;
    let demand = Demand {
        deployment: &gate.policy.deployment,
        service: &quote.service.id,
        route: &quote.route.id,
        method: Methods::one("GET")?,
        allow_attested: quote.service.allow_attested,
        now: http::now(),
    };
    caveat::clear(token.caveats(), &demand).ok()?;
    let invoice = Invoice::parse(&waiting.bolt11).ok()?;
    Some((waiting, token, invoice))
}

fn verified(gate: &Gate, text: &str) -> Option<Token> {
    UnverifiedToken::parse(text).ok()?.verify(&gate.keys).ok().filter(|token| !token.is_retired)
}

/// 303 to the same page, with the pass and without the wait.
fn unlock(gate: &Gate, quote: &Quote<'_>, token: &Token, preimage_hex: &str) -> Answer {
    let target = quote.pass.url.strip_prefix(&gate.policy.origin).unwrap_or("/");
    let life_s = quote.service.valid_s.saturating_add(gate.policy.invoice_expiry_s);
    let mut answer = hold(303, &quote.service.scope(quote.route), &token.to_wire(), preimage_hex, life_s);
    answer.headers.push(("location", target.to_owned()));
    answer
}
