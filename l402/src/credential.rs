//! `Authorization` in: what a client sends back, in every form that real clients use (L402 §5, T19).

use sha2::{Digest, Sha256};

use crate::caps::Chain;
use crate::caveat::{self, Demand, Terms};
use crate::fault::{Denial, Malformed};
use crate::keys::Keys;
use crate::payment::{ChargeFault, PaymentCredential, UnverifiedCharge, UnverifiedSession};
use crate::preimage::{PaymentHash, Preimage};
use crate::secret::fingerprint;
use crate::token::{Token, UnverifiedToken};

/// Longest `Authorization` value that is looked at (T44).
pub const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;
/// Most macaroons one credential may carry.
const TOKENS_MAX: usize = 4;

/// What a client sent, readable and not yet believed.
#[derive(Clone, Debug)]
pub enum Credential {
    /// `L402 <token>[,<token>…]:<preimage>`, or the same under the old name LSAT.
    L402(UnverifiedL402),
    /// `Payment <base64url JSON>`.
    Payment(UnverifiedCharge),
    /// The same scheme, of its session intent.
    Session(UnverifiedSession),
}

/// Tokens and a preimage that claim to belong together. In the preimage's place may stand an attestation, which has
/// its form (C5).
#[derive(Clone, Debug)]
pub struct UnverifiedL402 {
    tokens: Vec<UnverifiedToken>,
    preimage: Preimage,
}

/// Tokens of ours whose invoice was paid. Says nothing yet about this request.
#[derive(Clone, Debug)]
pub struct Verified {
    tokens: Vec<Token>,
    preimage: Preimage,
}

/// A payment that opens this door, now.
#[derive(Clone, Debug)]
pub struct Paid {
    /// Names the purchase; what state is kept is kept under this.
    pub payment_hash: PaymentHash,
    /// 8 hex digits that say which token in a log.
    pub token: String,
    /// What only state or a body can still decide.
    pub terms: Terms,
    /// What is counted; `None` for a token that counts nothing, which no state is kept of.
    pub counted: Option<Counted>,
}

/// What a credential takes a use from.
#[derive(Clone, PartialEq, Eq)]
pub struct Counted {
    /// One for each of its macaroons that counts.
    pub chains: Vec<Chain>,
    /// SHA-256 of its macaroons: the one name of this credential that no other holder has.
    pub credential: [u8; 32],
}

/// Without the name: who could guess it would still need the token, but a log needs neither (T120).
impl core::fmt::Debug for Counted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.chains.iter().map(|chain| &chain.caps)).finish()
    }
}

impl Credential {
    /// Reads an `Authorization` value; several lines arrive joined by commas (M4). A foreign scheme
    /// alone is no credential: `None`.
    ///
    /// # Errors
    /// [`Malformed`] for a credential of our schemes that cannot be read, or for two that differ.
    pub fn parse(value: &str) -> Result<Option<Self>, Malformed> {
        if value.len() > AUTHORIZATION_BYTES_MAX {
            return Err(Malformed::AuthorizationTooLong);
        }
        let value = value.trim_matches([' ', '\t']);
        // The plain JSON form holds commas of its own, so it is looked at before any split.
        if scheme_is(undoubled(value), "payment").is_some_and(|rest| rest.starts_with('{')) {
            return Self::payment(undoubled(value)).map(Some);
        }
        let pieces = split(value);
        let mut ours = pieces.iter().filter(|piece| Scheme::of(piece).is_some());
        let Some(first) = ours.next() else { return Ok(None) };
        // A second piece must say the same: LSAT and L402 of one pair are one credential (T19).
        let same = |other: &str| {
            Scheme::of(other).zip(Scheme::of(first)).is_some_and(|(a, b)| a.is_l402 && b.is_l402 && a.rest == b.rest)
        };
        if pieces.len() > 1 && !pieces.iter().all(|piece| same(piece)) {
            return Err(Malformed::TwoCredentials);
        }
        let Some(scheme) = Scheme::of(first) else { return Ok(None) };
        match scheme.is_l402 {
            true => UnverifiedL402::parse(scheme.rest).map(|l402| Some(Self::L402(l402))),
            false => Self::payment(undoubled(first)).map(Some),
        }
    }

