//! The module `prepaid`: fill a balance, claim its token, look at it, change its tokens (systems C, C17).
//!
//! ```text
//! POST topup        ──▶ invoice; the account is fixed, and its books know the hash
//!      (paid)       ──▶ the node's push, or the claim, looks the invoice up and credits it, once
//! POST topup/claim  ──▶ the token, to who shows the preimage
//! ```
//!
//! Where an answer of ours was lost, the same request with the `claim_secret` of the top-up gets the same token again: it
//! is derived, not stored. Without it a preimage claims once, since others on the route have seen it.

use l402::balance::{AccountId, BalanceToken};
use l402::decide::Prepaid as Asked;
use l402::encoding::{base64_any, to_base64url};
use l402::policy::{Prepaid, PrepaidRoute};
use l402::problem::{Refusal, problem};
use l402::{Msat, PaymentHash, Preimage};
use satstile_ledger::topup::secret_digest;
use serde_json::{Value, json};
use worker::{Env, Request, Response, Result};

use crate::arrivals::{self, Arrival};
use crate::gate::Gate;
use crate::invoice::{self, Wanted};
use crate::node::NodeFault;
use crate::objects::account::{self, Answer, No};
use crate::objects::words::Words;
use crate::objects::{Own, Owner, ask, binding};
use crate::{budget, crypto, http, log, payouts, transfers};

/// What a top-up's invoice is for. No service has this name.
pub const TOPUP: &str = "_topup";
/// What the secret of a top-up is derived for.
const CLAIM_SECRET: &str = "claim";
/// The most that a request to the module may say.
const BODY_BYTES_MAX: usize = 4_096;
/// How many lines of its history a balance tells at most.
const HISTORY_MAX: u32 = 100;

/// Answers a request to the module.
pub async fn serve(gate: &Gate, asked: &Asked, request: Request, env: &Env) -> Result<Response> {
    let Some(module) = &gate.policy.prepaid else { return http::refuse(&Refusal::NotFound, false) };
    let response = match asked.route {
        PrepaidRoute::TopUp => top_up(gate, module, asked, request, env).await,
        PrepaidRoute::Claim => claim(gate, module, asked, request, env).await,
        PrepaidRoute::Balance => balance(asked, &request, env).await,
        PrepaidRoute::Token => change(gate, module, asked, env, "token").await,
        PrepaidRoute::Rotate => change(gate, module, asked, env, "rotate").await,
        PrepaidRoute::Revoke => revoke(gate, module, asked, request, env).await,
        PrepaidRoute::Withdraw => withdraw(gate, asked, request, env).await,
        PrepaidRoute::Transfer => transfer(gate, asked, request, env).await,
        PrepaidRoute::Payout => payout(gate, asked, &request, env).await,
    };
    match response {
        Ok(response) => Ok(response),
        Err(Said::No(answer)) => refuse(&answer),
        Err(Said::Refused(refusal)) => http::refuse(&refusal, false),
        Err(Said::Platform(error)) => {
            // Unknown is not "no": nothing was forwarded, and what was written is found by the next request.
            log::failed("prepaid", &error.to_string());
            http::refuse(&Refusal::Unavailable(5), false)
        }
    }
}

/// Why there is no answer.
pub enum Said {
    /// The books say no.
    No(No),
    /// We do.
    Refused(Refusal<'static>),
    /// The platform failed.
    Platform(worker::Error),
}

impl From<worker::Error> for Said {
    fn from(error: worker::Error) -> Self {
        Self::Platform(error)
    }
}

impl From<No> for Said {
    fn from(no: No) -> Self {
        Self::No(no)
    }
}

impl From<Refusal<'static>> for Said {
    fn from(refusal: Refusal<'static>) -> Self {
        Self::Refused(refusal)
    }
}

/// An answer, or why there is none.
pub type Served<T> = core::result::Result<T, Said>;

