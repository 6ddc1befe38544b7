//! Everything that needs I/O: one `match` on what the core decided.

use l402::decide::{Claim, Proof};
use l402::encoding::to_base64url;
use l402::payment::VerifiedCharge;
use l402::problem::{Answer, Refusal};
use l402::receipt::{PaymentReceipt, Receipt};
use l402::{Decision, Msat, PaymentHash, caveat};
use worker::{Context, Env, Request, Response, Result};

use crate::gate::{self, Gate, Setup};
use crate::objects::{self, Claimed, Conclude, Take, Taken, ask, binding};
use crate::{charge, crypto, http, log, own, prepaid, spend, verdict, watch};

/// Largest body that is held against a digest: 1 MiB (T42).
const DIGEST_BODY_BYTES_MAX: usize = 1024 * 1024;
/// A delivery's lease outlives the longest response by this much, in seconds.
const LEASE_MARGIN_S: u64 = 60;

/// What comes of a request.
pub enum Admission {
    /// This, to the client.
    Answer(Response),
    /// A verdict for the shim: answer with this, forward by it, or hand a WebSocket over by it.
    Verdict(String),
}

impl Admission {
    /// A finished answer, as a verdict: the shim puts the response together in one go.
    pub fn answer(answer: &Answer) -> Self {
        Self::Verdict(verdict::respond(answer))
    }

    /// A finished "no".
    pub fn refuse(refusal: &Refusal<'_>, is_head: bool) -> Self {
        Self::answer(&refusal.answer(is_head))
    }
}

/// What the shim hands back when a delivery has ended, to be concluded. One line, for the verdict.
#[derive(Debug)]
pub enum Ticket {
    /// A claim on a payment.
    Payment {
        /// Its hash, hex.
        hash: String,
        /// Names the attempt.
        id: String,
    },
    /// A hold on a prepaid balance.
    Hold {
        /// The account, hex.
        account: String,
        /// Names the use, hex.
        id: String,
        /// What it costs unless the origin says otherwise.
        price_msat: u64,
    },
    /// One request of a free allowance.
    Allowance {
        /// Names the object.
        name: String,
        /// What was taken.
        take: Take,
    },
}

