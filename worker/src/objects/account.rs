//! The object of one account: its book, its tokens, and every operation on a prepaid balance.
//!
//! Each operation is one transaction around one command of `satstile_ledger`. What the command refuses is answered with
//! the status code that the refusal means, and nothing was written.

use l402::balance::AccountId;
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use satstile_ledger::hold::{self, Ending, Hold, NewHold};
use satstile_ledger::stored::Stored;
use satstile_ledger::topup::{self, Settlement, TopUp};
use satstile_ledger::{BookId, Id, Refusal};
use worker::{Date, Result, SqlStorage, Storage};

use super::books::{self, Books, as_i64, blob};
use super::rows;
use super::sheet;
use super::transaction::transaction;
use super::words::{Words, words};

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
}

/// `topup`: how does a top-up stand?
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

/// `end`: the use is over.
#[derive(Debug)]
pub struct End {
    /// Names the use, hex.
    pub id: String,
    /// What the origin says it cost; `None` when it broke off.
    pub cost_msat: Option<u64>,
    /// Whether the client had some of it.
    pub has_begun: bool,
}

/// The reply to `hold` and `end`.
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
    /// The digest of the token that asks, hex; `None` for the operator.
    pub by: Option<String>,
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

words!(OpenTopUp { account, hash, asked_msat, secret, reference });
words!(SeeTopUp { hash });
words!(TopUpSeen { asked_msat, is_credited, reference });
words!(Credit { hash, paid_msat });
words!(Claim { preimage, secret, bearer, digest, may_repeat });
words!(Claimed { available_msat, credited_msat });
words!(Reserve { token, id, ceiling_msat, estimate_msat, ttl_s });
words!(End { id, cost_msat, has_begun });
words!(Left { available_msat });
words!(Change { by, about });
words!(SeeSheet { by, before, limit });
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

/// A token that can do everything with its account.
const WHOLE: i64 = 1;
/// A token that can only spend (T82).
const SPEND: i64 = 2;
/// The most tokens an account may have at a time.
const TOKENS_MAX: i64 = 100;
const TOKENS: &str = "CREATE TABLE IF NOT EXISTS token(digest BLOB PRIMARY KEY, scope INTEGER NOT NULL, made_at INTEGER NOT NULL) STRICT";
/// How many due rows one alarm looks at.
const BATCH: u32 = 50;

/// One operation.
pub fn ask(storage: &Storage, operation: &str, question: &str) -> Result<String> {
    let now = now();
    Ok(match operation {
        "open" => act(storage, OpenTopUp::hear(question)?, now, open)?.say(),
        "topup" => act(storage, SeeTopUp::hear(question)?, now, see)?.say(),
        "credit" => act(storage, Credit::hear(question)?, now, credit)?.say(),
        "claim" => act(storage, Claim::hear(question)?, now, claim)?.say(),
        "hold" => act(storage, Reserve::hear(question)?, now, reserve)?.say(),
        "end" => act(storage, End::hear(question)?, now, end)?.say(),
        "token" => act(storage, Change::hear(question)?, now, add_token)?.say(),
        "rotate" => act(storage, Change::hear(question)?, now, rotate)?.say(),
        "revoke" => act(storage, Change::hear(question)?, now, revoke)?.say(),
        "sheet" => act(storage, SeeSheet::hear(question)?, now, see_sheet)?.say(),
        "audit" => act(storage, (), now, |sql, (), now| in_book(sql, now, sheet::audit))?.say(),
        "thaw" => act(storage, (), now, |sql, (), now| {
            in_book(sql, now, |books, now| books.thaw(now).map(|t| t.map_err(no)))
        })?
        .say(),
        "alarm" => act(storage, (), now, sweep)?.say(),
        _ => return Err("no such operation".into()),
    })
}

