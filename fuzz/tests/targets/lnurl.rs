//! LNURL from anybody (T96, T97, T98): texts, addresses, URLs, a service's replies, a wallet's claims.

use bech32::{Bech32, Hrp};
use bolero::check;
use l402::bolt11::{self, Network};
use l402::{Msat, UnixTime};
use satstile_fuzz::{INVOICE, Input};
use satstile_lightning::HttpReply;
use satstile_lightning::lnurl::pay::PayRequest;
use satstile_lightning::lnurl::withdraw::{UnverifiedClaim, WithdrawRequest};
use satstile_lightning::lnurl::{self, Address, Admitted, Guard, LnurlFault, Loopback, Terms, Url};

const GUARD: Guard<'_> = Guard { own_hosts: &["shop.example"], loopback: Loopback::Refused };
const REGTEST: Guard<'_> = Guard { own_hosts: &["shop.example"], loopback: Loopback::Allowed };
const TERMS: Terms = Terms { network: Network::Regtest, min_expiry_s: 60, now: UnixTime(1_900_000_000) };
const AMOUNT: Msat = Msat(21_000);

const URLS: &[&str] = &[
    "https://wallet.test/.well-known/lnurlp/alice?id=7&x=%20",
    "https://admin.shop.example:443/",
    "https://xn--mnchen-3ya.test/",
    "https://127.0.0.1:8443/",
    "http://127.0.0.1:8787/w",
    "https://[::1]/",
    "https://me@metadata.google.internal/#",
];
const PAY: &[u8] = br#"{"tag":"payRequest","callback":"https://wallet.test/cb?id=7","minSendable":1000,"maxSendable":100000,"metadata":"[[\"text/plain\",\"x\"]]","commentAllowed":9}"#;
const WITHDRAW: &[u8] = br#"{"tag":"withdrawRequest","callback":"https://wallet.test/cb","k1":"4b4b4b4b","defaultDescription":"Refund","minWithdrawable":1000,"maxWithdrawable":100000}"#;
const ERROR: &[u8] = br#"{"status":"ERROR","reason":"Amount is below the minimum"}"#;
const OK: &[u8] = br#"{"status":"OK"}"#;

/// Where nothing leads that was admitted.
fn judge(url: &Admitted, guard: &Guard<'_>) {
    let read = guard.read(url.as_str());
    assert_eq!(read.as_ref(), Ok(url));
    if guard.loopback == Loopback::Allowed && url.url().is_loopback() {
        return;
    }
    judge_text(url.as_str());
}

