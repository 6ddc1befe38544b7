//! A URL from outside, with one reading: https, or by permission http on this machine; no user, no fragment, and no
//! character that one reader repairs and another does not (T97, T98). Whether it may be fetched is up to
//! [`guard`](super::guard).

use core::fmt;

use l402::host::is_loopback;

/// The longest URL that is read, in bytes. All that an LNURL can hold is less.
pub const URL_BYTES_MAX: usize = 2_000;

/// Whether this machine may be meant: plain http, and any port. For regtest and tests; never with real money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loopback {
    /// The rule.
    Refused,
    /// `localhost`, 127.0.0.0/8 and `[::1]`.
    Allowed,
}

/// A URL of the form that LUD-01 and LUD-06 want, spelled as it came. `Debug` shows scheme and host: paths and queries
/// of LNURL are secrets (T120).
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    /// Lower case, without the port.
    host: String,
    port: Option<u16>,
    is_https: bool,
}

/// Why a URL is not read, or not fetched. Nothing in it comes from the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlFault {
    /// Longer than [`URL_BYTES_MAX`].
    TooLong,
    /// A space, a backslash, a quote, something that is not ASCII, or any other character that RFC 3986 has no place for.
    Characters,
    /// Not `https://`, or `http://` where that is allowed.
    Scheme,
    /// A user or a password before the host.
    Userinfo,
    /// A `#`.
    Fragment,
    /// The host is no DNS name of two labels or more: an address in any notation, a single word, a trailing dot.
    Host,
    /// A label begins with `xn--`, and nothing that can be decoded follows.
    Punycode,
    /// A name that public DNS does not have, such as `….internal`, `….local` or `….onion`.
    PrivateName,
    /// One of our own hosts, or below one.
    OwnHost,
    /// Another port than 443.
    Port,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "URL is longer than {URL_BYTES_MAX} bytes"),
            Self::Characters => f.write_str("URL has a character that must be percent-encoded"),
            Self::Scheme => f.write_str("URL does not begin with https://"),
            Self::Userinfo => f.write_str("URL names a user"),
            Self::Fragment => f.write_str("URL has a fragment"),
            Self::Host => f.write_str("host of the URL is no DNS name"),
            Self::Punycode => f.write_str("host of the URL has a label that begins with xn-- and is no punycode"),
            Self::PrivateName => f.write_str("host of the URL is not a public name"),
            Self::OwnHost => f.write_str("host of the URL is one of our own"),
            Self::Port => f.write_str("port of the URL is not 443"),
        }
    }
}

impl core::error::Error for UrlFault {}

impl Url {
    /// Reads a URL. Says nothing about where it leads.
    ///
    /// # Errors
    /// The first [`UrlFault`] of its form: never [`UrlFault::PrivateName`], [`UrlFault::OwnHost`] or
    /// [`UrlFault::Punycode`], and [`UrlFault::Port`] only when it is no number from 1 to 65,535.
    ///
    /// ```
    /// use satstile_lightning::lnurl::{Loopback, Url, UrlFault};
    /// assert!(Url::parse("https://shop.example/lnurl?id=7", Loopback::Refused).is_ok());
    /// assert_eq!(Url::parse("http://127.0.0.1:8787/", Loopback::Refused), Err(UrlFault::Scheme));
    /// assert!(Url::parse("http://127.0.0.1:8787/", Loopback::Allowed).is_ok());
    /// ```
    pub fn parse(unverified_text: &str, loopback: Loopback) -> Result<Self, UrlFault> {
        if unverified_text.len() > URL_BYTES_MAX {
            return Err(UrlFault::TooLong);
        }
        if unverified_text.contains('#') {
            return Err(UrlFault::Fragment);
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte);
        if !unverified_text.bytes().all(plain) {
            return Err(UrlFault::Characters);
        }
        let (scheme, rest) = unverified_text.split_once("://").ok_or(UrlFault::Scheme)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(UrlFault::Userinfo);
        }
        let (host, port) = split_port(authority)?;
        let host = host.to_ascii_lowercase();
        let is_https = match scheme {
            "https" => true,
            "http" if loopback == Loopback::Allowed && is_loopback(&host) => false,
            _ => return Err(UrlFault::Scheme),
        };
        Ok(Self { text: unverified_text.to_owned(), host, port, is_https })
    }

    /// As it came.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In lower case, without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, where one is named.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether it is https.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.is_https
    }

    /// Whether it leads to this very machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The same with `name=value` at the end of its query, and nowhere else in it: a service that put an amount of its own
    /// there is asked for ours alone. The value is one that needs no encoding, or is encoded.
    pub(crate) fn with_parameters(&self, parameters: &[(&str, &str)]) -> String {
        let is_set = |pair: &&str| {
            let name = decoded(pair.split('=').next().unwrap_or_default());
            parameters.iter().any(|(set, _)| *set == name)
        };
        let (base, query) = self.text.split_once('?').unwrap_or((&self.text, ""));
        let mut text = base.to_owned();
        let kept = query.split('&').filter(|pair| !pair.is_empty()).filter(|pair| !is_set(pair));
        let pairs = kept.map(str::to_owned).chain(parameters.iter().map(|(name, value)| format!("{name}={value}")));
        for (nth, pair) in pairs.enumerate() {
            text.push(if nth == 0 { '?' } else { '&' });
            text.push_str(&pair);
        }
        text
    }

    /// Scheme, host and port, as they came.
    fn place(&self) -> &str {
        let start = self.text.find("://").map_or(0, |at| at + 3);
        let rest = self.text.get(start..).unwrap_or_default();
        let end = rest.find(['/', '?']).map_or(self.text.len(), |at| start + at);
        self.text.get(..end).unwrap_or_default()
    }

    /// Where a redirect from here leads: another URL, or a path on the same host. Nothing is resolved against anything.
    pub(super) fn of_redirect(&self, unverified_location: &str) -> String {
        match unverified_location.strip_prefix('/') {
            Some(rest) if !rest.starts_with('/') => format!("{}{unverified_location}", self.place()),
            _ => unverified_location.to_owned(),
        }
    }
}

