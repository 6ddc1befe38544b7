//! What fills a balance, and who gets its token (C17, T63, T66, T83); and what is forgotten of it where nobody paid.

use alloc::vec::Vec;

use l402::{Msat, UnixTime};
use minicbor::bytes::ByteVec;
use satstile_ledger::topup::{self, Settlement, Terms, Tokens, TopUp};
use satstile_ledger::unpaid::{self, Due, Unpaid};
use satstile_ledger::{Id, Refusal as Ledger};

use crate::books::{Open, Sealed, Stop};
use crate::command::{Claim, Credit, NamedTopUp, OpenTopUp, Secretless};
use crate::reply::{Claimed, ClaimedToken, Errand, LetGo, LookUp, Refusal, Reply, TopUpSeen};
use crate::token;

/// What stands beside the watch of a deposit that waits; a top-up's has its account there.
pub(crate) const DEPOSIT: &str = "deposit";

/// Records that an invoice fills this account. The same order again is the same answer.
pub(crate) fn open(open: &mut Open<'_>, asked: &OpenTopUp) -> Result<Reply, Stop> {
    let id = Id::from(asked.payment_hash);
    let terms = Terms { secret: asked.secret.map(|secret| secret.0), secretless: asked.secretless.into() };
    let before = open.row::<TopUp>(id)?;
    let row = topup::open(&open.book, before.as_ref(), asked.payment_hash, asked.asked, terms)?;
    // A refill hands nothing out: its account has its tokens, and who ordered it may be able to spend and no more (T82).
    let claimed = if asked.is_refill { topup::Claimed::Fully } else { row.claimed };
    open.set(open.book)?;
    open.put_noted(&TopUp { claimed, ..row }, &asked.reference)?;
    if row.credited.is_none() {
        open.put_noted(&unpaid::watch(asked.payment_hash, asked.ends_at), &asked.account)?;
    }
    Ok(Reply::Done)
}

/// How a top-up stands.
pub(crate) fn see(open: &Open<'_>, asked: &NamedTopUp) -> Result<Reply, Stop> {
    let id = Id::from(asked.payment_hash);
    let row = open.row::<TopUp>(id)?.ok_or(Ledger::UnknownPayment)?;
    Ok(Reply::TopUp(TopUpSeen {
        asked: row.asked,
        is_credited: row.credited.is_some(),
        reference: open.note::<TopUp>(id)?,
        is_claimed: row.claimed != topup::Claimed::No,
    }))
}

/// Credits what was paid, once, whoever says it how often (T67).
pub(crate) fn credit(open: &mut Open<'_>, asked: &Credit, now: UnixTime) -> Result<Reply, Stop> {
    let id = Id::from(asked.payment_hash);
    let row = open.row::<TopUp>(id)?;
    let settlement = Settlement { payment_hash: asked.payment_hash, paid: asked.paid, node_fee: asked.node_fee };
    let step = topup::credit(&open.book, row.as_ref(), &settlement, now)?;
    open.write(step)?;
    open.end::<Unpaid>(id)?;
    Ok(open.left())
}

