//! A node that pays, as LND says it over REST, and as badly as a story wants: it can hang, break off, refuse, forget.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bitcoin::bech32::Fe32;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use l402::encoding::base64_any;
use l402::{PaymentHash, Preimage};
use lightning_invoice::{
    Bolt11Invoice, Currency, InvoiceBuilder, PaymentSecret, RawBolt11Invoice, RawTaggedField, SiPrefix, TaggedField,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::{Pays, now};

/// What it does when it is asked to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Pays,
    /// The payment is under way until the story ends it.
    Holds,
    NoRoute,
    /// Pays, and breaks off before it has said so.
    PaysAndBreaksOff,
    /// 502, and nothing was paid.
    BadGateway,
    /// The macaroon may not pay.
    Denies,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    Paid,
    Failed,
}

struct Books {
    does: Does,
    preimages: HashMap<PaymentHash, Preimage>,
    fates: HashMap<PaymentHash, Fate>,
    orders: Vec<Value>,
    is_away: bool,
}

#[derive(Clone)]
pub struct Payer {
    address: SocketAddr,
    books: Arc<Mutex<Books>>,
}

impl Payer {
    pub async fn start(does: Does) -> Self {
        let books =
            Books { does, preimages: HashMap::new(), fates: HashMap::new(), orders: Vec::new(), is_away: false };
        let books = Arc::new(Mutex::new(books));
        let router = Router::new()
            .route("/v2/router/send", post(send))
            .route("/v2/router/track/{hash}", get(track))
            .with_state(Arc::clone(&books));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, books }
    }

    pub fn connection(&self) -> String {
        format!("type=lnd-rest;server=http://{};macaroon=00c0ffee", self.address)
    }

    pub fn pays(&self) -> Pays {
        Pays::By(self.connection())
    }

    pub fn does(&self, does: Does) {
        self.books.lock().unwrap().does = does;
    }

    /// Answers nothing but 503.
    pub fn is_away(&self, is_away: bool) {
        self.books.lock().unwrap().is_away = is_away;
    }

    /// All orders to pay that arrived.
    pub fn orders(&self) -> Vec<Value> {
        self.books.lock().unwrap().orders.clone()
    }

    /// Ends a payment that is held.
    pub fn end(&self, hash: PaymentHash, paid: bool) {
        self.books.lock().unwrap().fates.insert(hash, if paid { Fate::Paid } else { Fate::Failed });
    }

    /// Its books are lost.
    pub fn forget(&self) {
        self.books.lock().unwrap().fates.clear();
    }

    /// A stranger's invoice, whose preimage it will learn by paying.
    pub fn invoice(&self, amount_msat: u64) -> (String, PaymentHash) {
        self.invoice_by(SecretKey::from_slice(&[0x42; 32]).unwrap(), Currency::Regtest, amount_msat, 600)
    }

    /// One that names no amount.
    pub fn open_invoice(&self) -> (String, PaymentHash) {
        self.invoice_over(SecretKey::from_slice(&[0x42; 32]).unwrap(), Currency::Regtest, None, 600)
    }

    /// One as lnd makes them with blinded paths: no payment secret, and a field that most readers do not know.
    pub fn blinded_invoice(&self, amount_msat: u64) -> (String, PaymentHash) {
        let key = SecretKey::from_slice(&[0x42; 32]).unwrap();
        let path = [20, 0, 2, 1, 1].map(|word: u8| Fe32::try_from(word).unwrap());
        self.invoice_with(key, Currency::Regtest, Some((10 * amount_msat, Some(SiPrefix::Pico))), 600, |raw| {
            let is_secret =
                |field: &RawTaggedField| matches!(field, RawTaggedField::KnownSemantics(TaggedField::PaymentSecret(_)));
            raw.data.tagged_fields.retain(|field| !is_secret(field));
            raw.data.tagged_fields.push(RawTaggedField::UnknownSemantics(path.to_vec()));
        })
    }

    pub fn invoice_by(
        &self,
        key: SecretKey,
        currency: Currency,
        amount_msat: u64,
        expiry_s: u64,
    ) -> (String, PaymentHash) {
        self.invoice_over(key, currency, Some((10 * amount_msat, Some(SiPrefix::Pico))), expiry_s)
    }

    /// The amount as it is to stand in the text: so many of a unit, or of whole bitcoin.
    pub fn invoice_over(
        &self,
        key: SecretKey,
        currency: Currency,
        amount: Option<(u64, Option<SiPrefix>)>,
        expiry_s: u64,
    ) -> (String, PaymentHash) {
        self.invoice_with(key, currency, amount, expiry_s, |_| ())
    }

    fn invoice_with(
        &self,
        key: SecretKey,
        currency: Currency,
        amount: Option<(u64, Option<SiPrefix>)>,
        expiry_s: u64,
        change: impl FnOnce(&mut RawBolt11Invoice),
    ) -> (String, PaymentHash) {
        let mut chance = [0; 32];
        getrandom::fill(&mut chance).unwrap();
        let preimage = Preimage::new(chance);
        let (hash, secp) = (preimage.payment_hash(), Secp256k1::new());
        let mut raw = InvoiceBuilder::new(currency)
            .description("a payout".to_owned())
            .payment_hash(sha256::Hash::from_byte_array(hash.0))
            .payment_secret(PaymentSecret([7; 32]))
            .duration_since_epoch(Duration::from_secs(now().0))
            .expiry_time(Duration::from_secs(expiry_s))
            .min_final_cltv_expiry_delta(144)
            .build_raw()
            .unwrap();
        raw.hrp.raw_amount = amount.map(|(number, _)| number);
        raw.hrp.si_prefix = amount.and_then(|(_, unit)| unit);
        change(&mut raw);
        let bolt11 = raw.sign(|message| Ok::<_, ()>(secp.sign_ecdsa_recoverable(message, &key))).unwrap();
        self.books.lock().unwrap().preimages.insert(hash, preimage);
        (bolt11.to_string(), hash)
    }
}

