//! What comes of a request, and what of a delivery: an answer or a verdict now, and the ticket by which its end is told.

use l402::decide::Quote;
use l402::problem::{Answer, Refusal};
use worker::Response;

use crate::delivery::{page, verdict};
use crate::objects::Take;

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

    /// A finished "no" to who asked for something that is sold: a page, where a person reads it.
    pub fn refuse_to(quote: &Quote<'_>, refusal: &Refusal<'_>) -> Self {
        let method = if quote.is_head { "HEAD" } else { "GET" };
        Self::answer(&page::refuse(refusal, quote.wants_html, method))
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
        /// Whether the origin may say otherwise: the policy names a ceiling (T80).
        is_metered: bool,
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
            Self::Hold { account, id, price_msat, is_metered } => {
                let kind = if *is_metered { "metered" } else { "fixed" };
                format!("hold {account} {id} {price_msat} {kind}")
            }
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
                Some(Self::Hold { account: name, id, price_msat, is_metered: words.next()? == "metered" })
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
