//! A node webhook of the story's own, to be slow, wrong or silent on purpose. It shares the worker's relay secrets,
//! refuses what is not signed by them, and makes invoices with `lightning-invoice`, as wrong as it is told to.

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use l402::relay::{
    Audience, InvoiceCreate, InvoiceCreated, InvoiceSettled, InvoiceState, InvoiceStatus, RelayCall, RelaySecrets,
    WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use l402::{PaymentHash, Preimage, UnixTime};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use satstile_tests::raw::Response;
use satstile_tests::{Secrets, Stack, StackOptions};

use super::server::{self, Heard, Server};
use super::{now, plenty, relay};

/// A call that arrived, its signature checked.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: String,
    pub call: RelayCall,
    pub at: Instant,
    /// The how manieth call this is, from 1.
    pub number: usize,
}

/// Where the answer is written.
pub struct Line<'a> {
    pub stream: &'a mut TcpStream,
    secrets: &'a RelaySecrets,
    id: &'a str,
}

/// A node webhook that listens.
pub struct FakeNode {
    server: Server,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl FakeNode {
    /// A stack on it. `act` answers each call.
    pub fn stack(
        options: StackOptions,
        act: impl Fn(&Call, &mut Line<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> (Stack, Self) {
        let mut node = Self { server: Server::bind(), calls: Arc::default() };
        let vars = serde_json::json!({"NODE_URL": node.server.url()});
        let stack = Stack::start(StackOptions { vars, node: false, ..options });
        let secrets = relay_secrets(&stack.secrets);
        let calls = Arc::clone(&node.calls);
        node.server.serve(move |heard, stream| {
            let (id, call) = read(heard, &secrets);
            let call = {
                let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
                let call = Call { id, call, at: Instant::now(), number: calls.len() + 1 };
                calls.push(call.clone());
                call
            };
            act(&call, &mut Line { stream, secrets: &secrets, id: &call.id })
        });
        (stack, node)
    }

    /// Where it listens, for a worker beside the stack's.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that was sent here, signed or not.
    pub fn heard(&self) -> Vec<Heard> {
        self.server.heard()
    }

    /// The `webhook-id` of the newest `invoice.create`: what a settlement brings back.
    #[track_caller]
    pub fn last_create(&self) -> (String, InvoiceCreate) {
        let calls = self.calls();
        let create = calls.into_iter().rev().find_map(|call| match call.call {
            RelayCall::InvoiceCreate(order) => Some((call.id, order)),
            _ => None,
        });
        create.expect("the worker asked for no invoice")
    }
}

/// Panics, and so hangs up, on what no worker with our secrets sent.
fn read(heard: &Heard, secrets: &RelaySecrets) -> (String, RelayCall) {
    let header = |name: &str| heard.header(name).unwrap_or_default().to_owned();
    let (id, at) = (header(WEBHOOK_ID), header(WEBHOOK_TIMESTAMP));
    assert_eq!((heard.method.as_str(), heard.target.as_str()), ("POST", "/relay"));
    secrets.verify(&id, &at, &header(WEBHOOK_SIGNATURE), &heard.body, now()).expect("the worker's signature");
    (id, RelayCall::parse(&heard.body, Audience::Node).expect("the worker's call"))
}

impl Line<'_> {
    /// The `webhook-id` that an answer must carry.
    pub fn id(&self) -> &str {
        self.id
    }

    /// What worker and node share.
    pub fn secrets(&self) -> &RelaySecrets {
        self.secrets
    }

    /// As an honest node answers.
    pub fn signed(&mut self, status: u16, body: &[u8]) -> io::Result<()> {
        self.signed_as(status, body, now())
    }

    /// Signed at another time.
    pub fn signed_as(&mut self, status: u16, body: &[u8], at: UnixTime) -> io::Result<()> {
        let signature = self.secrets.sign(self.id, at, body);
        self.with(status, self.id, at, &signature, body)
    }

    /// With any id, time and signature.
    pub fn with(&mut self, status: u16, id: &str, at: UnixTime, signature: &str, body: &[u8]) -> io::Result<()> {
        let at = at.0.to_string();
        let headers = [(WEBHOOK_ID, id), (WEBHOOK_TIMESTAMP, &at), (WEBHOOK_SIGNATURE, signature)];
        server::reply(self.stream, status, &headers, body)
    }

    /// An answer that nobody signed.
    pub fn unsigned(&mut self, status: u16, body: &[u8]) -> io::Result<()> {
        server::reply(self.stream, status, &[], body)
    }

    /// The right answer to `invoice.create`.
    pub fn honest(&mut self, order: &InvoiceCreate) -> io::Result<Made> {
        let made = Draft::of(order).sign();
        self.signed(200, &made.reply())?;
        Ok(made)
    }

    /// The head of an answer now, the rest a byte at a time, for ever.
    pub fn drip(&mut self, every: Duration) -> io::Result<()> {
        self.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")?;
        loop {
            self.stream.write_all(b"x")?;
            std::thread::sleep(every);
        }
    }
}

/// An invoice to be, right unless it is changed.
#[derive(Clone, Debug)]
pub struct Draft {
    pub currency: Currency,
    pub amount_msat: Option<u64>,
    pub at: UnixTime,
    pub expiry_s: u64,
    pub preimage: [u8; 32],
    pub payment_secret: bool,
    pub description: String,
    /// What the reply says beside the invoice, when that is not true.
    pub claimed_hash: Option<PaymentHash>,
}

/// A signed invoice and its secret.
#[derive(Clone, Debug)]
pub struct Made {
    pub bolt11: String,
    pub payment_hash: PaymentHash,
    pub preimage: Preimage,
    pub amount_msat: u64,
    expires_at: UnixTime,
    claimed_hash: PaymentHash,
}

impl Draft {
    /// What was ordered.
    pub fn of(order: &InvoiceCreate) -> Self {
        Self {
            currency: Currency::Regtest,
            amount_msat: Some(order.amount_msat),
            at: now(),
            expiry_s: order.expiry_s,
            preimage: random(),
            payment_secret: true,
            description: order.description.clone(),
            claimed_hash: None,
        }
    }

    pub fn sign(&self) -> Made {
        let (preimage, secp) = (Preimage::new(self.preimage), Secp256k1::new());
        let payment_hash = preimage.payment_hash();
        let key = SecretKey::from_slice(&random()).expect("nearly every number is a key");
        let builder = InvoiceBuilder::new(self.currency.clone())
            .description(self.description.clone())
            .payment_hash(sha256::Hash::from_byte_array(payment_hash.0))
            .duration_since_epoch(Duration::from_secs(self.at.0))
            .expiry_time(Duration::from_secs(self.expiry_s))
            .min_final_cltv_expiry_delta(144);
        let builder = match self.amount_msat {
            Some(amount) => builder.amount_milli_satoshis(amount),
            None => builder,
        };
        let raw = match self.payment_secret {
            true => builder.payment_secret(PaymentSecret(random())).basic_mpp().build_raw(),
            false => builder.build_raw(),
        };
        let sign = |message: &_| Ok::<_, ()>(secp.sign_ecdsa_recoverable(message, &key));
        let signed = raw.expect("an invoice").sign(sign).expect("a signature");
        Made {
            bolt11: signed.to_string(),
            payment_hash,
            preimage,
            amount_msat: self.amount_msat.unwrap_or(0),
            expires_at: self.at.plus(self.expiry_s),
            claimed_hash: self.claimed_hash.unwrap_or(payment_hash),
        }
    }
}

impl Made {
    /// The reply to `invoice.create`.
    pub fn reply(&self) -> Vec<u8> {
        let (bolt11, payment_hash, expires_at) = (self.bolt11.clone(), self.claimed_hash, self.expires_at);
        InvoiceCreated { bolt11, payment_hash, expires_at, backend: "fake".to_owned() }.to_body()
    }

    /// The reply to `invoice.lookup` once it was paid.
    pub fn settled(&self) -> Vec<u8> {
        let (amount_msat, preimage) = (Some(self.amount_msat), Some(self.preimage.clone()));
        InvoiceStatus {
            status: InvoiceState::Settled,
            amount_msat,
            preimage,
            settled_at: Some(now()),
            received_msat: None,
        }
        .to_body()
    }

    /// The reply to `invoice.lookup` before.
    pub fn pending(&self) -> Vec<u8> {
        let (amount_msat, preimage) = (Some(self.amount_msat), None);
        InvoiceStatus { status: InvoiceState::Pending, amount_msat, preimage, settled_at: None, received_msat: None }
            .to_body()
    }

    /// The push that says it was paid.
    pub fn settlement(&self, request_id: &str) -> InvoiceSettled {
        InvoiceSettled {
            payment_hash: self.payment_hash,
            amount_msat: self.amount_msat,
            preimage: Some(self.preimage.clone()),
            settled_at: now(),
            request_id: request_id.to_owned(),
            received_msat: None,
        }
    }
}

/// A node that makes right invoices, and keeps what it made for the story.
pub fn honest_stack(policy: serde_json::Value) -> (Stack, FakeNode, Arc<Mutex<Vec<Made>>>) {
    keeping_stack(policy, |made, line| line.signed(200, &made.map(Made::pending).unwrap_or_default()))
}

/// The same, and `look` answers whoever asks about an invoice: one that was made here, or none.
pub fn keeping_stack(
    policy: serde_json::Value,
    look: impl Fn(Option<&Made>, &mut Line<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> (Stack, FakeNode, Arc<Mutex<Vec<Made>>>) {
    let made = Arc::new(Mutex::new(Vec::<Made>::new()));
    let kept = Arc::clone(&made);
    let (stack, node) = FakeNode::stack(plenty(policy), move |call, line| match &call.call {
        RelayCall::InvoiceCreate(order) => {
            let made = Draft::of(order).sign();
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(made.clone());
            line.signed(200, &made.reply())
        }
        RelayCall::InvoiceLookup(asked) => {
            let known = kept.lock().unwrap_or_else(PoisonError::into_inner);
            look(known.iter().find(|made| made.payment_hash == asked.payment_hash), line)
        }
        _ => line.unsigned(400, b""),
    });
    (stack, node, made)
}

/// Pushes a settlement to the worker, signed.
#[track_caller]
pub fn push(stack: &Stack, settled: InvoiceSettled) -> Response {
    let id = format!("settled_{}", settled.payment_hash);
    relay(
        &stack.secrets,
        &stack.url("/.well-known/satstile/settlements"),
        &id,
        &RelayCall::InvoiceSettled(settled).to_body(),
    )
}

fn relay_secrets(secrets: &Secrets) -> RelaySecrets {
    RelaySecrets::parse(&secrets.relay_secrets).expect("unusable relay secrets")
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives no randomness");
    bytes
}
