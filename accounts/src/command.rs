//! What an account's object can be asked.
//!
//! *Information is a new optional field; a restriction is a new variant*: an older build skips a field that it does not
//! know, and refuses a variant that it does not know. Numbers are never used again. Commands have the numbers below 100,
//! replies those from 100 on, so that neither is read as the other.

use l402::Msat;
use minicbor::{Decode, Encode};
use satstile_ledger::Id;

pub use crate::fields::TokenDigest;
use crate::fields::{id, msat};

/// One operation, and one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Command {
    /// Reserves what a use may cost.
    #[n(1)]
    Hold(#[n(0)] Hold),
    /// Asks whether such a hold could be placed now, and places none.
    #[n(2)]
    Covers(#[n(0)] Hold),
    /// Records what was seen of the cost of a use under way.
    #[n(3)]
    Progress(#[n(0)] Progress),
    /// Ends a use.
    #[n(4)]
    End(#[n(0)] End),
    /// Adds a token that can only spend.
    #[n(5)]
    AddToken(#[n(0)] TokenChange),
    /// Puts a token in the place of the one that asks, which ends when the new one is used first.
    #[n(6)]
    RotateToken(#[n(0)] TokenChange),
    /// Ends a token.
    #[n(7)]
    RevokeToken(#[n(0)] TokenChange),
    /// Brings on what is due.
    #[n(8)]
    Alarm,
}

/// What a use may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hold {
    /// The token that pays.
    #[n(0)]
    pub token: TokenDigest,
    /// Names the use.
    #[cbor(n(1), with = "id")]
    pub id: Id,
    /// The most it may cost.
    #[cbor(n(2), with = "msat")]
    pub ceiling: Msat,
    /// What it costs when it broke off and nobody saw how far it went.
    #[cbor(n(3), with = "msat")]
    pub estimate: Msat,
    /// Seconds after which it ends by itself.
    #[n(4)]
    pub ttl_s: u32,
}

/// What the origin says a use has cost so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Progress {
    /// Names the use.
    #[cbor(n(0), with = "id")]
    pub id: Id,
    /// The cost so far; more than the ceiling counts as the ceiling.
    #[cbor(n(1), with = "msat")]
    pub seen: Msat,
}

/// How a use ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct End {
    /// Names the use.
    #[cbor(n(0), with = "id")]
    pub id: Id,
    /// What it cost.
    #[n(1)]
    pub cost: Cost,
    /// Whether the client had some of it.
    #[n(2)]
    pub has_begun: bool,
}

/// What a use cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Cost {
    /// So much, and 0 means 0.
    #[n(1)]
    Known(#[cbor(n(0), with = "msat")] Msat),
    /// Nobody said: what was seen counts, else the estimate, else nothing if no byte was sent.
    #[n(2)]
    Unknown,
}

/// With a token of the account, something about another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TokenChange {
    /// The token that asks.
    #[n(0)]
    pub by: TokenDigest,
    /// The token that it is about.
    #[n(1)]
    pub about: TokenDigest,
}
