//! A wallet behind a relay, over real sockets: one that keeps to the rules, and some that do not.

#![cfg(feature = "nwc")]

mod wallet;

use std::time::{Duration, Instant};

use l402::{Msat, UnixTime};
use satstile_egress::nwc::NwcClient;
use satstile_lightning::nwc::NwcConnection;
use satstile_lightning::wallet::Outcome;
use satstile_lightning::{BackendFault, Order, Status, Watched};
use wallet::{Habits, Manners, World, bolt11, preimage};

const LIMIT: Duration = Duration::from_secs(4);
const ORDER: Order<'static> = Order { amount: Msat(21_000), description: "An article", expiry_s: 600, label: "l" };

fn client_within(key: &str, limit: Duration) -> NwcClient {
    NwcClient::new(NwcConnection::parse(&format!("type=nwc;key={key}")).unwrap(), limit).unwrap()
}

fn client(world: &World) -> NwcClient {
    client_within(&world.key(), LIMIT)
}

fn watched() -> Watched<'static> {
    Watched { payment_hash: preimage().payment_hash(), amount: ORDER.amount, reference: "" }
}

fn settled() -> Status {
    Status::Settled {
        amount: Msat(21_000),
        node_fee: Msat(0),
        preimage: Some(preimage()),
        at: Some(UnixTime(1_790_000_000)),
    }
}

#[tokio::test]
async fn an_invoice_is_made_awaited_and_settled() {
    let world = World::start(Manners::Good).await;
    let client = client(&world);
    let info = client.info().await.unwrap().unwrap();
    assert!(info.nip44 && info.tells_of_payments);

    let invoice = client.create(&ORDER).await.unwrap();
    assert_eq!((invoice.reference.as_str(), invoice.payment_hash), ("", preimage().payment_hash()));
    assert_eq!(client.status(&watched()).await, Ok(Status::Pending));

    let mut hints = client.hints().await.unwrap();
    assert_eq!(client.status(&watched()).await, Ok(Status::Pending));
    world.settle();
    assert_eq!(tokio::time::timeout(LIMIT, hints.next()).await.unwrap(), Ok(preimage().payment_hash()));
    assert_eq!(client.status(&watched()).await, Ok(settled()));
    assert_eq!(world.heard(), ["make_invoice", "lookup_invoice", "lookup_invoice", "lookup_invoice"]);
    // One for the info, one for all the calls, one for the hints.
    assert_eq!(world.connections(), 3);
}

#[tokio::test]
async fn replies_of_strangers_to_others_and_of_yesterday_are_ignored() {
    let world = World::start(Manners::Lies).await;
    let client = client(&world);
    for _ in 0..3 {
        assert_eq!(client.status(&watched()).await, Ok(Status::Pending));
    }
    world.settle();
    assert_eq!(client.status(&watched()).await, Ok(settled()));
}

#[tokio::test]
async fn a_broken_connection_is_tried_again_once() {
    let world = World::start(Manners::DropsFirst).await;
    assert_eq!(client(&world).create(&ORDER).await.unwrap().payment_hash, preimage().payment_hash());
    assert_eq!(world.connections(), 2);
}

#[tokio::test]
async fn another_relay_is_asked_when_the_first_one_does_not_answer() {
    let (silent, good) = (World::start(Manners::Silent).await, World::start(Manners::Good).await);
    let key = silent.key().replace("&secret=", &format!("&relay=ws://{}&secret=", good.address));
    let client = client_within(&key, Duration::from_secs(2));
    assert_eq!(client.status(&watched()).await, Ok(Status::Pending));
    assert_eq!((silent.heard().len(), good.heard().len()), (1, 1));
}

#[tokio::test]
async fn a_wallet_that_is_away_takes_no_longer_than_the_deadline() {
    let begun = Instant::now();
    for manners in [Manners::Silent, Manners::Refuses] {
        let world = World::start(manners).await;
        let client = client_within(&world.key(), Duration::from_millis(500));
        assert_eq!(client.create(&ORDER).await, Err(BackendFault::Unreachable));
    }
    let nobody = "nostr+walletconnect://".to_owned() + &wallet::keys(1).public_key().to_hex();
    let nobody = format!("{nobody}?relay=ws://127.0.0.1:9&secret={}", "02".repeat(32));
    assert_eq!(client_within(&nobody, LIMIT).create(&ORDER).await, Err(BackendFault::Unreachable));
    assert!(begun.elapsed() < LIMIT);
}

#[tokio::test]
async fn a_payment_is_sent_once_and_unknown_without_a_reply() {
    let good = World::start(Manners::Good).await;
    let paid = client(&good).pay(&bolt11(), preimage().payment_hash()).await;
    assert_eq!(paid, Ok(Outcome::Paid { preimage: preimage(), fee: Some(Msat(1_000)) }));
    assert_eq!(good.count("pay_invoice"), 1);

    for manners in [Manners::Silent, Manners::DropsFirst, Manners::Refuses] {
        let world = World::start(manners).await;
        let client = client_within(&world.key(), Duration::from_millis(500));
        assert_eq!(client.pay(&bolt11(), preimage().payment_hash()).await, Ok(Outcome::Unknown));
        assert!(world.heard().len() <= 1 && world.connections() == 1);
    }
}

#[tokio::test]
async fn an_invoice_that_was_not_ordered_is_refused_t55() {
    let made = async |manners| client(&World::start(manners).await).create(&ORDER).await;
    assert_eq!(made(Manners::Undercuts).await, Err(BackendFault::WrongAmount));
    assert_eq!(made(Manners::OtherHash).await, Err(BackendFault::WrongPaymentHash));
}

#[tokio::test]
async fn a_payment_whose_answer_was_lost_is_looked_for_and_not_made_again_t93() {
    let network = wallet::Network::default();
    let sold = l402::Preimage::new([5; 32]);
    network.lock().unwrap().insert("lnbcrt1sold".to_owned(), sold.clone());
    let world = World::with(Habits { network, ..Habits::of(Manners::DropsPayments) }).await;
    let (client, hash) = (client(&world), sold.payment_hash());
    assert_eq!(client.look(hash).await, Ok(Outcome::Unknown), "it has not heard of it yet");
    assert_eq!(client.pay("lnbcrt1sold", hash).await, Ok(Outcome::Unknown));
    assert_eq!(client.look(hash).await, Ok(Outcome::Unknown));
    world.payments_are("settled");
    assert_eq!(client.look(hash).await, Ok(Outcome::Paid { preimage: sold, fee: Some(Msat(1_000)) }));
    world.payments_are("failed");
    assert!(matches!(client.look(hash).await, Ok(Outcome::Failed(_))));
    assert_eq!(world.count("pay_invoice"), 1);
}

#[tokio::test]
async fn what_a_connection_may_do_is_told_where_it_may_ask() {
    let told = World::with(Habits { connection: Some("make_invoice get_info"), ..Habits::of(Manners::Good) }).await;
    assert_eq!(client(&told).methods().await, Ok(vec!["make_invoice".to_owned(), "get_info".to_owned()]));
    let untold = World::start(Manners::Good).await;
    assert_eq!(client(&untold).methods().await, Err(BackendFault::Unauthorized));
}

#[tokio::test]
async fn the_secret_does_not_print() {
    let world = World::start(Manners::Good).await;
    let shown = format!("{:?}", client(&world));
    assert!(shown.starts_with("NwcConnection") && !shown.contains(&"02".repeat(32)), "{shown}");
}
