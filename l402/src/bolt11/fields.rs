//! The walk over the parts of an invoice: its human-readable part, its tagged fields, their 5-bit words.

use super::{Bolt11Fault, Network};
use crate::amount::Msat;
use crate::prelude::*;

/// The even feature bit for blinded paths in the invoice itself (bLIP 39). They must be there, else nobody can pay by them.
const BLINDED_PATHS: usize = 262;

/// The even feature bits of BOLT 9's context `9` that a payer is known to understand: onion format, payment secret,
/// multi-part, route blinding, attribution data, payment metadata, trampoline. Any other makes an invoice unpayable.
const KNOWN_EVEN_FEATURES: [usize; 7] = [8, 14, 16, 24, 36, 48, 56];

/// `ln` ‖ network ‖ amount ‖ multiplier.
pub(super) fn human_readable(prefix: &str) -> Result<(Network, Option<Msat>), Bolt11Fault> {
    let rest = prefix.strip_prefix("ln").ok_or(Bolt11Fault::Prefix)?;
    // The longer names first: `bcrt` and `tbs` begin like `bc` and `tb`.
    [("bcrt", Network::Regtest), ("tbs", Network::Signet), ("bc", Network::Mainnet), ("tb", Network::Testnet)]
        .into_iter()
        .find_map(|(name, network)| Some((network, rest.strip_prefix(name)?)))
        .ok_or(Bolt11Fault::Prefix)
        .and_then(|(network, amount)| match amount {
            "" => Ok((network, None)),
            digits => Ok((network, Some(amount_msat(digits).ok_or(Bolt11Fault::Amount)?))),
        })
}

/// Bitcoin by default, or thousandths, millionths, … of one; in millisatoshi. Less than 2^64 pico-bitcoin: decoders that
/// count in those show more as "no amount" (T57).
fn amount_msat(text: &str) -> Option<Msat> {
    let canonical = |digits: &str| !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    let (digits, msat) = match text.char_indices().next_back()? {
        (end, 'm') => (text.get(..end)?, 100_000_000),
        (end, 'u') => (text.get(..end)?, 100_000),
        (end, 'n') => (text.get(..end)?, 100),
        (end, 'p') => (text.get(..end)?.strip_suffix('0')?, 1), // tenths of a millisatoshi (T56)
        _ => (text, 100_000_000_000),
    };
    let amount = canonical(digits).then(|| digits.parse::<u64>().ok()?.checked_mul(msat)).flatten()?;
    amount.checked_mul(10).map(|_pico| Msat(amount))
}

/// The tagged fields that matter here.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) payment_hash: Option<[u8; 32]>,
    pub(super) payment_secret: Option<[u8; 32]>,
    pub(super) description: Option<String>,
    pub(super) description_hash: Option<[u8; 32]>,
    pub(super) expiry_s: Option<u64>,
    pub(super) payee: Option<[u8; 33]>,
    pub(super) has_blinded_paths: bool,
    needs_blinded_paths: bool,
}

impl Fields {
    /// Tag (5 bits), length (10 bits), data; over and over.
    pub(super) fn walk(mut words: &[u8]) -> Result<Self, Bolt11Fault> {
        let mut fields = Self::default();
        while !words.is_empty() {
            let [tag, high, low, rest @ ..] = words else { return Err(Bolt11Fault::Truncated) };
            let length = usize::from(*high) * 32 + usize::from(*low);
            let (data, rest) = rest.split_at_checked(length).ok_or(Bolt11Fault::Truncated)?;
            fields.read(*tag, data)?;
            words = rest;
        }
        if fields.needs_blinded_paths && !fields.has_blinded_paths {
            return Err(Bolt11Fault::UnknownFeature(BLINDED_PATHS));
        }
        Ok(fields)
    }

