//! The signed relay: who is believed, and that each id is answered once.

use l402::relay::{InvoiceState, RelaySecrets};
use l402::{PaymentHash, UnixTime};

use crate::world::*;

#[tokio::test]
async fn a_signed_order_gets_a_regtest_invoice_of_the_exact_amount() {
    let world = World::new("").await;
    let before = now();
    let created = world.create("req_1").await;

    assert!(created.bolt11.starts_with("lnbcrt210n1"), "{}", created.bolt11);
    assert_eq!(created.backend, "dev");
    assert!((before.plus(600)..=now().plus(600)).contains(&created.expires_at));
    let status = world.lookup("req_2", created.payment_hash).await;
    assert_eq!((status.status, status.amount_msat), (InvoiceState::Pending, Some(21_000)));
    assert_eq!(status.preimage, None, "an unpaid invoice has no preimage to tell");
}

#[tokio::test]
async fn nobody_is_believed_without_a_fresh_signature() {
    // T53: each of these changes one thing; all get the same bytes (T25), no signature and no invoice.
    let world = World::new("").await;
    let (relay, body, at) = (world.relay(), create_body(), now());
    let time = |at: UnixTime| at.0.to_string();
    let good = secrets().sign("req_1", at, &body);
    let stranger = RelaySecrets::parse("whsec_yv66vhB0aGUga2V5IHRoYXQgcmVwbGFjZXMgaXQhMDI=").unwrap();
    let old = UnixTime(at.0 - 310);
    let mut changed = body.clone();
    changed.extend_from_slice(b" ");

    let mut refused = vec![
        http(relay, "POST /relay", "", &body).await,
        send_signed(relay, "req_1", &time(at), "", &body).await,
        send_signed(relay, "req_1", &time(at), &stranger.sign("req_1", at, &body), &body).await,
        send_signed(relay, "req_1", &time(old), &secrets().sign("req_1", old, &body), &body).await,
        send_signed(relay, "req_1", &time(old), &good, &body).await,
        send_signed(relay, "req_2", &time(at), &good, &body).await,
        send_signed(relay, "req_1", &time(at), &good, &changed).await,
    ];
    let twice = format!(
        "webhook-id: req_1\r\nwebhook-id: req_1\r\nwebhook-timestamp: {}\r\nwebhook-signature: {good}\r\n",
        at.0
    );
    refused.push(http(relay, "POST /relay", &twice, &body).await);
    for answer in refused {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json()["code"], "not_signed");
        assert_eq!(answer.header("webhook-signature"), None);
    }
    // The id is still free: none of them did anything.
    assert_eq!(send_signed(relay, "req_1", &time(at), &good, &body).await.status, 200);
}

#[tokio::test]
async fn a_call_for_the_worker_is_refused_by_the_node() {
    let world = World::new("").await;
    let astray = String::from_utf8(create_body()).unwrap().replace(r#""node""#, r#""worker""#);
    let answer = world.ask("req_1", astray.as_bytes()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("wrong_audience")));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    world.create("req_1").await;
}

#[tokio::test]
async fn the_same_question_gets_the_same_bytes_even_after_a_restart() {
    let world = World::new("").await;
    let first = world.ask("req_1", &create_body()).await;
    let again = world.ask("req_1", &create_body()).await;
    assert_eq!((first.status, &first.body), (200, &again.body));

    let world = world.restart().await;
    assert_eq!(world.ask("req_1", &create_body()).await.body, first.body);
    assert_ne!(world.ask("req_2", &create_body()).await.body, first.body);
}

#[tokio::test]
async fn another_question_under_the_same_id_is_a_conflict() {
    let world = World::new("").await;
    let first = world.create("req_1").await;
    let dearer = String::from_utf8(create_body()).unwrap().replace("21000", "21001");
    let answer = world.ask("req_1", dearer.as_bytes()).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("id_reused")));
    assert_eq!(world.create("req_1").await, first);
}

#[tokio::test]
async fn twenty_same_questions_at_once_make_one_invoice() {
    let world = World::new("").await;
    let body = create_body();
    let (relay, at) = (world.relay(), now());
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let body = body.clone();
        running.spawn(async move {
            send_signed(relay, "req_1", &at.0.to_string(), &secrets().sign("req_1", at, &body), &body).await
        });
    }
    let answers = running.join_all().await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let mut bodies: Vec<Vec<u8>> = answers.into_iter().map(|answer| answer.body).collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn a_refusal_names_a_fixed_code_and_is_signed() {
    // T56, T60
    let world = World::new("").await;
    let order = String::from_utf8(create_body()).unwrap();
    for (number, (from, to, status, code)) in [
        ("21000", "0", 422, "amount"),
        ("21000", "1000000000001", 422, "amount"),
        ("21000", "21000.5", 400, "unreadable"),
        ("600", "59", 422, "expiry"),
        (r#""l402""#, r#""l402","payee":"02ab""#, 422, "payee"),
        ("invoice.create", "invoice.drop", 400, "unknown_type"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = world.ask(&format!("req_{number}"), order.replace(from, to).as_bytes()).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{to}");
    }
}

#[tokio::test]
async fn more_than_64_kib_is_not_read() {
    // T69, before any signature is looked at.
    let world = World::new("").await;
    let body = vec![b' '; 64 * 1024 + 1];
    let answer = http(world.relay(), "POST /relay", "", &body).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("too_long")));
}

#[tokio::test]
async fn a_hash_that_was_never_made_here_is_not_found() {
    let world = World::new("").await;
    let status = world.lookup("req_1", PaymentHash([7; 32])).await;
    assert_eq!((status.status, status.amount_msat, status.preimage), (InvoiceState::NotFound, None, None));
}

#[tokio::test]
async fn health_says_whether_invoices_can_be_made_and_nothing_of_whom() {
    let world = World::new("").await;
    let answer = http(world.relay(), "GET /health", "", b"").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"backends":1,"resting":0,"status":"ok"}"#));
    assert_eq!(http(world.relay(), "GET /relay", "", b"").await.status, 405);
    world.stop().await;
}
