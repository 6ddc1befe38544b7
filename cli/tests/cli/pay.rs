//! Paying: once, the right thing, and never on a guess.

use crate::http::{Answer, Server};
use crate::world::{Ending, Habit, Program, Purse, Seller, wallet};

struct Cast {
    program: Program,
    seller: Seller,
    wallet: Server,
}

fn cast(habit: Habit, purse: Purse) -> Cast {
    let seller = Seller::of(habit);
    let wallet = wallet(purse, &seller.network);
    Cast { program: Program::new(), seller, wallet }
}

impl Cast {
    fn pay(&self, more: &[&str]) -> Ending {
        self.program.pay(&self.seller.url(), &self.wallet, more)
    }

    fn payments(&self) -> usize {
        self.wallet.count("POST", "/payinvoice")
    }

    /// Pays nothing, and says why.
    #[track_caller]
    fn refuses(&self, more: &[&str], code: i32, words: &str) {
        let ending = self.pay(more);
        assert_eq!(ending.code, code, "{ending:?}");
        assert!(ending.err.contains(words), "{words}: {ending:?}");
        assert_eq!((self.payments(), ending.out.as_str()), (0, ""));
    }
}

#[test]
fn what_is_sold_is_paid_and_printed_and_the_receipt_is_one_line_beside_it() {
    let cast = cast(Habit::Good, Purse::Pays);
    let ending = cast.pay(&[]);
    assert_eq!((ending.code, ending.out.as_str()), (0, "goods for GET"), "{ending:?}");
    assert!(ending.err.starts_with("paid 10 sats and 1 sat of routing fee for \"An answer\""), "{ending:?}");
    assert_eq!((ending.err.lines().count(), cast.payments()), (1, 1));
}

#[test]
fn a_token_is_used_again_without_paying_and_for_its_neighbours() {
    let cast = cast(Habit::Good, Purse::Pays);
    cast.pay(&[]);
    let again = cast.pay(&[]);
    assert_eq!((again.code, again.out.as_str()), (0, "goods for GET"), "{again:?}");
    let neighbour = cast.program.pay(&format!("{}/api/y", cast.seller.server.url), &cast.wallet, &[]);
    assert_eq!(neighbour.code, 0, "{neighbour:?}");
    // A path that looks quite different gets no token unasked; its 402 names the same service, so it is used then.
    let stranger = cast.program.pay(&format!("{}/other", cast.seller.server.url), &cast.wallet, &[]);
    assert_eq!((stranger.code, cast.payments()), (0, 1), "{stranger:?}");
    let shown: Vec<bool> = cast.seller.server.heard().iter().map(|r| !r.header("authorization").is_empty()).collect();
    assert_eq!(shown, [false, true, true, true, false, true]);
}

#[test]
fn without_a_cache_each_call_pays() {
    let cast = cast(Habit::Good, Purse::Pays);
    cast.pay(&["--no-cache"]);
    cast.pay(&["--no-cache"]);
    assert_eq!(cast.payments(), 2);
    assert!(cast.program.read("satstile/tokens").is_none());
}

#[test]
fn method_fields_and_body_go_out_twice_as_they_were_given() {
    let cast = cast(Habit::Good, Purse::Pays);
    let ending =
        cast.pay(&["--data", "{\"q\":1}", "--header", "Content-Type: application/json", "-H", "X-Colour: red"]);
    assert_eq!(ending.out, "goods for POST{\"q\":1}", "{ending:?}");
    for request in cast.seller.server.heard() {
        assert_eq!((request.method.as_str(), request.body.as_str()), ("POST", "{\"q\":1}"));
        assert_eq!((request.header("content-type"), request.header("x-colour")), ("application/json", "red"));
    }
}

