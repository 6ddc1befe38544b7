//! Invariants of what the money is for: I5 to I8, I10 and I11.

use crate::effect::Reason;
use crate::entry::Kind;
use crate::escrow::EscrowState;
use crate::hold::HoldState;
use crate::id::Id;
use crate::invariant::Invariant;
use crate::payout::PayoutState;
use crate::posting::Move;
use crate::spend::UseState;
use crate::transfer::OutboundState;

use super::{Breach, Rows, Snapshot, Tally, check, entries};

/// How long after its time a reservation may still be open, in seconds: an alarm may be late (F15).
pub const SLACK_S: u64 = 7_200;

/// **I5** Each credit cites one settled payment hash that is recorded in that book, and each hash credits once, in one
/// book.
///
/// # Errors
/// [`Breach`].
pub fn i5(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| check(credits_cite(snapshot, rows), Invariant::I5, Some(rows)))?;
    check(tally(credited(snapshot).map(|id| (0, id))).values().all(|times| *times == 1), Invariant::I5, None)
}

/// How often each item stands there.
fn tally(items: impl Iterator<Item = (u8, Id)>) -> Tally {
    let mut times = Tally::new();
    for item in items {
        let seen = times.entry(item).or_default();
        *seen = seen.saturating_add(1);
    }
    times
}

/// The payment hashes that credited something: over Lightning, or between two books.
fn credited<'a>(snapshot: &Snapshot<'a>) -> impl Iterator<Item = Id> + 'a {
    let books = snapshot.books;
    let over_lightning = books.iter().flat_map(|rows| rows.entries.iter().filter(|entry| is_credit(entry.kind)));
    let between = books.iter().flat_map(|rows| rows.inbox.iter().filter(|row| row.accepted));
    let invoices = between.filter_map(|row| match row.credit.reason {
        Reason::OwnInvoice(hash) => Some(Id::from(hash)),
        _ => None,
    });
    over_lightning.map(|entry| entry.subject).chain(invoices)
}

const fn is_credit(kind: Kind) -> bool {
    matches!(kind, Kind::TopUp | Kind::Sold)
}

fn credits_cite(snapshot: &Snapshot<'_>, rows: &Rows<'_>) -> bool {
    let settled = |id: Id| snapshot.settled.is_none_or(|all| all.iter().any(|(hash, _)| Id::from(*hash) == id));
    rows.entries.iter().all(|entry| {
        let came = entry.postings.iter().any(|posting| matches!(posting.of, Move::Deposit | Move::Sale));
        let amount = entry.postings.total(Move::Deposit).0 + entry.postings.total(Move::Sale).0;
        let is_recorded = match entry.kind {
            Kind::TopUp => rows.topups.iter().any(|row| {
                Id::from(row.payment_hash) == entry.subject
                    && row.account == rows.book.id
                    && row.credited.is_some_and(|credited| credited.0 == amount)
            }),
            Kind::Sold => {
                rows.sales.iter().any(|row| Id::from(row.payment_hash) == entry.subject && row.paid.0 == amount)
            }
            _ => return !came,
        };
        is_recorded && settled(entry.subject)
    }) && rows.topups.iter().filter(|row| row.credited.is_some()).all(|row| {
        let id = Id::from(row.payment_hash);
        rows.entries.iter().any(|entry| matches!(entry.kind, Kind::TopUp | Kind::Received) && entry.subject == id)
    })
}

/// **I6** Each payout is in the one state that its journal shows, a succeeded one has the preimage of its hash, no hash is
/// paid twice, and the node's list of what it paid is ours.
///
/// # Errors
/// [`Breach`].
pub fn i6(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| {
        let entries = tally(rows.entries.iter().map(|entry| (entry.kind as u8, entry.subject)));
        let holds = rows.payouts.iter().all(|row| {
            let seen = |kind| entries.get(&(kind as u8, row.id)).copied().unwrap_or(0);
            let shown = (seen(Kind::PayoutSent), seen(Kind::PayoutSucceeded), seen(Kind::PayoutFailed));
            match &row.state {
                PayoutState::Created => shown == (0, 0, 0),
                PayoutState::Sent => shown == (1, 0, 0),
                PayoutState::Succeeded { preimage, .. } => {
                    shown == (1, 1, 0) && preimage.payment_hash() == row.payment_hash
                }
                PayoutState::Failed => matches!(shown, (0 | 1, 0, 1)),
            }
        });
        check(holds, Invariant::I6, Some(rows))
    })?;
    let all = || snapshot.books.iter().flat_map(|rows| rows.payouts.iter());
    let done = || all().filter(|row| matches!(row.state, PayoutState::Succeeded { .. }));
    let once = tally(done().map(|row| (0, row.payment_hash.into()))).values().all(|times| *times == 1);
    check(once, Invariant::I6, None)?;
    let Some(paid) = snapshot.paid else { return Ok(()) };
    // The node may know more than we for a while, never less; and never of something we call failed.
    let known = done().all(|row| paid.iter().any(|(id, _)| *id == row.id));
    let ours = paid.iter().all(|(id, _)| {
        all().any(|row| {
            row.id == *id
                && match row.state {
                    PayoutState::Succeeded { .. } => true,
                    PayoutState::Sent => !snapshot.is_quiet,
                    PayoutState::Created | PayoutState::Failed => false,
                }
        })
    });
    check(known && ours, Invariant::I6, None)
}

