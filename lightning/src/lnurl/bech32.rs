//! LNURL as text: bech32 of a URL (LUD-01), or the URL itself under a scheme of its own (LUD-17).

use ::bech32::Hrp;
use ::bech32::primitives::decode::CheckedHrpstring;
use l402::bolt11::LongBech32;
use l402::host::is_loopback;

use super::fault::LnurlFault;
use super::url::{Loopback, Url};

/// The longest LNURL that is read or written, in characters (T98). A QR code of one is still readable.
pub const LNURL_CHARS_MAX: usize = 2_000;

const HRP: &str = "lnurl";

/// The schemes of LUD-17. `keyauth` is for logging in, which nothing here does.
const SCHEMES: &[&str] = &["lnurlw", "lnurlp", "lnurlc"];

/// `LNURL1…`, in upper case, which a QR code holds in half the space.
///
/// # Errors
/// [`LnurlFault::TooLong`] for a URL of more than 1,242 bytes.
///
/// ```
/// use satstile_lightning::lnurl::{Loopback, Url, bech32};
/// let url = Url::parse("https://shop.example/lnurl?id=7", Loopback::Refused)?;
/// let text = bech32::encode(&url)?;
/// assert!(text.starts_with("LNURL1DP68GURN8GHJ7"));
/// assert_eq!(bech32::decode(&format!("lightning:{text}"), Loopback::Refused)?, url);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode(url: &Url) -> Result<String, LnurlFault> {
    let hrp = Hrp::parse(HRP).map_err(|_| LnurlFault::Prefix)?;
    let text = ::bech32::encode_upper::<LongBech32>(hrp, url.as_str().as_bytes()).map_err(|_| LnurlFault::TooLong)?;
    if text.len() > LNURL_CHARS_MAX { Err(LnurlFault::TooLong) } else { Ok(text) }
}

/// Reads `LNURL1…`, `lnurl1…`, `lnurlw://…`, `lnurlp://…` or `lnurlc://…`, each with or without `lightning:` before it.
/// Says nothing about where the URL leads.
///
/// # Errors
/// [`LnurlFault::TooLong`], [`LnurlFault::Prefix`], [`LnurlFault::Bech32`], [`LnurlFault::Utf8`], and
/// [`LnurlFault::Url`] for a URL of another form than LUD-01 wants: https, or http on this machine where that is allowed.
pub fn decode(unverified_text: &str, loopback: Loopback) -> Result<Url, LnurlFault> {
    let text = strip_ignoring_case(unverified_text, "lightning:").unwrap_or(unverified_text);
    if text.len() > LNURL_CHARS_MAX {
        return Err(LnurlFault::TooLong);
    }
    let url = match text.split_once("://") {
        Some((scheme, rest)) => of_scheme(scheme, rest, loopback)?,
        None => of_bech32(text)?,
    };
    Ok(Url::parse(&url, loopback)?)
}

/// LUD-17: the scheme says what it is for, and stands for `https` (T98: never for less, but for this machine).
fn of_scheme(scheme: &str, rest: &str, loopback: Loopback) -> Result<String, LnurlFault> {
    if !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(LnurlFault::Prefix);
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let is_here = loopback == Loopback::Allowed && is_loopback(authority);
    Ok(format!("{}://{rest}", if is_here { "http" } else { "https" }))
}

fn of_bech32(text: &str) -> Result<String, LnurlFault> {
    if strip_ignoring_case(text, HRP).is_none() {
        return Err(LnurlFault::Prefix);
    }
    let checked = CheckedHrpstring::new::<LongBech32>(text).map_err(|_| LnurlFault::Bech32)?;
    if checked.hrp().lowercase_char_iter().ne(HRP.chars()) {
        return Err(LnurlFault::Prefix);
    }
    // Of the last word at most four bits may be over, and they are zero: one URL has one spelling.
    let words = checked.fe32_iter();
    let over = (words.len() * 5) % 8;
    let last = words.last().map_or(0, |word| word.to_u8());
    if over > 4 || u32::from(last).trailing_zeros() < u32::try_from(over).unwrap_or(u32::MAX) {
        return Err(LnurlFault::Bech32);
    }
    String::from_utf8(checked.byte_iter().collect()).map_err(|_| LnurlFault::Utf8)
}

