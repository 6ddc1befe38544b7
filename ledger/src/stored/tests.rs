use super::*;
use crate::book::Book;
use crate::effect::{Credit, Reason};
use crate::entry::Kind;
use crate::escrow::{AtDeadline, Escrow, EscrowState};
use crate::hold::{Hold, HoldState, Progress};
use crate::inbox::Inbound;
use crate::payout::{Funds, Payout, PayoutState};
use crate::posting::{Move, Postings};
use crate::refund::{Refund, RefundState};
use crate::sale::Sale;
use crate::session::{Session, SessionState};
use crate::spend::{Use, UseState};
use crate::testing::{ALICE, BOB, NOW, hash, id, preimage};
use crate::topup::TopUp;
use crate::transfer::{Outbound, OutboundState};
use crate::unpaid::watch;
use crate::{Cap, Entry};
use core::fmt::Debug;
use l402::Msat;

/// Every prefix, every longer text, another version and a code that is none are refused; the row itself comes back.
#[track_caller]
fn keeps<R: Stored + PartialEq + Debug>(row: &R, is_due: bool) {
    let bytes = to_bytes(row);
    assert_eq!(from_bytes::<R>(&bytes).as_ref(), Some(row));
    assert_eq!(row.due().is_some(), is_due, "{row:?}");
    for end in 0..bytes.len() {
        assert_eq!(from_bytes::<R>(&bytes[..end]), None, "cut at {end}");
    }
    assert_eq!(from_bytes::<R>(&[bytes.as_slice(), &[0]].concat()), None, "longer");
    let other = [&[VERSION + 1], bytes.get(1..).unwrap()].concat();
    assert_eq!(from_bytes::<R>(&other), None, "a version that this build does not know");
}

const CREDIT: Credit = Credit { transfer: id(1), from: ALICE, to: BOB, amount: Msat(5), reason: Reason::Transfer };

fn hold(progress: Progress, state: HoldState) -> Hold {
    Hold { id: id(1), ceiling: Msat(9), estimate: Msat(5), leaf: Some(id(2)), progress, expires_at: NOW, state }
}

fn payout(funds: Funds, state: PayoutState) -> Payout {
    let (amount, fee_limit) = (Msat(u64::MAX), Msat(0));
    let (payment_hash, created_at, asks, next_at) = (hash(2), NOW, u32::MAX, NOW.plus(1));
    Payout { id: id(1), payment_hash, amount, fee_limit, funds, state, created_at, asks, next_at }
}

fn refund(state: RefundState) -> Refund {
    Refund { id: id(1), sale: hash(1), amount: Msat(7), expires_at: NOW, state, failures: 3 }
}

fn escrow(at_deadline: AtDeadline, state: EscrowState) -> Escrow {
    let (amount, fee, deadline, version) = (Msat(100), Msat(3), NOW, 2);
    Escrow { id: id(1), contractor: BOB, amount, fee, deadline, at_deadline, state, version }
}