/// **I7** No hold, escrow or unclaimed refund is open [`SLACK_S`] after its time. Payouts have no time: they wait for the
/// node (T93).
///
/// # Errors
/// [`Breach`].
pub fn i7(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    let over = |at: l402::UnixTime| at.plus(SLACK_S) < snapshot.now;
    snapshot.books.iter().try_for_each(|rows| {
        let holds = rows.holds.iter().all(|row| row.state != HoldState::Open || !over(row.expires_at))
            && rows.escrows.iter().all(|row| row.state != EscrowState::Locked || !over(row.deadline))
            && rows.refunds.iter().all(|row| row.reserve().0 == 0 || !over(row.expires_at));
        check(holds, Invariant::I7, Some(rows))
    })
}

/// **I8** What the origin served is what was consumed: uses not given back, and holds not voided. While uses are open,
/// between the two counts.
///
/// # Errors
/// [`Breach`].
pub fn i8(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    let Some(served) = snapshot.served else { return Ok(()) };
    let (mut sure, mut open) = (0_u64, 0_u64);
    for rows in snapshot.books {
        for used in rows.uses {
            match used.state {
                UseState::Delivered => sure = sure.saturating_add(1),
                UseState::Taken => open = open.saturating_add(1),
                UseState::GivenBack => {}
            }
        }
        for hold in rows.holds {
            match hold.state {
                HoldState::Settled(_) => sure = sure.saturating_add(1),
                HoldState::Open => open = open.saturating_add(1),
                HoldState::Voided => {}
            }
        }
    }
    check((sure..=sure.saturating_add(open)).contains(&served), Invariant::I8, None)
}

/// **I10** One effect for each id: no kind of entry stands twice for one subject in a book, and no key has two bodies.
///
/// # Errors
/// [`Breach`].
pub fn i10(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| {
        let repeatable = rows.entries.iter().filter(|entry| !may_repeat(entry.kind));
        let once = tally(repeatable.map(|entry| (entry.kind as u8, entry.subject))).values().all(|times| *times == 1);
        let mut bodies = rows.keys.to_vec();
        bodies.sort_unstable();
        bodies.dedup();
        let one_body = tally(bodies.iter().map(|(id, _)| (0, *id))).values().all(|times| *times == 1);
        check(once && one_body, Invariant::I10, Some(rows))
    })
}

/// A refund is claimed again after its payout failed; a book can be frozen again.
const fn may_repeat(kind: Kind) -> bool {
    matches!(kind, Kind::RefundClaimed | Kind::Frozen | Kind::Thawed)
}

/// **I11** What arrived was sent, in that amount, once; what was delivered arrived; what bounced did not; and once all is
/// quiet, nothing is on its way.
///
/// # Errors
/// [`Breach`].
pub fn i11(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    let sent = || snapshot.books.iter().flat_map(|rows| rows.outbox.iter());
    let came = || snapshot.books.iter().flat_map(|rows| rows.inbox.iter());
    let is_here = |id| snapshot.books.iter().any(|rows| rows.book.id == id);
    let arrived_was_sent = came().filter(|row| is_here(row.credit.from)).all(|row| {
        let same = sent().filter(|out| out.credit == row.credit);
        same.clone().count() == 1 && came().filter(|other| other.credit.transfer == row.credit.transfer).count() == 1
    });
    let answers_agree = sent().filter(|row| is_here(row.credit.to)).all(|row| {
        let arrived = came().find(|other| other.credit == row.credit).map(|other| other.accepted);
        match row.state {
            OutboundState::Sent => !snapshot.is_quiet,
            OutboundState::Delivered => arrived == Some(true),
            OutboundState::Bounced => arrived == Some(false),
        }
    });
    let releases = entries(snapshot).map(|entry| entry.postings.total(Move::Release).0);
    let released: u128 = releases.map(u128::from).sum();
    let for_tasks: u128 = sent()
        .filter(|row| matches!(row.credit.reason, Reason::Task(_)))
        .map(|row| u128::from(row.credit.amount.0))
        .sum();
    check(arrived_was_sent && answers_agree && released == for_tasks, Invariant::I11, None)
}
