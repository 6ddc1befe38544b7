//! Invariants of the money itself: I1 to I4, the chain, I9, and what can only be spent, I12.

use l402::Msat;

use crate::account::Class;
use crate::amount::BALANCE_MAX;
use crate::escrow::Escrow;
use crate::hold::HoldState;
use crate::invariant::Invariant;
use crate::journal;
use crate::limit::Limit;
use crate::payout::Payout;
use crate::posting::Move;
use crate::refund::Refund;
use crate::topup::Claimed;
use crate::transfer::OutboundState;

use super::{Breach, Rows, Snapshot, Tally, check, entries, sum};

/// **I1** Every posting moves more than nothing, and so much that it is a number; that it takes as much as it gives is in
/// its form.
///
/// # Errors
/// [`Breach`].
pub fn i1(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| {
        let max = BALANCE_MAX.unsigned_abs();
        let mut postings = rows.entries.iter().flat_map(|entry| entry.postings.iter());
        check(postings.all(|posting| (1..=max).contains(&posting.amount.0)), Invariant::I1, Some(rows))
    })
}

/// **I2** The balances of each book sum to 0, and are those that its journal leads to.
///
/// # Errors
/// [`Breach`].
pub fn i2(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| {
        let balances = rows.book.balances;
        let total: i128 = Class::ALL.iter().map(|class| i128::from(balances.of(*class))).sum();
        let is_led_to = Class::ALL.iter().all(|class| folded(rows, *class) == i128::from(balances.of(*class)));
        check(total == 0 && is_led_to, Invariant::I2, Some(rows))
    })
}

/// An account's balance, from the postings alone.
fn folded(rows: &Rows<'_>, class: Class) -> i128 {
    let postings = rows.entries.iter().flat_map(|entry| entry.postings.iter());
    postings.fold(0, |balance, posting| {
        let amount = i128::from(posting.amount.0);
        let gained = if posting.of.to() == class { amount } else { 0 };
        let lost = if posting.of.from() == class { amount } else { 0 };
        balance + gained - lost
    })
}

/// **I3** What is held anywhere is what the node received, less what it paid and what routing cost; and each reserve is
/// the sum of what it is reserved for.
///
/// # Errors
/// [`Breach`].
pub fn i3(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| check(reserves_agree(rows), Invariant::I3, Some(rows)))?;
    let held: i128 = snapshot
        .books
        .iter()
        .flat_map(|rows| {
            let held = Class::ALL.into_iter().filter(|class| *class != Class::Node);
            held.map(|class| i128::from(rows.book.balances.of(class)))
        })
        .sum();
    let moved = |of: Move| sum(entries(snapshot).map(|entry| entry.postings.total(of)));
    let came = moved(Move::Deposit) + moved(Move::Sale) - moved(Move::NodeFee);
    check(held == came - moved(Move::Paid), Invariant::I3, None)?;
    // What the node itself says, where it was asked.
    if let (Some(settled), Some(paid)) = (snapshot.settled, snapshot.paid) {
        let node = sum(settled.iter().map(|(_, amount)| *amount)) - sum(paid.iter().map(|(_, amount)| *amount));
        check(!snapshot.is_quiet || held == node, Invariant::I3, None)?;
    }
    Ok(())
}

fn reserves_agree(rows: &Rows<'_>) -> bool {
    let balances = rows.book.balances;
    let open = rows.holds.iter().filter(|hold| hold.state == HoldState::Open);
    let on_its_way = rows.outbox.iter().filter(|row| row.state != OutboundState::Bounced);
    let arrived = rows.inbox.iter().filter(|row| row.accepted);
    i128::from(balances.hold) == sum(open.map(|hold| hold.ceiling))
        && i128::from(balances.escrow) == sum(rows.escrows.iter().map(Escrow::locked))
        && i128::from(balances.refund) == sum(rows.refunds.iter().map(Refund::reserve))
        && i128::from(balances.payout) == sum(rows.payouts.iter().map(Payout::reserve))
        && i128::from(balances.in_transit)
            == sum(on_its_way.map(|row| row.credit.amount)) - sum(arrived.map(|row| row.credit.amount))
}

/// **I4** No account that belongs to a user is below 0, nor was after any entry.
///
/// # Errors
/// [`Breach`].
pub fn i4(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| {
        let mut history = rows.entries.iter().map(|entry| entry.after).chain([rows.book.balances]);
        let holds = history
            .all(|balances| Class::ALL.into_iter().all(|class| class.may_be_negative() || balances.of(class) >= 0));
        check(holds, Invariant::I4, Some(rows))
    })
}

/// **I9** Each journal verifies from its first entry to the book's row. [`journal::verify`] says where it does not.
///
/// # Errors
/// [`Breach`].
pub fn i9(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot
        .books
        .iter()
        .try_for_each(|rows| check(journal::verify(rows.book, rows.entries).is_ok(), Invariant::I9, Some(rows)))
}

/// **I12** A book has a limit exactly where a top-up of it was claimed without its secret; the limit was no more than that
/// brought; and what is left of it is what the journal's charges since then have left.
///
/// # Errors
/// [`Breach`].
pub fn i12(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    snapshot.books.iter().try_for_each(|rows| {
        let alone = rows.topups.iter().find(|row| row.claimed == Claimed::Alone);
        let holds = match (rows.book.limit, alone) {
            (None, None) => true,
            (Some(limit), Some(topup)) => {
                topup.credited.is_some_and(|credited| limit.of <= credited)
                    && limit.left <= limit.room(&rows.book.balances)
                    && limit.left == left(&limit, rows)
            }
            _ => false,
        };
        check(holds, Invariant::I12, Some(rows))
    })
}

/// What the journal since a limit was set has left of it.
fn left(limit: &Limit, rows: &Rows<'_>) -> Msat {
    let mut given_back = Tally::new();
    rows.entries.iter().filter(|entry| entry.seq > limit.since).fold(limit.of, |left, entry| {
        let of = |wanted: &dyn Fn(Move) -> bool| {
            let postings = entry.postings.iter().filter(|posting| wanted(posting.of));
            postings.fold(0_u64, |sum, posting| sum.saturating_add(posting.amount.0))
        };
        let taken = of(&|of| limit.is_taken_by(of)).min(left.0);
        if of(&|of| of == Move::Charge) > 0 {
            given_back.insert((0, entry.subject), taken);
        }
        let is_back = of(&|of| of == Move::GiveBack) > 0;
        let back = given_back.get_mut(&(0, entry.subject)).filter(|_| is_back).map_or(0, core::mem::take);
        Msat(left.0.saturating_sub(taken).saturating_add(back)).min(limit.of)
    })
}
