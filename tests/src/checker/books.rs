//! The books, as their owner and the operator are told: history, balance, audit.

use l402::UnixTime;
use serde_json::Value;

use super::bank::Edge;
use super::wire::{self, Heard};

/// How many lines one answer has at most.
const PAGE: u64 = 100;

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1, without a gap.
    pub seq: u64,
    /// Unix seconds.
    pub at_s: u64,
    /// `top_up`, `hold_placed`, `hold_ended` …
    pub kind: String,
    /// What it happened to, hex.
    pub subject: String,
    /// What the balance gained or lost.
    pub amount_msat: i64,
    /// The balance afterwards.
    pub balance_msat: i64,
}

/// One account at rest.
#[derive(Clone, Debug, Default)]
pub struct Books {
    /// What can be spent.
    pub balance_msat: u64,
    /// What uses under way have reserved.
    pub reserved_msat: u64,
    /// The whole journal, in order.
    pub lines: Vec<Line>,
    /// What the operator is told.
    pub audit: Value,
}

/// Balance and what is reserved.
///
/// # Errors
/// What was heard instead of an answer.
pub fn sheet(edge: &Edge, token: &str) -> Result<(u64, u64), Heard> {
    let sheet = wire::json(edge.worker, "GET", "/api/v1/balance?limit=1", Some(token), None)?;
    let number = |key: &str| sheet[key].as_u64().ok_or(Heard::Cut(200));
    Ok((number("balance_msat")?, number("reserved_msat")?))
}

/// Everything about an account. `known` are its lines of an earlier reading; the journal is only added to.
///
/// # Errors
/// What was heard instead of an answer.
pub fn read(edge: &Edge, id: &str, token: &str, known: Vec<Line>) -> Result<Books, Heard> {
    let audit = edge.audit(id)?;
    let have = known.last().map_or(0, |line| line.seq);
    let (mut new, mut before, mut totals) = (Vec::new(), u64::MAX, None);
    while before > have {
        let target = format!("/api/v1/balance?limit={PAGE}&before={before}");
        let page = wire::json(edge.worker, "GET", &target, Some(token), None)?;
        let number = |key: &str| page[key].as_u64().ok_or(Heard::Cut(200));
        totals.get_or_insert((number("balance_msat")?, number("reserved_msat")?));
        let history = page["history"].as_array().ok_or(Heard::Cut(200))?;
        let lines: Vec<Line> = history.iter().filter_map(line).collect();
        if lines.len() != history.len() {
            return Err(Heard::Cut(200));
        }
        let Some(oldest) = lines.last().map(|line| line.seq) else { break };
        new.extend(lines.into_iter().filter(|line| line.seq > have));
        before = oldest.saturating_sub(1);
        if before == 0 {
            break;
        }
    }
    new.reverse();
    let (balance_msat, reserved_msat) = totals.unwrap_or_default();
    Ok(Books { balance_msat, reserved_msat, lines: known.into_iter().chain(new).collect(), audit })
}

fn line(json: &Value) -> Option<Line> {
    Some(Line {
        seq: json["seq"].as_u64()?,
        at_s: UnixTime::from_rfc3339(json["at"].as_str()?)?.0,
        kind: json["kind"].as_str()?.to_owned(),
        subject: json["subject"].as_str()?.to_owned(),
        amount_msat: json["amount_msat"].as_i64()?,
        balance_msat: json["balance_msat"].as_i64()?,
    })
}
