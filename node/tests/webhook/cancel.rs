//! An invoice of ours that is withdrawn: nobody pays it any more, and `canceled` is said of no other (T95).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use l402::relay::{CancelState, CancelStatus, InvoiceCancel, InvoiceCreated, InvoiceState, RelayCall, RelaySecrets};
use l402::{PaymentHash, Preimage};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::nwc_wallet::signed_invoice;
use crate::phoenix::Phoenix;
use crate::world::*;

fn body(payment_hash: PaymentHash) -> Vec<u8> {
    RelayCall::InvoiceCancel(InvoiceCancel { payment_hash }).to_body()
}

fn fresh() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    hex::encode(bytes)
}

async fn cancel(world: &World, hash: PaymentHash) -> CancelState {
    let answer = ask_with(&payout_secrets(), world.relay(), &fresh(), &body(hash)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    CancelStatus::parse(&answer.body).unwrap().status
}

async fn state(world: &World, made: &InvoiceCreated) -> InvoiceState {
    world.lookup(&fresh(), made.payment_hash).await.status
}

#[tokio::test]
async fn an_invoice_of_the_dev_node_is_withdrawn_once_and_for_ever() {
    let world = World::paying("", Pays::Itself).await;
    let made = world.create("req_1").await;
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (relay, body) = (world.relay(), body(made.payment_hash));
        crowd.spawn(async move { ask_with(&payout_secrets(), relay, &fresh(), &body).await.text() });
    }
    assert!(crowd.join_all().await.iter().all(|said| said == r#"{"status":"canceled"}"#));
    let answer = world.pay(&made.bolt11).await;
    assert_eq!(answer.json()["reason"], "this invoice was withdrawn by who made it");
    let world = world.restart().await;
    assert_eq!(cancel(&world, made.payment_hash).await, CancelState::Canceled);
    assert_eq!(state(&world, &made).await, InvoiceState::Canceled);
    assert!(world.pay(&made.bolt11).await.json()["paymentPreimage"].is_null());
}

/// The nearest "no": what was paid stays paid, and what nobody made is not withdrawn.
#[tokio::test]
async fn what_was_paid_is_settled_and_what_is_not_known_is_not_found() {
    let world = World::paying("", Pays::Itself).await;
    let made = world.create("req_1").await;
    assert_eq!(world.pay(&made.bolt11).await.status, 200);
    assert_eq!(cancel(&world, made.payment_hash).await, CancelState::Settled);
    assert_eq!(state(&world, &made).await, InvoiceState::Settled);
    assert_eq!(cancel(&world, PaymentHash([9; 32])).await, CancelState::NotFound);
}

async fn is_nobody(world: &World, secrets: &RelaySecrets, body: &[u8]) {
    let (id, at) = (fresh(), now());
    let answer = send_signed(world.relay(), &id, &at.0.to_string(), &secrets.sign(&id, at, body), body).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("not_signed")));
}

#[tokio::test]
async fn only_who_may_pay_out_may_withdraw() {
    // T61
    let world = World::paying("", Pays::Itself).await;
    let made = world.create("req_1").await;
    is_nobody(&world, &secrets(), &body(made.payment_hash)).await;
    assert_eq!(world.pay(&made.bolt11).await.status, 200, "it was not withdrawn");

    let off = World::new("").await;
    let made = off.create("req_1").await;
    is_nobody(&off, &payout_secrets(), &body(made.payment_hash)).await;
    let answer = off.ask("req_2", &body(made.payment_hash)).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("payouts_off")));
    assert_eq!(off.pay(&made.bolt11).await.status, 200);
}

#[tokio::test]
async fn a_back_end_that_withdraws_nothing_leaves_the_invoice_open() {
    let phoenix = Phoenix::start().await;
    let world = World::paying_with(&phoenix.connection_string()).await;
    let made = world.create("req_1").await;
    assert_eq!(cancel(&world, made.payment_hash).await, CancelState::Open);
    assert_eq!(state(&world, &made).await, InvoiceState::Pending);
    world.create("req_2").await;
}

/// A Core Lightning, as far as a rune for invoices goes, and as badly as a story wants.
#[derive(Clone)]
struct Cln {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

#[derive(Default)]
struct Books {
    /// By payment hash: label, invoice, preimage, and whether it was paid.
    invoices: HashMap<String, (String, String, Preimage, bool)>,
    /// `delinvoice` is done, and its answer is lost.
    loses_answers: bool,
    /// The rune has no `delinvoice`.
    denies: bool,
    deletes: u32,
}

type Answer = (StatusCode, Json<Value>);

fn no(code: i32) -> Answer {
    (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"code": code, "message": "no"})))
}