/// Hands the account out. Whoever shows the secret again is the same claimant, whose answer was lost on the way, for as long
/// as the token of that answer is one: what was rotated or revoked does not come back.
pub(crate) fn claim(open: &mut Open<'_>, asked: &Claim, now: UnixTime) -> Result<Reply, Stop> {
    if let Some(bearer) = asked.bearer {
        token::find(open, bearer)?;
    }
    let payment_hash = asked.preimage.payment_hash();
    let row = open.row::<TopUp>(payment_hash.into())?;
    let brought = topup::Claim {
        preimage: asked.preimage.clone(),
        secret: asked.secret.map(|secret| secret.0),
        bearer: asked.bearer.map(|_| open.book.id),
    };
    let accepted = topup::claim(&open.book, row.as_ref(), &brought)?;
    let token = match accepted.tokens {
        Tokens::Kept => ClaimedToken::Kept,
        Tokens::Again => match open.books.sealed(payment_hash)? {
            Some(sealed) if open.books.token(sealed.digest)?.is_some() => {
                ClaimedToken::Before(ByteVec::from(sealed.token))
            }
            _ => return Err(Refusal::AlreadyClaimed.into()),
        },
        Tokens::First | Tokens::Instead => {
            if accepted.tokens == Tokens::Instead {
                // All of them come from the claim without the secret: it alone handed one out.
                token::end_all(open)?;
            }
            token::hand_out(open, asked.token, now)?;
            if let (Some(sealed), Some(_)) = (&asked.sealed, accepted.row.secret) {
                let sealed = Sealed { digest: asked.token, token: sealed.to_vec() };
                open.books.seal(payment_hash, &sealed)?;
            }
            ClaimedToken::New
        }
    };
    open.set(accepted.book)?;
    open.put(&accepted.row)?;
    Ok(Reply::Claimed(Claimed {
        available: open.book.balances.available(),
        credited: accepted.row.credited.unwrap_or(Msat(0)),
        spend_only: open.book.limit.map_or(Msat(0), |limit| limit.left),
        token,
    }))
}

/// The node says definitely that nobody paid it. Its hash still names this account elsewhere, and is let go next.
pub(crate) fn forget(open: &mut Open<'_>, asked: &NamedTopUp, now: UnixTime) -> Result<Reply, Stop> {
    let id = Id::from(asked.payment_hash);
    let row = open.row::<Unpaid>(id)?.ok_or(Ledger::UnknownPayment)?;
    let topup = open.row::<TopUp>(id)?;
    let row = unpaid::forget(&open.book, &row, topup.as_ref(), now)?;
    open.end::<TopUp>(id)?;
    open.put(&row)?;
    Ok(Reply::Done)
}

/// The hash names this account nowhere any more. Where the same invoice was ordered again in between, it is watched on.
pub(crate) fn let_go(open: &mut Open<'_>, asked: &NamedTopUp) -> Result<Reply, Stop> {
    let id = Id::from(asked.payment_hash);
    if open.row::<TopUp>(id)?.is_none() {
        open.end::<Unpaid>(id)?;
    }
    Ok(Reply::Done)
}

/// A top-up that is not credited, when it is due. The row is written first: who is killed while asking asks again.
pub(crate) fn follow(open: &mut Open<'_>, id: Id, now: UnixTime, errands: &mut Vec<Errand>) -> Result<(), Stop> {
    let Some(row) = open.row::<Unpaid>(id)? else { return Ok(()) };
    let topup = open.row::<TopUp>(id)?;
    let payment_hash = row.payment_hash;
    match unpaid::due(&open.book, &row, topup.as_ref(), now) {
        None => {}
        Some(Due::Over) => open.end::<Unpaid>(id)?,
        Some(Due::LetGo(again)) => {
            open.put(&again)?;
            let account = open.note::<Unpaid>(id)?;
            errands.push(Errand::LetGo(LetGo { payment_hash, account }));
        }
        Some(Due::Look(again)) => {
            open.put(&again)?;
            let reference = open.note::<TopUp>(id)?;
            let asked = topup.map_or(Msat(0), |topup| topup.asked);
            let is_deposit = open.note::<Unpaid>(id)? == DEPOSIT;
            errands.push(Errand::LookUp(LookUp { payment_hash, asked, reference, is_deposit }));
        }
    }
    Ok(())
}

impl From<Secretless> for topup::Secretless {
    fn from(secretless: Secretless) -> Self {
        match secretless {
            Secretless::Nothing => Self::Nothing,
            Secretless::Everything => Self::Everything,
            Secretless::Spend => Self::Spend,
            Secretless::Escrow => Self::Escrow,
        }
    }
}

#[cfg(test)]
#[path = "topup_tests.rs"]
mod tests;
