//! The module `prepaid`: balances that are filled once and spent by the request. Off unless its table stands in the
//! policy, and with it the operator holds other people's money.

use super::PolicyFault;
use super::table::Table;
use crate::amount::Msat;
use crate::path::Target;

const PREPAID: [&str; 8] = [
    "path",
    "token_prefix",
    "token_headers",
    "topup_min_msat",
    "topup_max_msat",
    "claim_secret",
    "secretless",
    "transfers",
];
/// Where the SDKs of Anthropic, Azure OpenAI and Google put a key.
const TOKEN_HEADERS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];
/// The most names of fields that are looked into.
const TOKEN_HEADERS_MAX: usize = 8;

/// How balances are sold.
#[derive(Clone, Debug)]
pub struct Prepaid {
    /// Its routes stand below this path: `/api/v1`.
    pub path: String,
    /// What a balance's token begins with: `abl_`.
    pub token_prefix: String,
    /// The fields, besides `Authorization` and `X-Token`, in which a token is read; names in lower case.
    pub token_headers: Vec<String>,
    /// The least one top-up fills in.
    pub topup_min: Msat,
    /// The most.
    pub topup_max: Msat,
    /// Whether the claim of a new balance must bring the `claim_secret` of its top-up (C17): everybody who forwarded the
    /// payment knows the preimage. On by default.
    pub claim_secret: bool,
    /// What is to be had without it, where it is off.
    pub secretless: Secretless,
    /// Whether one balance can give to another.
    pub transfers: bool,
}

/// What a balance is good for that was claimed by the preimage alone, until its secret comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secretless {
    /// It can be spent on what is sold here.
    Spend,
    /// It can also be locked in escrow, and what is released is free.
    Escrow,
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
        let claim_secret = table.flag_or("claim_secret", true)?;
        let secretless = match table.text("secretless")? {
            Some(_) if claim_secret => {
                return table.fault("secretless", "says something only where `claim_secret = false`");
            }
            None | Some("spend") => Secretless::Spend,
            Some("escrow") => Secretless::Escrow,
            Some(_) => return table.fault("secretless", "must be \"spend\" or \"escrow\""),
        };
        Ok(Some(Self {
            path: path.to_owned(),
            token_prefix: token_prefix.to_owned(),
            token_headers: token_headers(&table)?,
            topup_min,
            topup_max,
            claim_secret,
            secretless,
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

fn token_headers(table: &Table<'_>) -> Result<Vec<String>, PolicyFault> {
    let Some(given) = table.some_texts("token_headers")? else { return Ok(TOKEN_HEADERS.map(str::to_owned).to_vec()) };
    let names: Vec<_> = given.into_iter().map(str::to_ascii_lowercase).collect();
    let is_name = |name: &String| {
        !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // A page cannot be kept from sending its cookies, and the others mean something to every server on the way.
    let is_other =
        |name: &String| matches!(name.as_str(), "cookie" | "host" | "connection" | "content-type" | "accept");
    match names.len() <= TOKEN_HEADERS_MAX && names.iter().all(|name| is_name(name) && !is_other(name)) {
        true => Ok(names),
        false => table.fault("token_headers", "up to eight names of header fields, such as `x-api-key`"),
    }
}

/// 64 lower-case hex digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