async fn send(State(books): State<Arc<Mutex<Books>>>, body: String) -> Response {
    let order: Value = serde_json::from_str(&body).unwrap();
    let text = order["payment_request"].as_str().unwrap();
    let (hash, amount_msat) = match text.parse::<Bolt11Invoice>() {
        Ok(invoice) => (PaymentHash(*invoice.payment_hash().as_ref()), invoice.amount_milli_satoshis()),
        Err(_) => {
            let invoice = l402::bolt11::Invoice::parse(text).unwrap();
            (invoice.payment_hash, invoice.amount.map(|amount| amount.0))
        }
    };
    let misordered = match (amount_msat, order.get("amt_msat")) {
        (None, None) => Some("amount must be specified when paying a zero amount invoice"),
        (Some(_), Some(_)) => Some("amount must not be specified when paying a non-zero amount invoice"),
        _ => None,
    };
    let does = {
        let mut books = books.lock().unwrap();
        books.orders.push(order);
        if let Some(why) = misordered {
            return error(StatusCode::INTERNAL_SERVER_ERROR, 2, why);
        }
        match books.fates.get(&hash) {
            Some(Fate::Paid) => return error(StatusCode::CONFLICT, 6, "invoice is already paid"),
            Some(Fate::Open) => return error(StatusCode::CONFLICT, 6, "payment is in transition"),
            Some(Fate::Failed) | None => {}
        }
        let fate = match books.does {
            Does::Pays | Does::PaysAndBreaksOff => Some(Fate::Paid),
            Does::Holds => Some(Fate::Open),
            Does::NoRoute => Some(Fate::Failed),
            Does::BadGateway | Does::Denies => None,
        };
        fate.map(|fate| books.fates.insert(hash, fate));
        books.does
    };
    match does {
        Does::BadGateway => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
        Does::Denies => error(StatusCode::INTERNAL_SERVER_ERROR, 2, "permission denied"),
        Does::PaysAndBreaksOff => {
            let half = futures_util::stream::iter([Ok(r#"{"result":{"sta"#), Err(std::io::Error::other("cut"))]);
            Body::from_stream(half).into_response()
        }
        Does::Pays | Does::Holds | Does::NoRoute => ended(&books, hash).await,
    }
}

async fn track(State(books): State<Arc<Mutex<Books>>>, Path(hash): Path<String>) -> Response {
    let hash = PaymentHash(base64_any(&hash).unwrap().try_into().unwrap());
    let (is_away, knows) = {
        let books = books.lock().unwrap();
        (books.is_away, books.fates.contains_key(&hash))
    };
    if is_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if !knows {
        return error(StatusCode::NOT_FOUND, 5, "payment isn't initiated");
    }
    ended(&books, hash).await
}

/// LND keeps the question until there is an end.
async fn ended(books: &Mutex<Books>, hash: PaymentHash) -> Response {
    loop {
        {
            let books = books.lock().unwrap();
            let payment = |status: &str, preimage: String| {
                json!({"result": {
                    "payment_hash": hash.to_string(), "status": status, "payment_preimage": preimage,
                    "fee_msat": "1001", "failure_reason": "FAILURE_REASON_NO_ROUTE",
                }})
            };
            match books.fates.get(&hash) {
                Some(Fate::Paid) => {
                    return payment("SUCCEEDED", books.preimages[&hash].expose_hex()).to_string().into_response();
                }
                Some(Fate::Failed) => return payment("FAILED", "0".repeat(64)).to_string().into_response(),
                Some(Fate::Open) | None => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn error(status: StatusCode, code: u8, message: &str) -> Response {
    (status, json!({"error": {"code": code, "message": message, "details": []}}).to_string()).into_response()
}
