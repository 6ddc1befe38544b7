//! What fills a balance, and who has its token (C17, T83); and what is forgotten of it where nobody paid.

use l402::balance::AccountId;
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use satstile_ledger::topup::{self, Claimed as To, Settlement, Terms, Tokens, TopUp};
use satstile_ledger::unpaid::{self, Due, Unpaid};
use satstile_ledger::{BookId, Id, Refusal};
use worker::{Result, SqlStorage};

use super::words::{Claim, Claimed, Credit, Left, LetGo, Look, OpenTopUp, SeeTopUp, TopUpSeen};
use super::{Answer, deposits, hash, id, in_book, left, listings, no, refused, tokens};
use crate::objects::books::{Books, blob};
use crate::objects::rows;
use crate::objects::words::{Word, Words};
use crate::platform::log;

pub(super) fn open(sql: &SqlStorage, new: OpenTopUp, _: UnixTime) -> Result<Answer<()>> {
    let account = AccountId::from_hex(&new.account).ok_or("no account")?;
    let hash = hash(&new.hash)?;
    let books = Books::find_or_open(sql, BookId::of_account(&account.0))?;
    tokens::create(sql)?;
    let secret = new.secret.as_deref().map(id).transpose()?;
    let terms = Terms { secret, secretless: listings::secretless(new.secretless).ok_or("no terms")? };
    let before = books.row::<TopUp>(hash.into())?;
    match topup::open(&books.book, before.as_ref(), hash, Msat(new.asked_msat), terms) {
        // A refill hands nothing out: its account has its tokens, and who ordered it may be able to spend and no more (T82).
        Ok(row) => {
            let claimed = if new.is_refill { To::Fully } else { row.claimed };
            books.put_noted(&TopUp { claimed, ..row }, &new.reference)?;
            if row.credited.is_none() {
                books.put_noted(&unpaid::watch(hash, UnixTime(new.ends_at)), &new.account)?;
            }
            Ok(Ok(()))
        }
        Err(refusal) => Ok(Err(no(refusal))),
    }
}

pub(super) fn see(sql: &SqlStorage, asked: SeeTopUp, _: UnixTime) -> Result<Answer<TopUpSeen>> {
    let hash = hash(&asked.hash)?;
    let found = Books::find(sql)?.map(|books| books.noted::<TopUp>(hash.into())).transpose()?.flatten();
    Ok(match found {
        Some((row, reference)) => Ok(TopUpSeen {
            asked_msat: row.asked.0,
            is_credited: row.credited.is_some(),
            reference,
            is_refill: row.claimed != To::No,
        }),
        None => Err(no(Refusal::UnknownPayment)),
    })
}

