//! A Lightning address, `alice@shop.example` (LUD-16): another spelling of a URL.

use core::fmt;

use super::fault::LnurlFault;
use super::guard::{Admitted, Guard};
use super::url::{Loopback, Url, UrlFault, is_name};

/// A Lightning address. Public: it is there to be given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    user: String,
    /// A DNS name; on this machine, with a port.
    host: String,
    is_here: bool,
}

/// An address as people type it: with blanks or a line break around it or around its `@`, in capitals, with a `₿` or a
/// `lightning:` in front. Lower case, and nothing else is changed: a blank inside a name is somebody else's name.
///
/// ```
/// use satstile_lightning::lnurl::address::folded;
/// assert_eq!(folded(" \u{20bf}Alice@Shop.Example\n"), "alice@shop.example");
/// assert_eq!(folded("alice smith@shop.example"), "alice smith@shop.example"); // refused by `parse`
/// ```
#[must_use]
pub fn folded(unverified_text: &str) -> String {
    let is_blank = |char: char| char.is_whitespace() || matches!(char, '\u{200b}' | '\u{2060}' | '\u{feff}');
    // Of ASCII alone: no other capital is in an address, and the table of all of them is eleven kilobytes in the wasm.
    let text = unverified_text.trim_matches(is_blank).to_ascii_lowercase();
    let text = text.strip_prefix("lightning:").unwrap_or(&text).trim_start_matches(is_blank);
    let text = text.strip_prefix('\u{20bf}').unwrap_or(text).trim_start_matches(is_blank);
    match text.split_once('@') {
        Some((user, host)) => format!("{}@{}", user.trim_end_matches(is_blank), host.trim_start_matches(is_blank)),
        None => text.to_owned(),
    }
}

impl Address {
    /// Reads an address: `[a-z0-9._+-]{1,64}`, not beginning with a dot, `@`, and a DNS name, all in lower case (T98).
    /// Nothing is repaired: [`folded`] is for what people type. With [`Loopback::Allowed`]
    /// the host may be this machine, with a port.
    ///
    /// # Errors
    /// [`LnurlFault::Address`].
    ///
    /// ```
    /// use satstile_lightning::lnurl::{Address, Guard, Loopback};
    /// let address = Address::parse("alice@shop.example", Loopback::Refused)?;
    /// let guard = Guard { own_hosts: &[], loopback: Loopback::Refused };
    /// assert_eq!(address.url(&guard)?.as_str(), "https://shop.example/.well-known/lnurlp/alice");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(unverified_text: &str, loopback: Loopback) -> Result<Self, LnurlFault> {
        let (user, host) = unverified_text.split_once('@').ok_or(LnurlFault::Address)?;
        let is_here = loopback == Loopback::Allowed && is_here(host);
        if is_user(user) && (is_name(host) || is_here) {
            Ok(Self { user: user.to_owned(), host: host.to_owned(), is_here })
        } else {
            Err(LnurlFault::Address)
        }
    }

    /// Before the `@`.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// After the `@`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Below its host: where the service answers.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/.well-known/lnurlp/{}", self.user)
    }

    /// Where its service answers (LUD-16), if that may be asked.
    ///
    /// # Errors
    /// As [`Guard::read`].
    pub fn url(&self, guard: &Guard<'_>) -> Result<Admitted, UrlFault> {
        let scheme = if self.is_here { "http" } else { "https" };
        guard.read(&format!("{scheme}://{}{}", self.host, self.path()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.host)
    }
}

/// No `.` first, because the name becomes a part of a path.
fn is_user(user: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._+-".contains(&byte);
    (1..=64).contains(&user.len()) && !user.starts_with('.') && user.bytes().all(plain)
}