    fn payment(piece: &str) -> Result<Self, Malformed> {
        let readable = PaymentCredential::parse(piece).map_err(|fault| match fault {
            ChargeFault::Several => Malformed::TwoCredentials,
            _ => Malformed::Credential("not a Payment credential"),
        })?;
        match readable {
            PaymentCredential::Charge(charge) => Ok(Self::Payment(charge)),
            PaymentCredential::Session(session) => Ok(Self::Session(session)),
            PaymentCredential::PlainL402 { macaroon, preimage } => {
                let tokens = vec![UnverifiedToken::parse(&macaroon)?];
                Ok(Self::L402(UnverifiedL402 { tokens, preimage }))
            }
        }
    }
}

/// Whether an `Authorization` value is of our schemes, however broken: such a value never reaches
/// the origin (T36).
#[must_use]
pub fn is_ours(value: &str) -> bool {
    split(value.trim_matches([' ', '\t'])).iter().any(|piece| Scheme::of(piece).is_some())
}

/// The macaroon of `L402 <macaroon>`, without colon and preimage: the poll form of C5.
#[must_use]
pub fn poll_token(value: &str) -> Option<UnverifiedToken> {
    let scheme = Scheme::of(value.trim()).filter(|s| s.is_l402 && value.len() <= AUTHORIZATION_BYTES_MAX)?;
    UnverifiedToken::parse(scheme.rest).ok()
}

impl UnverifiedL402 {
    /// Reads `<token>[,<token>…]:<preimage>`, without the scheme.
    ///
    /// # Errors
    /// [`Malformed::Credential`] with what is missing.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        use Malformed::Credential as No;
        let (tokens, preimage) = text.rsplit_once(':').ok_or(No("no colon between token and preimage"))?;
        let preimage = Preimage::from_hex(preimage).ok_or(No("the preimage is not 64 hex digits"))?;
        let tokens: Vec<_> =
            tokens.split(',').map(|token| UnverifiedToken::parse(token.trim_matches(' '))).collect::<Result<_, _>>()?;
        if tokens.len() > TOKENS_MAX {
            return Err(No("more than four macaroons"));
        }
        Ok(Self { tokens, preimage })
    }

    /// The tokens are ours and their invoice was paid. Key, MAC, payment: in this order (C1).
    ///
    /// # Errors
    /// A forgery ([`Denial::is_forgery`]), [`Denial::WrongPreimage`] or [`Denial::KeyRetired`].
    pub fn verify(self, keys: &Keys) -> Result<Verified, Denial> {
        // (1) Every macaroon is ours and unchanged.
        let tokens: Vec<_> = self.tokens.into_iter().map(|token| token.verify(keys)).collect::<Result<_, _>>()?;
        // (2) The one second half pays for all of them, and they are one purchase.
        let paid = tokens.first().map(|token| token.identifier.payment_hash);
        let is_paid =
            |token: &Token| Some(token.identifier.payment_hash) == paid && token.is_proven_by(keys, &self.preimage);
        if !tokens.iter().all(is_paid) {
            return Err(Denial::WrongPreimage);
        }
        // (3) None of them was signed with a key that is out of service.
        if tokens.iter().any(|token| token.is_retired) {
            return Err(Denial::KeyRetired);
        }
        Ok(Verified { tokens, preimage: self.preimage })
    }
}

impl Verified {
    /// No caveat prohibits this request, now. The only way to a [`Paid`]. With several macaroons,
    /// every one of them must clear.
    ///
    /// # Errors
    /// The first caveat that does not hold.
    pub fn clear(self, demand: &Demand<'_>) -> Result<Paid, Denial> {
        let mut all: Option<Terms> = None;
        for token in &self.tokens {
            let terms = caveat::clear(token.caveats(), demand)?;
            all = Some(match all {
                None => terms,
                Some(before) => before.and(terms)?,
            });
        }
        let (Some(terms), Some(first)) = (all, self.tokens.first()) else {
            return Err(Denial::MissingCaveat);
        };
        let counted = match terms.counts() {
            true => Some(self.counted()?),
            false => None,
        };
        let token = fingerprint(&first.identifier.token_id);
        Ok(Paid { payment_hash: first.identifier.payment_hash, token, terms, counted })
    }

    fn counted(&self) -> Result<Counted, Denial> {
        let chains = self.tokens.iter().filter_map(|token| Chain::of(token.caveats()).transpose());
        let chains = chains.collect::<Result<Vec<_>, _>>()?;
        // The alphabet and the padding are the carrier's (T5); these are the bytes.
        let mut hash = Sha256::new();
        self.tokens.iter().for_each(|token| hash.update(token.to_wire() + ","));
        Ok(Counted { chains, credential: hash.finalize().into() })
    }

