//! Each invariant can fail: sound books from a simulated run, one thing wrong in them, and the invariant that says so.

mod support;

use l402::Msat;
use satstile_ledger::audit::{self, Breach, Snapshot};
use satstile_ledger::hold::HoldState;
use satstile_ledger::payout::{Payout, PayoutState};
use satstile_ledger::spend::UseState;
use satstile_ledger::topup::Claimed;
use satstile_ledger::transfer::OutboundState;
use satstile_ledger::{Kind, Move, Posting, Postings};

use support::store::{Outside, Store, examine};
use support::world::World;
use support::{id, preimage};

/// Quiet books after a busy life, and what the node and the origin say.
fn sound() -> (World, Outside) {
    let mut world = World::new(11, 4);
    (0..1_500).for_each(|_| world.step());
    world.settle_down();
    world.audit();
    let outside = Outside {
        settled: Some(world.node.arrived()),
        paid: Some(world.node.left()),
        served: Some(world.served),
        is_quiet: true,
    };
    (world, outside)
}

type Look = fn(&Snapshot<'_>) -> Result<(), Breach>;

#[track_caller]
fn check(look: Look, spoil: impl FnOnce(&mut Vec<Store>, &mut Outside)) {
    let (mut world, mut outside) = sound();
    let now = world.now;
    assert_eq!(examine(&world.stores, now, &outside, look), Ok(()), "sound before");
    spoil(&mut world.stores, &mut outside);
    assert!(examine(&world.stores, now, &outside, look).is_err(), "nobody noticed");
    assert!(examine(&world.stores, now, &outside, audit::audit).is_err());
}

fn entry(store: &mut Store, kind: Kind) -> &mut satstile_ledger::Entry {
    store.entries.iter_mut().find(|entry| entry.kind == kind).expect("a busy life has one")
}

fn paid(stores: &mut [Store]) -> &mut Payout {
    let mut all = stores.iter_mut().flat_map(|store| store.payouts.values_mut());
    all.find(|row| matches!(row.state, PayoutState::Succeeded { .. })).expect("one was paid")
}

#[test]
fn i1_a_posting_of_nothing() {
    check(audit::i1, |stores, _| {
        let nothing = Posting { of: Move::Charge, amount: Msat(0) };
        entry(&mut stores[0], Kind::Used).postings = Postings::read(&[nothing]).unwrap();
    });
}

#[test]
fn i2_a_balance_that_came_from_nowhere() {
    check(audit::i2, |stores, _| stores[0].book.balances.user += 1);
    check(audit::i2, |stores, _| {
        stores[0].book.balances.user += 1;
        stores[0].book.balances.node -= 1;
    });
}

#[test]
fn i3_a_reserve_for_nothing_and_a_node_that_says_something_else() {
    check(audit::i3, |stores, _| {
        let hold = stores[0].holds.values_mut().next().unwrap();
        hold.state = HoldState::Open;
    });
    check(audit::i3, |_, outside| outside.settled.as_mut().unwrap()[0].1.0 += 1);
    check(audit::i3, |_, outside| _ = outside.paid.as_mut().unwrap().pop());
}

#[test]
fn i4_a_user_below_zero_long_ago() {
    check(audit::i4, |stores, _| stores[1].entries[3].after.user = -1);
}

#[test]
fn i5_a_hash_that_credits_twice_and_a_credit_without_one() {
    check(audit::i5, |stores, _| {
        let again = *entry(&mut stores[0], Kind::TopUp);
        stores[1].entries.push(again);
    });
    check(audit::i5, |stores, _| {
        entry(&mut stores[0], Kind::Used).postings =
            Postings::read(&[Posting { of: Move::Deposit, amount: Msat(5) }]).unwrap()
    });
    check(audit::i5, |_, outside| outside.settled.as_mut().unwrap().clear());
}

#[test]
fn i6_a_success_without_its_preimage_and_a_payment_nobody_ordered() {
    check(audit::i6, |stores, _| {
        paid(stores).state = PayoutState::Succeeded { fee: Msat(0), preimage: preimage(99_999) };
    });
    check(audit::i6, |stores, _| paid(stores).state = PayoutState::Failed);
    check(audit::i6, |_, outside| outside.paid.as_mut().unwrap().push((id("payout", 99_999), Msat(1))));
}

#[test]
fn i7_a_reservation_that_outlived_its_time() {
    check(audit::i7, |stores, _| {
        let hold = stores[0].holds.values_mut().next().unwrap();
        hold.state = HoldState::Open;
        hold.expires_at.0 -= 86_400;
    });
}

#[test]
fn i8_a_use_that_was_served_and_not_charged() {
    check(audit::i8, |_, outside| *outside.served.as_mut().unwrap() += 10_000);
    check(audit::i8, |stores, outside| {
        stores.iter_mut().flat_map(|store| store.uses.values_mut()).for_each(|row| row.state = UseState::GivenBack);
        *outside.served.as_mut().unwrap() += 1;
    });
}

#[test]
fn i9_a_line_that_was_edited_and_one_that_is_gone() {
    check(audit::i9, |stores, _| stores[0].entries[5].subject = id("forged", 1));
    check(audit::i9, |stores, _| _ = stores[0].entries.pop());
}

#[test]
fn i10_an_effect_that_happened_twice_and_a_key_with_two_bodies() {
    check(audit::i10, |stores, _| {
        let again = *entry(&mut stores[0], Kind::Used);
        stores[0].entries.push(again);
    });
    check(audit::i10, |stores, _| stores[0].keys = vec![(id("key", 1), [1; 32]), (id("key", 1), [2; 32])]);
}

#[test]
fn i11_money_that_arrived_unsent_and_money_that_never_arrived() {
    check(audit::i11, |stores, _| {
        let row = stores.iter_mut().flat_map(|store| store.outbox.values_mut()).next().unwrap();
        row.state = OutboundState::Sent;
    });
    check(audit::i11, |stores, _| stores.iter_mut().for_each(|store| store.inbox.clear()));
    check(audit::i11, |stores, _| stores.iter_mut().for_each(|store| store.outbox.clear()));
}

/// A2, T63.
#[test]
fn i12_a_limit_that_nobody_set_and_one_that_is_not_what_was_left_a2() {
    let limited = |stores: &mut Vec<Store>| {
        stores.iter().position(|store| store.book.limit.is_some()).expect("somebody claimed without the secret")
    };
    check(audit::i12, |stores, _| {
        let at = limited(stores);
        stores[at].book.limit = None;
    });
    check(audit::i12, |stores, _| {
        let at = limited(stores);
        let limit = stores[at].book.limit.as_mut().unwrap();
        limit.left.0 = limit.left.0.wrapping_sub(1);
    });
    check(audit::i12, |stores, _| {
        let at = limited(stores);
        stores[at].topups.values_mut().for_each(|row| row.claimed = Claimed::Fully);
    });
}
