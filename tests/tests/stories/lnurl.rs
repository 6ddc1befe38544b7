//! Our LNURL and other people's: `lnurl-rs` reads what we write and writes what we read, and a wallet on the Python
//! package `lnurl` collects from a link of ours, with every answer made by `satstile_lightning::lnurl`.

use std::io::Write;
use std::str::FromStr;

use l402::bolt11::Network;
use l402::{Msat, UnixTime};
use lnurl::lightning_address::LightningAddress;
use lnurl::lnurl::LnUrl;
use lnurl::pay::LnURLPayInvoice;
use lnurl::{LnUrlResponse, Response, Tag, decode_ln_url_response};
use satstile_lightning::HttpReply;
use satstile_lightning::lnurl::pay::PayRequest;
use satstile_lightning::lnurl::withdraw::service::ACCEPTED;
use satstile_lightning::lnurl::withdraw::{K1, Link, Refusal, UnverifiedClaim};
use satstile_lightning::lnurl::{Address, Guard, LnurlFault, Loopback, Terms, Url, bech32};
use serde_json::{Value, json};

use crate::common::fake_node::Draft;
use crate::common::server::Server;

const URLS: &[&str] = &[
    "https://shop.example/lnurl/w?id=7&x=%20",
    "https://shop.example",
    "http://127.0.0.1:23095/w",
    "https://shop.example/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef?a=b",
];

fn link(callback: &str) -> String {
    let callback = Url::parse(callback, Loopback::Allowed).unwrap();
    let k1 = K1::new([0x4b; 32]);
    Link { callback: &callback, k1: &k1, description: "Refund", min: Msat(21_000), max: Msat(21_000) }.to_json()
}

fn invoice(amount_msat: Option<u64>, at: UnixTime) -> String {
    let (preimage, description) = ([7; 32], "A refund".to_owned());
    let currency = lightning_invoice::Currency::Regtest;
    let draft = Draft {
        currency,
        amount_msat,
        at,
        expiry_s: 600,
        preimage,
        payment_secret: true,
        description,
        claimed_hash: None,
    };
    draft.sign().bolt11
}

#[test]
fn lnurl_rs_reads_what_we_encode_and_we_read_what_it_encodes() {
    for text in URLS {
        let url = Url::parse(text, Loopback::Allowed).unwrap();
        assert_eq!(LnUrl::from_str(&bech32::encode(&url).unwrap()).unwrap().url, *text);
        let theirs = LnUrl::from_url((*text).to_owned()).encode();
        assert_eq!(bech32::decode(&theirs, Loopback::Allowed).as_ref(), Ok(&url));
    }
    // What it writes without looking, we look at.
    for text in ["http://shop.example/w", "https://me@shop.example/", "ftp://shop.example/", "shop.example"] {
        let theirs = LnUrl::from_url(text.to_owned()).encode();
        assert!(matches!(bech32::decode(&theirs, Loopback::Allowed), Err(LnurlFault::Url(_))), "{text} (T98)");
    }
}

#[test]
fn lnurl_rs_reads_our_offer_and_our_answers() {
    let LnUrlResponse::LnUrlWithdrawResponse(read) = decode_ln_url_response(&link("https://shop.example/cb")).unwrap()
    else {
        panic!("no withdrawRequest")
    };
    assert_eq!((read.tag, read.callback.as_str()), (Tag::WithdrawRequest, "https://shop.example/cb"));
    assert_eq!((read.k1, read.default_description.as_str()), ("4b".repeat(32), "Refund"));
    assert_eq!((read.min_withdrawable, read.max_withdrawable), (Some(21_000), 21_000));

    assert_eq!(serde_json::from_str(ACCEPTED).ok(), Some(Response::Ok(json!({}))));
    let refused: Response<Value> = serde_json::from_str(&Refusal::Link.to_json()).unwrap();
    assert_eq!(refused, Response::Error { reason: Refusal::Link.reason().to_owned() });
}

#[test]
fn lnurl_rs_asks_for_an_address_at_the_same_place() {
    let guard = Guard { own_hosts: &[], loopback: Loopback::Refused };
    for text in ["alice@shop.example", "a.b-c_9@pay.shop.example"] {
        let theirs = LightningAddress::from_str(text).unwrap().lnurlp_url();
        let ours = Address::parse(text, Loopback::Refused).unwrap();
        assert_eq!(ours.url(&guard).unwrap().as_str(), theirs);
    }
}

