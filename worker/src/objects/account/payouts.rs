//! What leaves a book over Lightning: reserved, written down as sent, and over when the node says so definitely (T93, T94).
//!
//! The invoice is noted beside the payout's row, for whoever has to send it again.

use l402::{Msat, PaymentHash, Preimage, UnixTime};
use satstile_ledger::payout::{self, Funds, NewPayout, NodeAnswer, Outcome, Payee, Payout, PayoutState};
use satstile_ledger::refund::{self, Refund};
use satstile_ledger::stored::Rows;
use satstile_ledger::transfer::Outbound;
use satstile_ledger::{Id, Refusal};
use worker::{Result, SqlStorage};

use super::words::{Order, PayAnswer, PayOut, PayoutSeen, SeePayout};
use super::{Answer, hash, id, in_book, no, orders, refused, tokens, transfers};
use crate::objects::books::Books;

/// Reserves, and writes down that the node is going to be asked. The same order again finds itself.
pub(super) fn pay_out(sql: &SqlStorage, asked: PayOut, now: UnixTime) -> Result<Answer<PayoutSeen>> {
    let new = NewPayout {
        id: id(&asked.id)?,
        payment_hash: hash(&asked.hash)?,
        amount: Msat(asked.amount_msat),
        fee_limit: Msat(asked.fee_limit_msat),
    };
    in_book(sql, now, |books, now| {
        if let Err(no) = tokens::may_withdraw(sql, &asked.by)? {
            return Ok(Err(no));
        }
        // The same order twice at once: an address gave it another invoice, and one is paid.
        match orders::is_known(sql, asked.keyed.as_ref())? {
            Ok(true) if books.row::<Payout>(new.id)?.is_some() => return seen(books, new.id, &asked.bolt11),
            Ok(_) => {}
            Err(no) => return Ok(Err(no)),
        }
        // The same id for an invoice of ours: one key, two orders.
        if books.row::<Outbound>(new.id)?.is_some() {
            return Ok(Err(no(Refusal::KeyReused)));
        }
        let before = match books.row::<Payout>(new.id)? {
            Some(row) => Some(row),
            None => in_use(books, &new.payment_hash)?,
        };
        match payout::create(&books.book, before.as_ref(), &new, Payee::Elsewhere, now) {
            Ok(step) => books.write_noted(step, &asked.bolt11)?,
            Err(refusal) => return refused(books, refusal, now),
        }
        orders::bind(sql, asked.keyed.as_ref())?;
        send(books, new.id, now)
    })
}

/// From `Created` to `Sent`: from here on the node may have been asked.
pub(super) fn send(books: &mut Books<'_>, id: Id, now: UnixTime) -> Result<Answer<PayoutSeen>> {
    let Some((row, bolt11)) = books.noted::<Payout>(id)? else { return Ok(Err(no(Refusal::WrongRow))) };
    match payout::send(&books.book, &row, now) {
        Ok(step) => {
            books.write(step)?;
            seen(books, id, &bolt11)
        }
        Err(refusal) => refused(books, refusal, now),
    }
}

