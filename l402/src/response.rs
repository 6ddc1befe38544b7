//! What an answer of the origin loses and gains on its way to the client (T37 to T40, T46).
//!
//! The rules are data: the shell applies lists of names and knows none of the reasons.

/// What the shell does to a response of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseRules {
    /// Names them between the core and the shell.
    pub number: u8,
    /// Names to take out; `Connection`-nominated ones come on top.
    pub drop: &'static [&'static str],
    /// More names to take out: what would let a cache keep it, and what the origin may not say on this route.
    pub drop_too: &'static [&'static str],
    /// Names to take out unless all of the value fits a pattern, in the language of ECMAScript.
    pub drop_unless: &'static [(&'static str, &'static str)],
    /// Fields to overwrite.
    pub set: &'static [(&'static str, &'static str)],
    /// Fields to add to.
    pub append: &'static [(&'static str, &'static str)],
    /// Which web pages may read it, unless the origin names one itself.
    pub open: &'static [(&'static str, &'static str)],
    /// What cannot stand beside [`ResponseRules::open`].
    pub open_drops: &'static [&'static str],
    /// Status codes that mean the origin asks for money or a login itself: answered 502 (T37).
    pub refuse: &'static [u16],
}

/// Browser scripts may read these (T46).
pub const EXPOSED: &str = "WWW-Authenticate, Payment-Receipt, Satstile-Receipt, Satstile-Free-Remaining, Satstile-Balance-Msat, Retry-After, Idempotent-Replayed, Satstile-Replay";

const DROPPED_ON_RETURN: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "authentication-info",
    "server",
    "x-powered-by",
    "alt-svc",
    "payment-receipt",
    "satstile-receipt",
    "satstile-free-remaining",
    "satstile-balance-msat",
    "satstile-replay",
    "satstile-origin-secret",
    "idempotent-replayed",
    "cf-cache-status",
    "age",
    // Who has them reaches beyond the page that was asked for (T37): it forgets the visitor's paid passes (W3C Clear Site
    // Data), and it sends the visitor elsewhere, as no `Location` that was looked at (HTML, pragma `refresh`).
    "clear-site-data",
    "refresh",
];
/// A worker of the origin's may be allowed a folder of its own. One for the whole site would stand between the browser and
/// the kit's own surface, and answer in its place (Service Workers, `Service-Worker-Allowed`).
const UNLESS: &[(&str, &str)] = &[("service-worker-allowed", "/[A-Za-z0-9_~-][A-Za-z0-9_~/-]*")];
/// What tells a cache between us and the client to keep an answer, and a login of the origin's own: what is sold has one
/// door (T37).
const DROPPED_OF_PAID: &[&str] = &[
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "surrogate-control",
    "edge-control",
    "x-accel-expires",
    "expires",
    "pragma",
    "www-authenticate",
];
/// The same where the policy has `cookies = false`.
const DROPPED_WITH_COOKIES: &[&str] = &[
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "surrogate-control",
    "edge-control",
    "x-accel-expires",
    "expires",
    "pragma",
    "www-authenticate",
    "set-cookie",
];
const OPEN: &[(&str, &str)] = &[("access-control-allow-origin", "*")];
const OPEN_DROPS: &[&str] = &["access-control-allow-credentials"];
const EXPOSE: (&str, &str) = ("access-control-expose-headers", EXPOSED);

impl ResponseRules {
    /// For a route that anybody may read: the origin's own caching rules, cookies and logins stand.
    pub const FREE: Self = Self {
        number: 0,
        drop: DROPPED_ON_RETURN,
        drop_too: &[],
        drop_unless: UNLESS,
        set: &[],
        append: &[EXPOSE],
        open: OPEN,
        open_drops: OPEN_DROPS,
        refuse: &[402],
    };

    /// For an answer that was paid for: it belongs to one client and no cache (T40).
    pub const PAID: Self = Self {
        number: 1,
        drop: DROPPED_ON_RETURN,
        drop_too: DROPPED_OF_PAID,
        drop_unless: UNLESS,
        set: &[("cache-control", "private, no-store")],
        append: &[("vary", "Authorization, Cookie"), EXPOSE],
        open: OPEN,
        open_drops: OPEN_DROPS,
        refuse: &[401, 402],
    };

    /// The same, where the policy lets the origin set no cookies.
    pub const PAID_WITHOUT_COOKIES: Self = Self { number: 2, drop_too: DROPPED_WITH_COOKIES, ..Self::PAID };

    /// The rules of a [`number`](Self::number); of any other, the strictest.
    #[must_use]
    pub const fn of(number: u8) -> &'static Self {
        match number {
            0 => &Self::FREE,
            1 => &Self::PAID,
            _ => &Self::PAID_WITHOUT_COOKIES,
        }
    }
}

/// Whether a `WWW-Authenticate` value could make a client pay somebody: one of our schemes, or what simple clients look for in
/// one wherever it stands. Only that is refused of an origin; its own `Basic` or `Bearer` is its visitors' business (T37).
#[must_use]
pub fn asks_for_payment(challenge: &str) -> bool {
    let text = challenge.to_ascii_lowercase();
    let words =
        |text: &str, any: &[&str]| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| any.contains(&word));
    // Outside of quoted strings, where the name of a realm may say "Payment". A quote that never ends hides nothing.
    let mut bare = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('"') {
        bare.push_str(before);
        match after.split_once('"') {
            Some((_, behind)) => rest = behind,
            None => rest = after,
        }
        bare.push(' ');
    }
    bare.push_str(rest);
    words(&text, &["l402", "lsat", "macaroon", "invoice"]) || words(&bare, &["payment"])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C2, T37: a login is the origin's own affair, a bill is not.
    #[test]
    fn only_a_challenge_that_asks_for_money_is_ours_c2() {
        for login in [
            "Basic realm=\"shop\"",
            "Basic realm=\"Payment area\", charset=\"UTF-8\"",
            "Bearer",
            "Digest realm=\"a\", nonce=\"b\", Negotiate",
            "Basic realm=My Site",
            "",
        ] {
            assert!(!asks_for_payment(login), "{login}");
        }
        for bill in [
            "L402 macaroon=\"a\", invoice=\"lnbc1\"",
            "lsat macaroon=\"a\"",
            "Basic realm=\"x\", Payment id=\"a\"",
            "PAYMENT",
            "Basic realm=\"x L402 macaroon=\"abc\", invoice=\"lnbc1\"",
            "Basic realm=\"x, Payment id=a",
            "X macaroon=a",
        ] {
            assert!(asks_for_payment(bill), "{bill}");
        }
    }
}
