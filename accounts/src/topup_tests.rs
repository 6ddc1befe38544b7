use l402::{Msat, PaymentHash, Preimage};
use satstile_ledger::topup::secret_digest;
use satstile_ledger::unpaid::GRACE_S;
use satstile_ledger::{BookId, Kind};

use super::*;
use crate::apply;
use crate::books::Books;
use crate::command::{ClaimSecret, Command, SecretDigest, TokenDigest};
use crate::memory::Memory;
use crate::testing::{NOW, WHOLE, alice_with, change, hold, left, run};

const SECRET: ClaimSecret = ClaimSecret([5; 32]);
const FIRST: TokenDigest = TokenDigest([0xf1; 32]);
const SECOND: TokenDigest = TokenDigest([0xf2; 32]);
const ENDS_AT: UnixTime = NOW.plus(600);

fn preimage(n: u8) -> Preimage {
    Preimage::new([n; 32])
}

fn paid_hash(n: u8) -> PaymentHash {
    preimage(n).payment_hash()
}

fn named(n: u8) -> NamedTopUp {
    NamedTopUp { payment_hash: paid_hash(n) }
}

/// Bob orders 100 msat for a new account; what a claim without the secret gets is for the seller to say.
fn order(n: u8, secretless: Secretless) -> OpenTopUp {
    OpenTopUp {
        book: BookId([0xb0; 32]),
        account: "bob".into(),
        payment_hash: paid_hash(n),
        asked: Msat(100),
        secret: Some(SecretDigest(secret_digest(&SECRET.0))),
        secretless,
        reference: "invoice 7".into(),
        ends_at: ENDS_AT,
        is_refill: false,
    }
}

fn credit(n: u8, paid: u64, node_fee: u64) -> Command {
    Command::Credit(Credit { payment_hash: paid_hash(n), paid: Msat(paid), node_fee: Msat(node_fee) })
}

fn alone(n: u8, token: TokenDigest) -> Claim {
    Claim { preimage: preimage(n), secret: None, bearer: None, token, sealed: Some(vec![token.0[0]].into()) }
}

fn with_secret(n: u8, token: TokenDigest) -> Claim {
    Claim { secret: Some(SECRET), ..alone(n, token) }
}

fn claimed(available: u64, spend_only: u64, token: ClaimedToken) -> Reply {
    let (available, credited, spend_only) = (Msat(available), Msat(100), Msat(spend_only));
    Reply::Claimed(Claimed { available, credited, spend_only, token })
}

fn no(refusal: impl Into<Refusal>) -> Reply {
    Reply::Refused(refusal.into())
}

/// Bob's order, paid.
fn bought(secretless: Secretless) -> Memory {
    let mut books = Memory::default();
    assert_eq!(run(&mut books, &Command::OpenTopUp(order(1, secretless))), Reply::Done);
    assert_eq!(run(&mut books, &credit(1, 100, 0)), left(100));
    books
}

fn spends(books: &mut Memory, token: TokenDigest, msat: u64) -> Reply {
    run(books, &Command::Covers(crate::command::Hold { token, ..hold(9, msat) }))
}

/// C17: nothing but an order opens an account, and what was never ordered is known to nobody.
#[test]
fn an_account_begins_with_its_first_order() {
    let mut books = Memory::default();
    for command in [
        credit(1, 100, 0),
        Command::Claim(with_secret(1, FIRST)),
        Command::SeeTopUp(named(1)),
        Command::Forget(named(1)),
        Command::LetGo(named(1)),
    ] {
        assert_eq!(run(&mut books, &command), no(Ledger::UnknownPayment), "{command:?}");
        assert_eq!(books, Memory::default(), "a question leaves no trace: {command:?}");
    }
    assert_eq!(run(&mut books, &Command::OpenTopUp(order(1, Secretless::Nothing))), Reply::Done);
    let seen = TopUpSeen { asked: Msat(100), is_credited: false, reference: "invoice 7".into(), is_claimed: false };
    assert_eq!(run(&mut books, &Command::SeeTopUp(named(1))), Reply::TopUp(seen));
    assert_eq!(run(&mut books, &Command::SeeTopUp(named(2))), no(Ledger::UnknownPayment));
    assert_eq!(run(&mut books, &Command::Claim(with_secret(1, FIRST))), no(Ledger::NotSettled));
}

/// T21: the same order again changes nothing; another one under its hash is refused.
#[test]
fn an_order_is_recorded_once() {
    let mut books = Memory::default();
    let first = order(1, Secretless::Nothing);
    run(&mut books, &Command::OpenTopUp(first.clone()));
    let before = books.clone();
    assert_eq!(run(&mut books, &Command::OpenTopUp(first.clone())), Reply::Done);
    for other in [
        OpenTopUp { asked: Msat(101), ..first.clone() },
        OpenTopUp { secret: None, ..first.clone() },
        OpenTopUp { secretless: Secretless::Spend, ..first.clone() },
    ] {
        assert_eq!(run(&mut books, &Command::OpenTopUp(other)), no(Ledger::KeyReused));
    }
    assert_eq!(books, before);
    let elsewhere = OpenTopUp { book: BookId([0xcc; 32]), ..first };
    assert!(apply(&mut books, &Command::OpenTopUp(elsewhere), NOW).is_err(), "an object has one account");
}

