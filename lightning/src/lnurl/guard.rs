//! May we fetch this URL? Asked of every address that somebody else wrote: LNURL, Lightning address, callback, health
//! check (T97).
//!
//! A public DNS name, https, port 443, and not a host of our own. It judges the name, and a name can lead anywhere: who
//! connects must still look at the address that it resolves to, where the platform does not (Workers:
//! `global_fetch_strictly_public`), follow no redirect, and stop at 64 KiB and a few seconds.

use l402::host::is_loopback;

use super::punycode;
use super::url::{Loopback, Url, UrlFault, is_name};

/// Names that public DNS does not have (RFC 6761, 6762, 7686, 8375, 9476, and ICANN's `internal`), and those that home
/// and office networks use all the same. `arpa` is DNS about itself.
const PRIVATE: &[&str] = &[
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
];

/// Where a URL from outside may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard<'a> {
    /// Our own, in lower case; [`own_hosts`] makes them. `shop.example` keeps out that name and all below it,
    /// `=shop.example` that name alone, and `127.0.0.1:8789` that port of this machine, by whatever name it is called.
    pub own_hosts: &'a [&'a str],
    /// Whether this machine may be meant, by any port but our own.
    pub loopback: Loopback,
}

/// A URL that may be fetched: made by [`Guard::admit`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted(Url);

impl Guard<'_> {
    /// Reads a URL and judges it.
    ///
    /// # Errors
    /// The first [`UrlFault`].
    ///
    /// ```
    /// use satstile_lightning::lnurl::{Guard, Loopback, UrlFault};
    /// let guard = Guard { own_hosts: &["shop.example"], loopback: Loopback::Refused };
    /// assert!(guard.read("https://wallet.test/.well-known/lnurlp/alice").is_ok());
    /// assert_eq!(guard.read("https://169.254.169.254/latest/meta-data"), Err(UrlFault::Host));
    /// assert_eq!(guard.read("https://admin.shop.example/"), Err(UrlFault::OwnHost));
    /// ```
    pub fn read(&self, unverified_text: &str) -> Result<Admitted, UrlFault> {
        self.admit(Url::parse(unverified_text, self.loopback)?)
    }

    /// Judges a URL.
    ///
    /// # Errors
    /// [`UrlFault::Host`], [`UrlFault::Port`], [`UrlFault::Punycode`], [`UrlFault::PrivateName`], [`UrlFault::OwnHost`];
    /// [`UrlFault::Scheme`] for a URL that was read with another [`Loopback`] than this guard has.
    pub fn admit(&self, url: Url) -> Result<Admitted, UrlFault> {
        if url.is_loopback() && self.loopback == Loopback::Allowed {
            let port = url.port().unwrap_or(if url.is_https() { 443 } else { 80 });
            let is_ours = self.own_hosts.iter().any(|own| port_here(own) == Some(port));
            return if is_ours { Err(UrlFault::OwnHost) } else { Ok(Admitted(url)) };
        }
        if !url.is_https() {
            return Err(UrlFault::Scheme);
        }
        if !is_name(url.host()) {
            return Err(UrlFault::Host);
        }
        if !matches!(url.port(), None | Some(443)) {
            return Err(UrlFault::Port);
        }
        if url.host().split('.').filter_map(|label| label.strip_prefix("xn--")).any(|rest| !punycode::is_valid(rest)) {
            return Err(UrlFault::Punycode);
        }
        if PRIVATE.iter().any(|zone| is_at_or_below(url.host(), zone)) {
            return Err(UrlFault::PrivateName);
        }
        let is_ours = |own: &&str| match own.strip_prefix('=') {
            Some(name) => url.host() == name,
            None => is_at_or_below(url.host(), own),
        };
        if self.own_hosts.iter().any(is_ours) {
            return Err(UrlFault::OwnHost);
        }
        Ok(Admitted(url))
    }
}

/// How often a service may send on to another address.
pub const REDIRECTS_MAX: usize = 2;