/// This machine, with or without a port, and nothing else: no path, no query.
fn is_here(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    host.bytes().all(plain)
        && Url::parse(&format!("http://{host}"), Loopback::Allowed).is_ok_and(|url| url.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Guard<'_> = Guard { own_hosts: &["shop.example"], loopback: Loopback::Refused };

    #[track_caller]
    fn refused(text: &str) {
        assert_eq!(Address::parse(text, Loopback::Refused), Err(LnurlFault::Address), "{text} (T98)");
        assert_eq!(Address::parse(text, Loopback::Allowed), Err(LnurlFault::Address), "{text} (T98)");
    }

    #[test]
    fn a_plain_address_becomes_a_url() {
        let longest = format!("{}@a.test", "a".repeat(64));
        for text in ["me@wallet.test", "a.b_c-d+e9@pay.wallet.test", "0@x.y", "-@a.test", &longest] {
            let address = Address::parse(text, Loopback::Refused).unwrap();
            assert_eq!(address.to_string(), text);
            let url = format!("https://{}/.well-known/lnurlp/{}", address.host(), address.user());
            assert_eq!(address.url(&GUARD).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_no_address_t98() {
        for odd in [
            "",
            "@",
            "me",
            "me@",
            "@a.test",
            "a@b.test/../c",
            "a@b.test:22",
            "a@b.test:443",
            "a@b.test?x",
            "a@b.test#x",
            "a@u@b.test",
            "a:p@b.test@c.test",
            "Me@a.test",
            "me@A.test",
            "me@a",
            "..@a.test",
            ".@a.test",
            "m/e@a.test",
            "m%65@a.test",
            "me@a%2etest",
            "me@10.0.0.1",
            "me@0x7f.1",
            "me@[2001:db8::1]",
            "me@a..test",
            "me@-a.test",
            "me@a.test.",
            " me@a.test",
            "me@a.test ",
            "me@a.test\n",
            "m\u{e9}@a.test",
            "me@\u{e4}.test",
            "me\0@a.test",
            "me@localhost/x",
            "me@127.0.0.1:9/x",
            "me@127.0.0.1?x",
            "me@127.0.0.1:",
        ] {
            refused(odd);
        }
        refused(&format!("{}@a.test", "a".repeat(65)));
    }

    /// C4.
    #[test]
    fn what_people_type_is_folded_and_no_name_becomes_another_c4() {
        let typed = [
            "Alice@Shop.Example",
            " alice@shop.example ",
            "\talice@shop.example\r\n",
            "\u{20bf}alice@shop.example",
            "\u{20bf} ALICE@shop.example",
            "lightning:alice@shop.example",
            "LIGHTNING:alice@shop.example",
            "alice @ shop.example",
            "\u{feff}alice@shop.example\u{a0}\u{200b}",
        ];
        for text in typed {
            let address = Address::parse(&folded(text), Loopback::Refused);
            assert_eq!(address.map(|a| a.to_string()).as_deref(), Ok("alice@shop.example"), "{text:?}");
        }
        for odd in ["al ice@shop.example", "alice@shop. example", "\u{20bf}\u{20bf}a@b.test", "a@b.test,c@d.test"] {
            assert_eq!(Address::parse(&folded(odd), Loopback::Refused), Err(LnurlFault::Address), "{odd}");
        }
    }

    #[test]
    fn an_address_leads_where_the_guard_lets_it_t97() {
        let url = |text: &str| Address::parse(text, Loopback::Refused).unwrap().url(&GUARD).map(|_| ());
        assert_eq!(url("me@wallet.test"), Ok(()));
        assert_eq!(url("me@shop.example"), Err(UrlFault::OwnHost));
        assert_eq!(url("me@abc.onion"), Err(UrlFault::PrivateName));
        assert_eq!(url("me@xn--99999.test"), Err(UrlFault::Punycode));
    }

    #[test]
    fn an_address_on_this_machine_is_for_regtest() {
        let regtest = Guard { own_hosts: &[], loopback: Loopback::Allowed };
        for text in ["me@127.0.0.1:3000", "me@localhost:1", "me@[::1]:9", "me@localhost"] {
            let address = Address::parse(text, Loopback::Allowed).unwrap();
            let url = format!("http://{}/.well-known/lnurlp/me", address.host());
            assert_eq!(address.url(&regtest).unwrap().as_str(), url);
            assert_eq!(address.url(&GUARD), Err(UrlFault::Scheme), "{text}");
            assert_eq!(Address::parse(text, Loopback::Refused), Err(LnurlFault::Address), "{text}");
        }
    }
}
