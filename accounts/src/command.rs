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

pub use crate::fields::{ClaimSecret, Hash, TokenDigest};
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
    /// Pays an invoice out of the balance.
    #[n(15)]
    PayOut(#[n(0)] PayOut),
    /// Takes what the node says about a payout.
    #[n(16)]
    PayAnswer(#[n(0)] PayAnswer),
    /// Asks how a payout stands.
    #[n(17)]
    SeePayout(#[n(0)] SeePayout),
    /// Gives to another account, or pays an invoice that fills one here.
    #[n(18)]
    Send(#[n(0)] Send),
    /// Takes in what another account gives.
    #[n(19)]
    Receive(#[n(0)] Receive),
    /// Takes the receiver's answer.
    #[n(20)]
    Acknowledge(#[n(0)] Acked),
    /// Promises to give a purchase back, whose book is opened with its first promise.
    #[n(21)]
    Promise(#[n(0)] Promise),
    /// Asks how a refund stands. Who asks knows its id, which only its link's secret gives.
    #[n(22)]
    SeeRefund(#[n(0)] SeeRefund),
    /// Pays a refund to the invoice that a wallet brings, and uses its link up.
    #[n(23)]
    Collect(#[n(0)] Collect),
    /// Opens a session with its deposit; one that was opened before is found.
    #[n(24)]
    OpenSession(#[n(0)] OpenSession),
    /// Puts another deposit into a session.
    #[n(25)]
    TopUpSession(#[n(0)] TopUpSession),
    /// Ends one use of a session and begins the next.
    #[n(26)]
    Meter(#[n(0)] Meter),
    /// Closes a session and sends back what is left, or says how that stands.
    #[n(27)]
    CloseSession(#[n(0)] CloseSession),
    /// Asks whether this session has taken a deposit.
    #[n(28)]
    HasDeposit(#[n(0)] SessionDeposit),
    /// Asks whether this session has ended without a deposit, and so never takes it.
    #[n(29)]
    LacksDeposit(#[n(0)] SessionDeposit),
    /// Keeps a deposit that was paid until somebody opens or fills a session with it.
    #[n(30)]
    WaitDeposit(#[n(0)] WaitDeposit),
    /// Ends the wait: the deposit fills another session.
    #[n(31)]
    DepositGone(#[n(0)] NamedTopUp),
    /// Nobody can close the session now, for nobody knows its terms: it is looked at again in an hour.
    #[n(32)]
    PutOff,
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

/// What an `Idempotency-Key` of an account names: one order, whichever way it moves money (T73).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Keyed {
    /// The key, and whose it is.
    #[cbor(n(0), with = "id")]
    pub key: Id,
    /// A digest of what the order means.
    #[cbor(n(1), with = "id")]
    pub order: Id,
}

/// An invoice to be paid by the owner.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PayOut {
    /// The token that asks.
    #[n(0)]
    pub by: TokenDigest,
    /// Names the payout; the node's idempotency key.
    #[cbor(n(1), with = "id")]
    pub id: Id,
    /// The invoice's hash.
    #[cbor(n(2), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What it asks.
    #[cbor(n(3), with = "msat")]
    pub amount: Msat,
    /// The most that routing may cost (T94).
    #[cbor(n(4), with = "msat")]
    pub fee_limit: Msat,
    /// The invoice.
    #[n(5)]
    pub bolt11: String,
    /// The client's key.
    #[n(6)]
    pub keyed: Option<Keyed>,
}

/// What the node says about a payout.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PayAnswer {
    /// Names the payout.
    #[cbor(n(0), with = "id")]
    pub id: Id,
    /// What it says.
    #[n(1)]
    pub said: NodeSaid,
}

/// The node's word about one payout. Only a definite one ends it (T93).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum NodeSaid {
    /// It was paid.
    #[n(1)]
    #[cbor(map)]
    Succeeded {
        /// Believed only if it hashes to the invoice's hash.
        #[cbor(n(0), with = "preimage")]
        preimage: Preimage,
        /// What routing cost.
        #[cbor(n(1), with = "msat")]
        fee: Msat,
    },
    /// It was not paid, and never will be under this id.
    #[n(2)]
    Failed,
    /// It is under way, or the node cannot say.
    #[n(3)]
    Unknown,
    /// The node's store never heard of this id.
    #[n(4)]
    #[cbor(map)]
    NotFound {
        /// When that store began.
        #[cbor(n(0), with = "time")]
        store_since: UnixTime,
    },
}

/// A payout, and who asks about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SeePayout {
    /// The token that asks.
    #[n(0)]
    pub by: TokenDigest,
    /// Names the payout.
    #[cbor(n(1), with = "id")]
    pub id: Id,
    /// The key under which it is ordered now.
    #[n(2)]
    pub keyed: Option<Keyed>,
}

/// A gift to another account.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Send {
    /// The token that asks.
    #[n(0)]
    pub by: TokenDigest,
    /// Names the transfer in both books.
    #[cbor(n(1), with = "id")]
    pub id: Id,
    /// Who gets it.
    #[cbor(n(2), with = "book")]
    pub to: BookId,
    /// What the shell calls that account: it comes back with the message to carry.
    #[n(3)]
    pub account: String,
    /// How much.
    #[cbor(n(4), with = "msat")]
    pub amount: Msat,
    /// The receiver's invoice, where one is paid (T95).
    #[n(5)]
    pub invoice: Option<Hash>,
    /// The client's key.
    #[n(6)]
    pub keyed: Option<Keyed>,
}

/// The message of a transfer, at its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receive {
    /// Names the transfer.
    #[cbor(n(0), with = "id")]
    pub id: Id,
    /// Who gives.
    #[cbor(n(1), with = "book")]
    pub from: BookId,
    /// Who gets.
    #[cbor(n(2), with = "book")]
    pub to: BookId,
    /// How much.
    #[cbor(n(3), with = "msat")]
    pub amount: Msat,
    /// The receiver's invoice, where one is paid.
    #[n(4)]
    pub invoice: Option<Hash>,
    /// The node's definite word that nobody can pay that invoice any more (T95).
    #[n(5)]
    pub is_canceled: bool,
}

/// A receiver's answer, the same however often it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acked {
    /// Names the transfer.
    #[cbor(n(0), with = "id")]
    pub id: Id,
    /// Who answers.
    #[cbor(n(1), with = "book")]
    pub by: BookId,
    /// Whether it has the money.
    #[n(2)]
    pub accepted: bool,
}

/// A purchase that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Promise {
    /// The purchase.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What was paid.
    #[cbor(n(1), with = "msat")]
    pub paid: Msat,
    /// What the node kept of it for itself (T66).
    #[cbor(n(2), with = "msat")]
    pub node_fee: Msat,
    /// Names the refund: the digest of its link's secret.
    #[cbor(n(3), with = "id")]
    pub id: Id,
    /// How much goes back.
    #[cbor(n(4), with = "msat")]
    pub amount: Msat,
    /// Seconds until it lapses.
    #[n(5)]
    pub ttl_s: u32,
}

/// A refund, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SeeRefund {
    /// Names the refund.
    #[cbor(n(0), with = "id")]
    pub id: Id,
}

/// What a wallet brings to take a refund.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Collect {
    /// Names the refund.
    #[cbor(n(0), with = "id")]
    pub id: Id,
    /// The invoice's hash.
    #[cbor(n(1), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What it asks: the refund's amount, and nothing else.
    #[cbor(n(2), with = "msat")]
    pub amount: Msat,
    /// The most that routing may cost the operator (T94).
    #[cbor(n(3), with = "msat")]
    pub fee_limit: Msat,
    /// The invoice.
    #[n(4)]
    pub bolt11: String,
}

/// What came in by a deposit, by the node's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Came {
    /// What was paid.
    #[cbor(n(0), with = "msat")]
    pub paid: Msat,
    /// What the node kept of it for itself (T66).
    #[cbor(n(1), with = "msat")]
    pub node_fee: Msat,
}

/// An invoice without an amount, for what is left of a session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReturnInvoice {
    /// Its hash.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
    /// The invoice.
    #[n(1)]
    pub bolt11: String,
}

/// A session, and the deposit that opens it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OpenSession {
    /// The deposit: the session's name.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
    /// Its proof.
    #[cbor(n(1), with = "preimage")]
    pub preimage: Preimage,
    /// What the deposit's invoice asks.
    #[cbor(n(2), with = "msat")]
    pub asked: Msat,
    /// What came in, where the node was asked.
    #[n(3)]
    pub came: Option<Came>,
    /// Where what is left goes.
    #[n(4)]
    pub back: ReturnInvoice,
    /// Seconds without a use after which it is closed.
    #[n(5)]
    pub idle_s: u32,
}

/// Another deposit of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TopUpSession {
    /// The session.
    #[cbor(n(0), with = "hash")]
    pub session: PaymentHash,
    /// The deposit.
    #[cbor(n(1), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What its invoice asks.
    #[cbor(n(2), with = "msat")]
    pub asked: Msat,
    /// What came in, where the node was asked.
    #[n(3)]
    pub came: Option<Came>,
    /// The most that a session may hold: what came in must be able to go back.
    #[cbor(n(4), with = "msat")]
    pub limit: Msat,
}

/// A session and a deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SessionDeposit {
    /// The session.
    #[cbor(n(0), with = "hash")]
    pub session: PaymentHash,
    /// The deposit.
    #[cbor(n(1), with = "hash")]
    pub payment_hash: PaymentHash,
}

/// A deposit that nobody uses yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WaitDeposit {
    /// The deposit.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What its invoice asks.
    #[cbor(n(1), with = "msat")]
    pub asked: Msat,
    /// When nobody can open or fill a session with it any more.
    #[cbor(n(2), with = "time")]
    pub ends_at: UnixTime,
}

