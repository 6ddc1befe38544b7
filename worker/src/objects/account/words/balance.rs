//! What fills a balance, what it pays for, who has its tokens, and how it stands.

use crate::objects::words::{in_one_line, words};

/// `open`: record that an invoice fills this account.
#[derive(Debug)]
pub struct OpenTopUp {
    /// The account, which is opened with its first top-up.
    pub account: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub asked_msat: u64,
    /// What is kept of the claim secret, hex.
    pub secret: Option<String>,
    /// What a claim gets without it: see `listings::secretless`.
    pub secretless: u32,
    /// What the node's side knows the invoice by, besides.
    pub reference: String,
    /// When the invoice is over, Unix seconds: unpaid, it is forgotten some time later.
    pub ends_at: u64,
    /// Whether the account has its tokens already.
    pub is_refill: bool,
}
words!(OpenTopUp { account, hash, asked_msat, secret, secretless, reference, ends_at, is_refill });

/// `list`: an order, in the index of its hash.
#[derive(Debug)]
pub struct List {
    /// The invoice's hash, hex.
    pub hash: String,
    /// The account that it fills.
    pub account: String,
    /// What it asks.
    pub asked_msat: u64,
    /// See [`OpenTopUp::secret`].
    pub secret: Option<String>,
    /// See [`OpenTopUp::secretless`].
    pub secretless: u32,
    /// See [`OpenTopUp::reference`]; hex, for it is any text.
    pub reference: String,
    /// See [`OpenTopUp::ends_at`].
    pub ends_at: u64,
    /// Whether the account has its tokens already.
    pub is_refill: bool,
}
words!(List { hash, account, asked_msat, secret, secretless, reference, ends_at, is_refill });

/// The reply to `list` and `listed`: what stands in the index.
#[derive(Debug)]
pub struct Listed {
    /// The account, or the hash of a session's first deposit.
    pub account: String,
    /// Whether the money is there.
    pub is_credited: bool,
    /// What the invoice asks; 0 where nobody needs to know.
    pub asked_msat: u64,
    /// See [`OpenTopUp::secret`].
    pub secret: Option<String>,
    /// See [`OpenTopUp::secretless`].
    pub secretless: u32,
    /// See [`List::reference`].
    pub reference: String,
    /// See [`OpenTopUp::ends_at`].
    pub ends_at: u64,
    /// Whether the account has its tokens already.
    pub is_refill: bool,
}
words!(Listed { account, is_credited, asked_msat, secret, secretless, reference, ends_at, is_refill });

/// `list-credited`, `note-settled`: something about a hash that is known for good.
#[derive(Debug)]
pub struct Note {
    /// The invoice's hash, hex.
    pub hash: String,
    /// The account that has the money; or when it may be forgotten, Unix seconds.
    pub about: String,
}
words!(Note { hash, about });

/// The reply to `look`.
#[derive(Debug)]
pub struct Looked {
    /// Whether the object of the hash knows a settlement.
    pub is_settled: bool,
    /// Whether the caller may ask the node now; nobody else will for two seconds.
    pub may_look: bool,
}
words!(Looked { is_settled, may_look });

/// The reply to `unlist`.
#[derive(Debug)]
pub struct Stood {
    /// Whether the order stood there.
    pub stood: bool,
}
words!(Stood { stood });

/// `topup`: how does a top-up stand? `forget`: the node says definitely that nobody paid it. `let-go`: its hash names no
/// account any more.
#[derive(Debug)]
pub struct SeeTopUp {
    /// The invoice's hash, hex.
    pub hash: String,
}
words!(SeeTopUp { hash });

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
words!(TopUpSeen { asked_msat, is_credited, reference, is_refill });

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
words!(Look { hash, asked_msat, reference });

/// What an alarm wants to end elsewhere: that a forgotten hash fills this account.
#[derive(Debug)]
pub struct LetGo {
    /// The invoice's hash, hex.
    pub hash: String,
    /// The account.
    pub account: String,
}
words!(LetGo { hash, account });

/// `credit`: the node says that the invoice was settled; it was asked.
#[derive(Debug)]
pub struct Credit {
    /// The invoice's hash, hex.
    pub hash: String,
    /// What was paid.
    pub paid_msat: u64,
    /// What the node kept of it for itself.
    pub node_fee_msat: u64,
}
words!(Credit { hash, paid_msat, node_fee_msat });

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
    /// That token, sealed for who has the secret, hex.
    pub sealed: Option<String>,
}
words!(Claim { preimage, secret, bearer, digest, sealed });

/// The reply to `claim`.
#[derive(Debug)]
pub struct Claimed {
    /// What can be spent.
    pub available_msat: u64,
    /// What this top-up filled in.
    pub credited_msat: u64,
    /// How much of the balance can only be spent here.
    pub spend_only_msat: u64,
    /// Whether the token that came along stays; else the new one was handed out, or `sealed` has the token.
    pub is_kept: bool,
    /// The token of an earlier answer to the same claimant, hex.
    pub sealed: Option<String>,
}
words!(Claimed { available_msat, credited_msat, spend_only_msat, is_kept, sealed });

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
words!(Reserve { token, id, ceiling_msat, estimate_msat, ttl_s });

/// `progress`: the use is under way.
#[derive(Debug)]
pub struct Seen {
    /// Names the use, hex.
    pub id: String,
    /// What the origin says it has cost so far.
    pub seen_msat: u64,
}
words!(Seen { id, seen_msat });

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
words!(End { id, cost_msat, has_begun });

/// The reply to `hold`, `progress` and `end`.
#[derive(Debug)]
pub struct Left {
    /// What can be spent.
    pub available_msat: u64,
}
words!(Left { available_msat });

/// `token`, `rotate`, `revoke`: with a token of the account, something about another one.
#[derive(Debug)]
pub struct Change {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// The digest of the token that it is about, hex.
    pub about: String,
}
words!(Change { by, about });

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
words!(SeeSheet { account, by, before, limit });

/// JSON in one line.
#[derive(Debug)]
pub struct Sheet {
    /// The text.
    pub json: String,
}
words!(Sheet { json });

in_one_line!(Look, LetGo);
