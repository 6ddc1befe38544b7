//! Which real clients read a challenge. Each rule was measured: a mock server sent the forms, the clients were run.

use l402::auth_param::{Challenge, Content};
use l402::payer::loose::Loose;

/// What matters to a client about the challenges of a 402.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// L402 or LSAT is the very first word.
    pub first: bool,
    /// `Payment` is.
    pub payment_first: bool,
    /// In capitals.
    pub capitals: bool,
    /// It has `macaroon`, whatever else it has.
    pub macaroon: bool,
    /// It begins with `macaroon`, then `invoice`.
    pub macaroon_invoice: bool,
    /// `macaroon` or `token` stands there without quotes.
    pub bare_token: bool,
    /// `invoice` does.
    pub bare_invoice: bool,
    /// There is a blank where a comma belongs.
    pub blanks: bool,
    /// It stands in the JSON body and nowhere else.
    pub in_body: bool,
}

/// Whether a client takes a challenge of this form.
type Takes = fn(Form) -> bool;

/// A client, and what it insists on.
const CLIENTS: [(&str, Takes); 9] = [
    ("lnget", |f| f.macaroon_invoice && !f.payment_first && f.quoted() && !f.blanks),
    // One pattern for quotes and commas, another for neither quotes nor, perhaps, commas.
    ("l402-requests (Python)", |f| {
        f.macaroon_invoice && if f.bare_token { f.bare_invoice } else { f.quoted() && !f.blanks }
    }),
    ("L402sdk", |f| f.first && f.capitals && f.macaroon && !f.blanks),
    ("l402 (npm)", |f| f.first && f.capitals && f.macaroon && f.quoted()),
    ("pyl402", |f| f.first && f.capitals && f.macaroon && f.quoted()),
    ("routeweiler", |f| f.first && f.macaroon),
    ("l402kit", |f| f.in_body || f.quoted()),
    ("bolthub", |f| !f.in_body && f.quoted()),
    // A value without quotes goes on to the next comma.
    ("Alby lightning-tools", |f| (f.first || f.payment_first) && (f.quoted() || !f.blanks)),
];

impl Form {
    /// What the challenges of all `lines` look like, joined. `loose` is what they mean where the grammar does not say.
    pub fn of(challenges: &[Challenge], lines: &[&str], loose: Option<&Loose>) -> Option<Self> {
        if loose.is_some_and(|loose| loose.is_in_body) {
            return Some(Self { in_body: true, ..Self::default() });
        }
        let is_ours = |challenge: &&Challenge| challenge.is("L402") || challenge.is("LSAT");
        let ours = challenges.iter().find(is_ours)?;
        let bare = |name: &str| lines.iter().any(|line| is_bare(line, name));
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
            bare_token: bare("macaroon") || bare("token"),
            bare_invoice: bare("invoice"),
            blanks: loose.is_some_and(|loose| loose.has_blanks),
            in_body: false,
        })
    }

    /// Whether what a client needs stands in quotes.
    const fn quoted(self) -> bool {
        !self.bare_token && !self.bare_invoice
    }

    /// The clients that read it, and those that do not.
    pub fn clients(self) -> (Vec<&'static str>, Vec<&'static str>) {
        let (read_by, unread_by): (Vec<_>, Vec<_>) = CLIENTS.iter().partition(|(_, reads)| reads(self));
        let names = |clients: Vec<&(&'static str, Takes)>| clients.into_iter().map(|(name, _)| *name).collect();
        (names(read_by), names(unread_by))
    }

    /// How many clients were measured.
    pub const fn measured() -> usize {
        CLIENTS.len()
    }
}

/// Whether a line gives the parameter a value without quotes, in the eyes of a client that searches for its name.
fn is_bare(line: &str, name: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let named = format!("{name}=");
    line.match_indices(&named).any(|(at, _)| {
        let (before, after) = line.split_at(at);
        let is_whole = before.ends_with([' ', '\t', ',']);
        is_whole && !after.strip_prefix(&named).is_some_and(|value| value.starts_with('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, unread_by: &[&str]) {
        let challenges = l402::auth_param::parse(line).unwrap();
        assert_eq!(Form::of(&challenges, &[line], None).unwrap().clients().1, unread_by, "{line}");
    }

    /// The same of a challenge that breaks the grammar.
    #[track_caller]
    fn check_loose(line: &[&str], body: &str, read_by: &[&str]) {
        let loose = l402::payer::loose::read(line, body.as_bytes()).unwrap();
        assert_eq!(Form::of(&loose.challenges, line, Some(&loose)).unwrap().clients().0, read_by, "{line:?}{body}");
    }

    /// C8. Each cell was run: the client's own reader, or the client against a mock server; lnget, l402 (npm), l402kit and
    /// lightning-tools by their expressions.
    #[test]
    fn what_breaks_the_grammar_is_read_by_whom_it_was_read_c8() {
        let bare = ["l402-requests (Python)", "L402sdk", "routeweiler", "Alby lightning-tools"];
        check_loose(&["L402 macaroon=AgE=, invoice=b"], "", &bare);
        check_loose(&[r#"L402 macaroon=AgE=, invoice="b""#], "", &bare[1..]);
        check_loose(&[r#"L402 macaroon="AgE=", invoice=b"#], "", &bare[1..]);
        check_loose(&["L402 invoice=b, macaroon=AgE="], "", &bare[1..]);
        check_loose(
            &[r#"L402 macaroon="AgE=" invoice="b""#],
            "",
            &["l402 (npm)", "pyl402", "routeweiler", "l402kit", "bolthub", "Alby lightning-tools"],
        );
        check_loose(&["L402 macaroon=AgE= invoice=b"], "", &["l402-requests (Python)", "routeweiler"]);
        check_loose(&[], r#"{"macaroon":"AgE=","invoice":"b"}"#, &["l402kit"]);
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
