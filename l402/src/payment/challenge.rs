//! The challenge: its parameters, and the id that binds them without a store (`wire.md` 4.2).

use super::purchase::Purchase;
use super::{CHARGE, ChargeFault, ChargeRequest, METHOD, SCHEME, SESSION, SessionRequest, Slots, challenge_id};
use crate::amount::Msat;
use crate::auth_param;
use crate::secret::Secret;
use crate::time::UnixTime;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// A payment for one delivery, and the id of the L402 token that stands for the same purchase.
    Charge(&'a ChargeRequest, &'a [u8; 32]),
    /// A deposit.
    Session(&'a SessionRequest),
}

/// What a challenge is made of.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// The public host (C4).
    pub realm: &'a str,
    /// What is asked for.
    pub asked: Asked<'a>,
    /// The service that is sold.
    pub service: &'a str,
    /// The price of one use of it, which is kept: it counts, whatever the price is when the credential comes.
    pub price: Msat,
    /// When a credential stops counting; at most the invoice's own expiry.
    pub expires: UnixTime,
    /// The digest of the request's body, for requests with one.
    pub digest: Option<&'a str>,
    /// A line for people. Left out of the header when it has no place there; `request` carries it anyway.
    pub description: Option<&'a str>,
}

/// A challenge as it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentChallenge {
    /// The HMAC that binds the rest; `challenge_id` in the 402's body (C3).
    pub id: String,
    /// The public host.
    pub realm: String,
    /// `charge` or `session`.
    pub intent: &'static str,
    /// Base64url of the request's canonical JSON.
    pub request: String,
    /// RFC 3339. Always there: mppx counts a challenge without it as invalid.
    pub expires: String,
    /// The digest of the request's body, which `request` says, too.
    pub digest: Option<String>,
    /// A line for people, not bound by the id.
    pub description: Option<String>,
    /// Base64url of `{"service","token"}`, which `request` says, too; a session has no token.
    pub opaque: String,
}

impl PaymentChallenge {
    /// Writes out an offer and binds it under `secret`, the newest challenge secret.
    ///
    /// # Errors
    /// [`ChargeFault::Unwritable`] for an amount of 0, or a realm or digest with `|` or a control character.
    pub fn issue(secret: &Secret, offer: &Offer<'_>) -> Result<Self, ChargeFault> {
        for (what, value) in [("realm", offer.realm), ("digest", offer.digest.unwrap_or_default())] {
            if value.contains('|') || auth_param::quoted(value).is_none() {
                return Err(ChargeFault::Unwritable(what));
            }
        }
        let (intent, token_id) = match offer.asked {
            Asked::Charge(_, token_id) => (CHARGE, Some(*token_id)),
            Asked::Session(_) => (SESSION, None),
        };
        let digest = offer.digest.map(str::to_owned);
        let purchase = Purchase { service: offer.service.to_owned(), token_id, price: offer.price, digest };
        let mut challenge = Self {
            id: String::new(),
            realm: offer.realm.to_owned(),
            intent,
            request: match offer.asked {
                Asked::Charge(request, _) => request.encode(&purchase)?,
                Asked::Session(request) => request.encode(&purchase)?,
            },
            expires: offer.expires.to_string(),
            description: offer.description.map(str::to_owned),
            opaque: purchase.opaque()?,
            digest: purchase.digest,
        };
        challenge.id = challenge_id(secret.expose(), &challenge.slots());
        Ok(challenge)
    }

    /// One `WWW-Authenticate` challenge.
    ///
    /// # Errors
    /// [`ChargeFault::Unwritable`]; not for a challenge that [`PaymentChallenge::issue`] made.
    pub fn to_header(&self) -> Result<String, ChargeFault> {
        let description = self.description.as_deref().filter(|text| auth_param::quoted(text).is_some());
        let mut params = vec![
            ("id", self.id.as_str()),
            ("realm", &self.realm),
            ("method", METHOD),
            ("intent", self.intent),
            ("request", &self.request),
            ("expires", &self.expires),
        ];
        params.extend(self.digest.as_deref().map(|digest| ("digest", digest)));
        params.extend(description.map(|description| ("description", description)));
        params.push(("opaque", &self.opaque));
        auth_param::write(SCHEME, &params).ok_or(ChargeFault::Unwritable("parameter"))
    }