/// A name in a query as its reader sees it: `%61mount` is `amount`, too. What is no encoding stays as it is.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                bytes.push(hex(high).unwrap_or_default() * 16 + hex(low).unwrap_or_default());
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        match self.port {
            Some(port) => write!(f, "{scheme}://{}:{port}/…", self.host),
            None => write!(f, "{scheme}://{}/…", self.host),
        }
    }
}

/// Whether a text is a DNS name as it is written: two labels or more, letters, digits and inner hyphens, in lower case.
/// The last label begins with a letter, so it is no number, and the whole no address: not `127.0.0.1`, not `0x7f.1`.
pub(crate) fn is_name(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(plain)
    };
    let top = host.rsplit_once('.').map(|(_, top)| top);
    host.len() <= 253
        && host.split('.').all(label)
        && top.is_some_and(|top| top.starts_with(|first: char| first.is_ascii_lowercase()))
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`. What stands in the brackets is not looked at: only `[::1]` is ever used.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlFault> {
    let end = match authority.find(']') {
        Some(end) => end + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(end).ok_or(UrlFault::Host)?;
    if host.is_empty() {
        return Err(UrlFault::Host);
    }
    if rest.is_empty() {
        return Ok((host, None));
    }
    let digits = rest.strip_prefix(':').ok_or(UrlFault::Host)?;
    // One spelling: no sign, no leading zero, and not empty.
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlFault::Port);
    }
    digits.parse().map(|port| (host, Some(port))).map_err(|_| UrlFault::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ending: Result<(&str, Option<u16>), UrlFault>) {
        let read = Url::parse(text, Loopback::Refused);
        assert_eq!(read.as_ref().map(|url| (url.host(), url.port())).map_err(|fault| *fault), ending, "{text}");
    }

    #[test]
    fn a_url_is_taken_apart_in_one_way() {
        check("https://shop.example", Ok(("shop.example", None)));
        check("https://Shop.Example/LNURL?id=7&x=a@b:1", Ok(("shop.example", None)));
        check("https://shop.example?id=7", Ok(("shop.example", None)));
        check("https://shop.example:8443/a", Ok(("shop.example", Some(8_443))));
        check("https://[::1]:1/", Ok(("[::1]", Some(1))));
        check("https://user@shop.example/", Err(UrlFault::Userinfo));
        check("https://shop.example:pass@evil.test/", Err(UrlFault::Userinfo));
        check("https://shop.example/#a", Err(UrlFault::Fragment));
        check("https:///shop.example", Err(UrlFault::Host));
        check("https://", Err(UrlFault::Host));
        check("https://[::1]shop.example/", Err(UrlFault::Host));
    }

    #[test]
    fn a_scheme_that_is_not_https_is_none_t98() {
        for text in ["", "shop.example", "//shop.example/", "http://shop.example/", "HTTPS://shop.example/"] {
            check(text, Err(UrlFault::Scheme));
        }
        for text in ["data:text/plain,x", "file:///etc/passwd", "ftp://shop.example/", "http://x.onion/"] {
            assert!(Url::parse(text, Loopback::Allowed).is_err(), "{text} (T97)");
        }
    }

    #[test]
    fn a_port_has_one_spelling() {
        for port in ["1", "443", "65535"] {
            check(&format!("https://a.test:{port}/"), Ok(("a.test", port.parse().ok())));
        }
        for port in ["", "0", "0443", "+443", "65536", "443:1", "4 3", "x"] {
            assert!(Url::parse(&format!("https://a.test:{port}/"), Loopback::Refused).is_err(), "{port}");
        }
    }

    #[test]
    fn what_one_reader_repairs_and_another_does_not_is_refused_t98() {
        check("https://a.test/%20~!$&'()*+,;=:@[]", Ok(("a.test", None)));
        for odd in
            [" ", "\t", "\n", "\\", "\"", "<", ">", "^", "`", "{", "|", "}", "\0", "\u{7f}", "\u{e4}", "\u{3002}"]
        {
            check(&format!("https://a.test/{odd}"), Err(UrlFault::Characters));
        }
    }

    #[test]
    fn a_url_of_2000_bytes_is_read_and_a_longer_one_is_not() {
        let text = format!("https://a.test/{}", "a".repeat(URL_BYTES_MAX - 15));
        check(&text, Ok(("a.test", None)));
        check(&format!("{text}a"), Err(UrlFault::TooLong));
    }

    #[test]
    fn http_is_for_this_machine_and_only_when_it_is_told() {
        for text in ["http://127.0.0.1:8787/w", "http://localhost/w", "http://[::1]:9/w", "http://127.9.9.9/w"] {
            assert!(Url::parse(text, Loopback::Allowed).is_ok(), "{text}");
            assert_eq!(Url::parse(text, Loopback::Refused), Err(UrlFault::Scheme), "{text}");
        }
        for text in ["http://10.0.0.5/w", "http://localhost.evil.test/", "http://127.1/", "http://[::2]/"] {
            assert_eq!(Url::parse(text, Loopback::Allowed), Err(UrlFault::Scheme), "{text}");
        }
    }

    #[test]
    fn a_name_is_no_address_in_any_notation() {
        for name in ["a.b", "pay.shop.example", "xn--mnchen-3ya.example", "1.a0", "r3---x.example"] {
            assert!(is_name(name), "{name}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for odd in [
            "",
            "a",
            "a.",
            ".a",
            "a..b",
            "A.b",
            "-a.b",
            "a-.b",
            "a_b.c",
            "127.0.0.1",
            "0x7f.1",
            "2130706433",
            "127.0x1",
            "0177.0.0.01",
            "a.0x7f",
            "[::1]",
            "a%2eb.c",
            &long,
            &"a.".repeat(130),
        ] {
            assert!(!is_name(odd), "{odd}");
        }
    }

    #[test]
    fn parameters_go_behind_those_that_are_there() {
        let with = |text: &str| Url::parse(text, Loopback::Refused).unwrap().with_parameters(&[("a", "1"), ("b", "2")]);
        assert_eq!(with("https://a.test"), "https://a.test?a=1&b=2");
        assert_eq!(with("https://a.test/x"), "https://a.test/x?a=1&b=2");
        assert_eq!(with("https://a.test/x?"), "https://a.test/x?a=1&b=2");
        assert_eq!(with("https://a.test/x?y"), "https://a.test/x?y&a=1&b=2");
        assert_eq!(with("https://a.test/x?y=1&"), "https://a.test/x?y=1&a=1&b=2");
    }

    /// C4: exactly one `amount`, whatever the service wrote there, and all else as it was.
    #[test]
    fn what_is_set_stands_once_c4() {
        let with = |text: &str| Url::parse(text, Loopback::Refused).unwrap().with_parameters(&[("amount", "7")]);
        for theirs in ["amount=5", "amount", "amount=", "%61mount=5", "amoun%74=5&amount=6", "amount=5&&"] {
            assert_eq!(with(&format!("https://a.test/x?{theirs}")), "https://a.test/x?amount=7", "{theirs}");
        }
        assert_eq!(with("https://a.test/x?id=1&amount=5&b=2"), "https://a.test/x?id=1&b=2&amount=7");
        for other in ["amounts=5", "Amount=5", "x=amount=5", "comment=hi", "%zz=1", "%6=1"] {
            assert_eq!(with(&format!("https://a.test/x?{other}")), format!("https://a.test/x?{other}&amount=7"));
        }
    }

    /// C4: a redirect names a URL, or a path of the same host; everything else is left for the guard to refuse.
    #[test]
    fn a_redirect_leads_to_a_url_or_a_path_c4() {
        let to = |text: &str, location: &str| Url::parse(text, Loopback::Refused).unwrap().of_redirect(location);
        assert_eq!(to("https://a.test/x?y=/z", "/w?v"), "https://a.test/w?v");
        assert_eq!(to("https://a.test?y=/z", "/w"), "https://a.test/w");
        assert_eq!(to("https://a.test", "https://b.test/w"), "https://b.test/w");
        for odd in ["//b.test/w", "w", "../w", "", "?v"] {
            assert_eq!(to("https://a.test/x", odd), odd);
        }
    }

    #[test]
    fn a_url_prints_no_path_and_no_query_t120() {
        let url = Url::parse("https://Shop.example:8443/hush?k1=hush", Loopback::Refused).unwrap();
        assert_eq!(format!("{url:?}"), "https://shop.example:8443/…");
    }
}
