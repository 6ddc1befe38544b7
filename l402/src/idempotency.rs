//! `Idempotency-Key`: a client's name for one request, under which the request can be repeated without a second effect
//! (draft-ietf-httpapi-idempotency-key-header; T73). What is remembered under a key, and how long, is the shell's.

use crate::fault::Malformed;

/// Longest key, in characters.
pub const KEY_CHARS_MAX: usize = 255;

/// Reads the field: a string of structured fields, `"8e03978e-40d5"` (RFC 9651 §3.3.3), or the same without quotes, as
/// most clients send it. Both spellings are one key.
///
/// # Errors
/// [`Malformed::IdempotencyKey`] for an empty or long key, for one with an escape, or with what no string holds; and for
/// two keys in one request.
pub fn key(field: &str) -> Result<&str, Malformed> {
    let quoted = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let key = quoted.unwrap_or(field);
    let fits = |byte: u8| match byte {
        b'"' | b'\\' => false,
        // Between two keys the runtime puts a comma and a blank.
        b' ' | b',' => quoted.is_some(),
        byte => byte.is_ascii_graphic(),
    };
    match (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(fits) {
        true => Ok(key),
        false => Err(Malformed::IdempotencyKey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_with_quotes_and_without() {
        for field in ["8e03978e-40d5-43e8", "\"8e03978e-40d5-43e8\""] {
            assert_eq!(key(field), Ok("8e03978e-40d5-43e8"));
        }
        assert_eq!(key("\"two words, one key\""), Ok("two words, one key"));
        assert_eq!(key(&"x".repeat(KEY_CHARS_MAX)).map(str::len), Ok(KEY_CHARS_MAX));
    }

    #[test]
    fn what_is_no_one_key_is_refused() {
        let long = "x".repeat(KEY_CHARS_MAX + 1);
        for field in [
            "",
            "\"\"",
            "\"",
            "a b",
            "a, b",
            "\"a\", \"b\"",
            "\"a",
            "a\"",
            "a\\b",
            "\"a\\\"b\"",
            "schlüssel",
            "a\tb",
            &long,
        ] {
            assert_eq!(key(field), Err(Malformed::IdempotencyKey), "{field}");
        }
    }
}