/// T66, T67: credited once and in full; the operator bears what the node kept.
#[test]
fn what_was_paid_is_credited_once_and_in_full() {
    let mut books = Memory::default();
    run(&mut books, &Command::OpenTopUp(order(1, Secretless::Nothing)));
    assert_eq!(run(&mut books, &credit(1, 99, 0)), no(Ledger::Underpaid));
    assert_eq!(run(&mut books, &credit(1, 100, 16)), left(100));
    let once = books.clone();
    for again in [credit(1, 100, 16), credit(1, 5_000, 0)] {
        assert_eq!(run(&mut books, &again), left(100));
        assert_eq!(books, once);
    }
    let balances = books.book().unwrap().unwrap().balances;
    assert_eq!((balances.user, balances.fees, balances.node), (100, -16, -84));
    assert_eq!(books.journal(1, 9).unwrap().iter().map(|entry| entry.kind).collect::<Vec<_>>(), [Kind::TopUp]);
}

/// T83: the secret hands everything out, and the answer that was lost comes again while its token lives.
#[test]
fn who_shows_the_secret_again_has_the_same_token() {
    let mut books = bought(Secretless::Nothing);
    assert_eq!(run(&mut books, &Command::Claim(alone(1, FIRST))), no(Ledger::WrongClaimSecret));
    let wrong = Claim { secret: Some(ClaimSecret([6; 32])), ..alone(1, FIRST) };
    assert_eq!(run(&mut books, &Command::Claim(wrong)), no(Ledger::WrongClaimSecret));
    assert_eq!(run(&mut books, &Command::Claim(with_secret(1, FIRST))), claimed(100, 0, ClaimedToken::New));
    assert_eq!(spends(&mut books, FIRST, 100), left(100));

    let before = ClaimedToken::Before(vec![0xf1].into());
    assert_eq!(run(&mut books, &Command::Claim(with_secret(1, SECOND))), claimed(100, 0, before));
    assert_eq!(spends(&mut books, SECOND, 1), no(Refusal::UnknownToken), "no second token was made");

    // What was rotated away does not come back.
    let third = TokenDigest([0xf3; 32]);
    assert_eq!(run(&mut books, &Command::RotateToken(change(FIRST, third))), Reply::Done);
    assert_eq!(spends(&mut books, third, 1), left(100));
    assert_eq!(run(&mut books, &Command::Claim(with_secret(1, SECOND))), no(Refusal::AlreadyClaimed));
}

/// T63, row A2: who claims by the preimage alone can spend and no more; the secret lifts that, and ends the other's token.
#[test]
fn a_claim_with_the_secret_wins_over_one_without_at_any_time() {
    let mut books = bought(Secretless::Spend);
    assert_eq!(run(&mut books, &Command::Claim(alone(1, FIRST))), claimed(100, 100, ClaimedToken::New));
    assert_eq!(run(&mut books, &Command::AddToken(change(FIRST, SECOND))), no(Refusal::TokenBound));
    assert_eq!(run(&mut books, &Command::RotateToken(change(FIRST, SECOND))), no(Refusal::TokenBound));
    assert_eq!(run(&mut books, &Command::Claim(alone(1, SECOND))), no(Refusal::AlreadyClaimed));

    assert_eq!(run(&mut books, &Command::Claim(with_secret(1, SECOND))), claimed(100, 0, ClaimedToken::New));
    assert_eq!(spends(&mut books, FIRST, 1), no(Refusal::UnknownToken));
    assert_eq!(spends(&mut books, SECOND, 100), left(100));
    assert_eq!(run(&mut books, &Command::AddToken(change(SECOND, FIRST))), Reply::Done, "nothing is bound any more");
}

/// C17: a policy of old clients: the preimage is enough, once.
#[test]
fn where_the_preimage_is_enough_it_is_enough_once() {
    let mut books = bought(Secretless::Everything);
    assert_eq!(run(&mut books, &Command::Claim(alone(1, FIRST))), claimed(100, 0, ClaimedToken::New));
    assert_eq!(run(&mut books, &Command::Claim(alone(1, SECOND))), no(Ledger::AlreadyClaimed));
    assert_eq!(spends(&mut books, SECOND, 1), no(Refusal::UnknownToken));
}

