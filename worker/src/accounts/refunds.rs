//! A purchase that the origin failed for good is given back: by a link that any LNURL wallet takes, once (LUD-03, T91, T100).
//!
//! ```text
//! origin fails ──▶ the purchase is used up, and written down as failed
//!              ──▶ its refund is promised; the answer has the link, and `refund` tells it again to who has the token
//! wallet: GET link ──▶ withdrawRequest; GET callback with an invoice ──▶ the link is used up, then paid
//! ```
//!
//! The link's secret is derived from the operator's keys and the payment hash: nothing that opens it is stored, and who
//! asks again gets the same link.

use l402::credential::Credential;
use l402::decide::{OWN_PREFIX, Place, Quote};
use l402::policy::Refunds;
use l402::problem::{Refusal, Stake, problem};
use l402::{Msat, PaymentHash, caveat};
use satstile_lightning::Watched;
use satstile_lightning::lnurl::withdraw::{K1, Link, Refusal as NoLink, UnverifiedClaim, service::ACCEPTED};
use satstile_lightning::lnurl::{Loopback, Url, bech32};
use serde_json::json;
use subtle::ConstantTimeEq;
use worker::{Env, Request, Response, Result};

use crate::accounts::{api, payouts};
use crate::config::gate::{self, Gate, Setup};
use crate::delivery::verdict;
use crate::invoices::backend::Webhook;
use crate::invoices::budget::{self, Door};
use crate::invoices::{client, node};
use crate::objects::account::{Answer, Collect, PayoutSeen, Promise, RefundSeen, SeeRefund};
use crate::objects::routing::{self, Reserve, Reserved};
use crate::objects::{Fail, Failed, Refundable, ask, binding};
use crate::platform::{http, log};
use crate::well_known::minted;

/// What it takes to give something back.
struct Desk<'g> {
    gate: &'g Gate,
    refunds: Refunds,
    payer: &'g Webhook,
}

impl<'g> Desk<'g> {
    fn open(gate: &'g Gate) -> Option<Self> {
        gate.policy.payouts?;
        Some(Self { gate, refunds: gate.policy.refunds?, payer: gate.payer.as_ref()? })
    }
}

/// A refund, as it is told.
struct Told {
    k1: K1,
    seen: RefundSeen,
}

/// What is left of a delivery that failed for good.
pub struct Failure<'a> {
    /// The purchase, hex.
    hash: &'a str,
    /// Names the attempt.
    id: &'a str,
    /// Why, as systems B name it.
    code: &'static str,
    /// Who the payer is, as far as failures are counted.
    payer: &'a str,
    /// What it cost.
    price: Msat,
    /// Where the refund can be had.
    public_url: &'a str,
}

impl<'a> Failure<'a> {
    /// Of a ticket, what the origin or the shim calls the fault, and [`terms`].
    pub fn read(ticket: &'a str, fault: &str, terms: &'a str) -> Option<Self> {
        let mut ticket = ticket.strip_prefix("payment ")?.split(' ');
        let mut terms = terms.split(' ');
        let code = match fault {
            "timeout" | "504" | "TIMEOUT" => "TIMEOUT",
            "429" | "RATE_LIMITED" => "RATE_LIMITED",
            "INVALID_INPUT" => "INVALID_INPUT",
            "CONTENT_FILTERED" => "CONTENT_FILTERED",
            _ => "SERVICE_ERROR",
        };
        Some(Self {
            hash: ticket.next()?,
            id: ticket.next()?,
            code,
            price: Msat(terms.next()?.parse().ok()?),
            payer: terms.next()?,
            public_url: terms.next()?,
        })
    }
}

/// What [`Failure::read`] wants to know of a delivery that would be given back; `None` where it would not.
pub fn terms(gate: &Gate, quote: &Quote<'_>, sold: Msat, request: &Request) -> Option<String> {
    (quote.service.refund && Desk::open(gate).is_some()).then(|| {
        let payer = client::key(&gate.policy, request);
        format!("{} {payer} {}", sold.0, quote.place.public_url)
    })
}

