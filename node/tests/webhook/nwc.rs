//! A wallet behind a relay as a back end: its invoices are checked, its news looked up, its silence passed over.

use std::time::{Duration, Instant};

use l402::relay::{Audience, InvoiceState, RelayCall};

use crate::nwc_wallet::{Habits, Manners, World as Relay, preimage};
use crate::phoenix::Phoenix;
use crate::world::*;

fn backends(relay: &Relay, next: Option<&Phoenix>) -> String {
    let next = next.map(Phoenix::connection_string).unwrap_or_default();
    format!("{}\n{next}", relay.key())
}

async fn cast(manners: Manners) -> (Relay, World, Worker) {
    let (relay, worker) = (Relay::start(manners).await, Worker::new(&[200]).await);
    let world = World::with(&format!("--worker-url {}", worker.url), &backends(&relay, None)).await;
    (relay, world, worker)
}

/// One push, of the wallet's one invoice with its proof.
#[track_caller]
fn is_told(pushes: &[Push]) {
    let [push] = pushes else { panic!("{} pushes", pushes.len()) };
    match RelayCall::parse(&push.body, Audience::Worker).unwrap() {
        RelayCall::InvoiceSettled(settled) => assert_eq!(settled.preimage, Some(preimage())),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_wallet_tells_of_is_looked_up_and_pushed() {
    let (relay, world, worker) = cast(Manners::Good).await;
    relay.listened_to().await;
    let begun = Instant::now();
    let created = world.create("req_1").await;
    assert_eq!((created.backend.as_str(), created.payment_hash), ("nwc", preimage().payment_hash()));
    relay.settle();
    while worker.pushes().is_empty() {
        // Without the notification it would be asked after 3 seconds.
        assert!(begun.elapsed() < Duration::from_millis(2_500), "it was not told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_told(&worker.after(2).await);
    assert_eq!(relay.count("make_invoice"), 1);
}

#[tokio::test]
async fn a_notification_of_nothing_is_nothing_t54() {
    let (relay, world, worker) = cast(Manners::Good).await;
    relay.listened_to().await;
    let created = world.create("req_1").await;
    let asked = relay.count("lookup_invoice");
    relay.tell();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((relay.count("lookup_invoice"), worker.pushes().len()), (asked + 1, 0));
    assert_eq!(world.lookup("req_2", created.payment_hash).await.status, InvoiceState::Pending);
}

#[tokio::test]
async fn news_that_the_relay_loses_is_asked_for() {
    let (relay, world, worker) = cast(Manners::Good).await;
    relay.listened_to().await;
    world.create("req_1").await;
    relay.settle_quietly();
    is_told(&worker.after(1).await);
}

#[tokio::test]
async fn others_who_say_settled_are_not_believed() {
    let (relay, world, worker) = cast(Manners::Lies).await;
    let created = world.create("req_1").await;
    assert_eq!(world.lookup("req_2", created.payment_hash).await.status, InvoiceState::Pending);
    assert!(worker.pushes().is_empty());
    relay.settle();
    is_told(&worker.after(1).await);
}

#[tokio::test]
async fn an_invoice_of_another_amount_or_hash_is_not_sold_t55() {
    for manners in [Manners::Undercuts, Manners::OtherHash] {
        let (relay, world, _) = cast(manners).await;
        let refused = world.ask("req_1", &create_body()).await;
        assert_eq!(refused.status, 502, "{manners:?}: {}", refused.text());
        assert!(!refused.text().contains("lnbcrt") && relay.count("make_invoice") == 1, "{}", refused.text());
        assert_eq!(world.lookup("req_2", preimage().payment_hash()).await.status, InvoiceState::NotFound);

        // Another back end makes an honest one.
        let phoenix = Phoenix::start().await;
        let world = World::with("", &backends(&relay, Some(&phoenix))).await;
        assert_eq!(world.create("req_1").await.backend, "phoenixd");
    }
}

#[tokio::test]
async fn a_wallet_that_is_silent_is_passed_over_within_4_seconds() {
    let phoenix = Phoenix::start().await;
    for manners in [Manners::Silent, Manners::Refuses] {
        let relay = Relay::start(manners).await;
        let world = World::with("", &backends(&relay, Some(&phoenix))).await;
        let begun = Instant::now();
        assert_eq!(world.create("req_1").await.backend, "phoenixd");
        assert!(begun.elapsed() < Duration::from_secs(4), "{manners:?}");
        // It rests, so the next visitor does not wait for it.
        let asked = relay.count("make_invoice");
        let begun = Instant::now();
        assert_eq!(world.create("req_2").await.backend, "phoenixd");
        assert!(begun.elapsed() < Duration::from_secs(1), "{manners:?}");
        assert_eq!(relay.count("make_invoice"), asked);
    }
    assert_eq!(phoenix.made(), 4);
}

#[tokio::test]
async fn a_connection_of_no_use_ends_the_start_and_a_relay_that_is_away_does_not() {
    let start = async |habits: Habits| {
        let relay = Relay::with(habits).await;
        World::start("", Some(&relay.key())).await.err().map(|fault| fault.to_string()).unwrap_or_default()
    };
    let good = || Habits::of(Manners::Good);
    assert_eq!(start(good()).await, "");
    assert_eq!(start(Habits { tells: false, ..good() }).await, "");
    let none = start(Habits { service: "pay_invoice get_balance", ..good() }).await;
    assert!(none.ends_with("this connection may not make_invoice and lookup_invoice; make one that may"), "{none}");
    let half = start(Habits { service: "make_invoice notifications", ..good() }).await;
    assert!(half.ends_with("this connection may not lookup_invoice; make one that may"), "{half}");
    let old = start(Habits { nip44: false, ..good() }).await;
    assert!(old.contains("encrypts by NIP-04 only"), "{old}");

    // The event is the wallet's, and what the connection may do is said to itself alone.
    let service = "make_invoice lookup_invoice pay_invoice get_info";
    let narrow = start(Habits { service, connection: Some("make_invoice get_info"), ..good() }).await;
    assert!(narrow.contains("may not lookup_invoice"), "{narrow}");
    assert_eq!(start(Habits { service, connection: None, ..good() }).await, "");

    let nobody = Relay::start(Manners::Good).await.key().replace("ws://127.0.0.1", "ws://127.0.0.2");
    assert!(World::start("", Some(&nobody)).await.is_ok());
}
