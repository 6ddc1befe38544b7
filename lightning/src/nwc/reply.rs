//! What a relay brings, and what of it is the wallet's answer to us.

use core::fmt;

use l402::secret::fingerprint;
use l402::{PaymentHash, UnixTime, encoding};
use nostr::event::Event;
use nostr::nips::nip44::v2;
use serde_json::Value;

use super::{FRAME_BYTES_MAX, INFO, NOTIFICATION, NwcConnection, RESPONSE, Request};
use crate::call::{Invoice, Order, Status, Watched};
use crate::fault::BackendFault;
use crate::http::HttpReply;
use crate::json;
use crate::wallet::Outcome;

/// What a frame means to whoever waits for a reply.
#[derive(Debug)]
pub enum Heard {
    /// Nothing: it is not for us, or not from the wallet, or the relay's own business.
    Nothing,
    /// The wallet's reply.
    Reply(Reply),
    /// The relay does not pass the request on, or ends the subscription.
    Refused,
}

/// A reply that the wallet signed, to the request at hand. `Debug` shows no content: it may hold a preimage.
pub struct Reply(Result<Value, Refusal>);

enum Refusal {
    /// The wallet's own word, such as `RATE_LIMITED`.
    Code(String),
    /// It knows no such invoice or payment.
    NotFound,
    /// Encrypted in another way, or not what the method is answered with.
    Unreadable,
}

/// What a wallet says that it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// `make_invoice`, `lookup_invoice`, …
    pub methods: Vec<String>,
    /// Whether it speaks NIP-44 version 2. Without, it cannot be used.
    pub nip44: bool,
    /// Whether it tells of payments by itself.
    pub tells_of_payments: bool,
}

impl NwcConnection {
    /// Reads a frame while `request` waits for its reply.
    #[must_use]
    pub fn read(&self, unverified_frame: &str, request: &Request) -> Heard {
        let Some(frame) = frame(unverified_frame) else { return Heard::Nothing };
        let id = request.id.to_hex();
        let text = |at: usize| frame.get(at).and_then(Value::as_str);
        match text(0) {
            Some("EVENT") => {}
            Some("OK") if text(1) == Some(&id) && frame.get(2) == Some(&Value::Bool(false)) => return Heard::Refused,
            Some("CLOSED") if text(1).is_some_and(|name| id.get(..16) == Some(name)) => return Heard::Refused,
            _ => return Heard::Nothing,
        }
        let Some(event) = self.of_wallet(&frame, RESPONSE) else { return Heard::Nothing };
        let mut names = event.tags.iter().filter(|tag| tag.kind() == "e");
        let ours = names.next().and_then(|tag| tag.content()) == Some(&id) && names.next().is_none();
        if !ours {
            return Heard::Nothing;
        }
        Heard::Reply(Reply(
            self.open(&event).ok_or(Refusal::Unreadable).and_then(|value| result(value, request.method)),
        ))
    }

    /// The payment hash in a notification of the wallet's: somebody has paid. A hint, because a relay can bring it
    /// again and again, or not at all; a lookup tells.
    #[must_use]
    pub fn hint(&self, unverified_frame: &str) -> Option<PaymentHash> {
        let event = self.of_wallet(&frame(unverified_frame)?, NOTIFICATION)?;
        let value = self.open(&event)?;
        let received = json::text(&value, "/notification_type") == Some("payment_received");
        if received { json::hash(&value, "/notification/payment_hash") } else { None }
    }

    /// What the wallet says that it can do.
    #[must_use]
    pub fn info(&self, unverified_frame: &str) -> Option<Info> {
        let event = self.of_wallet(&frame(unverified_frame)?, INFO)?;
        let tag = |name: &str| event.tags.iter().find(|tag| tag.kind() == name).and_then(|tag| tag.content());
        let words =
            |text: &str| text.split([' ', ',']).map(str::to_owned).filter(|w| !w.is_empty()).collect::<Vec<_>>();
        Some(Info {
            methods: words(&event.content),
            nip44: tag("encryption").is_some_and(|text| words(text).iter().any(|word| word == "nip44_v2")),
            tells_of_payments: tag("notifications")
                .is_some_and(|text| words(text).iter().any(|word| word == "payment_received")),
        })
    }

    /// An event that the wallet has signed.
    fn of_wallet(&self, frame: &[Value], kind: u16) -> Option<Event> {
        let [Value::String(word), _subscription, unverified_event] = frame else { return None };
        if word != "EVENT" {
            return None;
        }
        let event: Event = serde_json::from_value(unverified_event.clone()).ok()?;
        // The cheap questions first.
        let claims = event.pubkey == self.wallet && event.kind.as_u16() == kind;
        (claims && event.verify_with_ctx(&self.secp).is_ok()).then_some(event)
    }

