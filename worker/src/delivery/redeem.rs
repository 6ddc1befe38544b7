//! What was paid for and must be counted: claimed, then forwarded; charged again when nothing is left; or, under an
//! `Idempotency-Key`, answered as it was before.

use l402::credential::Paid;
use l402::decide::{Claim, Proof};
use l402::encoding::to_base64url;
use l402::payment::VerifiedCharge;
use l402::problem::Refusal;
use l402::receipt::{PaymentReceipt, Receipt};
use l402::{Denial, Msat, PaymentHash, caveat, idempotency};
use satstile_ledger::Id;
use sha2::{Digest, Sha256};
use worker::{Context, Env, Request, Result};

use crate::accounts::refunds;
use crate::config::gate::Gate;
use crate::delivery::ticket::{Admission, Ticket};
use crate::delivery::{charge, verdict};
use crate::objects::{self, Caps, Claimed, Count, Keyed, ask, binding};
use crate::platform::{crypto, http};

/// Largest body that is held against a digest: 1 MiB (T42).
const DIGEST_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Largest body of a request that can be repeated under a key: 64 KiB.
const KEYED_BODY_BYTES_MAX: usize = 64 * 1024;
/// A delivery's lease outlives the longest response by this much, in seconds.
const LEASE_MARGIN_S: u64 = 60;

/// Claims what was paid for, then forwards; or charges, when nothing is left of it.
pub async fn redeem(gate: &Gate, claim: &Claim<'_>, request: Request, env: &Env, ctx: &Context) -> Result<Admission> {
    // (1) The body, where the purchase is bound to one.
    let bound = match &claim.proof {
        Proof::L402(paid) => paid.terms.digest.map(Some),
        Proof::Payment(charge) => charge.digest.as_deref().map(caveat::content_digest),
    };
    if let Some(digest) = bound {
        // A digest that nobody can read fits no body.
        let matches = match digest {
            Some(digest) => body_matches(&request, &digest).await?,
            None => Ok(false),
        };
        match matches {
            Ok(true) => {}
            Ok(false) => return sell(gate, claim, Denial::OtherBody, &request, env, ctx).await,
            Err(late) => return Ok(Admission::refuse_to(&claim.otherwise, &late)),
        }
    }
    let pass = claim.otherwise.pass.clone().paid(&claim.service.id, Some(claim.proof.payment_hash()));
    // (2) What is counted, if anything is.
    let Some((hash, count, until)) = count(gate, claim) else {
        return Ok(Admission::Verdict(verdict::forward(&pass)));
    };
    let is_head = claim.otherwise.is_head;
    // What delivers nothing takes nothing: it is asked whether a GET could be had.
    if is_head {
        return match ask(env, binding::PAYMENTS, &hash.to_string(), "left", &left(count)).await? {
            Claimed::Granted { .. } => Ok(Admission::Verdict(verdict::forward(&pass))),
            Claimed::InFlight => Ok(Admission::refuse(&Refusal::InFlight, true)),
            _ => sell(gate, claim, Denial::UsedUp, &request, env, ctx).await,
        };
    }
    // (3) The request's own name, if it has one.
    let keyed = match keyed(claim, &request).await? {
        Ok(keyed) => keyed,
        Err(refusal) => return Ok(Admission::refuse_to(&claim.otherwise, &refusal)),
    };
    let is_keyed = keyed.is_some();
    let id = to_base64url(&crypto::random::<16>()?);
    let question = objects::Claim { id: id.clone(), count, lease_s: lease_s(gate), until, keyed };
    // (4) All of it in one transaction of the payment's object.
    match ask(env, binding::PAYMENTS, &hash.to_string(), "claim", &question).await? {
        Claimed::UsedUp(link) => {
            let reason = link.and_then(|link| reached(claim, link)).unwrap_or(Denial::UsedUp);
            sell(gate, claim, reason, &request, env, ctx).await
        }
        Claimed::Full => sell(gate, claim, Denial::TooManyTokens, &request, env, ctx).await,
        Claimed::InFlight => Ok(Admission::refuse_to(&claim.otherwise, &Refusal::InFlight)),
        Claimed::KeyReused => Ok(Admission::refuse_to(&claim.otherwise, &Refusal::KeyReused)),
        Claimed::Answered(answer) => Ok(Admission::Verdict(verdict::replay(&answer))),
        Claimed::Granted { keeps } => {
            let ticket = Ticket::Payment { hash: hash.to_string(), id }.to_line();
            let mut fields = match &claim.proof {
                Proof::L402(_) => Vec::new(),
                Proof::Payment(charge) => receipts(gate, claim, charge, &hash).await,
            };
            if is_keyed && !keeps {
                fields.push(("satstile-replay", "not-kept".to_owned()));
            }
            let mut forward = verdict::forward_with(&pass, &fields, Some(&ticket));
            let sold = match &claim.proof {
                Proof::L402(paid) => paid.terms.price.unwrap_or(claim.service.price),
                Proof::Payment(charge) => charge.price,
            };
            if let Some(terms) = refunds::terms(gate, &claim.otherwise, sold, &request) {
                forward = verdict::giving_back(&forward, &terms);
            }
            Ok(Admission::Verdict(if keeps { verdict::keeping(forward) } else { forward }))
        }
    }
}

