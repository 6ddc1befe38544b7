//! The two cookies that let a browser without JavaScript wait and pass (C6).
//!
//! `wait` remembers an unpaid challenge, so that refreshing the page never makes another invoice;
//! `pass` holds the paid credential. Both are `__Host-`, `Secure` and `HttpOnly`, and count for GET
//! and HEAD only.

use crate::keys::{Keys, Purpose};

const WAIT: &str = "__Host-satstile-wait-";
const PASS: &str = "__Host-satstile-pass-";
/// What the names of our cookies begin with, and no cookie of the origin does.
pub const PREFIX: &str = "__Host-satstile-";

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
    /// Picks ours out of a `Cookie` header. Several `Cookie` lines arrive joined by commas, and a cookie of somebody else
    /// may hold a comma of its own: only a comma that stands beside a cookie of ours separates.
    #[must_use]
    pub fn read(header: &'a str, service: &str) -> Self {
        if !header.contains(PREFIX) {
            return Self::default();
        }
        let mut found = Self::default();
        let mut rest = Vec::new();
        for pair in header.split(';') {
            for (piece, is_behind_a_comma) in
                Pieces(Some(pair)).zip([false].into_iter().chain(core::iter::repeat(true)))
            {
                let piece = piece.trim();
                if !piece.starts_with(PREFIX) {
                    // Nothing is left of a line that held ours alone.
                    if !(piece.is_empty() && is_behind_a_comma) {
                        rest.push(piece);
                    }
                    continue;
                }
                let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                let place = if name.strip_prefix(WAIT) == Some(service) {
                    &mut found.unverified_wait
                } else if name.strip_prefix(PASS) == Some(service) {
                    &mut found.unverified_pass
                } else {
                    continue;
                };
                // What only a comma sets apart might be the middle of another site's cookie: it never replaces one that
                // stands where a cookie stands.
                if !is_behind_a_comma || place.is_none() {
                    *place = Some(value);
                }
            }
        }
        found.rest = Some(rest.join("; "));
        found
    }
}

/// The pieces of what stands between two semicolons: cookies of ours, in which there is no comma, and what is between
/// them, with all its commas.
struct Pieces<'a>(Option<&'a str>);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0.take()?;
        let is_ours = text.trim_start().starts_with(PREFIX);
        let ends = |(comma, _): &(usize, &str)| {
            let behind = text.get(comma + 1..).unwrap_or_default();
            is_ours || behind.trim_start().starts_with(PREFIX)
        };
        let Some((comma, _)) = text.match_indices(',').find(ends) else { return Some(text) };
        self.0 = text.get(comma + 1..);
        text.get(..comma)
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

    /// Row A13 (T29, T36): workerd joins two `Cookie` lines by a comma, before ours, behind it and around it.
    #[test]
    fn cookies_of_several_lines_are_all_read_and_ours_never_go_on_a13() {
        for (header, pass, rest) in [
            ("a=1; b=2, __Host-satstile-pass-api=t:p", "t:p", "a=1; b=2"),
            ("__Host-satstile-pass-api=t:p, a=1; b=2", "t:p", "a=1; b=2"),
            ("a=1, __Host-satstile-pass-api=t:p, b=2", "t:p", "a=1; b=2"),
            ("a=1,__Host-satstile-pass-api=t:p,__Host-satstile-wait-api=w", "t:p", "a=1"),
            ("__Host-satstile-pass-dear=x:y, __Host-satstile-pass-api=t:p", "t:p", ""),
            ("__Host-satstile-pass-api=t:p, ", "t:p", ""),
            // A comma inside of a foreign cookie is part of it, wherever ours stands.
            ("prefs=a,b, c; __Host-satstile-pass-api=t:p; d=1,2", "t:p", "prefs=a,b, c; d=1,2"),
            ("__Host-satstile-pass-api=t:p, prefs=a,b, c=3", "t:p", "prefs=a,b, c=3"),
            ("prefs=a, b=2, __Host-satstile-pass-api=t:p", "t:p", "prefs=a, b=2"),
            // What stands at the place of a cookie counts, and not what another cookie says.
            ("x=1, __Host-satstile-pass-api=planted; __Host-satstile-pass-api=t:p", "t:p", "x=1"),
            ("__Host-satstile-pass-api=t:p; x=1, __Host-satstile-pass-api=planted", "t:p", "x=1"),
        ] {
            let found = Cookies::read(header, "api");
            assert_eq!((found.unverified_pass, found.rest.as_deref()), (Some(pass), Some(rest)), "{header}");
        }
        // Nothing of ours: not a byte is touched, whatever its commas mean.
        assert_eq!(Cookies::read("a=1, b=2; c=x,y", "api"), Cookies::default());
        let other = Cookies::read("my__Host-satstile-pass-api=1; a=2", "api");
        assert_eq!((other.unverified_pass, other.rest.as_deref()), (None, Some("my__Host-satstile-pass-api=1; a=2")));
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