/// The node's answer. Only a definite one ends the payout.
pub(super) fn answer(sql: &SqlStorage, said: PayAnswer, now: UnixTime) -> Result<Answer<PayoutSeen>> {
    let (id, answer) = (id(&said.id)?, said.read().ok_or("an answer that cannot be read")?);
    in_book(sql, now, |books, now| {
        let Some((row, bolt11)) = books.noted::<Payout>(id)? else { return Ok(Err(no(Refusal::WrongRow))) };
        let outcome = match row.funds {
            Funds::Refund(of) => {
                let Some(promise) = books.row::<Refund>(of)? else { return Ok(Err(no(Refusal::WrongRow))) };
                refund::answer(&books.book, &promise, &row, &answer, now).map(|outcome| write(books, outcome))
            }
            Funds::Balance | Funds::Session => {
                payout::answer(&books.book, &row, &answer, now).map(|outcome| write(books, outcome))
            }
        };
        match outcome {
            Ok(again) => {
                let is_lost = again?;
                let seen = seen(books, id, &bolt11)?;
                Ok(seen.map(|seen| PayoutSeen { order: seen.order.filter(|_| is_lost), ..seen }))
            }
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// Writes what an answer came to; whether the order was lost on its way and must be sent again, under the same id.
fn write<R: Rows>(books: &mut Books<'_>, outcome: Outcome<R>) -> Result<bool> {
    match outcome {
        Outcome::Over(step) => books.write(step).map(|()| false),
        Outcome::Open => Ok(false),
        Outcome::Lost(_) => Ok(true),
        Outcome::Forgotten(_) => {
            crate::platform::log::warn(
                "payout",
                "the node's payment store is younger than a payout that it does not know: look at it",
            );
            Ok(false)
        }
    }
}

/// How a payout stands, for who may withdraw; also one that went to another balance here (T95).
pub(super) fn see(sql: &SqlStorage, asked: SeePayout, now: UnixTime) -> Result<Answer<PayoutSeen>> {
    let id = id(&asked.id)?;
    in_book(sql, now, |books, _| {
        if let Err(no) = tokens::may_withdraw(sql, &asked.by)? {
            return Ok(Err(no));
        }
        if let Err(no) = orders::is_known(sql, asked.keyed.as_ref())? {
            return Ok(Err(no));
        }
        match books.row::<Outbound>(id)?.and_then(|row| transfers::as_payout(books, &row)) {
            Some(seen) => Ok(Ok(seen)),
            None => seen(books, id, ""),
        }
    })
}

/// A due payout is sent, if it never was, or asked about: the order to carry out.
pub(super) fn follow(books: &mut Books<'_>, id: Id, now: UnixTime) -> Result<Option<Order>> {
    let Some((row, bolt11)) = books.noted::<Payout>(id)? else { return Ok(None) };
    if row.state == PayoutState::Created {
        return Ok(send(books, id, now)?.ok().and_then(|seen| seen.order));
    }
    let Some((asked, _)) = payout::look_up(&books.book, &row, now) else { return Ok(None) };
    books.put(&asked)?;
    Ok(Some(order(&asked, &bolt11, false)))
}

/// A payout for this invoice that did not fail.
pub(super) fn in_use(books: &Books<'_>, invoice: &PaymentHash) -> Result<Option<Payout>> {
    let same = |row: &Payout| row.payment_hash == *invoice && row.state != PayoutState::Failed;
    Ok(books.all::<Payout>()?.into_iter().find(same))
}

fn seen(books: &Books<'_>, id: Id, bolt11: &str) -> Result<Answer<PayoutSeen>> {
    let Some(row) = books.row::<Payout>(id)? else { return Ok(Err(no(Refusal::WrongRow))) };
    let (state, fee_msat, preimage) = match &row.state {
        PayoutState::Created | PayoutState::Sent => ("pending", None, None),
        PayoutState::Succeeded { fee, preimage } => ("succeeded", Some(fee.0), Some(preimage.expose_hex())),
        PayoutState::Failed => ("failed", None, None),
    };
    Ok(Ok(PayoutSeen {
        state: state.to_owned(),
        amount_msat: row.amount.0,
        hash: row.payment_hash.to_string(),
        fee_limit_msat: row.fee_limit.0,
        fee_msat,
        preimage,
        available_msat: books.book.balances.available().0,
        order: (row.state == PayoutState::Sent).then(|| order(&row, bolt11, true)),
        stays_here: false,
        is_refund: matches!(row.funds, Funds::Refund(_)),
    }))
}

fn order(row: &Payout, bolt11: &str, is_send: bool) -> Order {
    Order {
        id: hex::encode(row.id.0),
        hash: row.payment_hash.to_string(),
        amount_msat: row.amount.0,
        fee_limit_msat: row.fee_limit.0,
        bolt11: bolt11.to_owned(),
        is_send,
    }
}

impl PayAnswer {
    /// As the books understand it; what is not whole is no answer (T93).
    fn read(&self) -> Option<NodeAnswer> {
        Some(match self.state.as_str() {
            "succeeded" => NodeAnswer::Succeeded {
                preimage: Preimage::from_hex(self.preimage.as_deref()?)?,
                fee: Msat(self.fee_msat?),
            },
            "failed" => NodeAnswer::Failed,
            "not_found" => NodeAnswer::NotFound { store_since: UnixTime(self.store_since) },
            _ => NodeAnswer::Unknown,
        })
    }
}
