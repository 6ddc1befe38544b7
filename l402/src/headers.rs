//! Which header fields go on to the origin, and which come back (T34 to T40, T46).
//!
//! The rules are data: the shell applies lists of names and knows none of the reasons.

use crate::credential::is_ours;
use crate::fault::Malformed;

/// Most header fields a request may have (T44).
pub const HEADERS_MAX: usize = 100;
/// Most bytes they may take together.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;

/// The fields of a request: lower-case names, values joined by the runtime.
#[derive(Clone, Debug)]
pub struct Headers<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Headers<'a> {
    /// Reads `name:value` lines, as the shell writes them.
    ///
    /// # Errors
    /// [`Malformed::TooManyHeaders`] past the limits of T44.
    pub fn parse(block: &'a str) -> Result<Self, Malformed> {
        if block.len() > HEADER_BYTES_MAX {
            return Err(Malformed::TooManyHeaders);
        }
        let fields: Vec<_> = block.lines().filter_map(|line| line.split_once(':')).collect();
        if fields.len() > HEADERS_MAX {
            return Err(Malformed::TooManyHeaders);
        }
        Ok(Self(fields))
    }

    /// The value of a field by its lower-case name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    /// Whether the field is there at all.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names that must not reach the origin: hop-by-hop and nominated ones (RFC 9110 §7.6.1),
    /// what claims to say who the client is, what changes the method or cuts the answer, and every
    /// form of credential of ours.
    #[must_use]
    pub fn dropped(&self) -> Vec<&'a str> {
        let nominated = self.get("connection").unwrap_or_default();
        let is_nominated = |name: &str| nominated.split(',').any(|n| n.trim().eq_ignore_ascii_case(name));
        let drops = |(name, value): &(&str, &str)| match *name {
            "authorization" => is_ours(value),
            name => is_always_dropped(name) || (!nominated.is_empty() && is_nominated(name)),
        };
        self.0.iter().filter(|field| drops(field)).map(|(name, _)| *name).collect()
    }
}

fn is_always_dropped(name: &str) -> bool {
    const PREFIXES: [&str; 11] = [
        "x-forwarded-",
        "cf-",
        "x-original-",
        "x-rewrite-",
        "x-l402-",
        "satstile-",
        "x-http-method",
        "x-method",
        "proxy-",
        "x-envoy-",
        "fastly-",
    ];
    match name {
        // Hop by hop.
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "via" | "expect" => true,
        // Set by the outgoing request itself.
        "host" | "content-length" => true,
        // Who the client is, in its own words.
        "forwarded"
        | "x-real-ip"
        | "x-client-ip"
        | "x-cluster-client-ip"
        | "true-client-ip"
        | "x-host"
        | "cdn-loop" => true,
        // A slice of a paid answer at its full price, many times over (T32); `decide` knows the one exception.
        "range" | "if-range" => true,
        // Credentials in other clothes (T19).
        "macaroon" | "grpc-metadata-macaroon" | "preimage" | "payment-authorization" | "accept-payment" => true,
        "x-forwarded" | "client-ip" => true,
        // Some servers read `X_Rewrite_Url` as `X-Rewrite-Url`.
        name if name.contains('_') => true,
        _ => PREFIXES.iter().any(|prefix| name.starts_with(prefix)),
    }
}

/// What the shell does to a response of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseRules {
    /// Names to take out; `Connection`-nominated ones come on top.
    pub drop: &'static [&'static str],
    /// More names to take out: what would let a cache keep it.
    pub drop_caching: &'static [&'static str],
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
    "www-authenticate",
    "authentication-info",
    "set-cookie",
    "server",
    "x-powered-by",
    "alt-svc",
    "payment-receipt",
    "satstile-receipt",
    "satstile-free-remaining",
    "satstile-balance-msat",
    "satstile-replay",
    "idempotent-replayed",
    "cf-cache-status",
    "age",
];
/// What tells a cache between us and the client to keep an answer.
const CACHING: &[&str] = &[
    "cdn-cache-control",
    "cloudflare-cdn-cache-control",
    "surrogate-control",
    "edge-control",
    "x-accel-expires",
    "expires",
    "pragma",
];
const OPEN: &[(&str, &str)] = &[("access-control-allow-origin", "*")];
const OPEN_DROPS: &[&str] = &["access-control-allow-credentials"];
const EXPOSE: (&str, &str) = ("access-control-expose-headers", EXPOSED);

impl ResponseRules {
    /// For a route that anybody may read: the origin's own caching rules stand.
    pub const FREE: Self = Self {
        drop: DROPPED_ON_RETURN,
        drop_caching: &[],
        set: &[],
        append: &[EXPOSE],
        open: OPEN,
        open_drops: OPEN_DROPS,
        refuse: &[401, 402],
    };

    /// For an answer that was paid for: it belongs to one client and no cache (T40).
    pub const PAID: Self = Self {
        drop: DROPPED_ON_RETURN,
        drop_caching: CACHING,
        set: &[("cache-control", "private, no-store")],
        append: &[("vary", "Authorization, Cookie"), EXPOSE],
        open: OPEN,
        open_drops: OPEN_DROPS,
        refuse: &[401, 402],
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn drops(block: &str, expected: &[&str]) {
        assert_eq!(Headers::parse(block).unwrap().dropped(), expected, "{block}");
    }

    #[test]
    fn ordinary_fields_go_through() {
        drops(
            "accept:text/html\nuser-agent:x\ncontent-type:a/b\nidempotency-key:1\nif-none-match:\"x\"\norigin:http://a",
            &[],
        );
    }

    #[test]
    fn hop_by_hop_and_nominated_fields_stay_here_t34() {
        drops("connection:close, X-Secret\nx-secret:1\nte:trailers\nx-other:2", &["connection", "x-secret", "te"]);
    }

    #[test]
    fn spoofed_identities_and_method_overrides_stay_here_t30_t35() {
        let names = [
            "x-forwarded-for",
            "forwarded",
            "x-real-ip",
            "cf-connecting-ip",
            "true-client-ip",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "via",
            "range",
            "if-range",
            "proxy-authorization",
        ];
        let block: String = names.iter().map(|n| format!("{n}:x\n")).collect();
        drops(&block, &names);
    }

    /// A gateway behind us may fold `_` to `-`, and then `X_Rewrite_Url` is a path of its own (T26, T35).
    #[test]
    fn a_name_with_an_underscore_stays_here() {
        drops("x_rewrite_url:/dear/1\nx_forwarded_for:1\nx-fine:1", &["x_rewrite_url", "x_forwarded_for"]);
    }

    #[test]
    fn every_credential_of_ours_stays_here_and_a_foreign_one_passes_t36() {
        drops(
            "authorization:L402 a:b\nmacaroon:00\ngrpc-metadata-macaroon:00\npreimage:00",
            &["authorization", "macaroon", "grpc-metadata-macaroon", "preimage"],
        );
        drops("authorization:lsat junk", &["authorization"]);
        drops("authorization:Payment {", &["authorization"]);
        drops("authorization:Bearer sk-123", &[]);
    }

    #[test]
    fn more_than_a_hundred_fields_are_refused_t44() {
        let block = |n: usize| (0..n).map(|i| format!("x-{i}:1\n")).collect::<String>();
        assert!(Headers::parse(&block(100)).is_ok());
        assert_eq!(Headers::parse(&block(101)).unwrap_err(), Malformed::TooManyHeaders);
        assert_eq!(
            Headers::parse(&format!("a:{}", "x".repeat(HEADER_BYTES_MAX))).unwrap_err(),
            Malformed::TooManyHeaders
        );
    }
}
