//! The signed relay: who is believed, and that each id is answered once.

use std::net::SocketAddr;
use std::time::Duration;

use l402::relay::{InvoiceState, RelaySecrets};
use l402::{PaymentHash, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

/// A connection on which a message begins and does not go on.
async fn slow(relay: SocketAddr, fields: &str) -> TcpStream {
    let mut stream = TcpStream::connect(relay).await.unwrap();
    let head = format!("POST /relay HTTP/1.1\r\nHost: node\r\n{fields}Content-Length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// A9, T59: what no body can make believable is refused before the body is there.
#[tokio::test]
async fn a_message_without_good_fields_is_refused_before_its_body_a9() {
    let world = World::new("").await;
    let unreadable = format!("webhook-id: x\r\nwebhook-timestamp: {}\r\nwebhook-signature: v2,AA\r\n", now().0);
    let old = unreadable.replace("v2,AA", &format!("v1,{}", "A".repeat(43))).replace(&now().0.to_string(), "1");
    for fields in ["", &unreadable, &old] {
        let mut stream = slow(world.relay(), fields).await;
        let mut answer = [0; 12];
        let read = tokio::time::timeout(Duration::from_secs(3), stream.read_exact(&mut answer)).await;
        read.expect("no answer before the body").unwrap();
        assert_eq!(&answer, b"HTTP/1.1 401", "{fields}");
    }
}

/// A9, T59: strangers who hold hundreds of connections, with fields that look good or with none, do not keep the worker
/// out.
#[tokio::test]
async fn slow_strangers_do_not_keep_the_worker_out_a9() {
    let world = World::new("").await;
    let forged =
        format!("webhook-id: x\r\nwebhook-timestamp: {}\r\nwebhook-signature: v1,{}=\r\n", now().0, "A".repeat(43));
    let mut held = Vec::new();
    for n in 0..600 {
        held.push(slow(world.relay(), if n % 2 == 0 { &forged } else { "" }).await);
    }
    for n in 0..20 {
        let id = format!("req_{n}");
        let call = tokio::time::timeout(Duration::from_secs(3), world.create(&id));
        call.await.expect("the worker waits for strangers");
    }
    drop(held);
}

/// A9: whose message is signed has the time that every message has.
#[tokio::test]
async fn a_signed_message_may_come_in_two_pieces_a9() {
    let world = World::new("").await;
    let (body, at) = (create_body(), now());
    let signature = secrets().sign("req_1", at, &body);
    let mut stream = TcpStream::connect(world.relay()).await.unwrap();
    let head = format!(
        "POST /relay HTTP/1.1\r\nHost: node\r\nConnection: close\r\nwebhook-id: req_1\r\nwebhook-timestamp: {}\r\n\
         webhook-signature: {signature}\r\nContent-Length: {}\r\n\r\n",
        at.0,
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream.write_all(&body).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
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
    // T69. A9: of what nobody signed, nothing is read at all.
    let world = World::new("").await;
    let body = vec![b' '; 64 * 1024 + 1];
    let at = now();
    let signature = secrets().sign("req_1", at, &body);
    let signed = send_signed(world.relay(), "req_1", &at.0.to_string(), &signature, &body).await;
    assert_eq!((signed.status, signed.json()["code"].as_str()), (413, Some("too_long")));
    let unsigned = http(world.relay(), "POST /relay", "", &body).await;
    assert_eq!((unsigned.status, unsigned.json()["code"].as_str()), (401, Some("not_signed")));
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
