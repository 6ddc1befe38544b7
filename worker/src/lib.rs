//! The edge shell: acts on what `l402` decides, and decides nothing.
//!
//! ```text
//! shim.mjs ── decide() ─┬─ forward (free, paid)        the hot path: one crossing, strings only
//!                       ├─ a finished "no"
//!                       └─ admit() ─▶ own surface · claim · charge ─▶ Response, or a verdict to forward
//! ```
//!
//! [`config`] is read once. A request goes through [`delivery`], where [`verdict`] has the words between here and the shim
//! and [`admit`] everything that needs I/O; what it has to pay is made in [`invoices`]. [`accounts`] is what comes into a
//! balance and goes out, [`well_known`] what lives under `/.well-known/satstile/`, [`objects`] the state, [`platform`] what the
//! runtime has and the core lacks.

mod accounts;
mod config;
mod delivery;
mod invoices;
mod objects;
mod platform;
mod settle;
mod totals;
mod well_known;

use l402::client::Connection;
use l402::decide::Quote;
use l402::problem::Stake;
use l402::{Decision, Request, UnixTime};
use wasm_bindgen::prelude::*;
use worker::Env;

use accounts::{arrivals, payouts, refunds, transfers};
use config::gate::{self, Setup};
use delivery::{admit, charge, page, sessions, spend, ticket, verdict};
use platform::{exchange, http, log};
use well_known::files;

/// Reads the configuration; the shim calls it once for each new instance. `build` names the widget's files.
#[wasm_bindgen]
pub fn configure(env: &Env, policy_file: &str, build: &str, shim: exchange::Shim) {
    exchange::load(shim);
    files::load(build);
    gate::load(env, policy_file);
}

/// The verdict on a request, in the words of [`verdict`]; empty before [`configure`].
#[wasm_bindgen]
#[must_use]
pub fn decide(unread: &web_sys::Request, method: &str, url: &str, headers: &str, has_body: bool, now_s: f64) -> String {
    let request = Request { method, url, headers, has_body };
    gate::meet(Connection::first_of(headers));
    gate::with(|gate| match gate.decide(&request, UnixTime(now_s as u64)) {
        Decision::Free(pass) | Decision::Paid(pass) => verdict::forward(&pass),
        Decision::Refuse(refusal, reason) => {
            log::refused(&refusal, reason);
            verdict::respond(&page::refuse_request(&refusal, &request))
        }
        Decision::Preflight(methods) => verdict::respond(&http::route_preflight(methods, &request)),
        Decision::Own(name, _) => files::verdict(gate, &name, &request).unwrap_or_else(|| verdict::ADMIT.to_owned()),
        Decision::Charge(quote) => at_once(gate, &quote, unread).unwrap_or_else(|| verdict::ADMIT.to_owned()),
        Decision::Claim(_) | Decision::Spend(_) | Decision::Session(_) | Decision::Prepaid(_) => {
            verdict::ADMIT.to_owned()
        }
    })
    .unwrap_or_default()
}

fn at_once(setup: &Setup, quote: &Quote<'_>, unread: &web_sys::Request) -> Option<String> {
    let Setup::Ready(gate) = setup else { return None };
    // Another handle on the same request: its own `clone` would copy the body, too.
    let request: web_sys::Request = JsValue::clone(unread).unchecked_into();
    let sold = charge::at_once(gate, quote, &request.into())?;
    Some(match sold.leaves_work {
        None => verdict::respond(&sold.answer),
        Some(work) => verdict::respond_and(&sold.answer, &work),
    })
}

/// What an answer left to be done, in the words that its verdict had.
#[wasm_bindgen]
pub fn afterwards(work: &str, env: &Env, ctx: worker::worker_sys::Context) {
    let ctx = worker::Context::new(ctx);
    gate::with(|setup| {
        if let Setup::Ready(gate) = setup {
            charge::afterwards(gate, work, env, &ctx);
        }
    });
}

/// What the shim does to responses, as JSON: `0` for free routes, `1` for paid ones.
#[wasm_bindgen]
#[must_use]
pub fn response_rules(number: &str) -> String {
    gate::with(|gate| verdict::response_rules(gate, number)).unwrap_or_default()
}

/// The answer when the origin did not answer as it should, to a request with this method and `Accept`.
#[wasm_bindgen]
#[must_use]
pub fn upstream_fault(kind: &str, is_paid: bool, method: &str, accept: &str) -> String {
    verdict::upstream_fault(kind, if is_paid { Stake::Payment } else { Stake::Nothing }, (method, accept))
}

/// Writes down that the origin did not answer as it should, when it was asked for this URL.
#[wasm_bindgen]
pub fn note_upstream_fault(kind: &str, url: &str, error: &str) {
    verdict::note_fault(kind, url, error);
}

/// Whether an origin's `WWW-Authenticate` asks for a payment, which is ours to ask for.
#[wasm_bindgen]
#[must_use]
pub fn asks_for_payment(challenge: &str) -> bool {
    l402::response::asks_for_payment(challenge)
}