    /// What is in it, if it is encrypted by NIP-44 between the wallet and us.
    fn open(&self, event: &Event) -> Option<Value> {
        let payload = encoding::base64_any(&event.content).filter(|payload| payload.first() == Some(&2))?;
        let plain = v2::decrypt_to_bytes(&self.conversation, &payload).ok()?;
        json::parse(&HttpReply::new(200, plain)).ok()
    }
}

/// The parts of a frame; `None` for what is none, or is too long.
fn frame(unverified: &str) -> Option<Vec<Value>> {
    if unverified.len() > FRAME_BYTES_MAX {
        return None;
    }
    match json::parse(&HttpReply::new(200, unverified)).ok()? {
        Value::Array(parts) => Some(parts),
        _ => None,
    }
}

fn result(mut value: Value, method: &str) -> Result<Value, Refusal> {
    if json::text(&value, "/result_type") != Some(method) {
        return Err(Refusal::Unreadable);
    }
    match value.get("error") {
        None | Some(Value::Null) => value.get_mut("result").map(Value::take).ok_or(Refusal::Unreadable),
        Some(error) => Err(refusal(error, method)),
    }
}

/// What a wallet's error says. Some call everything `OTHER`, and say in words that they know no such invoice.
fn refusal(error: &Value, method: &str) -> Refusal {
    let code = json::text(error, "/code").unwrap_or("OTHER");
    let message = json::text(error, "/message").unwrap_or_default().to_ascii_lowercase();
    let in_words = ["not found", "no such", "does not exist", "doesn't exist", "unknown invoice"];
    let says_so = code == "OTHER" && in_words.iter().any(|words| message.contains(words));
    if code == "NOT_FOUND" || (method == "lookup_invoice" && says_so) {
        return Refusal::NotFound;
    }
    Refusal::Code(code.to_owned())
}

impl Reply {
    /// To [`super::Call::MakeInvoice`].
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call.
    pub fn invoice(&self, order: &Order<'_>) -> Result<Invoice, BackendFault> {
        let value = self.0.as_ref().map_err(Refusal::fault)?;
        // An empty or missing hash is none, and the one in the invoice counts; another one is a lie.
        let named = match json::text(value, "/payment_hash") {
            None | Some("") => None,
            Some(_) => Some(json::hash(value, "/payment_hash").ok_or(BackendFault::WrongPaymentHash)?),
        };
        Invoice::read(json::required(value, "/invoice")?, named, order, String::new())
    }

    /// To [`super::Call::LookupInvoice`].
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call; never "not paid", which is a [`Status`].
    pub fn status(&self, watched: &Watched<'_>) -> Result<Status, BackendFault> {
        let value = match &self.0 {
            Ok(value) => value,
            Err(Refusal::NotFound) => return Ok(Status::NotFound),
            Err(refusal) => return Err(refusal.fault()),
        };
        // A wallet knows what it paid by the same hash; that is not a payment to us.
        let outgoing = json::text(value, "/type").is_some_and(|kind| kind != "incoming");
        if outgoing || hash(value) != Some(watched.payment_hash) {
            return Err(BackendFault::WrongInvoice);
        }
        let settled_at = time(value, "/settled_at");
        match state(value)? {
            // `accepted` is a held payment, which may still fail (T20).
            "pending" | "accepted" => Ok(Status::Pending),
            "expired" => Ok(Status::Expired),
            "failed" => Ok(Status::Canceled),
            "settled" => {
                let amount = json::msat(value, "/amount").ok_or(BackendFault::Unreadable)?;
                let preimage = match value.get("preimage") {
                    None | Some(Value::Null) => None,
                    Some(Value::String(text)) if text.is_empty() => None,
                    Some(_) => Some(json::preimage(value, "/preimage").ok_or(BackendFault::WrongPreimage)?),
                };
                Status::settled(watched, Some(amount), preimage, settled_at)
            }
            _ => Err(BackendFault::Unreadable),
        }
    }