/// Ends a delivery that failed for good. The verdict of the answer, with the refund in it.
pub async fn give_back(env: &Env, failure: &Failure<'_>) -> String {
    let fail = Fail { id: failure.id.to_owned(), code: failure.code.to_owned(), payer: failure.payer.to_owned() };
    if let Err(error) = ask::<()>(env, binding::PAYMENTS, failure.hash, "fail", &fail).await {
        // The claim's lease ends it, and the same payment may try again: nothing is lost.
        log::failed("refund", &error.to_string());
        return verdict::upstream_fault("failed", Stake::Payment, ("GET", ""));
    }
    let setup = gate::current();
    let told = match (setup.as_deref(), PaymentHash::from_hex(failure.hash)) {
        (Some(Setup::Ready(gate)), Some(hash)) => match Desk::open(gate) {
            Some(desk) => promise(&desk, env, &hash, failure.payer, failure.price).await,
            None => Err("no desk".into()),
        },
        _ => Err("not ready".into()),
    };
    let refund = told.map(|told| json_of(failure.public_url, failure.hash, &told));
    if let Err(error) = &refund {
        log::failed("refund", &error.to_string());
    }
    verdict::respond(&answer(failure, refund.ok()))
}

/// `POST refund` with the credential of a purchase: its refund, if it failed for good (T100).
pub async fn again(gate: &Gate, place: &Place, request: &Request, env: &Env) -> Result<Response> {
    let Some(desk) = Desk::open(gate) else { return http::refuse(&Refusal::NotFound, false) };
    let authorization = request.headers().get("authorization")?.unwrap_or_default();
    // Possession of both halves; whether the grant's time has passed is no question any more.
    let verified = match Credential::parse(&authorization) {
        Ok(Some(Credential::L402(l402))) => l402.verify(&gate.keys).ok(),
        _ => None,
    };
    let Some((token, _)) = verified.as_ref().and_then(|verified| verified.sole()) else {
        return http::refuse(&Refusal::NotFound, false);
    };
    // The buyer's own token alone: who was given a narrower one did not pay (C5).
    let Some(minted) = minted::as_minted(gate, token) else { return http::refuse(&Refusal::NotFound, false) };
    let hash = token.identifier.payment_hash;
    let failed: Failed = ask(env, binding::PAYMENTS, &hash.to_string(), "failed", &()).await?;
    if failed.code.is_none() {
        return http::refuse(&Refusal::NotFound, false);
    }
    let price = caveat::price_at_sale(token.caveats()).unwrap_or(minted.service.price);
    let told = promise(&desk, env, &hash, &failed.payer, price).await?;
    http::json(200, &json_of(&place.public_url, &hash.to_string(), &told))
}

/// The promise that stands, or a new one. The node is asked first what was paid (C7).
async fn promise(desk: &Desk<'_>, env: &Env, hash: &PaymentHash, payer: &str, price: Msat) -> Result<Told> {
    let book = hash.to_string();
    let mut first = None;
    for k1 in secrets(desk.gate, hash) {
        let see = SeeRefund { id: charge_id(&k1) };
        let seen: Answer<RefundSeen> = ask(env, binding::ACCOUNTS, &book, "refund", &see).await?;
        if let Ok(seen) = seen {
            return Ok(Told { k1, seen });
        }
        first = first.or(Some(k1));
    }
    let k1 = first.ok_or("no key")?;
    let watched = Watched { payment_hash: *hash, amount: price, reference: "" };
    let status = node::look_up(desk.gate, &watched).await.ok_or("the node does not say what was paid")?;
    let paid = status.paid_msat().ok_or("the node knows no payment")?;
    let question = Refundable { amount_msat: paid };
    let back: Refundable = ask(env, binding::ALLOWANCES, &format!("failures:{payer}"), "refundable", &question).await?;
    let promise = Promise {
        hash: book.clone(),
        paid_msat: paid,
        node_fee_msat: status.node_fee_msat(),
        id: charge_id(&k1),
        // A wallet takes whole sats.
        amount_msat: back.amount_msat / 1_000 * 1_000,
        ttl_s: desk.refunds.ttl_s,
    };
    let seen: Answer<RefundSeen> = ask(env, binding::ACCOUNTS, &book, "promise", &promise).await?;
    let seen = seen.map_err(|no| no.reason)?;
    log::event("refund", json!({"payment": hash.short(), "amount_msat": seen.amount_msat}));
    Ok(Told { k1, seen })
}

