//! phoenixd's web socket: what it tells is looked up, what it missed is found, and it is asked little while it tells.

use std::time::Duration;

use l402::PaymentHash;
use l402::relay::{Audience, InvoiceState, RelayCall};

use crate::phoenix::Phoenix;
use crate::world::*;

/// After the first question that a back end is asked when it tells nothing.
const FIRST_LOOK: Duration = Duration::from_millis(5_500);

async fn cast(phoenix: &Phoenix) -> (World, Worker) {
    let worker = Worker::new(&[200]).await;
    let world = World::with(&format!("--worker-url {}", worker.url), &phoenix.connection_string()).await;
    (world, worker)
}

fn told(push: &Push) -> PaymentHash {
    match RelayCall::parse(&push.body, Audience::Worker).unwrap() {
        RelayCall::InvoiceSettled(settled) if settled.preimage.is_some() => settled.payment_hash,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_payment_that_is_told_is_pushed_after_one_look() {
    let phoenix = Phoenix::start().await;
    let (world, worker) = cast(&phoenix).await;
    phoenix.listened_to(1).await;
    let created = world.create("req_1").await;
    assert_eq!(created.backend, "phoenixd");
    phoenix.settle_quietly(created.payment_hash);
    phoenix.tell(created.payment_hash);
    let pushes = worker.after(1).await;
    assert_eq!(pushes.iter().map(told).collect::<Vec<_>>(), [created.payment_hash]);
    assert_eq!(phoenix.asked(created.payment_hash), 1);
    // Told twice, it is looked up no more.
    phoenix.tell(created.payment_hash);
    assert_eq!((worker.after(2).await.len(), phoenix.asked(created.payment_hash)), (1, 1));
}

#[tokio::test]
async fn an_event_alone_settles_nothing_t54() {
    let phoenix = Phoenix::start().await;
    let (world, worker) = cast(&phoenix).await;
    phoenix.listened_to(1).await;
    let (created, strange) = (world.create("req_1").await, PaymentHash([9; 32]));
    phoenix.tell(strange);
    phoenix.tell(created.payment_hash);
    assert!(worker.after(1).await.is_empty(), "nobody has paid");
    assert_eq!((phoenix.asked(created.payment_hash), phoenix.asked(strange)), (1, 0));
    assert_eq!(world.lookup("req_2", created.payment_hash).await.status, InvoiceState::Pending);
}

/// T65: whether an invoice is over is for the node that made it to say, not for the clock here: a payment may be under way
/// in it.
#[tokio::test]
async fn an_invoice_is_expired_when_its_node_says_so_and_not_by_our_clock() {
    let phoenix = Phoenix::start().await;
    let (world, _worker) = cast(&phoenix).await;
    let hash = world.create("req_1").await.payment_hash;
    let world = world.restart_later().await;
    let status = world.lookup("req_2", hash).await;
    assert_eq!((status.status, status.amount_msat.is_some()), (InvoiceState::Pending, true));
    phoenix.settle_quietly(hash);
    // For so long "unpaid" is remembered (A5).
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    assert_eq!(world.lookup("req_3", hash).await.status, InvoiceState::Settled);
    // The dev node takes no payment after its own clock, and says so.
    let dev = World::new("").await;
    let hash = dev.create("req_1").await.payment_hash;
    assert_eq!(dev.restart_later().await.lookup("req_2", hash).await.status, InvoiceState::Expired);
}

#[tokio::test]
async fn it_is_asked_soon_only_when_it_tells_nothing() {
    let (tells, tells_nothing) = (Phoenix::start().await, Phoenix::without_websocket().await);
    let ((one, _), (other, worker)) = (cast(&tells).await, cast(&tells_nothing).await);
    tells.listened_to(1).await;
    let (told, asked) = (one.create("req_1").await.payment_hash, other.create("req_1").await.payment_hash);
    tells_nothing.settle_quietly(asked);
    tokio::time::sleep(FIRST_LOOK).await;
    assert_eq!((tells.asked(told), tells_nothing.asked(asked)), (0, 1));
    assert_eq!(worker.after(1).await.len(), 1);
}

#[tokio::test]
async fn a_socket_that_broke_is_opened_again_and_what_it_missed_is_found() {
    let phoenix = Phoenix::start().await;
    let (world, worker) = cast(&phoenix).await;
    phoenix.listened_to(1).await;
    let (one, two) = (world.create("req_1").await.payment_hash, world.create("req_2").await.payment_hash);
    phoenix.settle_quietly(one);
    phoenix.break_sockets();
    assert_eq!(worker.after(1).await.iter().map(told).collect::<Vec<_>>(), [one]);
    phoenix.listened_to(2).await;
    phoenix.settle_quietly(two);
    phoenix.tell(two);
    assert_eq!(worker.after(2).await.iter().map(told).collect::<Vec<_>>(), [one, two]);
}

/// A21, T66: of a payment that opened a channel phoenixd keeps a part. The buyer has paid in full; what is left is told
/// beside it, pushed and asked for, and nothing is told where all of it is left.
#[tokio::test]
async fn what_a_channel_cost_is_told_beside_what_was_paid_a21() {
    let phoenix = Phoenix::start().await;
    let (world, worker) = cast(&phoenix).await;
    phoenix.listened_to(1).await;
    phoenix.keeps(18);
    let hash = world.create("req_1").await.payment_hash;
    phoenix.settle_quietly(hash);
    phoenix.tell(hash);
    let pushes = worker.after(1).await;
    let Ok(RelayCall::InvoiceSettled(told)) = RelayCall::parse(&pushes[0].body, Audience::Worker) else { panic!() };
    assert_eq!((told.amount_msat, told.received_msat, told.node_fee_msat()), (21_000, Some(3_000), 18_000));
    let status = world.lookup("req_2", hash).await;
    assert_eq!((status.paid_msat(), status.received_msat, status.node_fee_msat()), (Some(21_000), Some(3_000), 18_000));

    phoenix.keeps(0);
    let hash = world.create("req_3").await.payment_hash;
    phoenix.settle_quietly(hash);
    let status = world.lookup("req_4", hash).await;
    assert_eq!((status.paid_msat(), status.received_msat, status.node_fee_msat()), (Some(21_000), None, 0));
}