/// Sells another token, and says why this one did not do.
async fn sell(
    gate: &Gate,
    claim: &Claim<'_>,
    reason: Denial,
    request: &Request,
    env: &Env,
    ctx: &Context,
) -> Result<Admission> {
    let mut quote = (*claim.otherwise).clone();
    quote.reason = Some(reason);
    charge::charge(gate, &quote, request, env, ctx).await
}

/// What a delivery takes, of which payment, and when its grant ends. `None` where nothing is counted: then no object
/// is asked.
fn count(gate: &Gate, claim: &Claim<'_>) -> Option<(PaymentHash, Count, u64)> {
    match &claim.proof {
        Proof::L402(paid) => Some((paid.payment_hash, count_of(claim, paid)?, paid.terms.minted_until.0)),
        Proof::Payment(charge) => {
            let until = charge.expires_at.plus(gate.policy.invoice_expiry_s).plus(claim.service.valid_s);
            let count = Count { once: true, limit: claim.service.uses, amount: charge.price.0, caps: Caps::default() };
            Some((charge.payment_hash, count, until.0))
        }
    }
}

/// What a delivery takes of an L402 token; `None` for one that counts nothing.
pub fn count_of(claim: &Claim<'_>, paid: &Paid) -> Option<Count> {
    let counted = paid.counted.as_ref()?;
    let caps = Caps::of(&paid.payment_hash, &counted.chains);
    // What a use takes of a budget is what it cost when it was sold.
    let amount = paid.terms.price.unwrap_or(claim.service.price).0;
    Some(Count { once: false, limit: claim.service.uses, amount, caps })
}

/// The cap that did not cover a use: links are counted through all chains.
fn reached(claim: &Claim<'_>, link: u32) -> Option<Denial> {
    let Proof::L402(paid) = &claim.proof else { return None };
    let mut caps = paid.counted.as_ref()?.chains.iter().flat_map(|chain| &chain.caps);
    caps.nth(usize::try_from(link).ok()?).map(|cap| Denial::CapReached(*cap))
}

/// The key of a request: bound to the very credential, so that no other holder of the same payment can read what was
/// kept; and to the request, so that another one under the same key is told so (T73).
async fn keyed(claim: &Claim<'_>, request: &Request) -> Result<core::result::Result<Option<Keyed>, Refusal<'static>>> {
    let Some(field) = request.headers().get("idempotency-key")? else { return Ok(Ok(None)) };
    let key = match idempotency::key(&field) {
        Ok(key) => key,
        Err(malformed) => return Ok(Err(Refusal::Malformed(malformed))),
    };
    let mut copy = request.clone()?;
    let body = match http::body(&mut copy, KEYED_BODY_BYTES_MAX).await? {
        Ok(body) => body,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let credential = match &claim.proof {
        Proof::L402(paid) => paid.counted.as_ref().map(|counted| counted.credential),
        Proof::Payment(charge) => Some(Sha256::digest(&charge.challenge_id).into()),
    };
    let credential = credential.ok_or("a counted credential without a name")?;
    let (method, url) = (request.inner().method(), &claim.otherwise.pass.url);
    Ok(Ok(Some(Keyed {
        id: Id::derive("replay", &[&credential, key.as_bytes()]),
        request: Id::derive("request", &[method.as_bytes(), url.as_bytes(), &Sha256::digest(&body)]),
    })))
}

fn lease_s(gate: &Gate) -> u64 {
    let limits = gate.policy.timeouts;
    [limits.first_byte_s, limits.total_s, limits.idle_s, limits.idle_s].map(u64::from).iter().sum::<u64>()
        + LEASE_MARGIN_S
}

/// What `pass` asks: the claim that a GET would make.
pub fn left(count: Count) -> objects::Claim {
    objects::Claim { id: String::new(), count, lease_s: 0, until: 0, keyed: None }
}

/// `Payment-Receipt` as the scheme wants it, and ours, which a third party can check (C16).
async fn receipts(
    gate: &Gate,
    claim: &Claim<'_>,
    charge: &VerifiedCharge,
    hash: &PaymentHash,
) -> Vec<(&'static str, String)> {
    let at = http::now();
    let mut fields = vec![("payment-receipt", PaymentReceipt::new(hash, Some(&charge.challenge_id), at).to_header())];
    let signed = Receipt {
        issuer: claim.otherwise.place.public_url.clone(),
        service: claim.service.id.clone(),
        amount: charge.invoice.amount.unwrap_or(Msat(0)),
        payment_hash: *hash,
        challenge_id: Some(charge.challenge_id.clone()),
        issued_at: at,
    };
    fields.extend(gate.receipts.sign(&signed).await.map(|jws| ("satstile-receipt", jws)));
    fields
}

/// Reads a copy of the body; the original goes on to the origin. A body that is too long is another one than was paid for.
async fn body_matches(request: &Request, digest: &[u8; 32]) -> Result<core::result::Result<bool, Refusal<'static>>> {
    let mut copy = request.clone()?;
    Ok(match http::body(&mut copy, DIGEST_BODY_BYTES_MAX).await? {
        Ok(body) => Ok(caveat::body_matches(digest, &body)),
        Err(Refusal::BodyTooLarge) => Ok(false),
        Err(late) => Err(late),
    })
}
