//! Which real clients read a challenge. Each rule was measured: a mock server sent the forms, the clients were run.

use l402::auth_param::{Challenge, Content};

/// What matters to a client about the challenges of a 402.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// L402 or LSAT is the very first word.
    pub first: bool,
    /// `Payment` is.
    pub payment_first: bool,
    /// In capitals.
    pub capitals: bool,
    /// It has `macaroon`, whatever else it has.
    pub macaroon: bool,
    /// It begins `macaroon="…", invoice="…"`.
    pub macaroon_invoice: bool,
}

/// Whether a client takes a challenge of this form.
type Takes = fn(Form) -> bool;

/// A client, and what it insists on.
const CLIENTS: [(&str, Takes); 9] = [
    ("lnget", |f| f.macaroon_invoice && !f.payment_first),
    ("l402-requests (Python)", |f| f.macaroon_invoice),
    ("L402sdk", |f| f.first && f.capitals && f.macaroon),
    ("l402 (npm)", |f| f.first && f.capitals && f.macaroon),
    ("pyl402", |f| f.first && f.capitals && f.macaroon),
    ("routeweiler", |f| f.first && f.macaroon),
    ("l402kit", |_| true),
    ("bolthub", |_| true),
    ("Alby lightning-tools", |f| f.first || f.payment_first),
];

impl Form {
    /// What the challenges of all lines look like, joined.
    pub fn of(challenges: &[Challenge]) -> Option<Self> {
        let is_ours = |challenge: &&Challenge| challenge.is("L402") || challenge.is("LSAT");
        let ours = challenges.iter().find(is_ours)?;
        let names: Vec<&str> = match &ours.content {
            Content::Params(params) => params.iter().map(|(name, _)| name.as_str()).collect(),
            Content::Token68(_) => Vec::new(),
        };
        Some(Self {
            first: challenges.first().is_some_and(|first| is_ours(&first)),
            payment_first: challenges.first().is_some_and(|first| first.is("Payment")),
            capitals: ours.scheme == "L402" || ours.scheme == "LSAT",
            macaroon: names.contains(&"macaroon"),
            macaroon_invoice: names.starts_with(&["macaroon", "invoice"]),
        })
    }

    /// The clients that do not read it.
    pub fn unread_by(self) -> Vec<&'static str> {
        CLIENTS.iter().filter(|(_, reads)| !reads(self)).map(|(name, _)| *name).collect()
    }

    /// How many clients were measured.
    pub const fn measured() -> usize {
        CLIENTS.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, unread_by: &[&str]) {
        let challenges = l402::auth_param::parse(line).unwrap();
        assert_eq!(Form::of(&challenges).unwrap().unread_by(), unread_by, "{line}");
    }

    #[test]
    fn the_measured_forms_are_read_by_whom_they_were_read() {
        check(r#"L402 macaroon="a", invoice="b", version="0", token="a""#, &[]);
        check(r#"L402 macaroon="a", invoice="b", Payment id="c""#, &[]);
        check(r#"LSAT macaroon="a", invoice="b", L402 macaroon="a", invoice="b""#, &[]);
        check(r#"L402 version="0", token="a", macaroon="a", invoice="b""#, &["lnget", "l402-requests (Python)"]);
        check(
            r#"L402 version="0", token="a", invoice="b""#,
            &["lnget", "l402-requests (Python)", "L402sdk", "l402 (npm)", "pyl402", "routeweiler"],
        );
        check(
            r#"Bearer realm="x", L402 macaroon="a", invoice="b""#,
            &["L402sdk", "l402 (npm)", "pyl402", "routeweiler", "Alby lightning-tools"],
        );
        check(
            r#"Payment id="x", L402 macaroon="a", invoice="b""#,
            &["lnget", "L402sdk", "l402 (npm)", "pyl402", "routeweiler"],
        );
        check(r#"l402 macaroon="a", invoice="b""#, &["L402sdk", "l402 (npm)", "pyl402"]);
    }
}