/// The link's secrets: that of the key that mints today, then those before a rotation.
fn secrets(gate: &Gate, hash: &PaymentHash) -> Vec<K1> {
    let mut about = [0; 48];
    about.split_at_mut(16).1.copy_from_slice(&hash.0);
    gate.keys.topup_secrets("refund", about).map(K1::new).collect()
}

/// Whether a link's secret was made here for its purchase: one that was made up asks no object (T64).
fn is_made(made: &[K1], unverified: &K1) -> bool {
    made.iter().any(|made| bool::from(made.digest().as_slice().ct_eq(unverified.digest().as_slice())))
}

/// Where wallets bring their invoices for the refund of a purchase.
fn url(public_url: &str, hash: &str) -> String {
    format!("{public_url}{OWN_PREFIX}refund/{hash}")
}

fn json_of(public_url: &str, hash: &str, told: &Told) -> serde_json::Value {
    let url = |secret: &str| format!("{}.{secret}", url(public_url, hash));
    let link = Url::parse(&url(&told.k1.expose()), Loopback::Allowed);
    let lnurl = link.ok().and_then(|url| bech32::encode(&url).ok());
    json!({
        "charge_id": charge_id(&told.k1),
        "refund_amount": told.seen.amount_msat / 1_000,
        "lnurl_withdraw": lnurl,
        "status": told.seen.status,
        "expires_at": l402::UnixTime(told.seen.expires_at).to_string(),
        "status_url": url(&charge_id(&told.k1)),
    })
}

/// The shape of systems B, and a problem document.
fn answer(failure: &Failure<'_>, refund: Option<serde_json::Value>) -> l402::problem::Answer {
    let (status, words) = match failure.code {
        "TIMEOUT" => (504, "The origin took too long."),
        "RATE_LIMITED" => (429, "The origin takes no more requests at the moment."),
        "INVALID_INPUT" => (422, "The origin cannot do this with the input."),
        "CONTENT_FILTERED" => (422, "The origin refuses this content."),
        _ => (502, "The origin failed."),
    };
    let detail = match &refund {
        Some(_) => format!("{words} The payment goes back: claim the link with a wallet that takes LNURL-withdraw."),
        None => format!(
            "{words} The payment goes back, and its link is not ready: ask for it with POST {}{OWN_PREFIX}refund \
             and the same Authorization.",
            failure.public_url
        ),
    };
    let mut body = problem("about:blank", "Failed after payment", status, &detail);
    body.insert("error".to_owned(), words.into());
    body.insert("error_code".to_owned(), failure.code.into());
    body.insert("refund".to_owned(), refund.unwrap_or_default());
    let mut answer = http::bare(status);
    answer.headers.push(("content-type", "application/problem+json".to_owned()));
    answer.body = serde_json::Value::Object(body).to_string();
    answer
}

/// `GET refund/<hash>.<k1>`: the link itself. `GET refund/<hash>.<charge id>`: how it stands. `GET refund/<hash>?k1=…&pr=…`:
/// a wallet's callback.
pub async fn link(gate: &Gate, place: &Place, name: &str, request: &Request, env: &Env) -> Result<Response> {
    let Some(desk) = Desk::open(gate) else { return http::refuse(&Refusal::NotFound, false) };
    if let Err(refusal) = budget::knock(env, &gate.policy, request, Door::Try).await {
        return http::refuse(&refusal, false);
    }
    let (hash, secret) = name.split_once('.').map_or((name, None), |(hash, secret)| (hash, Some(secret)));
    let Some(hash) = PaymentHash::from_hex(hash) else { return http::refuse(&Refusal::NotFound, false) };
    let made = secrets(gate, &hash);
    // LUD-03 answers everything with 200 and JSON, and wallets in browsers exist.
    let lnurl = |json: String| http::json_text(200, json);
    match secret {
        None => match collect(&desk, env, &hash, &http::query(request)).await {
            Ok(()) => lnurl(ACCEPTED.to_owned()),
            Err(no) => lnurl(no.to_json()),
        },
        Some(secret) => {
            let Some(k1) = K1::from_hex(secret) else { return http::refuse(&Refusal::NotFound, false) };
            // The charge id names the refund and opens nothing.
            let charge_id_of = |made: &K1| charge_id(made) == secret.to_ascii_lowercase();
            if made.iter().any(charge_id_of) {
                return match see(env, &hash, &secret.to_ascii_lowercase()).await? {
                    Some(seen) => http::json(
                        200,
                        &json!({"charge_id": secret, "refund_amount": seen.amount_msat / 1_000, "status": seen.status}),
                    ),
                    None => lnurl(NoLink::Link.to_json()),
                };
            }
            if !is_made(&made, &k1) {
                return lnurl(NoLink::Link.to_json());
            }
            let Some(seen) = see(env, &hash, &charge_id(&k1)).await? else {
                return lnurl(NoLink::Link.to_json());
            };
            let callback = Url::parse(&url(&place.public_url, &hash.to_string()), Loopback::Allowed);
            let (Ok(callback), true) = (callback, seen.is_open) else { return lnurl(NoLink::Link.to_json()) };
            let amount = Msat(seen.amount_msat);
            let description = format!("Refund by {}", place.host);
            lnurl(Link { callback: &callback, k1: &k1, description: &description, min: amount, max: amount }.to_json())
        }
    }
}

