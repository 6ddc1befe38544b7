//! What is asked of an account's books, and what they answer.

use worker::Result;

use crate::objects::words::{Word, Words, words};

/// What an operation answers when it cannot be done.
#[derive(Clone, Debug)]
pub struct No {
    /// The HTTP status code that it means.
    pub status: u32,
    /// A sentence for the person who must fix the request.
    pub reason: String,
}

/// The answer of an operation.
pub type Answer<T> = core::result::Result<T, No>;

/// `open`: record that an invoice fills this account.
#[derive(Debug)]
pub struct OpenTopUp {
    /// The account, which is opened with its first top-up.
    pub account: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub asked_msat: u64,
    /// What is kept of the claim secret, hex, where a claim must bring one.
    pub secret: Option<String>,
    /// What the node's side knows the invoice by, besides.
    pub reference: String,
    /// When the invoice is over, Unix seconds: unpaid, it is forgotten some time later.
    pub ends_at: u64,
    /// Whether the account has its tokens already.
    pub is_refill: bool,
}

/// `topup`: how does a top-up stand? `forget`: the node says definitely that nobody paid it. `let-go`: its hash names no
/// account any more.
#[derive(Debug)]
pub struct SeeTopUp {
    /// The invoice's hash, hex.
    pub hash: String,
}

/// The reply to `topup`.
#[derive(Debug)]
pub struct TopUpSeen {
    /// What the invoice asks.
    pub asked_msat: u64,
    /// Whether it was credited.
    pub is_credited: bool,
    /// See [`OpenTopUp::reference`].
    pub reference: String,
    /// Whether the account has its tokens already, so that nobody waits for the invoice's preimage.
    pub is_refill: bool,
}

/// What an alarm wants to know of the node: what became of an invoice whose time is over?
#[derive(Debug)]
pub struct Look {
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub asked_msat: u64,
    /// See [`OpenTopUp::reference`]; hex, for it is any text.
    pub reference: String,
}

/// What an alarm wants to end elsewhere: that a forgotten hash fills this account.
#[derive(Debug)]
pub struct LetGo {
    /// The invoice's hash, hex.
    pub hash: String,
    /// The account.
    pub account: String,
}

/// `credit`: the node says that the invoice was settled; it was asked.
#[derive(Debug)]
pub struct Credit {
    /// The invoice's hash, hex.
    pub hash: String,
    /// What was paid.
    pub paid_msat: u64,
}

/// `claim`: hand the account out.
#[derive(Debug)]
pub struct Claim {
    /// Hex.
    pub preimage: String,
    /// What came as `claim_secret`, hex.
    pub secret: Option<String>,
    /// The digest of the token that came along, hex.
    pub bearer: Option<String>,
    /// The digest of the token that would be handed out, hex.
    pub digest: String,
    /// The claimant has shown to be the one who ordered the top-up, or who claimed it before.
    pub may_repeat: bool,
}

/// The reply to `claim`.
#[derive(Debug)]
pub struct Claimed {
    /// What can be spent.
    pub available_msat: u64,
    /// What this top-up filled in.
    pub credited_msat: u64,
}

/// `hold`: reserve what a use may cost.
#[derive(Debug)]
pub struct Reserve {
    /// The token's digest, hex.
    pub token: String,
    /// Names the use, hex.
    pub id: String,
    /// The most it may cost.
    pub ceiling_msat: u64,
    /// What it costs when nobody saw how far it went.
    pub estimate_msat: u64,
    /// After so many seconds without a word it ends by itself.
    pub ttl_s: u32,
}

/// `progress`: the use is under way.
#[derive(Debug)]
pub struct Seen {
    /// Names the use, hex.
    pub id: String,
    /// What the origin says it has cost so far.
    pub seen_msat: u64,
}

/// `end`: the use is over.
#[derive(Debug)]
pub struct End {
    /// Names the use, hex.
    pub id: String,
    /// What it cost; `None` when it came to nothing.
    pub cost_msat: Option<u64>,
    /// Whether the client had some of it.
    pub has_begun: bool,
}

/// The reply to `hold`, `progress` and `end`.
#[derive(Debug)]
pub struct Left {
    /// What can be spent.
    pub available_msat: u64,
}

/// `token`, `rotate`, `revoke`: with a token of the account, something about another one.
#[derive(Debug)]
pub struct Change {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// The digest of the token that it is about, hex.
    pub about: String,
}

