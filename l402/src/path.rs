//! The canonical request: one reading of a URL, or none (T26 to T28, C11).
//!
//! A gate that decides on one spelling and an origin that serves another is the oldest hole in
//! front of a paid route. So nothing is repaired here: what could be read in two ways is refused,
//! and the very bytes that were matched are the bytes that are forwarded.

pub use crate::host::is_loopback;

use std::borrow::Cow;

use crate::fault::Malformed;

/// Longest request target that is looked at (T44).
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// A request target with exactly one reading: path and query, still spelled as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    raw: &'a str,
    path_len: usize,
}

/// Spellings with two readings that a route can permit all the same (T26): where each reading is of that one route, it does
/// not matter which of them the origin takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// `//`, as in `/view/https://example.com/`.
    pub double_slash: bool,
    /// `%2F`, as in `/npm/@scope%2fname`.
    pub encoded_slash: bool,
}

impl Allow {
    const NONE: Self = Self { double_slash: false, encoded_slash: false };
    /// Both.
    pub const ALL: Self = Self { double_slash: true, encoded_slash: true };

    /// Whether this permits what `used` names.
    #[must_use]
    pub const fn covers(self, used: Self) -> bool {
        (self.double_slash || !used.double_slash) && (self.encoded_slash || !used.encoded_slash)
    }
}

/// The parts of an absolute request URL, as the runtime hands it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestUrl<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and optional port, as sent.
    pub unverified_authority: &'a str,
    /// Everything from the first `/`, as sent.
    pub unverified_target: &'a str,
}

impl<'a> RequestUrl<'a> {
    /// Splits without interpreting: `http://host:port/target`.
    ///
    /// # Errors
    /// [`Malformed::UnreadableHost`] when there is no scheme, host or path to split at.
    pub fn split(url: &'a str) -> Result<Self, Malformed> {
        let (scheme, rest) = url.split_once("://").ok_or(Malformed::UnreadableHost)?;
        let (authority, _) = rest.split_once('/').ok_or(Malformed::UnreadableHost)?;
        let target = rest.get(authority.len()..).unwrap_or_default();
        if !matches!(scheme, "http" | "https") {
            return Err(Malformed::UnreadableHost);
        }
        Ok(Self { scheme, unverified_authority: authority, unverified_target: target })
    }
}

impl<'a> Target<'a> {
    /// Accepts a target that every server reads in the same way.
    ///
    /// ```
    /// use l402::path::Target;
    /// assert!(Target::parse("/articles/1?page=2").is_ok());
    /// assert!(Target::parse("/free/../articles/1").is_err());
    /// assert!(Target::parse("/free/%2e%2e/articles/1").is_err());
    /// ```
    ///
    /// # Errors
    /// [`Malformed::TargetTooLong`] over 8 KiB, [`Malformed::CredentialInQuery`] (T121), and
    /// [`Malformed::AmbiguousTarget`] with the reason for every spelling that T26 and C11 name.
    pub fn parse(raw: &'a str) -> Result<Self, Malformed> {
        Self::parse_with(raw, Allow::NONE)
    }

    /// The same, and takes what `allow` names; [`Target::used`] says what of it there is.
    ///
    /// # Errors
    /// As [`Target::parse`].
    pub fn parse_with(raw: &'a str, allow: Allow) -> Result<Self, Malformed> {
        if raw.len() > TARGET_BYTES_MAX {
            return Err(Malformed::TargetTooLong);
        }
        let path = raw.split_once('?').map_or(raw, |(path, _)| path);
        check_path(path, allow)?;
        if let Some(query) = raw.get(path.len() + 1..) {
            check_query(query)?;
        }
        Ok(Self { raw, path_len: path.len() })
    }

    /// Which spellings with two readings stand in the path.
    #[must_use]
    pub fn used(&self) -> Allow {
        let path = self.path();
        Allow { double_slash: path.contains("//"), encoded_slash: path.contains("%2f") || path.contains("%2F") }
    }

    /// The other paths that an origin could take this one for, besides [`Target::decoded_path`]: its encoded slashes left
    /// alone, and either of them with each run of slashes as one.
    #[must_use]
    pub fn other_readings(&self) -> [Vec<u8>; 3] {
        // Encoded once more, so that a decoding gives it back.
        let kept = decode(&self.path().replace("%2f", "%252f").replace("%2F", "%252F")).into_owned();
        let merged = |path: &[u8]| {
            let mut one = path.to_vec();
            one.dedup_by(|a, b| *a == b'/' && *b == b'/');
            one
        };
        [merged(&kept), merged(&self.decoded_path()), kept]
    }

    /// The query, byte for byte as it came.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.raw.get(self.path_len + 1..)
    }

    /// The whole target, byte for byte as it came.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.raw
    }

    /// The path, byte for byte as it came.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.raw.get(..self.path_len).unwrap_or(self.raw)
    }

    /// The path with its percent triplets decoded once, for matching only. No triplet hides a
    /// separator, a dot or a letter ([`Target::parse`] refused those), so this has one reading too.
    #[must_use]
    pub fn decoded_path(&self) -> Cow<'a, [u8]> {
        decode(self.path())
    }
}

