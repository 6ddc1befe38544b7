//! Which header fields of a request go on to the origin, and which a page may send (T34 to T36, T44, T46). What comes
//! back is [`response`](crate::response)'s.
//!
//! The rules are data: the shell applies lists of names and knows none of the reasons.

use crate::client::Connection;
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
    /// Reads `name:value` lines, as the shell writes them. A line without a name, `:=127.0.0.1:4711`, is no field: it is the
    /// runtime's word about the [`Connection`], and no client can send a field whose name is empty.
    ///
    /// # Errors
    /// [`Malformed::TooManyHeaders`] past the limits of T44.
    pub fn parse(block: &'a str) -> Result<Self, Malformed> {
        if block.len() > HEADER_BYTES_MAX {
            return Err(Malformed::TooManyHeaders);
        }
        let fields: Vec<_> = block.lines().filter_map(|line| line.split_once(':')).collect();
        if fields.iter().filter(|(name, _)| !name.is_empty()).count() > HEADERS_MAX {
            return Err(Malformed::TooManyHeaders);
        }
        Ok(Self(fields))
    }

    /// What the runtime says of the connection.
    #[must_use]
    pub fn connection(&self) -> Connection {
        Connection::read(self.get("").unwrap_or_default())
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

    /// The names of the fields in which a balance's token stands: one of ours, wherever a client put it (T36).
    pub fn with_token<'s>(&'s self, prefix: &'s str, names: &'s [String]) -> impl Iterator<Item = &'a str> + 's {
        let may_hold_it = |name: &str| matches!(name, "authorization" | "x-token") || names.iter().any(|n| n == name);
        let holds_it = move |(name, value): &&(&'a str, &'a str)| {
            value.trim_start().starts_with(prefix) || (may_hold_it(name) && value.contains(prefix))
        };
        self.0.iter().filter(holds_it).map(|(name, _)| *name)
    }

    /// The names that must not reach the origin: hop-by-hop and nominated ones (RFC 9110 §7.6.1),
    /// what claims to say who the client is, what changes the method or cuts the answer, and every
    /// form of credential of ours. `kept` are names of hop-by-hop fields and of ranges that a route takes after all.
    #[must_use]
    pub fn dropped(&self, kept: &[&str]) -> Vec<&'a str> {
        let nominated = self.get("connection").unwrap_or_default();
        let is_nominated = |name: &str| nominated.split(',').any(|n| n.trim().eq_ignore_ascii_case(name));
        let drops = |(name, value): &(&str, &str)| match *name {
            "" => false,
            "authorization" => is_ours(value),
            name if kept.contains(&name) => false,
            name => is_always_dropped(name) || (!nominated.is_empty() && is_nominated(name)),
        };
        self.0.iter().filter(|field| drops(field)).map(|(name, _)| *name).collect()
    }
}

/// What never goes on, behind `x-`: beginnings of names, and who believes such a field. An origin that was reached through
/// one of these takes their fields as said by a door that it trusts, and here it is the client who said them.
const DROPPED_X: [(&str, &str); 42] = [
    ("forwarded", "de-facto standard of proxies"),
    ("real-ip", "nginx ngx_http_realip_module"),
    ("real-host", "Tyk, Traefik plugins"),
    ("client-ip", "Google Cloud, Heroku add-ons"),
    ("client-cert", "HAProxy, Traefik PassTLSClientCert"),
    ("clientip", "Azure Front Door rules"),
    ("cluster-client-ip", "Rackspace, Riverbed"),
    ("sucuri-client", "Sucuri"),
    ("proxyuser-ip", "Google"),
    ("originating-", "Microsoft Exchange, OWASP list of bypasses"),
    ("custom-ip-", "OWASP list of bypasses"),
    ("host", "OWASP list of bypasses; http-proxy"),
    ("original-", "IIS URL Rewrite, Symfony, Zend"),
    ("rewrite-", "IIS URL Rewrite, Symfony, Zend"),
    ("l402-", "this kit"),
    ("http-method", "Google Data API, ASP.NET, Symfony, Laravel"),
    ("method", "IBM, Express method-override"),
    ("envoy-", "Envoy"),
    ("remote-", "Apache mod_auth, Home Assistant, Grafana examples"),
    ("auth-request-", "oauth2-proxy"),
    ("auth-user", "oauth2-proxy, Keycloak Gatekeeper"),
    ("auth-email", "Keycloak Gatekeeper"),
    ("auth-groups", "Keycloak Gatekeeper"),
    ("auth-roles", "Keycloak Gatekeeper"),
    ("authentik-", "authentik outposts"),
    ("authenticated-", "Kong, OpenShift"),
    ("consumer-", "Kong"),
    ("credential-", "Kong"),
    ("anonymous-consumer", "Kong"),
    ("webauth-", "Grafana auth.proxy"),
    ("pomerium-", "Pomerium"),
    ("goog-authenticated-user-", "Google Identity-Aware Proxy"),
    ("goog-iap-", "Google Identity-Aware Proxy"),
    ("amzn-oidc-", "AWS Application Load Balancer"),
    ("appengine-", "Google App Engine"),
    ("azure-", "Azure Front Door"),
    ("ms-client-principal", "Azure App Service authentication"),
    ("arr-", "Azure App Service"),
    ("ssl-client", "nginx and Apache examples for client certificates"),
    ("middleware-", "Next.js, CVE-2025-29927"),
    ("invoke-", "Next.js router server"),
    ("vercel-", "Vercel"),
];

