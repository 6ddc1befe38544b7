use proptest::collection::vec;
use proptest::prelude::*;
use satstile_ledger::{Invariant, journal};

use super::*;
use crate::apply;
use crate::books::Books;
use crate::command::{Command, TokenDigest};
use crate::memory::Memory;
use crate::reply::Refusal as No;
use crate::testing::{NOW, alice_with, hold, left, run};

const fn end(n: u8, cost: Cost, has_begun: bool) -> Command {
    Command::End(End { id: Id([n; 32]), cost, has_begun })
}

const fn seen(n: u8, msat: u64) -> Command {
    Command::Progress(Progress { id: Id([n; 32]), seen: Msat(msat) })
}

/// T79, T80.
#[test]
fn a_use_costs_what_the_origin_said_and_the_rest_is_free_again() {
    let mut books = alice_with(100);
    assert_eq!(run(&mut books, &Command::Hold(hold(1, 30))), left(70));
    assert_eq!(run(&mut books, &end(1, Cost::Known(Msat(12)), true)), left(88));
    // 0 means 0, also after something was seen.
    assert_eq!(run(&mut books, &Command::Hold(hold(2, 30))), left(58));
    assert_eq!(run(&mut books, &seen(2, 7)), left(58));
    assert_eq!(run(&mut books, &end(2, Cost::Known(Msat(0)), true)), left(88));
    // Never more than was held.
    run(&mut books, &Command::Hold(hold(3, 30)));
    assert_eq!(run(&mut books, &end(3, Cost::Known(Msat(31)), true)), left(58));
}

/// T80: what nobody counted is the estimate, what was counted is the count, and no byte costs nothing.
#[test]
fn a_use_that_broke_off_costs_what_was_seen() {
    let mut books = alice_with(100);
    for n in 1..=3 {
        run(&mut books, &Command::Hold(hold(n, 20)));
    }
    assert_eq!(run(&mut books, &end(1, Cost::Unknown, false)), left(60), "no byte was sent");
    assert_eq!(run(&mut books, &end(2, Cost::Unknown, true)), left(70), "begun: half is the estimate");
    run(&mut books, &seen(3, 3));
    assert_eq!(run(&mut books, &end(3, Cost::Unknown, true)), left(87), "three were seen");
}

/// T73: the shell sends a command again when its answer was lost.
#[test]
fn the_same_command_again_is_the_same_answer_and_moves_nothing() {
    let mut books = alice_with(100);
    for command in [Command::Hold(hold(1, 30)), end(1, Cost::Known(Msat(12)), true), seen(1, 30)] {
        let reply = run(&mut books, &command);
        let before = books.clone();
        assert_eq!(run(&mut books, &command), reply);
        assert_eq!(books, before);
    }
    // The first ending counts, and the id is no other hold's.
    assert_eq!(run(&mut books, &end(1, Cost::Known(Msat(30)), true)), left(88));
    assert_eq!(run(&mut books, &Command::Hold(hold(1, 31))), Reply::Refused(No::KeyReused));
}

#[test]
fn what_is_refused_leaves_no_trace() {
    let mut books = alice_with(100);
    run(&mut books, &Command::Hold(hold(1, 30)));
    let before = books.clone();
    let short = No::InsufficientFunds { available: Msat(70) };
    for (command, refusal) in [
        (Command::Hold(hold(2, 71)), short),
        (Command::Covers(hold(2, 71)), short),
        (Command::Hold(hold(2, 0)), No::ZeroAmount),
        (Command::Hold(Hold { estimate: Msat(31), ..hold(2, 30) }), No::TooLarge),
        (Command::Hold(Hold { token: TokenDigest([9; 32]), ..hold(2, 1) }), No::UnknownToken),
        (end(9, Cost::Unknown, true), No::WrongRow),
        (seen(9, 1), No::WrongRow),
    ] {
        assert_eq!(run(&mut books, &command), Reply::Refused(refusal), "{command:?}");
        assert_eq!(books, before, "{command:?}");
    }
    assert_eq!(run(&mut books, &Command::Hold(hold(2, 70))), left(0), "what is there can be held to the last");
}

