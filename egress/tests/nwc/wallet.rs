//! A relay and the wallet behind it, in the process of the test. It knows one invoice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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

const AT: u64 = 1_790_000_000;

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq)]
pub enum Manners {
    Good,
    /// Before each reply there are others, all of which say "settled".
    Lies,
    /// The first connection ends when something is asked.
    DropsFirst,
    /// Takes every request, and never answers.
    Silent,
    /// `OK false`.
    Refuses,
}

pub struct World {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    manners: Manners,
    connections: AtomicUsize,
    settled: Mutex<bool>,
    /// Ids of the requests that came, by their methods.
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            manners,
            connections: AtomicUsize::new(0),
            settled: Mutex::new(false),
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
        *self.state.settled.lock().unwrap() = true;
        let hash = preimage().payment_hash().to_string();
        let told = json!({ "notification_type": "payment_received", "notification": { "payment_hash": hash } });
        for author in [keys(3), keys(1)] {
            let event = signed(&author, 23197, vec![Tag::public_key(keys(2).public_key())], &told);
            self.state.news.send(json!(["EVENT", "hints", event]).to_string()).unwrap();
        }
    }

    pub fn heard(&self) -> Vec<String> {
        self.state.heard.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, nth: usize, state: Arc<State>) {
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    let (mut news, mut subscription) = (state.news.subscribe(), String::new());
    loop {
        let frame = tokio::select! {
            told = news.recv() => {
                socket.send(Message::text(told.unwrap())).await.unwrap();
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
                    frames.push(json!(["EVENT", subscription, info()]));
                }
                frames.push(json!(["EOSE", subscription]));
            }
            "EVENT" if state.manners == Manners::DropsFirst && nth == 0 => return,
            "EVENT" => frames = state.answer(&subscription, &frame[1]),
            _ => {}
        }
        for frame in frames {
            socket.send(Message::text(frame.to_string())).await.unwrap();
        }
    }
}

impl State {
    fn answer(&self, subscription: &str, event: &Value) -> Vec<Value> {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        event.verify().unwrap();
        let payload = encoding::base64_any(&event.content).unwrap();
        let request: Value = serde_json::from_slice(&v2::decrypt_to_bytes(&shared_key(), &payload).unwrap()).unwrap();
        let method = request["method"].as_str().unwrap().to_owned();
        self.heard.lock().unwrap().push(method.clone());
        if self.manners == Manners::Refuses {
            return vec![json!(["OK", event.id.to_hex(), false, "restricted: members only"])];
        }
        let mut frames = vec![json!(["OK", event.id.to_hex(), true, ""])];
        if self.manners == Manners::Silent {
            return frames;
        }
        let settled = *self.settled.lock().unwrap();
        let result = |settled: bool| {
            let state = if settled { "settled" } else { "pending" };
            json!({
                "type": "incoming", "state": state, "invoice": bolt11(), "amount": 21_000, "preimage": preimage().expose_hex(),
                "payment_hash": preimage().payment_hash().to_string(), "settled_at": if settled { json!(AT) } else { json!(null) },
            })
        };
        let reply = |author: &Keys, to: EventId, settled: bool| {
            let content = json!({ "result_type": method, "error": null, "result": result(settled) });
            json!(["EVENT", subscription, signed(author, 23195, vec![Tag::event(to)], &content)])
        };
        if self.manners == Manners::Lies {
            let other = EventId::from_byte_array([9; 32]);
            frames.push(reply(&keys(3), event.id, true));
            frames.push(reply(&keys(1), other, true));
            frames.extend(self.last_reply.lock().unwrap().clone());
            *self.last_reply.lock().unwrap() = Some(reply(&keys(1), event.id, true));
        }
        frames.push(reply(&keys(1), event.id, settled));
        frames
    }
}

fn info() -> Event {
    let tags = vec![Tag::custom("encryption", ["nip44_v2"]), Tag::custom("notifications", ["payment_received"])];
    sign(&keys(1), 13194, tags, "make_invoice lookup_invoice notifications")
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

pub fn bolt11() -> String {
    let key = bitcoin::secp256k1::SecretKey::from_slice(&[0x2a; 32]).unwrap();
    InvoiceBuilder::new(Currency::Regtest)
        .amount_milli_satoshis(21_000)
        .description("An article".to_owned())
        .payment_hash(sha256::Hash::from_byte_array(preimage().payment_hash().0))
        .payment_secret(PaymentSecret([0x33; 32]))
        .duration_since_epoch(Duration::from_secs(AT))
        .min_final_cltv_expiry_delta(18)
        .build_signed(|hash| bitcoin::secp256k1::Secp256k1::new().sign_ecdsa_recoverable(hash, &key))
        .unwrap()
        .to_string()
}
