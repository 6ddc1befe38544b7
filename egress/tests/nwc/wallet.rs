//! A relay and the wallet behind it, in the process of the test. It makes one invoice, and pays those whose preimages
//! it is told. The tests of the node webhook and of the command line have it, too.

#![allow(dead_code, reason = "three suites share it, and none of them plays every part")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bitcoin::hashes::{Hash as _, sha256};
use futures_util::{SinkExt, StreamExt};
use l402::{Preimage, encoding};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use nostr::event::{Event, EventId, Kind, Tag, UnsignedEvent};
use nostr::key::{Keys, SecretKey};
use nostr::nips::nip44::v2::{self, ConversationKey};
use nostr::types::Timestamp;
use secp256k1::Secp256k1;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

/// When everything here is signed.
const AT: u64 = 1_790_000_000;

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manners {
    Good,
    /// Before each reply there are others, all of which say "settled".
    Lies,
    /// Its invoices are for a millisatoshi less than was ordered.
    Undercuts,
    /// The payment hash beside its invoices is another one.
    OtherHash,
    /// The first connection ends when something is asked.
    DropsFirst,
    /// The connection ends when something is to be paid; it may have been.
    DropsPayments,
    /// Says that payments failed.
    PaysNothing,
    /// Says that it paid, and cannot prove it.
    ProvesNothing,
    /// Takes every request, and never answers.
    Silent,
    /// `OK false`.
    Refuses,
}

/// All preimages, by the invoice: what the Lightning network would know.
pub type Network = Arc<Mutex<HashMap<String, Preimage>>>;

/// A wallet to be started.
pub struct Habits {
    pub manners: Manners,
    /// What the info event says.
    pub service: &'static str,
    /// What `get_info` says; without, the connection may not ask.
    pub connection: Option<&'static str>,
    /// Whether the info event promises notifications.
    pub tells: bool,
    /// Whether it speaks NIP-44.
    pub nip44: bool,
    pub network: Network,
}

impl Habits {
    pub fn of(manners: Manners) -> Self {
        let network = Network::default();
        network.lock().unwrap().insert(bolt11(), preimage());
        Self {
            manners,
            service: "make_invoice lookup_invoice notifications",
            connection: None,
            tells: true,
            nip44: true,
            network,
        }
    }
}

pub struct World {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    habits: Habits,
    connections: AtomicUsize,
    /// Sockets that notifications go to.
    listeners: AtomicUsize,
    settled: Mutex<bool>,
    /// Of the invoice that it made.
    amount_msat: Mutex<u64>,
    /// What it says of payments that it was asked for.
    sent: Mutex<&'static str>,
    /// The requests that came, by their methods.
    heard: Mutex<Vec<String>>,
    last_reply: Mutex<Option<Value>>,
    news: broadcast::Sender<String>,
}

pub fn keys(byte: u8) -> Keys {
    Keys::new(SecretKey::from_slice(&[byte; 32]).unwrap())
}

pub fn preimage() -> Preimage {
    Preimage::new([7; 32])
}

impl World {
    pub async fn start(manners: Manners) -> Self {
        Self::with(Habits::of(manners)).await
    }