/// Decodes percent triplets once; anything that is not one stays as it is.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('%') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match (first, triplet(rest)) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(out)
}

/// The byte that `%XX` at the start of `text` stands for.
fn triplet(text: &[u8]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(text.get(1..3)?, &mut byte).ok()?;
    byte.first().copied()
}

fn check_path(path: &str, allow: Allow) -> Result<(), Malformed> {
    use Malformed::AmbiguousTarget as No;
    if !path.starts_with('/') {
        return Err(No("the path does not start with a slash"));
    }
    let bytes = path.as_bytes();
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => check_triplet(bytes.get(i..).unwrap_or_default(), allow)?,
            b'/' if bytes.get(i + 1) == Some(&b'/') && !allow.double_slash => return Err(No(EMPTY_SEGMENT)),
            b'\\' => return Err(No("a backslash in the path")),
            b';' => return Err(No("a semicolon in the path")),
            // WHATWG URL serialisation rewrites these, so the origin would see another spelling.
            b' ' | b'"' | b'#' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}' => {
                return Err(No("a path character that must be percent-encoded"));
            }
            0..=0x1f | 0x7f..=0xff => return Err(No("a control or non-ASCII character in the path")),
            _ => {}
        }
    }
    // `%c0%ae` is a dot to a decoder that does not look closely.
    let decoded = decode(path);
    let Ok(decoded) = core::str::from_utf8(&decoded) else {
        return Err(No("encoded bytes that are no UTF-8"));
    };
    // A slash that may be encoded parts segments, too.
    if decoded.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(No("a dot segment"));
    }
    Ok(())
}

/// In the words of [`Allow`], so that who must let it through finds the switch.
const EMPTY_SEGMENT: &str =
    "an empty path segment, `//`; a route of the policy takes it with allow = [\"double_slash\"]";
const ENCODED_SLASH: &str = "an encoded slash, `%2F`; a route of the policy takes it with allow = [\"encoded_slash\"]";

fn check_triplet(text: &[u8], allow: Allow) -> Result<(), Malformed> {
    use Malformed::AmbiguousTarget as No;
    let Some(byte) = triplet(text) else {
        return Err(No("a percent sign that starts no triplet"));
    };
    match byte {
        0..=0x1f | 0x7f => Err(No("an encoded control character")),
        b'/' if allow.encoded_slash => Ok(()),
        b'/' => Err(No(ENCODED_SLASH)),
        b'\\' => Err(No("an encoded backslash")),
        b'%' => Err(No("an encoded percent sign")),
        b';' => Err(No("an encoded semicolon")),
        // `/%61rticles` and `/%2e%2e`: RFC 3986 §2.3 calls them equal to the plain spelling, a gate
        // that compares bytes does not.
        b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
            Err(No("an encoded character that needs no encoding"))
        }
        _ => Ok(()),
    }
}

fn check_query(query: &str) -> Result<(), Malformed> {
    for byte in query.bytes() {
        match byte {
            b' ' | b'"' | b'#' | b'<' | b'>' | b'\'' => {
                return Err(Malformed::AmbiguousTarget("a query character that must be percent-encoded"));
            }
            0..=0x1f | 0x7f..=0xff => {
                return Err(Malformed::AmbiguousTarget("a control or non-ASCII character in the query"));
            }
            _ => {}
        }
    }
    let names = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    for name in names {
        let name = decode(name).to_ascii_lowercase();
        if matches!(&*name, b"l402" | b"lsat" | b"macaroon" | b"preimage" | b"authorization") {
            return Err(Malformed::CredentialInQuery);
        }
    }
    Ok(())
}

/// A canonical host without the port that its scheme has anyway.
#[must_use]
pub fn without_default_port<'h>(host: &'h str, scheme: &str) -> &'h str {
    host.strip_suffix(if scheme == "https" { ":443" } else { ":80" }).unwrap_or(host)
}