/// A wallet's invoice: checked, written down, then paid. The same claim again is the same claim.
async fn collect(desk: &Desk<'_>, env: &Env, hash: &PaymentHash, query: &str) -> core::result::Result<(), NoLink> {
    let unknown = |error: worker::Error| {
        log::failed("refund", &error.to_string());
        NoLink::Unavailable
    };
    let claim = UnverifiedClaim::read(query)?;
    if !is_made(&secrets(desk.gate, hash), &claim.unverified_k1) {
        return Err(NoLink::Link);
    }
    let id = charge_id(&claim.unverified_k1);
    let seen = see(env, hash, &id).await.map_err(unknown)?.ok_or(NoLink::Link)?;
    let amount = Msat(seen.amount_msat);
    let claim = claim.check(amount, amount, &api::terms(desk.gate))?;
    payouts::refuse_our_own(env, &claim.payment_hash).await.map_err(|_| NoLink::Invoice)?;
    // The operator's money, and the payer may own the last hop. A link that is used up pays nothing, whatever it is asked.
    let fee_limit_msat = if seen.is_open { Refunds::fee_limit(claim.amount).0 } else { 0 };
    if seen.is_open {
        let (payout, day_max_msat) = (seen.payout, desk.refunds.loss_max.0);
        let reserve = Reserve { payout, limit_msat: fee_limit_msat, day_max_msat };
        let reserved: Reserved =
            ask(env, binding::ALLOWANCES, routing::NAME, "reserve", &reserve).await.map_err(unknown)?;
        if reserved == Reserved::No {
            log::warn("refund", "routing the refunds of today has cost refunds.loss_max_sats_day: the link waits");
            return Err(NoLink::Tomorrow);
        }
    }
    let question = Collect {
        id,
        hash: claim.payment_hash.to_string(),
        amount_msat: claim.amount.0,
        fee_limit_msat,
        bolt11: claim.bolt11,
    };
    let book = hash.to_string();
    let seen: Answer<PayoutSeen> = ask(env, binding::ACCOUNTS, &book, "collect", &question).await.map_err(unknown)?;
    let seen = seen.map_err(|no| if no.status == 503 { NoLink::Unavailable } else { NoLink::Link })?;
    // The books have it: whatever the node says now, its definite answer comes, if need be by the alarm.
    if payouts::carry_out(env, desk.payer, &book, seen).await.is_err() {
        log::warn("refund", "the node's answer could not be written down; the alarm asks again");
    }
    Ok(())
}

async fn see(env: &Env, hash: &PaymentHash, id: &str) -> Result<Option<RefundSeen>> {
    let question = SeeRefund { id: id.to_owned() };
    let seen: Answer<RefundSeen> = ask(env, binding::ACCOUNTS, &hash.to_string(), "refund", &question).await?;
    Ok(seen.ok())
}

/// Names a refund, for its payer and in the books: what they keep of the secret.
fn charge_id(k1: &K1) -> String {
    hex::encode(k1.digest())
}
