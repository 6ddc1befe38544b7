//! `pass`: a credential that a script holds, as this browser's cookie: set, asked about, forgotten (C6).
//!
//! The cookie is the one that a browser without JavaScript gets, so that a paid picture, download or page opens
//! by its plain address. All of it is for pages of this site: no answer here has a CORS field.

use l402::caveat::{self, Demand, body_matches};
use l402::cookie::{clear_pass, clear_wait, set_pass};
use l402::credential::Credential;
use l402::decide::{Claim, Place, Proof};
use l402::path::{RequestUrl, decode};
use l402::problem::{Answer, Refusal};
use l402::route::{Access, Methods};
use l402::{Decision, PaymentHash, UnixTime};
use serde_json::json;
use worker::{Env, Request, Response, Result};

use crate::config::gate::Gate;
use crate::delivery::redeem;
use crate::delivery::unlock::hold;
use crate::objects::{Claimed, ask, binding};
use crate::platform::{http, log};
use crate::well_known::minted::as_minted;

/// A paid credential, exactly as it was minted, that is good for reading, now.
pub struct Grant {
    /// What was paid.
    pub hash: PaymentHash,
    /// What it opens.
    pub scope: String,
    /// Until when.
    pub valid_until: UnixTime,
    /// The token on the wire.
    pub token: String,
    /// The proof, hex: a preimage, or the attestation of an attested token.
    pub preimage: String,
}

impl Grant {
    /// Reads `L402 <macaroon>:<preimage>`. Nothing is counted: what a grant has left shows when it is used. A narrowed
    /// token is none: a delegate's few minutes must not become a cookie or a link of their own.
    pub fn read(gate: &Gate, authorization: &str) -> Option<Self> {
        let Ok(Some(Credential::L402(unverified))) = Credential::parse(authorization) else { return None };
        let verified = unverified.verify(&gate.keys).ok()?;
        let (token, preimage) = verified.sole()?;
        let minted = as_minted(gate, token)?;
        let route = caveat::value(token.caveats(), "satstile_route").unwrap_or_default();
        let demand = Demand {
            deployment: &gate.policy.deployment,
            service: &minted.service.id,
            route,
            method: Methods::one("GET")?,
            allow_attested: minted.service.allow_attested,
            now: http::now(),
        };
        let terms = caveat::clear(token.caveats(), &demand).ok()?;
        Some(Self {
            hash: token.identifier.payment_hash,
            scope: minted.service.scope_of(route),
            valid_until: terms.valid_until,
            token: token.to_wire(),
            preimage: preimage.expose_hex(),
        })
    }

    /// The `Set-Cookie` of it, for as long as it lasts.
    pub fn cookie(&self) -> String {
        set_pass(&self.scope, &self.token, &self.preimage, http::now().until(self.valid_until))
    }

    /// The answer that makes the browser hold it for as long as it lasts.
    pub fn hold(&self, status: u16) -> Answer {
        hold(status, &self.scope, &self.token, &self.preimage, http::now().until(self.valid_until))
    }
}

/// `POST` sets, `GET` asks, `DELETE` forgets.
pub async fn pass(gate: &Gate, place: &Place, request: &Request, env: &Env) -> Result<Response> {
    let method = request.inner().method();
    let url = request.inner().url();
    let header = |name: &str| request.headers().get(name).ok().flatten();
    // What writes is asked for by our own pages only (T114).
    if !matches!(method.as_str(), "GET" | "HEAD") && header("origin").is_some_and(|from| !place.is_home(&from)) {
        return http::refuse(&Refusal::OtherSite, false);
    }
    let answer = match method.as_str() {
        "POST" => header("authorization").and_then(|value| Grant::read(gate, &value)).map(|grant| grant.hold(204)),
        "DELETE" => wanted(&url).and_then(|path| scope_of(gate, &path)).map(|scope| {
            let mut answer = http::bare(204);
            answer.headers.push(("set-cookie", clear_pass(&scope)));
            answer.headers.push(("set-cookie", clear_wait(&scope)));
            answer
        }),
        // "No" is an answer like "yes": a browser would write a 404 into every visitor's console.
        _ => {
            let cookie = header("cookie").unwrap_or_default();
            let is_open = match wanted(&url) {
                Some(path) => opens(gate, env, &url, &path, &cookie).await,
                None => false,
            };
            return http::json(200, &json!({"open": is_open}));
        }
    };
    match answer {
        Some(answer) => http::response(&answer),
        None => http::refuse(&Refusal::NotFound, false),
    }
}

/// The `for` of the query, as `encodeURIComponent` wrote it: a path and query of ours, or nothing.
fn wanted(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let path = query.split('&').find_map(|pair| pair.strip_prefix("for="))?;
    String::from_utf8(decode(path).into_owned()).ok().filter(|path| path.starts_with('/'))
}

/// Whether a GET with these cookies would be let in now. It is decided as any request is, and nothing comes of it: a
/// counted grant is asked what is left of it, and not used.
pub async fn opens(gate: &Gate, env: &Env, url: &str, path: &str, cookie: &str) -> bool {
    let Ok(asked) = RequestUrl::split(url) else { return false };
    let request = l402::Request {
        method: "GET",
        url: &format!("{}://{}{path}", asked.scheme, asked.unverified_authority),
        headers: &format!("cookie:{cookie}"),
        has_body: false,
    };
    match l402::decide(&gate.policy, &gate.keys, &request, http::now()) {
        Decision::Free(_) | Decision::Paid(_) => true,
        Decision::Claim(claim) => is_left(env, &claim).await.unwrap_or_else(|error| {
            log::failed("pass", &error.to_string());
            false
        }),
        _ => false,
    }
}

/// Whether another delivery of a grant could begin now, of a GET.
async fn is_left(env: &Env, claim: &Claim<'_>) -> Result<bool> {
    // A cookie holds no other credential.
    let Proof::L402(paid) = &claim.proof else { return Ok(false) };
    if paid.terms.digest.is_some_and(|digest| !body_matches(&digest, b"")) {
        return Ok(false);
    }
    let Some(count) = redeem::count_of(claim, paid) else { return Ok(true) };
    let left = redeem::left(count);
    let left: Claimed = ask(env, binding::PAYMENTS, &paid.payment_hash.to_string(), "left", &left).await?;
    Ok(matches!(left, Claimed::Granted { .. }))
}

/// What a purchase for this path opens; `None` where nothing is sold to read.
pub fn scope_of(gate: &Gate, path: &str) -> Option<String> {
    let target = gate.policy.routes.target(path).ok()?;
    let route = gate
        .policy
        .routes
        .find(&target)
        .filter(|route| Methods::one("GET").is_some_and(|get| route.methods.contains(get)))?;
    match route.access {
        Access::Service(index) => Some(gate.policy.service(index)?.scope(route)),
        Access::Free => None,
    }
}
