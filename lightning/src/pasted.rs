//! An invoice as people paste it: out of a wallet, a QR code, a link or a mail. Its own checksum says whether what is left
//! of the text is the invoice that was meant, so blanks and line breaks can go without a risk.

use core::fmt;

/// Why a text holds no invoice. Nothing in it comes from the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastedFault {
    /// A BIP 21 link without `lightning=`: for a payment on chain.
    OnChain,
    /// Two different invoices in one link.
    Two,
    /// An LNURL or an address, and no invoice.
    Lnurl,
}

impl fmt::Display for PastedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnChain => "the bitcoin: link has no lightning= part; send the Lightning invoice",
            Self::Two => "the link has more than one invoice in it; send the one that is meant",
            Self::Lnurl => "this is an LNURL or a Lightning address and no invoice; send it as `address`",
        })
    }
}

impl core::error::Error for PastedFault {}

/// The BOLT 11 in a text: bare, behind `lightning:`, or in `bitcoin:…?lightning=…` (BIP 21), with blanks anywhere. Not yet
/// read; in the case in which it came.
///
/// # Errors
/// [`PastedFault`] where no invoice can be meant.
///
/// ```
/// use satstile_lightning::pasted::invoice;
/// assert_eq!(invoice(" lightning:LNBC1\n PVJLUEZ ").as_deref(), Ok("LNBC1PVJLUEZ"));
/// assert_eq!(invoice("bitcoin:bc1q?amount=1&lightning=lnbc1p").as_deref(), Ok("lnbc1p"));
/// ```
pub fn invoice(unverified_text: &str) -> Result<String, PastedFault> {
    let text: String = unverified_text.chars().filter(|char| !is_blank(*char)).collect();
    let found = match after(&text, "bitcoin:") {
        Some(rest) => {
            let query = rest.split_once('?').map_or("", |(_, query)| query);
            let mut invoices = query.split('&').filter_map(|pair| after(pair, "lightning=")).filter(|i| !i.is_empty());
            let first = invoices.next().ok_or(PastedFault::OnChain)?;
            if invoices.any(|other| !other.eq_ignore_ascii_case(first)) {
                return Err(PastedFault::Two);
            }
            first
        }
        None => {
            let bare = after(&text, "lightning:").unwrap_or(&text);
            let bare = bare.strip_prefix("//").unwrap_or(bare);
            bare.split('?').next().unwrap_or_default()
        }
    };
    if after(found, "lnurl").is_some() || found.contains('@') {
        return Err(PastedFault::Lnurl);
    }
    Ok(found.to_owned())
}

/// What follows this beginning, in whatever case.
fn after<'t>(text: &'t str, beginning: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then_some(rest)
}

/// White space, and what copying from a page leaves behind.
fn is_blank(char: char) -> bool {
    char.is_whitespace() || matches!(char, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ending: Result<&str, PastedFault>) {
        assert_eq!(invoice(text).as_deref(), ending.as_ref().map(|invoice| *invoice), "{text:?}");
    }

    /// C3.
    #[test]
    fn an_invoice_is_found_in_whatever_was_pasted_c3() {
        for text in [
            "lnbc1p",
            " lnbc1p\n",
            "ln bc\r\n1p",
            "\u{feff}lnbc1p\u{a0}",
            "lnbc\u{200b}1p",
            "lightning:lnbc1p",
            "LIGHTNING:lnbc1p",
            "lightning://lnbc1p",
            "lightning: lnbc1p",
            "lightning:lnbc1p?label=x",
            "bitcoin:?lightning=lnbc1p",
            "bitcoin:bc1q0?amount=0.1&lightning=lnbc1p&label=x",
            "BITCOIN:BC1Q0?LIGHTNING=lnbc1p",
            "bitcoin:bc1q0?lightning=lnbc1p&lightning=LNBC1P",
        ] {
            check(text, Ok("lnbc1p"));
        }
        check("lightning:LNBC1P", Ok("LNBC1P"));
    }

    /// C3: two readings are refused, and what is none is left to the reader of invoices.
    #[test]
    fn what_is_no_invoice_or_two_is_not_c3() {
        check("bitcoin:bc1q0", Err(PastedFault::OnChain));
        check("bitcoin:bc1q0?lightning=", Err(PastedFault::OnChain));
        check("bitcoin:bc1q0?xlightning=lnbc1p", Err(PastedFault::OnChain));
        check("bitcoin:bc1q0?lightning=lnbc1p&lightning=lnbc1q", Err(PastedFault::Two));
        check("lightning:LNURL1DP68", Err(PastedFault::Lnurl));
        check("alice@shop.example", Err(PastedFault::Lnurl));
        check("", Ok(""));
        check("lightning:lightning:lnbc1p", Ok("lightning:lnbc1p"));
    }
}
