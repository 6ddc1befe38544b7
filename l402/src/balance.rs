//! The token of a prepaid balance: `abl_…`, sent as `Authorization: Bearer`, `X-Token`, or where stock SDKs send a key (T82).
//!
//! ```text
//! <prefix> base64url( key id 1 ‖ account 16 ‖ secret 32 ‖ tag 16 )
//! ```
//!
//! The account tells which books to open. The secret is 256 bits, and the books keep [`BalanceToken::digest`] of it
//! alone. The tag is HMAC-SHA256 under a key of the ring of master keys, cut to 16 bytes: junk is told from a token
//! without opening any books (T129). It proves nothing more; whether the token was revoked, the books know. A master key
//! that is retired still checks it, since money hangs on it.

use core::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::encoding::{base64_any, to_base64url};
use crate::fault::{Denial, Malformed};
use crate::headers::Headers;
use crate::keys::Keys;
use crate::policy::Prepaid;

const BYTES: usize = 1 + 16 + 32 + 16;
/// The length of [`BYTES`] in base64url without padding.
const TEXT: usize = 87;

/// Names an account of this deployment, and with it one store of books.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountId(pub [u8; 16]);

impl AccountId {
    /// A new name of 10 random bytes; the other six say that it was given here, so that a name that somebody makes up is
    /// asked for nowhere (T64).
    #[must_use]
    pub fn new(random: [u8; 10], keys: &Keys) -> Self {
        let mut bytes = [0; 16];
        let (name, tag) = bytes.split_at_mut(10);
        name.copy_from_slice(&random);
        tag.copy_from_slice(&keys.account_tags::<6>(&random).next().unwrap_or_default());
        Self(bytes)
    }

    /// Whether the name itself says that it was given here. One from before names did so does not.
    #[must_use]
    pub fn is_ours(&self, keys: &Keys) -> bool {
        let (name, tag) = self.0.split_at(10);
        keys.account_tags::<6>(name).any(|right| bool::from(right.as_slice().ct_eq(tag)))
    }

    /// Under which others can send to it: the name, and behind one that does not say so itself, that it was given here.
    #[must_use]
    pub fn to_address(&self, keys: &Keys) -> String {
        match keys.account_tags::<8>(&self.0).next() {
            Some(tag) if !self.is_ours(keys) => format!("{self}{}", hex::encode(tag)),
            _ => self.to_string(),
        }
    }

    /// Reads what somebody sends to: the name, and whether it was given here.
    #[must_use]
    pub fn from_address(unverified: &str, keys: &Keys) -> Option<(Self, bool)> {
        let (name, tag) = unverified.split_at_checked(32)?;
        let account = Self::from_hex(name)?;
        if tag.is_empty() {
            return Some((account, account.is_ours(keys)));
        }
        let mut given = [0; 8];
        hex::decode_to_slice(tag, &mut given).ok()?;
        let is_ours =
            keys.account_tags::<8>(&account.0).any(|right| bool::from(right.as_slice().ct_eq(given.as_slice())));
        Some((account, is_ours))
    }

    /// Reads 32 hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// 32 hex digits. An account's name opens nothing.
impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A token that was made here. Whether its account still takes it, the books say.
#[derive(Clone, PartialEq, Eq)]
pub struct BalanceToken {
    /// Whose.
    pub account: AccountId,
    secret: [u8; 32],
}

/// The account alone; the secret never prints (T120).
impl fmt::Debug for BalanceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BalanceToken({})", self.account)
    }
}

impl BalanceToken {
    /// The token of an account with this secret: 32 random bytes.
    #[must_use]
    pub const fn new(account: AccountId, secret: [u8; 32]) -> Self {
        Self { account, secret }
    }

