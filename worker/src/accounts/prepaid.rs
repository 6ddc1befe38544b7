//! The module `prepaid`: fill a balance, claim its token, look at it, change its tokens (systems C, C17).
//!
//! ```text
//! POST topup        ──▶ invoice; the account is fixed, and the index of its hash lists the order
//!      (paid)       ──▶ the node's push, or the claim, looks the invoice up and credits it, once: now there is an account
//! POST topup/claim  ──▶ the token, to who shows the preimage and the `claim_secret`
//! ```
//!
//! Where an answer of ours was lost, the same request with the `claim_secret` gets the same token again: it is random, and the
//! books keep it sealed with that secret. Where the policy lets the preimage alone claim, it claims once, since others on the
//! route have seen it, and what it gets can only be spent here; the secret wins at any time (T63).

use l402::balance::{AccountId, BalanceToken};
use l402::claim::ClaimSecret;
use l402::decide::Prepaid as Asked;
use l402::encoding::base64_any;
use l402::policy::{Prepaid, PrepaidRoute, Secretless};
use l402::problem::{Refusal, problem};
use l402::{PaymentHash, Preimage};
use satstile_ledger::topup::secret_digest;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use worker::{Env, Request, Response, Result};

use crate::accounts::api::{Said, Served, amount, bad};
use crate::accounts::arrivals::{self, Arrival};
use crate::accounts::{payouts, transfers};
use crate::config::gate::Gate;
use crate::invoices::backend::NodeFault;
use crate::invoices::budget::{self, Door};
use crate::invoices::invoice;
use crate::invoices::order::Wanted;
use crate::objects::account::{self, Answer, No};
use crate::objects::words::Words;
use crate::objects::{ask, binding};
use crate::platform::{crypto, http, log};

/// What a top-up's invoice is for. No service has this name.
pub const TOPUP: &str = "_topup";
/// What the secrets of top-ups were derived for before they were random.
const DERIVED: &str = "claim";
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
        PrepaidRoute::Balance => balance(gate, asked, &request, env).await,
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
        None => AccountId::new(crypto::random()?, &gate.keys),
    };
    let secret = ClaimSecret::new(crypto::random()?);
    let order = account::List {
        hash: hash.to_string(),
        account: account.to_string(),
        asked_msat: amount.0,
        secret: Some(hex::encode(secret_digest(secret.expose()).0)),
        secretless: match (module.claim_secret, module.secretless) {
            (true, _) => 0,
            (false, Secretless::Spend) => 2,
            (false, Secretless::Escrow) => 3,
        },
        reference: hex::encode(made.reference),
        ends_at: made.invoice.expires_at().0,
        is_refill: bearer.is_some(),
    };
    // A balance that is there says first whether it takes more. A new one is opened when it is paid: what nobody pays
    // leaves no object (T58).
    if bearer.is_some() {
        in_account::<()>(env, account, "open", &arrivals::opening(&order)?).await?;
    }
    let listed = arrivals::list(env, &order).await??;
    if listed.account != order.account {
        log::warn("prepaid", "the node gave an invoice of another account again");
        return Err(Refusal::BadInvoice.into());
    }
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
            "claim_secret": secret.to_text(&gate.keys, &hash),
            "claim_secret_required": module.claim_secret,
            "claim_url": format!("{}{}/topup/claim", asked.place.public_url, module.path),
        }),
    )?)
}

