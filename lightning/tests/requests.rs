//! What is sent, to the byte.

mod common;

use common::{CONNECTIONS, ORDER, asked, connection, invoice, making, reply};
use l402::{Msat, PaymentHash};
use satstile_lightning::{BackendFault, Connection, HttpRequest, Order, Push, Watched};

const HASH: &str = "fb92157f5ad01d6ef16aa76cdc7b9e9700a1af78f90990e9dbfb95a31f95ccd3";

/// Request line, header fields and body, a line each.
fn wire(request: &HttpRequest) -> String {
    let mut text = format!("{} {}\n", request.method.as_str(), request.url);
    for (name, value) in &request.headers {
        text += &format!("{name}: {value}\n");
    }
    text + request.body.as_deref().unwrap_or_default()
}

/// Orders an invoice, and asks after one.
#[track_caller]
fn check(text: &str, order: &Order<'_>, reference: &str, create: &str, status: &str) {
    let backend = Connection::parse(text).unwrap().backend;
    assert_eq!(wire(&asked(backend.create(order, &[]))), create);
    let payment_hash = PaymentHash::from_hex(HASH).unwrap();
    let watched = Watched { payment_hash, amount: order.amount, reference };
    assert_eq!(wire(&asked(backend.status(&watched, &[]))), status);
}

fn of(kind: &str) -> &'static str {
    CONNECTIONS.iter().find(|(known, ..)| *known == kind).unwrap().1
}

#[test]
fn lnd() {
    check(
        of("lnd-rest"),
        &ORDER,
        "",
        "POST https://node.test:8080/v1/invoices\n\
         content-type: application/json\n\
         grpc-metadata-macaroon: 0201036c6e64\n\
         {\"expiry\":\"600\",\"memo\":\"An article\",\"private\":false,\"value_msat\":\"21000\"}",
        &format!("GET https://node.test:8080/v1/invoice/{HASH}\ngrpc-metadata-macaroon: 0201036c6e64\n"),
    );
}

#[test]
fn core_lightning() {
    let status = format!(
        "POST https://node.test:3010/v1/listinvoices\n\
         content-type: application/json\n\
         rune: rune-of-ours==\n\
         {{\"payment_hash\":\"{HASH}\"}}"
    );
    let create = "POST https://node.test:3010/v1/invoice\n\
         content-type: application/json\n\
         rune: rune-of-ours==\n\
         {\"amount_msat\":21000,\"description\":\"An article\",\"expiry\":600,\"label\":\"order-1\"}";
    check(of("clnrest"), &ORDER, "", create, &status);
    let hinted = create.replace("600,", "600,\"exposeprivatechannels\":true,");
    check(&format!("{};private-route-hints=true", of("clnrest")), &ORDER, "", &hinted, &status);
}

/// B7: up to 23.08 Core Lightning cannot list an invoice whose description ends like an amount.
#[test]
fn a_memo_that_ends_in_msat_is_made_harmless_b7() {
    for (memo, sent) in [
        ("1000 msat", "1000 msat."),
        ("for 5MSAT", "for 5MSAT."),
        ("amsat ", "amsat."),
        ("msat tips", "msat tips"),
        ("msats", "msats"),
        ("", ""),
    ] {
        let order = Order { description: memo, ..ORDER };
        let body = asked(connection("clnrest").backend.create(&order, &[])).body.unwrap();
        assert!(body.contains(&format!("\"description\":{sent:?}")), "{memo:?}: {body}");
    }
}

#[test]
fn phoenixd() {
    // base64(":word-of-ours")
    let auth = "authorization: Basic OndvcmQtb2Ytb3Vycw==";
    let long = "\u{e4}".repeat(200);
    check(
        of("phoenixd"),
        &Order { description: &long, ..ORDER },
        "",
        &format!(
            "POST http://127.0.0.1:9740/createinvoice\n\
             content-type: application/x-www-form-urlencoded\n\
             {auth}\n\
             amountSat=21&description={}&expirySeconds=600&externalId=order-1",
            "%C3%A4".repeat(128)
        ),
        &format!("GET http://127.0.0.1:9740/payments/incoming/{HASH}\n{auth}\n"),
    );
}

