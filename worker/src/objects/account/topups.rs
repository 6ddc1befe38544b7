//! What fills a balance, and who has its token (C17, T83).

use l402::balance::AccountId;
use l402::{Msat, Preimage, UnixTime};
use satstile_ledger::topup::{self, Settlement, TopUp};
use satstile_ledger::{BookId, Refusal};
use worker::{Result, SqlStorage};

use super::words::{Claim, Claimed, Credit, Left, OpenTopUp, SeeTopUp, TopUpSeen};
use super::{Answer, hash, id, in_book, left, no, refused, tokens};
use crate::objects::books::Books;

pub(super) fn open(sql: &SqlStorage, new: OpenTopUp, _: UnixTime) -> Result<Answer<()>> {
    let account = AccountId::from_hex(&new.account).ok_or("no account")?;
    let hash = hash(&new.hash)?;
    let books = Books::find_or_open(sql, BookId::of_account(&account.0))?;
    tokens::create(sql)?;
    let secret = new.secret.as_deref().map(id).transpose()?;
    let before = books.row::<TopUp>(hash.into())?;
    match topup::open(&books.book, before.as_ref(), hash, Msat(new.asked_msat), secret) {
        // A refill hands nothing out: its account has its tokens, and who ordered it may be able to spend and no more (T82).
        Ok(row) => books.put_noted(&TopUp { claimed: row.claimed || new.is_refill, ..row }, &new.reference).map(Ok),
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
            Ok(step) => books.write(step).map(|()| Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
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
