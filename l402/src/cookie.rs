//! The two cookies that let a browser without JavaScript wait and pass (C6).
//!
//! `wait` remembers an unpaid challenge, so that refreshing the page never makes another invoice;
//! `pass` holds the paid credential. Both are `__Host-`, `Secure` and `HttpOnly`, and count for GET
//! and HEAD only.

use crate::keys::{Keys, Purpose};

const WAIT: &str = "__Host-satstile-wait-";
const PASS: &str = "__Host-satstile-pass-";
const PREFIX: &str = "__Host-satstile-";

/// How long the `wait` cookie outlives its invoice: a payment in the last second still unlocks.
pub const WAIT_MARGIN_S: u64 = 600;

/// Our cookies of one service, and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies<'a> {
    /// Value of the `wait` cookie.
    pub unverified_wait: Option<&'a str>,
    /// Value of the `pass` cookie.
    pub unverified_pass: Option<&'a str>,
    /// The other cookies, for the origin; `None` when the header may stay as it is.
    pub rest: Option<String>,
}

impl<'a> Cookies<'a> {
    /// Picks ours out of a `Cookie` header.
    #[must_use]
    pub fn read(header: &'a str, service: &str) -> Self {
        if !header.contains(PREFIX) {
            return Self::default();
        }
        let mut found = Self::default();
        let mut rest = Vec::new();
        for pair in header.split(';').map(str::trim) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name.strip_prefix(PREFIX) {
                None => rest.push(pair),
                Some(_) if name.strip_prefix(WAIT) == Some(service) => found.unverified_wait = Some(value),
                Some(_) if name.strip_prefix(PASS) == Some(service) => found.unverified_pass = Some(value),
                Some(_) => {}
            }
        }
        found.rest = Some(rest.join("; "));
        found
    }
}

/// Whether a `Cookie` header has a `pass` of any service.
#[must_use]
pub fn has_pass(header: &str) -> bool {
    header.contains(PASS)
}

/// What a `wait` cookie of ours holds: the challenge that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The token, base64.
    pub token: String,
    /// The invoice.
    pub bolt11: String,
    /// Token of the invoice that was shown before, which ran out: a payment that was under way then is
    /// still looked for.
    pub previous: Option<String>,
}

impl Waiting {
    /// Opens a `wait` value; `None` when we did not seal it.
    #[must_use]
    pub fn open(keys: &Keys, service: &str, unverified_value: &str) -> Option<Self> {
        let (sealed, seal) = unverified_value.rsplit_once('.')?;
        let mut parts = sealed.split('.').map(str::to_owned);
        let (token, bolt11) = (parts.next()?, parts.next()?);
        let ours = keys.is_sealed(Purpose::WaitCookie, &format!("{service}.{sealed}"), seal);
        ours.then(|| Self { token, bolt11, previous: parts.next() })
    }

    /// The `Set-Cookie` that remembers this challenge until `max_age_s` has passed.
    #[must_use]
    pub fn set_cookie(&self, keys: &Keys, service: &str, max_age_s: u64) -> String {
        // The URL-safe alphabet without padding survives every cookie parser.
        let mut sealed = format!("{}.{}", url_safe(&self.token), self.bolt11);
        if let Some(previous) = &self.previous {
            sealed = format!("{sealed}.{}", url_safe(previous));
        }
        let seal = keys.seal(Purpose::WaitCookie, &format!("{service}.{sealed}"));
        set_cookie(WAIT, service, &format!("{sealed}.{seal}"), max_age_s)
    }
}

/// The `Set-Cookie` that lets a browser pass with `token:preimage` for the life of the grant.
#[must_use]
pub fn set_pass(service: &str, token: &str, preimage_hex: &str, max_age_s: u64) -> String {
    set_cookie(PASS, service, &format!("{}:{preimage_hex}", url_safe(token)), max_age_s)
}

fn url_safe(token: &str) -> String {
    token.replace('+', "-").replace('/', "_").replace('=', "")
}

/// The `Set-Cookie` that forgets a challenge.
#[must_use]
pub fn clear_wait(service: &str) -> String {
    set_cookie(WAIT, service, "", 0)
}

/// The `Set-Cookie` that forgets a paid credential.
#[must_use]
pub fn clear_pass(service: &str) -> String {
    set_cookie(PASS, service, "", 0)
}

fn set_cookie(kind: &str, service: &str, value: &str, max_age_s: u64) -> String {
    format!("{kind}{service}={value}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite=Lax")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::key;

    #[test]
    fn ours_are_picked_out_and_the_origin_gets_the_rest_t36() {
        let found = Cookies::read(
            "a=1; __Host-satstile-pass-api=t:p; __Host-satstile-wait-api=w; __Host-satstile-pass-dear=x; b=2",
            "api",
        );
        assert_eq!((found.unverified_pass, found.unverified_wait), (Some("t:p"), Some("w")));
        assert_eq!(found.rest.as_deref(), Some("a=1; b=2"));
        assert_eq!(Cookies::read("a=1; b=2", "api"), Cookies::default());
    }

    #[test]
    fn a_cleared_cookie_has_the_name_and_place_of_the_one_that_was_set() {
        let gone = "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax";
        assert_eq!(clear_pass("api"), format!("__Host-satstile-pass-api{gone}"));
        assert_eq!(clear_wait("api"), format!("__Host-satstile-wait-api{gone}"));
    }

    #[test]
    fn a_wait_cookie_opens_for_its_service_and_unchanged_only() {
        let keys = Keys::parse(&format!("1:{}", key(1)), &key(9)).unwrap();
        let waiting = Waiting { token: "AgEE".into(), bolt11: "lnbcrt1x".into(), previous: Some("AgEF".into()) };
        let header = waiting.set_cookie(&keys, "api", 60);
        let value = header.strip_prefix("__Host-satstile-wait-api=").unwrap().split(';').next().unwrap();
        assert_eq!(Waiting::open(&keys, "api", value), Some(waiting));
        assert_eq!(Waiting::open(&keys, "dear", value), None);
        assert_eq!(Waiting::open(&keys, "api", &value.replace("lnbcrt1x", "lnbcrt1y")), None);
        assert!(header.ends_with("; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"));
    }
}