    /// The secret, to be sealed for its claimant ([`crate::claim`]).
    #[must_use]
    pub const fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// What the books keep of it. The secret is random, so its hash gives nothing away.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::new_with_prefix(b"satstile balance token")
            .chain_update(self.account.0)
            .chain_update(self.secret)
            .finalize()
            .into()
    }

    /// As the client sends it.
    #[must_use]
    pub fn to_text(&self, keys: &Keys, prefix: &str) -> String {
        let id = keys.minting_id();
        let tag = keys.balance_tag(id, &self.body()).unwrap_or_default();
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(id);
        bytes.extend(self.body());
        bytes.extend(tag);
        format!("{prefix}{}", to_base64url(&bytes))
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// [`Denial::UnknownKey`] and [`Denial::BadSignature`]: it was not made here.
    pub fn verify(unverified: &str, keys: &Keys, prefix: &str) -> Result<Self, Denial> {
        let text = unverified.strip_prefix(prefix).filter(|text| text.len() == TEXT).ok_or(Denial::BadSignature)?;
        let bytes = base64_any(text).ok_or(Denial::BadSignature)?;
        let (Some((id, rest)), true) = (bytes.split_first(), bytes.len() == BYTES) else {
            return Err(Denial::BadSignature);
        };
        let (Some((account, after)), true) = (rest.split_first_chunk::<16>(), to_base64url(&bytes) == text) else {
            return Err(Denial::BadSignature);
        };
        let Some((secret, tag)) = after.split_first_chunk::<32>() else { return Err(Denial::BadSignature) };
        let token = Self { account: AccountId(*account), secret: *secret };
        let right = keys.balance_tag(*id, &token.body()).ok_or(Denial::UnknownKey)?;
        if bool::from(right.as_slice().ct_eq(tag)) { Ok(token) } else { Err(Denial::BadSignature) }
    }

    fn body(&self) -> [u8; 48] {
        let mut body = [0; 48];
        let (account, secret) = body.split_at_mut(16);
        account.copy_from_slice(&self.account.0);
        secret.copy_from_slice(&self.secret);
        body
    }
}

/// The balance token of a request, unread: a bearer's, `X-Token`, or in one of the fields that the policy names, in which
/// stock SDKs send a key. What does not begin with the deployment's prefix is somebody else's.
///
/// # Errors
/// [`Malformed::TwoCredentials`] when two of them differ (T19).
pub fn find<'h>(headers: &Headers<'h>, prepaid: &Prepaid) -> Result<Option<&'h str>, Malformed> {
    let mut found = None;
    for name in ["authorization", "x-token"].into_iter().chain(prepaid.token_headers.iter().map(String::as_str)) {
        // Two lines of one field arrive joined by a comma, which no token has.
        for piece in headers.get(name).into_iter().flat_map(|value| value.split(',')) {
            let token = match bearer(piece) {
                Some(token) => token,
                None if name == "authorization" => continue,
                None => piece.trim(),
            };
            if !token.starts_with(&prepaid.token_prefix) {
                continue;
            }
            if found.is_some_and(|before| before != token) {
                return Err(Malformed::TwoCredentials);
            }
            found = Some(token);
        }
    }
    Ok(found)
}

