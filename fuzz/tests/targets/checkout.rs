//! A hostile seller against a person's checkout: any 402, any terms, any status, any preimage.

use bolero::check;
use l402::payer::checkout::{Answer, Checkout, Event, Phase, Source, UnverifiedStatus};
use l402::payer::{Offer, UnverifiedTerms};
use l402::{Msat, UnixTime};
use satstile_fuzz::{INVOICE, Input, PREIMAGE, TOKEN};

/// What an honest one says, in pieces to be spoilt.
fn samples() -> [String; 6] {
    [
        format!(r#"L402 macaroon="{TOKEN}", invoice="{INVOICE}", version="0", token="{TOKEN}""#),
        format!(
            r#"Payment id="x", method="lightning", intent="charge", request="e30", L402 token="{TOKEN}", invoice="{INVOICE}""#
        ),
        INVOICE.to_owned(),
        TOKEN.to_owned(),
        PREIMAGE.to_owned(),
        "2030-03-17T17:56:40Z".to_owned(),
    ]
}

/// T115: what gets on the screen agrees with itself and with the limit, and nothing opens without its preimage.
#[test]
fn a_hostile_seller_gets_nothing_on_the_screen_that_is_not_true() {
    let samples = samples();
    let samples: Vec<&str> = samples.iter().map(String::as_str).collect();
    check!().with_type::<(Input, Input, Input)>().for_each(|(challenge, term, said)| {
        let says_more = term.chance.is_multiple_of(2);
        let (challenge, term, said) =
            (challenge.text_near(&samples), term.text_near(&samples), said.text_near(&samples));
        let now = UnixTime(1_900_000_000);
        let mut checkout = Checkout::new(Some(Msat(50_000)));
        checkout.step(Event::Start, now, 0);
        let Ok(offer) = Offer::read(&[&challenge]) else { return };
        let terms = UnverifiedTerms { invoice: says_more.then_some(term), ..UnverifiedTerms::default() };
        checkout.step(Event::Answered(Answer::Offer(Box::new(offer), terms.clone())), now, 0);
        let Some(bill) = checkout.bill() else { return };
        assert!(bill.offer.amount <= Msat(50_000));
        let said_invoice = terms.invoice.as_deref().unwrap_or(&bill.offer.bolt11);
        assert!(bill.offer.bolt11.eq_ignore_ascii_case(said_invoice));
        let hash = bill.offer.payment_hash();
        checkout.step(Event::Preimage(said.clone(), Source::Tab), now, 0);
        checkout.step(Event::Status(hash, UnverifiedStatus::Settled(said)), now, 0);
        match checkout.phase() {
            Phase::Settled => assert_eq!(checkout.proof().map(|proof| proof.preimage.payment_hash()), Some(hash)),
            phase => assert!(matches!(phase, Phase::Failed(_)), "{phase:?}"),
        }
    });
}
