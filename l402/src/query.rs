//! What a query must not hold: a credential of ours, which logs and referrers would keep (T121), and another method than the
//! one that was checked (T30).
//!
//! An ordinary query costs a look at the first bytes of each of its parts, and nothing is decoded where nothing is encoded.

use std::borrow::Cow;

use crate::credential::UnverifiedL402;
use crate::json;
use crate::path::decode;
use crate::token::UnverifiedToken;

/// No token of a balance is shorter, without its prefix.
const TOKEN_CHARS: usize = 87;
/// How often a part is decoded: a URL inside of a URL inside of a URL.
const DECODINGS_MAX: usize = 3;
/// A Payment credential is no shorter.
const PAYMENT_CHARS_MIN: usize = 100;

/// Whether a part of the query is a token or a credential of ours, or begins as the token of a balance does. A name alone,
/// `?token=abc`, says nothing: half the web resets passwords by it.
#[must_use]
pub fn holds_credential(query: &str, token_prefix: Option<&str>) -> bool {
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A parameter may be called `sat_score`: at a name's place only what has a token's length is one.
        let prefix = token_prefix.filter(|_| name.len() >= TOKEN_CHARS);
        is_credential(value, token_prefix) || is_credential(name, prefix)
    })
}

fn is_credential(part: &str, token_prefix: Option<&str>) -> bool {
    let mut text = Cow::Borrowed(part);
    for _ in 0..=DECODINGS_MAX {
        if reads_as_credential(&text, token_prefix) {
            return true;
        }
        if !text.contains('%') {
            return false;
        }
        text = match decode(&text) {
            Cow::Borrowed(_) => return false,
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        };
    }
    false
}

fn reads_as_credential<'t>(text: &'t str, token_prefix: Option<&str>) -> bool {
    // What a form makes of a blank; a `+` inside of a token stays one.
    let bare = |text: &'t str| text.trim_start_matches([' ', '\t', '+', '"', '\'']);
    let mut text = bare(text);
    while let Some(rest) = behind_scheme(text) {
        text = bare(rest);
    }
    if token_prefix.is_some_and(|prefix| text.starts_with(prefix)) {
        return true;
    }
    match text.as_bytes() {
        // Version 2 of a macaroon, its location or its identifier: `02 01`, `02 02`.
        [b'A', b'g', b'E' | b'I', ..] => {
            let text = text.replace(' ', "+");
            let token = text.split([':', ',']).next().unwrap_or_default();
            UnverifiedToken::parse(token).is_ok() || UnverifiedL402::parse(&text).is_ok()
        }
        // `{"`: a Payment credential, or what only looks like one, as every JWT does.
        [b'e', b'y', b'J', ..] if text.len() >= PAYMENT_CHARS_MIN => json::parse_base64url(text).is_some_and(|value| {
            value.get("payload").is_some() && value.get("challenge").is_some_and(|echo| echo.get("id").is_some())
        }),
        _ => false,
    }
}

/// What follows the name of a scheme that carries something of ours.
fn behind_scheme(text: &str) -> Option<&str> {
    ["l402", "lsat", "payment", "bearer"].iter().find_map(|name| {
        let head = text.get(..name.len())?;
        let rest = text.get(name.len()..)?.strip_prefix([' ', '+', '\t', ':'])?;
        head.eq_ignore_ascii_case(name).then_some(rest)
    })
}

/// The methods that `_method` names in a query, for an origin that takes its word over the request's own (Rails, Laravel,
/// Symfony, Express method-override). Empty ones name none.
pub fn named_methods(query: &str) -> impl Iterator<Item = String> {
    query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_it = name.len() >= "_method".len() && decode(name).eq_ignore_ascii_case(b"_method");
        let value = String::from_utf8_lossy(&decode(value)).trim().to_ascii_uppercase();
        (is_it && !value.is_empty()).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::to_base64url;

    // wire.md §2, vector 3.
    const TOKEN: &str = "AgEEbHNhdAJCAAAC1EmjH7smfI81Lplop54+X8lcG76qUC/WRU695aS+3CIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiAAIOc2VydmljZXM9YXBpOjAAAhphcGlfdmFsaWRfdW50aWw9MTkwMDAwMDAwMAAABiDDTSooCa4bVOOLzFUCU/G11LPUYWwawfUqzFJmMkvNQA==";

    fn holds(query: &str) -> bool {
        holds_credential(query, Some("abl_"))
    }

    fn percent(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    /// Row A11 (T121).
    #[test]
    fn a_credential_under_any_name_is_found_and_a_name_alone_is_none_a11() {
        let credential = format!("{TOKEN}:{}", "11".repeat(32));
        let payment = to_base64url(
            format!(
                r#"{{"challenge":{{"id":"i","realm":"r","method":"lightning","intent":"charge","request":"cQ"}},"payload":{{"preimage":"{}"}}}}"#,
                "11".repeat(32)
            )
            .as_bytes(),
        );
        let url_safe = TOKEN.replace('+', "-").replace('/', "_").replace('=', "");
        for secret in [
            TOKEN,
            &url_safe,
            &credential,
            &format!("L402 {credential}"),
            &format!("lsat+{credential}"),
            &format!("Bearer abl_{}", "A".repeat(87)),
            &format!("abl_{}", "A".repeat(87)),
            &payment,
            &format!("Payment {payment}"),
        ] {
            for query in [
                format!("token={secret}"),
                format!("a=1&access_token={secret}&b=2"),
                format!("x[y]={secret}"),
                secret.to_owned(),
                format!("token={}", percent(secret)),
                format!("token={}", percent(&percent(secret))),
                format!("{}=1", percent(secret)),
            ] {
                assert!(holds(&query), "{query}");
            }
        }
        for begun in ["k=abl_", "k=abl_0123", "k=Bearer+Bearer+abl_0", "k=%61bl_"] {
            assert!(holds(begun), "{begun}");
        }
        for fine in [
            "token=abc",
            "abl_score=3&abl_flag",
            "access_token=AgEEbHNhdA&api_key=sk-1",
            "token",
            "q=Agent&page=2",
            "q=AgEE",
            "q=enabl_e&cabl_e=1",
            "jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "l402x=1&scheme=Bearer",
            "q=%41gent%20one&r=%zz",
            "",
            "&&=&a==",
        ] {
            assert!(!holds(fine), "{fine}");
        }
        assert!(!holds_credential("q=abl_x", None));
    }

    /// Row A18 (T30).
    #[test]
    fn a_method_in_the_query_is_seen_in_any_spelling_a18() {
        let named = |query: &str| named_methods(query).collect::<Vec<_>>();
        assert_eq!(named("a=1&_method=delete"), ["DELETE"]);
        assert_eq!(named("%5fmethod=%44ELETE&_Method=PUT"), ["DELETE", "PUT"]);
        for none in ["method=DELETE", "_method", "_method=", "x_method=DELETE", "_methods=PUT"] {
            assert_eq!(named(none), [""; 0], "{none}");
        }
    }
}
