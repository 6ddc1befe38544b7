//! What fills a balance, and who has its token (C17, T83); and what is forgotten of it where nobody paid.

use l402::balance::AccountId;
use l402::{Msat, Preimage, UnixTime};
use satstile_ledger::topup::{self, Settlement, TopUp};
use satstile_ledger::unpaid::{self, Due, Unpaid};
use satstile_ledger::{BookId, Id, Refusal};
use worker::{Result, SqlStorage};

use super::words::{Claim, Claimed, Credit, Left, LetGo, Look, OpenTopUp, SeeTopUp, TopUpSeen};
use super::{Answer, hash, id, in_book, left, no, refused, tokens};
use crate::log;
use crate::objects::books::Books;
use crate::objects::words::{Word, Words};

pub(super) fn open(sql: &SqlStorage, new: OpenTopUp, _: UnixTime) -> Result<Answer<()>> {
    let account = AccountId::from_hex(&new.account).ok_or("no account")?;
    let hash = hash(&new.hash)?;
    let books = Books::find_or_open(sql, BookId::of_account(&account.0))?;
    tokens::create(sql)?;
    let secret = new.secret.as_deref().map(id).transpose()?;
    let before = books.row::<TopUp>(hash.into())?;
    match topup::open(&books.book, before.as_ref(), hash, Msat(new.asked_msat), secret) {
        // A refill hands nothing out: its account has its tokens, and who ordered it may be able to spend and no more (T82).
        Ok(row) => {
            books.put_noted(&TopUp { claimed: row.claimed || new.is_refill, ..row }, &new.reference)?;
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
            is_refill: row.claimed,
        }),
        None => Err(no(Refusal::UnknownPayment)),
    })
}

pub(super) fn credit(sql: &SqlStorage, credit: Credit, now: UnixTime) -> Result<Answer<Left>> {
    let payment_hash = hash(&credit.hash)?;
    in_book(sql, now, |books, now| {
        let row = books.row::<TopUp>(payment_hash.into())?;
        let settlement = Settlement { payment_hash, paid: Msat(credit.paid_msat), node_fee: Msat(0) };
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
            Some(format!("look {}", Word::say(&Look { hash, asked_msat, reference })))
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
        let row = books.row::<TopUp>(preimage.payment_hash().into())?;
        // Whoever shows the same proof again is the same claimant, whose answer was lost on the way; for as long as the token
        // of that answer is one. What was rotated or revoked does not come back.
        let is_first = row.is_some_and(|row| !row.claimed);
        let again = claim.may_repeat && !is_first && tokens::find(sql, &claim.digest)?.is_some();
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
        if claim.bearer.is_none() && is_first {
            tokens::hand_out(sql, &claim.digest, now)?;
        }
        let credited_msat = claimed.credited.map_or(0, |credited| credited.0);
        Ok(Ok(Claimed { available_msat: left(books).available_msat, credited_msat }))
    })
}
