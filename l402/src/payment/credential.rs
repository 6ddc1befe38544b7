//! Reading an `Authorization: Payment …` value. Nothing is believed here; see `verify` for that.

use core::fmt;

use serde_json::Value;

use super::echo::Echo;
use super::{ChargeFault, SCHEME, SESSION, UnverifiedSession};
use crate::json::{self, optional, text};
use crate::preimage::Preimage;

/// The longest credential that is read, in bytes; `wire.md` 4.2 asks for at least 4 KB.
pub const CREDENTIAL_BYTES_MAX: usize = 16_384;

/// The forms that bear the name `Payment`.
#[derive(Clone, PartialEq, Eq)]
pub enum PaymentCredential {
    /// The scheme's own form: base64url of `{"challenge", "payload", …}`.
    Charge(UnverifiedCharge),
    /// The same, of the session intent.
    Session(UnverifiedSession),
    /// Plain JSON with a macaroon (`systems.md` B), to be verified exactly as `L402 <macaroon>:<preimage>`; its
    /// `challenge.id` means nothing (C4).
    PlainL402 {
        /// Base64 of the token.
        macaroon: String,
        /// The proof of payment.
        preimage: Preimage,
    },
}

/// What a client says that we issued and it paid.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedCharge {
    pub(super) echo: Echo,
    pub(super) preimage: Option<String>,
}

/// Without macaroon and preimage (T120).
impl fmt::Debug for PaymentCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Charge(charge) => charge.fmt(f),
            Self::Session(session) => session.fmt(f),
            Self::PlainL402 { .. } => f.write_str("PlainL402"),
        }
    }
}

/// Without the preimage (T120).
impl fmt::Debug for UnverifiedCharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedCharge").field("id", &self.echo.id).finish_non_exhaustive()
    }
}

impl PaymentCredential {
    /// Whether an `Authorization` value is for this reader; ask before any split on commas, which plain JSON has too.
    #[must_use]
    pub fn recognises(authorization: &str) -> bool {
        after_scheme(authorization).is_some()
    }

    /// Reads a whole `Authorization` value. Unknown JSON members are skipped, duplicate ones refused (`wire.md` 4.3).
    ///
    /// # Errors
    /// [`ChargeFault::Several`] for more than one credential, [`ChargeFault::Malformed`] for everything else.
    ///
    /// ```
    /// use l402::payment::PaymentCredential;
    /// let preimage = "11".repeat(32);
    /// let plain = format!(r#"Payment {{"challenge":{{"id":"any","macaroon":"AgE="}},"payload":{{"preimage":"{preimage}"}}}}"#);
    /// assert!(matches!(PaymentCredential::parse(&plain), Ok(PaymentCredential::PlainL402 { .. })));
    /// assert!(PaymentCredential::parse("Bearer sk-123").is_err());
    /// ```
    pub fn parse(unverified_authorization: &str) -> Result<Self, ChargeFault> {
        if unverified_authorization.len() > CREDENTIAL_BYTES_MAX {
            return Err(ChargeFault::Malformed("too long"));
        }
        let value = after_scheme(unverified_authorization).ok_or(ChargeFault::Malformed("not the scheme Payment"))?;
        if value.starts_with('{') {
            return plain(value);
        }
        if value.contains(',') {
            return Err(ChargeFault::Several);
        }
        let credential = json::parse_base64url(value).and_then(|credential| Self::of(&credential));
        credential.ok_or(ChargeFault::Malformed("not base64url of a credential's JSON"))
    }

    /// The echo's intent says which it is; whether we issued it is for `verify` to find out.
    fn of(credential: &Value) -> Option<Self> {
        let (echo, payload) = (Echo::of(credential.get("challenge")?)?, credential.get("payload")?);
        payload.as_object()?;
        if echo.intent == SESSION {
            return UnverifiedSession::of(echo, payload).map(Self::Session);
        }
        Some(Self::Charge(UnverifiedCharge { echo, preimage: optional(payload, "preimage", text)? }))
    }
}

fn after_scheme(authorization: &str) -> Option<&str> {
    let (scheme, text) = authorization.trim_matches([' ', '\t']).split_once(' ')?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| text.trim_start_matches(' '))
}

