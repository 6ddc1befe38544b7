//! The faults of `security.md` that this core decides, each by its number. F1 to F7, F12's timer and F19 to F22 happen in
//! shells, to which the core gives a refusal or nothing; F23 is `simulation.rs`, and F16 in every order `exhaustive`.

mod support;

use l402::{Msat, UnixTime};
use satstile_ledger::hold::{self, Ending, Hold, HoldState, NewHold, Progress};
use satstile_ledger::payout::{self, NewPayout, NodeAnswer, Outcome, Payee, Payout, PayoutState};
use satstile_ledger::topup::{self, Settlement};
use satstile_ledger::transfer::{self, OutboundState};
use satstile_ledger::{Book, Effect, Refusal, Step, inbox, spend};

use support::store::{Outside, Store, audited};
use support::{ALICE, BOB, NOW, hash, id, preimage, sats};

/// Alice's store with 100 sats.
fn alice() -> Store {
    let mut store = Store::new(ALICE);
    let row = topup::open(&store.book, None, hash(0), sats(100), topup::Terms::FREE).unwrap();
    store.put_all([row]);
    let step = topup::credit(&store.book, Some(&row), &settled(), NOW).unwrap();
    store.write(step);
    store
}

fn settled() -> Settlement {
    Settlement { payment_hash: hash(0), paid: sats(100), node_fee: Msat(0) }
}

/// A use with a ceiling of 30 sats and an estimate of 10 is under way.
fn held() -> (Store, Hold) {
    let mut store = alice();
    let new = NewHold { id: id("hold", 1), ceiling: sats(30), estimate: sats(10), ttl_s: 60 };
    let step = hold::place(&store.book, None, &new, &mut [], NOW).unwrap();
    store.write(step);
    let row = store.holds[&id("hold", 1)];
    (store, row)
}

/// A payout of 50 sats is in the hands of the node.
fn sent() -> (Store, Payout) {
    let mut store = alice();
    let new = NewPayout { id: id("payout", 1), payment_hash: hash(1), amount: sats(50), fee_limit: sats(1) };
    let step = payout::create(&store.book, None, &new, Payee::Elsewhere, NOW).unwrap();
    store.write(step);
    let step = payout::send(&store.book, &store.payouts[&new.id], NOW).unwrap();
    store.write(step);
    let row = store.payouts[&new.id].clone();
    (store, row)
}

fn success() -> NodeAnswer {
    NodeAnswer::Succeeded { preimage: preimage(1), fee: Msat(0) }
}

#[track_caller]
fn sound(stores: &[Store]) {
    assert_eq!(audited(stores, NOW, &Outside::default()), Ok(()));
}

#[test]
fn f8_a_settlement_told_twice_late_and_after_a_restart_is_one_credit() {
    let mut store = alice();
    for clock in [NOW, UnixTime(NOW.0 - 900), NOW.plus(86_400 * 40)] {
        let restarted = store.clone();
        let step = topup::credit(&restarted.book, restarted.topups.get(&hash(0)), &settled(), clock).unwrap();
        assert_eq!(store.write(step), None);
    }
    assert_eq!((store.book.balances.user, store.entries.len()), (100_000, 1));
    sound(&[store]);
}

/// Not reached, refused, or answered 5xx before the first byte: nothing was had, nothing is paid.
#[test]
fn f9_f10_an_origin_that_delivers_nothing_costs_nothing() {
    let (mut store, row) = held();
    let step = hold::end(&store.book, &row, Ending::Broken, &mut [], NOW).unwrap();
    store.write(step);
    assert_eq!((store.book.balances.user, store.book.balances.fees), (100_000, 0));
    sound(&[store]);

    let mut store = alice();
    let step = spend::debit(&store.book, None, id("use", 1), sats(5), &mut [], NOW).unwrap();
    store.write(step);
    let step = spend::give_back(&store.book, &store.uses[&id("use", 1)], &mut [], NOW).unwrap();
    store.write(step);
    assert_eq!((store.book.balances.user, store.book.balances.fees), (100_000, 0));
    sound(&[store]);
}

