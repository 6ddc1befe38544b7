//! The examples of BOLT 11, good and bad, and the invoices that are one step away from them.

use bech32::primitives::iter::Fe32IterExt;
use bech32::{Bech32, Bech32m, Fe32, Hrp};
use l402::bolt11::{Bolt11Fault, INVOICE_CHARS_MAX, Invoice, Network};
use l402::{Msat, PaymentHash, UnixTime};
use serde::Deserialize;

#[derive(Deserialize)]
struct Examples {
    valid: Vec<Valid>,
    invalid: Vec<Invalid>,
    unsigned: Vec<Valid>,
}

#[derive(Deserialize)]
struct Valid {
    name: String,
    invoice: String,
    network: String,
    amount_msat: Option<u64>,
    payment_hash: String,
    has_payment_secret: bool,
    timestamp: u64,
    expiry_s: u64,
    description: Option<String>,
    payee: Option<String>,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    invoice: String,
    fault: String,
}

fn examples() -> Examples {
    serde_json::from_str(include_str!("vectors/bolt11.json")).unwrap()
}

#[track_caller]
fn check(example: &Valid) {
    let invoice = Invoice::parse(&example.invoice).unwrap_or_else(|fault| panic!("{}: {fault}", example.name));
    assert_eq!(invoice.network.as_str(), example.network, "{}", example.name);
    assert_eq!(invoice.amount, example.amount_msat.map(Msat), "{}", example.name);
    assert_eq!(invoice.payment_hash.to_string(), example.payment_hash, "{}", example.name);
    assert_eq!(invoice.has_payment_secret, example.has_payment_secret, "{}", example.name);
    assert_eq!(invoice.timestamp, UnixTime(example.timestamp), "{}", example.name);
    assert_eq!(invoice.expiry_s, example.expiry_s, "{}", example.name);
    assert_eq!(invoice.description, example.description, "{}", example.name);
    assert_eq!(invoice.payee.map(hex::encode), example.payee, "{}", example.name);
}

#[test]
fn every_valid_example_shows_its_fields() {
    let examples = examples();
    assert_eq!(examples.valid.len(), 23);
    examples.valid.iter().for_each(check);
}

#[test]
fn every_invalid_example_is_refused_for_its_reason() {
    for example in examples().invalid {
        let fault = Invoice::parse(&example.invoice).unwrap_err();
        assert_eq!(format!("{fault:?}"), example.fault, "{}", example.name);
    }
}

#[test]
fn a_false_signature_is_not_noticed_here() {
    // Which is why `node/` checks it, and why the word "verified" is nowhere near `Invoice::parse`.
    examples().unsigned.iter().for_each(check);
}

/// An invoice of our own making, unsigned: a human-readable part and the 5-bit words of its fields.
struct Draft {
    prefix: &'static str,
    fields: Vec<u8>,
}

fn words(bytes: &[u8]) -> Vec<u8> {
    use bech32::primitives::iter::ByteIterExt;
    bytes.iter().copied().bytes_to_fes().map(Fe32::to_u8).collect()
}

fn field(tag: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len() / 32).unwrap();
    [&[tag, length, u8::try_from(data.len() % 32).unwrap()], data].concat()
}

fn payment_hash() -> Vec<u8> {
    field(1, &words(&[7; 32]))
}

fn description() -> Vec<u8> {
    field(13, &words(b"tea"))
}

impl Draft {
    fn new(fields: &[Vec<u8>]) -> Self {
        Self { prefix: "lnbcrt10n", fields: fields.concat() }
    }

    fn words(&self) -> impl Iterator<Item = Fe32> {
        let timestamp = [0, 0, 1, 0, 0, 0, 0];
        let all = [&timestamp[..], &self.fields, &[0; 104]].concat();
        all.into_iter().map(|word| Fe32::try_from(word).unwrap())
    }

    fn text(&self) -> String {
        let prefix = Hrp::parse(self.prefix).unwrap();
        // The checksum engine knows no length limit; only `bech32::decode` does.
        self.words().with_checksum::<Bech32>(&prefix).chars().collect()
    }