/// One transaction, and the alarm for what it left to be done.
fn act<Q, T>(
    storage: &Storage,
    question: Q,
    now: UnixTime,
    operation: impl FnOnce(&SqlStorage, Q, UnixTime) -> Result<Answer<T>>,
) -> Result<Answer<T>> {
    transaction(storage, |sql| {
        let answer = operation(sql, question, now)?;
        if answer.is_ok()
            && let Some(due) = Books::find(sql)?.map(|books| books::next_due(books.sql)).transpose()?.flatten()
        {
            // Also where nothing new is due: an alarm that was lost is found by the next who comes (T85).
            // A row that could not be brought on is looked at again, and not at once.
            books::wake_at(storage, due.max(now.0 + 5))?;
        }
        Ok(answer)
    })
}

fn open(sql: &SqlStorage, new: OpenTopUp, _: UnixTime) -> Result<Answer<()>> {
    let account = AccountId::from_hex(&new.account).ok_or("no account")?;
    let hash = hash(&new.hash)?;
    let books = Books::find_or_open(sql, BookId::of_account(&account.0))?;
    sql.exec(TOKENS, None)?;
    let secret = new.secret.as_deref().map(id).transpose()?;
    let before = books.row::<TopUp>(hash.into())?;
    match topup::open(&books.book, before.as_ref(), hash, Msat(new.asked_msat), secret) {
        Ok(row) => books.put_noted(&row, &new.reference).map(Ok),
        Err(refusal) => Ok(Err(no(refusal))),
    }
}

fn see(sql: &SqlStorage, asked: SeeTopUp, _: UnixTime) -> Result<Answer<TopUpSeen>> {
    let hash = hash(&asked.hash)?;
    let found = Books::find(sql)?.map(|books| books.noted::<TopUp>(hash.into())).transpose()?.flatten();
    Ok(match found {
        Some((row, reference)) => {
            Ok(TopUpSeen { asked_msat: row.asked.0, is_credited: row.credited.is_some(), reference })
        }
        None => Err(no(Refusal::UnknownPayment)),
    })
}