    pub async fn with(habits: Habits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            habits,
            connections: AtomicUsize::new(0),
            listeners: AtomicUsize::new(0),
            settled: Mutex::new(false),
            amount_msat: Mutex::new(21_000),
            sent: Mutex::new("pending"),
            heard: Mutex::new(Vec::new()),
            last_reply: Mutex::new(None),
            news: broadcast::channel(8).0,
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let nth = shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, nth, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub fn key(&self) -> String {
        let wallet = keys(1).public_key().to_hex();
        format!("nostr+walletconnect://{wallet}?relay=ws://{}&secret={}", self.address, "02".repeat(32))
    }

    /// Somebody pays the invoice, and the wallet tells.
    pub fn settle(&self) {
        self.settle_quietly();
        self.tell();
    }

    /// Somebody pays the invoice, and the relay loses the news.
    pub fn settle_quietly(&self) {
        *self.state.settled.lock().unwrap() = true;
    }

    /// The wallet tells of a payment, whether or not there was one.
    pub fn tell(&self) {
        let hash = preimage().payment_hash().to_string();
        let told = json!({ "notification_type": "payment_received", "notification": { "payment_hash": hash } });
        for author in [keys(3), keys(1)] {
            let event = signed(&author, 23197, vec![Tag::public_key(keys(2).public_key())], &told);
            self.state.news.send(json!(["EVENT", "hints", event]).to_string()).unwrap();
        }
    }

    /// What became of the payments that it was asked for: `pending`, `settled` or `failed`.
    pub fn payments_are(&self, state: &'static str) {
        *self.state.sent.lock().unwrap() = state;
    }

    /// Waits until somebody listens to notifications.
    pub async fn listened_to(&self) {
        for _ in 0..100 {
            if self.state.listeners.load(Ordering::SeqCst) > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody listens");
    }

    pub fn heard(&self) -> Vec<String> {
        self.state.heard.lock().unwrap().clone()
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> usize {
        self.heard().iter().filter(|heard| *heard == method).count()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, nth: usize, state: Arc<State>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (mut news, mut subscription) = (state.news.subscribe(), String::new());
    loop {
        let frame = tokio::select! {
            told = news.recv() => {
                if socket.send(Message::text(told.unwrap())).await.is_err() {
                    return;
                }
                continue;
            }
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text).unwrap(),
                Some(Ok(_)) => continue,
                _ => return,
            },
        };
        let mut frames = Vec::new();
        match frame[0].as_str().unwrap() {
            "REQ" => {
                subscription = frame[1].as_str().unwrap().to_owned();
                if frame[2]["kinds"] == json!([13194]) {
                    frames.push(json!(["EVENT", subscription, state.info()]));
                }
                if frame[2]["kinds"] == json!([23197]) {
                    state.listeners.fetch_add(1, Ordering::SeqCst);
                }
                frames.push(json!(["EOSE", subscription]));
            }
            "EVENT" if state.habits.manners == Manners::DropsFirst && nth == 0 => return,
            "EVENT" => match state.answer(&subscription, &frame[1]) {
                Some(answer) => frames = answer,
                None => return,
            },
            _ => {}
        }
        for frame in frames {
            if socket.send(Message::text(frame.to_string())).await.is_err() {
                return;
            }
        }
    }
}

impl State {
    /// The frames of an answer, or the end of the connection.
    fn answer(&self, subscription: &str, event: &Value) -> Option<Vec<Value>> {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        event.verify().unwrap();
        let payload = encoding::base64_any(&event.content).unwrap();
        let request: Value = serde_json::from_slice(&v2::decrypt_to_bytes(&shared_key(), &payload).unwrap()).unwrap();
        let method = request["method"].as_str().unwrap().to_owned();
        self.heard.lock().unwrap().push(method.clone());
        let ok = |taken: bool, why: &str| json!(["OK", event.id.to_hex(), taken, why]);
        match self.habits.manners {
            Manners::Refuses => return Some(vec![ok(false, "restricted: members only")]),
            Manners::Silent => return Some(vec![ok(true, "")]),
            Manners::DropsPayments if method == "pay_invoice" => return None,
            _ => {}
        }
        let mut frames = vec![ok(true, "")];
        let reply = |author: &Keys, to: EventId, settled: bool| {
            let (error, result) = match self.result(&method, &request["params"], settled) {
                Ok(result) => (Value::Null, result),
                Err(code) => (json!({ "code": code, "message": "no" }), Value::Null),
            };
            let content = json!({ "result_type": method, "error": error, "result": result });
            json!(["EVENT", subscription, signed(author, 23195, vec![Tag::event(to)], &content)])
        };
        if self.habits.manners == Manners::Lies {
            let other = EventId::from_byte_array([9; 32]);
            frames.push(reply(&keys(3), event.id, true));
            frames.push(reply(&keys(1), other, true));
            frames.extend(self.last_reply.lock().unwrap().clone());
            *self.last_reply.lock().unwrap() = Some(reply(&keys(1), event.id, true));
        }
        let settled = *self.settled.lock().unwrap();
        frames.push(reply(&keys(1), event.id, settled));
        Some(frames)
    }

    fn result(&self, method: &str, params: &Value, settled: bool) -> Result<Value, &'static str> {
        match method {
            "make_invoice" => Ok(self.make(params)),
            "lookup_invoice" if params["payment_hash"] == preimage().payment_hash().to_string() => {
                let state = if settled { "settled" } else { "pending" };
                Ok(json!({
                    "type": "incoming", "state": state, "amount": *self.amount_msat.lock().unwrap(),
                    "preimage": preimage().expose_hex(), "payment_hash": preimage().payment_hash().to_string(),
                    "settled_at": if settled { json!(AT) } else { Value::Null },
                }))
            }
            "lookup_invoice" => self.look(&params["payment_hash"]),
            "pay_invoice" => self.pay(params["invoice"].as_str().unwrap()),
            "get_info" => {
                let methods = self.habits.connection.ok_or("RESTRICTED")?;
                Ok(json!({ "methods": methods.split(' ').collect::<Vec<_>>(), "network": "regtest" }))
            }
            _ => Err("NOT_IMPLEMENTED"),
        }
    }

    /// The one invoice, as it is ordered; nearly, with bad manners.
    fn make(&self, params: &Value) -> Value {
        let lies = |manners| self.habits.manners == manners;
        let amount_msat = params["amount"].as_u64().unwrap() - u64::from(lies(Manners::Undercuts));
        *self.amount_msat.lock().unwrap() = amount_msat;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let expiry = Duration::from_secs(params["expiry"].as_u64().unwrap());
        let invoice = signed_invoice(&preimage(), amount_msat, params["description"].as_str().unwrap(), now, expiry);
        let hash = preimage().payment_hash().to_string();
        let named = if lies(Manners::OtherHash) { "ab".repeat(32) } else { hash };
        json!({ "type": "incoming", "invoice": invoice, "payment_hash": named, "preimage": preimage().expose_hex() })
    }

    fn pay(&self, invoice: &str) -> Result<Value, &'static str> {
        let preimage = match self.habits.manners {
            Manners::PaysNothing => return Err("PAYMENT_FAILED"),
            Manners::ProvesNothing => Preimage::new([1; 32]),
            _ => self.habits.network.lock().unwrap().get(invoice).cloned().ok_or("PAYMENT_FAILED")?,
        };
        Ok(json!({ "preimage": preimage.expose_hex(), "fees_paid": 1_000 }))
    }

