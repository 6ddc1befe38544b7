//! What the id of a `Payment` challenge binds, and how.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::encoding;

/// The seven values under the id's HMAC, as they stand on the wire; empty when absent. `description` is not bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slots<'a> {
    /// The public host.
    pub realm: &'a str,
    /// `lightning`.
    pub method: &'a str,
    /// `charge`.
    pub intent: &'a str,
    /// Base64url of the request's JSON.
    pub request: &'a str,
    /// RFC 3339.
    pub expires: &'a str,
    /// `sha-256=:…:`, of the request body. Ours is empty: `request` says it.
    pub digest: &'a str,
    /// Base64url of a flat JSON object. Ours is empty, as `digest` is.
    pub opaque: &'a str,
}

/// `b64url(HMAC-SHA256(secret, realm|method|intent|request|expires|digest|opaque))`, without the eighth slot
/// `header` of later drafts (D7).
///
/// The slots are joined and not escaped. That is unambiguous as long as none of the slots we issue contains a `|`,
/// which [`PaymentChallenge::issue`](super::PaymentChallenge::issue) sees to: a forger cannot move a bar without adding one.
///
/// ```
/// use l402::payment::{Slots, challenge_id};
/// // From the mpp-tools conformance vectors.
/// let secret = b"test-vector-secret-minimum-32-byte-secret";
/// let request = "eyJhbW91bnQiOiIxMDAwMDAwIn0"; // {"amount":"1000000"}
/// let slots = Slots { realm: "api.example.com", method: "tempo", intent: "charge", request, ..Slots::default() };
/// assert_eq!(challenge_id(secret, &slots), "6QDs0BmhrI_v67iWeCMvGqQJEFQ6ErWKlk7zi5xL6t0");
/// ```
#[must_use]
pub fn challenge_id(secret: &[u8], slots: &Slots<'_>) -> String {
    let Slots { realm, method, intent, request, expires, digest, opaque } = slots;
    let message = [*realm, method, intent, request, expires, digest, opaque].join("|");
    // HMAC takes a key of any length, so the fallback is never taken; its result would verify nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(message.as_bytes());
    encoding::to_base64url(&mac.finalize().into_bytes())
}
