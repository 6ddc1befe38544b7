//! The program itself: what it prints, what it refuses to start with, and what it never writes down.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use l402::PaymentHash;
use l402::relay::{PaymentId, PaymentLookup, PaymentSend, PaymentState, PaymentStatus, RelayCall};
use serde_json::Value;

use crate::nwc_wallet::{Habits, Manners, World as Relay, preimage};
use crate::payer::{Does, Payer};
use crate::phoenix::Phoenix;
use crate::world::*;

fn program(state: &std::path::Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_satstile-node"));
    command
        .args(["--listen", "127.0.0.1:0", "--wallet-listen", "127.0.0.1:0"])
        .args(arguments.split_whitespace())
        .env_remove("WORKER_URL")
        .env_remove("BACKENDS")
        .env_remove("PAYOUT_SECRETS")
        .env_remove("PAYOUT_BACKEND")
        .env("SATSTILE_STATE", state)
        .env("RELAY_SECRETS", SECRET)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: std::thread::JoinHandle<String>,
    relay: SocketAddr,
    /// Of the dev node.
    wallet: Option<SocketAddr>,
}

fn run(mut command: Command) -> Running {
    let mut child = command.spawn().unwrap();
    // Read all the time: a full pipe would stop it.
    let mut stderr = child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).unwrap();
        log
    });
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(listening["event"], "listening");
    let address = |name: &str| listening[name].as_str().map(|address| address.parse().unwrap());
    Running { child, stdout, log, relay: address("relay").unwrap(), wallet: address("wallet") }
}