/// C17: a refill hands nothing out; with the account's token its claim is a question, and with another's it is refused.
#[test]
fn a_refill_keeps_the_token_that_came_along() {
    let mut books = alice_with(50);
    let book = books.book().unwrap().unwrap().id;
    let refill = OpenTopUp { book, is_refill: true, secret: None, ..order(1, Secretless::Everything) };
    assert_eq!(run(&mut books, &Command::OpenTopUp(refill)), Reply::Done);
    assert_eq!(run(&mut books, &credit(1, 100, 0)), left(150));
    let by = |bearer| Command::Claim(Claim { bearer: Some(bearer), ..alone(1, FIRST) });
    assert_eq!(run(&mut books, &by(SECOND)), no(Refusal::UnknownToken));
    assert_eq!(run(&mut books, &by(WHOLE)), claimed(150, 0, ClaimedToken::Kept));
    assert_eq!(run(&mut books, &Command::Claim(alone(1, FIRST))), no(Ledger::AlreadyClaimed));
    assert_eq!(spends(&mut books, FIRST, 1), no(Refusal::UnknownToken));
}

/// F17, T64: what nobody paid is forgotten by the node's definite word, and by nothing else.
#[test]
fn an_order_that_nobody_paid_is_asked_about_and_then_forgotten_without_a_trace() {
    let mut books = Memory::default();
    run(&mut books, &Command::OpenTopUp(order(1, Secretless::Nothing)));
    let at = |books: &mut Memory, command: &Command, s: u64| apply(books, command, ENDS_AT.plus(s)).unwrap();
    assert_eq!(at(&mut books, &Command::Alarm, GRACE_S - 1), Reply::Done, "it is not its time");
    assert_eq!(at(&mut books, &Command::Forget(named(1)), GRACE_S - 1), no(Ledger::NotYet));

    let (payment_hash, asked) = (paid_hash(1), Msat(100));
    let look = Errand::LookUp(LookUp { payment_hash, asked, reference: "invoice 7".into(), is_deposit: false });
    assert_eq!(at(&mut books, &Command::Alarm, GRACE_S), Reply::Errands(vec![look.clone()]));
    assert_eq!(at(&mut books, &Command::Alarm, GRACE_S), Reply::Done, "it was written down before it was told");
    // Nobody came back: asked again, later.
    assert_eq!(at(&mut books, &Command::Alarm, 2 * GRACE_S), Reply::Errands(vec![look]));

    assert_eq!(at(&mut books, &Command::Forget(named(1)), 2 * GRACE_S), Reply::Done);
    assert_eq!(at(&mut books, &Command::SeeTopUp(named(1)), 2 * GRACE_S), no(Ledger::UnknownPayment));
    let let_go = Errand::LetGo(LetGo { payment_hash, account: "bob".into() });
    assert_eq!(at(&mut books, &Command::Alarm, 2 * GRACE_S), Reply::Errands(vec![let_go]));
    assert_eq!(at(&mut books, &Command::LetGo(named(1)), 2 * GRACE_S), Reply::Done);
    assert!(books.due(UnixTime(u64::MAX), 9).unwrap().is_empty(), "nothing is left to be done");
}

/// F17: money that came in is never forgotten, and its watch ends.
#[test]
fn what_was_paid_is_never_forgotten() {
    let mut books = bought(Secretless::Nothing);
    assert!(books.due(UnixTime(u64::MAX), 9).unwrap().is_empty());
    assert_eq!(run(&mut books, &Command::Forget(named(1))), no(Ledger::UnknownPayment));
    // Ordered again after it was let go: the row that is there is watched on.
    let mut again = Memory::default();
    run(&mut again, &Command::OpenTopUp(order(1, Secretless::Nothing)));
    assert_eq!(run(&mut again, &Command::LetGo(named(1))), Reply::Done);
    assert_eq!(again.due(UnixTime(u64::MAX), 9).unwrap().len(), 1);
}

/// T75: a book that a person must look at takes no order and hands nothing new in.
#[test]
fn a_frozen_book_takes_no_order() {
    let mut books = bought(Secretless::Nothing);
    let mut book = books.book().unwrap().unwrap();
    book.frozen = Some(satstile_ledger::Invariant::I2);
    books.put_book(&book).unwrap();
    let frozen = no(Ledger::Frozen(satstile_ledger::Invariant::I2));
    assert_eq!(run(&mut books, &Command::OpenTopUp(order(2, Secretless::Nothing))), frozen);
    assert_eq!(run(&mut books, &credit(2, 100, 0)), no(Ledger::UnknownPayment));
}

/// T120.
#[test]
fn a_secret_and_a_preimage_never_print() {
    let text = format!("{:?}", Command::Claim(with_secret(1, FIRST)));
    assert!(!text.contains("5, 5, 5") && !text.contains("0505"), "{text}");
    assert!(!text.contains("1, 1, 1") && !text.contains("0101"), "{text}");
}