    fn read(&mut self, tag: u8, data: &[u8]) -> Result<(), Bolt11Fault> {
        match (tag, data.len()) {
            (1, 52) => once(&mut self.payment_hash, 'p', bytes('p', data)?),
            (16, 52) => once(&mut self.payment_secret, 's', bytes('s', data)?),
            (6, _) => once(&mut self.expiry_s, 'x', number(data).ok_or(Bolt11Fault::Content('x'))?),
            (19, 53) => match bytes::<33>('n', data)? {
                key @ [2 | 3, ..] => once(&mut self.payee, 'n', key),
                _ => Err(Bolt11Fault::Content('n')),
            },
            (13, _) if self.description_hash.is_some() => Err(Bolt11Fault::Repeated('d')),
            (13, _) => {
                let text = String::from_utf8(unpack('d', data)?).map_err(|_| Bolt11Fault::Content('d'))?;
                once(&mut self.description, 'd', text)
            }
            (23, 52) if self.description.is_some() => Err(Bolt11Fault::Repeated('h')),
            (23, 52) => once(&mut self.description_hash, 'h', bytes('h', data)?),
            // One field for each path.
            (20, 1..) => {
                self.has_blinded_paths = true;
                Ok(())
            }
            (5, _) => {
                self.needs_blinded_paths |= known_features(data)?;
                Ok(())
            }
            _ => Ok(()), // BOLT 11: a reader MUST skip over unknown fields.
        }
    }
}

fn once<T>(slot: &mut Option<T>, tag: char, value: T) -> Result<(), Bolt11Fault> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Bolt11Fault::Repeated(tag)),
    }
}

/// A big-endian number of 5-bit digits; `None` past 64 bits.
pub(super) fn number(words: &[u8]) -> Option<u64> {
    words.iter().try_fold(0_u64, |sum, word| sum.checked_mul(32)?.checked_add(u64::from(*word)))
}

/// Packs 5-bit words into bytes; what is left over must be zeros, and less than a word.
fn unpack(tag: char, words: &[u8]) -> Result<Vec<u8>, Bolt11Fault> {
    let mut packed = Vec::with_capacity(words.len() * 5 / 8);
    let (mut bits, mut held) = (0_u16, 0_u32);
    for word in words {
        bits = (bits << 5) | u16::from(*word);
        held += 5;
        if held >= 8 {
            held -= 8;
            packed.extend((bits >> held).to_be_bytes().last());
            bits &= (1 << held) - 1;
        }
    }
    if bits == 0 && held < 5 { Ok(packed) } else { Err(Bolt11Fault::Padding(tag)) }
}

fn bytes<const N: usize>(tag: char, words: &[u8]) -> Result<[u8; N], Bolt11Fault> {
    unpack(tag, words)?.try_into().map_err(|_| Bolt11Fault::Content(tag))
}

/// BOLT 11: "if the `9` field contains unknown even bits that are non-zero: MUST fail the payment". Whether
/// blinded paths are demanded.
fn known_features(words: &[u8]) -> Result<bool, Bolt11Fault> {
    let mut needs_blinded_paths = false;
    for (place, word) in words.iter().rev().enumerate() {
        for bit in (0..5).filter(|bit| word & (1 << bit) != 0).map(|bit| place * 5 + bit) {
            if bit == BLINDED_PATHS {
                needs_blinded_paths = true;
            } else if bit % 2 == 0 && !KNOWN_EVEN_FEATURES.contains(&bit) {
                return Err(Bolt11Fault::UnknownFeature(bit));
            }
        }
    }
    Ok(needs_blinded_paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B11: what lnd writes into an invoice with blinded paths: no `s`, a path under tag 20, and feature 262 demanded.
    #[test]
    fn blinded_paths_are_seen_and_demanded_ones_must_be_there_b11() {
        let path = [20, 0, 2, 1, 1];
        let mut feature = vec![5, 1, 21, 4];
        feature.resize(56, 0);
        let walk = |parts: &[&[u8]]| {
            let fields = Fields::walk(&parts.concat())?;
            Ok((fields.has_blinded_paths, fields.payment_secret.is_some()))
        };
        assert_eq!(walk(&[&path, &feature]), Ok((true, false)));
        assert_eq!(walk(&[&feature, &path, &path]), Ok((true, false)));
        assert_eq!(walk(&[&path]), Ok((true, false)));
        assert_eq!(walk(&[&feature]), Err(Bolt11Fault::UnknownFeature(262)));
        assert_eq!(walk(&[&[20, 0, 0]]), Ok((false, false)));
        // The bit beside it, demanded, is as unknown as ever.
        let other = [vec![5, 1, 21, 16], vec![0; 52]].concat();
        assert_eq!(walk(&[&path, &other]), Err(Bolt11Fault::UnknownFeature(264)));
    }
}