fn credit(sql: &SqlStorage, credit: Credit, now: UnixTime) -> Result<Answer<Left>> {
    let payment_hash = hash(&credit.hash)?;
    in_book(sql, now, |books, now| {
        let row = books.row::<TopUp>(payment_hash.into())?;
        let settlement = Settlement { payment_hash, paid: Msat(credit.paid_msat), node_fee: Msat(0) };
        match topup::credit(&books.book, row.as_ref(), &settlement, now) {
            Ok(step) => books.write(step).map(|()| Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

fn claim(sql: &SqlStorage, claim: Claim, now: UnixTime) -> Result<Answer<Claimed>> {
    let preimage = Preimage::from_hex(&claim.preimage).ok_or("no preimage")?;
    in_book(sql, now, |books, now| {
        if let Some(bearer) = &claim.bearer
            && scope(sql, bearer)?.is_none()
        {
            return Ok(Err(unknown_token()));
        }
        let row = books.row::<TopUp>(preimage.payment_hash().into())?;
        // Whoever shows the same proof again is the same claimant, whose answer was lost on the way.
        let again = claim.may_repeat && row.is_some_and(|row| row.claimed);
        let asked = topup::Claim {
            preimage,
            secret: claim.secret.as_deref().map(id).transpose()?.map(|secret| secret.0),
            bearer: (claim.bearer.is_some() || again).then_some(books.book.id),
        };
        let claimed = match topup::claim(row.as_ref(), &asked) {
            Ok(claimed) => claimed,
            Err(refusal) => return refused(books, refusal, now),
        };
        books.put(&claimed)?;
        if claim.bearer.is_none() {
            let values = vec![digest(&claim.digest)?, rows::int(WHOLE)?, rows::int(as_i64(now.0))?];
            sql.exec("INSERT OR IGNORE INTO token VALUES(?, ?, ?)", values)?;
        }
        let credited_msat = claimed.credited.map_or(0, |credited| credited.0);
        Ok(Ok(Claimed { available_msat: left(books).available_msat, credited_msat }))
    })
}

fn reserve(sql: &SqlStorage, asked: Reserve, now: UnixTime) -> Result<Answer<Left>> {
    let new = NewHold {
        id: id(&asked.id)?,
        ceiling: Msat(asked.ceiling_msat),
        estimate: Msat(asked.estimate_msat),
        ttl_s: asked.ttl_s,
    };
    in_book(sql, now, |books, now| {
        if scope(sql, &asked.token)?.is_none() {
            return Ok(Err(unknown_token()));
        }
        let before = books.row::<Hold>(new.id)?;
        match hold::place(&books.book, before.as_ref(), &new, &mut [], now) {
            Ok(step) => books.write(step).map(|()| Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

fn end(sql: &SqlStorage, asked: End, now: UnixTime) -> Result<Answer<Left>> {
    let id = id(&asked.id)?;
    in_book(sql, now, |books, now| {
        let Some(mut row) = books.row::<Hold>(id)? else { return Ok(Err(no(Refusal::WrongRow))) };
        if asked.has_begun {
            match hold::progress(&books.book, &row, hold::Progress::Begun, 1, now) {
                Ok(begun) => row = begun,
                // It had ended before, and its first ending counts.
                Err(Refusal::Ended) => return Ok(Ok(left(books))),
                Err(refusal) => return refused(books, refusal, now),
            }
        }
        let ending = asked.cost_msat.map_or(Ending::Broken, |cost| Ending::Used(Msat(cost)));
        match hold::end(&books.book, &row, ending, &mut [], now) {
            Ok(step) => books.write(step).map(|()| Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// Another token of this account, which can only spend.
fn add_token(sql: &SqlStorage, change: Change, now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |_, now| {
        match scope(sql, &change.by)? {
            Some(WHOLE) => {}
            Some(_) => return Ok(Err(can_only_spend())),
            None => return Ok(Err(unknown_token())),
        }
        if rows::first(sql, "SELECT COUNT(*) FROM token")?.is_none_or(|count| count.int(0) >= TOKENS_MAX) {
            let reason = format!("an account has at most {TOKENS_MAX} tokens; revoke one first");
            return Ok(Err(No { status: 409, reason }));
        }
        let values = vec![digest(&change.about)?, rows::int(SPEND)?, rows::int(as_i64(now.0))?];
        sql.exec("INSERT OR IGNORE INTO token VALUES(?, ?, ?)", values)?;
        Ok(Ok(()))
    })
}

/// The new token for the old, with all that it could do.
fn rotate(sql: &SqlStorage, change: Change, now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |_, now| {
        let Some(scope) = scope(sql, &change.by)? else { return Ok(Err(unknown_token())) };
        sql.exec("DELETE FROM token WHERE digest = ?", vec![digest(&change.by)?])?;
        let values = vec![digest(&change.about)?, rows::int(scope)?, rows::int(as_i64(now.0))?];
        sql.exec("INSERT INTO token VALUES(?, ?, ?)", values)?;
        Ok(Ok(()))
    })
}

/// A token may end itself; the whole one may end any other, and the last whole one stays.
fn revoke(sql: &SqlStorage, change: Change, now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |_, _| {
        let Some(own) = scope(sql, &change.by)? else { return Ok(Err(unknown_token())) };
        if own != WHOLE && change.by != change.about {
            return Ok(Err(can_only_spend()));
        }
        let about = || digest(&change.about);
        const OTHERS: &str = "SELECT COUNT(*) FROM token WHERE scope = 1 AND digest <> ?";
        if rows::first_of(sql, OTHERS, vec![about()?])?.is_none_or(|others| others.int(0) == 0) {
            let reason = "it is the last token that can do everything with this balance; rotate it instead".to_owned();
            return Ok(Err(No { status: 409, reason }));
        }
        sql.exec("DELETE FROM token WHERE digest = ?", vec![about()?])?;
        Ok(Ok(()))
    })
}

fn see_sheet(sql: &SqlStorage, asked: SeeSheet, now: UnixTime) -> Result<Answer<Sheet>> {
    in_book(sql, now, |books, _| {
        let scope = match &asked.by {
            Some(by) => match scope(sql, by)? {
                Some(scope) => scope,
                None => return Ok(Err(unknown_token())),
            },
            None => WHOLE,
        };
        let history = books.journal(asked.before.min(books.book.seq), asked.limit, true)?;
        Ok(Ok(Sheet { json: sheet::of(&books.book, &history, scope == WHOLE) }))
    })
}

/// Ends the holds that nobody ended, when their time has passed (T79). The next alarm is set with the transaction.
fn sweep(sql: &SqlStorage, (): (), now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |books, now| {
        for (kind, id) in books.due(now, BATCH)? {
            if kind != Hold::TABLE as i64 {
                continue;
            }
            let Some(row) = books.row::<Hold>(id)? else { continue };
            match hold::sweep(&books.book, &row, &mut [], now) {
                Ok(step) => books.write(step)?,
                // Not its time yet by the book's clock.
                Err(Refusal::NotYet) => {}
                Err(refusal) => books.answer_breach(&refusal, now)?,
            }
        }
        Ok(Ok(()))
    })
}

/// An operation on the book that is here; there is none in an object that nobody opened.
fn in_book<T>(
    sql: &SqlStorage,
    now: UnixTime,
    operation: impl FnOnce(&mut Books<'_>, UnixTime) -> Result<Answer<T>>,
) -> Result<Answer<T>> {
    match Books::find(sql)? {
        Some(mut books) => operation(&mut books, now),
        None => Ok(Err(unknown_token())),
    }
}

fn scope(sql: &SqlStorage, digest_hex: &str) -> Result<Option<i64>> {
    let row = rows::first_of(sql, "SELECT scope FROM token WHERE digest = ?", vec![digest(digest_hex)?])?;
    Ok(row.map(|row| row.int(0)))
}

fn left(books: &Books<'_>) -> Left {
    Left { available_msat: books.book.balances.available().0 }
}

/// What a command refused; a breach freezes the book on the way.
fn refused<T>(books: &mut Books<'_>, refusal: Refusal, now: UnixTime) -> Result<Answer<T>> {
    books.answer_breach(&refusal, now)?;
    Ok(Err(no(refusal)))
}

fn can_only_spend() -> No {
    No { status: 403, reason: "this token can only spend".to_owned() }
}

fn unknown_token() -> No {
    No { status: 401, reason: "the token is not known here, or was revoked".to_owned() }
}

/// The status code of each refusal.
fn no(refusal: Refusal) -> No {
    let status = match refusal {
        Refusal::ZeroAmount | Refusal::TooLarge => 400,
        Refusal::InsufficientFunds { .. } | Refusal::NotSettled | Refusal::Underpaid => 402,
        Refusal::CapReached { .. } | Refusal::UsesReached { .. } => 402,
        Refusal::OtherAccount | Refusal::WrongClaimSecret | Refusal::NotAParty => 403,
        Refusal::UnknownPayment | Refusal::WrongPreimage => 404,
        Refusal::KeyReused => 422,
        Refusal::Frozen(_) | Refusal::Breach(_) => 503,
        _ => 409,
    };
    No { status, reason: refusal.to_string() }
}

fn now() -> UnixTime {
    UnixTime(Date::now().as_millis() / 1_000)
}

fn hash(hex: &str) -> Result<PaymentHash> {
    PaymentHash::from_hex(hex).ok_or_else(|| "no payment hash".into())
}

fn id(hex: &str) -> Result<Id> {
    hash(hex).map(|bytes| Id(bytes.0))
}

fn digest(hex: &str) -> Result<worker::SqlStorageValue> {
    id(hex).map(|id| blob(&id.0))
}
