//! The challenge as a credential echoes it: what a client says that we issued.

use serde_json::Value;
use subtle::ConstantTimeEq;

use super::purchase::Purchase;
use super::{ChargeFault, METHOD, Slots, challenge_id};
use crate::json::{self, optional, text};
use crate::secret::Secret;
use crate::time::UnixTime;

/// What a client says of the challenge: its id, what the id binds, and what it only repeats.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) id: String,
    pub(super) realm: String,
    pub(super) method: String,
    pub(super) intent: String,
    pub(super) request: String,
    pub(super) expires: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) opaque: Option<String>,
}

impl Echo {
    pub(super) fn of(challenge: &Value) -> Option<Self> {
        Some(Self {
            id: text(challenge, "id")?,
            realm: text(challenge, "realm")?,
            method: text(challenge, "method")?,
            intent: text(challenge, "intent")?,
            request: text(challenge, "request")?,
            expires: optional(challenge, "expires", text)?,
            digest: optional(challenge, "digest", text)?,
            opaque: optional(challenge, "opaque", text)?,
        })
    }

    /// We issued this, for this host, unchanged, and for this intent: what it sells, and the request. `secrets` are the
    /// challenge secrets, the current one first, then those whose challenges have not all expired.
    ///
    /// # Errors
    /// [`ChargeFault::UnknownChallenge`], [`ChargeFault::Unsupported`]; [`ChargeFault::Malformed`] when what is under our
    /// own HMAC cannot be read.
    pub(super) fn check(
        &self,
        secrets: &[Secret],
        realm: &str,
        intent: &str,
    ) -> Result<(Purchase, Value), ChargeFault> {
        let said = |value: &Option<String>| value.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
        let (digest, opaque) = (said(&self.digest), said(&self.opaque));
        let is_ours = |digest: Option<&str>, opaque: Option<&str>| {
            secrets
                .iter()
                .any(|secret| self.is_issued_under(secret, digest.unwrap_or_default(), opaque.unwrap_or_default()))
        };
        let is_older = !is_ours(None, None);
        if (is_older && !is_ours(digest.as_deref(), opaque.as_deref())) || self.realm != realm {
            return Err(ChargeFault::UnknownChallenge);
        }
        if self.method != METHOD || self.intent != intent {
            return Err(ChargeFault::Unsupported);
        }
        let request = json::parse_base64url(&self.request).ok_or(ChargeFault::Malformed("request"))?;
        if is_older {
            let purchase = Purchase::of_older(&request, opaque.as_deref().unwrap_or_default(), digest.as_deref())?;
            return Ok((purchase, request));
        }
        let purchase = Purchase::of(&request)?;
        // Neither is under the id: who echoes them must have left them alone.
        let is_same = digest.is_none_or(|digest| Some(digest) == purchase.digest)
            && opaque.is_none_or(|opaque| purchase.opaque().is_ok_and(|ours| ours == opaque));
        if is_same { Ok((purchase, request)) } else { Err(ChargeFault::UnknownChallenge) }
    }

    /// When the challenge ends. Each of ours says it.
    pub(super) fn expires(&self) -> Result<UnixTime, ChargeFault> {
        self.expires.as_deref().and_then(UnixTime::from_rfc3339).ok_or(ChargeFault::Malformed("expires"))
    }

    fn is_issued_under(&self, secret: &Secret, digest: &str, opaque: &str) -> bool {
        let slots = Slots {
            realm: &self.realm,
            method: &self.method,
            intent: &self.intent,
            request: &self.request,
            expires: self.expires.as_deref().unwrap_or_default(),
            digest,
            opaque,
        };
        challenge_id(secret.expose(), &slots).as_bytes().ct_eq(self.id.as_bytes()).into()
    }
}