/// `{"amount_sats": 120}`: an invoice that fills a new balance, or that of the token that came along.
async fn top_up(gate: &Gate, module: &Prepaid, asked: &Asked, mut request: Request, env: &Env) -> Served<Response> {
    let body = body(&mut request).await?;
    let amount = amount(&body)?;
    if amount < module.topup_min || amount > module.topup_max {
        let (min, max) = (module.topup_min.0 / 1_000, module.topup_max.0 / 1_000);
        return Err(bad(format!("amount_sats must be a whole number from {min} to {max}")).into());
    }
    let bearer = match token(module, gate, asked, &body)? {
        // A token that was revoked fills nothing: its holder would not see the money again.
        Some(bearer) => Some(known(bearer, env).await?),
        None => None,
    };
    let permit = budget::take(env, &gate.policy, &asked.place, &request).await?;
    let description = format!("Balance at {}", asked.place.host);
    let wanted = Wanted { name: TOPUP, amount, description, purpose: "topup", payee: None };
    let made = invoice::create(gate, &wanted).await.map_err(NodeFault::refusal)?;
    drop(permit);

    let hash = made.invoice.payment_hash;
    let account = match &bearer {
        Some(token) => token.account,
        None => AccountId(crypto::random()?),
    };
    let secret = secrets(gate, CLAIM_SECRET, account, hash).next().ok_or(Refusal::NotReady)?;
    let open = account::OpenTopUp {
        account: account.to_string(),
        hash: hash.to_string(),
        asked_msat: amount.0,
        secret: module.claim_secret.then(|| hex::encode(secret_digest(&secret).0)),
        reference: made.reference,
        ends_at: made.invoice.expires_at().0,
        is_refill: bearer.is_some(),
    };
    // The hash first, then the books: an account that does not know its hash could never be credited.
    let own = Own { account: account.to_string(), instead_of: None };
    let owner: Owner = ask(env, binding::PAYMENTS, &hash.to_string(), "own", &own).await?;
    if owner.account.as_deref() != Some(account.to_string().as_str()) {
        log::warn("prepaid", "the node gave an invoice of another account again");
        return Err(Refusal::BadInvoice.into());
    }
    in_account::<()>(env, account, "open", &open).await?;
    log::event("topup", json!({"amount_msat": amount.0, "payment": hash.short(), "refill": bearer.is_some()}));
    Ok(http::json(
        200,
        &json!({
            "invoice": made.bolt11,
            "payment_request": made.bolt11,
            "payment_hash": hash.to_string(),
            "amount_sats": amount.0 / 1_000,
            "amount_msat": amount.0,
            "expires_at": made.invoice.expires_at().to_string(),
            "claim_secret": to_base64url(&secret),
            "claim_secret_required": module.claim_secret,
            "claim_url": format!("{}{}/topup/claim", asked.place.public_url, module.path),
        }),
    )?)
}

/// `{"preimage": "…", "token"?: "…", "claim_secret"?: "…"}`: the token of the balance that was paid.
async fn claim(gate: &Gate, module: &Prepaid, asked: &Asked, mut request: Request, env: &Env) -> Served<Response> {
    let body = body(&mut request).await?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let preimage =
        text("preimage").and_then(Preimage::from_hex).ok_or_else(|| bad("preimage must be 64 hex digits"))?;
    let secret = match text("claim_secret") {
        Some(text) => Some(base64_any(text).and_then(|b| <[u8; 32]>::try_from(b).ok()).ok_or_else(wrong_secret)?),
        None => None,
    };
    let bearer = token(module, gate, asked, &body)?;
    let hash = preimage.payment_hash();
    // Only what a top-up recorded can be claimed; a purchase's preimage is no money here (C17).
    let account = arrivals::account_of(env, &hash).await?.ok_or_else(unknown_payment)?;
    if bearer.as_ref().is_some_and(|token| token.account != account) {
        let reason = "the payment belongs to another account".to_owned();
        return Err(No { status: 403, reason }.into());
    }
    let may_repeat = secret.is_some_and(|given| secrets(gate, CLAIM_SECRET, account, hash).any(|one| one == given));
    if secret.is_some() && !may_repeat {
        return Err(wrong_secret().into());
    }
    match arrivals::arrived(gate, env, &hash).await? {
        Arrival::Credited => {}
        Arrival::NotYet => {
            let reason = "the payment has not arrived yet; try again when the wallet says that it was paid".to_owned();
            return Err(No { status: 402, reason }.into());
        }
        // Nobody paid it in time, and it was forgotten.
        Arrival::Unknown => return Err(unknown_payment().into()),
    }
    let derived = secrets(gate, "token", account, hash).next().ok_or(Refusal::NotReady)?;
    let new = BalanceToken::new(account, derived);
    let question = account::Claim {
        preimage: preimage.expose_hex(),
        secret: secret.map(hex::encode),
        bearer: bearer.as_ref().map(|token| hex::encode(token.digest())),
        digest: hex::encode(new.digest()),
        may_repeat,
    };
    let claimed: account::Claimed = in_account(env, account, "claim", &question).await?;
    let token = bearer.unwrap_or(new);
    log::event("claimed", json!({"account": account.to_string(), "payment": hash.short()}));
    Ok(http::json(
        200,
        &json!({
            "token": token.to_text(&gate.keys, &module.token_prefix),
            "balance_sats": claimed.available_msat / 1_000,
            "balance_msat": claimed.available_msat,
            "credited_sats": claimed.credited_msat / 1_000,
        }),
    )?)
}