/// `sheet`: balance and history.
#[derive(Debug)]
pub struct SeeSheet {
    /// The account, for the sheet to name it.
    pub account: String,
    /// The digest of the token that asks, hex.
    pub by: String,
    /// The newest line wanted.
    pub before: u64,
    /// How many lines.
    pub limit: u32,
}

/// JSON in one line.
#[derive(Debug)]
pub struct Sheet {
    /// The text.
    pub json: String,
}

/// `pay-out`: the owner pays an invoice.
#[derive(Debug)]
pub struct PayOut {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// Names the payout, hex.
    pub id: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub amount_msat: u64,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// The invoice.
    pub bolt11: String,
}

/// `pay-answer`: what the node says about a payout.
#[derive(Debug)]
pub struct PayAnswer {
    /// Names the payout, hex.
    pub id: String,
    /// `succeeded`, `failed`, `unknown` or `not_found`.
    pub state: String,
    /// Hex; with `succeeded`.
    pub preimage: Option<String>,
    /// What routing cost; with `succeeded`.
    pub fee_msat: Option<u64>,
    /// When the node's payment store began, Unix seconds.
    pub store_since: u64,
}

/// `payout`: how does it stand?
#[derive(Debug)]
pub struct SeePayout {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// Names the payout, hex.
    pub id: String,
}

/// An order to the node, or a question about one.
#[derive(Debug)]
pub struct Order {
    /// Names the payout, hex.
    pub id: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub amount_msat: u64,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// The invoice.
    pub bolt11: String,
    /// Whether to send it; or only to ask.
    pub is_send: bool,
}

/// How a payout stands.
#[derive(Debug)]
pub struct PayoutSeen {
    /// `pending`, `succeeded` or `failed`.
    pub state: String,
    /// What the recipient gets.
    pub amount_msat: u64,
    /// The invoice's hash, hex.
    pub hash: String,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// What routing did cost.
    pub fee_msat: Option<u64>,
    /// The recipient's proof, hex.
    pub preimage: Option<String>,
    /// What is left to be spent in this book.
    pub available_msat: u64,
    /// What the node is to be told now, if anything.
    pub order: Option<Order>,
    /// Whether it goes to another balance here, with nothing paid over Lightning.
    pub stays_here: bool,
}

/// `send`: the owner gives to another account.
#[derive(Debug)]
pub struct Send {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// Names the transfer, hex.
    pub id: String,
    /// The account that gets it, hex.
    pub to: String,
    /// How much.
    pub amount_msat: u64,
    /// The hash of that account's top-up that is paid by it, hex; for a gift none.
    pub invoice: Option<String>,
}

/// `receive`: money from another book; and what an alarm wants to be carried there.
#[derive(Clone, Debug)]
pub struct CreditOrder {
    /// Names the transfer, hex.
    pub id: String,
    /// The sender's book, hex.
    pub from: String,
    /// The account that gets it, hex.
    pub to: String,
    /// How much.
    pub amount_msat: u64,
    /// See [`Send::invoice`].
    pub invoice: Option<String>,
    /// The node's definite word that nobody can pay that invoice any more. Who carries it asks each time.
    pub is_canceled: bool,
}

/// The reply to `receive`, and with `ack` the way back.
#[derive(Debug)]
pub struct Acked {
    /// Names the transfer, hex.
    pub id: String,
    /// The receiver's book, hex.
    pub by: String,
    /// Whether it has the money, and not the sender.
    pub accepted: bool,
}

/// How a transfer stands.
#[derive(Debug)]
pub struct TransferSeen {
    /// `pending`, `delivered` or `bounced`.
    pub state: String,
    /// What is left to be spent in the sender's book.
    pub available_msat: u64,
    /// What is to be carried to the receiver's book, while it is pending.
    pub order: Option<CreditOrder>,
}

/// `promise`: give a purchase back.
#[derive(Debug)]
pub struct Promise {
    /// The purchase's payment hash, hex.
    pub hash: String,
    /// What was paid.
    pub paid_msat: u64,
    /// Names the refund, hex: the digest of its link's secret.
    pub id: String,
    /// How much of it.
    pub amount_msat: u64,
    /// Seconds until it lapses.
    pub ttl_s: u32,
}

/// `refund`: how does it stand?
#[derive(Debug)]
pub struct SeeRefund {
    /// Names the refund, hex.
    pub id: String,
}