/// Everything that needs I/O. Gives a `Response`, or a verdict. The strings are those that [`decide`] had.
///
/// # Errors
/// What the platform threw; the shim answers 503.
#[wasm_bindgen]
pub async fn admit(
    request: web_sys::Request,
    method: String,
    url: String,
    headers: String,
    has_body: bool,
    env: Env,
    ctx: worker::worker_sys::Context,
) -> Result<JsValue, JsValue> {
    let ctx = worker::Context::new(ctx);
    let asked = Request { method: &method, url: &url, headers: &headers, has_body };
    match admit::admit(request.into(), &asked, &env, &ctx).await {
        Ok(ticket::Admission::Answer(response)) => Ok(web_sys::Response::from(response).into()),
        Ok(ticket::Admission::Verdict(verdict)) => Ok(verdict.into()),
        Err(error) => {
            log::failed("admit", &error.to_string());
            Ok(verdict::respond(&l402::problem::Refusal::Unavailable(1).answer(false)).into())
        }
    }
}

/// Ends a delivery that failed for good, where such a purchase is given back: the verdict of the answer. `fault` is what
/// [`upstream_fault`] takes, a status code, or the origin's own word; `terms` what the verdict to forward had.
#[wasm_bindgen]
pub async fn give_back(env: Env, claim: String, fault: String, terms: String) -> String {
    match refunds::Failure::read(&claim, &fault, &terms) {
        Some(failure) => refunds::give_back(&env, &failure).await,
        None => verdict::upstream_fault(&fault, Stake::Payment, ("GET", "")),
    }
}

/// Whether this instance has read its configuration.
#[wasm_bindgen]
#[must_use]
pub fn is_configured() -> bool {
    gate::current().is_some()
}

/// One line of what an account's alarm left to be done elsewhere; for its books the operation that takes the answer, a
/// line break and the answer, or nothing.
#[wasm_bindgen]
pub async fn follow(order: String, env: Env) -> Option<String> {
    let (kind, order) = order.split_once(' ')?;
    match kind {
        "pay" => payouts::follow(order).await.map(|said| format!("pay-answer\n{said}")),
        "close" => Some(sessions::close_idle(order)),
        "credit" => transfers::follow(order, &env).await.map(|said| format!("ack\n{said}")),
        "routing" => {
            let (payout, msat) = order.split_once(' ')?;
            let cost = objects::routing::Cost { payout: payout.to_owned(), msat: msat.parse().ok()? };
            payouts::count_routing(&env, cost).await;
            None
        }
        "deposit" => sessions::unused(order, &env).await,
        "look" => arrivals::look(order).await,
        "look-listed" => arrivals::look_listed(order, &env).await,
        "let-go" => arrivals::let_go(order, &env).await.map(|said| format!("let-go\n{said}")),
        _ => None,
    }
}

/// What an account's answer to one of these operations left to be done: another line for [`follow`], or nothing.
#[wasm_bindgen]
#[must_use]
pub fn left_over(operation: &str, question: &str, answer: &str) -> Option<String> {
    payouts::left_over(operation, question, answer)
}

/// Charges units of a session and reserves more; see `sessions::meter`.
///
/// # Errors
/// What the platform threw, or the books refused; what was reserved ends by itself.
#[wasm_bindgen]
pub async fn meter(env: Env, ticket: String, used: u32, want: u32) -> Result<String, JsValue> {
    sessions::meter(&env, &ticket, used.into(), want.into()).await.map_err(|error| {
        log::failed("meter", &error.to_string());
        JsValue::from(error)
    })
}

/// Ends a claim: delivered, or free to be tried again. `answer` is what is to be kept of a delivery under its
/// `Idempotency-Key`, and the reply says whether it is; `cost` what the origin said in its head, and `seen` in its stream, as
/// far as the client had that.
///
/// # Errors
/// What the platform threw; the claim's lease ends it later.
#[wasm_bindgen]
pub async fn conclude(
    env: Env,
    claim: String,
    delivered: bool,
    answer: Option<Vec<u8>>,
    cost: String,
    seen: f64,
) -> Result<bool, JsValue> {
    let (cost_msat, seen_msat) = (spend::cost_in_head(&cost), spend::cost_in_stream(seen));
    let outcome = ticket::Outcome { delivered, answer: answer.as_deref(), cost_msat, seen_msat };
    admit::conclude(&env, &claim, outcome).await.map_err(|error| {
        log::failed("conclude", &error.to_string());
        JsValue::from(error)
    })
}

/// Writes down what an answer that is under way has cost so far, as its stream said. What comes to nothing here is
/// told by [`conclude`], or is not charged.
#[wasm_bindgen]
pub async fn progress(env: Env, claim: String, seen: f64) {
    if let Err(error) = admit::progress(&env, &claim, spend::cost_in_stream(seen)).await {
        log::failed("progress", &error.to_string());
    }
}
