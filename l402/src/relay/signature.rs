//! Standard Webhooks signatures: HMAC-SHA256 over `id.timestamp.body`, by one or two shared secrets.

use core::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::{RELAY_BODY_BYTES_MAX, RELAY_TOLERANCE_S, RelayFault};
use crate::encoding::{base64_any, to_base64};
use crate::secret::{Secret, SecretFault};
use crate::time::UnixTime;

/// Two secrets give two signatures of 47 characters; a sender in the middle of its own rotation may have more.
const SIGNATURE_BYTES_MAX: usize = 1024;
const SIGNATURES_MAX: usize = 8;

/// The secrets both sides share: one, or two while one replaces the other.
#[derive(Clone)]
pub struct RelaySecrets(Vec<Keyed>);

/// A MAC that already took its key in, so that no message has to handle a refused key.
#[derive(Clone)]
struct Keyed {
    mac: Hmac<Sha256>,
    secret: Secret,
}

impl RelaySecrets {
    /// Reads `RELAY_SECRETS`: `whsec_<base64>[,whsec_<base64>]` (C9). The key is what the base64 stands for.
    ///
    /// # Errors
    /// As [`Secret::new`]; [`SecretFault::Unreadable`] also without `whsec_`, and for more than two secrets.
    pub fn parse(text: &str) -> Result<Self, SecretFault> {
        let keyed: Vec<Keyed> = text.trim().split(',').map(Keyed::parse).collect::<Result<_, _>>()?;
        if keyed.len() > 2 {
            return Err(SecretFault::Unreadable);
        }
        Ok(Self(keyed))
    }

    /// The `webhook-signature` of a message: one `v1,<base64>` for each secret, so that the other side may
    /// know either.
    #[must_use]
    pub fn sign(&self, id: &str, at: UnixTime, body: &[u8]) -> String {
        let signatures = self.0.iter().map(|keyed| format!("v1,{}", to_base64(&keyed.mac(id, at, body))));
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// What can be said of a message before its body is there: whether its fields can be read, and are recent.
    ///
    /// # Errors
    /// The [`RelayFault`] that [`Self::verify`] would give for these fields, whatever the body.
    pub fn check_fields(
        id: &str,
        timestamp_header: &str,
        signature_header: &str,
        now: UnixTime,
    ) -> Result<(), RelayFault> {
        read_fields(id, timestamp_header, signature_header, now).map(drop)
    }

    /// Believes a message when one of its signatures is by one of our secrets, and recent (T53).
    ///
    /// The three texts are the headers as they came. Whether the id was seen before is the caller's to know.
    ///
    /// # Errors
    /// The [`RelayFault`] that says which header to look at.
    pub fn verify(
        &self,
        id: &str,
        timestamp_header: &str,
        signature_header: &str,
        body: &[u8],
        now: UnixTime,
    ) -> Result<(), RelayFault> {
        let (at, unverified) = read_fields(id, timestamp_header, signature_header, now)?;
        if body.len() > RELAY_BODY_BYTES_MAX {
            return Err(RelayFault::BodyTooLong);
        }

        // Every pair is compared, so that the time taken does not tell which one nearly fitted.
        let mut genuine = Choice::from(0);
        for keyed in &self.0 {
            let mac = keyed.mac(id, at, body);
            unverified.iter().for_each(|signature| genuine |= mac.ct_eq(signature));
        }
        if bool::from(genuine) { Ok(()) } else { Err(RelayFault::WrongSignature) }
    }

    /// Whether one of the secrets is among the other ones, too. Two purposes must not share one (T61).
    #[must_use]
    pub fn shares_one_with(&self, other: &Self) -> bool {
        let same = |one: &Keyed| other.0.iter().any(|two| bool::from(one.secret.expose().ct_eq(two.secret.expose())));
        self.0.iter().any(same)
    }
}

/// Shows fingerprints (T120).
impl fmt::Debug for RelaySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|keyed| &keyed.secret)).finish()
    }
}

impl Keyed {
    fn parse(text: &str) -> Result<Self, SecretFault> {
        let secret = Secret::from_base64(text.trim().strip_prefix("whsec_").ok_or(SecretFault::Unreadable)?)?;
        // HMAC takes keys of any length; were that to change, no secret would be usable.
        let mac = Hmac::new_from_slice(secret.expose()).map_err(|_| SecretFault::Unreadable)?;
        Ok(Self { mac, secret })
    }

