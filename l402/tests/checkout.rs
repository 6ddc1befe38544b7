//! The checkout of a person, step by step, and under every order of events that a browser can come up with.
#![cfg(feature = "payer")]

use l402::bolt11::Network;
use l402::payer::checkout::{
    Answer, Checkout, CheckoutFault, Effect, Event, News, Phase, RENEWALS_MAX, Source, UnverifiedStatus, WATCH_MARGIN_S,
};
use l402::payer::{Mismatch, Offer, PayerFault, UnverifiedTerms};
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use proptest::prelude::*;

mod support;

const NOW: UnixTime = UnixTime(1_900_000_000);
/// Of every invoice of the support module.
const LIFE_S: u64 = 600;

fn preimage(n: u8) -> Preimage {
    Preimage::new([n; 32])
}

fn hash(n: u8) -> PaymentHash {
    preimage(n).payment_hash()
}

fn offer(n: u8, amount: Msat, made_at: UnixTime) -> Offer {
    let invoice = support::invoice(amount, &preimage(n), made_at);
    Offer::read(&[&format!(r#"L402 macaroon="AgE=", invoice="{invoice}", version="0", token="AgE=""#)]).unwrap()
}

fn answer(n: u8, made_at: UnixTime) -> Event {
    Event::Answered(Answer::Offer(Box::new(offer(n, Msat(21_000), made_at)), UnverifiedTerms::default()))
}

/// A checkout and its clock.
struct Page {
    checkout: Checkout,
    now: UnixTime,
}

impl Page {
    fn new() -> Self {
        Self { checkout: Checkout::new(Some(Msat(21_000))), now: NOW }
    }

    /// A page with invoice 1 on the screen.
    fn waiting() -> Self {
        let mut page = Self::new();
        assert_eq!(page.step(Event::Start), [Effect::Draw, Effect::Ask]);
        page.step(answer(1, NOW));
        assert_eq!(page.checkout.phase(), Phase::Waiting);
        page
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        self.checkout.step(event, self.now, 128)
    }

    fn settled(&mut self, n: u8) -> Vec<Effect> {
        let said = preimage(n).expose_hex();
        self.step(Event::Status(hash(n), UnverifiedStatus::Settled(said)))
    }

    #[track_caller]
    fn is(&self, phase: Phase) {
        assert_eq!(self.checkout.phase(), phase);
    }
}

fn wakes(effects: &[Effect]) -> Vec<u32> {
    effects.iter().filter_map(|effect| if let Effect::Wake(ms) = effect { Some(*ms) } else { None }).collect()
}

const PROVEN: [Effect; 4] = [Effect::Rest, Effect::Draw, Effect::Tell(News::Settled), Effect::Unlock];

#[test]
fn a_phone_pays_and_the_door_opens() {
    let mut page = Page::waiting();
    assert_eq!(page.step(Event::Tick), [Effect::Poll(hash(1))]);
    let effects = page.step(Event::Status(hash(1), UnverifiedStatus::Pending));
    assert_eq!(wakes(&effects).len(), 1, "{effects:?}");
    page.step(Event::Tick);
    assert_eq!(page.settled(1), PROVEN);
    let credential = page.checkout.proof().unwrap().authorization();
    assert_eq!(credential, format!("L402 AgE=:{}", "01".repeat(32)));
    assert_eq!(page.step(Event::Unlocked), [Effect::Rest, Effect::Draw]);
    page.is(Phase::Open);
}

#[test]
fn what_is_open_asks_for_no_money() {
    let mut page = Page::new();
    page.step(Event::Start);
    assert_eq!(page.step(Event::Answered(Answer::Free)), [Effect::Rest, Effect::Draw]);
    page.is(Phase::Open);
    assert!(page.checkout.bill().is_none() && page.checkout.proof().is_none());
}

/// T115: nobody is believed without the preimage of an invoice that was shown.
#[test]
fn a_server_that_lies_about_the_payment_opens_nothing() {
    for said in [preimage(2).expose_hex(), String::new(), "01".repeat(31), "zz".repeat(32)] {
        let mut page = Page::waiting();
        page.step(Event::Tick);
        let effects = page.step(Event::Status(hash(1), UnverifiedStatus::Settled(said)));
        assert_eq!(effects, [Effect::Rest, Effect::Draw, Effect::Tell(News::Failed)]);
        page.is(Phase::Failed(CheckoutFault::FalseProof));
        assert!(page.checkout.proof().is_none() && page.checkout.bill().is_none());
    }
}

/// A macaroon with two caveats, whose last 35 of 63 bytes change when another is added; and with the edge's.
const TOKEN: &str = "AgEIc2F0c3RpbGUCAmlkAAIDYT0xAAIDYj0xAAAGIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
const ATTESTED_TOKEN: &str = "AgEIc2F0c3RpbGUCAmlkAAIDYT0xAAIDYj0xAAITc2F0c3RpbGVfYXR0ZXN0ZWQ9MQAABiAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIBAA==";

/// A page that shows invoice 1 with that token.
fn with_token() -> Page {
    let mut page = Page::new();
    page.step(Event::Start);
    let mut offer = offer(1, Msat(21_000), NOW);
    offer.token = TOKEN.to_owned();
    page.step(Event::Answered(Answer::Offer(Box::new(offer), UnverifiedTerms::default())));
    page.is(Phase::Waiting);
    page.step(Event::Tick);
    page
}

fn attests(page: &mut Page, hash: PaymentHash, token: &str, half: &str) -> Vec<Effect> {
    page.step(Event::Status(hash, UnverifiedStatus::Attested(token.to_owned(), half.to_owned())))
}

/// C5: where the seller's node tells no preimage, the seller hands out the same token, attested.
#[test]
fn a_seller_that_attests_its_own_token_opens_its_own_door() {
    let mut page = with_token();
    assert_eq!(attests(&mut page, hash(1), ATTESTED_TOKEN, &"ab".repeat(32)), PROVEN);
    let proof = page.checkout.proof().unwrap();
    assert!(proof.is_attested());
    assert_eq!(proof.authorization(), format!("L402 {ATTESTED_TOKEN}:{}", "ab".repeat(32)));
    page.step(Event::Unlocked);
    page.is(Phase::Open);
    // A preimage is a preimage.
    let mut page = with_token();
    assert_eq!(page.settled(1), PROVEN);
    assert!(!page.checkout.proof().unwrap().is_attested());
}

/// T115: a token that does not belong to the invoice on the screen takes nobody anywhere, and no tab attests anything.
#[test]
fn another_token_is_no_attestation() {
    let other = ATTESTED_TOKEN.replacen("YT0x", "YT0y", 1);
    for (token, half) in [
        (other.as_str(), "ab".repeat(32)),
        (TOKEN, "ab".repeat(32)),
        (&TOKEN[..40], "ab".repeat(32)),
        ("", "ab".repeat(32)),
        (&format!("{ATTESTED_TOKEN}:00"), "ab".repeat(32)),
        (ATTESTED_TOKEN, "ab".repeat(31)),
        (ATTESTED_TOKEN, String::new()),
    ] {
        let mut page = with_token();
        let effects = attests(&mut page, hash(1), token, &half);
        assert_eq!(effects, [Effect::Rest, Effect::Draw, Effect::Tell(News::Failed)], "{token}:{half}");
        page.is(Phase::Failed(CheckoutFault::FalseProof));
        assert!(page.checkout.proof().is_none());
    }
    let mut page = with_token();
    attests(&mut page, hash(2), ATTESTED_TOKEN, &"ab".repeat(32));
    assert!(page.checkout.proof().is_none(), "an invoice that was never shown");
    let mut page = with_token();
    assert_eq!(page.step(Event::Preimage("ab".repeat(32), Source::Tab)), []);
    assert_eq!(page.step(Event::Preimage("ab".repeat(32), Source::Payer)), [Effect::Tell(News::WrongPreimage)]);
    page.is(Phase::Waiting);
}

#[test]
fn what_a_person_mistypes_loses_nothing() {
    let mut page = Page::waiting();
    let typed = |n: u8, source| Event::Preimage(format!(" {}\n", preimage(n).expose_hex()), source);
    assert_eq!(page.step(typed(2, Source::Payer)), [Effect::Tell(News::WrongPreimage)]);
    assert_eq!(page.step(typed(2, Source::Tab)), []);
    page.is(Phase::Waiting);
    assert_eq!(page.step(typed(1, Source::Payer)), PROVEN);
}

#[test]
fn an_invoice_that_is_not_what_the_server_says_never_gets_on_the_screen() {
    let agree = UnverifiedTerms {
        amount_msat: Some(21_000),
        payment_hash: Some(hash(1).to_string()),
        invoice: Some(offer(1, Msat(21_000), NOW).bolt11.to_uppercase()),
        macaroon: Some("AgE=".to_owned()),
        expires_at: Some(NOW.plus(LIFE_S).to_string()),
        network: Some("regtest".to_owned()),
    };
    let shown = |change: &dyn Fn(&mut UnverifiedTerms), fault: Option<PayerFault>| {
        let mut page = Page::new();
        page.step(Event::Start);
        let mut terms = agree.clone();
        change(&mut terms);
        let effects = page.step(Event::Answered(Answer::Offer(Box::new(offer(1, Msat(21_000), NOW)), terms)));
        match fault {
            None => page.is(Phase::Waiting),
            Some(fault) => {
                page.is(Phase::Failed(CheckoutFault::Challenge(fault)));
                assert!(page.checkout.bill().is_none());
                assert_eq!(effects, [Effect::Rest, Effect::Draw, Effect::Tell(News::Failed)]);
            }
        }
    };
    let differs = |what| Some(PayerFault::Mismatch(what));
    shown(&|_| (), None);
    shown(&|terms| terms.amount_msat = Some(2_100), differs(Mismatch::Amount));
    shown(&|terms| terms.payment_hash = Some(hash(2).to_string()), differs(Mismatch::PaymentHash));
    shown(&|terms| terms.network = Some("mainnet".to_owned()), differs(Mismatch::Network));
    shown(&|terms| terms.invoice = Some("lnbcrt1".to_owned()), differs(Mismatch::Invoice));
    shown(&|terms| terms.macaroon = Some("AgI=".to_owned()), differs(Mismatch::Token));
    shown(&|terms| terms.expires_at = Some(NOW.plus(LIFE_S + 1).to_string()), differs(Mismatch::Expiry));
    shown(&|terms| terms.expires_at = Some("soon".to_owned()), differs(Mismatch::Expiry));
}

#[test]
fn more_than_the_page_allows_is_not_shown() {
    let mut page = Page::new();
    page.step(Event::Start);
    let dear = offer(1, Msat(21_001), NOW);
    page.step(Event::Answered(Answer::Offer(Box::new(dear), UnverifiedTerms::default())));
    page.is(Phase::Failed(CheckoutFault::Challenge(PayerFault::TooDear(Msat(21_001)))));
    assert!(page.checkout.bill().is_none());
}

#[test]
fn an_expired_invoice_is_replaced_in_place_and_the_old_one_still_counts() {
    let mut page = Page::waiting();
    page.now = NOW.plus(LIFE_S);
    let effects = page.step(Event::Tick);
    assert_eq!(effects, [Effect::Tell(News::Expired), Effect::Ask, Effect::Poll(hash(1))]);
    let effects = page.step(answer(2, page.now));
    assert_eq!(effects[..2], [Effect::Draw, Effect::Tell(News::Renewed)]);
    assert_eq!(page.checkout.bill().unwrap().offer.payment_hash(), hash(2));
    page.step(Event::Status(hash(1), UnverifiedStatus::Expired));
    // Among the next looks one goes to the old invoice, and a late payment opens the door.
    let looked: Vec<_> = (0..8)
        .flat_map(|_| {
            let effects = page.step(Event::Tick);
            page.step(Event::Status(hash(2), UnverifiedStatus::Pending));
            effects
        })
        .collect();
    assert!(looked.contains(&Effect::Poll(hash(1))) && looked.contains(&Effect::Poll(hash(2))), "{looked:?}");
    assert_eq!(page.settled(1), PROVEN);
}

/// The socket watches the new invoice; the old one is asked about often for as long as most late payments take.
#[test]
fn a_late_payment_is_found_in_seconds_though_the_server_tells_of_the_new_invoice_only() {
    let mut page = Page::waiting();
    page.now = NOW.plus(LIFE_S);
    page.step(Event::Tick);
    page.step(answer(2, page.now));
    page.step(Event::Live(true));
    let mut waited_ms = 0;
    let mut effects = page.step(Event::Status(hash(1), UnverifiedStatus::Expired));
    for _ in 0..4 {
        waited_ms += wakes(&effects)[0];
        effects = page.step(Event::Tick);
        let Some(Effect::Poll(looked)) = effects.iter().find(|e| matches!(e, Effect::Poll(_))) else { continue };
        if *looked == hash(1) {
            break;
        }
        effects = page.step(Event::Status(*looked, UnverifiedStatus::Pending));
    }
    assert!(effects.contains(&Effect::Poll(hash(1))) && waited_ms < 5_000, "{waited_ms} ms, {effects:?}");
    // A minute later the server's word is enough again.
    page.now = page.now.plus(61);
    assert!(wakes(&page.step(Event::Status(hash(1), UnverifiedStatus::Expired)))[0] > 10_000);
}

#[test]
fn the_old_invoice_is_watched_for_ten_minutes_and_no_longer() {
    let mut page = Page::waiting();
    page.now = NOW.plus(LIFE_S);
    page.step(Event::Tick);
    page.step(answer(2, page.now));
    page.step(Event::Status(hash(1), UnverifiedStatus::Expired));
    page.now = NOW.plus(LIFE_S + WATCH_MARGIN_S);
    for _ in 0..8 {
        let effects = page.step(Event::Tick);
        assert!(!effects.contains(&Effect::Poll(hash(1))), "{effects:?}");
        page.step(Event::Status(hash(2), UnverifiedStatus::Pending));
    }
}

/// B9: a wallet that was told to pay may have paid, whatever it says: the invoice stays, and no other takes its place by
/// itself.
#[test]
fn while_a_payment_may_be_under_way_no_other_is_asked_for_b9() {
    let mut page = Page::waiting();
    assert_eq!(page.step(Event::Sent(true)), [Effect::Draw, Effect::Poll(hash(1))]);
    assert!(page.checkout.is_sent());
    // Nothing that the wallet may have given for a preimage is a fault of the person's.
    for given in ["", "undefined", "[object Object]", &"00".repeat(32), &"zz".repeat(32)] {
        assert_eq!(page.step(Event::Preimage(given.to_owned(), Source::Tab)), [], "{given}");
    }
    page.step(Event::Status(hash(1), UnverifiedStatus::Pending));
    page.now = NOW.plus(LIFE_S);
    let effects = page.step(Event::Tick);
    assert!(!effects.contains(&Effect::Ask) && effects.contains(&Effect::Tell(News::Expired)), "{effects:?}");
    page.is(Phase::Over);
    assert!(page.checkout.is_sent() && effects.contains(&Effect::Poll(hash(1))), "and it is still watched");
    // Who asks for another one gets it; and the first still opens.
    assert_eq!(page.step(Event::Renew), [Effect::Ask]);
    page.step(answer(2, page.now));
    assert!(!page.checkout.is_sent());
    assert_eq!(page.settled(1), PROVEN);
}

/// B9: the nearest "no": a wallet that certainly did not pay leaves everything as it was.
#[test]
fn what_was_certainly_not_sent_can_be_sent_and_renewed_b9() {
    let mut page = Page::waiting();
    page.step(Event::Sent(true));
    page.step(Event::Status(hash(1), UnverifiedStatus::Pending));
    assert_eq!(page.step(Event::Sent(false)), [Effect::Draw, Effect::Poll(hash(1))]);
    assert!(!page.checkout.is_sent());
    page.now = NOW.plus(LIFE_S);
    assert!(page.step(Event::Tick).contains(&Effect::Ask));
}

/// B9: a preimage in capitals is one.
#[test]
fn a_preimage_in_capitals_is_one_b9() {
    let mut page = Page::waiting();
    let preimage = Preimage::new([0xab; 32]);
    let invoice = support::invoice(Msat(21_000), &preimage, NOW);
    let offer = Offer::read(&[&format!(r#"L402 macaroon="AgE=", invoice="{invoice}""#)]).unwrap();
    page.step(Event::Renew);
    page.step(Event::Answered(Answer::Offer(Box::new(offer), UnverifiedTerms::default())));
    assert_eq!(page.step(Event::Preimage(preimage.expose_hex().to_uppercase(), Source::Tab)), PROVEN);
}

/// D7: what cannot be sold just now is said once, and asked for again by itself, later and later.
#[test]
fn a_seller_without_a_node_is_asked_again_by_itself_d7() {
    for (later, fault) in [
        (Answer::Unsold as fn(u32) -> Answer, CheckoutFault::Unsold),
        (Answer::Later as fn(u32) -> Answer, CheckoutFault::Limited),
    ] {
        let mut page = Page::new();
        page.step(Event::Start);
        let effects = page.step(Event::Answered(later(5)));
        assert_eq!(effects[..3], [Effect::Rest, Effect::Draw, Effect::Tell(News::Failed)]);
        page.is(Phase::Failed(fault));
        let mut pauses = wakes(&effects);
        for _ in 0..6 {
            assert_eq!(page.step(Event::Tick), [Effect::Ask]);
            let effects = page.step(Event::Answered(later(5)));
            assert_eq!(effects.len(), 1, "nothing is said twice: {effects:?}");
            pauses.extend(wakes(&effects));
        }
        assert!(pauses.is_sorted() && (4_000..=6_000).contains(&pauses[0]), "{pauses:?}");
        assert!(pauses.iter().all(|ms| *ms <= 72_000), "{pauses:?}");
        // Nobody looks, and nobody asks; who comes back is served soon.
        page.step(Event::Seen(false));
        assert_eq!(page.step(Event::Tick), []);
        assert_eq!(page.step(Event::Seen(true)), [Effect::Wake(1_000)]);
        assert_eq!(page.step(Event::Tick), [Effect::Ask]);
        page.step(answer(1, NOW));
        page.is(Phase::Waiting);
    }
}

/// D7: a seller that is down while an invoice is on the screen takes nothing away.
#[test]
fn a_renewal_that_cannot_be_sold_leaves_the_invoice_d7() {
    let mut page = Page::waiting();
    page.now = NOW.plus(LIFE_S);
    page.step(Event::Tick);
    assert_eq!(page.step(Event::Answered(Answer::Unsold(7))), [Effect::Wake(7_000)]);
    page.is(Phase::Waiting);
    assert_eq!(page.settled(1), PROVEN);
}

#[test]
fn nobody_looks_and_no_invoice_is_made() {
    let mut page = Page::waiting();
    page.step(Event::Seen(false));
    page.now = NOW.plus(LIFE_S);
    assert_eq!(page.step(Event::Tick), [Effect::Poll(hash(1))]);
    page.step(Event::Status(hash(1), UnverifiedStatus::Expired));
    let effects = page.step(Event::Seen(true));
    assert!(effects.contains(&Effect::Ask), "{effects:?}");
}

#[test]
fn after_so_many_renewals_a_person_has_to_ask() {
    let mut page = Page::waiting();
    for n in 2..=RENEWALS_MAX + 1 {
        page.now = page.now.plus(LIFE_S);
        assert!(page.step(Event::Tick).contains(&Effect::Ask), "{n}");
        page.step(answer(u8::try_from(n).unwrap(), page.now));
        page.step(Event::Status(hash(1), UnverifiedStatus::Pending));
    }
    page.now = page.now.plus(LIFE_S);
    let effects = page.step(Event::Tick);
    assert!(!effects.contains(&Effect::Ask) && effects.contains(&Effect::Tell(News::Expired)), "{effects:?}");
    page.is(Phase::Over);
    assert_eq!(page.step(Event::Start), [Effect::Ask]);
    page.step(answer(99, page.now));
    page.is(Phase::Waiting);
}

#[test]
fn the_way_back_from_the_wallet_looks_at_once() {
    let mut page = Page::waiting();
    page.step(Event::Seen(false));
    assert_eq!(page.step(Event::Seen(true)), [Effect::Poll(hash(1))]);
    // While that look is under way a hint comes: its answer may be older, so there is another look soon.
    assert_eq!(page.step(Event::Hint), []);
    let effects = page.step(Event::Status(hash(1), UnverifiedStatus::Pending));
    assert!(wakes(&effects).iter().all(|ms| *ms <= 1_200) && wakes(&effects).len() == 1, "{effects:?}");
}

#[test]
fn pauses_grow_and_the_end_of_the_invoice_is_not_slept_through() {
    let mut page = Page::waiting();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        page.step(Event::Tick);
        pauses.extend(wakes(&page.step(Event::Status(hash(1), UnverifiedStatus::Pending))));
    }
    assert!(pauses.is_sorted() && pauses[0] <= 1_600 && *pauses.last().unwrap() <= 6_000, "{pauses:?}");
    let live = wakes(&page.step(Event::Live(true)));
    assert!(live[0] > 10_000, "the server will tell: {live:?}");
    page.now = NOW.plus(LIFE_S - 2);
    page.step(Event::Tick);
    assert_eq!(wakes(&page.step(Event::Status(hash(1), UnverifiedStatus::Pending))), [2_000]);
}

#[test]
fn a_busy_server_is_left_alone_for_as_long_as_it_says() {
    let mut page = Page::waiting();
    page.step(Event::Tick);
    assert_eq!(page.step(Event::Status(hash(1), UnverifiedStatus::Unknown(Some(7)))), [Effect::Wake(7_000)]);
}

#[test]
fn a_device_with_a_wrong_clock_can_pay_too() {
    for now in [NOW.plus(3_600), UnixTime(NOW.0 - 3_600)] {
        let mut page = Page::new();
        page.now = now;
        page.step(Event::Start);
        page.step(answer(1, NOW));
        page.is(Phase::Waiting);
        assert_eq!(page.checkout.bill().unwrap().ends_at, now.plus(LIFE_S));
    }
    let mut page = Page::new();
    page.now = NOW.plus(100 * 86_400);
    page.step(Event::Start);
    page.step(answer(1, NOW));
    page.is(Phase::Failed(CheckoutFault::Challenge(PayerFault::Expired)));
}

#[test]
fn a_paid_proof_that_is_refused_is_kept_and_never_paid_again() {
    let mut page = Page::waiting();
    page.step(Event::Tick);
    page.settled(1);
    page.step(Event::Refused);
    page.is(Phase::Failed(CheckoutFault::Refused));
    assert!(page.checkout.proof().is_some());
    assert_eq!(page.step(Event::Start), [Effect::Draw, Effect::Unlock], "the door again, not the till");
}

#[test]
fn a_door_that_cannot_be_reached_is_tried_again() {
    let mut page = Page::waiting();
    page.step(Event::Tick);
    page.settled(1);
    for _ in 0..5 {
        assert_eq!(wakes(&page.step(Event::NotUnlocked)).len(), 1);
        assert_eq!(page.step(Event::Tick), [Effect::Unlock]);
    }
    page.step(Event::NotUnlocked);
    page.is(Phase::Failed(CheckoutFault::Unreachable));
    assert_eq!(page.step(Event::Seen(true)), [Effect::Draw, Effect::Unlock]);
}

#[test]
fn a_person_may_ask_for_another_invoice_and_the_first_one_still_counts() {
    let mut page = Page::waiting();
    assert_eq!(page.step(Event::Renew), [Effect::Ask]);
    assert_eq!(page.step(Event::Renew), [], "one question at a time");
    page.step(answer(2, NOW));
    assert_eq!(page.checkout.bill().unwrap().offer.payment_hash(), hash(2));
    assert_eq!(page.settled(1), PROVEN);
    assert_eq!(page.step(Event::Renew), [], "paid");
}

/// A renewal that is too dear, or broken, is not shown; who has paid the invoice before it gets in all the same.
#[test]
fn a_renewal_that_goes_wrong_does_not_lose_the_payment_before_it() {
    let dear = || Event::Answered(Answer::Offer(Box::new(offer(2, Msat(21_001), NOW)), UnverifiedTerms::default()));
    for wrong in [dear(), Event::Answered(Answer::Unreadable(PayerFault::NoChallenge))] {
        let mut page = Page::waiting();
        page.step(Event::Renew);
        let effects = page.step(wrong);
        assert!(matches!(page.checkout.phase(), Phase::Failed(CheckoutFault::Challenge(_))));
        assert!(page.checkout.bill().is_none() && wakes(&effects).len() == 1, "{effects:?}");
        assert_eq!(page.step(Event::Tick), [Effect::Poll(hash(1))]);
        assert_eq!(page.settled(1), PROVEN);
        let mut page = Page::waiting();
        page.step(Event::Renew);
        page.step(dear());
        assert_eq!(page.step(Event::Renew), [Effect::Draw, Effect::Ask], "a person may try again");
        page.step(answer(3, NOW));
        page.is(Phase::Waiting);
    }
}

#[test]
fn forgetting_begins_anew() {
    let mut page = Page::waiting();
    page.settled(1);
    page.step(Event::Forget);
    page.is(Phase::Idle);
    assert!(page.checkout.proof().is_none() && page.checkout.bill().is_none());
    assert_eq!(page.step(Event::Preimage(preimage(1).expose_hex(), Source::Payer)), []);
}

#[test]
fn nothing_secret_prints() {
    let mut page = Page::waiting();
    page.settled(1);
    let shown = format!("{:?}", page.checkout);
    assert!(!shown.contains("AgE=") && !shown.contains("0101"), "{shown}");
}

/// One event of a browser, a server or a person, good and bad.
fn any_event() -> impl Strategy<Value = (Event, u64)> {
    let n = 1..=4u8;
    let said = prop_oneof![
        Just(UnverifiedStatus::Pending),
        Just(UnverifiedStatus::Expired),
        Just(UnverifiedStatus::Unknown(None)),
        (0..100u32).prop_map(|s| UnverifiedStatus::Unknown(Some(s))),
        n.clone().prop_map(|n| UnverifiedStatus::Settled(preimage(n).expose_hex())),
        Just(UnverifiedStatus::Settled("junk".to_owned())),
        Just(UnverifiedStatus::Attested("junk".to_owned(), "ab".repeat(32))),
    ];
    let event = prop_oneof![
        4 => Just(Event::Start),
        2 => Just(Event::Answered(Answer::Free)),
        6 => (n.clone(), 0..3_000u64).prop_map(|(n, later)| answer(n, NOW.plus(later))),
        1 => n.clone().prop_map(|n| Event::Answered(Answer::Offer(
            Box::new(offer(n, Msat(21_000), NOW)),
            UnverifiedTerms { network: Some(Network::Mainnet.as_str().to_owned()), ..Default::default() }))),
        1 => n.clone().prop_map(|n| Event::Answered(Answer::Offer(Box::new(offer(n, Msat(22_000), NOW)), UnverifiedTerms::default()))),
        1 => Just(Event::Answered(Answer::None)),
        1 => Just(Event::Answered(Answer::Later(3))),
        6 => (n.clone(), said).prop_map(|(n, said)| Event::Status(hash(n), said)),
        2 => (n, any::<bool>()).prop_map(|(n, tab)| {
            Event::Preimage(preimage(n).expose_hex(), if tab { Source::Tab } else { Source::Payer })
        }),
        8 => Just(Event::Tick),
        1 => Just(Event::Hint),
        1 => Just(Event::Renew),
        2 => any::<bool>().prop_map(Event::Live),
        2 => any::<bool>().prop_map(Event::Seen),
        1 => any::<bool>().prop_map(Event::Leads),
        2 => Just(Event::Unlocked),
        1 => Just(Event::NotUnlocked),
        1 => Just(Event::Refused),
        1 => Just(Event::Forget),
    ];
    (event, 0..400u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever comes in whatever order: what is promised at the head of the module holds.
    #[test]
    fn whatever_happens_the_promises_hold(events in prop::collection::vec(any_event(), 0..60), chance: u8) {
        let mut page = Page::new();
        let mut shown: Vec<PaymentHash> = Vec::new();
        let (mut asks_open, mut polls_open, mut asks_by_itself) = (0, 0, 0);
        for (event, later) in events {
            page.now = page.now.plus(later);
            let before = (page.checkout.phase(), page.checkout.proof().is_some());
            let free = matches!(event, Event::Answered(Answer::Free));
            match &event {
                Event::Forget => { shown.clear(); asks_open = 0; polls_open = 0; asks_by_itself = 0; }
                Event::Start | Event::Renew => asks_by_itself = 0,
                Event::Answered(_) => asks_open = 0,
                Event::Status(..) => polls_open = 0,
                _ => {}
            }
            let by_person = matches!(event, Event::Start | Event::Renew | Event::Seen(true));
            let unlocked = event == Event::Unlocked;
            let effects = page.checkout.step(event, page.now, chance);
            if let Some(bill) = page.checkout.bill() {
                prop_assert!(bill.offer.amount <= Msat(21_000));
                shown.push(bill.offer.payment_hash());
            }
            for effect in &effects {
                match effect {
                    Effect::Ask => {
                        asks_open += 1;
                        asks_by_itself += u32::from(!by_person);
                        prop_assert!(page.checkout.proof().is_none(), "paid, and asks for money again");
                    }
                    Effect::Poll(hash) => {
                        polls_open += 1;
                        prop_assert!(shown.contains(hash));
                    }
                    Effect::Wake(ms) => prop_assert!(*ms <= 60_000),
                    _ => {}
                }
            }
            prop_assert!(asks_open <= 1 && polls_open <= 1, "two at once");
            prop_assert!(asks_by_itself <= RENEWALS_MAX, "a page makes invoices without end");
            if let Some(proof) = page.checkout.proof() {
                let hash = proof.preimage.payment_hash();
                prop_assert!(hash == proof.offer.payment_hash() && shown.contains(&hash));
            }
            match page.checkout.phase() {
                Phase::Open => prop_assert!(before.0 == Phase::Open || free || (unlocked && before.1)),
                Phase::Settled => prop_assert!(page.checkout.proof().is_some()),
                // Somebody is waiting, so something must wake us: a timer, or an answer that is still to come.
                Phase::Waiting | Phase::Asking => {
                    prop_assert!(page.checkout.bill().is_some() || asks_open == 1);
                }
                _ => {}
            }
        }
    }
}
