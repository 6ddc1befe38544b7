//! A token from its bytes on the wire to a checked one: parse, then MAC, then (elsewhere) caveats.

use core::fmt;

use macaroon::{Caveat, Format, Macaroon, Verifier};
use subtle::ConstantTimeEq;

use crate::encoding::{base64_any, to_base64};
use crate::fault::{Denial, Malformed};
use crate::identifier::Identifier;
use crate::keys::Keys;
use crate::preimage::Preimage;
use crate::secret::fingerprint;

/// Longest token that is looked at, in characters.
pub const TOKEN_CHARS_MAX: usize = 6 * 1024;
/// Most caveats one token may have.
pub const CAVEATS_MAX: usize = 48;
/// Location that minted tokens name; the field's "who made this", not part of the signature.
pub const LOCATION: &str = "satstile";

/// The caveat of a token that was paid by the word of the node, without a preimage (C5). The edge adds it; who adds it
/// alone has gained nothing, since the second half of the credential must then be what the edge alone can tell.
pub const ATTESTED: &str = "satstile_attested=1";

/// A well-formed macaroon with an L402 identifier. Says nothing yet about who made it.
#[derive(Clone)]
pub struct UnverifiedToken {
    macaroon: Macaroon,
    identifier: Identifier,
}

/// A token that we signed. Says nothing yet about payment, or about this request.
#[derive(Clone)]
pub struct Token {
    macaroon: Macaroon,
    /// What it commits to.
    pub identifier: Identifier,
    /// Signed by a master key that is retired.
    pub is_retired: bool,
}

impl UnverifiedToken {
    /// Reads the one V2 encoding that is canonical, in either base64 alphabet, padded or not (T5).
    ///
    /// # Errors
    /// [`Malformed::TokenFormat`] for a macaroon that another library would read, and that one call turns into this form;
    /// [`Malformed::Credential`] for anything else: trailing or concatenated bytes, long
    /// varints, another identifier than the 66 bytes of version 0, too many caveats.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        use Malformed::Credential as No;
        if text.len() > TOKEN_CHARS_MAX {
            return Err(No("the token is too long"));
        }
        // Lines of base64, folded into one header. One byte at a time is sought in words; a set of characters is not, and
        // took as long as all that is hashed here.
        let unfolded = (text.contains(' ') || text.contains('\t')).then(|| text.replace([' ', '\t'], ""));
        let text = unfolded.as_deref().unwrap_or(text);
        if is_of_another_format(text) {
            return Err(Malformed::TokenFormat);
        }
        let bytes = base64_any(text).ok_or(No("the token is not base64"))?;
        if bytes.first() != Some(&2) {
            return Err(No("the token is not a version 2 macaroon"));
        }
        let macaroon = Macaroon::deserialize_binary(&bytes).map_err(|_| No("the token is not a macaroon"))?;
        let again = macaroon.serialize(Format::V2).map_err(|_| No("the token is not a macaroon"))?;
        if base64_any(&again).as_ref() != Some(&bytes) {
            return Err(No("the token is not in its canonical form"));
        }
        if macaroon.caveats().len() > CAVEATS_MAX {
            return Err(No("the token has too many caveats"));
        }
        let identifier =
            Identifier::parse(macaroon.identifier()).ok_or(No("the token's identifier is not an L402 one"))?;
        Ok(Self { macaroon, identifier })
    }

    /// What it claims to commit to.
    #[must_use]
    pub const fn unverified_identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// The token is ours and unchanged. The comparison takes constant time (T3).
    ///
    /// # Errors
    /// [`Denial::UnknownKey`], [`Denial::ThirdPartyCaveat`] or [`Denial::BadSignature`]: all of them
    /// forgeries that cost no invoice (T129).
    pub fn verify(self, keys: &Keys) -> Result<Token, Denial> {
        let root = keys.root_key(&self.identifier).ok_or(Denial::UnknownKey)?;
        if self.macaroon.caveats().iter().any(|c| matches!(c, Caveat::ThirdParty(_))) {
            return Err(Denial::ThirdPartyCaveat);
        }
        // Signature first: caveats are words until it stands, and are cleared by `caveat::clear`.
        let mut verifier = Verifier::default();
        verifier.satisfy_general(|_| true);
        verifier.verify(&self.macaroon, &root.key, &[]).map_err(|_| Denial::BadSignature)?;
        Ok(Token { macaroon: self.macaroon, identifier: self.identifier, is_retired: root.retired })
    }

    /// Adds a caveat: what a holder does before handing a token on (attenuation needs no key).
    ///
    /// # Errors
    /// [`Malformed::Credential`] when the caveat or the token grows too large.
    pub fn attenuate(mut self, caveat: &str) -> Result<Self, Malformed> {
        if self.macaroon.caveats().len() >= CAVEATS_MAX || caveat.len() > 1_024 {
            return Err(Malformed::Credential("the token cannot take another caveat of this size"));
        }
        self.macaroon
            .add_first_party_caveat(caveat)
            .map_err(|_| Malformed::Credential("the caveat cannot be added"))?;
        Ok(self)
    }

    /// Its text on the wire: base64, standard alphabet, padded (L402 §4).
    #[must_use]
    pub fn to_wire(&self) -> String {
        to_wire(&self.macaroon)
    }
}

