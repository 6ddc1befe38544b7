//! Challenges that break the grammar and can still mean one thing only: values without quotes, blanks in the place of
//! commas, or the token and the invoice in the JSON body alone (`repairs.md` C8).
//!
//! Only for who has found no offer in the strict reading. What is read here is written anew in the strict form, so that
//! every later step reads it as any other challenge, with the same checks and limits.

use serde_json::Value;

use super::offer::{is_usable, token};
use crate::auth_param::{self, CHALLENGES_MAX, Challenge, Content, PARAMS_MAX, Reader, VALUE_BYTES_MAX};
use crate::encoding;
use crate::prelude::*;

/// What a careless seller meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loose {
    /// The same offer in the strict form.
    pub challenge: String,
    /// Every challenge of the header.
    pub challenges: Vec<Challenge>,
    /// Parameters of a challenge stand side by side without a comma.
    pub has_blanks: bool,
    /// The offer stands in the body.
    pub is_in_body: bool,
}

/// Reads the `WWW-Authenticate` values and the body of a 402. `None` when there is no offer, or when there could be two.
///
/// ```
/// let loose = l402::payer::loose::read(&["L402 macaroon=AgE= invoice=lnbc1"], b"").ok_or("unreadable")?;
/// assert_eq!(loose.challenge, r#"L402 macaroon="AgE=", invoice="lnbc1""#);
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn read(www_authenticate: &[&str], unverified_body: &[u8]) -> Option<Loose> {
    let mut has_blanks = false;
    let mut challenges = Vec::new();
    for value in www_authenticate {
        // A line that cannot be read in this way either may say anything.
        let (read, blanks) = scan(value)?;
        challenges.extend(read);
        has_blanks |= blanks;
    }
    let is_in_body = challenges.iter().filter(|c| is_ours(c)).all(says_nothing);
    let challenge = if is_in_body { in_body(unverified_body) } else { in_header(&challenges) }?;
    Some(Loose { challenge, challenges, has_blanks, is_in_body })
}

fn is_ours(challenge: &Challenge) -> bool {
    challenge.is("L402") || challenge.is("LSAT")
}

/// Whether a challenge names the scheme and leaves the offer to the body.
fn says_nothing(challenge: &Challenge) -> bool {
    let Content::Params(params) = &challenge.content else { return false };
    params.iter().all(|(name, value)| match name.as_str() {
        "token" | "macaroon" | "invoice" => false,
        "version" => value == "0",
        _ => true,
    })
}

/// The one usable challenge of the newest scheme.
fn in_header(challenges: &[Challenge]) -> Option<String> {
    let of = |scheme| challenges.iter().filter(|c| c.is(scheme) && is_usable(c)).map(|c| (scheme, c)).collect();
    let usable = [of("L402"), of("LSAT")].into_iter().find(|found: &Vec<_>| !found.is_empty())?;
    let [(scheme, challenge)] = usable.as_slice() else { return None };
    write(scheme, token(challenge).ok()?, challenge.param("invoice")?)
}

/// The one object that has a macaroon and an invoice: the document, or a member of it.
fn in_body(unverified_body: &[u8]) -> Option<String> {
    let body: Value = crate::json::parse(unverified_body).ok()?;
    let document = body.as_object()?;
    let mut found = core::iter::once(&body).chain(document.values()).filter_map(pair);
    let (token, invoice) = found.next()?;
    found.all(|other| other == (token, invoice)).then(|| write("L402", token, invoice))?
}

/// A token and an invoice under the names that sellers use for them. Where one has two names, both say the same.
fn pair(object: &Value) -> Option<(&str, &str)> {
    let same = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| object.get(*name));
        let first = values.next()?;
        values.all(|value| value == first).then(|| first.as_str())?
    };
    let token = same(&["macaroon", "token"])?;
    // `token` alone may be anything, such as a session; a macaroon of version 2 begins with 2, and then 1 or 2.
    let is_macaroon = object.get("macaroon").is_some() || token.starts_with("AgE") || token.starts_with("AgI");
    (is_macaroon && encoding::looks_like_base64(token)).then_some(())?;
    Some((token, same(&["invoice", "payment_request", "paymentRequest"])?))
}

fn write(scheme: &str, token: &str, invoice: &str) -> Option<String> {
    auth_param::write(scheme, &[("macaroon", token), ("invoice", invoice)])
}

/// The challenges of a value, and whether a blank stands for a comma in it.
///
/// A parameter has no blank around its `=`, and a scheme stands at the beginning or after a comma: else `realm=My API`
/// would be a scheme called `API`.
fn scan(unverified_value: &str) -> Option<(Vec<Challenge>, bool)> {
    (unverified_value.len() <= VALUE_BYTES_MAX).then_some(())?;
    let mut reader = Reader::new(unverified_value);
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut has_blanks = false;
    loop {
        let between = reader.take(|c| matches!(c, ' ' | '\t' | ','));
        if reader.is_done() {
            return Some((challenges, has_blanks));
        }
        let is_listed = challenges.is_empty() || between.contains(',');
        let name = reader.token().ok()?;
        if reader.eat('=') {
            let Content::Params(params) = &mut challenges.last_mut()?.content else { return None };
            let name = name.to_ascii_lowercase();
            (params.len() < PARAMS_MAX && params.iter().all(|(known, _)| *known != name)).then_some(())?;
            has_blanks |= !is_listed && !params.is_empty();
            params.push((name, value(&mut reader)?));
        } else {
            (is_listed && challenges.len() < CHALLENGES_MAX && ends(&reader)).then_some(())?;
            let content = word(&mut reader).map_or_else(|| Content::Params(Vec::new()), Content::Token68);
            challenges.push(Challenge { scheme: name.to_owned(), content });
        }
    }
}

/// A quoted-string; or base64 with its padding, or a token, up to a blank, a comma or the end.
fn value(reader: &mut Reader<'_>) -> Option<String> {
    let value = if reader.eat('"') {
        reader.quoted().ok()?
    } else {
        let digits = reader.take(|c| auth_param::is_token(c) || c == '/');
        let padding = reader.take(|c| c == '=');
        (!digits.is_empty()).then(|| format!("{digits}{padding}"))?
    };
    ends(reader).then_some(value)
}

/// The one word of a challenge such as `Negotiate bm9uY2U=`.
fn word(reader: &mut Reader<'_>) -> Option<String> {
    let element = reader.rest().split(',').next()?.trim_matches([' ', '\t']);
    let digits = element.trim_end_matches('=');
    (!digits.is_empty() && digits.chars().all(auth_param::is_token68)).then_some(())?;
    reader.take(|c| c != ',');
    Some(element.to_owned())
}

fn ends(reader: &Reader<'_>) -> bool {
    matches!(reader.rest().chars().next(), None | Some(' ' | '\t' | ','))
}
