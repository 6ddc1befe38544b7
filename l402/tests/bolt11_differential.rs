//! `lightning-invoice` as an oracle: what it writes is read alike, and what it refuses is refused (T57).

use std::str::FromStr;
use std::time::Duration;

use bech32::primitives::iter::Fe32IterExt;
use bech32::{Bech32, Fe32, Hrp};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use l402::bolt11::{Bolt11Fault, Invoice, Network};
use l402::{Msat, PaymentHash, UnixTime};
use lightning_invoice::{
    Bolt11Invoice, Bolt11InvoiceDescriptionRef, Bolt11ParseError, Bolt11SemanticError, Currency, InvoiceBuilder,
    ParseOrSemanticError, PaymentSecret,
};
use proptest::prelude::*;

/// What the oracle read, in our words.
fn oracle(text: &str) -> Result<Invoice, ParseOrSemanticError> {
    let theirs = Bolt11Invoice::from_str(text)?;
    let network = match theirs.currency() {
        Currency::Bitcoin => Network::Mainnet,
        Currency::BitcoinTestnet => Network::Testnet,
        Currency::Signet => Network::Signet,
        Currency::Regtest => Network::Regtest,
        Currency::Simnet => return Err(Bolt11ParseError::UnknownCurrency.into()),
    };
    // `Invoice` can only be made by parsing, so the smallest one is filled in.
    let mut ours = Invoice::parse(&draft(network)).unwrap();
    ours.amount = theirs.amount_milli_satoshis().map(Msat);
    ours.payment_hash = PaymentHash(theirs.payment_hash().to_byte_array());
    ours.has_payment_secret = true;
    ours.timestamp = UnixTime(theirs.duration_since_epoch().as_secs());
    ours.expiry_s = theirs.expiry_time().as_secs();
    (ours.description, ours.description_hash) = match theirs.description() {
        Bolt11InvoiceDescriptionRef::Direct(text) => (Some(text.as_inner().0.clone()), None),
        Bolt11InvoiceDescriptionRef::Hash(hash) => (None, Some(hash.0.to_byte_array())),
    };
    ours.payee = theirs.payee_pub_key().map(PublicKey::serialize);
    Ok(ours)
}

fn draft(network: Network) -> String {
    let currency = match network {
        Network::Mainnet => Currency::Bitcoin,
        Network::Testnet => Currency::BitcoinTestnet,
        Network::Signet => Currency::Signet,
        Network::Regtest => Currency::Regtest,
    };
    sign(&Made { currency, ..Made::default() })
}

#[derive(Clone, Debug)]
struct Made {
    currency: Currency,
    amount: Option<u64>,
    hash: [u8; 32],
    secret: [u8; 32],
    timestamp: u64,
    expiry_s: Option<u64>,
    description: Result<String, [u8; 32]>,
    names_payee: bool,
    metadata: Option<Vec<u8>>,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            currency: Currency::Regtest,
            amount: None,
            hash: [1; 32],
            secret: [2; 32],
            timestamp: 0,
            expiry_s: None,
            description: Ok(String::new()),
            names_payee: false,
            metadata: None,
        }
    }
}

fn sign(made: &Made) -> String {
    let secp = Secp256k1::new();
    let key = SecretKey::from_slice(&[0x2a; 32]).unwrap();
    let mut builder = InvoiceBuilder::new(made.currency.clone());
    if let Some(amount) = made.amount {
        builder = builder.amount_milli_satoshis(amount);
    }
    if let Some(expiry_s) = made.expiry_s {
        builder = builder.expiry_time(Duration::from_secs(expiry_s));
    }
    if made.names_payee {
        builder = builder.payee_pub_key(PublicKey::from_secret_key(&secp, &key));
    }
    let described = match &made.description {
        Ok(text) => builder.description(text.clone()),
        Err(hash) => builder.description_hash(sha256::Hash::from_byte_array(*hash)),
    };
    let complete = described
        .payment_hash(sha256::Hash::from_byte_array(made.hash))
        .payment_secret(PaymentSecret(made.secret))
        .duration_since_epoch(Duration::from_secs(made.timestamp))
        .min_final_cltv_expiry_delta(18);
    let sign = |hash: &_| secp.sign_ecdsa_recoverable(hash, &key);
    match &made.metadata {
        Some(metadata) => complete.payment_metadata(metadata.clone()).build_signed(sign).unwrap().to_string(),
        None => complete.build_signed(sign).unwrap().to_string(),
    }
}