    #[track_caller]
    fn refused(&self, fault: Bolt11Fault) {
        assert_eq!(Invoice::parse(&self.text()), Err(fault), "{}", self.text());
    }

    #[track_caller]
    fn accepted(&self) -> Invoice {
        Invoice::parse(&self.text()).unwrap_or_else(|fault| panic!("{fault}: {}", self.text()))
    }
}

#[test]
fn the_smallest_invoice_has_a_hash_and_a_description() {
    let invoice = Draft::new(&[payment_hash(), description()]).accepted();
    assert_eq!(invoice.network, Network::Regtest);
    assert_eq!(invoice.amount, Some(Msat(1_000)));
    assert_eq!(invoice.payment_hash, PaymentHash([7; 32]));
    assert!(!invoice.has_payment_secret);
    assert_eq!(invoice.expires_at(), UnixTime((1 << 20) + 3_600));
    Draft::new(&[description()]).refused(Bolt11Fault::Missing('p'));
    Draft::new(&[payment_hash()]).refused(Bolt11Fault::Missing('d'));
}

#[test]
fn no_field_may_come_twice() {
    let (hash, text) = (payment_hash(), description());
    let digest = field(23, &words(&[9; 32]));
    let secret = field(16, &words(&[3; 32]));
    let expiry = field(6, &[1, 28]);
    let payee = field(19, &words(&[2; 33]));
    for (tag, twice) in [('p', &hash), ('s', &secret), ('x', &expiry), ('n', &payee)] {
        let mut fields = vec![hash.clone(), text.clone(), twice.clone()];
        if tag != 'p' {
            Draft::new(&fields).accepted();
            fields.push(twice.clone());
        }
        Draft::new(&fields).refused(Bolt11Fault::Repeated(tag));
    }
    Draft::new(&[hash.clone(), text.clone(), text.clone()]).refused(Bolt11Fault::Repeated('d'));
    Draft::new(&[hash.clone(), digest.clone(), text.clone()]).refused(Bolt11Fault::Repeated('d'));
    Draft::new(&[hash.clone(), text, digest.clone()]).refused(Bolt11Fault::Repeated('h'));
    Draft::new(&[hash, digest.clone(), digest]).refused(Bolt11Fault::Repeated('h'));
}

#[test]
fn fields_of_another_length_are_skipped_and_so_are_unknown_tags() {
    let skipped = [1, 16, 19, 23].map(|tag| field(tag, &[1; 51]));
    let invoice = Draft::new(&[skipped.concat(), field(2, &[31; 1023]), payment_hash(), description()]).accepted();
    assert_eq!((invoice.has_payment_secret, invoice.payee), (false, None));
    Draft::new(&[skipped.concat(), description()]).refused(Bolt11Fault::Missing('p'));
}

#[test]
fn a_field_that_runs_past_the_end_is_refused() {
    for end in [&[13_u8][..], &[13, 0], &[13, 0, 1], &[13, 31, 31, 0]] {
        Draft::new(&[payment_hash(), description(), end.to_vec()]).refused(Bolt11Fault::Truncated);
    }
}

#[test]
fn the_same_bytes_have_one_spelling() {
    let mut hash = payment_hash();
    *hash.last_mut().unwrap() |= 1;
    Draft::new(&[hash, description()]).refused(Bolt11Fault::Padding('p'));
    Draft::new(&[payment_hash(), field(13, &[12, 4, 0])]).refused(Bolt11Fault::Padding('d'));
    assert_eq!(Draft::new(&[payment_hash(), field(13, &[])]).accepted().description.as_deref(), Some(""));
}