    fn slots(&self) -> Slots<'_> {
        Slots {
            realm: &self.realm,
            method: METHOD,
            intent: self.intent,
            request: &self.request,
            expires: &self.expires,
            ..Slots::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolt11::Network;
    use crate::encoding;
    use crate::preimage::PaymentHash;

    fn secret() -> Secret {
        Secret::new((0..32u8).map(|i| i.wrapping_mul(37)).collect()).unwrap()
    }

    fn issue(change: impl FnOnce(&mut Offer<'_>)) -> Result<PaymentChallenge, ChargeFault> {
        let request = ChargeRequest {
            amount_sats: 21,
            description: None,
            invoice: "lnbcrt210n1p".to_owned(),
            payment_hash: PaymentHash([1; 32]),
            network: Network::Regtest,
        };
        let mut offer = Offer {
            realm: "api.example.com",
            asked: Asked::Charge(&request, &[0x22; 32]),
            service: "articles",
            price: Msat(20_001),
            expires: UnixTime(1_900_000_000),
            digest: None,
            description: None,
        };
        change(&mut offer);
        PaymentChallenge::issue(&secret(), &offer)
    }

    #[test]
    fn a_challenge_has_these_parameters_in_this_order() {
        let challenge = issue(|offer| {
            offer.digest = Some("sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
            offer.description = Some("an \"article\"");
        })
        .unwrap();
        let PaymentChallenge { id, request, opaque, .. } = &challenge;
        let header = [
            format!(r#"Payment id="{id}", realm="api.example.com", method="lightning", intent="charge""#),
            format!(r#"request="{request}", expires="2030-03-17T17:46:40Z""#),
            r#"digest="sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", description="an \"article\"""#
                .to_owned(),
            format!(r#"opaque="{opaque}""#),
        ];
        assert_eq!(challenge.to_header().unwrap(), header.join(", "));
        let opaque = encoding::base64url(opaque).unwrap();
        let token = "22".repeat(32);
        assert_eq!(String::from_utf8(opaque).unwrap(), format!(r#"{{"service":"articles","token":"{token}"}}"#));
    }

    #[test]
    fn everything_but_the_description_moves_the_id() {
        let id = issue(|_| ()).unwrap().id;
        let moved = |change: fn(&mut Offer<'_>)| issue(change).unwrap().id != id;
        assert!(moved(|o| o.realm = "api.example.net"));
        assert!(moved(|o| o.service = "articles2"));
        assert!(moved(|o| o.price = Msat(20_002)));
        assert!(moved(|o| {
            if let Asked::Charge(_, token_id) = &mut o.asked {
                *token_id = &[0x23; 32];
            }
        }));
        assert!(moved(|o| o.expires = UnixTime(1_900_000_001)));
        assert!(moved(|o| o.digest = Some("sha-256=:AA==:")));
        assert!(!moved(|o| o.description = Some("other words")));
    }

    #[test]
    fn a_bar_or_a_line_break_cannot_be_issued() {
        assert_eq!(issue(|o| o.realm = "a|b").unwrap_err(), ChargeFault::Unwritable("realm"));
        assert_eq!(issue(|o| o.realm = "a\r\nb").unwrap_err(), ChargeFault::Unwritable("realm"));
        assert_eq!(issue(|o| o.digest = Some("a|b")).unwrap_err(), ChargeFault::Unwritable("digest"));
    }

    #[test]
    fn a_description_beyond_ascii_stays_out_of_the_header() {
        let header = issue(|o| o.description = Some("ein Kaffee für 21 ⚡")).unwrap().to_header().unwrap();
        assert!(!header.contains("description"), "{header}");
    }
}