fn plain(json: &str) -> Result<PaymentCredential, ChargeFault> {
    let credential = json::parse(json.as_bytes()).ok();
    let member = |place: &str, name: &str| text(credential.as_ref()?.get(place)?, name);
    let (Some(macaroon), Some(preimage)) = (member("challenge", "macaroon"), member("payload", "preimage")) else {
        return Err(ChargeFault::Malformed("not the JSON of one credential"));
    };
    let preimage = Preimage::from_hex(&preimage).ok_or(ChargeFault::Malformed("payload.preimage"))?;
    Ok(PaymentCredential::PlainL402 { macaroon, preimage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::to_base64url;

    const CHALLENGE: &str =
        r#""challenge":{"id":"i","realm":"r","method":"lightning","intent":"charge","request":"cQ"}"#;

    #[track_caller]
    fn malformed(header: &str) {
        let read = PaymentCredential::parse(header);
        assert!(matches!(read, Err(ChargeFault::Malformed(_))), "{header}: {read:?}");
    }

    fn header(json: &str) -> String {
        format!("Payment {}", to_base64url(json.as_bytes()))
    }

    #[track_caller]
    fn charge(header: &str) -> UnverifiedCharge {
        match PaymentCredential::parse(header) {
            Ok(PaymentCredential::Charge(charge)) => charge,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_charge_is_read_with_members_we_do_not_know() {
        let json =
            format!(r#"{{{CHALLENGE},"source":"did:key:z6Mk","payload":{{"preimage":"aa","action":"open"}},"x":[1]}}"#);
        let charge = charge(&header(&json));
        assert_eq!((charge.echo.id.as_str(), charge.preimage.as_deref(), charge.echo.expires), ("i", Some("aa"), None));
    }

    #[test]
    fn a_member_named_twice_is_refused() {
        malformed(&header(&format!(r#"{{{CHALLENGE},"payload":{{"preimage":"aa","preimage":"bb"}}}}"#)));
        malformed(&header(&format!(r#"{{{CHALLENGE},{CHALLENGE},"payload":{{}}}}"#)));
        malformed(&header(&format!(r#"{{{CHALLENGE},"payload":{{}},"x":1,"x":1}}"#)));
    }

    #[test]
    fn two_credentials_are_one_too_many() {
        let one = header(&format!(r#"{{{CHALLENGE},"payload":{{}}}}"#));
        assert_eq!(PaymentCredential::parse(&format!("{one}, {one}")), Err(ChargeFault::Several));
        assert!(PaymentCredential::parse(&one).is_ok());
    }

    #[test]
    fn plain_json_is_an_l402_credential() {
        let preimage = "1A".repeat(32);
        let json =
            format!(r#"{{ "challenge": {{"id":"x","macaroon":"AgE="}}, "payload": {{"preimage":"{preimage}"}} }}"#);
        let expected = PaymentCredential::PlainL402 {
            macaroon: "AgE=".to_owned(),
            preimage: Preimage::from_hex(&preimage).unwrap(),
        };
        for scheme in ["Payment", "payment", "PAYMENT "] {
            assert_eq!(PaymentCredential::parse(&format!("{scheme} {json}")), Ok(expected.clone()));
        }
        malformed(&format!("Payment {json}, L402 AgE=:{preimage}"));
        malformed(&format!("Payment {json}").replace("macaroon", "token"));
        malformed(&format!("Payment {json}").replace(&preimage, "1a"));
        malformed(&format!("Payment {json}").replace(r#""id":"x""#, r#""macaroon":"AgE=""#));
    }

    #[test]
    fn another_scheme_is_not_recognised() {
        assert!(PaymentCredential::recognises("payment {}"));
        for header in ["Bearer abc", "Payment", "", "L402 a:b", "Payments e30", "PaymentX {"] {
            assert!(!PaymentCredential::recognises(header), "{header}");
            malformed(header);
        }
    }

    #[test]
    fn too_much_is_not_read() {
        let json = format!(r#"{{{CHALLENGE},"payload":{{}}}}"#);
        malformed(&format!("Payment {}{json}", " ".repeat(CREDENTIAL_BYTES_MAX)));
    }

    #[test]
    fn a_charge_does_not_print_its_preimage() {
        let preimage = "ab".repeat(32);
        let json = format!(r#"{{{CHALLENGE},"payload":{{"preimage":"{preimage}"}}}}"#);
        let shown = format!("{:?}", PaymentCredential::parse(&header(&json)).unwrap());
        assert!(!shown.contains("abab"), "{shown}");
    }
}
