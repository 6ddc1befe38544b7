//! What the dev node signs, and what it will not.

use l402::Msat;

use super::*;
use crate::invoice::{payment_hash, read};

const NOW: UnixTime = UnixTime(1_795_000_000);

fn node() -> DevNode {
    DevNode::new(SecretKey::from_slice(&[0x42; 32]).unwrap(), None)
}

fn order() -> InvoiceCreate {
    InvoiceCreate {
        amount_msat: 21_000,
        description: "an article".into(),
        expiry_s: 600,
        service: "articles".into(),
        purpose: "l402".into(),
        payee: None,
    }
}

fn chance() -> Chance {
    Chance { preimage: [0x11; 32], payment_secret: [0x22; 32] }
}

#[track_caller]
fn check(order: &InvoiceCreate, expected: Problem) {
    assert_eq!(node().make(order, &chance(), NOW).err(), Some(expected));
}

#[test]
fn an_invoice_says_what_was_ordered_to_the_msat() {
    for amount_msat in [1, 9, 10, 999, 21_000, 123_456_789, Msat::MAX.0] {
        let made = node().make(&InvoiceCreate { amount_msat, ..order() }, &chance(), NOW).unwrap();
        let invoice = read(&made.bolt11).unwrap();
        assert!(made.bolt11.starts_with("lnbcrt"), "{}", made.bolt11);
        assert_eq!(invoice.amount_milli_satoshis(), Some(amount_msat));
        assert_eq!(payment_hash(&invoice), Preimage::new([0x11; 32]).payment_hash());
        assert_eq!(invoice.get_payee_pub_key(), node().payee());
        assert_eq!(invoice.payment_secret().0, [0x22; 32]);
        assert_eq!((invoice.expiry_time().as_secs(), made.expires_at), (600, NOW.plus(600)));
        assert_eq!(invoice.description().to_string(), "an article");
    }
}

#[test]
fn an_amount_past_either_end_makes_no_invoice() {
    check(&InvoiceCreate { amount_msat: 0, ..order() }, Problem::Amount);
    check(&InvoiceCreate { amount_msat: Msat::MAX.0 + 1, ..order() }, Problem::Amount);
    check(&InvoiceCreate { amount_msat: u64::MAX, ..order() }, Problem::Amount);
}

#[test]
fn an_invoice_for_any_amount_names_none_and_keeps_to_the_other_limits() {
    for amount_msat in [0, 21_000, u64::MAX] {
        let order = InvoiceCreate { amount_msat, ..order() };
        let made = node().make_for_any_amount(&order, &chance(), NOW).unwrap();
        assert_eq!(read(&made.bolt11).unwrap().amount_milli_satoshis(), None, "the order's is not looked at");
        assert_eq!((made.payment_hash, made.expires_at), (Preimage::new([0x11; 32]).payment_hash(), NOW.plus(600)));
    }
    let brief = InvoiceCreate { expiry_s: 59, ..order() };
    assert_eq!(node().make_for_any_amount(&brief, &chance(), NOW).err(), Some(Problem::Expiry));
}

#[test]
fn a_description_and_an_expiry_have_limits() {
    for (length, fits) in [(0, true), (639, true), (640, false)] {
        let order = InvoiceCreate { description: "x".repeat(length), ..order() };
        assert_eq!(node().make(&order, &chance(), NOW).err(), (!fits).then_some(Problem::Description), "{length}");
    }
    for (expiry_s, fits) in [(59, false), (60, true), (604_800, true), (604_801, false), (u64::MAX, false)] {
        let order = InvoiceCreate { expiry_s, ..order() };
        assert_eq!(node().make(&order, &chance(), NOW).err(), (!fits).then_some(Problem::Expiry), "{expiry_s}");
    }
    check(&InvoiceCreate { service: "s".repeat(129), ..order() }, Problem::Label);
}

#[test]
fn a_pinned_payee_gets_invoices_of_that_node_only() {
    let own = node().payee().to_string();
    assert!(node().make(&InvoiceCreate { payee: Some(own), ..order() }, &chance(), NOW).is_ok());

    let other = DevNode::new(SecretKey::from_slice(&[0x43; 32]).unwrap(), None).payee();
    for payee in [other.to_string(), "02".to_owned(), String::new()] {
        check(&InvoiceCreate { payee: Some(payee), ..order() }, Problem::Payee);
    }
    let pinned = DevNode::new(SecretKey::from_slice(&[0x42; 32]).unwrap(), Some(other));
    assert_eq!(pinned.make(&order(), &chance(), NOW).err(), Some(Problem::Payee));
}

#[test]
fn an_invoice_that_differs_in_one_thing_is_not_believed() {
    // T55, with the invoice of an honest node and expectations that are each off by one.
    let made = node().make(&order(), &chance(), NOW).unwrap();
    let payees = [node().payee()];
    let other = [DevNode::new(SecretKey::from_slice(&[0x43; 32]).unwrap(), None).payee()];
    let right = Expected {
        network: Network::Regtest,
        payment_hash: made.payment_hash,
        amount_msat: Some(21_000),
        expiry_max_s: 600,
        payees: &payees,
    };
    let check = |bolt11: &str, expected: &Expected<'_>| invoice::check(bolt11, expected);
    assert_eq!(check(&made.bolt11, &right), Ok(NOW.plus(600)));
    for amount_msat in [Some(21_001), None] {
        assert_eq!(check(&made.bolt11, &Expected { amount_msat, ..right }), Err("amount"));
    }
    assert_eq!(check(&made.bolt11, &Expected { expiry_max_s: 601, ..right }), Ok(NOW.plus(600)), "shorter is fine");
    assert_eq!(check(&made.bolt11, &Expected { expiry_max_s: 599, ..right }), Err("expiry"));
    assert_eq!(check(&made.bolt11, &Expected { payment_hash: PaymentHash([0; 32]), ..right }), Err("payment hash"));
    assert_eq!(check(&made.bolt11, &Expected { payees: &other, ..right }), Err("payee"));

    let mut changed = made.bolt11.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'q' { 'p' } else { 'q' });
    assert_eq!(check(&changed, &right), Err("unreadable"));
    assert_eq!(check(&"l".repeat(5_000), &right), Err("unreadable"));

    let mainnet = InvoiceBuilder::new(Currency::Bitcoin)
        .description("an article".into())
        .payment_hash(sha256::Hash::from_byte_array(made.payment_hash.0))
        .payment_secret(PaymentSecret([0x22; 32]))
        .duration_since_epoch(Duration::from_secs(NOW.0))
        .expiry_time(Duration::from_secs(600))
        .min_final_cltv_expiry_delta(144)
        .amount_milli_satoshis(21_000)
        .build_signed(|message| node().secp.sign_ecdsa_recoverable(message, &node().key))
        .unwrap();
    assert_eq!(check(&mainnet.to_string(), &right), Err("network"));
}