impl Token {
    /// Makes a token (C2). `identifier` carries the minting key's id, see [`Keys::minting_id`].
    ///
    /// # Errors
    /// [`Denial::UnknownKey`] when the identifier names no master key.
    #[cfg(feature = "mint")]
    pub fn mint(keys: &Keys, identifier: Identifier, caveats: &[String]) -> Result<Self, Denial> {
        let root = keys.root_key(&identifier).ok_or(Denial::UnknownKey)?;
        let made = Macaroon::create(Some(LOCATION), &root.key, identifier.to_bytes()).and_then(|mut macaroon| {
            for caveat in caveats {
                macaroon.add_first_party_caveat(caveat)?;
            }
            Ok(macaroon)
        });
        // Fails past 64 KiB a field only; `Policy` bounds every name and value in `caveats`.
        let macaroon = made.map_err(|_| Denial::UnknownCaveat)?;
        Ok(Self { macaroon, identifier, is_retired: root.retired })
    }

    /// Whether its second half is an attestation instead of a preimage: [`ATTESTED`] stands in it, once. Says nothing
    /// about payment, since every holder can add a caveat.
    #[must_use]
    pub fn takes_attestation(&self) -> bool {
        self.caveats().filter(|caveat| *caveat == ATTESTED.as_bytes()).count() == 1
    }

    /// The second half of a credential proves that its invoice was paid: by arithmetic, or because nobody but a holder
    /// of the master key could have told it, which the edge does once the node says so. Never both ways: a token that
    /// takes the one takes no other.
    #[must_use]
    pub(crate) fn is_proven_by(&self, keys: &Keys, unverified_proof: &Preimage) -> bool {
        match self.takes_attestation() {
            // The hash is public, so plain comparison will do.
            false => unverified_proof.payment_hash() == self.identifier.payment_hash,
            true => keys
                .attestation(&self.identifier)
                .is_some_and(|attestation| bool::from(attestation.ct_eq(unverified_proof.expose()))),
        }
    }

    /// The same token with [`ATTESTED`], and the attestation that goes with it in a preimage's place (C5). Call it only
    /// once the node has said that this invoice was settled, in full.
    ///
    /// `None` for a token of a retired master, which attests nothing new, or one that can take no more caveats.
    #[must_use]
    pub fn attest(mut self, keys: &Keys) -> Option<(Self, Preimage)> {
        if self.is_retired {
            return None;
        }
        if !self.takes_attestation() {
            self.macaroon.add_first_party_caveat(ATTESTED).ok()?;
        }
        let attestation = keys.attestation(&self.identifier).filter(|_| self.takes_attestation())?;
        Some((self, Preimage::new(attestation)))
    }

    /// The caveats' bytes, in order.
    pub fn caveats(&self) -> impl Iterator<Item = &[u8]> {
        self.macaroon.caveats().iter().filter_map(|c| c.as_first_party()).map(|c| c.predicate())
    }

    /// Its text on the wire: base64, standard alphabet, padded (L402 §4).
    #[must_use]
    pub fn to_wire(&self) -> String {
        to_wire(&self.macaroon)
    }
}

/// Whether these are the beginnings of a macaroon in JSON, in hex or in version 1. One token has one encoding here, so
/// that nothing is ever compared in two forms; but the holder is told what to do about it.
fn is_of_another_format(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    match text.as_bytes() {
        // `{"v":2`, `{"identifier` and the same with blanks or line breaks, as text and in base64.
        [b'{', ..] | [b'e', b'y' | b'w', ..] => true,
        [b'0', b'2', b'0', b'1' | b'2', ..] => is_hex(text),
        // A packet of version 1 begins with its length, four hex digits of which the first is 0: `0016location`.
        [b'M', b'D', b'A', ..] => true,
        _ => false,
    }
}

/// Says which token in a log, and lets nobody use it (T120).
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", fingerprint(&self.identifier.token_id))
    }
}

impl fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedToken({})", fingerprint(&self.identifier.token_id))
    }
}

