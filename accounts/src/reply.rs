//! What an account's object answers. A refusal names its reason and, with [`Refusal::fault`], who can do something about
//! it; what status a client gets for it is for the shell to say.

use alloc::string::String;
use alloc::vec::Vec;

use l402::{Msat, PaymentHash, Preimage, UnixTime};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use satstile_ledger::{self as ledger, Id};

use crate::command::{Acked, Receive};
use crate::fields::{hash, id, msat, preimage, time};

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// It was done, and there is nothing to tell.
    #[n(100)]
    Done,
    /// It was done, or could be done, and so much is left.
    #[n(101)]
    Left(#[n(0)] Left),
    /// It was not done.
    #[n(102)]
    Refused(#[n(0)] Refusal),
    /// How a top-up stands.
    #[n(103)]
    TopUp(#[n(0)] TopUpSeen),
    /// The account was handed out.
    #[n(104)]
    Claimed(#[n(0)] Claimed),
    /// What the shell has to do now, each for itself; none of them is done before the transaction is.
    #[n(105)]
    Errands(#[n(0)] Vec<Errand>),
    /// How a payout stands.
    #[n(106)]
    Payout(#[n(0)] PayoutSeen),
    /// How a transfer stands.
    #[n(107)]
    Transfer(#[n(0)] TransferSeen),
    /// The receiver's answer to a transfer.
    #[n(108)]
    Acked(#[n(0)] Acked),
    /// How a refund stands.
    #[n(109)]
    Refund(#[n(0)] RefundSeen),
    /// What a session has reserved, cost and left.
    #[n(110)]
    Metered(#[n(0)] Metered),
    /// What goes back of a session, and how that stands.
    #[n(111)]
    Session(#[n(0)] SessionSeen),
}

/// What a session has reserved, cost and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Metered {
    /// How many units are reserved.
    #[n(0)]
    pub units: u64,
    /// What the session has cost so far.
    #[cbor(n(1), with = "msat")]
    pub spent: Msat,
    /// What is left besides.
    #[cbor(n(2), with = "msat")]
    pub available: Msat,
}

/// What goes back of a session that is closed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SessionSeen {
    /// In whole satoshi: no invoice carries less.
    #[n(0)]
    pub refund_sats: u64,
    /// How that stands.
    #[n(1)]
    pub stands: BackStands,
    /// What the node is to be told now, if anything.
    #[n(2)]
    pub order: Option<PayOrder>,
}

/// How the money that is left of a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum BackStands {
    /// The node has not answered definitely.
    #[n(1)]
    Pending,
    /// It arrived.
    #[n(2)]
    Succeeded,
    /// It could not be paid, and stands in the session's book.
    #[n(3)]
    Failed,
    /// There was nothing.
    #[n(4)]
    Skipped,
}

/// How a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RefundSeen {
    /// What its link pays.
    #[cbor(n(0), with = "msat")]
    pub amount: Msat,
    /// Whether somebody may have it.
    #[n(1)]
    pub stands: RefundStands,
    /// When it lapses.
    #[cbor(n(2), with = "time")]
    pub expires_at: UnixTime,
    /// Names the payout that would take it now.
    #[cbor(n(3), with = "id")]
    pub payout: Id,
}

/// Whether a refund can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefundStands {
    /// Whoever has its link may bring an invoice.
    #[n(1)]
    Open,
    /// An invoice was brought, and nobody knows yet whether it is paid.
    #[n(2)]
    Claiming,
    /// It was paid.
    #[n(3)]
    Claimed,
    /// Nobody came in time.
    #[n(4)]
    Lapsed,
}

/// How a top-up stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TopUpSeen {
    /// What its invoice asks.
    #[cbor(n(0), with = "msat")]
    pub asked: Msat,
    /// Whether it was credited.
    #[n(1)]
    pub is_credited: bool,
    /// What the node's side knows the invoice by, besides its hash.
    #[n(2)]
    pub reference: String,
    /// Whether nobody can claim it any more: it was claimed, or is a refill.
    #[n(3)]
    pub is_claimed: bool,
}

/// What a claim brought.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Claimed {
    /// What can be spent.
    #[cbor(n(0), with = "msat")]
    pub available: Msat,
    /// What this top-up filled in.
    #[cbor(n(1), with = "msat")]
    pub credited: Msat,
    /// How much of the balance can only be spent here (T63).
    #[cbor(n(2), with = "msat")]
    pub spend_only: Msat,
    /// Which token the claimant has now.
    #[n(3)]
    pub token: ClaimedToken,
}

/// Which token a claimant has.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClaimedToken {
    /// The one that came along.
    #[n(1)]
    Kept,
    /// The one of the command.
    #[n(2)]
    New,
    /// The one of an earlier answer, as it was sealed then.
    #[n(3)]
    Before(#[n(0)] ByteVec),
}

/// Something that an alarm wants to be done outside. It is asked for again until a command says that it was done.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Errand {
    /// Ask the node what became of an invoice whose time is over. [`Credit`](crate::Command::Credit) or
    /// [`Forget`](crate::Command::Forget) follow, or nothing where it is not definite.
    #[n(1)]
    LookUp(#[n(0)] LookUp),
    /// End what names this account by a forgotten hash. [`LetGo`](crate::Command::LetGo) follows.
    #[n(2)]
    LetGo(#[n(0)] LetGo),
    /// Tell the node to pay, or ask it about a payout. [`PayAnswer`](crate::Command::PayAnswer) follows.
    #[n(3)]
    Pay(#[n(0)] PayOrder),
    /// Carry a transfer to its receiver. [`Acknowledge`](crate::Command::Acknowledge) follows.
    #[n(4)]
    Carry(#[n(0)] CreditOrder),
    /// Close a session that nobody uses. [`CloseSession`](crate::Command::CloseSession) follows, or
    /// [`PutOff`](crate::Command::PutOff) where nobody knows its terms.
    #[n(5)]
    Close(#[n(0)] Idle),
}

/// A session that nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Idle {
    /// The session.
    #[cbor(n(0), with = "hash")]
    pub session: PaymentHash,
}

/// An order to the node, or a question about one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PayOrder {
    /// Names the payout.
    #[cbor(n(0), with = "id")]
    pub id: Id,
    /// The invoice's hash.
    #[cbor(n(1), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What it asks.
    #[cbor(n(2), with = "msat")]
    pub amount: Msat,
    /// The most that routing may cost.
    #[cbor(n(3), with = "msat")]
    pub fee_limit: Msat,
    /// The invoice.
    #[n(4)]
    pub bolt11: String,
    /// Whether to send it; or only to ask.
    #[n(5)]
    pub is_send: bool,
}

/// How a payout stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PayoutSeen {
    /// Whether it is over.
    #[n(0)]
    pub stands: Stands,
    /// The invoice's hash.
    #[cbor(n(1), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What the recipient gets.
    #[cbor(n(2), with = "msat")]
    pub amount: Msat,
    /// The most that routing may cost.
    #[cbor(n(3), with = "msat")]
    pub fee_limit: Msat,
    /// What is left to be spent in this book.
    #[cbor(n(4), with = "msat")]
    pub available: Msat,
    /// What the node is to be told now, if anything.
    #[n(5)]
    pub order: Option<PayOrder>,
    /// Whether it goes to another balance here, with nothing paid over Lightning.
    #[n(6)]
    pub stays_here: bool,
    /// Whether it is a refund's, whose routing counts against the day.
    #[n(7)]
    pub is_refund: bool,
    /// Whether the node's memory is younger than the payout, so that a person must look at it (F17).
    #[n(8)]
    pub is_forgotten: bool,
}

/// Whether money that leaves has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Stands {
    /// Nobody has said so definitely.
    #[n(1)]
    Pending,
    /// It has.
    #[n(2)]
    #[cbor(map)]
    Succeeded {
        /// What routing cost.
        #[cbor(n(0), with = "msat")]
        fee: Msat,
        /// The recipient's proof; none where nothing was paid over Lightning.
        #[n(1)]
        preimage: Option<Proof>,
    },
    /// It has not, never will, and is back.
    #[n(3)]
    Failed,
}

/// A preimage that may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Proof(#[cbor(n(0), with = "preimage")] pub Preimage);

/// How a transfer stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TransferSeen {
    /// Whether it is over. The fee is 0, and there is no preimage.
    #[n(0)]
    pub stands: Stands,
    /// What is left to be spent in this book.
    #[cbor(n(1), with = "msat")]
    pub available: Msat,
    /// The message to carry now, if any.
    #[n(2)]
    pub order: Option<CreditOrder>,
}

/// The message of a transfer, on its way.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CreditOrder {
    /// What the receiver is asked; `is_canceled` is for the shell to find out first.
    #[n(0)]
    pub receive: Receive,
    /// What the shell calls the receiver.
    #[n(1)]
    pub account: String,
    /// How often it was carried, this time too. After some, somebody should look why nobody answers.
    #[n(2)]
    pub sends: u32,
}

/// An invoice to look up.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LookUp {
    /// The invoice.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
    /// What it asks.
    #[cbor(n(1), with = "msat")]
    pub asked: Msat,
    /// What the node's side knows it by, besides.
    #[n(2)]
    pub reference: String,
    /// Whether it is a session's deposit, which may have been used elsewhere.
    #[n(3)]
    pub is_deposit: bool,
}

