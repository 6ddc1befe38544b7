//! `handover`: a one-time link that opens what was paid for somewhere else: on another device, or in this browser
//! when the widget stands on another site and cannot set a cookie of ours.

use l402::UnixTime;
use l402::decide::{OWN_PREFIX, Place};
use l402::encoding::to_base64url;
use l402::keys::Purpose;
use l402::problem::Refusal;
use serde_json::json;
use sha2::{Digest, Sha256};
use worker::{Env, Request, Response, Result};

use crate::config::gate::Gate;
use crate::objects::{Hand, Handed, ask, binding};
use crate::platform::{crypto, http};
use crate::well_known::pass::{Grant, scope_of};

/// The longest path that a link can open.
const PATH_BYTES_MAX: usize = 2 * 1024;

/// Makes a link for the path in the body. A path that is not what was paid for is the same 404 as no payment.
pub async fn handover(gate: &Gate, place: &Place, mut request: Request, env: &Env) -> Result<Response> {
    let authorization = request.headers().get("authorization")?.unwrap_or_default();
    let Some(grant) = Grant::read(gate, &authorization) else { return http::refuse(&Refusal::NotFound, false) };
    let body = match http::body(&mut request, PATH_BYTES_MAX).await? {
        Ok(body) => body,
        Err(refusal) => return http::refuse(&refusal, false),
    };
    let path = String::from_utf8(body).unwrap_or_default();
    if scope_of(gate, &path).as_ref() != Some(&grant.scope) {
        return http::refuse(&Refusal::NotFound, false);
    }
    let code = crypto::random::<16>()?;
    let hand = Hand {
        code: fingerprint(&code),
        credential: format!("{}:{}", grant.token, grant.preimage),
        path,
        until: grant.valid_until.0,
    };
    let handed: Handed = ask(env, binding::PAYMENTS, &grant.hash.to_string(), "hand", &hand).await?;
    if handed.retry_after_s > 0 {
        return http::refuse(&Refusal::TooOften(handed.retry_after_s), false);
    }
    let link = seal(gate, &format!("{}.{}", grant.hash, to_base64url(&code)));
    // On the host that was asked: a pass opens its own host only, and the widget takes no link to another.
    let url = format!("{}{OWN_PREFIX}open/{link}", place.asked_url);
    http::json(200, &json!({"url": url, "expires_at": UnixTime(handed.ends_at).to_string()}))
}

/// `<payment hash>.<code>.<seal>`: for a link that we did not make, no object is asked (T64).
fn seal(gate: &Gate, named: &str) -> String {
    format!("{named}.{}", gate.keys.seal(Purpose::Handover, named))
}

/// What is kept of a code: whoever reads the storage has no link.
pub fn fingerprint(code: &[u8]) -> String {
    hex::encode(Sha256::digest(code))
}