    /// A payment that it was asked for.
    fn look(&self, hash: &Value) -> Result<Value, &'static str> {
        let network = self.habits.network.lock().unwrap();
        let known = network.values().find(|preimage| *hash == preimage.payment_hash().to_string());
        let preimage = known.filter(|_| self.heard.lock().unwrap().iter().any(|method| method == "pay_invoice"));
        let (preimage, state) = (preimage.ok_or("NOT_FOUND")?.expose_hex(), *self.sent.lock().unwrap());
        let preimage = if state == "settled" { json!(preimage) } else { Value::Null };
        Ok(
            json!({ "type": "outgoing", "state": state, "payment_hash": hash, "preimage": preimage, "fees_paid": 1_000 }),
        )
    }

    fn info(&self) -> Event {
        let mut tags = Vec::new();
        if self.habits.nip44 {
            tags.push(Tag::custom("encryption", ["nip44_v2"]));
        }
        if self.habits.tells {
            tags.push(Tag::custom("notifications", ["payment_received"]));
        }
        sign(&keys(1), 13194, tags, self.habits.service)
    }
}

fn shared_key() -> ConversationKey {
    ConversationKey::derive(keys(1).secret_key(), &keys(2).public_key()).unwrap()
}

fn signed(author: &Keys, kind: u16, tags: Vec<Tag>, content: &Value) -> Event {
    let content = v2::encrypt_to_bytes_with_nonce(&shared_key(), content.to_string().as_bytes(), [9; 32]).unwrap();
    sign(author, kind, tags, &encoding::to_base64(&content))
}

fn sign(author: &Keys, kind: u16, tags: Vec<Tag>, content: &str) -> Event {
    let unsigned = UnsignedEvent::new(author.public_key(), Timestamp::from(AT), Kind::from(kind), tags, content);
    let signature = author.sign_schnorr_with_aux_rand(&Secp256k1::new(), unsigned.compute_id().as_bytes(), &[0; 32]);
    unsigned.add_signature(signature).unwrap()
}

/// An invoice of its own, from long ago.
pub fn bolt11() -> String {
    signed_invoice(&preimage(), 21_000, "An article", Duration::from_secs(AT), Duration::from_secs(3_600))
}

/// An invoice as a node on regtest makes it; `at` is the time since 1970.
pub fn signed_invoice(
    preimage: &Preimage,
    amount_msat: u64,
    description: &str,
    at: Duration,
    expiry: Duration,
) -> String {
    let key = bitcoin::secp256k1::SecretKey::from_slice(&[0x2a; 32]).unwrap();
    InvoiceBuilder::new(Currency::Regtest)
        .amount_milli_satoshis(amount_msat)
        .description(description.to_owned())
        .payment_hash(sha256::Hash::from_byte_array(preimage.payment_hash().0))
        .payment_secret(PaymentSecret([0x33; 32]))
        .duration_since_epoch(at)
        .expiry_time(expiry)
        .min_final_cltv_expiry_delta(18)
        .build_signed(|hash| bitcoin::secp256k1::Secp256k1::new().sign_ecdsa_recoverable(hash, &key))
        .unwrap()
        .to_string()
}
