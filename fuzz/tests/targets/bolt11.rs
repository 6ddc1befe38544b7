//! Invoices from a node that may be anybody's.

use bech32::primitives::iter::Fe32IterExt;
use bech32::{Bech32, Fe32, Hrp};
use bolero::check;
use l402::bolt11::{Expected, Invoice, Network};
use l402::{Msat, PaymentHash, UnixTime};
use satstile_fuzz::{INVOICE, Input};

fn examine(text: &str, now: u64) {
    let Ok(invoice) = Invoice::parse(text) else { return };
    assert!(invoice.expires_at() >= invoice.timestamp);
    assert_eq!(Invoice::parse(&text.to_ascii_uppercase()).as_ref(), Ok(&invoice));
    assert_eq!(Invoice::parse(&text.to_ascii_lowercase()).as_ref(), Ok(&invoice));
    let expected = Expected {
        network: Network::Regtest,
        amount: invoice.amount.unwrap_or(Msat(1)),
        payment_hash: invoice.payment_hash,
        min_expiry_s: 60,
        max_expiry_s: 600,
        now: UnixTime(now),
    };
    if invoice.check(&expected).is_ok() {
        assert!(now + 60 <= invoice.expires_at().0 && invoice.has_payment_secret && invoice.amount.is_some());
        assert!(invoice.check(&Expected { payment_hash: PaymentHash([0; 32]), ..expected }).is_err());
    }
}

#[test]
fn text() {
    check!().with_type::<Input>().for_each(|input| examine(&input.text_near(&[INVOICE]), input.chance));
}

/// Past the checksum, where the fields are.
#[test]
fn fields() {
    let (prefix, data) = INVOICE.rsplit_once('1').unwrap();
    let words: Vec<u8> = data[..data.len() - 6].chars().map(|c| Fe32::from_char(c).unwrap().to_u8()).collect();
    let prefixes = [prefix, "lnbc", "lntb1p", "lntbs20m", "lnbcrt18446744073709551616n", "lnsb1u"];
    check!().with_type::<Input>().for_each(|input| {
        let words = input.near(&[&words, &words[..60]]).into_iter().map(|word| Fe32::try_from(word % 32).unwrap());
        let prefix = Hrp::parse(prefixes[usize::try_from(input.chance % 6).unwrap()]).unwrap();
        let text: String = words.with_checksum::<Bech32>(&prefix).chars().collect();
        examine(&text, 1_900_000_000 + input.chance % 600);
    });
}