impl Cln {
    async fn start() -> Self {
        let books = Arc::<Mutex<Books>>::default();
        let router = Router::new()
            .route("/v1/invoice", post(Self::invoice))
            .route("/v1/listinvoices", post(Self::list))
            .route("/v1/delinvoice", post(Self::delete))
            .route("/v1/waitanyinvoice", post(Self::wait))
            .with_state(Arc::clone(&books));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, books }
    }

    fn connection(&self) -> String {
        format!("type=clnrest;server=http://{};rune=hush", self.address)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Books) -> T) -> T {
        act(&mut self.books.lock().unwrap())
    }

    async fn invoice(State(books): State<Arc<Mutex<Books>>>, Json(order): Json<Value>) -> Answer {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let preimage = Preimage::new(seed);
        let hash = preimage.payment_hash();
        let (amount_msat, at) = (order["amount_msat"].as_u64().unwrap(), Duration::from_secs(now().0));
        let bolt11 = signed_invoice(&preimage, amount_msat, "an article", at, Duration::from_secs(600));
        let label = order["label"].as_str().unwrap().to_owned();
        books.lock().unwrap().invoices.insert(hash.to_string(), (label, bolt11.clone(), preimage, false));
        (StatusCode::CREATED, Json(json!({"bolt11": bolt11, "payment_hash": hash.to_string(), "expires_at": 0})))
    }

    async fn list(State(books): State<Arc<Mutex<Books>>>, Json(asked): Json<Value>) -> Answer {
        let hash = asked["payment_hash"].as_str().unwrap();
        let rows = books.lock().unwrap().invoices.get(hash).map(|(label, _, preimage, is_paid)| match is_paid {
            true => json!({"label": label, "payment_hash": hash, "status": "paid", "amount_received_msat": 21_000,
                "paid_at": now().0, "payment_preimage": preimage.expose_hex()}),
            false => json!({"label": label, "payment_hash": hash, "status": "unpaid"}),
        });
        (StatusCode::CREATED, Json(json!({"invoices": Vec::from_iter(rows)})))
    }

    async fn delete(State(books): State<Arc<Mutex<Books>>>, Json(asked): Json<Value>) -> Answer {
        let mut books = books.lock().unwrap();
        if books.denies {
            return (StatusCode::UNAUTHORIZED, Json(json!({"code": 1502, "message": "Not permitted"})));
        }
        books.deletes += 1;
        let found = books.invoices.iter().find(|(_, (label, ..))| asked["label"] == *label);
        let Some((hash, is_paid)) = found.map(|(hash, row)| (hash.clone(), row.3)) else { return no(905) };
        if asked["status"] != if is_paid { "paid" } else { "unpaid" } {
            return no(906);
        }
        books.invoices.remove(&hash);
        match books.loses_answers {
            true => (StatusCode::BAD_GATEWAY, Json(json!({}))),
            false => (StatusCode::CREATED, Json(json!({"payment_hash": hash, "status": "unpaid"}))),
        }
    }

    async fn wait() -> Answer {
        tokio::time::sleep(Duration::from_secs(60)).await;
        no(904)
    }
}

#[tokio::test]
async fn what_core_lightning_has_deleted_is_withdrawn_and_remembered_here() {
    let cln = Cln::start().await;
    let world = World::paying_with(&cln.connection()).await;
    let made = world.create("req_1").await;
    assert_eq!(cancel(&world, made.payment_hash).await, CancelState::Canceled);
    assert!(cln.with(|books| books.invoices.is_empty()));
    assert_eq!(cancel(&world, made.payment_hash).await, CancelState::Canceled);
    assert_eq!(state(&world, &made).await, InvoiceState::Canceled);
    assert_eq!(cln.with(|books| books.deletes), 1);
}

/// The answer was lost, and nobody knows; asked again, what is gone is gone by our own order, across a restart.
#[tokio::test]
async fn a_lost_answer_is_unknown_and_the_next_one_is_definite() {
    let cln = Cln::start().await;
    let world = World::paying_with(&cln.connection()).await;
    let made = world.create("req_1").await;
    cln.with(|books| books.loses_answers = true);
    assert_eq!(cancel(&world, made.payment_hash).await, CancelState::Unknown);
    let world = world.restart().await;
    assert_eq!(cancel(&world, made.payment_hash).await, CancelState::Canceled);
    // What was lost without an order of ours may have been paid in other books of theirs.
    let lost = world.create("req_2").await;
    cln.with(|books| books.invoices.clear());
    assert_eq!(cancel(&world, lost.payment_hash).await, CancelState::NotFound);
}

#[tokio::test]
async fn what_was_paid_first_or_may_not_be_withdrawn_stays() {
    let cln = Cln::start().await;
    let world = World::paying_with(&cln.connection()).await;
    let (paid, open) = (world.create("req_1").await, world.create("req_2").await);
    cln.with(|books| books.invoices.get_mut(&paid.payment_hash.to_string()).unwrap().3 = true);
    assert_eq!(cancel(&world, paid.payment_hash).await, CancelState::Settled);
    assert_eq!(state(&world, &paid).await, InvoiceState::Settled);

    cln.with(|books| books.denies = true);
    assert_eq!(cancel(&world, open.payment_hash).await, CancelState::Open);
    assert_eq!(state(&world, &open).await, InvoiceState::Pending);
    assert_eq!(cln.with(|books| (books.deletes, books.invoices.len())), (0, 2));
    world.create("req_3").await;
}
