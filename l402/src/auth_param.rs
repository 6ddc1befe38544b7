//! `WWW-Authenticate` values: writing one challenge, reading a list of them (RFC 9110 §5.6, §11).
//!
//! Knows the grammar and no scheme. What L402 says in its parameters is read by `payer`, what Payment says by
//! `payment`. `fetch` hands several header lines over joined by commas, so a value is always read as a list.

use core::fmt;

use crate::prelude::*;

/// The longest value that is read, in bytes; two challenges with two invoices fit four times.
pub const VALUE_BYTES_MAX: usize = 16_384;

pub(crate) const CHALLENGES_MAX: usize = 16;
pub(crate) const PARAMS_MAX: usize = 32;

/// One challenge: a scheme and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// As it was written; compare with [`Challenge::is`].
    pub scheme: String,
    /// What follows the scheme.
    pub content: Content,
}

/// What follows the name of a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `name=value, …`, possibly none. Names are in lower case and differ; values are unescaped.
    Params(Vec<(String, String)>),
    /// One word such as `bm9uY2U=`.
    Token68(String),
}

impl Challenge {
    /// Whether this is the scheme's challenge; names of schemes have no case (RFC 9110 §11.1).
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The value of a parameter, whose `name` is given in lower case.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let Content::Params(params) = &self.content else { return None };
        params.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Why a value is not a list of challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChallengeFault {
    /// Longer than [`VALUE_BYTES_MAX`], or with more than 16 challenges or 32 parameters in one.
    TooLong,
    /// Not the grammar of RFC 9110 §11.6.1, from this byte on.
    Syntax(usize),
    /// A parameter is there twice in one challenge, and readers differ about which counts (D9).
    Repeated,
}

impl fmt::Display for ChallengeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("challenge is too long"),
            Self::Syntax(at) => write!(f, "challenge is unreadable at byte {at}"),
            Self::Repeated => f.write_str("challenge names a parameter twice"),
        }
    }
}

impl core::error::Error for ChallengeFault {}

/// Writes `scheme name="value", …`, or `None` when a value has no place in a header: see [`quoted`].
///
/// ```
/// let header = l402::auth_param::write("L402", &[("version", "0"), ("realm", "the \"api\"")]);
/// assert_eq!(header.as_deref(), Some(r#"L402 version="0", realm="the \"api\"""#));
/// ```
#[must_use]
pub fn write(scheme: &str, params: &[(&str, &str)]) -> Option<String> {
    let params: Option<Vec<_>> =
        params.iter().map(|(name, value)| Some(format!("{name}={}", quoted(value)?))).collect();
    Some(format!("{scheme} {}", params?.join(", ")))
}

/// A quoted-string (RFC 9110 §5.6.4); `None` for control characters, and for anything beyond ASCII, which `fetch`
/// refuses in part and clients decode in different ways.
#[must_use]
pub fn quoted(value: &str) -> Option<String> {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            _ => return None,
        }
    }
    text.push('"');
    Some(text)
}

/// Reads the challenges of a `WWW-Authenticate` value, in their order. An empty value has none.
///
/// # Errors
/// A [`ChallengeFault`] for the whole value: nothing of a broken list is believed.
///
/// ```
/// let line = r#"L402 macaroon="AgE=", invoice="lnbc1", Payment id="a, b", Negotiate bm9uY2U="#;
/// let challenges = l402::auth_param::parse(line)?;
/// assert_eq!(challenges.len(), 3);
/// assert!(challenges[0].is("l402"));
/// assert_eq!(challenges[1].param("id"), Some("a, b"));
/// # Ok::<(), l402::auth_param::ChallengeFault>(())
/// ```
pub fn parse(unverified_value: &str) -> Result<Vec<Challenge>, ChallengeFault> {
    if unverified_value.len() > VALUE_BYTES_MAX {
        return Err(ChallengeFault::TooLong);
    }
    let mut reader = Reader::new(unverified_value);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        reader.skip(&[' ', '\t', ',']); // RFC 9110 §5.6.1: empty list elements are tolerated
        if reader.is_done() {
            return Ok(challenges);
        }
        let challenge = reader.challenge()?;
        challenges.push(challenge);
        if challenges.len() > CHALLENGES_MAX {
            return Err(ChallengeFault::TooLong);
        }
    }
}

