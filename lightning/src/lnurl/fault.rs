//! Why a link, an address or an answer of an LNURL service is of no use.

use core::fmt;

use l402::bolt11::Bolt11Fault;

use super::bech32::LNURL_CHARS_MAX;
use super::url::UrlFault;

/// What was wrong, in words for whoever gave us the link or the address. Nothing in it comes from outside, but for a
/// [`Reason`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LnurlFault {
    /// Longer than [`LNURL_CHARS_MAX`].
    TooLong,
    /// Not bech32: mixed case, a stray character, a wrong checksum, or bits left over.
    Bech32,
    /// Bech32 of something else than `lnurl`, or no link at all.
    Prefix,
    /// What is encoded is no UTF-8.
    Utf8,
    /// The URL in it cannot be read, or may not be fetched.
    Url(UrlFault),
    /// Not an address like `alice@shop.example`, in lower case.
    Address,
    /// Not the JSON that this step is answered with.
    Unreadable,
    /// Another kind of service than was asked for.
    WrongTag,
    /// It refuses. The status may be 200 all the same.
    Refused(u16, Option<Reason>),
    /// Its greatest amount is less than its least one.
    Range,
    /// There is nothing to collect: the link was used, or is empty.
    Empty,
    /// Out of what the service takes or gives.
    OutOfRange,
    /// It wants to know who pays (LUD-18), and nothing of that is told from here.
    PayerData,
    /// It sends on once too often, or without saying where to.
    Redirects,
    /// Its invoice cannot be read, or is not the one that was asked for.
    Invoice(Bolt11Fault),
    /// Its invoice is for another description than the service showed (LUD-06, step 6).
    WrongDescription,
}

impl fmt::Display for LnurlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "LNURL is longer than {LNURL_CHARS_MAX} characters"),
            Self::Bech32 => f.write_str("LNURL is not bech32, or its checksum is wrong"),
            Self::Prefix => f.write_str("not an LNURL: it begins with LNURL1, lnurlp://, lnurlw:// or lnurlc://"),
            Self::Utf8 => f.write_str("LNURL holds no text"),
            Self::Url(fault) => fault.fmt(f),
            Self::Address => f.write_str("not a Lightning address like alice@shop.example, in lower case"),
            Self::Unreadable => f.write_str("the LNURL service's reply is not what this step is answered with"),
            Self::WrongTag => f.write_str("the LNURL service is of another kind"),
            Self::Refused(_, Some(reason)) => write!(f, "the LNURL service refuses: \"{reason}\""),
            Self::Refused(status, None) => write!(f, "the LNURL service refuses ({status})"),
            Self::Range => f.write_str("the LNURL service takes no amount at all"),
            Self::Empty => f.write_str("there is nothing to collect from this LNURL"),
            Self::OutOfRange => f.write_str("the LNURL service does not take this amount"),
            Self::PayerData => f.write_str(
                "the LNURL service demands to know who pays (payer data), and none is sent from here; \
                 pay an invoice of that payee instead",
            ),
            Self::Redirects => f.write_str("the LNURL service sends on and on"),
            Self::Invoice(fault) => write!(f, "the LNURL service's invoice cannot be used: {fault}"),
            Self::WrongDescription => f.write_str("the LNURL service's invoice is for another description"),
        }
    }
}

impl core::error::Error for LnurlFault {}

impl From<UrlFault> for LnurlFault {
    fn from(fault: UrlFault) -> Self {
        Self::Url(fault)
    }
}

impl From<Bolt11Fault> for LnurlFault {
    fn from(fault: Bolt11Fault) -> Self {
        Self::Invoice(fault)
    }
}

/// Longest reason that is kept, in characters.
pub const REASON_CHARS_MAX: usize = 120;

/// What a service said, fit for a log and a screen: short, printable, and without anything long enough to be a key, an
/// invoice or a preimage, which services like to repeat (T120).
#[derive(Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// What is left of a text; `None` when it is empty.
    pub(super) fn of(unverified_text: &str) -> Option<Self> {
        let (mut kept, mut run) = (String::new(), String::new());
        for char in printable(unverified_text, 2_000).chars().chain(core::iter::once(' ')) {
            if char.is_ascii_alphanumeric() {
                run.push(char);
                continue;
            }
            // 128 bits in hex are 32 digits; no word is as long.
            kept.push_str(if run.len() < 32 { &run } else { "…" });
            run.clear();
            kept.push(if char == '"' { '\'' } else { char });
        }
        let kept: String = kept.trim().chars().take(REASON_CHARS_MAX).collect();
        if kept.is_empty() { None } else { Some(Self(kept)) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({:?})", self.0)
    }
}

/// The beginning of a text from outside, with U+FFFD for what a terminal or a page might obey.
pub(super) fn printable(unverified_text: &str, chars_max: usize) -> String {
    unverified_text.chars().take(chars_max).map(|char| if is_shown(char) { char } else { '\u{fffd}' }).collect()
}

/// Not a control character, nor one that is invisible, breaks the line or turns the direction of writing, nor for
/// private use. By ranges: the tables of Unicode have their weight in the worker.
const fn is_shown(char: char) -> bool {
    !matches!(char,
        '\0'..='\x1f' | '\x7f'..='\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{2000}'..='\u{200f}'
        | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}'
        | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, kept: Option<&str>) {
        assert_eq!(Reason::of(text).as_ref().map(Reason::as_str), kept, "{text:?}");
    }

    #[test]
    fn a_reason_is_short_and_printable() {
        check("Amount is below the minimum", Some("Amount is below the minimum"));
        check("zu wenig für 1 ₿, 残高不足", Some("zu wenig für 1 ₿, 残高不足"));
        check("\u{200b}a\u{2066}b\u{2028}c\u{e000}", Some("\u{fffd}a\u{fffd}b\u{fffd}c\u{fffd}"));
        check("a\n\u{1b}[2Jb\u{202e}c", Some("a\u{fffd}\u{fffd}[2Jb\u{fffd}c"));
        check("no \"sats\"", Some("no 'sats'"));
        check(&"no ".repeat(100), Some(&"no ".repeat(40)));
        check(" ", None);
        check("", None);
    }

    #[test]
    fn a_secret_that_a_service_repeats_is_not_kept_t120() {
        check(&format!("k1 {} was used", "ab".repeat(16)), Some("k1 … was used"));
        check(&format!("k1={}", "ab".repeat(32)), Some("k1=…"));
        check(&format!("lnbcrt{} expired", "q".repeat(300)), Some("… expired"));
        check(&format!("code {}", "a".repeat(31)), Some(&format!("code {}", "a".repeat(31))));
        let fault = LnurlFault::Refused(200, Reason::of(&"ab".repeat(32)));
        assert_eq!(
            (fault.to_string().as_str(), format!("{fault:?}").contains("abab")),
            ("the LNURL service refuses: \"…\"", false)
        );
    }
}
