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
use crate::topup::{Claimed, Secretless, TopUp};
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
    for version in (0..=u8::MAX).filter(|version| *version != bytes[0]) {
        let other = [&[version], bytes.get(1..).unwrap()].concat();
        assert_ne!(from_bytes::<R>(&other).as_ref(), Some(row), "another version: {version}");
        assert!(version <= 2 || from_bytes::<R>(&other).is_none(), "a version that this build does not know");
    }
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
        secretless: Secretless::Nothing,
        credited: None,
        claimed: Claimed::Fully,
    };
    for claimed in [Claimed::No, Claimed::Alone, Claimed::Fully] {
        for secret in [None, Some(id(3))] {
            for secretless in [Secretless::Nothing, Secretless::Spend, Secretless::Escrow, Secretless::Everything] {
                keeps(&TopUp { claimed, secret, secretless, ..topup }, false);
                keeps(&TopUp { claimed, secret, secretless, credited: Some(Msat(2)), ..topup }, false);
            }
        }
    }
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
        keeps(&Use { id: id(1), amount: Msat(0), limited: Msat(0), leaf: None, state }, false);
        keeps(&Use { id: id(1), amount: Msat(9), limited: Msat(4), leaf: Some(id(2)), state }, false);
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

/// A2, T86: the rows of the build before this one, by hand. One without a secret is not limited.
#[test]
fn a_topup_of_the_first_form_is_still_read_and_written_a2() {
    let old = |secret: &[u8], claimed: u8| {
        let mut bytes = vec![1];
        bytes.extend(hash(1).0);
        bytes.extend(ALICE.0);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 7]);
        bytes.extend(secret);
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 8, claimed]);
        bytes
    };
    let with_secret = [&[1], &[3; 32][..]].concat();
    for (secret, secretless) in [(&with_secret[..], Secretless::Nothing), (&[0][..], Secretless::Everything)] {
        for (code, claimed) in [(0, Claimed::No), (1, Claimed::Fully)] {
            let bytes = old(secret, code);
            let row: TopUp = from_bytes(&bytes).unwrap();
            assert_eq!((row.secretless, row.claimed, row.credited), (secretless, claimed, Some(Msat(8))));
            assert_eq!(to_bytes(&row), bytes);
        }
    }
    // What only the second form says has its number, so that the build before refuses it.
    let limited: TopUp =
        from_bytes(&old(&with_secret, 0)).map(|row: TopUp| TopUp { secretless: Secretless::Spend, ..row }).unwrap();
    let mut bytes = old(&with_secret, 1);
    bytes[0] = 2;
    bytes.insert(1 + 32 + 32 + 8 + 33, 2);
    assert_eq!(to_bytes(&limited), bytes);
}