#[test]
fn a_field_keeps_the_promise_of_its_tag() {
    let with = |extra: Vec<u8>| Draft::new(&[payment_hash(), description(), extra]);
    Draft::new(&[payment_hash(), field(13, &words(&[0xff]))]).refused(Bolt11Fault::Content('d'));
    with(field(19, &words(&[4; 33]))).refused(Bolt11Fault::Content('n'));
    with(field(6, &[31; 13])).refused(Bolt11Fault::Content('x'));
    assert_eq!(with(field(6, &[15; 1])).accepted().expiry_s, 15);
    assert_eq!(with(field(6, &[31; 12])).accepted().expires_at(), UnixTime((1 << 60) - 1 + (1 << 20)));
}

#[test]
fn a_required_feature_must_be_known_and_an_offered_one_need_not() {
    let with = |bit: usize| {
        let mut bits = vec![0; bit / 5 + 1];
        *bits.first_mut().unwrap() = 1 << (bit % 5);
        Draft::new(&[payment_hash(), description(), field(5, &bits)])
    };
    for bit in [8, 9, 14, 15, 16, 17, 25, 48, 56, 99, 149, 2_001] {
        with(bit).accepted();
    }
    for bit in [0, 10, 30, 100, 148, 2_000] {
        with(bit).refused(Bolt11Fault::UnknownFeature(bit));
    }
}

#[test]
fn amounts_are_whole_millisatoshi_in_one_spelling() {
    let amount = |prefix| Draft { prefix, ..Draft::new(&[payment_hash(), description()]) };
    for (prefix, msat) in [
        ("lnbc1", 100_000_000_000),
        ("lntb21m", 2_100_000_000),
        ("lntbs3u", 300_000),
        ("lnbcrt10n", 1_000),
        ("lnbc10p", 1),
        ("lnbc18446744", 1_844_674_400_000_000_000),
    ] {
        assert_eq!(amount(prefix).accepted().amount, Some(Msat(msat)), "{prefix}");
    }
    for prefix in [
        "lnbc0",
        "lnbc0n",
        "lnbc0p",
        "lnbc00p",
        "lnbc01n",
        "lnbc1p",
        "lnbc11p",
        "lnbcp",
        "lnbcm",
        "lnbc1x",
        "lnbc1mm",
        "lnbc+1n",
        "lnbc-1n",
        "lnbc1.5n",
        "lnbc1 n",
        "lnbc18446745",
        "lnbc184467440",
        "lnbc18446744073709551616n",
        "lnbc1mu",
    ] {
        if let Ok(_readable) = Hrp::parse(prefix) {
            amount(prefix).refused(Bolt11Fault::Amount);
        }
    }
    assert_eq!(amount("lnbcrt").accepted().amount, None);
}

#[test]
fn another_currency_or_prefix_is_refused() {
    for prefix in ["lnsb10n", "lnltc10n", "bc", "lnurl", "ln", "xlnbc10n", "lntc1"] {
        Draft { prefix, ..Draft::new(&[payment_hash(), description()]) }.refused(Bolt11Fault::Prefix);
    }
}

#[test]
fn bech32m_is_not_bech32() {
    let draft = Draft::new(&[payment_hash(), description()]);
    let text: String = draft.words().with_checksum::<Bech32m>(&Hrp::parse(draft.prefix).unwrap()).chars().collect();
    assert_eq!(Invoice::parse(&text), Err(Bolt11Fault::Bech32));
}

#[test]
fn a_long_invoice_is_read_and_a_too_long_one_is_not() {
    let mut fields = vec![payment_hash(), description()];
    fields.extend((0..6).map(|_| field(2, &[0; 1_023])));
    assert!(Draft::new(&fields).text().len() > 6_000);
    Draft::new(&fields).accepted();
    fields.push(field(2, &[0; 1_000]));
    assert!(Draft::new(&fields).text().len() > INVOICE_CHARS_MAX);
    Draft::new(&fields).refused(Bolt11Fault::TooLong);
}

#[test]
fn what_is_around_an_invoice_is_not_trimmed() {
    let text = Draft::new(&[payment_hash(), description()]).text();
    for other in
        [format!(" {text}"), format!("{text}\n"), format!("lightning:{text}"), text[1..].to_owned(), String::new()]
    {
        assert!(Invoice::parse(&other).is_err(), "{other:?}");
    }
}
