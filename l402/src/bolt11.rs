//! What the edge reads in a BOLT 11 invoice: network, amount, payment hash, times, description, payee.
//!
//! A field walk over bech32, 13 kB of wasm instead of the megabyte of a full decoder. It **does not look at the
//! signature**: anybody can write an invoice that parses here. That a known node signed it is checked by
//! `lightning-invoice` in `node/`, and finally by the wallet that pays. What the edge forwards to a payer
//! goes through [`Invoice::check`] first (C8, T55).

use core::fmt;

use bech32::primitives::checksum::Checksum;
use bech32::primitives::decode::CheckedHrpstring;
use sha2::{Digest, Sha256};

use crate::amount::Msat;
use crate::preimage::PaymentHash;
use crate::prelude::*;
use crate::time::UnixTime;

mod fields;

/// The longest text that is read, in characters: what one alphanumeric QR code can hold is less.
pub const INVOICE_CHARS_MAX: usize = 7_089;

/// How long an invoice without an `x` field lives, in seconds (BOLT 11).
pub const DEFAULT_EXPIRY_S: u64 = 3_600;

/// How far the clock of a node may run ahead of ours, in seconds.
pub const CLOCK_SKEW_S: u64 = 60;

/// Which chain the bitcoin of an invoice are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    any(feature = "verify", feature = "relay"),
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Network {
    /// `lnbc…`: real money.
    Mainnet,
    /// `lntb…`.
    Testnet,
    /// `lntbs…`.
    Signet,
    /// `lnbcrt…`: a chain of one's own, for development.
    Regtest,
}

impl Network {
    /// The name in policies, in MPP's `methodDetails.network` and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }

    /// The network of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Mainnet, Self::Testnet, Self::Signet, Self::Regtest].into_iter().find(|n| n.as_str() == name)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The fields of an invoice, as written by whoever wrote it. See the module's warning about the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invoice {
    /// From the human-readable part.
    pub network: Network,
    /// What is asked, in millisatoshi; `None` when the payer may choose.
    pub amount: Option<Msat>,
    /// The hash whose preimage will prove the payment (`p`).
    pub payment_hash: PaymentHash,
    /// Whether there is a payment secret (`s`), without which a routing node can probe for the payee.
    pub has_payment_secret: bool,
    /// Whether it names blinded paths (bLIP 39), by which it can be paid without a payment secret.
    pub has_blinded_paths: bool,
    /// When it was made.
    pub timestamp: UnixTime,
    /// Seconds from `timestamp` during which it can be paid (`x`, or the default).
    pub expiry_s: u64,
    /// What it is for (`d`); `None` when only the hash of a description is given (`h`). Text from outside: escape it.
    pub description: Option<String>,
    /// SHA-256 of what it is for (`h`), when the text itself would be too long to be in it.
    pub description_hash: Option<[u8; 32]>,
    /// The node id that `n` claims, a compressed public key. Not checked against the signature.
    pub payee: Option<[u8; 33]>,
}

/// What the edge asked its node for, and so what an invoice must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The network of the policy.
    pub network: Network,
    /// Exactly this many millisatoshi.
    pub amount: Msat,
    /// The hash that the node's own reply names beside the invoice.
    pub payment_hash: PaymentHash,
    /// The least life left at `now`, in seconds; 60 in C8.
    pub min_expiry_s: u64,
    /// The longest life, in seconds; [`CLOCK_SKEW_S`] is allowed on top of it for the node's clock.
    pub max_expiry_s: u64,
    /// The moment of the check.
    pub now: UnixTime,
}

