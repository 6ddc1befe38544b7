//! The full check of an invoice: signature, payee and every field that was asked for.
//!
//! The edge walks the fields only (C8), because the signature's elliptic curve is too heavy there. This is where a
//! wrong invoice ends, whoever made it; the dev node's own go through here as well.

use bitcoin::secp256k1::PublicKey;
use lightning_invoice::{Bolt11Invoice, Currency, SignedRawBolt11Invoice};

use l402::bolt11::Network;
use l402::{PaymentHash, UnixTime, bolt11};

/// Longest text that is looked at; a BOLT11 with the longest description has about 1,500 characters.
pub(crate) const INVOICE_BYTES_MAX: usize = 4096;

/// The least life that an invoice may begin with (C8).
const EXPIRY_MIN_S: u64 = 60;

/// What an invoice must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) network: Network,
    pub(crate) payment_hash: PaymentHash,
    /// `None` where it names none.
    pub(crate) amount_msat: Option<u64>,
    /// It may be shorter, down to a minute: not every service takes seconds.
    pub(crate) expiry_max_s: u64,
    /// The node key that must have signed; each of them.
    pub(crate) payees: &'a [PublicKey],
}

/// Reads a BOLT11 invoice: case, checksum, fields, features and signature. `None` for anything else.
pub(crate) fn read(text: &str) -> Option<Bolt11Invoice> {
    if text.len() > INVOICE_BYTES_MAX {
        return None;
    }
    text.parse().ok()
}

/// What is looked at of an invoice that is to be paid.
#[derive(Clone, Debug)]
pub(crate) struct ToPay {
    pub(crate) network: Option<Network>,
    pub(crate) payment_hash: PaymentHash,
    /// `None` where it names none, or more than can be counted.
    pub(crate) amount_msat: Option<u64>,
    pub(crate) ends: UnixTime,
    pub(crate) payee: PublicKey,
    /// There is no other way to it: not every node can pay it.
    pub(crate) only_by_blinded_paths: bool,
}

/// Reads an invoice that is to be paid, signature and all; also one without a payment secret, if it names blinded paths
/// instead (bLIP 39). `None` for anything else.
pub(crate) fn read_to_pay(text: &str) -> Option<ToPay> {
    if let Some(invoice) = read(text) {
        return Some(ToPay {
            network: network(&invoice),
            payment_hash: payment_hash(&invoice),
            amount_msat: invoice.amount_milli_satoshis(),
            ends: UnixTime(invoice.duration_since_epoch().as_secs()).plus(invoice.expiry_time().as_secs()),
            payee: invoice.get_payee_pub_key(),
            only_by_blinded_paths: false,
        });
    }
    if text.len() > INVOICE_BYTES_MAX {
        return None;
    }
    // The reader of whole invoices demands a secret, so the fields are read by the edge's code, and the signature here.
    let fields = bolt11::Invoice::parse(text).ok()?;
    let signed = text.parse::<SignedRawBolt11Invoice>().ok().filter(SignedRawBolt11Invoice::check_signature)?;
    let named = signed.raw_invoice().payee_pub_key().map(|key| key.0);
    (fields.has_blinded_paths && !fields.has_payment_secret).then_some(())?;
    Some(ToPay {
        network: Some(fields.network),
        payment_hash: fields.payment_hash,
        amount_msat: fields.amount.map(|amount| amount.0),
        ends: fields.expires_at(),
        payee: named.or_else(|| signed.recover_payee_pub_key().ok().map(|key| key.0))?,
        only_by_blinded_paths: true,
    })
}

/// The hash that names an invoice everywhere here.
pub(crate) fn payment_hash(invoice: &Bolt11Invoice) -> PaymentHash {
    PaymentHash(*invoice.payment_hash().as_ref())
}

/// Compares an invoice with what was asked for (T55), and says when it ends.
///
/// # Errors
/// What differs, in one word for the log.
pub(crate) fn check(bolt11: &str, expected: &Expected<'_>) -> Result<UnixTime, &'static str> {
    let invoice = read(bolt11).ok_or("unreadable")?;
    let payee = invoice.get_payee_pub_key();
    let expiry_s = invoice.expiry_time().as_secs();
    let claims = [
        ("network", network(&invoice) == Some(expected.network)),
        ("payment hash", payment_hash(&invoice) == expected.payment_hash),
        ("amount", invoice.amount_milli_satoshis() == expected.amount_msat),
        ("expiry", (EXPIRY_MIN_S..=expected.expiry_max_s).contains(&expiry_s)),
        ("payee", expected.payees.iter().all(|expected| *expected == payee)),
    ];
    match claims.into_iter().find(|(_, holds)| !holds) {
        Some((what, _)) => Err(what),
        None => Ok(UnixTime(invoice.duration_since_epoch().as_secs()).plus(expiry_s)),
    }
}

/// The network that an invoice is for, if it is one that we know.
pub(crate) fn network(invoice: &Bolt11Invoice) -> Option<Network> {
    match invoice.currency() {
        Currency::Bitcoin => Some(Network::Mainnet),
        Currency::BitcoinTestnet => Some(Network::Testnet),
        Currency::Signet => Some(Network::Signet),
        Currency::Regtest => Some(Network::Regtest),
        Currency::Simnet => None,
    }
}