/// A hash that names an account elsewhere, and is to name none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LetGo {
    /// The invoice.
    #[cbor(n(0), with = "hash")]
    pub payment_hash: PaymentHash,
    /// The account, as the shell calls it.
    #[n(1)]
    pub account: String,
}

/// What is left of a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Left {
    /// What can be spent.
    #[cbor(n(0), with = "msat")]
    pub available: Msat,
}

/// Who can do something about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Whoever pays: money is missing, or has not arrived.
    Payer,
    /// Whoever holds the token or the secret: it does not allow this.
    Bearer,
    /// Whoever wrote the request: it is wrong as it is.
    Request,
    /// Nobody at once: the account's state does not allow it now.
    State,
    /// The operator: a person must look at the books.
    Books,
    /// The deployment: caller and object are different builds. It passes.
    Build,
}

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Refusal {
    /// The token is not known here, or was revoked.
    #[n(1)]
    UnknownToken,
    /// The token can only spend.
    #[n(2)]
    CanOnlySpend,
    /// The balance was claimed without its claim secret: its token is made into no other one.
    #[n(3)]
    TokenBound,
    /// The account has the most tokens that it may.
    #[n(4)]
    TokensFull,
    /// It is the last token that can do everything with the account.
    #[n(5)]
    LastToken,
    /// The message has another wire number.
    #[n(6)]
    OtherBuild,
    /// The command, or a part of it, has a number that this build does not know.
    #[n(7)]
    UnknownCommand,
    /// The bytes are no message.
    #[n(8)]
    Unreadable,
    /// The deposit would be more than the session may hold.
    #[n(9)]
    SessionFull,
    /// The challenge is not that of a deposit of this session.
    #[n(10)]
    NotItsChallenge,
    /// The amount is 0.
    #[n(20)]
    ZeroAmount,
    /// An amount or a time is beyond its limit.
    #[n(21)]
    TooLarge,
    /// The balance does not cover it.
    #[n(22)]
    #[cbor(map)]
    InsufficientFunds {
        /// What can be spent.
        #[cbor(n(0), with = "msat")]
        available: Msat,
    },
    /// The balance covers it, but part of it can only be spent here.
    #[n(23)]
    #[cbor(map)]
    SpendOnly {
        /// What of it can leave.
        #[cbor(n(0), with = "msat")]
        free: Msat,
    },
    /// The account holds the most that it may.
    #[n(24)]
    AccountFull,
    /// No payment of this kind is known.
    #[n(25)]
    UnknownPayment,
    /// The payment belongs to another account.
    #[n(26)]
    OtherAccount,
    /// The payment was claimed before.
    #[n(27)]
    AlreadyClaimed,
    /// The payment has not arrived yet.
    #[n(28)]
    NotSettled,
    /// The preimage does not hash to the payment hash.
    #[n(29)]
    WrongPreimage,
    /// The claim secret is missing or wrong.
    #[n(30)]
    WrongClaimSecret,
    /// Less was paid than the invoice asks.
    #[n(31)]
    Underpaid,
    /// A spending cap of the token does not cover it.
    #[n(32)]
    #[cbor(map)]
    CapReached {
        /// The caveat, counted from the root.
        #[n(0)]
        link: u32,
    },
    /// The uses of the token are used up.
    #[n(33)]
    #[cbor(map)]
    UsesReached {
        /// The caveat, counted from the root.
        #[n(0)]
        link: u32,
    },
    /// The caps are not those of the token from its root on.
    #[n(34)]
    BrokenChain,
    /// It has ended already, in another way.
    #[n(35)]
    Ended,
    /// Its time has passed.
    #[n(36)]
    Expired,
    /// Its time has not come.
    #[n(37)]
    NotYet,
    /// Something else changed it first.
    #[n(38)]
    Stale,
    /// Only a party to it may do this.
    #[n(39)]
    NotAParty,
    /// Uses are still under way.
    #[n(40)]
    Busy,
    /// The link was used with another invoice.
    #[n(41)]
    LinkUsed,
    /// Nothing is left to refund.
    #[n(42)]
    NothingToRefund,
    /// A refund of this purchase is open already.
    #[n(43)]
    RefundOpen,
    /// The id stands for another request.
    #[n(44)]
    KeyReused,
    /// The first request with this key is still under way.
    #[n(45)]
    InProgress,
    /// The invoice is our own.
    #[n(46)]
    OwnInvoice,
    /// The invoice is this account's own.
    #[n(47)]
    SelfPayment,
    /// Another payout of this invoice is open or done.
    #[n(48)]
    InvoiceInUse,
    /// The record belongs to something else, or there is none.
    #[n(49)]
    WrongRow,
    /// The account is frozen until somebody has looked at it.
    #[n(50)]
    #[cbor(map)]
    Frozen {
        /// The code of the invariant.
        #[n(0)]
        invariant: u8,
    },
    /// The books are wrong; the account is frozen now.
    #[n(51)]
    #[cbor(map)]
    Breach {
        /// The code of the invariant.
        #[n(0)]
        invariant: u8,
    },
}