/// Balance and history; `?limit=` lines of it, from `?before=` on backwards.
async fn balance(asked: &Asked, request: &Request, env: &Env) -> Served<Response> {
    let token = required(asked)?;
    let number = |name: &str| http::parameter(request, name).and_then(|value| value.parse().ok());
    let question = account::SeeSheet {
        account: token.account.to_string(),
        by: hex::encode(token.digest()),
        before: number("before").unwrap_or(u64::MAX),
        limit: number("limit").map_or(20, |limit| u32::try_from(limit).unwrap_or(HISTORY_MAX).min(HISTORY_MAX)),
    };
    let sheet: account::Sheet = in_account(env, token.account, "sheet", &question).await?;
    Ok(http::json_text(200, sheet.json)?)
}

/// `token`: one more that can only spend. `rotate`: a new one in the place of the one that asks.
async fn change(gate: &Gate, module: &Prepaid, asked: &Asked, env: &Env, operation: &str) -> Served<Response> {
    let by = required(asked)?;
    let new = BalanceToken::new(by.account, crypto::random()?);
    let question = account::Change { by: hex::encode(by.digest()), about: hex::encode(new.digest()) };
    in_account::<()>(env, by.account, operation, &question).await?;
    let scope = (operation == "token").then_some("spend");
    Ok(http::json(200, &json!({"token": new.to_text(&gate.keys, &module.token_prefix), "scope": scope}))?)
}

/// `{"token": "…"}`, or the token that asks itself.
async fn revoke(gate: &Gate, module: &Prepaid, asked: &Asked, mut request: Request, env: &Env) -> Served<Response> {
    let by = required(asked)?;
    let body = body(&mut request).await?;
    let about = match body.get("token").and_then(Value::as_str) {
        Some(text) => {
            BalanceToken::verify(text, &gate.keys, &module.token_prefix).map_err(|_| Refusal::Unauthorized)?
        }
        None => by.clone(),
    };
    if about.account != by.account {
        return Err(Refusal::NotFound.into());
    }
    let question = account::Change { by: hex::encode(by.digest()), about: hex::encode(about.digest()) };
    in_account::<()>(env, by.account, "revoke", &question).await?;
    Ok(http::json(200, &json!({"revoked": true}))?)
}

/// The balance pays an invoice or a Lightning address, where the policy has `payouts`.
async fn withdraw(gate: &Gate, asked: &Asked, mut request: Request, env: &Env) -> Served<Response> {
    let (by, key) = (required(asked)?, key(&request)?);
    let body = body(&mut request).await?;
    payouts::withdraw(gate, &by, (&body, key), env).await
}

/// The balance gives to another one here, where the policy has `transfers`.
async fn transfer(gate: &Gate, asked: &Asked, mut request: Request, env: &Env) -> Served<Response> {
    let (by, key) = (required(asked)?, key(&request)?);
    let body = body(&mut request).await?;
    transfers::transfer(gate, &by, (&body, key), env).await
}

/// The request's `Idempotency-Key`.
fn key(request: &Request) -> Served<Option<String>> {
    let Some(field) = request.headers().get("idempotency-key")? else { return Ok(None) };
    Ok(Some(l402::idempotency::key(&field).map_err(Refusal::Malformed)?.to_owned()))
}

/// What became of a payout.
async fn payout(gate: &Gate, asked: &Asked, request: &Request, env: &Env) -> Served<Response> {
    if gate.policy.payouts.is_none() {
        return Err(Refusal::NotFound.into());
    }
    let url = request.inner().url();
    let id = url.split(['?', '#']).next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    payouts::see(&required(asked)?, id, env).await
}

