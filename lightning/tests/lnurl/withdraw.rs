//! A link that gives sats, from both sides: ours that gives, and a wallet of ours that takes.

use l402::bolt11::Bolt11Fault;
use l402::{Msat, PaymentHash, UnixTime};
use lightning_invoice::Currency;
use satstile_lightning::HttpReply;
use satstile_lightning::lnurl::withdraw::service::ACCEPTED;
use satstile_lightning::lnurl::withdraw::{Claim, K1, Link, Refusal, UnverifiedClaim, WithdrawRequest};
use satstile_lightning::lnurl::{LnurlFault, Loopback, Url, UrlFault};

use crate::{GUARD, NOW, Signed, TERMS, ok};

const K1_HEX: &str = "4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b";
const AMOUNT: Msat = Msat(21_000);

fn link_json() -> String {
    let callback = Url::parse("https://refund.test/lnurl/claim", Loopback::Refused).unwrap();
    let k1 = K1::new([0x4b; 32]);
    Link { callback: &callback, k1: &k1, description: "Refund \"7\"", min: AMOUNT, max: AMOUNT }.to_json()
}

#[track_caller]
fn read(change: impl FnOnce(&mut serde_json::Value)) -> Result<WithdrawRequest, LnurlFault> {
    let mut body: serde_json::Value = serde_json::from_str(&link_json()).unwrap();
    change(&mut body);
    WithdrawRequest::read(&ok(&body.to_string()), &GUARD)
}

#[track_caller]
fn claim(invoice: Signed) -> Result<Claim, Refusal> {
    UnverifiedClaim::read(&format!("k1={K1_HEX}&pr={}", invoice.text()))?.check(AMOUNT, AMOUNT, &TERMS)
}

