//! What a back end knows an invoice by, kept in the token that the invoice pays for: nothing is stored at a 402, and
//! some back ends find an invoice by an id or an address of their own and not by its payment hash.
//!
//! It stands among the minted caveats as `satstile_ref=<base64url>`. A holder can only add caveats behind the last one,
//! so what stands at its place was put there by the edge, and by nobody else. It is encrypted, because some references
//! are worth something: whoever knows the `verify` address of LUD-21 is told the preimage there (T63).

use crate::caveat::REFERENCE;
use crate::encoding::{base64url, to_base64url};
use crate::identifier::Identifier;
use crate::keys::Keys;
use crate::token::Token;

/// Longest reference, in bytes: 200 characters in the caveat.
pub const BYTES_MAX: usize = 150;

/// Where it stands among the caveats: behind the service and its time, and before two that every token has (C2).
pub(crate) const PLACE: usize = 2;

/// Puts a reference among the caveats of a token that is about to be minted; an empty one leaves them as they are.
/// `None` for one that is too long. Call it once for each identifier: the key is of that token alone.
#[must_use]
pub fn conceal(keys: &Keys, identifier: &Identifier, reference: &str, caveats: &mut Vec<String>) -> Option<()> {
    if reference.is_empty() {
        return Some(());
    }
    if reference.len() > BYTES_MAX || caveats.len() <= PLACE {
        return None;
    }
    let mut bytes = reference.as_bytes().to_vec();
    keys.mask_reference(identifier, &mut bytes)?;
    caveats.insert(PLACE, format!("{REFERENCE}={}", to_base64url(&bytes)));
    Some(())
}

/// The reference of a token of ours, if it has one.
#[must_use]
pub fn reveal(keys: &Keys, token: &Token) -> Option<String> {
    let caveat = core::str::from_utf8(token.caveats().nth(PLACE)?).ok()?;
    let mut bytes = base64url(caveat.strip_prefix(REFERENCE)?.strip_prefix('=')?)?;
    keys.mask_reference(&token.identifier, &mut bytes)?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::key;
    use crate::preimage::PaymentHash;
    use crate::token::UnverifiedToken;

    const MINTED: [&str; 4] =
        ["services=api:0", "api_valid_until=1900000600", "satstile_aud=demo", "satstile_methods=GET,HEAD"];
    const VERIFY: &str = "https://shop.example/verify/9f86d081";

    fn keys(seed: u8) -> Keys {
        Keys::parse(&format!("1:{}", key(seed)), &key(9)).unwrap()
    }

    fn identifier(random: u8) -> Identifier {
        Identifier::new(PaymentHash([7; 32]), 1, [random; 31])
    }

    /// A token with this reference, and its caveats.
    fn sold(reference: &str) -> (Token, Vec<String>) {
        let mut caveats = MINTED.map(str::to_owned).to_vec();
        conceal(&keys(1), &identifier(1), reference, &mut caveats).unwrap();
        (Token::mint(&keys(1), identifier(1), &caveats).unwrap(), caveats)
    }

    #[test]
    fn a_reference_comes_back_to_the_edge_and_to_nobody_else_t63() {
        for reference in [VERIFY, "a", &"x".repeat(BYTES_MAX)] {
            let (token, caveats) = sold(reference);
            assert_eq!(reveal(&keys(1), &token).as_deref(), Some(reference));
            assert_ne!(reveal(&keys(2), &token).as_deref(), Some(reference));
            assert!(caveats[PLACE].len() <= REFERENCE.len() + 1 + 200, "{}", caveats[PLACE].len());
            let read = base64url(caveats[PLACE].strip_prefix("satstile_ref=").unwrap()).unwrap();
            assert_ne!(read, reference.as_bytes());
        }
    }

    #[test]
    fn its_bytes_are_pinned_because_tokens_out_there_hold_them() {
        // HKDF-SHA256 without a salt, the label `satstile reference v0` and the 66 bytes, as another library computes it.
        assert_eq!(sold("ba57e419-a6c9").1[PLACE], "satstile_ref=sixjrgkRZ9qfp0DDiQ");
    }

    #[test]
    fn two_tokens_hide_one_reference_differently() {
        let hidden = |random| {
            let mut caveats = MINTED.map(str::to_owned).to_vec();
            conceal(&keys(1), &identifier(random), VERIFY, &mut caveats).unwrap();
            caveats.remove(PLACE)
        };
        assert_ne!(hidden(1), hidden(2));
    }

    #[test]
    fn a_token_without_one_has_none_and_gets_none_by_attenuation() {
        let (token, caveats) = sold("");
        assert_eq!((caveats.len(), reveal(&keys(1), &token)), (4, None));
        let (_, foreign) = sold("of-another-invoice");
        let more = UnverifiedToken::parse(&token.to_wire()).unwrap().attenuate(&foreign[PLACE]).unwrap();
        assert_eq!(reveal(&keys(1), &more.verify(&keys(1)).unwrap()), None);
        let (token, _) = sold("ours");
        let more = UnverifiedToken::parse(&token.to_wire()).unwrap().attenuate(&foreign[PLACE]).unwrap();
        assert_eq!(reveal(&keys(1), &more.verify(&keys(1)).unwrap()).as_deref(), Some("ours"));
    }

    #[test]
    fn one_that_does_not_fit_is_said_so_and_not_cut_off() {
        let mut caveats = MINTED.map(str::to_owned).to_vec();
        assert_eq!(conceal(&keys(1), &identifier(1), &"x".repeat(BYTES_MAX + 1), &mut caveats), None);
        assert_eq!(caveats, MINTED);
        assert_eq!(conceal(&keys(1), &identifier(1), "x", &mut Vec::new()), None);
    }
}