/// The invariants over an account's books; or let them go on.
pub async fn audit(env: &Env, name: &str, thaw: bool) -> Result<Response> {
    if thaw {
        let thawed: Answer<()> = ask(env, binding::ACCOUNTS, name, "thaw", &()).await?;
        if let Err(no) = thawed {
            return refuse(&no);
        }
    }
    let sheet: Answer<account::Sheet> = ask(env, binding::ACCOUNTS, name, "audit", &()).await?;
    match sheet {
        Ok(sheet) => http::json_text(200, sheet.json),
        // The key was right: there is no such account.
        Err(no) if no.status == 401 => http::refuse(&Refusal::NotFound, false),
        Err(no) => refuse(&no),
    }
}

/// An operation in an account's books.
async fn in_account<T: Words>(env: &Env, account: AccountId, operation: &str, question: &impl Words) -> Served<T> {
    let answer: Answer<T> = ask(env, binding::ACCOUNTS, &account.to_string(), operation, question).await?;
    Ok(answer?)
}

/// The token, if its account still takes it.
async fn known(token: BalanceToken, env: &Env) -> Served<BalanceToken> {
    let question =
        account::SeeSheet { account: token.account.to_string(), by: hex::encode(token.digest()), before: 0, limit: 0 };
    in_account::<account::Sheet>(env, token.account, "sheet", &question).await?;
    Ok(token)
}

/// The token in the header or in the body; both must be the same.
fn token(module: &Prepaid, gate: &Gate, asked: &Asked, body: &Value) -> Served<Option<BalanceToken>> {
    let written = match body.get("token") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            Some(BalanceToken::verify(text, &gate.keys, &module.token_prefix).map_err(|_| Refusal::Unauthorized)?)
        }
        Some(_) => return Err(bad("token must be a text").into()),
    };
    match (&asked.token, written) {
        (Some(sent), Some(written)) if *sent != written => Err(bad("two different tokens in one request").into()),
        (sent, written) => Ok(written.or_else(|| sent.clone())),
    }
}

fn required(asked: &Asked) -> Served<BalanceToken> {
    asked.token.clone().ok_or_else(|| {
        let reason = "send the balance's token as `Authorization: Bearer`, or as `X-Token`".to_owned();
        No { status: 401, reason }.into()
    })
}

/// What only the operator's keys give for a top-up: of the key that mints today, then of those before a rotation.
fn secrets(gate: &Gate, label: &'static str, account: AccountId, hash: PaymentHash) -> impl Iterator<Item = [u8; 32]> {
    let mut about = [0; 48];
    let (head, tail) = about.split_at_mut(16);
    head.copy_from_slice(&account.0);
    tail.copy_from_slice(&hash.0);
    gate.keys.topup_secrets(label, about)
}

/// `amount_sats`, a whole number; as a text, too (T76).
pub fn amount(body: &Value) -> Served<Msat> {
    let sats = match body.get("amount_sats") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
        None => None,
    };
    let amount = sats.and_then(Msat::from_sats).filter(|amount| amount.0 > 0);
    amount.ok_or_else(|| bad("amount_sats must be a whole number of at least 1").into())
}

/// A JSON object of at most 4 KiB, no key twice; an empty body is an empty one.
async fn body(request: &mut Request) -> Served<Value> {
    let Some(bytes) = http::body(request, BODY_BYTES_MAX).await? else { return Err(Refusal::BodyTooLarge.into()) };
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    match l402::json::parse(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(bad("the body must be a JSON object").into()),
    }
}

/// The request cannot be read.
pub fn bad(reason: impl Into<String>) -> No {
    No { status: 400, reason: reason.into() }
}

fn wrong_secret() -> No {
    No { status: 403, reason: "the claim secret is missing or wrong".to_owned() }
}

fn unknown_payment() -> No {
    No { status: 404, reason: "no payment of this kind is known".to_owned() }
}

/// A "no" of the books as a problem document; `error` for those who read only that.
fn refuse(no: &No) -> Result<Response> {
    let status = u16::try_from(no.status).unwrap_or(503);
    let title = match status {
        400 => "The request cannot be read",
        401 => "Not authorized",
        402 => "Not paid yet",
        403 => "Not yours",
        404 => "Not found",
        422 => "The key was used for another request",
        503 => "Not available now",
        _ => "Not possible now",
    };
    let mut body = problem("about:blank", title, status, &no.reason);
    body.insert("error".to_owned(), no.reason.clone().into());
    let response = http::json(status, &Value::Object(body))?;
    response.headers().set("content-type", "application/problem+json")?;
    if status == 503 {
        response.headers().set("retry-after", "60")?;
    }
    Ok(response)
}