impl Refusal {
    /// Who can do something about it.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::InsufficientFunds { .. }
            | Self::SpendOnly { .. }
            | Self::NotSettled
            | Self::Underpaid
            | Self::CapReached { .. }
            | Self::UsesReached { .. } => Fault::Payer,
            Self::UnknownToken
            | Self::CanOnlySpend
            | Self::TokenBound
            | Self::NotItsChallenge
            | Self::OtherAccount
            | Self::WrongClaimSecret
            | Self::WrongPreimage
            | Self::NotAParty => Fault::Bearer,
            Self::ZeroAmount
            | Self::TooLarge
            | Self::UnknownPayment
            | Self::BrokenChain
            | Self::KeyReused
            | Self::WrongRow
            | Self::SelfPayment => Fault::Request,
            Self::TokensFull
            | Self::SessionFull
            | Self::LastToken
            | Self::AccountFull
            | Self::AlreadyClaimed
            | Self::Ended
            | Self::Expired
            | Self::NotYet
            | Self::Stale
            | Self::Busy
            | Self::LinkUsed
            | Self::NothingToRefund
            | Self::RefundOpen
            | Self::InProgress
            | Self::OwnInvoice
            | Self::InvoiceInUse => Fault::State,
            Self::Frozen { .. } | Self::Breach { .. } => Fault::Books,
            Self::OtherBuild | Self::UnknownCommand | Self::Unreadable => Fault::Build,
        }
    }
}