/// Why a text is no invoice that is read here, or not the invoice that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bolt11Fault {
    /// Longer than [`INVOICE_CHARS_MAX`].
    TooLong,
    /// Not bech32: mixed case, a stray character, or a wrong checksum (bech32m included).
    Bech32,
    /// The human-readable part does not begin with `lnbc`, `lntb`, `lntbs` or `lnbcrt`.
    Prefix,
    /// The amount is zero, has a leading zero, an unknown multiplier, a fraction of a millisatoshi, or overflows.
    Amount,
    /// A field or the signature does not fit into the text.
    Truncated,
    /// There is no field with this tag.
    Missing(char),
    /// Two fields with this tag (or `d` beside `h`): wallets would differ about which counts.
    Repeated(char),
    /// The padding of this field is not zero, so the same bytes would have two spellings.
    Padding(char),
    /// The content of this field is not what its tag promises: no UTF-8, no public key, a number past 64 bits.
    Content(char),
    /// A feature that a payer must know is unknown: BOLT 11 says to fail the payment.
    UnknownFeature(usize),
    /// Another network than ours.
    WrongNetwork(Network),
    /// Another amount than asked, or none.
    WrongAmount(Option<Msat>),
    /// Not the payment hash that the node named.
    WrongPaymentHash,
    /// No payment secret.
    NoPaymentSecret,
    /// Expired, or too little life left to pay it.
    ExpiresTooSoon,
    /// Lives longer than allowed.
    ExpiresTooLate,
}

impl fmt::Display for Bolt11Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "invoice is longer than {INVOICE_CHARS_MAX} characters"),
            Self::Bech32 => f.write_str("invoice is not bech32, or its checksum is wrong"),
            Self::Prefix => f.write_str("invoice is for no network known here"),
            Self::Amount => f.write_str("invoice has an unreadable amount"),
            Self::Truncated => f.write_str("invoice ends in the middle of a field"),
            Self::Missing(tag) => write!(f, "invoice has no field `{tag}`"),
            Self::Repeated(tag) => write!(f, "invoice has a second field `{tag}`"),
            Self::Padding(tag) => write!(f, "field `{tag}` of the invoice is not padded with zeros"),
            Self::Content(tag) => write!(f, "field `{tag}` of the invoice is unreadable"),
            Self::UnknownFeature(bit) => write!(f, "invoice requires the unknown feature {bit}"),
            Self::WrongNetwork(network) => write!(f, "invoice is for {network}"),
            Self::WrongAmount(Some(amount)) => write!(f, "invoice asks for {amount}"),
            Self::WrongAmount(None) => f.write_str("invoice names no amount"),
            Self::WrongPaymentHash => f.write_str("invoice has another payment hash than the node's reply"),
            Self::NoPaymentSecret => f.write_str("invoice has no payment secret"),
            Self::ExpiresTooSoon => f.write_str("invoice expires too soon"),
            Self::ExpiresTooLate => f.write_str("invoice expires too late"),
        }
    }
}

impl core::error::Error for Bolt11Fault {}

impl Invoice {
    /// Reads the fields of an invoice, lower or upper case. Says **nothing about its signature**.
    ///
    /// Unknown tags are skipped, and so are `p`, `h`, `s` and `n` of a length that BOLT 11 does not define. Stricter than
    /// BOLT 11 in four points where decoders are known to split (T57): no field that is read here may come twice, padding
    /// bits are zero, there is exactly one of `d` and `h`, and an amount has no leading zero.
    ///
    /// # Errors
    /// The first reason found, of the variants up to [`Bolt11Fault::UnknownFeature`].
    ///
    /// ```
    /// use l402::bolt11::{Invoice, Network};
    /// # let text = concat!("lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq",
    /// #   "5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06",
    /// #   "fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh");
    /// let unverified = Invoice::parse(text)?; // the example "1 cup coffee" of BOLT 11
    /// assert_eq!(unverified.network, Network::Mainnet);
    /// assert_eq!(unverified.amount.map(|a| a.to_string()).as_deref(), Some("250000 sats"));
    /// assert_eq!(unverified.expires_at(), unverified.timestamp.plus(60));
    /// # Ok::<(), l402::bolt11::Bolt11Fault>(())
    /// ```
    pub fn parse(unverified_text: &str) -> Result<Self, Bolt11Fault> {
        if unverified_text.len() > INVOICE_CHARS_MAX {
            return Err(Bolt11Fault::TooLong);
        }
        let checked = CheckedHrpstring::new::<LongBech32>(unverified_text).map_err(|_| Bolt11Fault::Bech32)?;
        let prefix: String = checked.hrp().lowercase_char_iter().collect();
        let (network, amount) = fields::human_readable(&prefix)?;

        let words: Vec<u8> = checked.fe32_iter().map(|word| word.to_u8()).collect();
        let (signed, _signature) = words.split_last_chunk::<104>().ok_or(Bolt11Fault::Truncated)?;
        let (timestamp, tagged) = signed.split_first_chunk::<7>().ok_or(Bolt11Fault::Truncated)?;
        let timestamp = UnixTime(fields::number(timestamp).ok_or(Bolt11Fault::Truncated)?);
        let fields = fields::Fields::walk(tagged)?;

        if fields.description.is_none() && fields.description_hash.is_none() {
            return Err(Bolt11Fault::Missing('d'));
        }
        Ok(Self {
            network,
            amount,
            payment_hash: PaymentHash(fields.payment_hash.ok_or(Bolt11Fault::Missing('p'))?),
            has_payment_secret: fields.payment_secret.is_some(),
            has_blinded_paths: fields.has_blinded_paths,
            timestamp,
            expiry_s: fields.expiry_s.unwrap_or(DEFAULT_EXPIRY_S),
            description: fields.description,
            description_hash: fields.description_hash,
            payee: fields.payee,
        })
    }

