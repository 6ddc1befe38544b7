//! The challenge as a credential echoes it: what a client says that we issued.

use serde_json::Value;
use subtle::ConstantTimeEq;

use super::challenge::Opaque;
use super::{ChargeFault, METHOD, Slots, challenge_id};
use crate::json::{self, optional, text};
use crate::secret::Secret;
use crate::time::UnixTime;

/// The values under the id's HMAC, and the id.
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

    /// We issued this, for this host, unchanged, and for this intent. `secrets` are the challenge secrets, the current one
    /// first, then those whose challenges have not all expired.
    ///
    /// # Errors
    /// [`ChargeFault::UnknownChallenge`], [`ChargeFault::Unsupported`].
    pub(super) fn check(&self, secrets: &[Secret], realm: &str, intent: &str) -> Result<(), ChargeFault> {
        if !secrets.iter().any(|secret| self.is_issued_under(secret)) || self.realm != realm {
            return Err(ChargeFault::UnknownChallenge);
        }
        if self.method != METHOD || self.intent != intent {
            return Err(ChargeFault::Unsupported);
        }
        Ok(())
    }

    /// What we had put in for ourselves.
    pub(super) fn opaque(&self) -> Result<Opaque, ChargeFault> {
        let opaque = self.opaque.as_deref().and_then(json::parse_base64url).and_then(|opaque| Opaque::of(&opaque));
        opaque.ok_or(ChargeFault::Malformed("opaque"))
    }

    /// When the challenge ends. Each of ours says it.
    pub(super) fn expires(&self) -> Result<UnixTime, ChargeFault> {
        self.expires.as_deref().and_then(UnixTime::from_rfc3339).ok_or(ChargeFault::Malformed("expires"))
    }

    fn is_issued_under(&self, secret: &Secret) -> bool {
        let slots = Slots {
            realm: &self.realm,
            method: &self.method,
            intent: &self.intent,
            request: &self.request,
            expires: self.expires.as_deref().unwrap_or_default(),
            digest: self.digest.as_deref().unwrap_or_default(),
            opaque: self.opaque.as_deref().unwrap_or_default(),
        };
        challenge_id(secret.expose(), &slots).as_bytes().ct_eq(self.id.as_bytes()).into()
    }
}