impl From<ledger::Refusal> for Refusal {
    fn from(refusal: ledger::Refusal) -> Self {
        use ledger::Refusal as L;
        match refusal {
            L::ZeroAmount => Self::ZeroAmount,
            L::TooLarge => Self::TooLarge,
            L::InsufficientFunds { available } => Self::InsufficientFunds { available },
            L::SpendOnly { free } => Self::SpendOnly { free },
            L::AccountFull => Self::AccountFull,
            L::UnknownPayment => Self::UnknownPayment,
            L::OtherAccount => Self::OtherAccount,
            L::AlreadyClaimed => Self::AlreadyClaimed,
            L::NotSettled => Self::NotSettled,
            L::WrongPreimage => Self::WrongPreimage,
            L::WrongClaimSecret => Self::WrongClaimSecret,
            L::Underpaid => Self::Underpaid,
            L::CapReached { link } => Self::CapReached { link: u32::try_from(link).unwrap_or(u32::MAX) },
            L::UsesReached { link } => Self::UsesReached { link: u32::try_from(link).unwrap_or(u32::MAX) },
            L::BrokenChain => Self::BrokenChain,
            L::Ended => Self::Ended,
            L::Expired => Self::Expired,
            L::NotYet => Self::NotYet,
            L::Stale => Self::Stale,
            L::NotAParty => Self::NotAParty,
            L::Busy => Self::Busy,
            L::LinkUsed => Self::LinkUsed,
            L::NothingToRefund => Self::NothingToRefund,
            L::RefundOpen => Self::RefundOpen,
            L::KeyReused => Self::KeyReused,
            L::InProgress => Self::InProgress,
            L::OwnInvoice => Self::OwnInvoice,
            L::SelfPayment => Self::SelfPayment,
            L::InvoiceInUse => Self::InvoiceInUse,
            L::WrongRow => Self::WrongRow,
            L::Frozen(invariant) => Self::Frozen { invariant: invariant as u8 },
            L::Breach(invariant) => Self::Breach { invariant: invariant as u8 },
        }
    }
}