#[test]
fn lnurl_rs_and_we_refuse_the_same_invoices_for_their_amount_t96() {
    let now = UnixTime(1_900_000_000);
    let guard = Guard { own_hosts: &[], loopback: Loopback::Refused };
    let service = json!({
        "tag": "payRequest", "callback": "https://shop.example/cb", "minSendable": 1_000, "maxSendable": 100_000,
        "metadata": "[[\"text/plain\",\"x\"]]",
    });
    let terms = Terms { network: Network::Regtest, min_expiry_s: 60, now };
    for amount in [Some(21_000), Some(20_999), Some(21_001), Some(2_100_000), None] {
        let bolt11 = invoice(amount, now);
        let theirs = LnURLPayInvoice::new(bolt11.clone()).verify_amount(21_000).is_ok();
        let order = PayRequest::read(&HttpReply::new(200, service.to_string())).unwrap();
        let order = order.order(Msat(21_000), "", &guard).unwrap();
        let ours = order.read(&HttpReply::new(200, json!({ "pr": bolt11 }).to_string()), &terms);
        assert_eq!((theirs, ours.is_ok()), (amount == Some(21_000), amount == Some(21_000)), "{amount:?}");
    }
}

/// A service whose every answer is ours, and which pays nobody.
fn service() -> Server {
    let mut server = Server::bind();
    let callback = format!("{}/claim", server.url());
    let terms = Terms { network: Network::Regtest, min_expiry_s: 60, now: crate::common::now() };
    server.serve(move |heard, stream| {
        let (path, query) = heard.target.split_once('?').unwrap_or((&heard.target, ""));
        let body = match path {
            "/link" => link(&callback),
            "/claim" => match UnverifiedClaim::read(query).and_then(|c| c.check(Msat(21_000), Msat(21_000), &terms)) {
                Ok(claim) if claim.k1.digest() == K1::new([0x4b; 32]).digest() => ACCEPTED.to_owned(),
                Ok(_) => Refusal::Link.to_json(),
                Err(refusal) => refusal.to_json(),
            },
            _ => Refusal::Link.to_json(),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n");
        write!(stream, "{head}connection: close\r\n\r\n{body}")
    });
    server
}

#[test]
#[ignore = "needs the Python package lnurl: cargo xtask interop sets it up"]
fn a_python_wallet_collects_from_our_link() {
    let service = service();
    let lnurl = bech32::encode(&Url::parse(&format!("{}/link", service.url()), Loopback::Allowed).unwrap()).unwrap();
    let bolt11 = invoice(Some(21_000), crate::common::now());
    let told = crate::common::lnurl_wallet(&lnurl, &bolt11);
    assert_eq!(told["accepted"], true, "{told}");
    assert_eq!((&told["offered"]["min_msat"], &told["offered"]["max_msat"]), (&json!(21_000), &json!(21_000)));
    assert_eq!(told["offered"]["description"], "Refund");
    let claims = |server: &Server| server.heard().iter().filter(|heard| heard.target.starts_with("/claim?")).count();
    assert_eq!(claims(&service), 1);
    let claim = service.heard().pop().unwrap();
    let query = claim.target.split_once('?').unwrap().1.to_owned();
    assert!(query.contains(&format!("k1={}", "4b".repeat(32))) && query.contains(&format!("pr={bolt11}")), "{query}");

    // Of another amount: the wallet itself sends nothing.
    let told = crate::common::lnurl_wallet(&lnurl, &invoice(Some(22_000), crate::common::now()));
    assert_eq!((&told["accepted"], claims(&service)), (&json!(false), 1), "{told}");

    // A link that is not known: the reason arrives.
    let url = Url::parse(&format!("{}/other", service.url()), Loopback::Allowed).unwrap();
    let told = crate::common::lnurl_wallet(&bech32::encode(&url).unwrap(), &bolt11);
    assert_eq!((&told["accepted"], &told["reason"]), (&json!(false), &json!(Refusal::Link.reason())), "{told}");
}
