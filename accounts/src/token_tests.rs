use l402::Msat;
use satstile_ledger::limit::Limit;

use super::*;
use crate::books::Books;
use crate::command::Command;
use crate::testing::{SPEND, WHOLE, alice_with, change, hold, left, run};

const NEW: TokenDigest = TokenDigest([3; 32]);
const NEWER: TokenDigest = TokenDigest([4; 32]);

fn spends(books: &mut crate::memory::Memory, token: TokenDigest) -> bool {
    let covers = Command::Covers(crate::command::Hold { token, ..hold(1, 1) });
    run(books, &covers) == left(100)
}

/// T82.
#[test]
fn the_whole_token_adds_one_that_can_spend_and_not_add() {
    let mut books = alice_with(100);
    assert_eq!(run(&mut books, &Command::AddToken(change(WHOLE, NEW))), Reply::Done);
    assert!(spends(&mut books, NEW));
    let refused = Reply::Refused(Refusal::CanOnlySpend);
    assert_eq!(run(&mut books, &Command::AddToken(change(NEW, NEWER))), refused);
    assert_eq!(run(&mut books, &Command::AddToken(change(SPEND, NEWER))), refused);
    assert_eq!(run(&mut books, &Command::AddToken(change(NEWER, NEWER))), Reply::Refused(Refusal::UnknownToken));
    assert!(!spends(&mut books, NEWER));
}

#[test]
fn an_account_has_a_hundred_tokens_and_no_more() {
    let mut books = alice_with(100);
    for n in 3..=100 {
        assert_eq!(run(&mut books, &Command::AddToken(change(WHOLE, TokenDigest([n; 32])))), Reply::Done);
    }
    let more = Command::AddToken(change(WHOLE, TokenDigest([101; 32])));
    assert_eq!(run(&mut books, &more), Reply::Refused(Refusal::TokensFull));
    assert_eq!(run(&mut books, &Command::RevokeToken(change(WHOLE, NEW))), Reply::Done);
    assert_eq!(run(&mut books, &more), Reply::Done);
}

/// The answer that has the new token may be lost: both are good until the new one is used.
#[test]
fn a_rotated_token_ends_when_the_new_one_is_used_first() {
    let mut books = alice_with(100);
    assert_eq!(run(&mut books, &Command::RotateToken(change(WHOLE, NEW))), Reply::Done);
    assert!(spends(&mut books, WHOLE), "the new one was not used yet");
    assert!(spends(&mut books, NEW));
    assert!(!spends(&mut books, WHOLE));
    assert_eq!(
        run(&mut books, &Command::AddToken(change(NEW, NEWER))),
        Reply::Done,
        "with all that the old one could do"
    );
}

#[test]
fn of_several_rotations_the_newest_counts() {
    let mut books = alice_with(100);
    run(&mut books, &Command::RotateToken(change(SPEND, NEW)));
    run(&mut books, &Command::RotateToken(change(SPEND, NEWER)));
    assert!(!spends(&mut books, NEW));
    assert!(spends(&mut books, NEWER));
    assert!(!spends(&mut books, SPEND));
    let adds = Command::AddToken(change(NEWER, NEW));
    assert_eq!(run(&mut books, &adds), Reply::Refused(Refusal::CanOnlySpend), "a rotation adds no right");
}

/// Whoever sends the new token has it, whatever is said to what they asked.
#[test]
fn a_refused_first_use_ends_the_old_token_too() {
    let mut books = alice_with(100);
    run(&mut books, &Command::RotateToken(change(SPEND, NEW)));
    let too_much = Command::Hold(crate::command::Hold { token: NEW, ..hold(1, 101) });
    let short = Refusal::InsufficientFunds { available: Msat(100) };
    assert_eq!(run(&mut books, &too_much), Reply::Refused(short));
    assert!(!spends(&mut books, SPEND));
}

#[test]
fn a_token_ends_itself_the_whole_one_any_and_the_last_whole_one_stays() {
    let mut books = alice_with(100);
    run(&mut books, &Command::AddToken(change(WHOLE, NEW)));
    assert_eq!(run(&mut books, &Command::RevokeToken(change(SPEND, NEW))), Reply::Refused(Refusal::CanOnlySpend));
    assert_eq!(run(&mut books, &Command::RevokeToken(change(WHOLE, WHOLE))), Reply::Refused(Refusal::LastToken));
    assert_eq!(run(&mut books, &Command::RevokeToken(change(SPEND, SPEND))), Reply::Done);
    assert_eq!(run(&mut books, &Command::RevokeToken(change(WHOLE, NEW))), Reply::Done);
    assert!(spends(&mut books, WHOLE));
    assert!(!spends(&mut books, SPEND));
    assert!(!spends(&mut books, NEW));
}

/// T63: as long as some of the balance can only be spent.
#[test]
fn a_token_of_a_bound_balance_is_made_into_no_other_one() {
    let mut books = alice_with(100);
    let free = books.book().unwrap().unwrap();
    let limit = |left| Some(Limit { of: Msat(100), left: Msat(left), escrows: false, since: free.seq });
    books.put_book(&satstile_ledger::Book { limit: limit(1), ..free }).unwrap();
    for command in [Command::AddToken(change(WHOLE, NEW)), Command::RotateToken(change(WHOLE, NEW))] {
        assert_eq!(run(&mut books, &command), Reply::Refused(Refusal::TokenBound));
    }
    assert!(spends(&mut books, WHOLE) && !spends(&mut books, NEW));
    books.put_book(&satstile_ledger::Book { limit: limit(0), ..free }).unwrap();
    assert_eq!(run(&mut books, &Command::AddToken(change(WHOLE, NEW))), Reply::Done, "it is used up");
}