    /// The first moment at which it can no longer be paid.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.timestamp.plus(self.expiry_s)
    }

    /// Whether its `h` is the hash of this text (LUD-06, step 6). Yes without an `h`: then nothing was promised.
    #[must_use]
    pub fn may_be_for(&self, description: &str) -> bool {
        self.description_hash.is_none_or(|hash| Sha256::digest(description).as_slice() == hash)
    }

    /// Whether this is the invoice that was asked for (C8, T55, T56). The signature stays the node's business.
    ///
    /// # Errors
    /// The first difference, of the variants from [`Bolt11Fault::WrongNetwork`] on.
    pub fn check(&self, expected: &Expected) -> Result<(), Bolt11Fault> {
        // What differs from what was asked for is said first.
        self.check_terms(expected)?;
        if self.has_payment_secret { Ok(()) } else { Err(Bolt11Fault::NoPaymentSecret) }
    }

    /// Whether this is an invoice that we may pay: all that [`Invoice::check`] asks, and a payment secret or blinded paths.
    /// What we issue must have the secret, because most wallets cannot pay the other kind.
    ///
    /// # Errors
    /// As [`Invoice::check`].
    pub fn check_to_pay(&self, expected: &Expected) -> Result<(), Bolt11Fault> {
        if self.has_payment_secret || !self.has_blinded_paths {
            return self.check(expected);
        }
        self.check_terms(expected)
    }

    fn check_terms(&self, expected: &Expected) -> Result<(), Bolt11Fault> {
        if self.network != expected.network {
            return Err(Bolt11Fault::WrongNetwork(self.network));
        }
        if self.amount != Some(expected.amount) {
            return Err(Bolt11Fault::WrongAmount(self.amount));
        }
        if self.payment_hash != expected.payment_hash {
            return Err(Bolt11Fault::WrongPaymentHash);
        }
        let left_s = expected.now.until(self.expires_at());
        if left_s == 0 || left_s < expected.min_expiry_s {
            return Err(Bolt11Fault::ExpiresTooSoon);
        }
        // Both, so that neither a long `x` nor a timestamp in the future stretches the life of an invoice.
        if self.expiry_s > expected.max_expiry_s || left_s > expected.max_expiry_s.saturating_add(CLOCK_SKEW_S) {
            return Err(Bolt11Fault::ExpiresTooLate);
        }
        Ok(())
    }
}

