//! The module `prepaid`: balances that are filled once and spent by the request. Off unless its table stands in the
//! policy, and with it the operator holds other people's money.

use super::PolicyFault;
use super::table::Table;
use crate::amount::Msat;
use crate::path::Target;

const PREPAID: [&str; 6] = ["path", "token_prefix", "topup_min_msat", "topup_max_msat", "claim_secret", "transfers"];

/// How balances are sold.
#[derive(Clone, Debug)]
pub struct Prepaid {
    /// Its routes stand below this path: `/api/v1`.
    pub path: String,
    /// What a balance's token begins with: `abl_`.
    pub token_prefix: String,
    /// The least one top-up fills in.
    pub topup_min: Msat,
    /// The most.
    pub topup_max: Msat,
    /// Whether a claim must bring the `claim_secret` of its top-up (C17): where others may see the preimage.
    pub claim_secret: bool,
    /// Whether one balance can give to another.
    pub transfers: bool,
}

/// What of the module a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepaidRoute {
    /// `POST topup`
    TopUp,
    /// `POST topup/claim`
    Claim,
    /// `GET balance`
    Balance,
    /// `POST token`: another token of the same account, which can only spend.
    Token,
    /// `POST token/rotate`
    Rotate,
    /// `POST token/revoke`
    Revoke,
    /// `POST withdraw`: the balance pays an invoice, or a Lightning address.
    Withdraw,
    /// `POST transfer`: the balance gives to another one here.
    Transfer,
    /// `GET withdraw/<id>`: what became of it.
    Payout,
}

impl Prepaid {
    pub(super) fn of(file: &Table<'_>) -> Result<Option<Self>, PolicyFault> {
        let Some(table) = file.table("prepaid", &PREPAID)? else { return Ok(None) };
        let path = table.required_text("path")?;
        let is_plain = Target::parse(path).is_ok_and(|target| target.as_str() == target.path());
        if !path.starts_with('/') || path.ends_with('/') || !is_plain || path.contains('*') {
            return table.fault("path", "a path like \"/api/v1\", without a slash at its end");
        }
        let token_prefix = table.text("token_prefix")?.unwrap_or("sat_");
        let name = token_prefix.strip_suffix('_').unwrap_or_default();
        if !(2..=12).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return table.fault("token_prefix", "2 to 12 lower-case letters or digits and then a `_`, like \"abl_\"");
        }
        let amount =
            |name, default| Ok(Msat(table.number(name, 1_000, Msat::MAX.0)?.unwrap_or(default) / 1_000 * 1_000));
        let (topup_min, topup_max) = (amount("topup_min_msat", 1_000)?, amount("topup_max_msat", 1_000_000_000)?);
        if topup_min > topup_max {
            return table.fault("topup_min_msat", "is more than `topup_max_msat`");
        }
        Ok(Some(Self {
            path: path.to_owned(),
            token_prefix: token_prefix.to_owned(),
            topup_min,
            topup_max,
            claim_secret: table.flag("claim_secret")?,
            transfers: table.flag("transfers")?,
        }))
    }

    /// Which of the module's routes this is, and the method that it takes.
    #[must_use]
    pub fn route(&self, path: &str) -> Option<(PrepaidRoute, &'static str)> {
        Some(match path.strip_prefix(&self.path)? {
            "/topup" => (PrepaidRoute::TopUp, "POST"),
            "/topup/claim" => (PrepaidRoute::Claim, "POST"),
            "/balance" => (PrepaidRoute::Balance, "GET"),
            "/token" => (PrepaidRoute::Token, "POST"),
            "/token/rotate" => (PrepaidRoute::Rotate, "POST"),
            "/token/revoke" => (PrepaidRoute::Revoke, "POST"),
            "/transfer" => (PrepaidRoute::Transfer, "POST"),
            "/withdraw" => (PrepaidRoute::Withdraw, "POST"),
            path if path.strip_prefix("/withdraw/").is_some_and(is_id) => (PrepaidRoute::Payout, "GET"),
            _ => return None,
        })
    }
}

/// 64 lower-case hex digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