    fn mac(&self, id: &str, at: UnixTime, body: &[u8]) -> [u8; 32] {
        standard_webhooks_mac(self.mac.clone(), id, at, body)
    }
}

/// Whether a text can be a `webhook-id`. The dot is harmless: what follows it must be a time near now, and a
/// body that starts with `{`, so no other split of the signed text can be read.
#[must_use]
pub fn is_message_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// When a message was signed, and by what, if that can be read and is recent.
fn read_fields(
    id: &str,
    timestamp_header: &str,
    signature_header: &str,
    now: UnixTime,
) -> Result<(UnixTime, Vec<[u8; 32]>), RelayFault> {
    if !is_message_id(id) {
        return Err(RelayFault::UnreadableId);
    }
    let at = UnixTime::from_decimal(timestamp_header).ok_or(RelayFault::UnreadableTimestamp)?;
    if now.0.abs_diff(at.0) > RELAY_TOLERANCE_S {
        return Err(RelayFault::Stale);
    }
    Ok((at, signatures(signature_header).ok_or(RelayFault::UnreadableSignature)?))
}

/// The `v1` signatures of a header. Other versions are skipped, as the specification asks; a `v1` that is no
/// MAC is skipped too, for it can match nothing.
fn signatures(header: &str) -> Option<Vec<[u8; 32]>> {
    if header.len() > SIGNATURE_BYTES_MAX || header.split(' ').count() > SIGNATURES_MAX {
        return None;
    }
    let v1 = header.split(' ').filter_map(|signature| signature.strip_prefix("v1,"));
    let macs: Vec<[u8; 32]> = v1.filter_map(|text| base64_any(text)?.try_into().ok()).collect();
    (!macs.is_empty()).then_some(macs)
}