    /// To [`super::Call::PayInvoice`]. Only the wallet's own word makes a payment failed (T93).
    ///
    /// # Errors
    /// A [`BackendFault`] says that nothing was paid, except for [`BackendFault::WrongPreimage`]: it says "paid", and
    /// cannot prove it.
    pub fn payment(&self, hash: PaymentHash) -> Result<Outcome, BackendFault> {
        let value = match &self.0 {
            Ok(value) => value,
            Err(Refusal::Code(code)) => match code.as_str() {
                "PAYMENT_FAILED" | "INSUFFICIENT_BALANCE" | "QUOTA_EXCEEDED" => {
                    return Ok(Outcome::failed(code));
                }
                "RATE_LIMITED" | "NOT_IMPLEMENTED" | "RESTRICTED" | "UNAUTHORIZED" | "UNSUPPORTED_ENCRYPTION" => {
                    return Err(Refusal::Code(code.clone()).fault());
                }
                _ => return Ok(Outcome::Unknown),
            },
            Err(Refusal::NotFound | Refusal::Unreadable) => return Ok(Outcome::Unknown),
        };
        Outcome::paid(hash, json::preimage(value, "/preimage"), json::msat(value, "/fees_paid"))
    }

    /// To [`super::Call::LookupInvoice`], of a payment that was sent earlier. `NOT_FOUND` is no end of it: a request
    /// that a relay still holds may be acted upon later (T93).
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call; the payment is then as unknown as before.
    pub fn sent_payment(&self, hash: PaymentHash) -> Result<Outcome, BackendFault> {
        let value = match &self.0 {
            Ok(value) => value,
            Err(Refusal::NotFound) => return Ok(Outcome::Unknown),
            Err(refusal) => return Err(refusal.fault()),
        };
        // An invoice of the same hash that the wallet was paid by is not a payment of ours.
        if json::text(value, "/type") != Some("outgoing") || self::hash(value) != Some(hash) {
            return Err(BackendFault::WrongInvoice);
        }
        match state(value)? {
            "settled" => Outcome::paid(hash, json::preimage(value, "/preimage"), json::msat(value, "/fees_paid")),
            "failed" => Ok(Outcome::failed("the wallet says that it failed")),
            _ => Ok(Outcome::Unknown),
        }
    }

    /// To [`super::Call::GetInfo`]: the methods that this connection may call.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call. Not every connection may ask.
    pub fn methods(&self) -> Result<Vec<String>, BackendFault> {
        let value = self.0.as_ref().map_err(Refusal::fault)?;
        let methods = value.get("methods").and_then(Value::as_array).ok_or(BackendFault::Unreadable)?;
        methods.iter().map(|name| name.as_str().map(str::to_owned).ok_or(BackendFault::Unreadable)).collect()
    }
}

/// The state field; wallets of before it was in NIP-47 say it with a time.
fn state(value: &Value) -> Result<&str, BackendFault> {
    match value.get("state") {
        None | Some(Value::Null) if time(value, "/settled_at").is_some() => Ok("settled"),
        None | Some(Value::Null) => Ok("pending"),
        Some(state) => state.as_str().ok_or(BackendFault::Unreadable),
    }
}

/// Unix seconds; some wallets write parts of a second behind them, and those are cut off. 0 means "not yet".
fn time(value: &Value, pointer: &str) -> Option<UnixTime> {
    let whole = value.pointer(pointer).and_then(Value::as_f64).filter(|at| (1.0..MAX_TIME).contains(at));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked above
    let cut_off = whole.map(|at| UnixTime(at as u64));
    json::time(value, pointer).or(cut_off)
}

/// Past any date that a wallet may mean, in seconds; a number in milliseconds is more.
const MAX_TIME: f64 = 100_000_000_000.0;

/// The payment hash that a transaction is about: named, or, where the name is empty, in the invoice beside it.
fn hash(value: &Value) -> Option<PaymentHash> {
    match json::text(value, "/payment_hash") {
        None | Some("") => l402::bolt11::Invoice::parse(json::text(value, "/invoice")?).ok().map(|i| i.payment_hash),
        Some(named) => PaymentHash::from_hex(named),
    }
}

impl Refusal {
    fn fault(&self) -> BackendFault {
        match self {
            Self::Unreadable => BackendFault::Unreadable,
            Self::NotFound => BackendFault::Refused(404),
            Self::Code(code) => match code.as_str() {
                "UNAUTHORIZED" | "RESTRICTED" => BackendFault::Unauthorized,
                "RATE_LIMITED" | "QUOTA_EXCEEDED" => BackendFault::Busy(429),
                "INTERNAL" => BackendFault::Busy(500),
                "NOT_IMPLEMENTED" | "UNSUPPORTED_ENCRYPTION" => BackendFault::Refused(501),
                _ => BackendFault::Refused(400),
            },
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(value) => write!(f, "Reply({})", fingerprint(value.to_string().as_bytes())),
            Err(refusal) => write!(f, "Reply({})", refusal.fault()),
        }
    }
}
