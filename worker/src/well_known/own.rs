//! What the kit itself serves, under `/.well-known/satstile/`.

use l402::PaymentHash;
use l402::balance::AccountId;
use l402::decide::Place;
use l402::problem::Refusal;
use l402::route::Methods;
use serde_json::json;
use subtle::ConstantTimeEq;
use worker::{Context, Env, Request, Response, Result};

use crate::accounts::{prepaid, refunds};
use crate::config::gate::{Gate, Setup};
use crate::invoices::invoice;
use crate::platform::{http, log};
use crate::well_known::{handover, open, pass, status};
use crate::{settle, totals};

/// Routes by name and method. Unknown names are the same 404 as everything that is not there.
pub async fn serve(
    setup: &Setup,
    name: &str,
    place: &Place,
    request: Request,
    env: &Env,
    ctx: &Context,
) -> Result<Response> {
    let method = request.inner().method();
    let gate = match setup {
        Setup::Ready(gate) => gate,
        Setup::Faulty { .. } if name == "health" && matches!(method.as_str(), "GET" | "HEAD") => {
            return http::json(503, &json!({"status": "not-ready"}));
        }
        Setup::Faulty { .. } => return http::refuse(&Refusal::NotReady, method == "HEAD"),
    };
    let is_head = method == "HEAD";
    let answered = match (name, method.as_str()) {
        ("status", "POST") => status::status(gate, &place.public_url, &request, env, ctx).await,
        ("settlements", "POST") => settle::pushed(gate, request, env, ctx).await,
        ("health", "GET" | "HEAD") => health(),
        ("keys.json", "GET" | "HEAD") => keys(gate).await,
        ("audit", "GET" | "POST") => audit(gate, &request, env).await,
        ("pass", "GET" | "HEAD" | "POST" | "DELETE") => pass::pass(gate, place, &request, env).await,
        ("refund", "POST") => refunds::again(gate, place, &request, env).await,
        ("handover", "POST") => handover::handover(gate, place, request, env).await,
        ("status" | "handover" | "refund", "OPTIONS") => {
            http::response(&http::preflight("POST", wished(&request).as_deref()))
        }
        ("keys.json" | "health", "OPTIONS") => {
            http::response(&http::preflight("GET, HEAD", wished(&request).as_deref()))
        }
        ("status" | "settlements" | "handover" | "refund", _) => {
            http::refuse(&Refusal::Method(methods("POST")), is_head)
        }
        ("health" | "keys.json", _) => http::refuse(&Refusal::Method(methods("GET")), is_head),
        ("audit", _) => http::refuse(&Refusal::Method(methods("GET,POST")), is_head),
        ("pass", _) => http::refuse(&Refusal::Method(methods("GET,POST,DELETE")), is_head),
        (name, "GET") if name.starts_with("refund/") => {
            refunds::link(gate, place, name.trim_start_matches("refund/"), &request, env).await
        }
        _ => match (name.strip_prefix("open/"), method.as_str()) {
            (Some(link), "GET" | "HEAD" | "POST") => open::open(gate, place, link, &request, env).await,
            (Some(_), _) => http::refuse(&Refusal::Method(methods("GET,POST")), is_head),
            (None, _) => http::refuse(&Refusal::NotFound, is_head),
        },
    }?;
    // For no script of any other site, with the key or cookie or without (T108, T114).
    if matches!(name, "audit" | "pass") || name.starts_with("open/") {
        answered.headers().delete("access-control-allow-origin")?;
        answered.headers().delete("access-control-expose-headers")?;
    }
    Ok(answered)
}

/// What a preflight asks to send.
fn wished(request: &Request) -> Option<String> {
    request.headers().get("access-control-request-headers").ok().flatten()
}

/// Whether this isolate can do its work. Tokens that were paid for go on to open their doors while nothing can be sold, so that is
/// no 503; why it cannot be sold is in the log, and not for strangers (T60, T128).
fn health() -> Result<Response> {
    match invoice::can_sell() {
        true => http::json(200, &json!({"status": "ok"})),
        false => http::json(
            200,
            &json!({
                "status": "degraded", "selling": false,
                "detail": "Nothing can be sold just now: the last invoice that was asked for could not be made. Paid tokens keep working.",
            }),
        ),
    }
}

fn methods(name: &str) -> Methods {
    Methods::listed(name).unwrap_or(Methods::NONE)
}

/// The public keys that receipts are checked with (C16).
async fn keys(gate: &Gate) -> Result<Response> {
    let mut answer = http::bare(200);
    answer.headers.retain(|(name, _)| *name != "cache-control");
    answer.headers.push(("content-type", "application/jwk-set+json".to_owned()));
    answer.headers.push(("cache-control", "public, max-age=300".to_owned()));
    answer.body = gate.receipts.published().await?;
    http::response(&answer)
}

/// For the operator alone (T108, T128): totals by service; with `?account=`, the invariants over the books of that account,
/// or of a purchase that is given back, named by its payment hash; a breach stops what would begin anew (T75). POST lets it go on, once a person has looked.
async fn audit(gate: &Gate, request: &Request, env: &Env) -> Result<Response> {
    let authorization = request.headers().get("authorization")?.unwrap_or_default();
    let given = authorization.strip_prefix("Bearer ").and_then(l402::encoding::base64_any).unwrap_or_default();
    if !bool::from(given.ct_eq(gate.audit_key.expose())) {
        log::warn("audit", "asked for without the operator's key");
        return http::refuse(&Refusal::Unauthorized, false);
    }
    let account = http::parameter(request, "account");
    let is_post = request.inner().method() == "POST";
    if let Some(account) = account {
        if AccountId::from_hex(&account).is_none() && PaymentHash::from_hex(&account).is_none() {
            return http::refuse(&Refusal::NotFound, false);
        }
        return prepaid::audit(env, &account.to_ascii_lowercase(), is_post).await;
    }
    if is_post {
        return http::refuse(&Refusal::Method(methods("GET")), false);
    }
    let mut services = serde_json::Map::new();
    for service in &gate.policy.services {
        let c = totals::read(env, &service.id).await?;
        let counts = json!({
            "challenges": c.challenges, "settled": c.settled, "settled_msat": c.settled_msat, "allowed": c.allowed,
            "would_charge": c.would_charge, "would_charge_msat": c.would_charge_msat,
            "node_fee_msat": c.node_fee_msat,
        });
        services.insert(service.id.clone(), counts);
    }
    http::json(200, &json!({"deployment": gate.policy.deployment, "services": services}))
}
