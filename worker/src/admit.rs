//! Everything that needs I/O: one `match` on what the core decided.

use l402::Decision;
use l402::encoding::to_base64;
use l402::problem::{Answer, Refusal};
use worker::{Context, Env, Request, Response, Result};

use crate::gate::{self, Setup};
use crate::objects::{Conclude, Take, Taken, ask, binding};
use crate::{charge, http, log, own, prepaid, redeem, sessions, spend, verdict, watch};

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
    /// Units of a session.
    Session {
        /// The session, hex.
        session: String,
        /// Names the hold, hex.
        id: String,
        /// What a unit costs.
        unit_msat: u64,
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
            Self::Session { session, id, unit_msat } => format!("session {session} {id} {unit_msat}"),
            Self::Allowance { name, take } => format!("allowance {name} {} {}", take.count, take.window_s),
        }
    }

    /// Reads it.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (kind, name) = (words.next()?, words.next()?.to_owned());
        match kind {
            "payment" => Some(Self::Payment { hash: name, id: words.next()?.to_owned() }),
            "hold" => {
                let (id, price_msat) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
                Some(Self::Hold { account: name, id, price_msat })
            }
            "session" => {
                let (id, unit_msat) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
                Some(Self::Session { session: name, id, unit_msat })
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
        Decision::Session(session) => match &*setup {
            Setup::Ready(gate) => sessions::serve(gate, &session, &request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
        Decision::Claim(claim) => match &*setup {
            Setup::Ready(gate) => redeem::redeem(gate, &claim, request, env, ctx).await,
            Setup::Faulty { .. } => refuse(&Refusal::NotReady),
        },
    }
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// It counts: the client had all of it, or as much as it wanted.
    pub delivered: bool,
    /// What was delivered, where it is to be kept under its `Idempotency-Key`.
    pub answer: Option<&'a [u8]>,
    /// What the origin says that it cost, in msat, in the head of its answer.
    pub cost_msat: Option<u64>,
    /// What it said last in the stream, as far as the client had that.
    pub seen_msat: Option<u64>,
}

/// Writes down what an answer under way has cost so far; only a balance is charged by it.
pub async fn progress(env: &Env, ticket: &str, seen_msat: Option<u64>) -> Result<()> {
    match (Ticket::from_line(ticket), seen_msat) {
        (Some(Ticket::Hold { account, id, .. }), Some(seen_msat)) => {
            spend::progress(env, &account, id, seen_msat).await
        }
        _ => Ok(()),
    }
}

/// Ends what [`Ticket`] names. An attempt that failed may be tried again with the same payment (D8).
pub async fn conclude(env: &Env, ticket: &str, outcome: Outcome<'_>) -> Result<()> {
    let Outcome { delivered, answer, .. } = outcome;
    match Ticket::from_line(ticket).ok_or("not a ticket of ours")? {
        Ticket::Payment { hash, id } => {
            let end = Conclude { id, delivered, answer: answer.map(to_base64) };
            ask::<()>(env, binding::PAYMENTS, &hash, "conclude", &end).await
        }
        Ticket::Session { .. } => sessions::end(env, ticket, outcome).await,
        Ticket::Hold { account, id, price_msat } => spend::end(env, &account, id, price_msat, outcome).await,
        Ticket::Allowance { .. } if delivered => Ok(()),
        Ticket::Allowance { name, take } => {
            let back: Taken = ask(env, binding::ALLOWANCES, &name, "give-back", &take).await?;
            log::event("allowance returned", serde_json::json!({"remaining": back.remaining}));
            Ok(())
        }
    }
}