/// An end and a beginning, either of which may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Meter {
    /// The session.
    #[cbor(n(0), with = "hash")]
    pub session: PaymentHash,
    /// The deposit whose challenge was shown, where it must be one of this session.
    #[n(1)]
    pub by: Option<Hash>,
    /// The use to end.
    #[n(2)]
    pub end: Option<UseId>,
    /// How many units of it were used.
    #[n(3)]
    pub used: u64,
    /// The use to begin.
    #[n(4)]
    pub begin: Option<UseId>,
    /// How many units are wanted.
    #[n(5)]
    pub want: u64,
    /// What a unit costs.
    #[cbor(n(6), with = "msat")]
    pub unit: Msat,
    /// Seconds after which the use ends by itself.
    #[n(7)]
    pub ttl_s: u32,
}

/// Names a use, where there may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct UseId(#[cbor(n(0), with = "id")] pub Id);

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CloseSession {
    /// The session.
    #[cbor(n(0), with = "hash")]
    pub session: PaymentHash,
    /// See [`Meter::by`].
    #[n(1)]
    pub by: Option<Hash>,
    /// Nobody asked for it: only a session that was not used for its time is closed.
    #[n(2)]
    pub is_alarm: bool,
    /// What routing may cost.
    #[n(3)]
    pub routing: Routing,
    /// Another invoice, for a refund that failed.
    #[n(4)]
    pub again: Option<ReturnInvoice>,
}

/// What routing may cost: a share of the amount, and always some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Routing {
    /// Millionths of the amount.
    #[n(0)]
    pub ppm: u64,
    /// Always so much.
    #[cbor(n(1), with = "msat")]
    pub min: Msat,
}

impl Routing {
    /// The most that routing this amount may cost.
    #[must_use]
    pub fn limit(&self, amount: Msat) -> Msat {
        let share = u128::from(amount.0) * u128::from(self.ppm) / 1_000_000;
        Msat(u64::try_from(share).unwrap_or(u64::MAX).max(self.min.0))
    }
}
