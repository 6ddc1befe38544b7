//! We pay somebody's Lightning address. The cast: a service that may be anybody's, and our books, which want exactly
//! what they ordered.

use l402::bolt11::{Bolt11Fault, Network};
use l402::{Msat, PaymentHash};
use lightning_invoice::Currency;
use satstile_lightning::HttpReply;
use satstile_lightning::lnurl::pay::{self, Order, PayRequest, Payable};
use satstile_lightning::lnurl::{Address, LnurlFault, Loopback, UrlFault};

use crate::{GUARD, NOW, Signed, TERMS, ok};

const METADATA: &str = r#"[["text/plain","Sats for alice"]]"#;

fn service_with(change: impl FnOnce(&mut serde_json::Value)) -> HttpReply {
    let mut body = serde_json::json!({
        "tag": "payRequest", "callback": "https://pay.wallet.test/cb?id=7", "minSendable": 1_000,
        "maxSendable": 100_000, "metadata": METADATA, "commentAllowed": 5,
    });
    change(&mut body);
    ok(&body.to_string())
}

fn order() -> Order {
    PayRequest::read(&service_with(|_| ())).unwrap().order(Msat(21_000), "", &GUARD).unwrap()
}

#[track_caller]
fn refused(change: impl FnOnce(&mut serde_json::Value), fault: LnurlFault) {
    assert_eq!(PayRequest::read(&service_with(change)), Err(fault));
}

