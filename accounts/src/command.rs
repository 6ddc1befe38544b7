//! What an account's object can be asked.
//!
//! *Information is a new optional field; a restriction is a new variant*: an older build skips a field that it does not
//! know, and refuses a variant that it does not know. Numbers are never used again. Commands have the numbers below 100,
//! replies those from 100 on, so that neither is read as the other.

use alloc::string::String;

use l402::{Msat, PaymentHash, Preimage, UnixTime};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use satstile_ledger::{BookId, Id};

pub use crate::fields::{ClaimSecret, TokenDigest};
use crate::fields::{book, hash, id, msat, preimage, time};

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
    /// Records that an invoice fills this account, which is opened with its first one.
    #[n(9)]
    OpenTopUp(#[n(0)] OpenTopUp),
    /// Asks how a top-up stands.
    #[n(10)]
    SeeTopUp(#[n(0)] NamedTopUp),
    /// Credits a top-up: the node was asked, and says that its invoice was settled.
    #[n(11)]
    Credit(#[n(0)] Credit),
    /// Hands the account out to who paid.
    #[n(12)]
    Claim(#[n(0)] Claim),
    /// Forgets a top-up: the node says definitely that nobody paid it, and that nobody can.
    #[n(13)]
    Forget(#[n(0)] NamedTopUp),
    /// Ends what was kept of a forgotten top-up: its hash names this account nowhere any more.
    #[n(14)]
    LetGo(#[n(0)] NamedTopUp),
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

/// An invoice that fills the account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OpenTopUp {
    /// The account's book.
    #[cbor(n(0), with = "book")]
    pub book: BookId,
    /// What the shell calls the account: it comes back in [`LetGo`](crate::reply::Errand::LetGo).
    #[n(1)]
    pub account: String,
    /// The invoice.
    #[cbor(n(2), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What it asks.
    #[cbor(n(3), with = "msat")]
    pub asked: Msat,
    /// [`secret_digest`](satstile_ledger::topup::secret_digest) of the `claim_secret`, where one was given.
    #[n(4)]
    pub secret: Option<SecretDigest>,
    /// What a claim gets without it.
    #[n(5)]
    pub secretless: Secretless,
    /// What the node's side knows the invoice by, besides its hash.
    #[n(6)]
    pub reference: String,
    /// When the invoice is over: unpaid, it is forgotten some time later.
    #[cbor(n(7), with = "time")]
    pub ends_at: UnixTime,
    /// Whether the account has its tokens already, so that nobody claims this one.
    #[n(8)]
    pub is_refill: bool,
}

/// What is kept of a claim secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SecretDigest(#[cbor(n(0), with = "id")] pub Id);

/// What a claim by the preimage alone gets (C17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Secretless {
    /// Nothing.
    #[n(0)]
    Nothing,
    /// Everything.
    #[n(1)]
    Everything,
    /// What can only be spent.
    #[n(2)]
    Spend,
    /// The same, which may also be locked in escrow.
    #[n(3)]
    Escrow,
}

/// A top-up, by its invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NamedTopUp {
    /// The invoice.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
}

/// What came in by a top-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Credit {
    /// The invoice.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What was paid.
    #[cbor(n(1), with = "msat")]
    pub paid: Msat,
    /// What the node kept of it for itself (T66).
    #[cbor(n(2), with = "msat")]
    pub node_fee: Msat,
}

/// What a claimant brings, and what it would get.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Claim {
    /// Proof that the invoice was paid.
    #[cbor(n(0), with = "preimage")]
    pub preimage: Preimage,
    /// What came as `claim_secret`.
    #[n(1)]
    pub secret: Option<ClaimSecret>,
    /// The token of the account that came along.
    #[n(2)]
    pub bearer: Option<TokenDigest>,
    /// The token that would be handed out.
    #[n(3)]
    pub token: TokenDigest,
    /// That token, sealed so that only who has the secret can read it.
    #[n(4)]
    pub sealed: Option<ByteVec>,
}