/// [`Guard::own_hosts`] of a deployment: its addresses, each a URL or a host with or without a port, and the names that
/// its operator denies besides, with those above them.
pub fn own_hosts<'a>(
    addresses: impl IntoIterator<Item = &'a str>,
    denied: impl IntoIterator<Item = &'a str>,
) -> Vec<String> {
    let mut own = Vec::new();
    for address in addresses {
        let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_ascii_lowercase();
        let (host, port) = match authority.rfind(':') {
            // Not a colon of an IPv6 address.
            Some(colon) if !authority.ends_with(']') => authority.split_at(colon),
            _ => (authority.as_str(), ""),
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        match (is_loopback(host), port) {
            (true, "") => {
                own.extend((scheme != "https").then(|| format!("{host}:80")));
                own.extend((scheme != "http").then(|| format!("{host}:443")));
            }
            (true, _) => own.push(format!("{host}{port}")),
            (false, _) if host.is_empty() => {}
            (false, _) => own.push(host.to_owned()),
        }
    }
    for name in denied {
        own.push(name.to_owned());
        let mut above = name;
        while let Some((_, parent)) = above.split_once('.') {
            own.push(format!("={parent}"));
            above = parent;
        }
    }
    own
}

/// The port of this machine that an entry of [`Guard::own_hosts`] names.
fn port_here(own: &str) -> Option<u16> {
    let (host, port) = own.rsplit_once(':')?;
    if is_loopback(host) { port.parse().ok() } else { None }
}

impl Admitted {
    /// The URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// As it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where a redirect from here leads, if that may be fetched, too. What may be followed is counted by who follows:
    /// [`REDIRECTS_MAX`].
    ///
    /// # Errors
    /// As [`Guard::read`].
    pub fn redirected(&self, unverified_location: &str, guard: &Guard<'_>) -> Result<Self, UrlFault> {
        guard.read(&self.0.of_redirect(unverified_location))
    }
}

/// Whether a host is this one or below it; both in lower case.
pub(crate) fn is_at_or_below(host: &str, zone: &str) -> bool {
    host.strip_suffix(zone).is_some_and(|name| name.is_empty() || name.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Guard<'_> = Guard { own_hosts: &["shop.example", "edge.pages.test"], loopback: Loopback::Refused };

    /// Each rule: what passes, its nearest neighbours that do not, and what they are told.
    const RULES: &[(&str, &[&str], UrlFault)] = &[
        ("https://a.test/", &["http://a.test/", "HTTPS://a.test/", "wss://a.test/", "data:,a.test"], UrlFault::Scheme),
        ("https://a.test:443/", &["https://a.test:444/", "https://a.test:80/", "https://a.test:8443"], UrlFault::Port),
        ("https://a.test/@b", &["https://b@a.test/", "https://b:c@a.test/", "https://@a.test/"], UrlFault::Userinfo),
        (
            "https://a.test/",
            &["https://a/", "https://a.test./", "https://a..test/", "https://.a.test/"],
            UrlFault::Host,
        ),
        (
            "https://127.0.0.1.a.test/",
            &[
                "https://127.0.0.1/",
                "https://127.1/",
                "https://2130706433/",
                "https://0x7f000001/",
                "https://0x7f.0.0.1/",
                "https://127.0.0.0x1/",
                "https://0177.0.0.01/",
                "https://10.0.0.5/",
                "https://169.254.169.254/",
                "https://198.18.0.1/",
                "https://192.0.2.1/",
                "https://203.0.113.7/",
                "https://8.8.8.8/",
                "https://8.8.8.8./",
            ],
            UrlFault::Host,
        ),
        (
            "https://ipv6.a.test/",
            &[
                "https://[::1]/",
                "https://[2001:db8::1]/",
                "https://[::ffff:127.0.0.1]/",
                "https://[64:ff9b::7f00:1]/",
                "https://[fe80::1%25eth0]/",
            ],
            UrlFault::Host,
        ),
        (
            "https://local.internal.test/",
            &[
                "https://printer.local/",
                "https://metadata.google.internal/",
                "https://a.localhost/",
                "https://abc.onion/",
                "https://A.LOCAL/",
                "https://router.home.arpa/",
                "https://nas.lan/",
                "https://box.localdomain/",
            ],
            UrlFault::PrivateName,
        ),
        (
            "https://xn--mnchen-3ya.test/",
            &["https://xn--mnchen-3y.test/", "https://a.xn--99999.test/", "https://XN--MNCHEN-3Y.test/"],
            UrlFault::Punycode,
        ),
        (
            "https://notshop.example/",
            &[
                "https://shop.example/",
                "https://SHOP.example/",
                "https://shop.example:443/",
                "https://admin.shop.example/",
                "https://a.b.shop.example/",
                "https://edge.pages.test/",
            ],
            UrlFault::OwnHost,
        ),
        ("https://other.pages.test/", &["https://x.edge.pages.test/"], UrlFault::OwnHost),
        (
            "https://a.test/%5c",
            &["https://a.test\\@b.test/", "https://a.test/ ", "https://\u{e4}.test/"],
            UrlFault::Characters,
        ),
        ("https://a.test/?b", &["https://a.test/?#b", "https://a.test#@b.test/"], UrlFault::Fragment),
    ];

    #[test]
    fn each_rule_has_its_yes_and_its_nearest_no_t97() {
        for (yes, noes, fault) in RULES {
            assert_eq!(GUARD.read(yes).map(|url| url.as_str().to_owned()), Ok((*yes).to_owned()));
            for no in *noes {
                assert_eq!(GUARD.read(no), Err(*fault), "{no}");
            }
        }
    }

    /// A1, T97: what a deployment is made of is out of reach by every name, and what is beside it is not.
    #[test]
    fn a_deployments_own_addresses_are_refused_and_their_neighbours_are_not_a1() {
        let addresses = [
            "https://origin.shop.example",
            "https://node.shop.example:8443/relay",
            "shop.example:8080",
            "http://127.0.0.1:8789",
            "http://[::1]:9000",
            "http://localhost",
        ];
        let own = own_hosts(addresses, ["db.corp.test"]);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let guard = Guard { own_hosts: &own, loopback: Loopback::Allowed };
        for ours in [
            "https://origin.shop.example/",
            "https://ORIGIN.shop.example:443/",
            "https://a.origin.shop.example/",
            "https://node.shop.example/relay",
            "https://shop.example/",
            "http://127.0.0.1:8789/x",
            "http://localhost:8789/x",
            "http://127.0.0.2:8789/x",
            "http://[::1]:8789/x",
            "http://a.localhost:8789/x",
            "https://127.0.0.1:8789/x",
            "http://127.0.0.1:9000/",
            "http://127.0.0.1/",
            "http://[::1]:80/",
            "https://db.corp.test/",
            "https://a.db.corp.test/",
            "https://corp.test/",
        ] {
            assert_eq!(guard.read(ours), Err(UrlFault::OwnHost), "{ours}");
        }
        for other in [
            "https://shop.example.wallet.test/",
            "https://notshop.example/",
            "https://web.corp.test/",
            "http://127.0.0.1:8790/",
            "https://127.0.0.1/",
            "http://[::1]:9001/",
        ] {
            assert!(guard.read(other).is_ok(), "{other}");
        }
        // Where this machine is not meant at all, nothing about it changes.
        let strict = Guard { own_hosts: &own, loopback: Loopback::Refused };
        assert_eq!(strict.read("http://127.0.0.1:8790/"), Err(UrlFault::Scheme));
    }

    #[test]
    fn this_machine_is_reached_by_permission_only() {
        let regtest = Guard { loopback: Loopback::Allowed, own_hosts: &["localhost"] };
        for url in ["http://127.0.0.1:8787/w", "http://localhost:1/", "http://[::1]/", "https://127.0.0.1:8443/"] {
            assert!(regtest.read(url).is_ok(), "{url}");
            assert!(GUARD.read(url).is_err(), "{url} (T97)");
        }
        // The permission is for this machine, and for nothing near it.
        for url in ["http://10.0.0.5/", "http://a.test/", "https://10.0.0.5/", "https://a.local/", "http://0.0.0.0/"] {
            assert!(regtest.read(url).is_err(), "{url} (T97)");
        }
        let read_elsewhere = Url::parse("http://127.0.0.1/", Loopback::Allowed).unwrap();
        assert_eq!(GUARD.admit(read_elsewhere), Err(UrlFault::Scheme));
    }
}