#[track_caller]
fn answered(invoice: Signed) -> Result<Payable, LnurlFault> {
    order().read(&ok(&format!(r#"{{"pr":"{}","routes":[]}}"#, invoice.text())), &TERMS)
}

#[test]
fn an_address_is_asked_twice_and_its_invoice_can_be_paid() {
    let address = Address::parse("alice@wallet.test", Loopback::Refused).unwrap();
    let first = pay::request(&address.url(&GUARD).unwrap());
    assert_eq!(first.url, "https://wallet.test/.well-known/lnurlp/alice");

    let order = order();
    assert_eq!(order.request().url, "https://pay.wallet.test/cb?id=7&amount=21000");
    assert_eq!((order.request().body, order.request().headers), (None, Vec::new()), "no secret of ours goes there");

    let text = Signed::of(21_000).text();
    let payable = order.read(&ok(&format!(r#"{{"pr":"{}"}}"#, text.to_uppercase())), &TERMS).unwrap();
    assert_eq!((payable.bolt11.as_str(), payable.amount), (text.as_str(), Msat(21_000)));
    assert_eq!((payable.payment_hash, payable.expires_at), (PaymentHash([7; 32]), NOW.plus(600)));
    assert!(!format!("{payable:?}").contains("lnbcrt"), "an invoice does not print (T120)");
}

#[test]
fn an_invoice_for_another_amount_is_not_paid_t96() {
    assert!(answered(Signed::of(21_000)).is_ok());
    for amount in [20_999, 21_001, 1, 210_000_000] {
        let wrong = LnurlFault::Invoice(Bolt11Fault::WrongAmount(Some(Msat(amount))));
        assert_eq!(answered(Signed::of(amount)), Err(wrong), "{amount}");
    }
    let any = Signed { amount: None, ..Signed::of(0) };
    assert_eq!(answered(any), Err(LnurlFault::Invoice(Bolt11Fault::WrongAmount(None))));
}

#[test]
fn an_invoice_of_another_network_or_without_time_left_is_not_paid_t96() {
    let mainnet = Signed { currency: Currency::Bitcoin, ..Signed::of(21_000) };
    assert_eq!(answered(mainnet), Err(LnurlFault::Invoice(Bolt11Fault::WrongNetwork(Network::Mainnet))));
    let made = |ago: u64| Signed { made_at: l402::UnixTime(NOW.0 - ago), ..Signed::of(21_000) };
    assert!(answered(made(540)).is_ok(), "60 seconds left");
    assert_eq!(answered(made(541)), Err(LnurlFault::Invoice(Bolt11Fault::ExpiresTooSoon)));
    assert_eq!(answered(made(10_000)), Err(LnurlFault::Invoice(Bolt11Fault::ExpiresTooSoon)));
}

#[test]
fn a_description_hash_is_optional_and_has_to_fit_lud_06() {
    let hash_of = |text| answered(Signed { hash_of: Some(text), ..Signed::of(21_000) });
    assert!(hash_of(METADATA).is_ok());
    assert_eq!(hash_of(r#"[["text/plain","Sats for mallory"]]"#), Err(LnurlFault::WrongDescription));
}

#[test]
fn an_amount_that_the_service_does_not_take_is_not_ordered() {
    let order = |amount| PayRequest::read(&service_with(|_| ())).unwrap().order(Msat(amount), "", &GUARD).map(|_| ());
    assert_eq!((order(1_000), order(100_000)), (Ok(()), Ok(())));
    for amount in [0, 999, 100_001, u64::MAX] {
        assert_eq!(order(amount), Err(LnurlFault::OutOfRange), "{amount}");
    }
}

#[test]
fn a_service_that_contradicts_itself_is_not_asked_again() {
    refused(|body| body["minSendable"] = 100_001.into(), LnurlFault::Range);
    refused(|body| (body["minSendable"], body["maxSendable"]) = (0.into(), 0.into()), LnurlFault::Range);
    refused(|body| body["tag"] = "withdrawRequest".into(), LnurlFault::WrongTag);
    for missing in ["tag", "callback", "minSendable", "maxSendable", "metadata"] {
        let take = |body: &mut serde_json::Value| drop(body.as_object_mut().unwrap().remove(missing));
        refused(take, LnurlFault::Unreadable);
    }
    for odd in [(-1).into(), 1.5.into(), "1e3".into(), serde_json::Value::Null] {
        refused(|body| body["minSendable"] = odd, LnurlFault::Unreadable);
    }
    assert!(PayRequest::read(&service_with(|body| body["minSendable"] = 100_000.into())).is_ok());
}

#[test]
fn a_callback_leads_to_a_public_host_and_never_to_us_t97() {
    let order = |callback: &str| {
        let service = PayRequest::read(&service_with(|body| body["callback"] = callback.into())).unwrap();
        service.order(Msat(21_000), "", &GUARD).map(|order| order.request().url)
    };
    assert_eq!(order("https://other.test/cb").as_deref(), Ok("https://other.test/cb?amount=21000"));
    for (callback, fault) in [
        ("http://other.test/cb", UrlFault::Scheme),
        ("https://other.test:8443/cb", UrlFault::Port),
        ("https://169.254.169.254/latest", UrlFault::Host),
        ("https://[::1]/cb", UrlFault::Host),
        ("https://metadata.google.internal/", UrlFault::PrivateName),
        ("https://admin.shop.example/payouts", UrlFault::OwnHost),
        ("https://me@other.test/", UrlFault::Userinfo),
        ("http://127.0.0.1:8788/relay", UrlFault::Scheme),
        ("data:,x", UrlFault::Scheme),
    ] {
        assert_eq!(order(callback), Err(LnurlFault::Url(fault)), "{callback}");
    }
}

#[test]
fn a_comment_is_sent_where_it_is_allowed_and_as_much_of_it_lud_12() {
    let url = |allowed: serde_json::Value, comment: &str| {
        let service = PayRequest::read(&service_with(|body| body["commentAllowed"] = allowed)).unwrap();
        service.order(Msat(21_000), comment, &GUARD).unwrap().request().url
    };
    let base = "https://pay.wallet.test/cb?id=7&amount=21000";
    assert_eq!(url(5.into(), "a&b=\u{e4}zz"), format!("{base}&comment=a%26b%3D%C3%A4"));
    for none in [0.into(), (-1).into(), serde_json::Value::Null, "x".into()] {
        assert_eq!(url(none, "thanks"), base);
    }
    assert_eq!(url(5.into(), ""), base);
    assert_eq!(url(u64::MAX.into(), &"a".repeat(999)), format!("{base}&comment={}", "a".repeat(200)));
}

#[test]
fn a_refusal_is_heard_at_either_step_and_with_any_status() {
    let error = r#"{"status":"ERROR","reason":"Wallet of alice is full\u001b[2J"}"#;
    for status in [200, 400, 404, 500] {
        let reply = HttpReply::new(status, error);
        for fault in [PayRequest::read(&reply).unwrap_err(), order().read(&reply, &TERMS).unwrap_err()] {
            assert_eq!(fault.to_string(), "the LNURL service refuses: \"Wallet of alice is full\u{fffd}[2J\"");
            assert!(matches!(fault, LnurlFault::Refused(told, Some(_)) if told == status));
        }
    }
    // An invoice beside the refusal is not looked at.
    let both = format!(r#"{{"status":"ERROR","pr":"{}"}}"#, Signed::of(21_000).text());
    assert_eq!(order().read(&ok(&both), &TERMS), Err(LnurlFault::Refused(200, None)));
    let elsewhere = HttpReply::new(302, format!(r#"{{"pr":"{}"}}"#, Signed::of(21_000).text()));
    assert_eq!(order().read(&elsewhere, &TERMS), Err(LnurlFault::Refused(302, None)), "no redirect is followed");
}

#[test]
fn what_is_no_answer_is_not_paid() {
    for body in ["", "null", "[]", "{}", r#"{"pr":7}"#, r#"{"pr":"a","pr":"b"}"#, "<html>"] {
        assert_eq!(order().read(&ok(body), &TERMS), Err(LnurlFault::Unreadable), "{body}");
        assert_eq!(PayRequest::read(&ok(body)).map(|_| ()), Err(LnurlFault::Unreadable), "{body}");
    }
    let cut = Signed::of(21_000).text();
    let cut = format!(r#"{{"pr":"{}"}}"#, &cut[..cut.len() - 1]);
    assert_eq!(order().read(&ok(&cut), &TERMS), Err(LnurlFault::Invoice(Bolt11Fault::Bech32)));
}