/// The reply to `promise` and `refund`.
#[derive(Debug)]
pub struct RefundSeen {
    /// What the link pays.
    pub amount_msat: u64,
    /// `pending`, `claimed` or `expired`.
    pub status: String,
    /// Whether an invoice is taken now.
    pub is_open: bool,
    /// When it lapses, Unix seconds.
    pub expires_at: u64,
}

/// `collect`: a wallet brings the invoice that takes a refund.
#[derive(Debug)]
pub struct Collect {
    /// Names the refund, hex.
    pub id: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub amount_msat: u64,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// The invoice.
    pub bolt11: String,
}

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
    /// The return invoice's hash, hex.
    pub return_hash: String,
    /// The return invoice.
    pub return_bolt11: String,
    /// Seconds without a use after which it is closed.
    pub idle_s: u32,
}

/// `session-lacks`: has the session ended without this deposit, so that it is free to go elsewhere?
#[derive(Debug)]
pub struct LacksDeposit {
    /// The session, hex.
    pub session: String,
    /// The deposit's payment hash, hex.
    pub hash: String,
}

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
    /// The most that a session may hold.
    pub limit_msat: u64,
}

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

words!(OpenSession { hash, preimage, deposit_msat, paid_msat, return_hash, return_bolt11, idle_s });
words!(LacksDeposit { session, hash });
words!(TopUpSession { session, hash, deposit_msat, paid_msat, limit_msat });
words!(Meter { session, by, end, used, begin, want, unit_msat, ttl_s });
words!(Metered { units, spent_msat, available_msat });
words!(CloseSession { session, by, is_alarm, fee_ppm, fee_min_msat, return_hash, return_bolt11 });
words!(SessionSeen { refund_sats, status, order });

words!(PayOut { by, id, hash, amount_msat, fee_limit_msat, bolt11 });
words!(PayAnswer { id, state, preimage, fee_msat, store_since });
words!(SeePayout { by, id });
words!(Order { id, hash, amount_msat, fee_limit_msat, bolt11, is_send });
words!(PayoutSeen { state, amount_msat, hash, fee_limit_msat, fee_msat, preimage, available_msat, order, stays_here });
words!(Promise { hash, paid_msat, id, amount_msat, ttl_s });
words!(SeeRefund { id });
words!(RefundSeen { amount_msat, status, is_open, expires_at });
words!(Collect { id, hash, amount_msat, fee_limit_msat, bolt11 });

words!(Send { by, id, to, amount_msat, invoice });
words!(CreditOrder { id, from, to, amount_msat, invoice, is_canceled });
words!(Acked { id, by, accepted });
words!(TransferSeen { state, available_msat, order });

/// In the place of one word: its words, told apart by blanks, which none of them has.
macro_rules! in_one_line {
    ($($type:ty),*) => {$(
        impl Word for $type {
            fn say(&self) -> String {
                Words::say(self).replace('\n', " ")
            }
            fn hear(text: &str) -> Option<Self> {
                <Self as Words>::hear(&text.replace(' ', "\n")).ok()
            }
        }
    )*};
}
in_one_line!(Order, CreditOrder, Look, LetGo);

words!(OpenTopUp { account, hash, asked_msat, secret, reference, ends_at, is_refill });
words!(SeeTopUp { hash });
words!(Look { hash, asked_msat, reference });
words!(LetGo { hash, account });
words!(TopUpSeen { asked_msat, is_credited, reference, is_refill });
words!(Credit { hash, paid_msat });
words!(Claim { preimage, secret, bearer, digest, may_repeat });
words!(Claimed { available_msat, credited_msat });
words!(Reserve { token, id, ceiling_msat, estimate_msat, ttl_s });
words!(Seen { id, seen_msat });
words!(End { id, cost_msat, has_begun });
words!(Left { available_msat });
words!(Change { by, about });
words!(SeeSheet { account, by, before, limit });
words!(Sheet { json });
words!(No { status, reason });

impl<T: Words> Words for Answer<T> {
    fn say(&self) -> String {
        match self {
            Ok(answer) => format!("+{}", answer.say()),
            Err(no) => format!("-{}", no.say()),
        }
    }
    fn hear(text: &str) -> Result<Self> {
        match text.strip_prefix('+') {
            Some(answer) => T::hear(answer).map(Ok),
            None => No::hear(text.strip_prefix('-').ok_or("neither yes nor no")?).map(Err),
        }
    }
}