fn made() -> impl Strategy<Value = Made> {
    let currency = prop::sample::select(vec![
        Currency::Bitcoin,
        Currency::BitcoinTestnet,
        Currency::Signet,
        Currency::Regtest,
        Currency::Simnet,
    ]);
    let description = prop_oneof![
        3 => "\\PC{0,80}".prop_map(Ok),
        1 => any::<[u8; 32]>().prop_map(Err),
    ];
    (
        currency,
        prop::option::weighted(0.9, 1_u64..=u64::MAX / 10),
        any::<([u8; 32], [u8; 32])>(),
        0_u64..1 << 35,
        prop::option::of(prop_oneof![0..100_000_u64, any::<u64>()]),
        description,
        any::<bool>(),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
    )
        .prop_map(|(currency, amount, (hash, secret), timestamp, expiry_s, description, names_payee, metadata)| {
            Made { currency, amount, hash, secret, timestamp, expiry_s, description, names_payee, metadata }
        })
}

/// Faults by which we refuse what the oracle takes: the points of strictness that `Invoice::parse` documents, and
/// amounts of more than 18,446,744 bitcoin, which the oracle shows as "no amount".
const fn is_stricter(fault: Bolt11Fault) -> bool {
    matches!(
        fault,
        Bolt11Fault::Repeated(_)
            | Bolt11Fault::Padding(_)
            | Bolt11Fault::Missing('d')
            | Bolt11Fault::Amount
            | Bolt11Fault::UnknownFeature(_)
    )
}

/// Refusals of the oracle that are not the edge's business: signature, curve points, fields that we skip, and payment
/// secrets, which [`Invoice::check`] looks for.
const fn is_beyond_us(refusal: &ParseOrSemanticError) -> bool {
    match refusal {
        ParseOrSemanticError::ParseError(fault) => matches!(
            fault,
            Bolt11ParseError::MalformedSignature(_)
                | Bolt11ParseError::UnexpectedEndOfTaggedFields
                | Bolt11ParseError::IntegerOverflowError
                | Bolt11ParseError::InvalidSegWitProgramLength
                | Bolt11ParseError::InvalidPubKeyHashLength
                | Bolt11ParseError::InvalidScriptHashLength
        ),
        ParseOrSemanticError::SemanticError(fault) => matches!(
            fault,
            Bolt11SemanticError::InvalidSignature
                | Bolt11SemanticError::NoPaymentSecret
                | Bolt11SemanticError::InvalidFeatures
        ),
    }
}

#[track_caller]
fn agree(text: &str) {
    match (Invoice::parse(text), oracle(text)) {
        // The oracle does not know blinded paths, and the changed word may have made a field of theirs (tag 20).
        (Ok(ours), Ok(mut theirs)) => {
            theirs.has_blinded_paths = ours.has_blinded_paths;
            assert_eq!(ours, theirs, "{text}");
        }
        (Err(_), Err(_)) => (),
        (Err(fault), Ok(_)) => assert!(is_stricter(fault), "we refuse: {fault}\n{text}"),
        (Ok(_), Err(refusal)) => assert!(is_beyond_us(&refusal), "we accept, the oracle says: {refusal}\n{text}"),
    }
}

/// The 5-bit words between the separator and the checksum.
fn data_words(text: &str) -> Vec<Fe32> {
    let (_, data) = text.rsplit_once('1').unwrap();
    data[..data.len() - 6].chars().map(|c| Fe32::from_char(c).unwrap()).collect()
}

fn checksummed(prefix: &str, words: Vec<Fe32>) -> String {
    words.into_iter().with_checksum::<Bech32>(&Hrp::parse(prefix).unwrap()).chars().collect()
}

/// The same invoice with one 5-bit word changed and the checksum made good again.
fn with_word(text: &str, place: usize, word: u8) -> String {
    let mut words = data_words(text);
    let place = place % words.len();
    words[place] = Fe32::try_from(word).unwrap();
    checksummed(text.rsplit_once('1').unwrap().0, words)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_oracle_signs_is_read_alike(made in made(), upper in any::<bool>()) {
        let text = sign(&made);
        let text = if upper { text.to_uppercase() } else { text };
        if made.currency == Currency::Simnet {
            prop_assert_eq!(Invoice::parse(&text), Err(Bolt11Fault::Prefix));
        } else {
            prop_assert_eq!(Invoice::parse(&text).unwrap(), oracle(&text).unwrap());
        }
    }

    #[test]
    fn one_changed_character_is_refused_by_both(made in made(), place in any::<usize>(), c in any::<char>()) {
        let mut characters: Vec<char> = sign(&made).chars().collect();
        let place = place % characters.len();
        prop_assume!(characters[place] != c);
        characters[place] = c;
        let text: String = characters.into_iter().collect();
        prop_assert!(Invoice::parse(&text).is_err() && oracle(&text).is_err(), "{}", text);
    }

    #[test]
    fn one_changed_word_under_a_good_checksum_is_judged_alike(made in made(), place in any::<usize>(), word in 0_u8..32) {
        agree(&with_word(&sign(&made), place, word));
    }

    #[test]
    fn another_amount_under_a_good_checksum_is_judged_alike(amount in "[0-9]{0,21}[munpx]?") {
        agree(&checksummed(&format!("lnbcrt{amount}"), data_words(&draft(Network::Regtest))));
    }
}