    /// The one token and its proof, where there is only one: what a cookie can hold, or another device.
    #[must_use]
    pub fn sole(&self) -> Option<(&Token, &Preimage)> {
        match self.tokens.as_slice() {
            [token] => Some((token, &self.preimage)),
            _ => None,
        }
    }
}

struct Scheme<'a> {
    is_l402: bool,
    rest: &'a str,
}

impl<'a> Scheme<'a> {
    fn of(piece: &'a str) -> Option<Self> {
        let piece = undoubled(piece);
        if let Some(rest) = scheme_is(piece, "l402").or_else(|| scheme_is(piece, "lsat")) {
            return Some(Self { is_l402: true, rest });
        }
        scheme_is(piece, "payment").map(|rest| Self { is_l402: false, rest })
    }
}

/// What follows a scheme name of any case and at least one space; empty when the name stands alone. Looks at the first
/// bytes only: a token is long, and this is asked of it several times.
fn scheme_is<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (scheme, rest) = text.split_at_checked(name.len())?;
    let is_alone = rest.is_empty() || rest.starts_with([' ', '\t']);
    (is_alone && scheme.eq_ignore_ascii_case(name)).then(|| rest.trim_matches([' ', '\t']))
}

/// The value without its first word, where that names a scheme of ours and the next word names the same one: pyl402 puts
/// the scheme before what already has it. L402 and LSAT are one scheme.
fn undoubled(value: &str) -> &str {
    let rest = |text, names: &[&str]| names.iter().find_map(|name| scheme_is(text, name));
    let same = |names: &[&str]| rest(value, names).filter(|again| rest(again, names).is_some());
    same(&["l402", "lsat"]).or_else(|| same(&["payment"])).unwrap_or(value)
}

/// Whether a scheme of ours and a blank stand here. Looks at eight bytes: there may be thousands of commas.
fn begins_ours(text: &str) -> bool {
    ["l402", "lsat", "payment"].iter().any(|name| {
        text.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
            && matches!(text.as_bytes().get(name.len()), Some(b' ' | b'\t'))
    })
}