/// What stands behind `Bearer`, the name in any case.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::to_base64;

    fn keys(masters: &str) -> Keys {
        Keys::parse(masters, &to_base64(&secret(9))).unwrap()
    }

    fn secret(seed: u8) -> [u8; 32] {
        let mut next = seed.wrapping_mul(31);
        core::array::from_fn(|_| {
            next = next.wrapping_add(7);
            next
        })
    }

    fn master(id: &str, byte: u8) -> String {
        format!("{id}:{}", to_base64(&secret(byte)))
    }

    const TOKEN: BalanceToken = BalanceToken::new(AccountId([7; 16]), [8; 32]);

    #[test]
    fn a_token_says_which_books_to_open_and_keeps_its_secret_to_itself() {
        let keys = keys(&master("1", 1));
        let text = TOKEN.to_text(&keys, "abl_");
        assert_eq!(text.len(), "abl_".len() + TEXT);
        assert_eq!(BalanceToken::verify(&text, &keys, "abl_"), Ok(TOKEN));
        assert_eq!(format!("{TOKEN:?}"), "BalanceToken(07070707070707070707070707070707)");
        assert_ne!(TOKEN.digest(), BalanceToken::new(AccountId([6; 16]), [8; 32]).digest());
    }

    /// T17, T129: every change of every character, a token cut short, and one under another name.
    #[test]
    fn what_was_not_made_here_opens_no_books() {
        let keys = keys(&master("1", 1));
        let text = TOKEN.to_text(&keys, "abl_");
        for (place, _) in text.char_indices() {
            let mut changed = text.clone();
            let other = if changed.as_bytes()[place] == b'A' { "B" } else { "A" };
            changed.replace_range(place..=place, other);
            assert!(BalanceToken::verify(&changed, &keys, "abl_").is_err(), "{place}");
        }
        for junk in ["", "abl_", &text[..text.len() - 1], &format!("{text}A"), &text.replace("abl_", "sat_")] {
            assert_eq!(BalanceToken::verify(junk, &keys, "abl_"), Err(Denial::BadSignature), "{junk}");
        }
    }

    /// A3, T64: a name that somebody makes up, and one that others' keys gave.
    #[test]
    fn an_account_says_by_its_name_that_it_was_given_here_a3() {
        let keys_of_ours = keys(&master("1", 1));
        let account = AccountId::new([5; 10], &keys_of_ours);
        assert_eq!(account.to_address(&keys_of_ours), account.to_string());
        assert_eq!(AccountId::from_address(&account.to_string(), &keys_of_ours), Some((account, true)));
        let rotated = keys(&format!("{},{}", master("2", 2), master("1!", 1)));
        assert!(account.is_ours(&rotated) && !account.is_ours(&keys(&master("1", 3))));
        for place in 0..16 {
            let mut other = account;
            other.0[place] ^= 1;
            assert_eq!(AccountId::from_address(&other.to_string(), &keys_of_ours), Some((other, false)));
        }
        // One from before: its owner is told a longer name, and a made-up end is none.
        let old = AccountId([7; 16]);
        let address = old.to_address(&keys_of_ours);
        assert_eq!((address.len(), &address[..32]), (48, old.to_string().as_str()));
        assert_eq!(AccountId::from_address(&address, &keys_of_ours), Some((old, true)));
        for made_up in [old.to_string(), format!("{old}0000000000000000")] {
            assert_eq!(AccountId::from_address(&made_up, &keys_of_ours), Some((old, false)));
        }
        for junk in ["", "bob", &address[..31], &format!("{old}00"), &format!("{address}00"), &"00".repeat(32)] {
            assert_eq!(AccountId::from_address(junk, &keys_of_ours), None, "{junk}");
        }
    }

    /// Money hangs on it: a token outlives the rotation of the master keys, as long as its key stands in the ring.
    #[test]
    fn a_retired_key_still_knows_its_tokens_and_a_forgotten_one_does_not() {
        let text = TOKEN.to_text(&keys(&master("1", 1)), "abl_");
        let rotated = format!("{},{}", master("2", 2), master("1!", 1));
        assert_eq!(BalanceToken::verify(&text, &keys(&rotated), "abl_"), Ok(TOKEN));
        assert_eq!(BalanceToken::verify(&text, &keys(&master("2", 2)), "abl_"), Err(Denial::UnknownKey));
        assert_eq!(BalanceToken::verify(&text, &keys(&master("1", 3)), "abl_"), Err(Denial::BadSignature));
    }

    fn found(block: &str) -> Result<Option<String>, Malformed> {
        let policy = crate::Policy::from_json(
            r#"{"version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
                "free": [{"path": "/"}], "prepaid": {"path": "/v1", "token_prefix": "abl_"}}"#,
        )
        .unwrap();
        find(&Headers::parse(block).unwrap(), policy.prepaid.as_ref().unwrap()).map(|found| found.map(str::to_owned))
    }

    #[test]
    fn a_bearer_and_an_x_token_that_differ_are_two_credentials_t19() {
        assert_eq!(found("authorization:bearer  abl_1"), Ok(Some("abl_1".to_owned())));
        assert_eq!(found("x-token:abl_1"), Ok(Some("abl_1".to_owned())));
        assert_eq!(found("authorization:Bearer abl_1\nx-token:abl_1"), Ok(Some("abl_1".to_owned())));
        assert_eq!(found("authorization:Bearer abl_1\nx-token:abl_2"), Err(Malformed::TwoCredentials));
        assert_eq!(found("authorization:Bearer sk-1\nx-token:abl_2"), Ok(Some("abl_2".to_owned())));
        assert_eq!(found("authorization:Bearer sk-1"), Ok(None));
        assert_eq!(found("authorization:abl_1"), Ok(None));
    }

    /// Row A14 (T19, T36): where stock SDKs put a key, a token of ours is read; a key of somebody else's beside it is not.
    #[test]
    fn a_token_is_read_where_stock_sdks_put_a_key_a14() {
        let one = || Ok(Some("abl_1".to_owned()));
        for name in ["x-api-key", "api-key", "x-goog-api-key"] {
            assert_eq!(found(&format!("{name}: abl_1 ")), one(), "{name}");
            assert_eq!(found(&format!("{name}:Bearer abl_1")), one(), "{name}");
            assert_eq!(found(&format!("{name}:abl_1, abl_1")), one(), "{name}");
            assert_eq!(found(&format!("{name}:sk-1, abl_1\nauthorization:Bearer sk-2")), one(), "{name}");
            assert_eq!(found(&format!("{name}:sk-1\nauthorization:Bearer abl_1")), one(), "{name}");
            for other in ["authorization:Bearer abl_2", "x-token:abl_2"] {
                assert_eq!(found(&format!("{name}:abl_1\n{other}")), Err(Malformed::TwoCredentials), "{name} {other}");
            }
            assert_eq!(found(&format!("{name}:abl_1, abl_2")), Err(Malformed::TwoCredentials), "{name}");
            assert_eq!(found(&format!("{name}:sk-abl_1")), Ok(None), "{name}");
        }
        assert_eq!(found("x-api-key:abl_1\napi-key:abl_2"), Err(Malformed::TwoCredentials));
        assert_eq!(found("x-other-key:abl_1"), Ok(None));
    }
}
