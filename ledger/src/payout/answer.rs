//! What the node says about a payout, and what of it is believed.

use l402::{Msat, Preimage, UnixTime};

use crate::amount::{less, plus};
use crate::book::{Book, Step};
use crate::effect::Effect;
use crate::entry::Kind;
use crate::invariant::Invariant;
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;

use super::{Funds, Payout, PayoutState, order};

/// What the node says about one payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAnswer {
    /// It was paid.
    Succeeded {
        /// Believed only if it hashes to the invoice's hash.
        preimage: Preimage,
        /// What routing cost.
        fee: Msat,
    },
    /// It was not paid, and never will be under this id.
    Failed,
    /// It is under way, or the node cannot say.
    Unknown,
    /// The node's store never heard of this id.
    NotFound {
        /// When that store began. If after the payout, it knows nothing of what its predecessor did (F17).
        store_since: UnixTime,
    },
}

/// What an answer of the node means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome that is not written did not happen"]
#[expect(clippy::large_enum_variant, reason = "a box would be the only allocation of a command")]
pub enum Outcome<R> {
    /// It is over. Write this.
    Over(Step<R>),
    /// Not definite: everything stays as it is, and is asked again.
    Open,
    /// The node's own memory, older than the payout, never heard of it: it was lost on the way. Send it again, under the
    /// same id.
    Lost(Effect),
    /// The node's memory is younger than the payout: nobody knows. It stays reserved, and a person must look (F17).
    Forgotten(Effect),
}

/// Takes the node's answer, from a reply or a look-up. Recorded in a frozen book too: it is a fact.
///
/// # Errors
/// [`Refusal::WrongPreimage`] for a success without its proof: it stays as it was; [`Refusal::Ended`] for an answer about
/// a payout the node was never asked for; [`Refusal::Breach`] of I6 when the node paid after all what it had called
/// failed; [`Refusal::WrongRow`] for a refund's payout, which is for [`crate::refund::answer`].
pub fn answer(book: &Book, row: &Payout, answer: &NodeAnswer, clock: UnixTime) -> Result<Outcome<Payout>, Refusal> {
    if matches!(row.funds, Funds::Refund(_)) {
        return Err(Refusal::WrongRow);
    }
    conclude(book, row, answer, clock, |row| row)
}

pub(crate) fn conclude<R>(
    book: &Book,
    row: &Payout,
    answer: &NodeAnswer,
    clock: UnixTime,
    with: impl FnOnce(Payout) -> R,
) -> Result<Outcome<R>, Refusal> {
    match (&row.state, answer) {
        (PayoutState::Created, NodeAnswer::Succeeded { .. } | NodeAnswer::Failed) => Err(Refusal::Ended),
        (PayoutState::Failed, NodeAnswer::Succeeded { preimage, .. }) => {
            prove(row, preimage)?;
            Err(Refusal::Breach(Invariant::I6))
        }
        // The preimage is a proof; whatever is said later is not.
        (PayoutState::Succeeded { .. }, _) | (PayoutState::Failed, _) => Ok(Outcome::Over(Step::Already)),
        (PayoutState::Sent, NodeAnswer::Succeeded { preimage, fee }) => {
            prove(row, preimage)?;
            let state = PayoutState::Succeeded { fee: *fee, preimage: preimage.clone() };
            let done = with(Payout { state, ..row.clone() });
            let postings = paid(row, *fee)?;
            book.step(clock, Kind::PayoutSucceeded, row.id, postings, done, None).map(Outcome::Over)
        }
        (PayoutState::Sent, NodeAnswer::Failed) => {
            fail(book, row, clock, with(Payout { state: PayoutState::Failed, ..row.clone() })).map(Outcome::Over)
        }
        (PayoutState::Sent, NodeAnswer::NotFound { store_since }) if *store_since < row.created_at => {
            Ok(Outcome::Lost(Effect::Pay(order(row))))
        }
        (PayoutState::Sent, NodeAnswer::NotFound { .. }) => Ok(Outcome::Forgotten(Effect::Alert { subject: row.id })),
        (PayoutState::Sent | PayoutState::Created, _) => Ok(Outcome::Open),
    }
}

fn prove(row: &Payout, preimage: &Preimage) -> Result<(), Refusal> {
    if preimage.payment_hash() == row.payment_hash { Ok(()) } else { Err(Refusal::WrongPreimage) }
}

/// What left, and what of the reserve goes back to whom. A fee above the limit is the operator's: the node was told.
fn paid(row: &Payout, fee: Msat) -> Result<Postings, Refusal> {
    let within = fee.min(row.fee_limit);
    let back = match row.funds {
        Funds::Balance => Move::PayBack,
        Funds::Session | Funds::Refund(_) => Move::RoutingBack,
    };
    Ok(Postings::of([
        (Move::Paid, plus(row.amount, within)?),
        (back, less(row.fee_limit, within)),
        (Move::NodeFee, less(fee, within)),
    ]))
}

/// Everything goes back to where it came from.
pub(super) fn fail<R>(book: &Book, row: &Payout, clock: UnixTime, done: R) -> Result<Step<R>, Refusal> {
    let postings = match row.funds {
        Funds::Balance => Postings::of([(Move::PayBack, plus(row.amount, row.fee_limit)?)]),
        Funds::Session => Postings::of([(Move::PayBack, row.amount), (Move::RoutingBack, row.fee_limit)]),
        Funds::Refund(_) => Postings::of([(Move::Reopen, row.amount), (Move::RoutingBack, row.fee_limit)]),
    };
    book.step(clock, Kind::PayoutFailed, row.id, postings, done, None)
}