fn standard_webhooks_mac(mut mac: Hmac<Sha256>, id: &str, at: UnixTime, body: &[u8]) -> [u8; 32] {
    mac.update(format!("{id}.{}.", at.0).as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "whsec_3q2+7wF0cmFuc2llbnQga2V5IG51bWJlciBvbmUhMDE=";
    const NEW: &str = "whsec_yv66vhB0aGUga2V5IHRoYXQgcmVwbGFjZXMgaXQhMDI=";
    const NOW: UnixTime = UnixTime(1_795_000_000);
    const BODY: &[u8] = br#"{"type":"invoice.lookup"}"#;

    fn secrets(text: &str) -> RelaySecrets {
        RelaySecrets::parse(text).unwrap()
    }

    #[test]
    fn a_secret_that_serves_two_purposes_is_found() {
        let both = secrets(&format!("{OLD},{NEW}"));
        assert!(both.shares_one_with(&secrets(NEW)) && secrets(OLD).shares_one_with(&both));
        assert!(!secrets(OLD).shares_one_with(&secrets(NEW)));
    }

    /// A message as `OLD` signs it, changed by the case, at a receiver that knows `OLD`.
    #[track_caller]
    fn check(id: &str, timestamp: &str, signature: &str, body: &[u8], expected: Result<(), RelayFault>) {
        assert_eq!(secrets(OLD).verify(id, timestamp, signature, body, NOW), expected);
    }

    fn signed(id: &str, at: UnixTime) -> String {
        secrets(OLD).sign(id, at, BODY)
    }

    #[test]
    fn the_published_vectors_of_standard_webhooks_hold() {
        // The specification's sample, checked with Python's hmac as well; its 24-byte key is below our minimum,
        // so the raw MAC is asked. The second is from the reference library, crate standardwebhooks 1.0.1.
        for (key, id, at, body, expected) in [
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let mac = Hmac::new_from_slice(&base64_any(key).unwrap()).unwrap();
            let signature = standard_webhooks_mac(mac, id, UnixTime(at), body.as_bytes());
            assert_eq!(to_base64(&signature), expected);
        }
    }

    #[test]
    fn a_fresh_message_by_a_shared_secret_is_believed_and_a_changed_one_is_not() {
        let (at, signature) = (NOW.0.to_string(), signed("msg_1", NOW));
        check("msg_1", &at, &signature, BODY, Ok(()));

        check("msg_2", &at, &signature, BODY, Err(RelayFault::WrongSignature));
        check("msg_1", &(NOW.0 + 1).to_string(), &signature, BODY, Err(RelayFault::WrongSignature));
        check("msg_1", &at, &signature, br#"{"type":"invoice.lookuq"}"#, Err(RelayFault::WrongSignature));
        let other = secrets(NEW).sign("msg_1", NOW, BODY);
        check("msg_1", &at, &other, BODY, Err(RelayFault::WrongSignature));
    }

    #[test]
    fn five_minutes_apart_is_believed_and_a_second_more_is_not() {
        for (at, expected) in [
            (NOW.0 - 300, Ok(())),
            (NOW.0 + 300, Ok(())),
            (NOW.0 - 301, Err(RelayFault::Stale)),
            (NOW.0 + 301, Err(RelayFault::Stale)),
        ] {
            check("msg_1", &at.to_string(), &signed("msg_1", UnixTime(at)), BODY, expected);
        }
    }

    #[test]
    fn a_time_has_one_spelling() {
        let signature = signed("msg_1", NOW);
        for at in ["", "1795000000.0", "+1795000000", " 1795000000", "01795000000", "-1", "99999999999999999999"] {
            check("msg_1", at, &signature, BODY, Err(RelayFault::UnreadableTimestamp));
        }
    }

    #[test]
    fn an_id_is_short_and_plain() {
        let at = NOW.0.to_string();
        let longest = "a".repeat(256);
        for id in ["a", "msg_1.2-B", longest.as_str()] {
            check(id, &at, &signed(id, NOW), BODY, Ok(()));
        }
        let too_long = "a".repeat(257);
        for id in ["", "a b", "a\n", "ä", "a/b", too_long.as_str()] {
            check(id, &at, &signed(id, NOW), BODY, Err(RelayFault::UnreadableId));
        }
    }

    #[test]
    fn one_good_signature_among_others_is_enough() {
        let (at, good) = (NOW.0.to_string(), signed("msg_1", NOW));
        for header in [format!("v1a,AAAA v1,AAAA {good}"), format!("{good} v2,x")] {
            check("msg_1", &at, &header, BODY, Ok(()));
        }
        let unprefixed = good.trim_start_matches("v1,");
        let another_version = good.replace("v1,", "v1a,");
        let many = [good.as_str(); 9].join(" ");
        let long = format!("{good} {}", "x".repeat(1024));
        for header in ["", "v1,", "v1,AAAA", unprefixed, &another_version, &good[..20], &many, &long] {
            check("msg_1", &at, header, BODY, Err(RelayFault::UnreadableSignature));
        }
        // A whole MAC that starts like the good one.
        check("msg_1", &at, &format!("v1,{}", to_base64(&[7; 32])), BODY, Err(RelayFault::WrongSignature));
    }

    #[test]
    fn both_sides_may_rotate_one_after_the_other() {
        let both = secrets(&format!("{NEW},{OLD}"));
        let signature = both.sign("msg_1", NOW, BODY);
        assert_eq!(signature.matches("v1,").count(), 2);
        for receiver in [OLD, NEW] {
            assert_eq!(secrets(receiver).verify("msg_1", &NOW.0.to_string(), &signature, BODY, NOW), Ok(()));
            let sent = secrets(receiver).sign("msg_1", NOW, BODY);
            assert_eq!(both.verify("msg_1", &NOW.0.to_string(), &sent, BODY, NOW), Ok(()));
        }
    }

    #[test]
    fn a_message_past_64_kib_is_not_hashed() {
        let body = vec![b' '; RELAY_BODY_BYTES_MAX + 1];
        let signature = secrets(OLD).sign("msg_1", NOW, &body);
        check("msg_1", &NOW.0.to_string(), &signature, &body, Err(RelayFault::BodyTooLong));
        let body = &body[1..];
        let signature = secrets(OLD).sign("msg_1", NOW, body);
        check("msg_1", &NOW.0.to_string(), &signature, body, Ok(()));
    }

    #[test]
    fn only_one_or_two_long_random_secrets_are_taken() {
        for (text, expected) in [
            ("", SecretFault::Unreadable),
            ("3q2+7wF0cmFuc2llbnQga2V5IG51bWJlciBvbmUhMDE=", SecretFault::Unreadable),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretFault::Short),
            ("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", SecretFault::Sample),
            (&format!("{OLD},"), SecretFault::Unreadable),
            (&format!("{OLD},{NEW},{OLD}"), SecretFault::Unreadable),
        ] {
            assert_eq!(RelaySecrets::parse(text).map(|_| ()), Err(expected), "{text}");
        }
    }

    #[test]
    fn relay_secrets_do_not_print() {
        let shown = format!("{:?}", secrets(&format!("{OLD}, {NEW}")));
        assert_eq!(shown.len(), "[Secret(12345678), Secret(12345678)]".len(), "{shown}");
    }
}
