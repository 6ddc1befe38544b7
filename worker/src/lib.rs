//! The edge shell: acts on what `l402` decides, and decides nothing.
//!
//! ```text
//! shim.mjs ── decide() ─┬─ forward (free, paid)        the hot path: one crossing, strings only
//!                       ├─ a finished "no"
//!                       └─ admit() ─▶ own surface · claim · charge ─▶ Response, or a verdict to forward
//! ```
//!
//! The modules follow a request: [`gate`] is the configuration, [`verdict`] the words between here and
//! the shim, [`admit`] everything that needs I/O, [`redeem`] what is counted, [`charge`] a 402 from budget to
//! challenge, [`own`] what lives under `/.well-known/satstile/`, [`objects`] the state.

mod admit;
mod arrivals;
mod breaker;
mod budget;
mod charge;
mod client;
mod crypto;
mod direct;
mod exchange;
mod files;
mod gate;
mod handover;
mod http;
mod invoice;
mod log;
mod node;
mod objects;
mod open;
mod own;
mod own_invoices;
mod page;
mod pass;
mod payouts;
mod pool;
mod prepaid;
mod receipts;
mod redeem;
mod refunds;
mod relay;
mod sessions;
mod settle;
mod spend;
mod status;
mod totals;
mod transfers;
mod verdict;
mod wait;
mod watch;

use l402::decide::Quote;
use l402::{Decision, Request, UnixTime};
use wasm_bindgen::prelude::*;
use worker::Env;

use gate::Setup;

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
    gate::with(|gate| match gate.decide(&request, UnixTime(now_s as u64)) {
        Decision::Free(pass) | Decision::Paid(pass) => verdict::forward(&pass),
        Decision::Refuse(refusal, reason) => {
            log::refused(&refusal, reason);
            verdict::respond(&refusal.answer(method == "HEAD"))
        }
        Decision::Preflight(methods) => verdict::respond(&http::preflight(&methods.to_string().replace(',', ", "))),
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

/// The answer when the origin did not answer as it should.
#[wasm_bindgen]
#[must_use]
pub fn upstream_fault(kind: &str) -> String {
    verdict::upstream_fault(kind)
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
        Ok(admit::Admission::Answer(response)) => Ok(web_sys::Response::from(response).into()),
        Ok(admit::Admission::Verdict(verdict)) => Ok(verdict.into()),
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
        None => verdict::upstream_fault(&fault),
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
        "look" => arrivals::look(order).await,
        "let-go" => arrivals::let_go(order, &env).await.map(|said| format!("let-go\n{said}")),
        _ => None,
    }
}

/// What an account's answer to one of these operations left to be done: another line for [`follow`], or nothing.
#[wasm_bindgen]
#[must_use]
pub fn left_over(operation: &str, answer: &str) -> Option<String> {
    payouts::left_over(operation, answer)
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
/// `Idempotency-Key`; `cost` what the origin said in its head, and `seen` in its stream, as far as the client had that.
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
) -> Result<(), JsValue> {
    let (cost_msat, seen_msat) = (spend::cost_in_head(&cost), spend::cost_in_stream(seen));
    let outcome = admit::Outcome { delivered, answer: answer.as_deref(), cost_msat, seen_msat };
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