pub(super) fn credit(sql: &SqlStorage, credit: Credit, now: UnixTime) -> Result<Answer<Left>> {
    let payment_hash = hash(&credit.hash)?;
    in_book(sql, now, |books, now| {
        let row = books.row::<TopUp>(payment_hash.into())?;
        let settlement =
            Settlement { payment_hash, paid: Msat(credit.paid_msat), node_fee: Msat(credit.node_fee_msat) };
        match topup::credit(&books.book, row.as_ref(), &settlement, now) {
            Ok(step) => {
                books.write(step)?;
                books.end::<Unpaid>(payment_hash.into())?;
                Ok(Ok(left(books)))
            }
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// A top-up that is not credited, when it is due: what the node is to be asked, or what is to be ended elsewhere.
pub(super) fn follow(books: &Books<'_>, id: Id, now: UnixTime) -> Result<Option<String>> {
    let Some((row, account)) = books.noted::<Unpaid>(id)? else { return Ok(None) };
    let (topup, reference) = books.noted::<TopUp>(id)?.unzip();
    let hash = row.payment_hash.to_string();
    Ok(match unpaid::due(&books.book, &row, topup.as_ref(), now) {
        None => None,
        Some(Due::Over) => {
            books.end::<Unpaid>(id)?;
            None
        }
        Some(Due::LetGo(again)) => {
            books.put(&again)?;
            Some(format!("let-go {}", Word::say(&LetGo { hash, account })))
        }
        Some(Due::Look(again)) => {
            books.put(&again)?;
            let asked_msat = topup.map_or(0, |topup| topup.asked.0);
            let reference = hex::encode(reference.unwrap_or_default());
            let kind = if account == deposits::NOTE { "deposit" } else { "look" };
            Some(format!("{kind} {}", Word::say(&Look { hash, asked_msat, reference })))
        }
    })
}

/// The node says definitely that nobody paid it. Its hash still names this account, and is let go next.
pub(super) fn forget(sql: &SqlStorage, asked: SeeTopUp, now: UnixTime) -> Result<Answer<()>> {
    let hash = hash(&asked.hash)?;
    in_book(sql, now, |books, now| {
        let Some(row) = books.row::<Unpaid>(hash.into())? else { return Ok(Err(no(Refusal::UnknownPayment))) };
        let topup = books.row::<TopUp>(hash.into())?;
        match unpaid::forget(&books.book, &row, topup.as_ref(), now) {
            Ok(row) => {
                books.end::<TopUp>(hash.into())?;
                books.put(&row)?;
                log::event("forgotten", serde_json::json!({"payment": hash.short()}));
                Ok(Ok(()))
            }
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// Whether an account has nothing but a hash that was let go: then no word of it stays.
pub(super) fn is_last(sql: &SqlStorage, question: &str) -> Result<bool> {
    let hash = hash(&SeeTopUp::hear(question)?.hash)?;
    match Books::find(sql)? {
        Some(books) => Ok(books.has_only::<Unpaid>(hash.into())? && tokens::count(sql)? == 0),
        None => Ok(false),
    }
}

/// The hash names this account nowhere any more.
pub(super) fn let_go(sql: &SqlStorage, asked: SeeTopUp, now: UnixTime) -> Result<Answer<()>> {
    let hash = hash(&asked.hash)?;
    in_book(sql, now, |books, _| {
        // The same invoice may have been ordered again in between, and is watched by this row.
        if books.row::<TopUp>(hash.into())?.is_none() {
            books.end::<Unpaid>(hash.into())?;
        }
        Ok(Ok(()))
    })
}

pub(super) fn claim(sql: &SqlStorage, claim: Claim, now: UnixTime) -> Result<Answer<Claimed>> {
    let preimage = Preimage::from_hex(&claim.preimage).ok_or("no preimage")?;
    in_book(sql, now, |books, now| {
        if let Some(bearer) = &claim.bearer
            && tokens::find(sql, bearer)?.is_none()
        {
            return Ok(Err(tokens::unknown()));
        }
        let payment_hash = preimage.payment_hash();
        let row = books.row::<TopUp>(payment_hash.into())?;
        let asked = topup::Claim {
            preimage,
            secret: claim.secret.as_deref().map(id).transpose()?.map(|secret| secret.0),
            bearer: claim.bearer.as_ref().map(|_| books.book.id),
        };
        let accepted = match topup::claim(&books.book, row.as_ref(), &asked) {
            Ok(accepted) => accepted,
            Err(refusal) => return refused(books, refusal, now),
        };
        let mut before = None;
        match accepted.tokens {
            Tokens::Kept => {}
            // Whoever shows the secret again is the same claimant, whose answer was lost on the way; for as long as the token
            // of that answer is one. What was rotated or revoked does not come back.
            Tokens::Again => match sealed(sql, payment_hash)? {
                Some((digest, sealed)) if tokens::find(sql, &digest)?.is_some() => before = Some(sealed),
                _ => return Ok(Err(no(Refusal::AlreadyClaimed))),
            },
            Tokens::First | Tokens::Instead => {
                if accepted.tokens == Tokens::Instead {
                    // All of them come from the claim without the secret: it alone handed one out.
                    tokens::end_all(sql)?;
                }
                tokens::hand_out(sql, &claim.digest, now)?;
                if let (Some(sealed), Some(_)) = (&claim.sealed, accepted.row.secret) {
                    seal(sql, payment_hash, &claim.digest, sealed)?;
                }
            }
        }
        books.limit(accepted.book)?;
        books.put(&accepted.row)?;
        let credited_msat = accepted.row.credited.map_or(0, |credited| credited.0);
        Ok(Ok(Claimed {
            available_msat: left(books).available_msat,
            credited_msat,
            spend_only_msat: books.book.limit.map_or(0, |limit| limit.left.0),
            is_kept: accepted.tokens == Tokens::Kept,
            sealed: before,
        }))
    })
}

/// Keeps a token for who has the secret of its top-up: sealed with that, so that nobody else can read it here.
fn seal(sql: &SqlStorage, hash: PaymentHash, digest_hex: &str, sealed_hex: &str) -> Result<()> {
    const SCHEMA: &str =
        "CREATE TABLE IF NOT EXISTS sealed(hash BLOB PRIMARY KEY, digest TEXT NOT NULL, token TEXT NOT NULL) STRICT";
    sql.exec(SCHEMA, None)?;
    let values = vec![blob(&hash.0), digest_hex.into(), sealed_hex.into()];
    sql.exec("INSERT OR REPLACE INTO sealed VALUES(?, ?, ?)", values).map(|_| ())
}

/// The digest of what was sealed, and the seal.
fn sealed(sql: &SqlStorage, hash: PaymentHash) -> Result<Option<(String, String)>> {
    if !rows::is_there(sql, "sealed")? {
        return Ok(None);
    }
    let row = rows::first_of(sql, "SELECT digest, token FROM sealed WHERE hash = ?", vec![blob(&hash.0)])?;
    Ok(row.map(|row| (row.text(0), row.text(1))))
}