#[test]
fn every_row_in_every_state_comes_back_as_it_was_and_nothing_else_does() {
    let topup = TopUp {
        payment_hash: hash(1),
        account: ALICE,
        asked: Msat(1),
        secret: Some(id(3)),
        credited: None,
        claimed: true,
    };
    keeps(&topup, false);
    keeps(&TopUp { secret: None, credited: Some(Msat(2)), claimed: false, ..topup }, false);
    let sale = Sale {
        payment_hash: hash(1),
        book: BOB,
        paid: Msat(9),
        consumed: Msat(1),
        refunded: Msat(2),
        open_refund: None,
    };
    keeps(&sale, false);
    keeps(&Sale { open_refund: Some(id(9)), ..sale }, false);
    for state in [UseState::Taken, UseState::Delivered, UseState::GivenBack] {
        keeps(&Use { id: id(1), amount: Msat(0), leaf: None, state }, false);
    }
    for progress in [Progress::Nothing, Progress::Begun, Progress::Seen(Msat(4))] {
        keeps(&hold(progress, HoldState::Open), true);
        keeps(&hold(progress, HoldState::Settled(Msat(4))), false);
        keeps(&hold(progress, HoldState::Voided), false);
    }
    keeps(&Cap::new(id(1), None, None, Some(7)), false);
    keeps(&Cap { spent: Msat(5), used: 2, ..Cap::new(id(1), Some(id(2)), Some(Msat(6)), None) }, false);
    for reason in [Reason::Transfer, Reason::Share, Reason::Task(id(4)), Reason::OwnInvoice(hash(4))] {
        let credit = Credit { reason, ..CREDIT };
        keeps(&Outbound { credit, state: OutboundState::Sent, sends: 1, next_at: NOW }, true);
        keeps(&Inbound { credit, accepted: true }, false);
    }
    for state in [OutboundState::Delivered, OutboundState::Bounced] {
        keeps(&Outbound { credit: CREDIT, state, sends: 9, next_at: NOW }, false);
    }
    keeps(&payout(Funds::Balance, PayoutState::Created), true);
    keeps(&payout(Funds::Session, PayoutState::Sent), true);
    keeps(&payout(Funds::Refund(id(5)), PayoutState::Succeeded { fee: Msat(1), preimage: preimage(2) }), false);
    keeps(&payout(Funds::Balance, PayoutState::Failed), false);
    keeps(&refund(RefundState::Pending), true);
    for state in [RefundState::Claiming(id(6)), RefundState::Claimed, RefundState::Lapsed] {
        keeps(&refund(state), false);
    }
    keeps(&escrow(AtDeadline::Return, EscrowState::Locked), true);
    keeps(&escrow(AtDeadline::Release, EscrowState::Disputed), false);
    let ended = EscrowState::Ended { released: Msat(1), fee: Msat(2), returned: Msat(3) };
    keeps(&escrow(AtDeadline::Release, ended), false);
    let session = Session { id: hash(1), return_invoice: hash(2), idle_s: 60, idle_at: NOW, state: SessionState::Open };
    keeps(&session, true);
    let closed = SessionState::Closed { refund_sats: 4, payout: Some(id(7)) };
    keeps(&Session { state: closed, ..session }, false);
    keeps(&watch(hash(1), NOW), true);
}

#[test]
fn a_line_of_the_journal_comes_back_with_its_hash() {
    let book = Book::open(ALICE);
    let two = Postings::of([(Move::Deposit, Msat(9)), (Move::NodeFee, Msat(1))]);
    for postings in [Postings::NONE, two] {
        let (_, entry) = book.write(NOW, Kind::TopUp, id(1), postings).unwrap();
        let bytes = entry_to_bytes(&entry);
        assert_eq!(entry_from_bytes(&bytes).map(|read| read.hash()), Some(entry.hash()));
        for end in 0..bytes.len() {
            assert_eq!(entry_from_bytes(&bytes[..end]), None);
        }
    }
    // More postings than an entry has, and a kind and a move that are none.
    let entry = |postings: &[u8], kind: u8| {
        let mut bytes =
            entry_to_bytes(&Entry { postings: Postings::NONE, ..book.write(NOW, Kind::TopUp, id(1), two).unwrap().1 });
        let end = bytes.len() - 64 - 1;
        bytes.splice(end..end, postings.iter().copied());
        bytes[1 + 32 + 8 + 32 + 8] = kind;
        entry_from_bytes(&bytes)
    };
    let posting = |code: u8| [code, 0, 0, 0, 0, 0, 0, 0, 1];
    assert!(entry(&posting(1).repeat(4), 1).is_some());
    assert_eq!(entry(&posting(1).repeat(5), 1), None);
    assert_eq!(entry(&posting(200), 1), None);
    assert_eq!(entry(&[], 200), None);
}

/// What is on disk stays readable: the bytes of one row, by hand.
#[test]
fn the_form_of_a_row_is_pinned() {
    let bytes = to_bytes(&hold(Progress::Seen(Msat(4)), HoldState::Settled(Msat(3))));
    let mut by_hand = vec![1];
    by_hand.extend([1; 32]);
    by_hand.extend([0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 1]);
    by_hand.extend([2; 32]);
    by_hand.extend([3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0x71, 0x3f, 0xb3, 0x00, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(bytes, by_hand);
}
