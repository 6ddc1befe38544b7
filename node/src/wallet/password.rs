//! The wallet's password, in the three places where clients put it. Compared in constant time (T3, T108).

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use l402::encoding::base64_any;
use l402::secret::fingerprint;
use subtle::ConstantTimeEq;

/// What stands between a stranger and the dev wallet.
pub(super) struct Password(String);

impl Password {
    pub(super) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// A person typed it.
    pub(super) fn is(&self, text: &str) -> bool {
        text.as_bytes().ct_eq(self.0.as_bytes()).into()
    }

    /// phoenixd: HTTP Basic without a user name.
    pub(super) fn is_basic(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, rest) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("basic").then(|| base64_any(rest)).flatten()
        });
        let expected = format!(":{}", self.0);
        given.is_some_and(|given| given.ct_eq(expected.as_bytes()).into())
    }

    /// LND: the "macaroon" is the hex of the password's bytes.
    pub(super) fn is_macaroon(&self, headers: &HeaderMap) -> bool {
        let given = headers.get("grpc-metadata-macaroon").and_then(|value| hex::decode(value.as_bytes()).ok());
        given.is_some_and(|given| given.ct_eq(self.0.as_bytes()).into())
    }
}

/// Shows a fingerprint (T120).
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Password({})", fingerprint(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn the_password_opens_and_its_neighbours_do_not() {
        let password = Password::new("hunter2");
        assert!(password.is("hunter2"));
        for text in ["", "hunter", "hunter3", "hunter22", "Hunter2"] {
            assert!(!password.is(text), "{text}");
        }
        let basic = |value: &str| password.is_basic(&headers(AUTHORIZATION, value));
        assert!(basic("Basic Omh1bnRlcjI=")); // :hunter2
        assert!(!basic("Basic Omh1bnRlcjM=")); // :hunter3
        assert!(!basic("Basic dTpodW50ZXIy")); // u:hunter2
        assert!(!basic("Basic aHVudGVyMg==")); // hunter2
        assert!(!basic("Bearer Omh1bnRlcjI=") && !basic("Basic") && !basic("Basic !"));

        let macaroon = |value: &str| password.is_macaroon(&headers("grpc-metadata-macaroon".parse().unwrap(), value));
        assert!(macaroon("68756e74657232") && macaroon("68756E74657232"));
        assert!(!macaroon("68756e74657233") && !macaroon("hunter2") && !macaroon("") && !macaroon("6875"));
        assert!(!password.is_macaroon(&HeaderMap::new()) && !password.is_basic(&HeaderMap::new()));
    }

    #[test]
    fn a_password_does_not_print() {
        assert!(!format!("{:?}", Password::new("hunter2")).contains("hunter2"));
    }
}