/// `{"preimage": "…", "token"?: "…", "claim_secret"?: "…"}`: the token of the balance that was paid.
async fn claim(gate: &Gate, module: &Prepaid, asked: &Asked, mut request: Request, env: &Env) -> Served<Response> {
    budget::knock(env, &gate.policy, &request, Door::Try).await?;
    let body = body(&mut request).await?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let preimage =
        text("preimage").and_then(Preimage::from_hex).ok_or_else(|| bad("preimage must be 64 hex digits"))?;
    let bearer = token(module, gate, asked, &body)?;
    let hash = preimage.payment_hash();
    // Self-authenticating: what was not made here for this payment asks no object (T64).
    let secret = match text("claim_secret") {
        Some(text) => Some(Secret::read(gate, text, &hash).ok_or_else(wrong_secret)?),
        None => None,
    };
    if module.claim_secret && secret.is_none() && bearer.is_none() {
        return Err(wrong_secret().into());
    }
    // Only what a top-up recorded can be claimed; a purchase's preimage is no money here (C17).
    let account = account_of(gate, env, &hash, (secret.as_ref(), bearer.as_ref())).await?;
    if bearer.as_ref().is_some_and(|token| token.account != account) {
        let reason = "the payment belongs to another account".to_owned();
        return Err(No { status: 403, reason }.into());
    }
    let given = match &secret {
        Some(Secret::Derived(given)) if !is_derived(gate, account, hash, given) => return Err(wrong_secret().into()),
        Some(Secret::Derived(given)) => Some(*given),
        Some(Secret::Random(secret)) => Some(*secret.expose()),
        None => None,
    };
    match arrivals::arrived(gate, env, &hash, Some(account)).await? {
        Arrival::Credited => {}
        Arrival::NotYet => {
            let reason = "the payment has not arrived yet; try again when the wallet says that it was paid".to_owned();
            return Err(No { status: 402, reason }.into());
        }
        // Nobody paid it in time, and it was forgotten.
        Arrival::Unknown => return Err(unknown_payment().into()),
    }
    let new = BalanceToken::new(account, crypto::random()?);
    let sealed = match &secret {
        Some(Secret::Random(secret)) => Some(hex::encode(secret.seal(&hash, new.secret()))),
        _ => None,
    };
    let question = account::Claim {
        preimage: preimage.expose_hex(),
        secret: given.map(hex::encode),
        bearer: bearer.as_ref().map(|token| hex::encode(token.digest())),
        digest: hex::encode(new.digest()),
        sealed,
    };
    let claimed: account::Claimed = in_account(env, account, "claim", &question).await?;
    let before = claimed.sealed.as_deref().and_then(|sealed| hex::decode(sealed).ok());
    let token = match (bearer, &secret, before) {
        (Some(bearer), _, _) if claimed.is_kept => bearer,
        (_, Some(Secret::Random(secret)), Some(sealed)) => {
            let opened = secret
                .open(&hash, &sealed)
                .ok_or_else(|| worker::Error::from("a seal that its secret does not open"))?;
            BalanceToken::new(account, opened)
        }
        _ => new,
    };
    log::event("claimed", json!({"account": account.to_string(), "payment": hash.short()}));
    Ok(http::json(
        200,
        &json!({
            "token": token.to_text(&gate.keys, &module.token_prefix),
            "balance_sats": claimed.available_msat / 1_000,
            "balance_msat": claimed.available_msat,
            "credited_sats": claimed.credited_msat / 1_000,
            "spend_only_sats": claimed.spend_only_msat / 1_000,
        }),
    )?)
}

/// A claim secret that says of itself that it was made here for a payment; or one from before, of which nobody can tell
/// without its account.
enum Secret {
    Random(ClaimSecret),
    Derived([u8; 32]),
}

impl Secret {
    fn read(gate: &Gate, text: &str, hash: &PaymentHash) -> Option<Self> {
        if let Some(secret) = ClaimSecret::verify(text, &gate.keys, hash) {
            return Some(Self::Random(secret));
        }
        base64_any(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).map(Self::Derived)
    }
}

/// Which account a payment fills, by the index of its hash. What is not listed there was ordered before there was an index, by
/// a balance whose token came along, or with a secret that was derived; of the latter the node must know the payment first.
async fn account_of(
    gate: &Gate,
    env: &Env,
    hash: &PaymentHash,
    (secret, bearer): (Option<&Secret>, Option<&BalanceToken>),
) -> Served<AccountId> {
    if let Some(listed) = arrivals::listed(env, hash).await? {
        return Ok(AccountId::from_hex(&listed.account).ok_or_else(unknown_payment)?);
    }
    if let Some(bearer) = bearer {
        let see = account::SeeTopUp { hash: hash.to_string() };
        in_account::<account::TopUpSeen>(env, bearer.account, "topup", &see).await?;
        return Ok(bearer.account);
    }
    match secret {
        Some(Secret::Derived(_)) => {
            Ok(arrivals::before_the_index(gate, env, hash).await?.ok_or_else(unknown_payment)?)
        }
        _ => Err(unknown_payment().into()),
    }
}

/// Balance and history; `?limit=` lines of it, from `?before=` on backwards.
async fn balance(gate: &Gate, asked: &Asked, request: &Request, env: &Env) -> Served<Response> {
    let token = required(asked)?;
    let number = |name: &str| http::parameter(request, name).and_then(|value| value.parse().ok());
    let question = account::SeeSheet {
        account: token.account.to_address(&gate.keys),
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
async fn in_account<T: Words>(env: &Env, account: AccountId, operation: &str, question: &dyn Words) -> Served<T> {
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

/// Whether this is the secret that a top-up had before they were random: by any key of the ring.
fn is_derived(gate: &Gate, account: AccountId, hash: PaymentHash, given: &[u8; 32]) -> bool {
    let mut about = [0; 48];
    let (head, tail) = about.split_at_mut(16);
    head.copy_from_slice(&account.0);
    tail.copy_from_slice(&hash.0);
    gate.keys.topup_secrets(DERIVED, about).any(|right| bool::from(right.as_slice().ct_eq(given.as_slice())))
}

/// A JSON object of at most 4 KiB, no key twice; an empty body is an empty one.
async fn body(request: &mut Request) -> Served<Value> {
    let bytes = http::body(request, BODY_BYTES_MAX).await??;
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    match l402::json::parse(&bytes) {
        Ok(value @ Value::Object(_)) => Ok(value),
        _ => Err(bad("the body must be a JSON object").into()),
    }
}

fn wrong_secret() -> No {
    No {
        status: 403,
        reason: "the claim_secret is missing or wrong: send the one that `POST topup` answered with".to_owned(),
    }
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