/// Ends it as a supervisor would, and returns all that it wrote after its one line.
fn terminate(mut running: Running) -> (bool, String, String) {
    let id = running.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut rest = String::new();
    running.stdout.read_to_string(&mut rest).unwrap();
    (running.child.wait().unwrap().success(), rest, running.log.join().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn back_ends_leave_no_secret_in_the_log() {
    // T120, at the chattiest level: a wallet that can spend, and a node with a password, both by web socket.
    let service = "make_invoice lookup_invoice pay_invoice notifications";
    let relay = Relay::with(Habits { service, ..Habits::of(Manners::Good) }).await;
    let (phoenix, dir, worker) = (Phoenix::start().await, tempfile::tempdir().unwrap(), Worker::new(&[200]).await);
    let mut command = program(dir.path(), &format!("--worker-url {}", worker.url));
    command.env("RUST_LOG", "trace").env("BACKENDS", format!("{}\n{}", relay.key(), phoenix.connection_string()));
    let running = tokio::task::spawn_blocking(|| run(command)).await.unwrap();
    relay.listened_to().await;
    phoenix.listened_to(1).await;
    let (at, body) = (now(), create_body());
    let signature = secrets().sign("req_1", at, &body);
    let created = send_signed(running.relay, "req_1", &at.0.to_string(), &signature, &body).await;
    let bolt11 = created.json()["bolt11"].as_str().unwrap().to_owned();
    relay.settle();
    assert_eq!(worker.after(1).await.len(), 1);

    let (success, _, log) = tokio::task::spawn_blocking(|| terminate(running)).await.unwrap();
    assert!(success, "{log}");
    assert!(log.contains("this connection can spend") && log.contains("methods=\"pay_invoice\""), "{log}");
    let basic = l402::encoding::to_base64(format!(":{}", crate::phoenix::PASSWORD).as_bytes());
    for word in ["02".repeat(32), bolt11, preimage().expose_hex(), basic, crate::phoenix::PASSWORD.to_owned()] {
        assert!(!log.contains(&word), "{word} is in the log:\n{log}");
    }
}

#[track_caller]
fn refuses(output: &Output, why: &str) {
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && log.contains(why), "{log}");
    assert!(output.stdout.is_empty(), "it did not say that it listens");
}

#[test]
fn mainnet_and_missing_secrets_end_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mainnet = program(dir.path(), "--network mainnet").output().unwrap();
    refuses(&mainnet, "the dev node signs regtest invoices only and refuses the network `mainnet`");
    let without = program(dir.path(), "").env_remove("RELAY_SECRETS").output().unwrap();
    refuses(&without, "RELAY_SECRETS is not set");
    let stranger = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";
    let pinned = program(dir.path(), &format!("--payee {stranger}")).output().unwrap();
    refuses(&pinned, &format!("and not the pinned payee {stranger}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_pays_and_stops_without_a_secret_in_its_log() {
    // T120, at the chattiest level there is.
    let dir = tempfile::tempdir().unwrap();
    let worker = Worker::new(&[503, 200]).await;
    let mut command = program(dir.path(), &format!("--worker-url {}", worker.url));
    command.env("RUST_LOG", "trace");
    let running = run(command);
    let password = std::fs::read_to_string(dir.path().join("wallet-password")).unwrap().trim().to_owned();
    let wallet = running.wallet.unwrap();
    let key = std::fs::read_to_string(dir.path().join("node.key")).unwrap().trim().to_owned();

    let (at, body) = (now(), create_body());
    let signature = secrets().sign("req_1", at, &body);
    let created = send_signed(running.relay, "req_1", &at.0.to_string(), &signature, &body).await;
    let bolt11 = created.json()["bolt11"].as_str().unwrap().to_owned();
    let paid = pay_with(wallet, &password, &bolt11).await;
    let preimage = paid.json()["paymentPreimage"].as_str().unwrap().to_owned();
    http(wallet, &format!("GET /?invoice={bolt11}"), "", b"").await;
    let pushes = worker.after(2).await;
    assert_eq!(pushes.len(), 2);

    let (success, rest, log) = terminate(running);
    assert!(success, "{log}");
    assert_eq!(rest, "", "one line on stdout");
    assert!(log.contains("invoice made") && log.contains("invoice paid") && log.contains("stopping"), "{log}");
    let basic = l402::encoding::to_base64(format!(":{password}").as_bytes());
    let secret = SECRET.trim_start_matches("whsec_");
    for word in [&password, &key, &preimage, &bolt11, &basic, &signature, &pushes[0].signature, secret] {
        assert!(!log.contains(word.trim_start_matches("v1,")), "{word} is in the log:\n{log}");
    }
}

/// Orders a payment of 21 sats, or asks about it.
async fn payment(
    relay: SocketAddr,
    id: u8,
    (bolt11, payment_hash): &(String, PaymentHash),
    kind: &str,
) -> PaymentStatus {
    let payment_id = PaymentId([id; 32]);
    let call = match kind {
        "send" => RelayCall::PaymentSend(PaymentSend {
            payment_id,
            bolt11: bolt11.clone(),
            payment_hash: *payment_hash,
            amount_msat: 21_000,
            fee_limit_msat: 1_500,
        }),
        _ => RelayCall::PaymentLookup(PaymentLookup { payment_id, payment_hash: *payment_hash }),
    };
    let answer = ask_with(&payout_secrets(), relay, &format!("{kind}_{id}"), &call.to_body()).await;
    PaymentStatus::parse(&answer.body, *payment_hash).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_survives_a_kill_between_its_order_and_its_answer() {
    // T90, T93, F14, F16; and T120 at the chattiest level.
    let (payer, dir) = (Payer::start(Does::Holds).await, tempfile::tempdir().unwrap());
    let start = |dir: &std::path::Path| {
        let mut command = program(dir, "");
        command.env("RUST_LOG", "trace").env("PAYOUT_SECRETS", PAYOUT_SECRET).env("PAYOUT_BACKEND", payer.connection());
        run(command)
    };
    let mut running = start(dir.path());
    let (invoice, relay) = (payer.invoice(21_000), running.relay);
    let order = {
        let invoice = invoice.clone();
        tokio::spawn(async move { payment(relay, 1, &invoice, "send").await })
    };
    while payer.orders().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    assert!(order.await.is_err(), "nobody heard an answer");
    payer.end(invoice.1, true);

    let running = start(dir.path());
    let mut paid = payment(running.relay, 1, &invoice, "lookup").await;
    for n in 0..50 {
        if paid.status != PaymentState::Unknown {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        paid = payment(running.relay, 1, &invoice, if n % 2 == 0 { "send" } else { "lookup" }).await;
    }
    assert_eq!((paid.status, paid.fee_msat), (PaymentState::Succeeded, Some(1_001)));
    assert_eq!(payer.orders().len(), 1, "it was sent once");

    let (success, _, log) = tokio::task::spawn_blocking(|| terminate(running)).await.unwrap();
    assert!(success && log.contains("payouts are on") && log.contains("payments whose end is not known"), "{log}");
    let preimage = paid.preimage.unwrap().expose_hex();
    for word in [&invoice.0, &preimage, "00c0ffee", PAYOUT_SECRET.trim_start_matches("whsec_")] {
        assert!(!log.contains(word), "{word} is in the log:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_loses_no_payment() {
    let (payer, dir) = (Payer::start(Does::Holds).await, tempfile::tempdir().unwrap());
    let start = |dir: &std::path::Path| {
        let mut command = program(dir, "");
        command.env("PAYOUT_SECRETS", PAYOUT_SECRET).env("PAYOUT_BACKEND", payer.connection());
        run(command)
    };
    let (running, invoice) = (start(dir.path()), payer.invoice(21_000));
    let relay = running.relay;
    let order = {
        let invoice = invoice.clone();
        tokio::spawn(async move { payment(relay, 1, &invoice, "send").await })
    };
    while payer.orders().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let (success, ..) = tokio::task::spawn_blocking(|| terminate(running)).await.unwrap();
    assert!(success);
    assert_eq!(order.await.unwrap().status, PaymentState::Unknown, "who waited is told so");
    payer.end(invoice.1, false);
    let running = start(dir.path());
    let mut failed = payment(running.relay, 1, &invoice, "lookup").await;
    while failed.status == PaymentState::Unknown {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        failed = payment(running.relay, 1, &invoice, "lookup").await;
    }
    assert_eq!((failed.status, failed.reason.as_deref()), (PaymentState::Failed, Some("no route")));
    assert_eq!(payer.orders().len(), 1);
    tokio::task::spawn_blocking(|| terminate(running)).await.unwrap();
}

#[test]
fn payouts_are_off_by_default_and_their_settings_print_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let printed = |command: &mut Command| -> Value {
        let output = command.arg("--print-config").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(printed(&mut program(dir.path(), ""))["payouts"], "off");
    let lnd = "type=lnd-rest;server=https://node.test:8080;macaroon=abad1dea";
    let mut on = program(dir.path(), "--payout-max-sats 5000");
    on.env("PAYOUT_SECRETS", PAYOUT_SECRET).env("PAYOUT_BACKEND", lnd).env("PAYOUT_DAILY_SATS", "9000");
    let shown = printed(&mut on);
    assert_eq!(
        shown["payouts"],
        serde_json::json!({
            "secrets": "set",
            "backend": {"type": "lnd-rest", "at": "https://node.test:8080", "certificate": "by an authority"},
            "max_sats": 5_000,
            "daily_sats": 9_000,
        })
    );
    assert!(!shown.to_string().contains("abad1dea") && !shown.to_string().contains(&PAYOUT_SECRET[8..20]), "{shown}");
}

#[test]
fn payouts_that_could_not_be_safe_end_the_start() {
    // T61, T94, T127
    let dir = tempfile::tempdir().unwrap();
    let lnd = "type=lnd-rest;server=https://node.test:8080;macaroon=abad1dea";
    let with = |secrets: &str, backend: &str, backends: &str| {
        let mut command = program(dir.path(), "");
        command
            .env("PAYOUT_SECRETS", secrets)
            .env("PAYOUT_BACKEND", backend)
            .env("BACKENDS", backends)
            .output()
            .unwrap()
    };
    refuses(&with(PAYOUT_SECRET, "", lnd), "payouts need both PAYOUT_SECRETS and PAYOUT_BACKEND");
    refuses(&with("", lnd, ""), "payouts need both PAYOUT_SECRETS and PAYOUT_BACKEND");
    refuses(&with(SECRET, lnd, ""), "PAYOUT_SECRETS must not hold a secret of RELAY_SECRETS");
    refuses(&with(&format!("{PAYOUT_SECRET},{SECRET}"), lnd, ""), "PAYOUT_SECRETS must not hold a secret");
    refuses(&with("whsec_c2hvcnQ=", lnd, ""), "a secret in PAYOUT_SECRETS");
    refuses(&with(PAYOUT_SECRET, lnd, lnd), "PAYOUT_BACKEND has the credential that makes invoices");
    for (kind, connection) in [
        ("phoenixd", "type=phoenixd;password=abad1dea".to_owned()),
        ("lnbits", "type=lnbits;server=https://n.test;api-key=abad1dea".to_owned()),
        ("nwc", format!("nostr+walletconnect://{}?relay=wss://r.test&secret={}", "02".repeat(32), "71".repeat(32))),
    ] {
        let why = format!(
            "`{kind}` takes no limit on what routing may cost, so it makes no payouts; lnd-rest and clnrest do"
        );
        refuses(&with(PAYOUT_SECRET, &connection, ""), &why);
    }
    let mut limits = program(dir.path(), "--payout-max-sats 10 --payout-daily-sats 9");
    refuses(&limits.env("PAYOUT_SECRETS", PAYOUT_SECRET).output().unwrap(), "the limits for payouts must be");
}
