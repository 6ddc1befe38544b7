//! What back ends really say, and what is made of it. `golden/README.md` tells where each reply is from.

mod common;

use common::{CONNECTIONS, ORDER, body, connection, create, invoice, making, reply, status, status_by, status_of};
use l402::encoding::to_base64;
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use satstile_lightning::backend::{KINDS, cln::Cln, lnd::Lnd, phoenixd::Phoenixd};
use satstile_lightning::{BackendFault, HttpReply, Preimages, Status, Step, Watched};

/// The preimage of each kind's invoice, as it stands in its replies.
fn preimage(kind: &str) -> String {
    let hex = match kind {
        "lnaddress" => "8afbc24a2de41a9ea91fae21b8c009a7483a93fdc244c699a1f63ed042759af4",
        "lnbits" => "f7f7855f1903ad861171a365b8699d9f7008ecd5fc2a765c2c309ab6d011f30d",
        _ => "fd59564bc261532f1ad9d5701041ee77fe61cb7fdede8fe3a3150ac3171b21ac",
    };
    if kind == "lnd-rest" { to_base64(Preimage::from_hex(hex).unwrap().expose()) } else { hex.to_owned() }
}

fn kinds() -> impl Iterator<Item = &'static str> {
    CONNECTIONS.iter().map(|(kind, ..)| *kind)
}

/// Those that tell it in `paid`.
fn kinds_that_tell() -> impl Iterator<Item = &'static str> {
    kinds().filter(|kind| connection(kind).backend.preimages() != Preimages::Withheld)
}

/// A golden reply with one thing changed; the thing has to be there.
#[track_caller]
fn changed(kind: &str, name: &str, from: &str, to: &str) -> HttpReply {
    let body = body(kind, name);
    assert!(body.contains(from), "{kind}/{name} has no {from}");
    HttpReply::new(common::status_code(kind, name), body.replace(from, to))
}

#[test]
fn every_kind_has_its_replies() {
    assert_eq!(kinds().collect::<Vec<_>>(), KINDS);
    for kind in kinds() {
        assert_eq!(connection(kind).backend.kind(), kind);
    }
}

#[test]
fn each_makes_the_invoice_that_was_ordered() {
    for kind in kinds() {
        let invoice = invoice(kind);
        assert!(invoice.bolt11.starts_with("lnbcrt210n1"), "{kind}");
        let has_name_of_its_own = ["btcpay", "lnaddress", "strike", "opennode", "zbd"].contains(&kind);
        assert_eq!(!invoice.reference.is_empty(), has_name_of_its_own, "{kind}");
    }
}

#[test]
fn an_invoice_for_another_amount_is_refused() {
    for kind in kinds() {
        let dearer = satstile_lightning::Order { amount: Msat(22_000), ..ORDER };
        let made = connection(kind).backend.create(&dearer, &making(kind));
        assert_eq!(made, Err(BackendFault::WrongAmount), "{kind} (T55)");
    }
}

#[test]
fn an_invoice_beside_the_hash_of_another_is_refused() {
    for kind in ["clnrest", "phoenixd", "lnbits", "btcpay", "blink"] {
        let hash = invoice(kind).payment_hash.to_string();
        let other = changed(kind, "created", &hash, &"ab".repeat(32));
        assert_eq!(create(kind, &[other]), Err(BackendFault::WrongPaymentHash), "{kind} (T55)");
    }
    let hash = to_base64(&invoice("lnd-rest").payment_hash.0);
    let other = changed("lnd-rest", "created", &hash, &to_base64(&[0xab; 32]));
    assert_eq!(create("lnd-rest", &[other]), Err(BackendFault::WrongPaymentHash));
}

#[test]
fn an_invoice_with_one_letter_changed_is_refused() {
    for kind in kinds() {
        let mut replies = making(kind);
        let bolt11 = invoice(kind).bolt11;
        let last = replies.pop().unwrap();
        let text = String::from_utf8(last.unverified_body).unwrap();
        let swapped = bolt11.replacen("pp5", "pp4", 1);
        replies.push(HttpReply::new(last.status, text.replace(&bolt11, &swapped)));
        assert!(matches!(create(kind, &replies), Err(BackendFault::Invoice(_))), "{kind}");
    }
}

#[test]
fn an_unpaid_invoice_is_pending() {
    for kind in kinds() {
        assert_eq!(status(kind, "unpaid"), Ok(Status::Pending), "{kind}");
    }
}