/// The stream ends, the idle timer ends it, the client goes: one charge, by what was seen; and the second ending, which
/// always comes, is none.
#[test]
fn f11_f12_f13_a_stream_that_breaks_off_is_charged_once_by_what_was_seen() {
    let cases: [(&[Progress], u64); 4] = [
        (&[], 0),
        (&[Progress::Begun], 10_000),
        (&[Progress::Begun, Progress::Seen(sats(4))], 4_000),
        (&[Progress::Seen(sats(29)), Progress::Seen(sats(31))], 30_000),
    ];
    for (signs, charged) in cases {
        let (mut store, mut row) = held();
        for seen in signs {
            row = hold::progress(&store.book, &row, *seen, 60, NOW).unwrap();
            store.put_all([row]);
        }
        for ending in [Ending::Broken, Ending::Broken, Ending::Used(sats(30))] {
            let step = hold::end(&store.book, &store.holds[&row.id], ending, &mut [], NOW).unwrap();
            store.write(step);
        }
        assert_eq!(store.book.balances.fees, i64::try_from(charged).unwrap(), "{signs:?}");
        sound(&[store]);
    }
}

/// kill -9 after the reserve: the row is there, and the alarm ends what nobody else will.
#[test]
fn f14_a_process_that_died_after_the_reserve_leaves_money_that_comes_back() {
    let (mut store, row) = held();
    let step = hold::sweep(&store.book, &row, &mut [], NOW.plus(60)).unwrap();
    store.write(step);
    assert_eq!(store.holds[&row.id].state, HoldState::Voided);
    assert_eq!(store.book.balances.user, 100_000);
    sound(&[store]);
}

/// kill -9 after the settle, before the reply: the client asks again and pays once.
#[test]
fn f14_a_process_that_died_before_its_reply_has_charged_once() {
    let (mut store, row) = held();
    let step = hold::end(&store.book, &row, Ending::Used(sats(12)), &mut [], NOW).unwrap();
    store.write(step);
    let retry = NewHold { id: row.id, ceiling: sats(30), estimate: sats(10), ttl_s: 60 };
    let again = hold::place(&store.book, store.holds.get(&row.id), &retry, &mut [], NOW);
    assert_eq!(again, Ok(Step::Already));
    assert_eq!(store.book.balances.fees, 12_000);
}

/// kill -9 between the legs of a transfer: before the message, after it, after the other side, before the answer.
#[test]
fn f14_a_transfer_cut_at_any_leg_arrives_once() {
    let (mut from, mut to) = (alice(), Store::new(BOB));
    let step = transfer::send(&from.book, None, id("transfer", 1), BOB, sats(40), NOW).unwrap();
    from.write(step);
    let row = from.outbox[&id("transfer", 1)];
    sound(&[from.clone(), to.clone()]);
    // The message was lost with the process; the alarm sends it, twice, because the answer is lost as well.
    for n in 1..=3 {
        let (again, effect) =
            transfer::resend(&from.book, &from.outbox[&row.credit.transfer], NOW.plus(n * 10)).unwrap();
        from.put_all([again]);
        let Effect::Credit(credit) = effect else { panic!("{effect:?}") };
        let step = inbox::receive(&to.book, to.inbox.get(&credit.transfer), &credit, None, NOW).unwrap();
        to.write(step);
        sound(&[from.clone(), to.clone()]);
    }
    let ack = to.inbox[&row.credit.transfer].ack();
    let step = transfer::acknowledge(&from.book, &from.outbox[&row.credit.transfer], &ack, NOW).unwrap();
    from.write(step);
    assert_eq!(from.outbox[&row.credit.transfer].state, OutboundState::Delivered);
    assert_eq!((from.book.balances.user, to.book.balances.user), (60_000, 40_000));
    let quiet = Outside { is_quiet: true, ..Outside::default() };
    assert_eq!(audited(&[from, to], NOW, &quiet), Ok(()));
}