impl Ticket {
    /// Writes it.
    pub fn to_line(&self) -> String {
        match self {
            Self::Payment { hash, id } => format!("payment {hash} {id}"),
            Self::Hold { account, id, price_msat } => format!("hold {account} {id} {price_msat}"),
            Self::Allowance { name, take } => format!("allowance {name} {} {}", take.count, take.window_s),
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (kind, name) = (words.next()?, words.next()?.to_owned());
        match kind {
            "payment" => Some(Self::Payment { hash: name, id: words.next()?.to_owned() }),
            "hold" => {
                let (id, price_msat) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
                Some(Self::Hold { account: name, id, price_msat })
            }
            "allowance" => {
                let take = Take { count: words.next()?.parse().ok()?, window_s: words.next()?.parse().ok()? };
                Some(Self::Allowance { name, take })
            }
            _ => None,
        }
    }
}

/// Decides again, with the request at hand, and acts.
pub async fn admit(request: Request, asked: &l402::Request<'_>, env: &Env, ctx: &Context) -> Result<Admission> {
    let refuse = |refusal: &Refusal<'_>| Ok(Admission::refuse(refusal, asked.method == "HEAD"));
    let Some(setup) = gate::current() else { return refuse(&Refusal::NotReady) };
    match setup.decide(asked, http::now()) {
        Decision::Free(pass) | Decision::Paid(pass) => Ok(Admission::Verdict(verdict::forward(&pass))),
        Decision::Own(name, place) => match watch::verdict(&setup, &name, &request) {
            Some(verdict) => Ok(Admission::Verdict(verdict)),
            None => Ok(Admission::Answer(own::serve(&setup, &name, &place, request, env, ctx).await?)),
        },
        Decision::Preflight(methods) => {
            Ok(Admission::answer(&http::preflight(&methods.to_string().replace(',', ", "))))
        }
        Decision::Refuse(refusal, _) => refuse(&refusal),
        Decision::Charge(quote) => match &*setup {
            Setup::Ready(gate) => charge::charge(gate, &quote, &request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Prepaid(asked) => match &*setup {
            Setup::Ready(gate) => Ok(Admission::Answer(prepaid::serve(gate, &asked, request, env).await?)),
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Spend(spend) => match &*setup {
            Setup::Ready(gate) => spend::spend(gate, &spend, &request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Claim(claim) => match &*setup {
            Setup::Ready(gate) => redeem(gate, &claim, request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
    }
}

/// Claims what was paid for, then forwards; or charges, when nothing is left of it.
async fn redeem(gate: &Gate, claim: &Claim<'_>, request: Request, env: &Env, ctx: &Context) -> Result<Admission> {
    let policy = &gate.policy;
    let pass = &claim.otherwise.pass;
    let (hash, once, limit, until) = match &claim.proof {
        Proof::L402(paid) => {
            if let Some(digest) = paid.terms.digest
                && !body_matches(&request, &digest).await?
            {
                let mut quote = (*claim.otherwise).clone();
                quote.reason = Some(l402::Denial::OtherBody);
                return charge::charge(gate, &quote, &request, env, ctx).await;
            }
            let limit = paid.terms.deliveries(claim.service.price);
            if limit.is_none() {
                return Ok(Admission::Verdict(verdict::forward(pass)));
            }
            (paid.payment_hash, false, limit, paid.terms.minted_until)
        }
        Proof::Payment(charge) => {
            let until = charge.expires_at.plus(policy.invoice_expiry_s).plus(claim.service.valid_s);
            (charge.payment_hash, true, claim.service.uses, until)
        }
    };
    let id = to_base64url(&crypto::random::<16>()?);
    let limits = policy.timeouts;
    let lease_s =
        [limits.first_byte_s, limits.total_s, limits.idle_s, limits.idle_s].map(u64::from).iter().sum::<u64>()
            + LEASE_MARGIN_S;
    let question = objects::Claim { id: id.clone(), once, limit, lease_s, until: until.0 };
    match ask(env, binding::PAYMENTS, &hash.to_string(), "claim", &question).await? {
        Claimed::UsedUp => charge::charge(gate, &claim.otherwise, &request, env, ctx).await,
        Claimed::InFlight => Ok(Admission::refuse(&Refusal::InFlight, request.inner().method() == "HEAD")),
        Claimed::Granted => {
            let ticket = Ticket::Payment { hash: hash.to_string(), id }.to_line();
            let receipts = match &claim.proof {
                Proof::L402(_) => Vec::new(),
                Proof::Payment(charge) => receipts(gate, claim, charge, &hash).await,
            };
            Ok(Admission::Verdict(verdict::forward_with(pass, &receipts, Some(&ticket))))
        }
    }
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

/// Reads a copy of the body; the original goes on to the origin.
async fn body_matches(request: &Request, digest: &[u8; 32]) -> Result<bool> {
    let mut copy = request.clone()?;
    let body = http::body(&mut copy, DIGEST_BODY_BYTES_MAX).await?;
    Ok(body.is_some_and(|body| caveat::body_matches(digest, &body)))
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// It counts: the client had all of it, or as much as it wanted.
    pub delivered: bool,
    /// What the origin says that it cost, in msat.
    pub cost_msat: Option<u64>,
}

/// Ends what [`Ticket`] names. An attempt that failed may be tried again with the same payment (D8).
pub async fn conclude(env: &Env, ticket: &str, outcome: Outcome) -> Result<()> {
    let delivered = outcome.delivered;
    match Ticket::from_line(ticket).ok_or("not a ticket of ours")? {
        Ticket::Payment { hash, id } => {
            ask::<()>(env, binding::PAYMENTS, &hash, "conclude", &Conclude { id, delivered }).await
        }
        Ticket::Hold { account, id, price_msat } => spend::end(env, &account, id, price_msat, outcome).await,
        Ticket::Allowance { .. } if delivered => Ok(()),
        Ticket::Allowance { name, take } => {
            let back: Taken = ask(env, binding::ALLOWANCES, &name, "give-back", &take).await?;
            log::event("allowance returned", serde_json::json!({"remaining": back.remaining}));
            Ok(())
        }
    }
}
