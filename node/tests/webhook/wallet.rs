//! The dev wallet: phoenixd's call, lnd's call and the page, each with its password, and WebLN for the pages
//! of listed origins. Each pays at most once.

use l402::relay::InvoiceState;
use l402::{PaymentHash, Preimage};
use serde_json::json;

use crate::world::*;

#[tokio::test]
async fn paying_as_phoenixd_does_gives_the_preimage() {
    let world = World::new("").await;
    let created = world.create("req_1").await;
    let answer = world.pay(&created.bolt11).await;
    assert_eq!(answer.status, 200);

    let paid = answer.json();
    let preimage = Preimage::from_hex(paid["paymentPreimage"].as_str().unwrap()).unwrap();
    assert_eq!(preimage.payment_hash(), created.payment_hash);
    assert_eq!(
        paid,
        json!({
            "recipientAmountSat": 21,
            "routingFeeSat": 0,
            "paymentId": created.payment_hash.to_string()[..32],
            "paymentHash": created.payment_hash.to_string(),
            "paymentPreimage": preimage.expose_hex(),
        })
    );
}

#[tokio::test]
async fn without_the_password_nothing_is_paid() {
    let world = World::new("").await;
    let created = world.create("req_1").await;
    let wallet = world.wallet();
    for password in ["", "wrong", &world.password()[1..], &format!("{}0", world.password())] {
        let answer = pay_with(wallet, password, &created.bolt11).await;
        assert_eq!(answer.status, 401);
        assert!(answer.text().starts_with("Invalid authentication"), "{}", answer.text());
    }
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("invoice={}", created.bolt11);
    assert_eq!(http(wallet, "POST /payinvoice", form, body.as_bytes()).await.status, 401);
    assert_eq!(http(wallet, "POST /pay", form, format!("{body}&password=wrong").as_bytes()).await.status, 403);
    assert_eq!(lnd(&world, "00", &created.bolt11).await.status, 401);
    assert_eq!(world.lookup("req_2", created.payment_hash).await.status, InvoiceState::Pending);
}

#[tokio::test]
async fn an_invoice_is_never_paid_twice() {
    // T67, and with a crowd at the door.
    let world = World::new("").await;
    let created = world.create("req_1").await;
    let (wallet, password) = (world.wallet(), world.password());
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (password, bolt11) = (password.clone(), created.bolt11.clone());
        crowd.spawn(async move { pay_with(wallet, &password, &bolt11).await.json() });
    }
    let answers = crowd.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.get("paymentPreimage").is_some()).count(), 1);

    let refused =
        json!({"paymentHash": created.payment_hash.to_string(), "reason": "this invoice has already been paid"});
    assert_eq!(answers.iter().filter(|answer| **answer == refused).count(), 19);
    let answer = world.pay(&created.bolt11).await;
    assert_eq!((answer.status, answer.json()), (200, refused));
}

#[tokio::test]
async fn an_invoice_may_come_as_a_link_or_from_a_qr_code() {
    let world = World::new("").await;
    let (one, two) = (world.create("req_1").await, world.create("req_2").await);
    let upper = format!("LIGHTNING:{}", one.bolt11.to_uppercase());
    assert!(world.pay(&upper).await.json().get("paymentPreimage").is_some());
    let link = format!("%20lightning:{}%0A", two.bolt11);
    assert!(world.pay(&link).await.json().get("paymentPreimage").is_some());
}

#[tokio::test]
async fn what_is_no_invoice_of_this_node_is_not_paid() {
    let (world, other) = (World::new("").await, World::new("").await);
    let foreign = other.create("req_1").await;
    let answer = world.pay(&foreign.bolt11).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["paymentHash"], foreign.payment_hash.to_string());
    assert!(answer.json()["reason"].as_str().unwrap().contains("only the invoices of its own dev node"));
    assert_eq!(other.lookup("req_2", foreign.payment_hash).await.status, InvoiceState::Pending);

    for invoice in ["", "lnbcrt1", "lightning:", "%F0%9F%92%A9%F0%9F%92%A9%F0%9F%92%A9", &"l".repeat(9_000)] {
        assert_eq!(world.pay(invoice).await.status, 400, "{invoice}");
    }
}

async fn lnd(world: &World, macaroon: &str, bolt11: &str) -> Answer {
    let headers = format!("Grpc-Metadata-macaroon: {macaroon}\r\nContent-Type: application/json\r\n");
    let body = json!({"payment_request": bolt11, "timeout_seconds": 60}).to_string();
    http(world.wallet(), "POST /v2/router/send", &headers, body.as_bytes()).await
}