#[test]
fn what_must_not_be_paid_is_not_paid_t115() {
    let refuses = |habit, more: &[&str], words| cast(habit, Purse::Pays).refuses(more, 3, words);
    refuses(Habit::Good, &["--max-sats", "9"], "the server asks 10 sats, more than the limit");
    refuses(Habit::OtherPrice, &[], "differs from its challenge in the amount");
    refuses(Habit::Expired, &[], "has expired");
    refuses(Habit::Mainnet, &[], "is for mainnet");
    refuses(Habit::Amountless, &[], "names no amount");
    let exact = cast(Habit::Good, Purse::Pays).pay(&["--max-sats", "10"]);
    assert_eq!(exact.code, 0, "{exact:?}");
}

/// C8: a challenge that breaks the grammar and can mean one thing only is paid, with the token as it came.
#[test]
fn what_a_careless_seller_can_only_mean_is_paid_c8() {
    for habit in [Habit::Unquoted, Habit::Blanks, Habit::InBody] {
        let cast = cast(habit, Purse::Pays);
        let ending = cast.pay(&[]);
        assert_eq!(
            (ending.code, ending.out.as_str(), cast.payments()),
            (0, "goods for GET", 1),
            "{habit:?} {ending:?}"
        );
    }
}

/// C8: the limits hold, and where two things can be meant nothing is paid.
#[test]
fn what_a_careless_seller_may_mean_in_two_ways_is_not_paid_c8() {
    for habit in [Habit::Unquoted, Habit::Blanks, Habit::InBody] {
        cast(habit, Purse::Pays).refuses(&["--max-sats", "9"], 3, "the server asks 10 sats, more than the limit");
    }
    let (seller, program) = (Seller::of(Habit::Good), Program::new());
    let wallet = wallet(Purse::Pays, &seller.network);
    for (line, body) in [
        ("L402 macaroon=AgE= invoice=lnbc1 invoice=lnbc2", "{}"),
        ("L402 macaroon=AgE= invoice=lnbc1, L402 macaroon=AgI= invoice=lnbc2", "{}"),
        ("L402 macaroon=AgE=invoice=lnbc1", "{}"),
        ("L402 macaroon=AgE=", r#"{"macaroon":"AgE=","invoice":"lnbc1"}"#),
        ("Bearer", r#"{"a":{"macaroon":"AgE=","invoice":"lnbc1"},"b":{"macaroon":"AgE=","invoice":"lnbc2"}}"#),
        ("Bearer", r#"{"token":"c2Vzc2lvbg==","invoice":"lnbc1"}"#),
    ] {
        let answer = Answer::new(402, body).with("www-authenticate", line);
        let server = Server::start(move |_| answer.clone());
        let ending = program.pay(&server.url, &wallet, &[]);
        assert_eq!((ending.code, wallet.count("POST", "/payinvoice")), (3, 0), "{line} {body} {ending:?}");
        let unread = ["challenge cannot be read", "offers no L402 challenge"];
        assert!(unread.iter().any(|words| ending.err.contains(words)), "{line} {body} {ending:?}");
    }
}

#[test]
fn a_dry_run_says_the_price_and_pays_nothing() {
    let cast = cast(Habit::Good, Purse::Pays);
    let ending = cast.pay(&["--dry-run"]);
    assert!(ending.out.starts_with("would pay 10 sats for \"An answer\" on regtest"), "{ending:?}");
    assert_eq!((ending.code, cast.payments()), (0, 0));
}

#[test]
fn what_is_free_needs_no_wallet_and_what_is_sold_says_so() {
    let (seller, program) = (Seller::of(Habit::NotSold), Program::new());
    assert_eq!(program.run(&["pay", &seller.url()]).out, "goods for GET");
    seller.becomes(Habit::Good);
    let ending = program.run(&["pay", &seller.url(), "--network", "regtest"]);
    assert_eq!(ending.code, 2, "{ending:?}");
    assert!(ending.err.contains("this costs 10 sats, and there is no wallet to pay it"), "{ending:?}");
}

#[test]
fn a_seller_who_asks_again_after_the_payment_is_paid_once_and_never_again_by_itself() {
    let cast = cast(Habit::Loops, Purse::Pays);
    let first = cast.pay(&[]);
    assert_eq!((first.code, cast.payments()), (5, 1), "{first:?}");
    let second = cast.pay(&[]);
    assert_eq!((second.code, cast.payments()), (5, 1), "{second:?}");
    assert!(second.err.contains("opened nothing yet, and is refused"), "{second:?}");
    // A person says so.
    let forgotten = cast.program.run(&["token", "forget", &cast.seller.server.url, "--service", "api"]);
    assert_eq!(forgotten.code, 0, "{forgotten:?}");
    cast.seller.becomes(Habit::Good);
    assert_eq!((cast.pay(&[]).code, cast.payments()), (0, 2));
}

#[test]
fn a_token_that_was_good_and_is_refused_is_bought_anew_once() {
    let cast = cast(Habit::Good, Purse::Pays);
    cast.pay(&[]);
    cast.seller.becomes(Habit::Loops);
    let ending = cast.pay(&[]);
    assert_eq!((ending.code, cast.payments()), (5, 2), "{ending:?}");
}

#[test]
fn a_busy_seller_is_asked_again_and_what_was_paid_is_kept() {
    let cast = cast(Habit::Busy, Purse::Pays);
    let ending = cast.pay(&[]);
    assert_eq!((ending.code, cast.payments()), (5, 1), "{ending:?}");
    assert!(ending.err.contains("the same command, later, pays nothing"), "{ending:?}");
    cast.seller.becomes(Habit::Good);
    let later = cast.pay(&[]);
    assert_eq!((later.code, later.out.as_str(), cast.payments()), (0, "goods for GET", 1), "{later:?}");
}

/// Exit code 5: the money went, and what came is an error. An error that cost nothing stays 1.
#[test]
fn an_error_that_was_paid_for_ends_otherwise_than_one_that_was_not() {
    let cast = cast(Habit::Empty, Purse::Pays);
    let paid = cast.pay(&[]);
    assert_eq!((paid.code, paid.out.as_str(), cast.payments()), (5, "no such article", 1), "{paid:?}");
    assert!(paid.err.contains("it is paid, and the server answered 404"), "{paid:?}");
    assert!(paid.err.contains("The token is kept") && !paid.err.contains("L402 AgE"), "{paid:?}");
    // The same with a file, which stays as it was.
    let other = self::cast(Habit::Empty, Purse::Pays);
    let file = other.program.write("goods", "before");
    let ending = other.pay(&["--output", &file]);
    assert_eq!((ending.code, other.payments()), (5, 1), "{ending:?}");
    assert!(ending.err.contains("it is paid, and the server answered 404: no such article"), "{ending:?}");
    assert_eq!(other.program.read("goods").as_deref(), Some("before"));

    let again = cast.pay(&[]);
    assert_eq!((again.code, cast.payments()), (1, 1), "nothing is paid by this call: {again:?}");
    assert!(!again.err.contains("it is paid"), "{again:?}");
    let free = Server::start(|_| Answer::new(503, "away"));
    let unpaid = cast.program.pay(&free.url, &cast.wallet, &[]);
    assert_eq!((unpaid.code, cast.payments()), (1, 1), "{unpaid:?}");
    assert!(!unpaid.err.contains("it is paid"), "{unpaid:?}");
}

#[test]
fn a_token_of_an_earlier_day_says_when_it_was_bought_and_does_not_look_like_a_payment() {
    let cast = cast(Habit::Good, Purse::Pays);
    cast.pay(&[]);
    let again = cast.pay(&[]);
    assert!(again.err.starts_with("bought before, on 20"), "{again:?}");
    assert!(again.err.contains("; nothing paid now (--no-cache pays again)"), "{again:?}");
    assert!(!again.err.contains("paid 10 sats"), "{again:?}");
    let anew = cast.pay(&["--no-cache"]);
    assert!(anew.err.starts_with("paid 10 sats") && !anew.err.contains("bought before"), "{anew:?}");
    assert_eq!(cast.payments(), 2);
}

/// A URL on this machine is regtest's, unless somebody says otherwise; C15 has no mainnet there.
#[test]
fn what_this_machine_sells_is_paid_on_regtest_without_a_word_and_never_on_mainnet() {
    let pay = |habit, more: &[&str]| {
        let cast = cast(habit, Purse::Pays);
        let purse = format!("type=phoenixd;server={};password=x", cast.wallet.url);
        let ending = cast.program.run(&[&["pay", &cast.seller.url(), "--wallet", &purse], more].concat());
        (ending.code, cast.payments(), ending.err)
    };
    assert_eq!(pay(Habit::Good, &[]).0, 0);
    let (code, payments, said) = pay(Habit::Mainnet, &[]);
    assert_eq!((code, payments), (3, 0), "{said}");
    assert!(said.contains("--network mainnet"), "{said}");
    assert_eq!(pay(Habit::Mainnet, &["--network", "mainnet"]).0, 0);
    let (code, payments, said) = pay(Habit::Good, &["--network", "mainnet"]);
    assert_eq!((code, payments), (3, 0), "{said}");
}

#[test]
fn without_a_cache_a_token_that_opened_nothing_is_printed_and_otherwise_never() {
    for habit in [Habit::Busy, Habit::Empty] {
        let lost = cast(habit, Purse::Pays).pay(&["--no-cache"]);
        assert!(lost.code == 5 && lost.err.contains("Authorization: L402 "), "{lost:?}");
    }
    for ending in [cast(Habit::Busy, Purse::Pays).pay(&[]), cast(Habit::Good, Purse::Pays).pay(&["--no-cache"])] {
        assert!(!ending.err.contains("L402 AgE"), "{ending:?}");
    }
}

#[test]
fn a_body_that_breaks_off_is_a_failure_and_not_an_answer() {
    let cast = cast(Habit::CutsOff, Purse::Pays);
    let ending = cast.pay(&[]);
    assert_eq!((ending.code, cast.payments()), (6, 1), "{ending:?}");
    cast.seller.becomes(Habit::Good);
    assert_eq!((cast.pay(&[]).code, cast.payments()), (0, 1));
}

#[test]
fn an_error_page_does_not_go_into_the_file() {
    let cast = cast(Habit::Good, Purse::Pays);
    let file = cast.program.write("goods", "before");
    assert_eq!(cast.pay(&["--output", &file]).code, 0);
    assert_eq!(cast.program.read("goods").as_deref(), Some("goods for GET"));
    cast.seller.becomes(Habit::Busy);
    let ending = cast.pay(&["--output", &file]);
    assert_eq!(ending.code, 1, "{ending:?}");
    assert_eq!(cast.program.read("goods").as_deref(), Some("goods for GET"));
}

#[test]
fn a_payment_that_the_wallet_calls_failed_may_be_tried_again() {
    let cast = cast(Habit::Good, Purse::Fails);
    for tries in 1..=2 {
        let ending = cast.pay(&[]);
        assert_eq!((ending.code, cast.payments()), (4, tries), "{ending:?}");
        assert!(ending.err.contains("the payment failed: no route to the seller"), "{ending:?}");
    }
}

#[test]
fn a_payment_of_unknown_end_is_asked_after_and_never_made_again_t93() {
    let cast = cast(Habit::Good, Purse::Breaks);
    let first = cast.pay(&[]);
    assert_eq!((first.code, cast.payments()), (4, 1), "{first:?}");
    assert!(first.err.contains("it is not known what became of a payment of 10 sats"), "{first:?}");
    // The wallet turns out to have paid: the token is made of what it tells now.
    let second = cast.pay(&[]);
    assert_eq!((second.code, second.out.as_str(), cast.payments()), (0, "goods for GET", 1), "{second:?}");
    assert!(second.err.contains("the payment of an earlier call has arrived; nothing more is paid now"), "{second:?}");
}

/// Exit code 5 here, too: this call learns that the money went, and gets an error for it.
#[test]
fn an_earlier_payment_that_turns_out_to_have_bought_an_error_is_said_to_be_paid_t93() {
    let cast = cast(Habit::Good, Purse::Breaks);
    assert_eq!(cast.pay(&[]).code, 4);
    cast.seller.becomes(Habit::Empty);
    let second = cast.pay(&[]);
    assert_eq!((second.code, cast.payments()), (5, 1), "{second:?}");
}

#[test]
fn a_payment_whose_end_stays_unknown_blocks_until_a_person_forgets_it_t93() {
    let cast = cast(Habit::Good, Purse::BreaksForGood);
    for _ in 0..3 {
        let ending = cast.pay(&[]);
        assert_eq!((ending.code, cast.payments()), (4, 1), "{ending:?}");
    }
    // Another wallet cannot know what became of it.
    let other = wallet(Purse::Pays, &cast.seller.network);
    assert_eq!(cast.program.pay(&cast.seller.url(), &other, &[]).code, 4);
    assert_eq!(other.count("POST", "/payinvoice"), 0);
    cast.program.run(&["token", "forget", "--all"]);
    assert_eq!(cast.program.pay(&cast.seller.url(), &other, &[]).code, 0);
}

#[test]
fn a_wallet_that_cannot_prove_its_payment_is_not_believed_and_not_asked_again() {
    let cast = cast(Habit::Good, Purse::Lies);
    let ending = cast.pay(&[]);
    assert_eq!(ending.code, 4, "{ending:?}");
    assert!(ending.err.contains("Do not pay again"), "{ending:?}");
    assert!(
        cast.seller.server.heard().iter().all(|r| r.header("authorization").is_empty()),
        "no false preimage goes out"
    );
    assert_eq!((cast.pay(&[]).code, cast.payments()), (4, 1));
}

#[test]
fn a_wallet_that_is_away_or_locked_has_paid_nothing() {
    let locked = cast(Habit::Good, Purse::Locked);
    let ending = locked.pay(&[]);
    assert_eq!(ending.code, 4, "{ending:?}");
    assert!(ending.err.contains("Nothing was paid"), "{ending:?}");

    let (seller, program) = (Seller::of(Habit::Good), Program::new());
    let nobody = "type=phoenixd;server=http://127.0.0.1:1;password=x";
    let ending = program.run(&["pay", &seller.url(), "--network", "regtest", "--wallet", nobody]);
    assert_eq!(ending.code, 6, "{ending:?}");
    assert!(program.read("satstile/tokens").is_none_or(|book| !book.contains("payment_hash")), "nothing was sent");
}

#[test]
fn secrets_stay_off_the_terminal() {
    let cast = cast(Habit::Good, Purse::Pays);
    let said = [cast.pay(&[]), cast.program.run(&["token", "list"]), cast.program.run(&["--json", "token", "list"])];
    let preimages: Vec<String> = cast.seller.network.lock().unwrap().values().map(|p| p.expose_hex()).collect();
    for ending in said {
        let all = ending.out.clone() + &ending.err;
        assert!(!all.contains("hunter2") && !all.contains("L402 A"), "{ending:?}");
        assert!(preimages.iter().all(|preimage| !all.contains(preimage)), "{ending:?}");
    }
    let shown = cast.program.run(&["token", "list", "--show-credentials"]);
    assert!(preimages.iter().any(|preimage| shown.out.contains(preimage)), "{shown:?}");
}

#[test]
fn a_command_line_that_makes_no_sense_asks_nobody() {
    let seller = Seller::of(Habit::Good);
    let program = Program::new();
    let url = seller.url();
    for args in [
        &["pay"] as &[&str],
        &["pay", "http://example.com/"],
        &["pay", &url, "--header", "Authorization: L402 a:b"],
        &["pay", &url, "--wallet", "type=piggy-bank"],
        &["pay", &url, "--wallet", "type=phoenixd;server=http://example.com;password=x"],
        &["pay", &url, "--wallet", "type=phoenixd;password=x", "--max-fee-sats", "1"],
        &["pay", &url, "--network", "moonnet"],
        &["pay", &url, "--max-sats", "1.5"],
        &["pay", &url, "--max-sats", "99999999999999"],
    ] {
        let ending = program.run(args);
        assert_eq!(ending.code, 2, "{args:?}: {ending:?}");
    }
    assert!(seller.server.heard().is_empty());
}
