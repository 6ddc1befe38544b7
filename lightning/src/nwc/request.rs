//! What is asked of the wallet, as the frames that a relay takes (NIP-01).

use core::fmt;

use l402::{PaymentHash, UnixTime, encoding};
use nostr::event::{Event, EventId, Kind, Signature, Tag, UnsignedEvent};
use nostr::nips::nip44::v2;
use nostr::types::Timestamp;
use serde_json::{Value, json};

use super::{INFO, NOTIFICATION, NwcConnection, REQUEST, RESPONSE};
use crate::call::Order;
use crate::fault::BackendFault;

/// After this many seconds the wallet is not to act on a request any more, however long the relay has kept it.
const REQUEST_LIFE_S: u64 = 60;

/// What the wallet is to do.
#[derive(Clone, Copy)]
pub enum Call<'a> {
    /// Make an invoice.
    MakeInvoice(&'a Order<'a>),
    /// Say what became of one, or of a payment.
    LookupInvoice(PaymentHash),
    /// Pay this one (BOLT 11). It moves money: a request is sent once.
    PayInvoice(&'a str),
    /// Say what this connection may do.
    GetInfo,
}

/// Randomness of one request, never used for another.
#[derive(Clone, Copy)]
pub struct Chance {
    /// For the encryption (NIP-44).
    pub nonce: [u8; 32],
    /// For the signature (BIP-340).
    pub auxiliary: [u8; 32],
}

/// A request that is signed and encrypted, and the frames to send.
pub struct Request {
    pub(super) method: &'static str,
    pub(super) id: EventId,
    /// Asks the relay for the reply; to be sent before [`Request::event`], because replies are not kept.
    pub subscribe: String,
    /// The request itself.
    pub event: String,
    /// Tells the relay that no reply is awaited any more.
    pub close: String,
}

impl Call<'_> {
    const fn method(&self) -> &'static str {
        match self {
            Self::MakeInvoice(_) => "make_invoice",
            Self::LookupInvoice(_) => "lookup_invoice",
            Self::PayInvoice(_) => "pay_invoice",
            Self::GetInfo => "get_info",
        }
    }

    fn parameters(&self) -> Value {
        match self {
            Self::MakeInvoice(order) => {
                json!({ "amount": order.amount.0, "description": order.description, "expiry": order.expiry_s })
            }
            Self::LookupInvoice(hash) => json!({ "payment_hash": hash.to_string() }),
            Self::PayInvoice(bolt11) => json!({ "invoice": bolt11 }),
            Self::GetInfo => json!({}),
        }
    }
}

impl NwcConnection {
    /// Signs and encrypts a request.
    ///
    /// # Errors
    /// [`BackendFault::OutOfRange`] when it cannot be encrypted, which is when it is far too long.
    pub fn request(&self, call: &Call<'_>, chance: &Chance, now: UnixTime) -> Result<Request, BackendFault> {
        let method = call.method();
        let plain = json!({ "method": method, "params": call.parameters() }).to_string();
        let content = v2::encrypt_to_bytes_with_nonce(&self.conversation, plain.as_bytes(), chance.nonce)
            .map_err(|_| BackendFault::OutOfRange)?;
        let tags = [
            Tag::public_key(self.wallet),
            Tag::custom("encryption", ["nip44_v2"]),
            Tag::expiration(Timestamp::from(now.plus(REQUEST_LIFE_S).0)),
        ];
        let content = encoding::to_base64(&content);
        let event = self.sign(Kind::from(REQUEST), tags, content, chance, now)?;
        let subscription = event.id.to_hex().chars().take(16).collect::<String>();
        let filter =
            json!({ "kinds": [RESPONSE], "authors": [self.wallet.to_hex()], "#e": [event.id.to_hex()], "limit": 1 });
        Ok(Request {
            method,
            id: event.id,
            subscribe: json!(["REQ", subscription, filter]).to_string(),
            event: json!(["EVENT", event]).to_string(),
            close: json!(["CLOSE", subscription]).to_string(),
        })
    }

    /// Asks a relay for the wallet's news from now on; [`NwcConnection::hint`] reads what comes.
    #[must_use]
    pub fn subscribe_to_hints(&self, now: UnixTime) -> String {
        let (wallet, we) = (self.wallet.to_hex(), self.keys.public_key().to_hex());
        let filter = json!({ "kinds": [NOTIFICATION], "authors": [wallet], "#p": [we], "since": now.0 });
        json!(["REQ", "hints", filter]).to_string()
    }

    /// Asks a relay for what the wallet can do; [`NwcConnection::info`] reads it.
    #[must_use]
    pub fn subscribe_to_info(&self) -> String {
        let filter = json!({ "kinds": [INFO], "authors": [self.wallet.to_hex()], "limit": 1 });
        json!(["REQ", "info", filter]).to_string()
    }

    fn sign(
        &self,
        kind: Kind,
        tags: impl IntoIterator<Item = Tag>,
        content: String,
        chance: &Chance,
        now: UnixTime,
    ) -> Result<Event, BackendFault> {
        let unsigned = UnsignedEvent::new(self.keys.public_key(), Timestamp::from(now.0), kind, tags, content);
        let id = unsigned.compute_id();
        let signature: Signature = self.keys.sign_schnorr_with_aux_rand(&self.secp, id.as_bytes(), &chance.auxiliary);
        // It checks the signature that was just made: a computer that counts wrong would give the key away.
        unsigned.add_signature_with_ctx(&self.secp, signature).map_err(|_| BackendFault::OutOfRange)
    }
}

/// Shows what is asked; the frames are of no use to a reader.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({}, {})", self.method, self.id.to_hex())
    }
}