#[test]
fn an_unpaid_invoice_that_shows_its_preimage_is_pending() {
    for kind in ["lnd-rest", "phoenixd", "lnbits"] {
        assert!(body(kind, "unpaid").contains(&preimage(kind)), "{kind} shows it");
        assert_eq!(status(kind, "unpaid"), Ok(Status::Pending), "{kind}");
    }
    // A version that shows it at the top as well changes nothing: `paid` decides.
    let top = format!(r#""preimage":"{}","details""#, preimage("lnbits"));
    let shown = changed("lnbits", "unpaid", r#""preimage":null,"details""#, &top);
    assert_eq!(status_by("lnbits", shown), Ok(Status::Pending));
    let shown = changed("lnaddress", "unpaid", "null", &format!("{:?}", preimage("lnaddress")));
    assert_eq!(status_by("lnaddress", shown), Ok(Status::Pending));
}

#[test]
fn a_paid_invoice_is_settled_and_its_preimage_checked() {
    for kind in kinds() {
        let Ok(Status::Settled { amount, preimage, .. }) = status(kind, "paid") else { panic!("{kind}") };
        assert_eq!(amount, ORDER.amount, "{kind}");
        let tells = connection(kind).backend.preimages() != Preimages::Withheld;
        assert_eq!(
            preimage.map(|preimage| preimage.payment_hash()),
            tells.then(|| invoice(kind).payment_hash),
            "{kind}"
        );
    }
}

#[test]
fn the_time_of_a_payment_is_in_seconds() {
    let at = |kind: &str| match status(kind, "paid") {
        Ok(Status::Settled { at, .. }) => at,
        other => panic!("{other:?}"),
    };
    assert_eq!(at("lnd-rest"), Some(UnixTime(1_795_263_747)));
    for kind in ["clnrest", "phoenixd", "btcpay", "opennode"] {
        assert_eq!(at(kind), Some(UnixTime(1_795_263_750)), "{kind}");
    }
}

#[test]
fn a_preimage_that_does_not_fit_is_refused() {
    for kind in kinds_that_tell() {
        let right = preimage(kind);
        let mut wrong = [0; 32];
        wrong[31] = 1;
        let wrong = match kind {
            "lnd-rest" => to_base64(&wrong),
            _ => hex::encode(wrong),
        };
        for wrong in [wrong.as_str(), "00", "no preimage"] {
            let settled = status_by(kind, changed(kind, "paid", &right, wrong));
            // A node knows it, and one that does not is none. A service has the payment from somewhere else: B6.
            match kind {
                "lnd-rest" | "clnrest" | "phoenixd" => {
                    assert_eq!(settled, Err(BackendFault::WrongPreimage), "{kind}: {wrong}");
                }
                _ => assert!(matches!(settled, Ok(Status::Settled { preimage: None, .. })), "{kind}: {wrong}"),
            }
        }
    }
}

/// B6: a payment between two wallets of one LNbits, and any of an old version's (lnbits#3070). Paid is paid; and what is no
/// preimage of this invoice is none, so nobody is let in by it.
#[test]
fn an_lnbits_that_pays_itself_is_paid_without_a_preimage_b6() {
    let paid = Status::Settled { amount: ORDER.amount, node_fee: Msat(0), preimage: None, at: None };
    let right = format!("{:?}", preimage("lnbits"));
    let zeros = format!("{:?}", "0".repeat(64));
    for odd in [zeros.as_str(), "\"\"", "null", "\"6f2c1c2b-0a7e-4a3d-9a67-b4b8c4a8b6a5\"", "\"internal_6f2c\"", "0"] {
        assert_eq!(status_by("lnbits", changed("lnbits", "paid", &right, odd)), Ok(paid.clone()), "{odd}");
    }
    assert_eq!(status("lnbits", "paid-internally"), Ok(paid));
    // Unpaid is unpaid, whatever stands there.
    let unpaid =
        changed("lnbits", "unpaid", "\"pending\",\"preimage\":null", &format!("\"pending\",\"preimage\":{zeros}"));
    assert_eq!(status_by("lnbits", unpaid), Ok(Status::Pending));
}

/// B7: Core Lightning up to 23.08.
#[test]
fn a_core_lightning_that_writes_units_is_read_b7() {
    let amount = |text: &str| status_by("clnrest", changed("clnrest", "paid", "\"amount_received_msat\":21000", text));
    let Ok(Status::Settled { amount: Msat(21_000), .. }) = amount("\"amount_received_msat\":\"21000msat\"") else {
        panic!("{:?}", amount("\"amount_received_msat\":\"21000msat\""))
    };
    assert_eq!(amount("\"amount_received_msat\":\"20999msat\""), Err(BackendFault::Underpaid));
    for odd in ["21000sat", "21msat000", "msat", "-1msat", "21000 msat", "21000msatmsat", "21.0msat"] {
        let told = amount(&format!("\"amount_received_msat\":\"{odd}\""));
        assert_eq!(told, Err(BackendFault::Unreadable), "{odd}");
    }
}

/// B12: not found is what the back end says in its own shape; any other 404 is a wrong address, and an LND that has never
/// made an invoice says so with 500.
#[test]
fn a_page_that_is_not_found_says_nothing_of_an_invoice_b12() {
    for kind in kinds() {
        for page in [body(kind, "garbage"), "<html>404</html>".to_owned(), String::new(), "{}".to_owned()] {
            let told = status_by(kind, HttpReply::new(404, page.clone()));
            assert_eq!(told, Err(BackendFault::Refused(404)), "{kind}: {page}");
        }
    }
    assert!(BackendFault::Refused(404).to_string().contains("address"));
    let lnd = |code: u16, text: &str| status_by("lnd-rest", HttpReply::new(code, text));
    assert_eq!(status("lnd-rest", "unknown"), Ok(Status::NotFound));
    assert_eq!(lnd(500, &body("lnd-rest", "no-invoices")), Ok(Status::NotFound));
    assert_eq!(lnd(404, r#"{"code":5,"message":"Not Found","details":[]}"#), Err(BackendFault::Refused(404)));
    assert_eq!(lnd(500, r#"{"code":2,"message":"wallet locked","details":[]}"#), Err(BackendFault::Busy(500)));
    assert_eq!(status_by("lnbits", HttpReply::new(404, r#"{"detail":"Not Found"}"#)), Err(BackendFault::Refused(404)));
}

#[test]
fn a_payment_may_come_without_its_preimage_where_that_is_usual() {
    let untold = Status::Settled { amount: ORDER.amount, node_fee: Msat(0), preimage: None, at: None };
    assert_eq!(status("lnaddress", "paid-without-preimage"), Ok(untold.clone()));
    assert_eq!(status("zbd", "paid-without-preimage"), Ok(untold.clone()));
    let shown = format!("{:?}", preimage("lnbits"));
    assert_eq!(status_by("lnbits", changed("lnbits", "paid", &shown, "null")), Ok(untold));
    // Nodes know it: without, something is wrong.
    for (kind, name) in [("lnd-rest", "r_preimage"), ("clnrest", "payment_preimage"), ("phoenixd", "preimage")] {
        let untold = status_by(kind, changed(kind, "paid", name, "other"));
        assert_eq!(untold, Err(BackendFault::WrongPreimage), "{kind}");
    }
}

#[test]
fn less_than_asked_is_not_settled() {
    for kind in ["lnd-rest", "clnrest", "phoenixd", "lnbits", "btcpay", "zbd"] {
        let hash = invoice(kind).payment_hash;
        let settled = status_of(kind, hash, Msat(21_001), reply(kind, "paid"));
        assert_eq!(settled, Err(BackendFault::Underpaid), "{kind} (T66)");
        let settled = status_of(kind, hash, Msat(20_999), reply(kind, "paid"));
        assert!(matches!(settled, Ok(Status::Settled { amount: Msat(21_000), .. })), "{kind}");
    }
}

#[test]
fn a_settled_invoice_that_tells_no_amount_is_not_readable() {
    for (kind, name) in [
        ("lnd-rest", "amt_paid_msat"),
        ("clnrest", "amount_received_msat"),
        ("phoenixd", "receivedSat"),
        ("lnbits", "amount"),
        ("btcpay", "amountReceived"),
        ("zbd", "amount"),
    ] {
        let untold = status_by(kind, changed(kind, "paid", &format!("\"{name}\""), "\"other\""));
        assert_eq!(untold, Err(BackendFault::Unreadable), "{kind}");
    }
}

#[test]
fn what_a_channel_cost_is_the_merchants_and_not_the_buyers() {
    let Ok(Status::Settled { amount, node_fee, .. }) = status("phoenixd", "paid-channel-opened") else { panic!() };
    // A21: what was kept is told, to the satoshi that phoenixd counts in.
    assert_eq!((amount, node_fee), (Msat(21_000), Msat(18_000)));
    let Ok(Status::Settled { node_fee, .. }) = status("phoenixd", "paid") else { panic!() };
    assert_eq!(node_fee, Msat(0));
    let less = changed("phoenixd", "paid-channel-opened", "17250", "16999");
    assert_eq!(status_by("phoenixd", less), Err(BackendFault::Underpaid), "T66");
}

#[test]
fn an_invoice_that_nobody_paid_in_time_is_expired_or_canceled() {
    for kind in ["clnrest", "phoenixd", "btcpay", "blink", "opennode", "zbd"] {
        assert_eq!(status(kind, "expired"), Ok(Status::Expired), "{kind}");
    }
    // Recorded ones have a hash of their own.
    let hash = PaymentHash::from_hex("1c4a9714e61ff42d1561c2c77ddd34e87cc5902a5b08c70663b78d9db84f6970").unwrap();
    assert_eq!(status_of("lnd-rest", hash, ORDER.amount, reply("lnd-rest", "expired")), Ok(Status::Canceled));
    let hash = PaymentHash::from_hex("b230cffa6237fd4aca6b401ffa114c879704274b9260f786f902c31bfb78e4e1").unwrap();
    for name in ["expired", "expired-again"] {
        assert_eq!(status_of("lnbits", hash, ORDER.amount, reply("lnbits", name)), Ok(Status::Expired), "{name}");
    }
    assert_eq!(status("strike", "canceled"), Ok(Status::Canceled));
    assert_eq!(status("opennode", "refunded"), Ok(Status::Canceled));
}

#[test]
fn a_payment_that_is_on_its_way_is_pending() {
    assert_eq!(status_by("lnd-rest", changed("lnd-rest", "unpaid", "OPEN", "ACCEPTED")), Ok(Status::Pending), "T20");
    assert_eq!(status("strike", "pending"), Ok(Status::Pending));
    assert_eq!(status("opennode", "processing"), Ok(Status::Pending));
    assert_eq!(status("opennode", "underpaid"), Ok(Status::Pending));
}

#[test]
fn a_state_that_is_not_known_settles_nothing() {
    for (kind, word) in [
        ("lnd-rest", "\"SETTLED\", \"htlcs\""),
        ("clnrest", "\"paid\""),
        ("phoenixd", "true"),
        ("lnbits", "true"),
        ("btcpay", "\"Paid\""),
        ("lnaddress", "true"),
        ("blink", "\"PAID\""),
        ("strike", "\"PAID\""),
        ("opennode", "\"paid\""),
        ("zbd", "\"completed\""),
    ] {
        let other = if word.contains("htlcs") { "\"settled\", \"htlcs\"" } else { "\"true\"" };
        let told = status_by(kind, changed(kind, "paid", word, other));
        assert_eq!(told, Err(BackendFault::Unreadable), "{kind}");
    }
}

#[test]
fn an_unknown_invoice_is_not_found() {
    for kind in kinds() {
        assert_eq!(status(kind, "unknown"), Ok(Status::NotFound), "{kind}");
    }
}

#[test]
fn news_of_another_invoice_is_refused() {
    let other = PaymentHash([0xab; 32]);
    for kind in ["lnd-rest", "clnrest", "phoenixd", "lnbits", "btcpay", "lnaddress", "blink"] {
        let told = status_of(kind, other, ORDER.amount, reply(kind, "unpaid"));
        assert_eq!(told, Err(BackendFault::WrongInvoice), "{kind}");
    }
    for kind in ["btcpay", "strike", "opennode", "zbd"] {
        let id = invoice(kind).reference;
        let told = status_by(kind, changed(kind, "paid", &format!("\"{id}\""), "\"another\""));
        assert_eq!(told, Err(BackendFault::WrongInvoice), "{kind}");
    }
}

#[test]
fn a_no_has_its_reason() {
    for (kind, fault) in [
        ("lnd-rest", BackendFault::Unauthorized),
        ("clnrest", BackendFault::Refused(500)),
        ("phoenixd", BackendFault::Refused(400)),
        ("lnbits", BackendFault::Unauthorized),
        ("btcpay", BackendFault::Unauthorized),
        ("lnaddress", BackendFault::Refused(200)),
        ("blink", BackendFault::Refused(200)),
        ("strike", BackendFault::Unauthorized),
        ("opennode", BackendFault::Unauthorized),
        ("zbd", BackendFault::Unauthorized),
    ] {
        assert_eq!(create(kind, &[reply(kind, "error")]), Err(fault), "{kind}");
    }
    assert_eq!(create("clnrest", &[reply("clnrest", "unauthorized")]), Err(BackendFault::Unauthorized));
    assert_eq!(create("blink", &[reply("blink", "unauthorized")]), Err(BackendFault::Unauthorized));
    assert_eq!(status("blink", "unauthorized"), Err(BackendFault::Unauthorized));
}

#[test]
fn the_page_of_a_proxy_is_no_reply() {
    for kind in kinds() {
        for (code, fault) in [
            (200, BackendFault::Unreadable),
            (502, BackendFault::Busy(502)),
            (429, BackendFault::Busy(429)),
            (302, BackendFault::Refused(302)),
        ] {
            let page = HttpReply::new(code, body(kind, "garbage"));
            assert_eq!(create(kind, std::slice::from_ref(&page)), Err(fault), "{kind}");
            assert_eq!(status_by(kind, page), Err(fault), "{kind}");
        }
    }
}

#[test]
fn an_lnbits_that_does_not_know_our_key_is_not_believed() {
    assert_eq!(status("lnbits", "unpaid-no-key"), Ok(Status::Pending));
    assert_eq!(status("lnbits", "paid-no-key"), Err(BackendFault::Unauthorized));
}

#[test]
fn a_name_that_would_leave_its_place_in_a_url_is_refused() {
    for kind in ["btcpay", "strike", "opennode", "zbd"] {
        let id = invoice(kind).reference;
        for odd in ["..", "a/../b", "a?b", "a b", "", "\u{e4}"] {
            let made = create(kind, &[changed(kind, "created", &format!("\"{id}\""), &format!("\"{odd}\""))]);
            assert_eq!(made, Err(BackendFault::Unreadable), "{kind}: {odd}");
            let watched = Watched { payment_hash: PaymentHash([0; 32]), amount: ORDER.amount, reference: odd };
            assert_eq!(connection(kind).backend.status(&watched, &[]), Err(BackendFault::Unreadable), "{kind}: {odd}");
        }
    }
}

#[test]
fn news_names_the_invoice_that_was_paid() {
    let hash = invoice("clnrest").payment_hash;
    let line = Lnd::parse_line(body("lnd-rest", "subscribe").as_bytes()).unwrap().unwrap();
    assert_eq!((line.payment_hash, line.settle_index), (hash, 2));

    let waited = Cln::parse_wait(&reply("clnrest", "wait")).unwrap().unwrap();
    assert_eq!((waited.payment_hash, waited.pay_index), (hash, 7));
    assert_eq!(Cln::parse_wait(&reply("clnrest", "wait-timeout")), Ok(None));
    assert_eq!(Cln::parse_wait(&reply("clnrest", "error")), Err(BackendFault::Refused(500)));
    assert_eq!(Cln::parse_wait(&changed("clnrest", "wait", "\"paid\"", "\"expired\"")), Err(BackendFault::Unreadable));
    assert_eq!(Cln::parse_wait(&HttpReply::new(200, r#"{"code":904}"#)), Err(BackendFault::Unreadable));

    assert_eq!(Phoenixd::parse_event(body("phoenixd", "event").as_bytes()), Some(hash));
    let sent = body("phoenixd", "event").replace("payment_received", "payment_sent");
    assert_eq!(Phoenixd::parse_event(sent.as_bytes()), None);
    assert_eq!(Phoenixd::parse_event(b"ping"), None);
}

mod lightning_address {
    use super::*;

    const CALLBACK: &str = "https://pay.shop.test/lnurlp/alice/callback";
    const VERIFY: &str = "https://shop.test/";

    /// What comes of a service that names this address for the invoice.
    #[track_caller]
    fn callback(url: &str) -> Result<String, BackendFault> {
        let step = connection("lnaddress").backend.create(&ORDER, &[changed("lnaddress", "lnurlp", CALLBACK, url)])?;
        let Step::Ask(request) = step else { panic!() };
        Ok(request.url)
    }

    #[track_caller]
    fn verify(url: &str) -> Result<String, BackendFault> {
        let made = changed("lnaddress", "created", VERIFY, url);
        Ok(create("lnaddress", &[reply("lnaddress", "lnurlp"), made])?.reference)
    }

    #[test]
    fn an_address_below_its_host_is_followed() {
        for host in ["https://shop.test", "https://pay.shop.test", "https://a.b.shop.test", "https://SHOP.test"] {
            assert_eq!(callback(&format!("{host}/cb")), Ok(format!("{host}/cb?amount=21000")));
            assert!(verify(&format!("{host}/")).is_ok(), "{host}");
        }
        assert_eq!(callback("https://shop.test/cb?id=7").unwrap(), "https://shop.test/cb?id=7&amount=21000");
        assert_eq!(callback("https://shop.test?id=7").unwrap(), "https://shop.test?id=7&amount=21000");
    }

    #[test]
    fn an_address_anywhere_else_is_not() {
        for url in [
            "http://shop.test/",
            "https://shop.test.evil.test/",
            "https://evilshop.test/",
            "https://evil.test/shop.test/",
            "https://shop.test@evil.test/",
            "https://evil.test?.shop.test/",
            "https://shop.test:8443/",
            "https://evil%2etest/.shop.test/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://169.254.169.254/.shop.test/",
            "https://test/",
            "https:///shop.test/",
            "//shop.test/",
            "file:///etc/passwd",
            "",
        ] {
            assert_eq!(callback(url), Err(BackendFault::ForeignHost), "{url} (T68)");
            assert_eq!(verify(url), Err(BackendFault::ForeignHost), "{url} (T68)");
        }
        for url in [
            r"https://evil.test\\.shop.test/",
            "https://shop.test/#",
            "https://shop.test/a b",
            "https://sh\u{f6}p.test/",
        ] {
            assert_eq!(callback(url), Err(BackendFault::Unreadable), "{url}");
        }
        assert_eq!(callback(&format!("https://shop.test/{}", "a".repeat(400))), Err(BackendFault::Unreadable));
    }

    #[test]
    fn another_name_of_the_service_has_to_be_told() {
        let told = format!("{};verify-host=lnurl.test", CONNECTIONS[5].1);
        let told = satstile_lightning::Connection::parse(&told).unwrap();
        let service = changed("lnaddress", "lnurlp", CALLBACK, "https://lnurl.test/cb");
        assert!(told.backend.create(&ORDER, &[service]).is_ok());
        assert_eq!(callback("https://lnurl.test/cb"), Err(BackendFault::ForeignHost));
        let below = changed("lnaddress", "lnurlp", CALLBACK, "https://a.lnurl.test/cb");
        assert_eq!(told.backend.create(&ORDER, &[below]), Err(BackendFault::ForeignHost));
    }

    #[test]
    fn a_service_without_verify_is_refused_by_name() {
        let made = [reply("lnaddress", "lnurlp"), reply("lnaddress", "created-without-verify")];
        assert_eq!(create("lnaddress", &made), Err(BackendFault::NoVerify));
    }

    #[test]
    fn an_invoice_for_another_description_is_refused() {
        let service = changed("lnaddress", "lnurlp", "Sats for alice", "Sats for mallory");
        let made = create("lnaddress", &[service, reply("lnaddress", "created")]);
        assert_eq!(made, Err(BackendFault::WrongInvoice), "LUD-06, step 6");
    }

    #[test]
    fn an_amount_that_the_service_does_not_take_is_not_ordered() {
        for (from, to) in [("\"minSendable\":1000", "\"minSendable\":21001"), ("100000000000", "20999")] {
            let service = changed("lnaddress", "lnurlp", from, to);
            assert_eq!(connection("lnaddress").backend.create(&ORDER, &[service]), Err(BackendFault::OutOfRange));
        }
        let withdraw = changed("lnaddress", "lnurlp", "payRequest", "withdrawRequest");
        assert_eq!(connection("lnaddress").backend.create(&ORDER, &[withdraw]), Err(BackendFault::Unreadable));
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        let parse = |text: &str| satstile_lightning::Connection::parse(&format!("type=lnaddress;address={text}"));
        for plain in ["me@shop.test", "a.b_c-d+e9@pay.shop.test", "0@x.y"] {
            assert!(parse(plain).is_ok(), "{plain}");
        }
        for odd in [
            "a@b.test/../c",
            "a@b.test:22",
            "a@b.test?x",
            "a@u@b.test",
            "Me@shop.test",
            "me@Shop.test",
            "me@shop",
            "@shop.test",
            "me@",
            "..@shop.test",
            "me@10.0.0.1",
            "me@shop..test",
            "me@-shop.test",
            "me@shop.test.",
            "m/e@shop.test",
        ] {
            assert!(parse(odd).is_err(), "{odd} (T98)");
        }
        assert!(parse("me@shop.test;server=http://127.0.0.1:3000").is_ok());
        for elsewhere in ["https://evil.test", "https://shop.test:444", "http://10.0.0.1;allowinsecure=true"] {
            assert!(parse(&format!("me@shop.test;server={elsewhere}")).is_err(), "{elsewhere}");
        }
    }
}