/// Splits at the commas after which one of our schemes begins; other commas stand between macaroons
/// or belong to a foreign scheme.
fn split(value: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (comma, _) in value.match_indices(',') {
        let rest = value.get(comma + 1..).unwrap_or_default().trim_start_matches([' ', '\t']);
        if begins_ours(rest) {
            pieces.push(value.get(start..comma).unwrap_or_default().trim_matches([' ', '\t']));
            start = value.len() - rest.len();
        }
    }
    pieces.push(value.get(start..).unwrap_or_default());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    // wire.md §2, vector 3.
    const TOKEN: &str = "AgEEbHNhdAJCAAAC1EmjH7smfI81Lplop54+X8lcG76qUC/WRU695aS+3CIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiAAIOc2VydmljZXM9YXBpOjAAAhphcGlfdmFsaWRfdW50aWw9MTkwMDAwMDAwMAAABiDDTSooCa4bVOOLzFUCU/G11LPUYWwawfUqzFJmMkvNQA==";

    fn pair() -> String {
        format!("{TOKEN}:{}", "11".repeat(32))
    }

    #[track_caller]
    fn check(value: &str, outcome: Result<bool, Malformed>) {
        assert_eq!(Credential::parse(value).map(|c| c.is_some()), outcome, "{value}");
    }

    #[test]
    fn l402_and_lsat_in_any_case() {
        for scheme in ["L402", "l402", "LSAT", "lsat", "LsAt"] {
            check(&format!("{scheme} {}", pair()), Ok(true));
        }
        check(&format!("  L402   {}  ", pair()), Ok(true));
        check(&format!("L402 {TOKEN}:{}", "AB".repeat(32)), Ok(true));
    }

    #[test]
    fn a_foreign_scheme_alone_is_no_credential() {
        for value in ["", "Bearer sk-123", "Basic dTpw", "Digest a=\"b\", c=\"d\"", "L402x y", "Bearer L402"] {
            check(value, Ok(false));
        }
    }

    #[test]
    fn the_pair_that_apertures_client_sends_twice_is_one_credential_m4() {
        check(&format!("LSAT {0}, L402 {0}", pair()), Ok(true));
        check(&format!("L402 {0},L402 {0}", pair()), Ok(true));
    }

    /// Row B2: pyl402 writes the scheme before a value that has it already. Three times is no client's, and two schemes
    /// of different kinds are two credentials.
    #[test]
    fn a_doubled_scheme_of_ours_reads_as_one_b2() {
        for twice in ["L402 L402", "LSAT LSAT", "L402 LSAT", "lsat l402", "L402   L402"] {
            check(&format!("{twice} {}", pair()), Ok(true));
            check(&format!("{twice} {0}, {twice} {0}", pair()), Ok(true));
            assert!(poll_token(&format!("{twice} {TOKEN}")).is_some(), "{twice}");
            assert!(is_ours(&format!("{twice} {}", pair())));
        }
        let json =
            format!(r#"{{"challenge":{{"macaroon":"{TOKEN}"}},"payload":{{"preimage":"{}"}}}}"#, "11".repeat(32));
        check(&format!("Payment Payment {json}"), Ok(true));
        check(&format!("L402 L402 {}, L402 {TOKEN}:{}", pair(), "22".repeat(32)), Err(Malformed::TwoCredentials));
        check(&format!("L402 Payment {}", pair()), Err(Malformed::Credential("the token is not base64")));
        check(&format!("Payment L402 {}", pair()), Err(Malformed::Credential("not a Payment credential")));
        check(&format!("Bearer L402 {}", pair()), Ok(false));
        check("L402 L402", Err(Malformed::Credential("no colon between token and preimage")));
    }

    #[test]
    fn two_different_credentials_are_refused_t19() {
        let other = format!("{TOKEN}:{}", "22".repeat(32));
        check(&format!("LSAT {}, L402 {other}", pair()), Err(Malformed::TwoCredentials));
        check(&format!("Bearer sk-123, L402 {}", pair()), Err(Malformed::TwoCredentials));
        check(&format!("Payment e30, L402 {}", pair()), Err(Malformed::TwoCredentials));
        check("Payment e30, Payment e30", Err(Malformed::TwoCredentials));
    }

    #[test]
    fn several_macaroons_stand_before_the_last_colon() {
        check(&format!("L402 {TOKEN},{}", pair()), Ok(true));
        check(&format!("L402 {TOKEN}, {}", pair()), Ok(true));
        let five = format!("{}{}", format!("{TOKEN},").repeat(4), pair());
        check(&format!("L402 {five}"), Err(Malformed::Credential("more than four macaroons")));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        check("L402", Err(Malformed::Credential("no colon between token and preimage")));
        check(&format!("L402 {TOKEN}"), Err(Malformed::Credential("no colon between token and preimage")));
        check(&format!("L402 {TOKEN}:"), Err(Malformed::Credential("the preimage is not 64 hex digits")));
        check(
            &format!("L402 L402 L402 {}", pair()),
            Err(Malformed::Credential("the token is not a version 2 macaroon")),
        );
        check(
            &format!("L402 :{}", "11".repeat(32)),
            Err(Malformed::Credential("the token is not a version 2 macaroon")),
        );
        check("Payment !", Err(Malformed::Credential("not a Payment credential")));
        check(&"L402 a".repeat(2_000), Err(Malformed::AuthorizationTooLong));
    }

    #[test]
    fn the_plain_json_payment_form_is_read_before_any_comma() {
        let json = format!(
            r#"{{"challenge":{{"id":"x","macaroon":"{TOKEN}"}},"payload":{{"preimage":"{}"}}}}"#,
            "11".repeat(32)
        );
        assert!(matches!(Credential::parse(&format!("Payment {json}")), Ok(Some(Credential::L402(_)))));
        check("Payment {\"challenge\":{}}", Err(Malformed::Credential("not a Payment credential")));
    }

    #[test]
    fn a_poll_has_no_colon() {
        assert!(poll_token(&format!("L402 {TOKEN}")).is_some());
        assert!(poll_token(&format!("L402 {}", pair())).is_none());
        assert!(poll_token(&format!("Bearer {TOKEN}")).is_none());
    }

    #[test]
    fn whatever_names_our_scheme_is_ours_to_strip_t36() {
        assert!(is_ours("L402 junk") && is_ours("payment {") && is_ours("Bearer a, LSAT b") && is_ours("L402"));
        assert!(!is_ours("Bearer a") && !is_ours(""));
    }
}
