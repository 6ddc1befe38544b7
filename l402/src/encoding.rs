//! The base64 forms that are read and written here. Strict: no newline, no stray trailing bits.

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD as STANDARD_ALPHABET, URL_SAFE as URL_SAFE_ALPHABET};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

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
        }
        for text in ["+---_w", "++++/x", "++++/w=", "++++\n/w==", "++++/w== "] {
            assert_eq!(base64_any(text), None, "{text:?}");
        }
    }
}