#[test]
fn lnbits() {
    check(
        of("lnbits"),
        &ORDER,
        "",
        "POST https://lnbits.test/api/v1/payments\n\
         content-type: application/json\n\
         x-api-key: inkey-of-ours\n\
         {\"amount\":21,\"expiry\":600,\"extra\":{\"label\":\"order-1\"},\"memo\":\"An article\",\"out\":false,\"unit\":\"sat\"}",
        &format!("GET https://lnbits.test/api/v1/payments/{HASH}\nx-api-key: inkey-of-ours\n"),
    );
}

#[test]
fn btcpay() {
    let url = "https://pay.test/api/v1/stores/9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776/lightning/BTC/invoices";
    check(
        of("btcpay"),
        &ORDER,
        "8VkzqPcFh2mTnYbXw3LrDs",
        &format!(
            "POST {url}\n\
             content-type: application/json\n\
             authorization: token key-of-ours\n\
             {{\"amount\":\"21000\",\"description\":\"An article\",\"expiry\":600,\"privateRouteHints\":false}}"
        ),
        &format!("GET {url}/8VkzqPcFh2mTnYbXw3LrDs\nauthorization: token key-of-ours\n"),
    );
    assert!(Connection::parse("type=btcpay;server=https://pay.test;store-id=a/..;api-key=k").is_err());
}

#[test]
fn lightning_address() {
    check(
        of("lnaddress"),
        &ORDER,
        "https://shop.test/verify/1",
        "GET https://shop.test/.well-known/lnurlp/alice\n",
        "GET https://shop.test/verify/1\n",
    );
    let request = asked(connection("lnaddress").backend.create(&ORDER, &[reply("lnaddress", "lnurlp")]));
    assert_eq!(wire(&request), "GET https://pay.shop.test/lnurlp/alice/callback?amount=21000\n");
}

#[test]
fn blink() {
    let head = "POST https://api.blink.sv/graphql\ncontent-type: application/json\nx-api-key: blink_ours\n";
    check(
        of("blink"),
        &Order { expiry_s: 119, ..ORDER },
        "",
        &format!(
            "{head}{{\"query\":\"mutation($input:LnInvoiceCreateInput!){{lnInvoiceCreate(input:$input){{invoice{{paymentRequest \
             paymentHash satoshis}}errors{{message}}}}}}\",\"variables\":{{\"input\":{{\"amount\":21,\"expiresIn\":1,\
             \"memo\":\"An article\",\"walletId\":\"6f2c1c2b-0a7e-4a3d-9a67-b4b8c4a8b6a5\"}}}}}}"
        ),
        &format!(
            "{head}{{\"query\":\"query($input:LnInvoicePaymentStatusByHashInput!){{lnInvoicePaymentStatusByHash(input:$input)\
             {{status paymentHash}}}}\",\"variables\":{{\"input\":{{\"paymentHash\":\"{HASH}\"}}}}}}"
        ),
    );
    assert!(Connection::parse(&format!("{};currency=BTC", of("blink"))).is_ok());
    assert!(Connection::parse(&format!("{};currency=USD", of("blink"))).is_err());
}

#[test]
fn strike() {
    let head = "content-type: application/json\nauthorization: Bearer key-of-ours\n";
    let id = invoice("strike").reference;
    let status = format!("GET https://api.strike.me/v1/invoices/{id}\nauthorization: Bearer key-of-ours\n");
    for (msat, decimal) in [(21_000, "0.00000021"), (100_000_000_000, "1.00000000"), (123_456_789_000, "1.23456789")] {
        check(
            of("strike"),
            &Order { amount: Msat(msat), ..ORDER },
            &id,
            &format!(
                "POST https://api.strike.me/v1/invoices\n{head}\
                 {{\"amount\":{{\"amount\":\"{decimal}\",\"currency\":\"BTC\"}},\"description\":\"An article\"}}"
            ),
            &status,
        );
    }
    let second = asked(connection("strike").backend.create(&ORDER, &making("strike")[..1]));
    assert_eq!(wire(&second), format!("POST https://api.strike.me/v1/invoices/{id}/quote\n{head}{{}}"));
}