/// By another reading than the guard's own.
fn judge_text(url: &str) {
    let authority = url.strip_prefix("https://").unwrap().split(['/', '?', '#', '\\']).next().unwrap();
    let host = authority.strip_suffix(":443").unwrap_or(authority).to_ascii_lowercase();
    assert!(host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.'), "{url}");
    assert!(host.contains('.') && !host.ends_with('.') && host.parse::<std::net::IpAddr>().is_err(), "{url}");
    assert!(!host.rsplit('.').next().unwrap().starts_with(|first: char| first.is_ascii_digit()), "{url}");
    assert!(host != "shop.example" && !host.ends_with(".shop.example") && !host.ends_with(".internal"), "{url}");
    assert!(url.bytes().all(|b| b.is_ascii_graphic()), "{url}");
}

#[test]
fn url() {
    check!().with_type::<Input>().for_each(|input| {
        let text = input.text_near(URLS);
        for guard in [GUARD, REGTEST] {
            if let Ok(url) = guard.read(&text) {
                assert_eq!(url.as_str(), text);
                judge(&url, &guard);
                let lnurl = lnurl::bech32::encode(url.url());
                let back = lnurl.and_then(|lnurl| lnurl::bech32::decode(&lnurl, guard.loopback));
                assert!(back.as_ref() == Ok(url.url()) || back == Err(LnurlFault::TooLong));
            }
        }
    });
}

#[test]
fn text() {
    let hrp = Hrp::parse("lnurl").unwrap();
    let samples = ["https://a.test/", "https://a.test/?q=3fc3", "http://127.0.0.1:1/"]
        .map(|url| bech32::encode_upper::<Bech32>(hrp, url.as_bytes()).unwrap());
    let mut samples: Vec<&str> = samples.iter().map(String::as_str).collect();
    samples.extend(["lightning:lnurlw://a.test/w?x", "LNURLP://a.test/Path"]);
    check!().with_type::<(Input, Input)>().for_each(|(outer, inner)| {
        // Past the checksum, too, where the URL is.
        let inside = inner.near(&URLS.iter().map(|url| url.as_bytes()).collect::<Vec<_>>());
        let inside = bech32::encode_lower::<Bech32>(hrp, &inside).unwrap_or_default();
        for text in [outer.text_near(&samples), inside] {
            for loopback in [Loopback::Refused, Loopback::Allowed] {
                let Ok(url) = lnurl::bech32::decode(&text, loopback) else { continue };
                assert_eq!(Url::parse(url.as_str(), loopback).as_ref(), Ok(&url));
                assert!(url.is_https() || (loopback == Loopback::Allowed && url.is_loopback()), "{text}");
                if text.get(..6).is_some_and(|begin| begin.eq_ignore_ascii_case("lnurl1")) {
                    assert_eq!(lnurl::bech32::encode(&url), Ok(text.to_uppercase()));
                }
            }
        }
    });
}

#[test]
fn address() {
    let samples = ["alice@wallet.test", "a.b_c-d+9@pay.wallet.test", "me@127.0.0.1:3000", "me@shop.example"];
    check!().with_type::<Input>().for_each(|input| {
        let text = input.text_near(&samples);
        for guard in [GUARD, REGTEST] {
            let Ok(address) = Address::parse(&text, guard.loopback) else { continue };
            assert_eq!(address.to_string(), text);
            if let Ok(url) = address.url(&guard) {
                judge(&url, &guard);
                assert!(url.as_str().ends_with(&address.path()) && !address.path().contains("/../"));
            }
        }
    });
}

#[test]
fn replies() {
    let paid = format!(r#"{{"pr":"{INVOICE}","routes":[],"verify":"https://wallet.test/v"}}"#);
    let samples = [PAY, WITHDRAW, ERROR, OK, paid.as_bytes()];
    check!().with_type::<(Input, Input)>().for_each(|(first, second)| {
        let status = |input: &Input| [200, 200, 200, 302, 400, 500][usize::try_from(input.chance % 6).unwrap()];
        let near = |input: &Input| HttpReply::new(status(input), input.near(&samples));
        for reply in [near(first), HttpReply::new(200, PAY)] {
            let Ok(service) = PayRequest::read(&reply) else { continue };
            let Ok(order) = service.order(AMOUNT, "a&b \u{e4}", &GUARD) else { continue };
            judge_text(&order.request().url);
            assert!(order.request().url.contains("amount=21000"));
            if let Ok(payable) = order.read(&near(second), &TERMS) {
                let read = bolt11::Invoice::parse(&payable.bolt11).unwrap();
                assert_eq!((read.amount, read.network), (Some(AMOUNT), Network::Regtest));
                assert_eq!((read.payment_hash, payable.amount), (payable.payment_hash, AMOUNT));
                assert!(payable.expires_at >= TERMS.now.plus(60));
            }
        }
        if let Ok(offered) = WithdrawRequest::read(&near(first), &GUARD) {
            assert!(offered.min <= offered.max && offered.max > Msat(0));
            if let Ok(request) = offered.claim(INVOICE) {
                judge_text(&request.url);
                assert!(request.url.ends_with(&format!("&pr={INVOICE}")));
            }
        }
        match WithdrawRequest::accepted(&near(second)) {
            Ok(()) => assert_eq!(status(second), 200),
            Err(fault) => assert!(fault.to_string().chars().count() < 300 && !fault.to_string().contains('\n')),
        }
    });
}

#[test]
fn claim() {
    let query = format!("k1={}&pr={INVOICE}&x=y", "4b".repeat(32));
    check!().with_type::<Input>().for_each(|input| {
        let text = input.text_near(&[&query]);
        let Ok(unverified) = UnverifiedClaim::read(&text) else { return };
        let limits = (Msat(input.chance % 42_000), Msat(21_000));
        if let Ok(claim) = unverified.check(limits.0, limits.1, &TERMS) {
            assert!((limits.0..=limits.1).contains(&claim.amount) && text.to_lowercase().contains(&claim.bolt11));
            assert!(text.to_lowercase().contains(&format!("k1={}", claim.k1.expose())));
        }
    });
}