#[test]
fn the_bytes_of_a_link_are_these() {
    let bytes = format!(
        r#"{{"callback":"https://refund.test/lnurl/claim","defaultDescription":"Refund \"7\"","k1":"{K1_HEX}","#
    ) + r#""maxWithdrawable":21000,"minWithdrawable":21000,"tag":"withdrawRequest"}"#;
    assert_eq!(link_json(), bytes);
    assert_eq!(ACCEPTED, r#"{"status":"OK"}"#);
}

#[test]
fn our_wallet_takes_what_our_service_gives() {
    let offered = read(|_| ()).unwrap();
    assert_eq!((offered.min, offered.max, offered.description.as_str()), (AMOUNT, AMOUNT, "Refund \"7\""));

    let bolt11 = Signed::of(AMOUNT.0).text();
    let request = offered.claim(&bolt11).unwrap();
    assert_eq!(request.url, format!("https://refund.test/lnurl/claim?k1={K1_HEX}&pr={bolt11}"));

    let (_, query) = request.url.split_once('?').unwrap();
    let claim = UnverifiedClaim::read(query).unwrap().check(AMOUNT, AMOUNT, &TERMS).unwrap();
    assert_eq!((claim.k1.expose().as_str(), claim.bolt11.as_str()), (K1_HEX, bolt11.as_str()));
    assert_eq!((claim.payment_hash, claim.amount), (PaymentHash([7; 32]), AMOUNT));
    assert_eq!(claim.expires_at, NOW.plus(600));
    assert_eq!(WithdrawRequest::accepted(&ok(ACCEPTED)), Ok(()));
}

#[test]
fn a_claim_has_k1_and_pr_once_each_and_whatever_else() {
    let read = |query: &str| UnverifiedClaim::read(query).map(|claim| claim.unverified_k1.expose());
    let both = format!("k1={K1_HEX}&pr=lnbcrt1");
    for query in [
        both.clone(),
        format!("pr=lnbcrt1&k1={}", K1_HEX.to_uppercase()),
        format!("{both}&balanceNotify=https%3A%2F%2Fa.test&_=7&k2=x&pr2=y"),
        format!("&{both}&"),
    ] {
        assert_eq!(read(&query).as_deref(), Ok(K1_HEX), "{query}");
    }
    for query in [
        String::new(),
        format!("k1={K1_HEX}"),
        "pr=lnbcrt1".to_owned(),
        format!("{both}&k1={K1_HEX}"),
        format!("{both}&pr=lnbcrt1"),
        format!("{both}&pr"),
        format!("{both}&k1="),
        format!("k1={K1_HEX}&pr="),
        format!("k1={K1_HEX}&pr"),
        format!("K1={K1_HEX}&pr=lnbcrt1"),
        format!("k1={}&pr=lnbcrt1", &K1_HEX[2..]),
        format!("k1={K1_HEX}4b&pr=lnbcrt1"),
        format!("k1={}zz&pr=lnbcrt1", &K1_HEX[2..]),
        format!("k1={}%34%62&pr=lnbcrt1", &K1_HEX[2..]),
        format!("{both}&x={}", "a".repeat(9_000)),
    ] {
        assert_eq!(read(&query), Err(Refusal::Query), "{query}");
    }
}

#[test]
fn only_an_invoice_that_fits_the_link_is_a_claim_t91() {
    assert!(claim(Signed::of(21_000)).is_ok());
    for amount in [20_999, 21_001, 21_000_000] {
        assert_eq!(claim(Signed::of(amount)).map(|_| ()), Err(Refusal::Amount), "{amount}");
    }
    assert_eq!(claim(Signed { amount: None, ..Signed::of(0) }).map(|_| ()), Err(Refusal::Amount));
    let mainnet = Signed { currency: Currency::Bitcoin, ..Signed::of(21_000) };
    assert_eq!(claim(mainnet).map(|_| ()), Err(Refusal::Network));
    let made = |ago: u64| Signed { made_at: UnixTime(NOW.0 - ago), ..Signed::of(21_000) };
    assert!(claim(made(540)).is_ok());
    assert_eq!(claim(made(541)).map(|_| ()), Err(Refusal::Expiry));
    for odd in ["lnbcrt1", "lightning:lnbcrt1", "lnbcrt1,lnbcrt1", "%6cnbcrt1", "alice@wallet.test"] {
        let claim = UnverifiedClaim::read(&format!("k1={K1_HEX}&pr={odd}")).unwrap();
        assert_eq!(claim.check(AMOUNT, AMOUNT, &TERMS).map(|_| ()), Err(Refusal::Invoice), "{odd}");
    }
}

#[test]
fn a_link_of_nothing_pays_nothing() {
    let claim = |amount: Option<Msat>| {
        let text = Signed { amount, ..Signed::of(0) }.text();
        UnverifiedClaim::read(&format!("k1={K1_HEX}&pr={text}")).unwrap().check(Msat(0), Msat(0), &TERMS).map(|_| ())
    };
    assert_eq!((claim(None), claim(Some(Msat(1)))), (Err(Refusal::Amount), Err(Refusal::Amount)));
    let emptied = read(|body| (body["minWithdrawable"], body["maxWithdrawable"]) = (0.into(), 0.into()));
    assert_eq!(emptied, Err(LnurlFault::Empty));
}

#[test]
fn a_refusal_is_json_that_repeats_nothing_and_our_wallet_reads_it() {
    let all = [
        (Refusal::Query, "k1 and pr are needed, once each"),
        (Refusal::Link, "this link is unknown, used or expired"),
        (Refusal::Invoice, "this invoice cannot be paid"),
        (Refusal::Amount, "the invoice is not for the amount of this link"),
        (Refusal::Network, "the invoice is for another network"),
        (Refusal::Expiry, "the invoice expires too soon"),
        (Refusal::Unavailable, "payments are unavailable, try again later"),
    ];
    for (refusal, reason) in all {
        assert_eq!(refusal.to_json(), format!(r#"{{"status":"ERROR","reason":"{reason}"}}"#));
        let Err(LnurlFault::Refused(200, Some(read))) = WithdrawRequest::accepted(&ok(&refusal.to_json())) else {
            panic!("{refusal:?}")
        };
        assert_eq!(read.as_str(), reason);
    }
}

#[test]
fn a_wallet_takes_from_a_public_host_only_t97() {
    assert!(read(|body| body["callback"] = "https://other.test/cb".into()).is_ok());
    for (callback, fault) in [
        ("http://refund.test/cb", UrlFault::Scheme),
        ("https://10.0.0.5/cb", UrlFault::Host),
        ("https://pay.shop.example/cb", UrlFault::OwnHost),
        ("https://refund.test:8443/cb", UrlFault::Port),
    ] {
        assert_eq!(read(|body| body["callback"] = callback.into()), Err(LnurlFault::Url(fault)), "{callback}");
    }
}

#[test]
fn a_wallet_reads_what_other_services_offer_and_refuses_what_makes_no_sense() {
    let least = |body: &mut serde_json::Value| drop(body.as_object_mut().unwrap().remove("minWithdrawable"));
    assert_eq!(read(least).unwrap().min, Msat(1), "some leave it out");
    let odd_k1 = read(|body| body["k1"] = "a&pr=x y".into()).unwrap().claim(&Signed::of(21_000).text()).unwrap();
    assert!(odd_k1.url.contains("?k1=a%26pr%3Dx%20y&pr=lnbcrt"), "it stays in its place");

    assert_eq!(read(|body| body["minWithdrawable"] = 21_001.into()), Err(LnurlFault::Range));
    assert_eq!(read(|body| body["tag"] = "payRequest".into()), Err(LnurlFault::WrongTag));
    for k1 in [String::new(), "a".repeat(513)] {
        assert_eq!(read(|body| body["k1"] = k1.into()), Err(LnurlFault::Unreadable));
    }
    for missing in ["tag", "callback", "k1", "maxWithdrawable"] {
        let take = |body: &mut serde_json::Value| drop(body.as_object_mut().unwrap().remove(missing));
        assert_eq!(read(take), Err(LnurlFault::Unreadable), "{missing}");
    }
    let shown = read(|body| body["defaultDescription"] = "a\u{202e}b\u{1b}".into()).unwrap();
    assert_eq!(shown.description, "a\u{fffd}b\u{fffd}");
}

#[test]
fn a_wallet_shows_no_invoice_that_the_link_cannot_pay() {
    let offered = read(|_| ()).unwrap();
    assert_eq!(offered.claim(&Signed::of(21_001).text()), Err(LnurlFault::OutOfRange));
    let any = Signed { amount: None, ..Signed::of(0) }.text();
    assert_eq!(offered.claim(&any), Err(LnurlFault::Invoice(Bolt11Fault::WrongAmount(None))));
    assert_eq!(offered.claim("lnbcrt1&k1=x"), Err(LnurlFault::Invoice(Bolt11Fault::Bech32)));
}

#[test]
fn only_a_clear_ok_is_accepted() {
    for body in ["", "{}", "null", r#"{"status":"PENDING"}"#, r#"{"status":true}"#, "OK"] {
        assert_eq!(WithdrawRequest::accepted(&ok(body)), Err(LnurlFault::Unreadable), "{body}");
    }
    let busy = HttpReply::new(503, ACCEPTED);
    assert_eq!(WithdrawRequest::accepted(&busy), Err(LnurlFault::Refused(503, None)));
}

#[test]
fn whoever_has_k1_has_the_money_so_it_does_not_print_t120() {
    let query = format!("k1={K1_HEX}&pr={}", Signed::of(21_000).text());
    let unverified = UnverifiedClaim::read(&query).unwrap();
    let shown = format!("{:?} {:?} {:?}", unverified, claim(Signed::of(21_000)).unwrap(), read(|_| ()).unwrap());
    assert!(!shown.contains("4b4b") && !shown.contains("lnbcrt"), "{shown}");
    assert_ne!(hex::encode(unverified.unverified_k1.digest()), K1_HEX, "what books keep opens no link");
}
