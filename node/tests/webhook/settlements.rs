//! A paid invoice reaches the worker: surely, once it says 2xx no more, and through restarts (T67, T74).

use l402::relay::{Audience, InvoiceSettled, InvoiceState, RelayCall};
use tokio::net::TcpListener;

use crate::world::*;

fn settled(push: &Push) -> InvoiceSettled {
    match RelayCall::parse(&push.body, Audience::Worker).unwrap() {
        RelayCall::InvoiceSettled(settled) => settled,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_payment_is_pushed_once_with_its_proof() {
    let worker = Worker::new(&[200]).await;
    let world = World::new(&format!("--worker-url {}", worker.url)).await;
    let created = world.create("req_1").await;
    assert!(worker.pushes().is_empty());

    let paid = world.pay(&created.bolt11).await.json();
    let pushes = worker.after(1).await;
    assert_eq!(pushes.len(), 1);
    let told = settled(&pushes[0]);
    assert_eq!(
        (told.payment_hash, told.amount_msat, told.request_id.as_str()),
        (created.payment_hash, 21_000, "req_1")
    );
    assert_eq!(paid["paymentPreimage"], told.preimage.unwrap().expose_hex());
    assert_eq!(pushes[0].id, format!("settled_{}", created.payment_hash));

    let status = world.lookup("req_2", created.payment_hash).await;
    assert_eq!((status.status, status.settled_at), (InvoiceState::Settled, Some(told.settled_at)));
    assert_eq!(status.preimage.unwrap().payment_hash(), created.payment_hash);
}

#[tokio::test]
async fn a_push_is_repeated_under_the_same_id_until_the_worker_says_2xx() {
    let worker = Worker::new(&[503, 500, 204]).await;
    let world = World::new(&format!("--worker-url {}", worker.url)).await;
    let created = world.create("req_1").await;
    world.pay(&created.bolt11).await;

    let pushes = worker.after(3).await;
    assert_eq!(pushes.len(), 3);
    assert!(pushes.iter().all(|push| push.id == pushes[0].id && push.body == pushes[0].body));
}

#[tokio::test]
async fn a_refused_push_is_kept_and_not_repeated_at_once_and_no_redirect_is_followed() {
    for status in [404, 307] {
        let worker = Worker::new(&[status]).await;
        let world = World::new(&format!("--worker-url {}", worker.url)).await;
        let created = world.create("req_1").await;
        world.pay(&created.bolt11).await;
        assert_eq!(worker.after(1).await.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_settlement_that_nobody_heard_of_is_pushed_after_a_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener); // the worker is not there yet
    let world = World::new(&format!("--worker-url http://{address}")).await;
    let (unpaid, created) = (world.create("req_1").await, world.create("req_2").await);
    assert_eq!(world.pay(&created.bolt11).await.status, 200);

    let world = world.restart().await;
    let worker = Worker::on(TcpListener::bind(address).await.unwrap(), &[200]);
    let pushes = worker.after(1).await;
    assert_eq!(pushes.len(), 1);
    assert_eq!(settled(&pushes[0]).payment_hash, created.payment_hash);

    // The unpaid one survived too, and was not pushed.
    assert_eq!(world.lookup("req_3", unpaid.payment_hash).await.status, InvoiceState::Pending);
    assert_eq!(world.pay(&unpaid.bolt11).await.status, 200);
    assert_eq!(worker.after(2).await.len(), 2);
}
