//! Paying with a wallet behind a relay: once, by its proof alone, and never again on a guess.

use std::sync::Arc;

use tokio::runtime::Runtime;

use crate::nwc_wallet::{Habits, Manners, World as Relay};
use crate::world::{Ending, Habit, Program, Seller};

struct Cast {
    program: Program,
    seller: Seller,
    relay: Relay,
    /// The relay lives in it.
    _runtime: Runtime,
}

fn cast_with(habits: Habits) -> Cast {
    let seller = Seller::of(Habit::Good);
    let runtime = Runtime::new().unwrap();
    let habits = Habits { network: Arc::clone(&seller.network), ..habits };
    let relay = runtime.block_on(Relay::with(habits));
    Cast { program: Program::new(), seller, relay, _runtime: runtime }
}

fn habits(manners: Manners) -> Habits {
    Habits { service: "pay_invoice lookup_invoice", ..Habits::of(manners) }
}

fn cast(manners: Manners) -> Cast {
    cast_with(habits(manners))
}

impl Cast {
    fn pay_by(&self, wallet: &str, more: &[&str]) -> Ending {
        let url = self.seller.url();
        let args = [&["pay", &url, "--network", "regtest", "--wallet", wallet], more].concat();
        self.program.run(&args)
    }

    fn pay(&self) -> Ending {
        self.pay_by(&self.relay.key(), &[])
    }

    fn payments(&self) -> usize {
        self.relay.count("pay_invoice")
    }
}

#[test]
fn what_is_sold_is_paid_once_by_either_spelling_and_nothing_secret_is_said() {
    let cast = cast(Manners::Good);
    let ending = cast.pay_by(&format!("type=nwc;uri={}", cast.relay.key()), &[]);
    assert_eq!((ending.code, ending.out.as_str()), (0, "goods for GET"), "{ending:?}");
    assert!(ending.err.starts_with("paid 10 sats and 1 sat of routing fee for \"An answer\""), "{ending:?}");
    let again = cast.pay();
    assert_eq!((again.code, cast.payments()), (0, 1), "{again:?}");
    let anew = cast.pay_by(&cast.relay.key(), &["--no-cache"]);
    assert_eq!((anew.code, cast.payments()), (0, 2), "{anew:?}");
    for ending in [ending, again, anew] {
        assert!(!format!("{ending:?}").contains(&"02".repeat(32)), "{ending:?}");
    }
}

#[test]
fn a_payment_of_unknown_end_is_asked_after_and_never_made_again_t93() {
    let cast = cast(Manners::DropsPayments);
    for _ in 0..2 {
        let ending = cast.pay();
        assert_eq!((ending.code, cast.payments(), ending.out.as_str()), (4, 1, ""), "{ending:?}");
        assert!(ending.err.contains("it is not known what became of a payment"), "{ending:?}");
    }
    // Another wallet cannot know, and is not asked to pay.
    let other = self::cast(Manners::Good);
    assert_eq!((cast.pay_by(&other.relay.key(), &[]).code, other.payments()), (4, 0));

    cast.relay.payments_are("settled");
    let found = cast.pay();
    assert_eq!((found.code, found.out.as_str(), cast.payments()), (0, "goods for GET", 1), "{found:?}");
}

#[test]
fn a_payment_that_the_wallet_calls_failed_is_over_at_once_or_when_asked_after() {
    let fails = cast(Manners::PaysNothing);
    for tries in 1..=2 {
        let ending = fails.pay();
        assert_eq!((ending.code, fails.payments()), (4, tries), "{ending:?}");
        assert!(ending.err.contains("the payment failed: PAYMENT_FAILED"), "{ending:?}");
    }
    let later = cast(Manners::DropsPayments);
    assert_eq!((later.pay().code, later.payments()), (4, 1));
    later.relay.payments_are("failed");
    assert_eq!((later.pay().code, later.payments()), (4, 2), "the first one is over, so there is a second");
}

#[test]
fn a_wallet_that_cannot_prove_its_payment_is_not_believed_and_not_asked_again() {
    let cast = cast(Manners::ProvesNothing);
    let ending = cast.pay();
    assert_eq!(ending.code, 4, "{ending:?}");
    assert!(ending.err.contains("Do not pay again"), "{ending:?}");
    let shown = cast.seller.server.heard().iter().any(|request| !request.header("authorization").is_empty());
    assert!(!shown, "no false preimage goes out");
    assert_eq!((cast.pay().code, cast.payments()), (4, 1));
}

#[test]
fn a_wallet_that_may_not_pay_or_is_away_has_paid_nothing() {
    let refuses = |habits: Habits, words: &str| {
        let cast = cast_with(habits);
        let ending = cast.pay();
        assert_eq!((ending.code, cast.payments()), (4, 0), "{ending:?}");
        assert!(ending.err.contains(words) && ending.err.contains("nothing was paid"), "{ending:?}");
        assert!(cast.program.read("satstile/tokens").is_none_or(|book| !book.contains("payment_hash")));
    };
    refuses(Habits { service: "make_invoice lookup_invoice", ..habits(Manners::Good) }, "may not pay");
    refuses(Habits { nip44: false, ..habits(Manners::Good) }, "does not speak NIP-44");

    let cast = cast(Manners::Good);
    let nobody = cast.relay.key().replace("ws://127.0.0.1", "ws://127.0.0.2");
    let ending = cast.pay_by(&nobody, &[]);
    assert_eq!(ending.code, 6, "{ending:?}");
    assert!(cast.program.read("satstile/tokens").is_none_or(|book| !book.contains("payment_hash")));
}

#[test]
fn a_fee_limit_is_refused_because_the_wallet_takes_none_t94() {
    let cast = cast(Manners::Good);
    let ending = cast.pay_by(&cast.relay.key(), &["--max-fee-sats", "1"]);
    assert_eq!((ending.code, cast.payments()), (2, 0), "{ending:?}");
    assert!(ending.err.contains("takes no --max-fee-sats"), "{ending:?}");
    let broken = cast.pay_by(&cast.relay.key().replace("secret=", "secrets="), &[]);
    assert_eq!(broken.code, 2, "{broken:?}");
    assert!(broken.err.contains("`uri=` has no secret=") && !broken.err.contains(&"02".repeat(32)), "{broken:?}");
    assert!(cast.seller.server.heard().is_empty());
}
