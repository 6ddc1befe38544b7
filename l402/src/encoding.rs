//! The base64 forms that are read and written here. Strict: no newline, no stray trailing bits.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD as STANDARD_ALPHABET, URL_SAFE as URL_SAFE_ALPHABET};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::prelude::*;

const fn indifferent_to_padding(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

const STANDARD: GeneralPurpose = indifferent_to_padding(&STANDARD_ALPHABET);
const URL_SAFE: GeneralPurpose = indifferent_to_padding(&URL_SAFE_ALPHABET);

/// Decodes the standard or the URL-safe alphabet, padded or not; `None` for a mixture or anything else (T5).
#[must_use]
pub fn base64_any(text: &str) -> Option<Vec<u8>> {
    let url_safe = text.bytes().any(|b| b == b'-' || b == b'_');
    decode(if url_safe { &URL_SAFE } else { &STANDARD }, text)
}

/// Whether a text could go into a header as base64: one of the alphabets, and all of the padding or none. Weighs nothing,
/// which a browser is glad of; the trailing bits are the business of who decodes it.
#[must_use]
pub fn looks_like_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let has = |special: [u8; 2]| digits.bytes().all(|b| b.is_ascii_alphanumeric() || special.contains(&b));
    let padding = text.len() - digits.len();
    let is_whole = digits.len() % 4 != 1 && (padding == 0 || (padding < 3 && text.len().is_multiple_of(4)));
    !digits.is_empty() && is_whole && (has(*b"+/") || has(*b"-_"))
}

/// All of the padding or none of it: the engine alone would let half of it pass.
fn decode(engine: &GeneralPurpose, text: &str) -> Option<Vec<u8>> {
    let whole = !text.ends_with('=') || text.len().is_multiple_of(4);
    whole.then(|| engine.decode(text).ok()).flatten()
}

/// Decodes the URL-safe alphabet, padded or not: the Payment scheme's reading side.
#[must_use]
pub fn base64url(text: &str) -> Option<Vec<u8>> {
    decode(&URL_SAFE, text)
}

/// Encodes the standard alphabet with padding: tokens on the wire (L402 §4).
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Encodes the URL-safe alphabet without padding: everything in the Payment scheme, and cookies.
#[must_use]
pub fn to_base64url(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_alphabets_padded_or_not_but_no_mixture() {
        let bytes = [0xfb, 0xef, 0xbe, 0xff];
        for text in ["++++/w==", "++++/w", "----_w==", "----_w"] {
            assert_eq!(base64_any(text).as_deref(), Some(&bytes[..]), "{text}");
            assert!(looks_like_base64(text), "{text}");
        }
        for text in ["+---_w", "++++/w=", "++++/w===", "++++/", "++++\n/w==", "++++/w== "] {
            assert_eq!(base64_any(text), None, "{text:?}");
            assert!(!looks_like_base64(text), "{text:?}");
        }
        assert_eq!(base64_any("++++/x"), None, "stray bits");
        assert!(!looks_like_base64("") && !looks_like_base64("=="));
    }
}