/// The same of the names that do not begin with `x-`.
const DROPPED: [(&str, &str); 13] = [
    ("cf-", "Cloudflare"),
    ("satstile-", "this kit"),
    ("proxy-", "RFC 9110 §11.7; httpoxy, CVE-2016-5385"),
    ("fastly-", "Fastly"),
    ("fly-", "Fly.io"),
    ("remote-", "Authelia; CGI's REMOTE_USER"),
    ("true-client-ip", "Akamai, Cloudflare Enterprise"),
    ("wl-proxy-", "Oracle WebLogic Server plug-ins"),
    ("oidc-", "Apache mod_auth_openidc"),
    ("ssl-client", "nginx and Apache examples for client certificates"),
    ("client-cert", "RFC 9440"),
    ("tailscale-", "Tailscale Serve"),
    ("mellon-", "Apache mod_auth_mellon"),
];

/// The names alone: who believes them is for people, and no part of the wasm.
#[allow(clippy::indexing_slicing, reason = "at compile time, and both have N")]
const fn names<const N: usize>(list: &[(&'static str, &'static str); N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut n = 0;
    while n < N {
        names[n] = list[n].0;
        n += 1;
    }
    names
}

fn is_always_dropped(name: &str) -> bool {
    static BEGINNINGS_X: [&str; DROPPED_X.len()] = names(&DROPPED_X);
    static BEGINNINGS: [&str; DROPPED.len()] = names(&DROPPED);
    let begins = |list: &[&str], name: &str| list.iter().any(|beginning| name.starts_with(beginning));
    match name {
        // Hop by hop.
        "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "via" | "expect" => true,
        // Set by the outgoing request itself.
        "host" | "content-length" => true,
        // Who the client is, in its own words.
        "forwarded" | "client-ip" | "cdn-loop" => true,
        // A slice of a paid answer at its full price, many times over (T32); `decide` knows the one exception.
        "range" | "if-range" => true,
        // Credentials in other clothes (T19).
        "macaroon" | "grpc-metadata-macaroon" | "preimage" | "payment-authorization" | "accept-payment" => true,
        // Some servers read `X_Rewrite_Url` as `X-Rewrite-Url`.
        name if name.contains('_') => true,
        name => match name.strip_prefix("x-") {
            Some(rest) => begins(&BEGINNINGS_X, rest),
            None => begins(&BEGINNINGS, name),
        },
    }
}

/// Request fields that every page may send (T46).
const ALWAYS_ALLOWED: &str = "Authorization, Content-Type, Idempotency-Key, Accept-Payment";
/// Most names that a preflight is granted, and the longest of them.
const ASKED_MAX: usize = 64;
const ASKED_NAME_BYTES_MAX: usize = 64;

/// The value of `Access-Control-Allow-Headers`: our own names always, and what was asked for. Which fields a program sends with
/// its request, its library decides (`x-stainless-…`, `traceparent`); what the origin must not see is dropped on the way.
#[must_use]
pub fn allowed_fields(asked: Option<&str>) -> String {
    let is_token = |name: &&str| {
        (1..=ASKED_NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let is_known = |name: &str| ALWAYS_ALLOWED.split(", ").any(|known| known.eq_ignore_ascii_case(name));
    let mut allowed = ALWAYS_ALLOWED.to_owned();
    let asked = asked.unwrap_or_default().split(',').map(str::trim).filter(is_token);
    for name in asked.filter(|name| !is_known(name)).take(ASKED_MAX) {
        allowed.push_str(", ");
        allowed.push_str(name);
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn drops(block: &str, expected: &[&str]) {
        assert_eq!(Headers::parse(block).unwrap().dropped(&[]), expected, "{block}");
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

    /// Row A18 (T30, T35): the list is data, and each name of it is dropped, its kin too; what only looks alike goes on.
    #[test]
    fn what_an_origin_believes_of_its_own_door_stays_here_a18() {
        let names = [
            "remote-user",
            "remote-groups",
            "x-remote-user",
            "x-remote-addr",
            "x-auth-request-user",
            "x-auth-request-email",
            "x-auth-request-access-token",
            "x-middleware-subrequest",
            "x-middleware-rewrite",
            "x-azure-clientip",
            "x-azure-socketip",
            "wl-proxy-client-ip",
            "wl-proxy-ssl",
            "x-webauth-user",
            "x-authenticated-userid",
            "x-consumer-username",
            "x-amzn-oidc-data",
            "x-goog-authenticated-user-email",
            "x-goog-iap-jwt-assertion",
            "x-ms-client-principal-id",
            "x-appengine-user-email",
            "x-client-cert",
            "ssl-client-verify",
            "tailscale-user-login",
            "fly-client-ip",
            "x-sucuri-clientip",
            "oidc-claim-sub",
        ];
        let block: String = names.iter().map(|n| format!("{n}:x\n")).collect();
        drops(&block, &names);
        for (beginning, source) in DROPPED_X
            .iter()
            .map(|(b, s)| (format!("x-{b}"), s))
            .chain(DROPPED.iter().map(|(b, s)| ((*b).to_owned(), s)))
        {
            assert!(is_always_dropped(&beginning) && !source.is_empty(), "{beginning}");
        }
        drops(
            "x-user-agent:1\nx-requested-with:1\nx-api-key:1\nremote:1\nx-nextjs-data:1\nx-csrf-token:1\nx-stainless-os:1\nx-amzn-trace-id:1\nx-request-id:1\nx-goog-api-key:1",
            &[],
        );
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

    /// D3: the runtime's word about the connection is no field, counts for none, and never goes on.
    #[test]
    fn the_peer_is_no_field_d3() {
        let block = |n: usize| (0..n).map(|i| format!("x-{i}:1\n")).collect::<String>() + ":=[::ffff:192.0.2.7]:4711";
        let headers = block(100);
        let headers = Headers::parse(&headers).unwrap();
        assert_eq!(headers.connection(), Connection::Direct(Some("192.0.2.7".parse().unwrap())));
        assert!(headers.dropped(&[]).is_empty());
        assert_eq!(Headers::parse("x:=192.0.2.7").unwrap().connection(), Connection::Unsaid);
        assert_eq!(Headers::parse(":=somewhere").unwrap().connection(), Connection::Direct(None));
    }

    /// C1: what a library asks to send is allowed; what is no name of a field is not, and a page asks for so many only.
    #[test]
    fn a_preflight_is_granted_what_it_asks_for_c1() {
        let ours = "Authorization, Content-Type, Idempotency-Key, Accept-Payment";
        assert_eq!(allowed_fields(None), ours);
        assert_eq!(
            allowed_fields(Some("x-stainless-os, authorization,x-api-key , anthropic-version,traceparent")),
            format!("{ours}, x-stainless-os, x-api-key, anthropic-version, traceparent")
        );
        assert_eq!(allowed_fields(Some("a b, ,c:d, e\"f, *, (g), \u{e4}")), format!("{ours}, *"));
        assert_eq!(allowed_fields(Some(&"x".repeat(65))), ours);
        let many: Vec<String> = (0..100).map(|i| format!("x-{i}")).collect();
        assert_eq!(allowed_fields(Some(&many.join(","))).split(',').count(), 4 + 64);
    }
}
