//! What is reserved while an answer is under way, of a balance or of a session: how long, and what the client reads of it.

use crate::config::gate::Gate;

/// A hold outlives the longest response by half as much again, in seconds, and by this much at most.
const HOLD_MARGIN_MAX_S: u32 = 60;
/// What is left, in msat, for the client to see.
pub const BALANCE_FIELD: &str = "satstile-balance-msat";

/// How long a hold lives without a word: as long as an answer may take, and a little.
pub fn hold_ttl_s(gate: &Gate) -> u32 {
    let longest = gate.policy.timeouts.longest_s();
    longest.saturating_add((longest / 2).min(HOLD_MARGIN_MAX_S)).min(satstile_ledger::hold::HOLD_TTL_MAX_S)
}