#[test]
fn opennode() {
    check(
        of("opennode"),
        &Order { expiry_s: 30, ..ORDER },
        "ba57e419-a6c9-41b2-a54c-b870d073d899",
        "POST https://api.opennode.com/v1/charges\n\
         content-type: application/json\n\
         authorization: key-of-ours\n\
         {\"amount\":21,\"description\":\"An article\",\"order_id\":\"order-1\",\"ttl\":1}",
        "GET https://api.opennode.com/v1/charge/ba57e419-a6c9-41b2-a54c-b870d073d899\nauthorization: key-of-ours\n",
    );
}

#[test]
fn zbd() {
    check(
        of("zbd"),
        &ORDER,
        "773cc63c-8e4a-437d-87f1-c89049e4d076",
        "POST https://api.zebedee.io/v0/charges\n\
         content-type: application/json\n\
         apikey: key-of-ours\n\
         {\"amount\":\"21000\",\"description\":\"An article\",\"expiresIn\":600,\"internalId\":\"order-1\"}",
        "GET https://api.zebedee.io/v0/charges/773cc63c-8e4a-437d-87f1-c89049e4d076\napikey: key-of-ours\n",
    );
}

#[test]
fn part_of_a_satoshi_is_not_ordered_where_it_would_be_cut_off() {
    for (kind, ..) in CONNECTIONS {
        let order = Order { amount: Msat(21_001), ..ORDER };
        let step = connection(kind).backend.create(&order, &[]);
        let whole = ["phoenixd", "lnbits", "blink", "strike", "opennode"].contains(kind);
        assert_eq!(step.err(), whole.then_some(BackendFault::SubSatoshi), "{kind} (T56)");
    }
}

#[test]
fn three_tell_by_themselves_and_each_in_its_own_way() {
    let request = |kind: &str| match connection(kind).backend.push() {
        Some(Push::Lnd(lnd)) => Some(wire(&lnd.subscribe(7))),
        Some(Push::Cln(cln)) => Some(wire(&cln.wait_any(7))),
        Some(Push::Phoenixd(phoenixd)) => Some(wire(&phoenixd.websocket())),
        None => None,
    };
    let expected = [
        (
            "lnd-rest",
            "GET https://node.test:8080/v1/invoices/subscribe?settle_index=7\ngrpc-metadata-macaroon: 0201036c6e64\n",
        ),
        (
            "clnrest",
            "POST https://node.test:3010/v1/waitanyinvoice\ncontent-type: application/json\nrune: rune-of-ours==\n\
             {\"lastpay_index\":7,\"timeout\":60}",
        ),
        ("phoenixd", "GET ws://127.0.0.1:9740/websocket\nauthorization: Basic OndvcmQtb2Ytb3Vycw==\n"),
    ];
    for (kind, ..) in CONNECTIONS {
        let told = expected.iter().find(|(known, _)| known == kind).map(|(_, wire)| (*wire).to_owned());
        assert_eq!(request(kind), told, "{kind}");
    }
    let secure = Connection::parse("type=phoenixd;server=https://phoenix.test/;password=word").unwrap();
    let Some(Push::Phoenixd(phoenixd)) = secure.backend.push() else { panic!() };
    assert_eq!(phoenixd.websocket().url, "wss://phoenix.test/websocket");
}

#[test]
fn nothing_that_prints_has_a_secret_in_it() {
    for (kind, text, secret) in CONNECTIONS {
        let connection = Connection::parse(text).unwrap();
        let request = asked(connection.backend.create(&ORDER, &[]));
        let invoice = invoice(kind);
        for shown in
            [format!("{connection:?}"), format!("{request:?}"), format!("{invoice:?}"), connection.place.clone()]
        {
            for quiet in [*secret, "b2Ytb3Vycw", &invoice.bolt11] {
                assert!(!shown.contains(quiet), "{kind}: {shown} (T120)");
            }
        }
    }
}