#[test]
fn who_asks_with_head_uses_nothing_up() {
    let mut books = alice_with(100);
    let before = books.clone();
    assert_eq!(run(&mut books, &Command::Covers(hold(1, 100))), left(100));
    assert_eq!(books, before);
}

/// T79: nobody said how it ended.
#[test]
fn the_alarm_ends_a_hold_whose_time_has_passed_and_no_other() {
    let mut books = alice_with(100);
    run(&mut books, &Command::Hold(hold(1, 30)));
    run(&mut books, &Command::Hold(Hold { ttl_s: 61, ..hold(2, 20) }));
    run(&mut books, &seen(1, 5));
    assert_eq!(apply(&mut books, &Command::Alarm, NOW.plus(59)), Ok(Reply::Done));
    assert_eq!(run(&mut books, &Command::Covers(hold(3, 1))), left(50), "not yet");
    assert_eq!(apply(&mut books, &Command::Alarm, NOW.plus(60)), Ok(Reply::Done));
    assert_eq!(run(&mut books, &Command::Covers(hold(3, 1))), left(75), "five were seen, twenty are held");
}

/// T75.
#[test]
fn a_frozen_book_ends_what_is_under_way_and_begins_nothing() {
    let mut books = alice_with(100);
    run(&mut books, &Command::Hold(hold(1, 30)));
    let (frozen, entry) = books.book().unwrap().unwrap().freeze(Invariant::I2, NOW);
    books.append(&entry.unwrap()).unwrap();
    books.put_book(&frozen).unwrap();
    let refused = No::Frozen { invariant: Invariant::I2 as u8 };
    assert_eq!(run(&mut books, &Command::Hold(hold(2, 1))), Reply::Refused(refused));
    assert_eq!(run(&mut books, &end(1, Cost::Known(Msat(10)), true)), left(90));
}

#[test]
fn where_nobody_opened_an_account_no_token_is_known_and_nothing_is_made() {
    let mut books = Memory::default();
    for command in [Command::Hold(hold(1, 1)), Command::Covers(hold(1, 1)), end(1, Cost::Unknown, true), seen(1, 1)] {
        assert_eq!(run(&mut books, &command), Reply::Refused(No::UnknownToken));
    }
    assert_eq!(run(&mut books, &Command::Alarm), Reply::Done);
    assert_eq!(books, Memory::default());
}

fn act() -> impl Strategy<Value = Command> {
    let cost = prop_oneof![(0_u64..60).prop_map(|msat| Cost::Known(Msat(msat))), Just(Cost::Unknown)];
    prop_oneof![
        (0_u8..6, 0_u64..60).prop_map(|(n, ceiling)| Command::Hold(hold(n, ceiling))),
        (0_u8..6, 0_u64..60).prop_map(|(n, msat)| seen(n, msat)),
        (0_u8..6, cost, any::<bool>()).prop_map(|(n, cost, has_begun)| end(n, cost, has_begun)),
        Just(Command::Alarm),
    ]
}

proptest! {
    /// I2, I3: after any history the balances sum to nothing, the journal is whole, each command again changes nothing,
    /// and what was refused left nothing behind.
    #[test]
    fn no_history_makes_or_loses_money(acts in vec((act(), 0_u64..40), 1..60)) {
        let mut books = alice_with(100);
        let mut now = NOW;
        for (command, pause_s) in acts {
            now = now.plus(pause_s);
            let before = books.clone();
            let reply = apply(&mut books, &command, now).unwrap();
            let book = books.book().unwrap().unwrap();
            prop_assert_eq!(book.balances.sound(), Ok(()));
            let (spent, owned) = (book.balances.fees, book.balances.owned().0);
            prop_assert_eq!(owned + u64::try_from(spent).unwrap(), 100);
            prop_assert_eq!(journal::verify(&book, &books.journal(0, u32::MAX).unwrap()), Ok(()));
            if matches!(reply, Reply::Refused(_)) {
                prop_assert_eq!(&books, &before);
            }
            let after = books.clone();
            prop_assert_eq!(apply(&mut books, &command, now).unwrap(), reply);
            prop_assert_eq!(&books, &after);
        }
    }
}