#[tokio::test]
async fn paying_as_lnd_does_gives_the_preimage_once() {
    let world = World::new("").await;
    let created = world.create("req_1").await;
    let macaroon = hex::encode(world.password());
    let result = &lnd(&world, &macaroon, &created.bolt11).await.json()["result"];
    assert_eq!((&result["status"], &result["value_sat"]), (&json!("SUCCEEDED"), &json!("21")));
    let preimage = Preimage::from_hex(result["payment_preimage"].as_str().unwrap()).unwrap();
    assert_eq!(preimage.payment_hash(), created.payment_hash);

    let again = lnd(&world, &macaroon, &created.bolt11).await;
    assert_eq!((again.status, &again.json()["error"]["message"]), (409, &json!("invoice is already paid")));
}

#[tokio::test]
async fn a_person_sees_amount_and_description_before_paying() {
    // T109, T115: what the origin wrote stays text, and no script is needed.
    let world = World::new("").await;
    let created = world.create("req_1").await;
    let page = http(world.wallet(), &format!("GET /?invoice={}", created.bolt11), "", b"").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(text.contains("Pay 21 sats") && text.contains("an &lt;article&gt;"), "{text}");
    assert!(!text.contains("<article>"), "{text}");
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; script-src 'self'"));

    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("invoice={}&password={}", created.bolt11, world.password());
    let own = format!("{form}Origin: http://{}\r\n", world.wallet());
    let paid = http(world.wallet(), "POST /pay", &own, body.as_bytes()).await;
    assert_eq!(paid.status, 200, "{}", paid.text());
    let settled = world.lookup("req_2", created.payment_hash).await;
    assert!(paid.text().contains(&settled.preimage.unwrap().expose_hex()));

    let again = http(world.wallet(), "POST /pay", &own, body.as_bytes()).await;
    assert_eq!(again.status, 409);
    assert!(again.text().contains("this invoice has already been paid"));
}

#[tokio::test]
async fn the_page_brings_its_own_style_and_script() {
    let world = World::new("").await;
    for (path, kind) in [("/", "text/html"), ("/wallet.css", "text/css"), ("/wallet.js", "text/javascript")] {
        let answer = http(world.wallet(), &format!("GET {path}"), "", b"").await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").unwrap().starts_with(kind), "{path}");
    }
    assert_eq!(http(world.wallet(), "GET /?invoice=rubbish", "", b"").await.status, 400);
}