fn strip_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (begin, rest) = text.split_at_checked(prefix.len())?;
    begin.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use ::bech32::primitives::iter::Fe32IterExt;
    use ::bech32::{Bech32m, Fe32};

    use super::*;
    use crate::lnurl::UrlFault;

    /// The example of LUD-01.
    const EXAMPLE: (&str, &str) = (
        "https://service.com/api?q=3fc3645b439ce8e7f2553a69e5267081d96dcd340693afabe04be7b0ccd178df",
        "LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HXQURZEPEXEJXXEPNXSCRV\
         WFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS",
    );

    #[track_caller]
    fn check(text: &str, ending: Result<&str, LnurlFault>) {
        assert_eq!(decode(text, Loopback::Refused).as_ref().map(Url::as_str), ending.as_ref().copied(), "{text}");
    }

    fn url(text: &str) -> Url {
        Url::parse(text, Loopback::Allowed).unwrap()
    }

    /// Bech32 of anything.
    fn encoded(hrp: &str, bytes: &[u8]) -> String {
        ::bech32::encode_lower::<LongBech32>(Hrp::parse(hrp).unwrap(), bytes).unwrap()
    }

    #[test]
    fn the_example_of_lud_01_is_written_and_read() {
        let (text, lnurl) = EXAMPLE;
        assert_eq!(encode(&url(text)).as_deref(), Ok(lnurl));
        for spelled in [lnurl, &lnurl.to_lowercase(), &format!("lightning:{lnurl}"), &format!("LIGHTNING:{lnurl}")] {
            check(spelled, Ok(text));
        }
    }

    #[test]
    fn one_character_changed_is_no_lnurl() {
        let lnurl = EXAMPLE.1;
        for at in 6..lnurl.len() {
            let other = if &lnurl[at..=at] == "Q" { "P" } else { "Q" };
            check(&format!("{}{other}{}", &lnurl[..at], &lnurl[at + 1..]), Err(LnurlFault::Bech32));
        }
        check(&lnurl.replacen('D', "d", 1), Err(LnurlFault::Bech32));
        check(&format!("l{}", &lnurl[1..]), Err(LnurlFault::Bech32));
        check(&lnurl[..lnurl.len() - 1], Err(LnurlFault::Bech32));
        check(&format!("{lnurl} "), Err(LnurlFault::Bech32));
    }

    #[test]
    fn bech32_of_something_else_is_no_lnurl_t98() {
        let bytes = EXAMPLE.0.as_bytes();
        check(&encoded("lnurl", bytes), Ok(EXAMPLE.0));
        check(&encoded("lnurlx", bytes), Err(LnurlFault::Prefix));
        check(&encoded("lnbc", bytes), Err(LnurlFault::Prefix));
        let bech32m = ::bech32::encode_lower::<Bech32m>(Hrp::parse("lnurl").unwrap(), b"https://a.test/").unwrap();
        check(&bech32m, Err(LnurlFault::Bech32));
        check(&encoded("lnurl", b"https://a.test/\xff"), Err(LnurlFault::Utf8));
        check(&encoded("lnurl", b""), Err(LnurlFault::Url(UrlFault::Scheme)));
        for odd in ["", "lnurl", "lnurl1", "LNURL1QQQQQQ", "\u{2c62}nurl1", "lightning:", "https://a.test/"] {
            assert!(decode(odd, Loopback::Refused).is_err(), "{odd}");
        }
    }

    #[test]
    fn bits_that_are_left_over_are_zero() {
        let words = |extra: &[u8]| {
            let words = ::bech32::primitives::iter::ByteIterExt::bytes_to_fes(b"https://a.test/".iter().copied());
            let words: Vec<Fe32> = words.chain(extra.iter().map(|word| Fe32::try_from(*word).unwrap())).collect();
            let hrp = Hrp::parse("lnurl").unwrap();
            words.into_iter().with_checksum::<LongBech32>(&hrp).chars().collect::<String>()
        };
        // 15 bytes are 24 words: whatever follows is too much.
        check(&words(&[]), Ok("https://a.test/"));
        check(&words(&[0]), Err(LnurlFault::Bech32));
        // A byte more takes two words, and two bits are over.
        check(&words(&[0b01111, 0b00100]), Ok("https://a.test/y"));
        check(&words(&[0b01111, 0b00101]), Err(LnurlFault::Bech32));
        check(&words(&[0b01111, 0b00110]), Err(LnurlFault::Bech32));
    }

    #[test]
    fn the_url_in_it_is_of_the_form_that_lud_01_wants_t98() {
        let of = |url: &str| encoded("lnurl", url.as_bytes());
        check(&of("http://a.test/"), Err(LnurlFault::Url(UrlFault::Scheme)));
        check(&of("http://abc.onion/"), Err(LnurlFault::Url(UrlFault::Scheme)));
        check(&of("https://u@a.test/"), Err(LnurlFault::Url(UrlFault::Userinfo)));
        check(&of("https://a.test/#x"), Err(LnurlFault::Url(UrlFault::Fragment)));
        check(&of("https://a.test/\u{e4}"), Err(LnurlFault::Url(UrlFault::Characters)));
        let here = of("http://127.0.0.1:8787/w");
        check(&here, Err(LnurlFault::Url(UrlFault::Scheme)));
        assert_eq!(decode(&here, Loopback::Allowed).unwrap().as_str(), "http://127.0.0.1:8787/w");
    }

    #[test]
    fn a_scheme_of_lud_17_stands_for_https() {
        check("lnurlw://a.test/w?x=1", Ok("https://a.test/w?x=1"));
        check("LNURLP://a.test/Path", Ok("https://a.test/Path"));
        check("lightning:lnurlc://a.test/", Ok("https://a.test/"));
        check("lnurlw://abc.onion/w", Ok("https://abc.onion/w"));
        check("keyauth://a.test/", Err(LnurlFault::Prefix));
        check("lnurlx://a.test/", Err(LnurlFault::Prefix));
        check("lnurlw://u@a.test/", Err(LnurlFault::Url(UrlFault::Userinfo)));
        check("lnurlw://127.0.0.1:9/w", Ok("https://127.0.0.1:9/w"));
        assert_eq!(decode("lnurlw://127.0.0.1:9/w", Loopback::Allowed).unwrap().as_str(), "http://127.0.0.1:9/w");
        assert_eq!(decode("lnurlw://10.0.0.5/w", Loopback::Allowed).unwrap().as_str(), "https://10.0.0.5/w");
    }

    #[test]
    fn an_lnurl_has_2000_characters_and_no_more_t98() {
        let long = |bytes: usize| format!("https://a.test/{}", "a".repeat(bytes - 15));
        let longest = encode(&url(&long(1_242))).unwrap();
        assert_eq!(longest.len(), LNURL_CHARS_MAX);
        check(&longest, Ok(&long(1_242)));
        assert_eq!(encode(&url(&long(1_243))), Err(LnurlFault::TooLong));
        check(&encoded("lnurl", long(1_243).as_bytes()), Err(LnurlFault::TooLong));
    }
}