/// Bech32 without BIP 173's limit of 90 characters, as BOLT 11 and LNURL want it; [`INVOICE_CHARS_MAX`] at most.
#[derive(Clone, Copy, Debug)]
pub enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = <bech32::Bech32 as Checksum>::MidstateRepr;
    type CorrectionField = <bech32::Bech32 as Checksum>::CorrectionField;
    const ROOT_GENERATOR: Self::CorrectionField = bech32::Bech32::ROOT_GENERATOR;
    const ROOT_EXPONENTS: core::ops::RangeInclusive<usize> = bech32::Bech32::ROOT_EXPONENTS;
    const CODE_LENGTH: usize = INVOICE_CHARS_MAX;
    const CHECKSUM_LENGTH: usize = bech32::Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [Self::MidstateRepr; 5] = bech32::Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: Self::MidstateRepr = bech32::Bech32::TARGET_RESIDUE;
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_900_000_000);

    fn invoice() -> Invoice {
        Invoice {
            network: Network::Regtest,
            amount: Some(Msat(21_000)),
            payment_hash: PaymentHash([7; 32]),
            has_payment_secret: true,
            has_blinded_paths: false,
            timestamp: NOW,
            expiry_s: 600,
            description: None,
            description_hash: None,
            payee: None,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Invoice), ending: Result<(), Bolt11Fault>) {
        let expected = Expected {
            network: Network::Regtest,
            amount: Msat(21_000),
            payment_hash: PaymentHash([7; 32]),
            min_expiry_s: 60,
            max_expiry_s: 600,
            now: NOW,
        };
        let mut invoice = invoice();
        change(&mut invoice);
        assert_eq!(invoice.check(&expected), ending);
    }

    #[test]
    fn the_invoice_that_was_asked_for_passes() {
        check(|_| (), Ok(()));
    }

    #[test]
    fn an_invoice_of_another_network_amount_or_hash_does_not() {
        check(|i| i.network = Network::Mainnet, Err(Bolt11Fault::WrongNetwork(Network::Mainnet)));
        check(|i| i.amount = Some(Msat(20_999)), Err(Bolt11Fault::WrongAmount(Some(Msat(20_999)))));
        check(|i| i.amount = Some(Msat(21_001)), Err(Bolt11Fault::WrongAmount(Some(Msat(21_001)))));
        check(|i| i.amount = None, Err(Bolt11Fault::WrongAmount(None)));
        check(|i| i.payment_hash.0[31] ^= 1, Err(Bolt11Fault::WrongPaymentHash));
        check(|i| i.has_payment_secret = false, Err(Bolt11Fault::NoPaymentSecret));
    }

    /// B11, C8: an invoice with blinded paths can be paid, and is none that we issue.
    #[test]
    fn an_invoice_without_a_secret_is_paid_by_its_blinded_paths_and_never_issued_b11() {
        let expected = Expected {
            network: Network::Regtest,
            amount: Msat(21_000),
            payment_hash: PaymentHash([7; 32]),
            min_expiry_s: 60,
            max_expiry_s: 600,
            now: NOW,
        };
        let bare = Invoice { has_payment_secret: false, ..invoice() };
        let blinded = Invoice { has_blinded_paths: true, ..bare.clone() };
        assert_eq!(bare.check_to_pay(&expected), Err(Bolt11Fault::NoPaymentSecret));
        assert_eq!(blinded.check_to_pay(&expected), Ok(()));
        assert_eq!(blinded.check(&expected), Err(Bolt11Fault::NoPaymentSecret));
        let dear = Invoice { amount: Some(Msat(21_001)), ..blinded };
        assert_eq!(dear.check_to_pay(&expected), Err(Bolt11Fault::WrongAmount(Some(Msat(21_001)))));
    }

    #[test]
    fn its_life_has_a_least_and_a_greatest_length() {
        check(|i| i.timestamp.0 -= 540, Ok(()));
        check(|i| i.timestamp.0 -= 541, Err(Bolt11Fault::ExpiresTooSoon));
        check(|i| i.expiry_s = 0, Err(Bolt11Fault::ExpiresTooSoon));
        check(|i| i.expiry_s = 601, Err(Bolt11Fault::ExpiresTooLate));
        check(|i| i.expiry_s = u64::MAX, Err(Bolt11Fault::ExpiresTooLate));
    }

    #[test]
    fn a_node_clock_may_run_ahead_a_minute_but_no_more() {
        check(|i| i.timestamp.0 += CLOCK_SKEW_S, Ok(()));
        check(|i| i.timestamp.0 += CLOCK_SKEW_S + 1, Err(Bolt11Fault::ExpiresTooLate));
    }

    #[test]
    fn a_description_hash_fits_one_text_only() {
        let mut invoice = invoice();
        assert!(invoice.may_be_for("anything"));
        invoice.description_hash = Some(Sha256::digest("an article").into());
        assert!(invoice.may_be_for("an article"));
        assert!(!invoice.may_be_for("an article ") && !invoice.may_be_for(""));
    }

    #[test]
    fn network_names_read_back() {
        for network in [Network::Mainnet, Network::Testnet, Network::Signet, Network::Regtest] {
            assert_eq!(Network::from_name(network.as_str()), Some(network));
        }
        assert_eq!(Network::from_name("Mainnet"), None);
    }
}