/// Steps through a value; `payer::loose` takes the same steps by another grammar.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.rest().is_empty()
    }

    const fn fault(&self) -> ChallengeFault {
        ChallengeFault::Syntax(self.at)
    }

    /// Steps over the characters that `wanted` accepts and returns them.
    pub(crate) fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn skip(&mut self, characters: &[char]) -> bool {
        !self.take(|c| characters.contains(&c)).is_empty()
    }

    pub(crate) fn eat(&mut self, c: char) -> bool {
        let eaten = self.rest().starts_with(c);
        self.at += if eaten { c.len_utf8() } else { 0 };
        eaten
    }

    /// Whether a list element ends here: at a comma or at the end.
    fn ends_element(&mut self) -> bool {
        self.skip(&[' ', '\t']);
        self.is_done() || self.rest().starts_with(',')
    }

    /// A scheme and what belongs to it; stops before the next scheme.
    fn challenge(&mut self) -> Result<Challenge, ChallengeFault> {
        let scheme = self.token()?.to_owned();
        let spaced = self.skip(&[' ']);
        if self.ends_element() {
            return Ok(Challenge { scheme, content: self.params(Vec::new())? });
        }
        if !spaced {
            return Err(self.fault());
        }
        let start = self.at;
        let word = self.take(is_token68);
        let padding = self.take(|c| c == '=');
        if !word.is_empty() && self.ends_element() {
            return Ok(Challenge { scheme, content: Content::Token68(format!("{word}{padding}")) });
        }
        self.at = start;
        let first = self.param()?.ok_or(ChallengeFault::Syntax(start))?;
        Ok(Challenge { scheme, content: self.params(vec![first])? })
    }

    /// The parameters after those `read`; stops before a list element that is no parameter.
    fn params(&mut self, read: Vec<(String, String)>) -> Result<Content, ChallengeFault> {
        let mut params = read;
        loop {
            if !self.ends_element() {
                return Err(self.fault());
            }
            self.skip(&[' ', '\t', ',']);
            let start = self.at;
            if self.is_done() {
                return Ok(Content::Params(params));
            }
            let Some((name, value)) = self.param()? else {
                self.at = start;
                return Ok(Content::Params(params));
            };
            if params.iter().any(|(n, _)| *n == name) {
                return Err(ChallengeFault::Repeated);
            }
            if params.len() == PARAMS_MAX {
                return Err(ChallengeFault::TooLong);
            }
            params.push((name, value));
        }
    }

    /// `name = value`, or `None` after a token that no `=` follows: the next scheme.
    fn param(&mut self) -> Result<Option<(String, String)>, ChallengeFault> {
        let name = self.token()?.to_ascii_lowercase();
        self.skip(&[' ', '\t']);
        if !self.eat('=') {
            return Ok(None);
        }
        self.skip(&[' ', '\t']);
        let value = if self.eat('"') { self.quoted()? } else { self.token()?.to_owned() };
        Ok(Some((name, value)))
    }

    pub(crate) fn token(&mut self) -> Result<&'a str, ChallengeFault> {
        match self.take(is_token) {
            "" => Err(self.fault()),
            token => Ok(token),
        }
    }

    /// The rest of a quoted-string, unescaped.
    pub(crate) fn quoted(&mut self) -> Result<String, ChallengeFault> {
        let mut value = String::new();
        loop {
            value.push_str(self.take(|c| is_quotable(c) && c != '"' && c != '\\'));
            if self.eat('"') {
                return Ok(value);
            }
            let escaped = if self.eat('\\') { self.rest().chars().next() } else { None };
            let c = escaped.filter(|c| is_quotable(*c)).ok_or(self.fault())?;
            self.at += c.len_utf8();
            value.push(c);
        }
    }
}

/// RFC 9110 §5.6.2.
pub(crate) const fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '.' | '^' | '_' | '`' | '|' | '~')
}

/// RFC 9110 §11.2, without the trailing `=`.
pub(crate) const fn is_token68(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/')
}