fn to_wire(macaroon: &Macaroon) -> String {
    let text = macaroon.serialize(Format::V2).unwrap_or_default();
    base64_any(&text).map(|bytes| to_base64(&bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::key;
    use crate::preimage::PaymentHash;

    fn ring(ids: &str) -> Keys {
        Keys::parse(ids, &key(9)).unwrap()
    }

    fn minted() -> (Keys, String) {
        let keys = ring(&format!("1:{}", key(1)));
        let token =
            Token::mint(&keys, Identifier::new(PaymentHash([7; 32]), 1, [9; 31]), &["services=api:0".into()]).unwrap();
        (keys, token.to_wire())
    }

    #[test]
    fn a_minted_token_verifies_and_keeps_its_bytes() {
        let (keys, wire) = minted();
        let token = UnverifiedToken::parse(&wire).unwrap().verify(&keys).unwrap();
        assert_eq!(token.to_wire(), wire);
        assert_eq!(token.caveats().collect::<Vec<_>>(), [b"services=api:0"]);
        assert!(!token.is_retired);
    }

    #[test]
    fn every_flipped_bit_is_refused_t3() {
        let (keys, wire) = minted();
        let bytes = base64_any(&wire).unwrap();
        for i in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[i / 8] ^= 1 << (i % 8);
            let outcome = UnverifiedToken::parse(&to_base64(&bytes)).ok().map(|t| t.verify(&keys).is_ok());
            // The location is a hint outside the signature (macaroon §1.2), so its letters may differ.
            let in_location = (3..3 + LOCATION.len()).contains(&(i / 8));
            assert!(in_location || outcome != Some(true), "bit {i}");
        }
    }

    #[test]
    fn one_token_has_one_encoding_t5() {
        let (_, wire) = minted();
        let bytes = base64_any(&wire).unwrap();
        let refused = |bytes: &[u8]| assert!(UnverifiedToken::parse(&to_base64(bytes)).is_err());
        refused(&[&bytes[..], &[0]].concat());
        refused(&[&bytes[..], &bytes[..]].concat());
        refused(&[&[2, 1, 0x88, 0], &bytes[3..]].concat()); // the location's length 8 as an overlong varint
        refused(&bytes[..bytes.len() - 1]);
        assert!(UnverifiedToken::parse(wire.trim_end_matches('=')).is_ok(), "padding is the carrier's");
    }

    /// Row C9 (T5): what another library makes of a child token is read where it is the same bytes, and else the holder is
    /// told what to do.
    #[test]
    fn another_serialisation_is_refused_with_advice_and_another_base64_is_read_c9() {
        let (keys, wire) = minted();
        let bytes = base64_any(&wire).unwrap();
        let macaroon = UnverifiedToken::parse(&wire).unwrap().macaroon;
        let json = r#"{"v":2,"i64":"AAAC","s64":"AAAA"}"#;
        for other in [
            json.to_owned(),
            r#"{"identifier":"x","signature":"00"}"#.to_owned(),
            to_base64(json.as_bytes()),
            crate::encoding::to_base64url(json.as_bytes()),
            to_base64(b"{ \"v\": 2}"),
            to_base64(b"{\n \"v\": 2}"),
            macaroon.serialize(Format::V1).unwrap(),
            to_base64(b"0016location satstile\n"),
            hex::encode(&bytes),
        ] {
            assert_eq!(UnverifiedToken::parse(&other).unwrap_err(), Malformed::TokenFormat, "{other}");
        }
        let (first, second) = wire.split_at(64);
        for same in [
            wire.replace('+', "-").replace('/', "_").replace('=', ""),
            format!("{first} {second}"),
            format!("{first}\t {second}"),
        ] {
            let token = UnverifiedToken::parse(&same).unwrap();
            assert_eq!(token.to_wire(), wire, "{same}");
            assert!(token.verify(&keys).is_ok());
        }
        assert!(matches!(UnverifiedToken::parse("Zm9v"), Err(Malformed::Credential(_))));
    }

    #[test]
    fn unknown_keys_are_junk_and_retired_ones_are_known_t15() {
        let (_, wire) = minted();
        let parsed = UnverifiedToken::parse(&wire).unwrap();
        let denied = |keys: &str| parsed.clone().verify(&ring(keys)).unwrap_err();
        assert_eq!(denied(&format!("2:{}", key(1))), Denial::UnknownKey);
        assert_eq!(denied(&format!("1:{}", key(2))), Denial::BadSignature);
        let retired = ring(&format!("2:{},1!:{}", key(2), key(1)));
        assert!(parsed.verify(&retired).unwrap().is_retired);
    }

    #[test]
    fn attenuation_keeps_the_signature_chain() {
        let (keys, wire) = minted();
        let narrowed = UnverifiedToken::parse(&wire).unwrap().attenuate("satstile_uses=1").unwrap();
        let narrowed = UnverifiedToken::parse(&narrowed.to_wire()).unwrap().verify(&keys).unwrap();
        assert_eq!(narrowed.caveats().last(), Some(&b"satstile_uses=1"[..]));
    }

    #[test]
    fn a_token_does_not_print() {
        let (_, wire) = minted();
        let token = UnverifiedToken::parse(&wire).unwrap();
        assert_eq!(format!("{token:?}").len(), "UnverifiedToken(12345678)".len());
    }
}
