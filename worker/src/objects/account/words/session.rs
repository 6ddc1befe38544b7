//! The book of a session: its deposits, its uses by the unit, its end.

use super::Order;
use crate::objects::words::words;

/// `session-open`: a deposit opens a session.
#[derive(Debug)]
pub struct OpenSession {
    /// The deposit's payment hash, hex: the session's name.
    pub hash: String,
    /// Hex.
    pub preimage: String,
    /// What the deposit's invoice asks.
    pub deposit_msat: u64,
    /// What was paid, where the node was asked.
    pub paid_msat: Option<u64>,
    /// What the node kept of that.
    pub node_fee_msat: u64,
    /// The return invoice's hash, hex.
    pub return_hash: String,
    /// The return invoice.
    pub return_bolt11: String,
    /// Seconds without a use after which it is closed.
    pub idle_s: u32,
}
words!(OpenSession { hash, preimage, deposit_msat, paid_msat, node_fee_msat, return_hash, return_bolt11, idle_s });

/// `deposit-wait`: the node has pushed that a deposit was paid.
#[derive(Debug)]
pub struct WaitDeposit {
    /// The deposit's payment hash, hex.
    pub hash: String,
    /// What its invoice asks.
    pub asked_msat: u64,
    /// When nobody can open or fill a session with it any more, Unix seconds.
    pub ends_at: u64,
}
words!(WaitDeposit { hash, asked_msat, ends_at });

/// `session-has`: has the session taken this deposit? `session-lacks`: has the session ended without this deposit, so that
/// it is free to go elsewhere?
#[derive(Debug)]
pub struct LacksDeposit {
    /// The session, hex.
    pub session: String,
    /// The deposit's payment hash, hex.
    pub hash: String,
}
words!(LacksDeposit { session, hash });

/// `session-top-up`: another deposit.
#[derive(Debug)]
pub struct TopUpSession {
    /// The session, hex.
    pub session: String,
    /// The deposit's payment hash, hex.
    pub hash: String,
    /// What its invoice asks.
    pub deposit_msat: u64,
    /// What was paid, where the node was asked.
    pub paid_msat: Option<u64>,
    /// What the node kept of that.
    pub node_fee_msat: u64,
    /// The most that a session may hold.
    pub limit_msat: u64,
}
words!(TopUpSession { session, hash, deposit_msat, paid_msat, node_fee_msat, limit_msat });

/// `session-meter`: end one use, begin the next.
#[derive(Debug)]
pub struct Meter {
    /// The session, hex.
    pub session: String,
    /// The deposit whose challenge was shown, hex, where it must be one of this session.
    pub by: Option<String>,
    /// The hold to end, hex.
    pub end: Option<String>,
    /// How many units of it were used.
    pub used: u64,
    /// The hold to place, hex.
    pub begin: Option<String>,
    /// How many units are wanted.
    pub want: u64,
    /// What a unit costs.
    pub unit_msat: u64,
    /// After so many seconds without a word the hold ends by itself.
    pub ttl_s: u32,
}
words!(Meter { session, by, end, used, begin, want, unit_msat, ttl_s });

/// The reply to `session-meter`.
#[derive(Debug)]
pub struct Metered {
    /// How many units are reserved.
    pub units: u64,
    /// What the session has cost so far.
    pub spent_msat: u64,
    /// What is left besides.
    pub available_msat: u64,
}
words!(Metered { units, spent_msat, available_msat });

/// `session-close`: send back what is left, or say how that stands.
#[derive(Debug)]
pub struct CloseSession {
    /// The session, hex.
    pub session: String,
    /// See [`Meter::by`].
    pub by: Option<String>,
    /// Nobody asked for it: only a session that was not used for its time is closed.
    pub is_alarm: bool,
    /// Routing may cost so many millionths of the amount …
    pub fee_ppm: u64,
    /// … and always so much.
    pub fee_min_msat: u64,
    /// Another return invoice's hash, hex, for a refund that failed.
    pub return_hash: Option<String>,
    /// That invoice.
    pub return_bolt11: Option<String>,
}
words!(CloseSession { session, by, is_alarm, fee_ppm, fee_min_msat, return_hash, return_bolt11 });

/// The reply to `session-close`.
#[derive(Debug)]
pub struct SessionSeen {
    /// What goes back, in satoshi.
    pub refund_sats: u64,
    /// `succeeded`, `failed`, `skipped` or `pending`.
    pub status: String,
    /// What the node is to be told now, if anything.
    pub order: Option<Order>,
}
words!(SessionSeen { refund_sats, status, order });