/// RFC 9110 §5.6.4: a tab, visible characters, space, and obs-text.
const fn is_quotable(c: char) -> bool {
    matches!(c, '\t' | ' '..='~') || c as u32 >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scheme|name=value|…` for each challenge, so that an ending fits on a line.
    #[track_caller]
    fn check(line: &str, ending: &[&str]) {
        let shown: Vec<String> = parse(line).unwrap().iter().map(show).collect();
        assert_eq!(shown, ending, "{line}");
    }

    fn show(challenge: &Challenge) -> String {
        match &challenge.content {
            Content::Token68(word) => format!("{} {word}", challenge.scheme),
            Content::Params(params) => {
                params.iter().fold(challenge.scheme.clone(), |text, (name, value)| format!("{text}|{name}={value}"))
            }
        }
    }

    #[track_caller]
    fn refused(line: &str, fault: ChallengeFault) {
        assert_eq!(parse(line), Err(fault), "{line}");
    }

    #[test]
    fn several_challenges_share_a_line() {
        check(
            r#"L402 macaroon="AgE=", invoice="lnbc1", Payment id="x", realm="r""#,
            &["L402|macaroon=AgE=|invoice=lnbc1", "Payment|id=x|realm=r"],
        );
        check(r#"LSAT macaroon="a",L402 macaroon="a""#, &["LSAT|macaroon=a", "L402|macaroon=a"]);
        check(
            "Negotiate, Basic realm=x, NTLM TlRM==, Bearer",
            &["Negotiate", "Basic|realm=x", "NTLM TlRM==", "Bearer"],
        );
        check(r#" ,, L402 a="1" , ,b = "2" ,"#, &["L402|a=1|b=2"]);
        check("", &[]);
    }

    #[test]
    fn a_comma_or_a_scheme_inside_quotes_is_text() {
        check(r#"Payment id="a, L402 macaroon=\"b\"", n=1"#, &[r#"Payment|id=a, L402 macaroon="b"|n=1"#]);
        check("Payment realm=\"tab\there\", d=\"café\"", &["Payment|realm=tab\there|d=café"]);
    }

    #[test]
    fn names_have_no_case() {
        let challenges = parse(r#"l402 MACAROON="a""#).unwrap();
        assert!(challenges[0].is("L402") && !challenges[0].is("LSAT"));
        assert_eq!(challenges[0].param("macaroon"), Some("a"));
        assert_eq!(challenges[0].param("token"), None);
    }

    #[test]
    fn a_parameter_named_twice_is_refused() {
        refused(r#"L402 invoice="a", invoice="b""#, ChallengeFault::Repeated);
        refused(r#"L402 invoice="a", Invoice="a""#, ChallengeFault::Repeated);
        check(r#"LSAT invoice="a", L402 invoice="b""#, &["LSAT|invoice=a", "L402|invoice=b"]);
    }

    #[test]
    fn what_is_no_list_of_challenges_is_refused() {
        refused(r#"L402 a="unclosed"#, ChallengeFault::Syntax(16));
        refused(r#"L402 a="escaped\"#, ChallengeFault::Syntax(16));
        refused("L402 a=\"bell\u{7}\"", ChallengeFault::Syntax(12));
        refused("L402 a=\"escaped\\\nline\"", ChallengeFault::Syntax(16));
        refused(r#"L402 a="1" b="2""#, ChallengeFault::Syntax(11));
        refused(r#"L402 ="1""#, ChallengeFault::Syntax(5));
        refused(r#""L402""#, ChallengeFault::Syntax(0));
        refused("L402 a=1, b=", ChallengeFault::Syntax(12));
        refused("L402\ta=1", ChallengeFault::Syntax(5));
    }

    #[test]
    fn everything_has_a_limit() {
        refused(&"x".repeat(VALUE_BYTES_MAX + 1), ChallengeFault::TooLong);
        refused(&"Basic, ".repeat(17), ChallengeFault::TooLong);
        assert_eq!(parse(&"Basic, ".repeat(16)).unwrap().len(), 16);
        let params: Vec<String> = (0..33).map(|i| format!("p{i}=1")).collect();
        refused(&format!("L402 {}", params.join(",")), ChallengeFault::TooLong);
        assert!(parse(&format!("L402 {}", params[..32].join(","))).is_ok());
    }

    #[test]
    fn what_is_written_reads_back() {
        let header = write("Payment", &[("realm", r#"a\b "c""#), ("id", "x=1,")]).unwrap();
        assert_eq!(header, r#"Payment realm="a\\b \"c\"", id="x=1,""#);
        check(&header, &[r#"Payment|realm=a\b "c"|id=x=1,"#]);
    }

    #[test]
    fn a_line_break_never_reaches_a_header() {
        for value in ["a\r\nSet-Cookie: x", "\0", "\t", "\u{7f}", "café", "⚡"] {
            assert_eq!(write("L402", &[("invoice", value)]), None, "{value:?}");
        }
    }
}