/// An alarm that runs ten times, an hour late, and twice at once.
#[test]
fn f15_an_alarm_may_run_late_and_often() {
    let (mut store, row) = held();
    let seen = store.clone();
    for _ in 0..10 {
        let step = hold::sweep(&store.book, &store.holds[&row.id], &mut [], NOW.plus(3_660)).unwrap();
        store.write(step);
    }
    assert_eq!((store.book.balances.user, store.entries.len()), (100_000, seen.entries.len() + 1));
    let (store, row) = sent();
    let (asked, _) = payout::look_up(&store.book, &row, NOW.plus(1)).unwrap();
    assert_eq!(payout::look_up(&store.book, &asked, NOW.plus(1)), None, "and the second finds it asked");
}

#[test]
fn f16_a_timeout_an_unknown_and_a_restart_leave_a_payout_where_it_was() {
    let (mut store, row) = sent();
    let before = store.book;
    for answer in [NodeAnswer::Unknown, NodeAnswer::Unknown] {
        assert_eq!(payout::answer(&store.book, &row, &answer, NOW.plus(9_999_999)), Ok(Outcome::Open));
    }
    assert_eq!(payout::send(&store.book, &row, NOW), Ok(Step::Already), "a restart sends nothing twice");
    assert_eq!(store.book, before);
    let late = payout::answer(&store.book, &row, &success(), NOW.plus(86_400 * 14)).unwrap();
    let Outcome::Over(step) = late else { panic!("{late:?}") };
    store.write(step);
    assert_eq!(store.book.balances.user, 50_000);
    let failed = payout::answer(&store.book, &store.payouts[&row.id], &NodeAnswer::Failed, NOW);
    assert_eq!(failed, Ok(Outcome::Over(Step::Already)), "a late failure takes nothing back");
    sound(&[store]);
}

/// And the payment that had failed succeeds: the books stop, and what they know stays.
#[test]
fn f16_a_success_after_a_failure_freezes_the_book() {
    let (mut store, row) = sent();
    let Outcome::Over(step) = payout::answer(&store.book, &row, &NodeAnswer::Failed, NOW).unwrap() else { panic!() };
    store.write(step);
    let late = payout::answer(&store.book, &store.payouts[&row.id], &success(), NOW);
    let Err(Refusal::Breach(broken)) = late else { panic!("{late:?}") };
    let (frozen, _) = store.book.freeze(broken, NOW);
    let new = NewPayout { id: id("payout", 2), payment_hash: hash(2), amount: sats(1), fee_limit: Msat(0) };
    let refused = payout::create(&frozen, None, &new, Payee::Elsewhere, NOW);
    assert_eq!(refused, Err(Refusal::Frozen(broken)), "T75: nothing more leaves");
}

#[test]
fn f17_a_node_with_a_new_store_knows_nothing_about_an_old_payout() {
    let (store, row) = sent();
    let wiped = NodeAnswer::NotFound { store_since: NOW.plus(100) };
    let outcome = payout::answer(&store.book, &row, &wiped, NOW.plus(200));
    assert_eq!(outcome, Ok(Outcome::Forgotten(Effect::Alert { subject: row.id })));
    assert_eq!(row.state, PayoutState::Sent);
    // An invoice that the node lost while it was unpaid: nobody can say it was paid, so nothing is credited.
    let lost = topup::open(&Book::open(BOB), None, hash(7), sats(1), topup::Terms::FREE).unwrap();
    let claim = topup::Claim { preimage: preimage(7), secret: None, bearer: None };
    assert_eq!(topup::claim(&Book::open(BOB), Some(&lost), &claim), Err(Refusal::NotSettled));
}

/// An hour forward, and back.
#[test]
fn f18_a_clock_that_jumps_neither_ends_nor_keeps_a_hold_wrongly() {
    let (store, row) = held();
    let back = UnixTime(NOW.0 - 3_600);
    assert_eq!(hold::sweep(&store.book, &row, &mut [], back), Err(Refusal::NotYet));
    let new = NewHold { id: id("hold", 2), ceiling: sats(1), estimate: Msat(0), ttl_s: 60 };
    let behind = hold::place(&store.book, None, &new, &mut [], back).unwrap().change().unwrap();
    assert_eq!(behind.row.expires_at, NOW.plus(60), "by the book's time, not by a clock set back");
    assert_eq!(behind.entry.at, NOW);
}