/// Lower-cases a host with an optional port, and takes the dot off that ends a name in full (RFC 1034 §3.1); `None` when it
/// is neither name, IPv4 nor `[IPv6]` (T28).
#[must_use]
pub fn canonical_host(authority: &str) -> Option<String> {
    let mut lower = authority.to_ascii_lowercase();
    let name_len = lower.find(':').unwrap_or(lower.len());
    if name_len > 1 && lower.get(..name_len).is_some_and(|name| name.ends_with('.')) {
        lower.remove(name_len - 1);
    }
    let (host, port) = match lower.rfind(']') {
        Some(end) => lower.split_at(end + 1),
        None => lower.find(':').map_or((lower.as_str(), ""), |colon| lower.split_at(colon)),
    };
    let port_fine = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok_and(|n| n > 0) && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let inside = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fine = match inside {
        Some(v6) => v6.parse::<core::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
                && !host.split('.').any(str::is_empty)
        }
    };
    (port_fine && host_fine).then_some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(target: &str) {
        assert!(Target::parse(target).is_err(), "{target:?} was accepted");
    }

    #[track_caller]
    fn accepted(target: &str) {
        assert_eq!(Target::parse(target).unwrap().as_str(), target);
    }

    #[test]
    fn ordinary_targets_stay_as_they_came() {
        for target in [
            "/",
            "/articles/1",
            "/a/",
            "/a?",
            "/a?b=c&d=%27",
            "/caf%C3%A9",
            "/a%20b",
            "/a@b:c,d=e",
            "/a%40b",
            "/a~b",
            "/a.b",
            "/..a",
            "/a..",
            "/...",
            "/?x=//y/../z",
            "/a|b",
            "/a[0]",
            "/a?q={}",
        ] {
            accepted(target);
        }
    }

    #[test]
    fn a_spelling_with_two_readings_is_refused_t26() {
        for target in [
            "",
            "a",
            "//",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e",
            "/%2E%2e/b",
            "/a/.%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a;b",
            "/a%3Bb",
            "/a%252fb",
            "/a%",
            "/a%2",
            "/a%zz",
            "/é",
            "/a\u{7f}",
            "/a\tb",
            "/a b",
            "/a\"b",
            "/a<b",
            "/a>b",
            "/a^b",
            "/a`b",
            "/a{b",
            "/a}b",
            "/a#b",
            "/%61rticles",
            "/%c0%ae%c0%ae/a",
            "/caf%e9",
            "/a%0ab",
            "/a%7F",
        ] {
            refused(target);
        }
        for query in ["/?a b", "/?\"", "/?<", "/?>", "/?'", "/?#", "/?é", "/?\n"] {
            refused(query);
        }
    }

    /// Row C6 (T26): what a route can permit, and what no switch lets through.
    #[test]
    fn a_double_or_an_encoded_slash_is_taken_where_it_is_permitted_c6() {
        let double = Allow { double_slash: true, ..Allow::NONE };
        let encoded = Allow { encoded_slash: true, ..Allow::NONE };
        for (target, allow) in [
            ("/view/https://a.example/b", double),
            ("/a//", double),
            ("/npm/@scope%2fname", encoded),
            ("/a%2F", encoded),
        ] {
            refused(target);
            let read = Target::parse_with(target, allow).unwrap();
            assert_eq!((read.as_str(), read.used()), (target, allow));
            let other = if allow == double { encoded } else { double };
            assert!(Target::parse_with(target, other).is_err(), "{target}");
        }
        for never in
            ["/a//../b", "/a%2f..%2fb", "/a/..%2fb", "/a%2f.", "/a%5cb", "/a%252fb", "/a\\b", "/%2e%2e%2fb", "//a;b"]
        {
            assert!(Target::parse_with(never, Allow::ALL).is_err(), "{never}");
        }
        let read = Target::parse_with("/a//b%2Fc", Allow::ALL).unwrap();
        assert_eq!(read.other_readings(), ["/a/b%2Fc", "/a/b/c", "/a//b%2Fc"].map(|path| path.as_bytes().to_vec()));
        assert_eq!(&*read.decoded_path(), b"/a//b/c");
    }

    #[test]
    fn a_credential_in_the_query_is_refused_t121() {
        for target in ["/a?macaroon=x", "/a?x=1&L402=y", "/a?preimage", "/a?%6dacaroon=x"] {
            assert_eq!(Target::parse(target), Err(Malformed::CredentialInQuery), "{target}");
        }
        accepted("/a?token=x&macaroons=y");
    }

    #[test]
    fn a_target_over_8_kib_is_refused_t44() {
        accepted(&format!("/{}", "a".repeat(TARGET_BYTES_MAX - 1)));
        assert_eq!(Target::parse(&format!("/{}", "a".repeat(TARGET_BYTES_MAX))), Err(Malformed::TargetTooLong));
    }

    #[test]
    fn hosts_are_names_with_ports_and_nothing_else_t28() {
        for (given, canonical) in [
            ("Example.COM", "example.com"),
            ("a:8787", "a:8787"),
            ("[::1]:80", "[::1]:80"),
            ("127.0.0.1", "127.0.0.1"),
            ("Example.com.", "example.com"),
            ("example.com.:8443", "example.com:8443"),
        ] {
            assert_eq!(canonical_host(given).as_deref(), Some(canonical));
        }
        for host in [
            "", "a@b", "a/b", "e.test?", "a b", "a:", "a:0", "a:99999", "a:1:2", "[::1", "a..b", "a..", ".", ".:80",
            "[::1].", "[zz]", "a:+1", "é.test",
        ] {
            assert_eq!(canonical_host(host), None, "{host:?}");
        }
    }

    #[test]
    fn loopback_is_the_name_and_the_addresses() {
        for host in ["localhost", "localhost:8787", "127.0.0.1:1", "127.9.9.9", "[::1]:8787", "a.localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "127.0.0.1.example", "example.com", "notlocalhost", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