#[tokio::test]
async fn other_sites_and_other_names_reach_nothing() {
    // DNS rebinding and CSRF (T114), even with the right password.
    let world = World::new("").await;
    let created = world.create("req_1").await;
    let basic = l402::encoding::to_base64(format!(":{}", world.password()).as_bytes());
    let form = format!("Authorization: Basic {basic}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let body = format!("invoice={}", created.bolt11);
    for headers in [format!("Host: evil.test\r\n{form}"), format!("Origin: http://evil.test\r\n{form}")] {
        let answer = http(world.wallet(), "POST /payinvoice", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_eq!(world.lookup("req_2", created.payment_hash).await.status, InvoiceState::Pending);
    assert_eq!(world.lookup("req_3", PaymentHash([0; 32])).await.status, InvoiceState::NotFound);
}

const LISTED: &str = "http://localhost:8787";
const WEBLN: &str = "--webln-origin http://localhost:8787 --webln-origin http://127.0.0.1:8790";

async fn webln(world: &World, headers: &str, bolt11: &str) -> Answer {
    let headers = format!("Content-Type: application/json\r\n{headers}");
    http(world.wallet(), "POST /webln/pay", &headers, json!({"invoice": bolt11}).to_string().as_bytes()).await
}

#[tokio::test]
async fn a_page_of_a_listed_origin_pays_by_webln_once() {
    let world = World::new(WEBLN).await;
    let (one, two) = (world.create("req_1").await, world.create("req_2").await);
    for (created, origin) in [(&one, LISTED), (&two, "http://127.0.0.1:8790")] {
        let own = format!("Origin: {origin}\r\n");
        let paid = webln(&world, &own, &created.bolt11).await;
        assert_eq!(paid.status, 200, "{}", paid.text());
        let preimage = Preimage::from_hex(paid.json()["preimage"].as_str().unwrap()).unwrap();
        assert_eq!(preimage.payment_hash(), created.payment_hash);
        assert_eq!(paid.json(), json!({"preimage": preimage.expose_hex()}));
        let header = |name| paid.header(name);
        assert_eq!((header("access-control-allow-origin"), header("vary")), (Some(origin), Some("Origin")));
        assert_eq!((header("access-control-allow-credentials"), header("cache-control")), (None, Some("no-store")));

        let again = webln(&world, &own, &created.bolt11).await;
        assert_eq!((again.status, again.header("access-control-allow-origin")), (409, Some(origin)));
        assert_eq!(again.json(), json!({"reason": "this invoice has already been paid"}));
    }
}

#[tokio::test]
async fn a_listed_page_hears_why_nothing_was_paid() {
    let (world, other) = (World::new(WEBLN).await, World::new("").await);
    let own = format!("Origin: {LISTED}\r\n");
    let foreign = webln(&world, &own, &other.create("req_1").await.bolt11).await;
    assert_eq!(foreign.status, 409);
    assert!(foreign.json()["reason"].as_str().unwrap().contains("only the invoices of its own dev node"));
    for invoice in ["", "lnbcrt1"] {
        let answer = webln(&world, &own, invoice).await;
        assert_eq!((answer.status, answer.json()["reason"].is_string()), (400, true), "{invoice}");
    }
    // What a form of another page could send without a preflight is not read, whatever it says.
    let created = world.create("req_2").await;
    let body = json!({"invoice": created.bolt11}).to_string();
    let plain = format!("{own}Content-Type: text/plain\r\n");
    let answer = http(world.wallet(), "POST /webln/pay", &plain, body.as_bytes()).await;
    assert_eq!(answer.json(), json!({"reason": "the request is not JSON with an invoice"}));
    let long = http(world.wallet(), "POST /webln/pay", &own, &[b' '; 20_000]).await;
    assert_eq!((long.status, long.header("access-control-allow-origin")), (400, Some(LISTED)));
    assert_eq!(world.lookup("req_3", created.payment_hash).await.status, InvoiceState::Pending);
}

#[tokio::test]
async fn nobody_else_pays_by_webln() {
    // T114: not other sites, not who tells no origin, not a name that was rebound to this machine.
    let world = World::new(WEBLN).await;
    let created = world.create("req_1").await;
    let wallet = format!("Origin: http://{}\r\n", world.wallet());
    for headers in [
        "",
        &wallet,
        "Origin: http://evil.test\r\n",
        "Origin: null\r\n",
        "Origin: https://localhost:8787\r\n",
        "Origin: http://localhost:8790\r\n",
        "Origin: http://localhost:87870\r\n",
        "Origin: http://localhost:8787\r\nOrigin: http://evil.test\r\n",
        "Host: evil.test\r\nOrigin: http://localhost:8787\r\n",
    ] {
        let answer = webln(&world, headers, &created.bolt11).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None), "{headers}");
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    // Being listed for WebLN opens no other door, even with the right password.
    let basic = l402::encoding::to_base64(format!(":{}", world.password()).as_bytes());
    let form = format!("Origin: {LISTED}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    let body = format!("invoice={}&password={}", created.bolt11, world.password());
    for (line, headers) in [
        ("POST /payinvoice", format!("{form}Authorization: Basic {basic}\r\n")),
        ("POST /pay", form),
        ("GET /", format!("Origin: {LISTED}\r\n")),
    ] {
        let answer = http(world.wallet(), line, &headers, body.as_bytes()).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None), "{line}");
    }
    assert_eq!(world.lookup("req_2", created.payment_hash).await.status, InvoiceState::Pending);
}

#[tokio::test]
async fn a_browser_is_told_before_it_asks() {
    let world = World::new(WEBLN).await;
    let ask = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n";
    let allowed = http(world.wallet(), "OPTIONS /webln/pay", &format!("Origin: {LISTED}\r\n{ask}"), b"").await;
    let header = |name| allowed.header(name);
    assert_eq!((allowed.status, header("access-control-allow-origin")), (204, Some(LISTED)));
    assert_eq!(
        (header("access-control-allow-methods"), header("access-control-allow-headers"), header("vary")),
        (Some("POST"), Some("content-type"), Some("Origin"))
    );
    for headers in [format!("Origin: http://evil.test\r\n{ask}"), ask.to_owned()] {
        let refused = http(world.wallet(), "OPTIONS /webln/pay", &headers, b"").await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None));
        assert_eq!(refused.header("access-control-allow-methods"), None);
    }

    // A script element tells no origin, and the script is no secret.
    let script = http(world.wallet(), "GET /webln.js", "", b"").await;
    assert_eq!((script.status, script.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    assert!(script.text().contains("window.webln = ") && !script.text().contains(&world.password()));
    for headers in ["Host: evil.test\r\n", "Origin: http://evil.test\r\n"] {
        assert_eq!(http(world.wallet(), "GET /webln.js", headers, b"").await.status, 403);
    }
}

#[tokio::test]
async fn without_the_flag_there_is_no_webln() {
    let world = World::new("").await;
    let created = world.create("req_1").await;
    assert_eq!(http(world.wallet(), "GET /webln.js", "", b"").await.status, 404);
    assert_eq!(webln(&world, "", &created.bolt11).await.status, 404);
    assert_eq!(webln(&world, &format!("Origin: {LISTED}\r\n"), &created.bolt11).await.status, 403);
    assert_eq!(world.lookup("req_2", created.payment_hash).await.status, InvoiceState::Pending);
}
