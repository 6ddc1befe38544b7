//! From one balance to another: the outbox of who sends, and the inbox of who gets (T84).
//!
//! The receiver's name is noted beside the outbox's row, for the alarm that has to send it again (T85).

use l402::balance::AccountId;
use l402::{Msat, UnixTime};
use satstile_ledger::inbox::{self, Inbound};
use satstile_ledger::transfer::{self, Ack, Outbound, OutboundState};
use satstile_ledger::{BookId, Credit, Effect, Id, Reason, Refusal};
use worker::{Result, SqlStorage};

use super::words::{Acked, CreditOrder, Send, TransferSeen};
use super::{Answer, id, in_book, no, refused, tokens};
use crate::objects::books::Books;

/// From this send on without an answer, each further one is a line in the log: after about four minutes.
const SENDS_QUIET_MAX: u32 = 8;

/// Takes the money out, and writes down where it goes. The same order again finds itself.
pub(super) fn send(sql: &SqlStorage, asked: Send, now: UnixTime) -> Result<Answer<TransferSeen>> {
    let (id, to) = (id(&asked.id)?, book_of(&asked.to)?);
    in_book(sql, now, |books, now| {
        if let Err(no) = tokens::may_withdraw(sql, &asked.by)? {
            return Ok(Err(no));
        }
        let before = books.row::<Outbound>(id)?;
        match transfer::send(&books.book, before.as_ref(), id, to, Msat(asked.amount_msat), now) {
            Ok(step) => books.write_noted(step, &asked.to)?,
            Err(refusal) => return refused(books, refusal, now),
        }
        seen(books, id)
    })
}

/// Takes the money in, once; the same answer however often it is asked. Nobody's account stays nobody's.
pub(super) fn receive(sql: &SqlStorage, asked: CreditOrder, now: UnixTime) -> Result<Answer<Acked>> {
    let (transfer, from) = (id(&asked.id)?, BookId(id(&asked.from)?.0));
    let amount = Msat(asked.amount_msat);
    let credit = Credit { transfer, from, to: book_of(&asked.to)?, amount, reason: Reason::Transfer };
    let Some(mut books) = Books::find(sql)? else {
        return Ok(inbox::nobody(&credit).as_ref().map(Acked::of).ok_or_else(|| no(Refusal::WrongRow)));
    };
    let before = books.row::<Inbound>(transfer)?;
    match inbox::receive(&books.book, before.as_ref(), &credit, None, now) {
        Ok(step) => books.write(step)?,
        // No answer: who sends asks again.
        Err(refusal) => return refused(&mut books, refusal, now),
    }
    let row = books.row::<Inbound>(transfer)?;
    Ok(row.map(|row| Acked::of(&row.ack())).ok_or_else(|| no(Refusal::WrongRow)))
}

/// What the receiver's book answered.
pub(super) fn acknowledge(sql: &SqlStorage, said: Acked, now: UnixTime) -> Result<Answer<TransferSeen>> {
    let ack = Ack { transfer: id(&said.id)?, by: BookId(id(&said.by)?.0), accepted: said.accepted };
    in_book(sql, now, |books, now| {
        let Some((row, to)) = books.noted::<Outbound>(ack.transfer)? else { return Ok(Err(no(Refusal::WrongRow))) };
        match transfer::acknowledge(&books.book, &row, &ack, now) {
            Ok(step) => books.write_noted(step, &to)?,
            Err(refusal) => return refused(books, refusal, now),
        }
        seen(books, ack.transfer)
    })
}

/// A transfer without an answer, when it is due: the message to carry once more.
pub(super) fn follow(books: &Books<'_>, id: Id, now: UnixTime) -> Result<Option<CreditOrder>> {
    let Some((row, to)) = books.noted::<Outbound>(id)? else { return Ok(None) };
    let Some((again, Effect::Credit(credit))) = transfer::resend(&books.book, &row, now) else { return Ok(None) };
    books.put(&again)?;
    if again.sends > SENDS_QUIET_MAX {
        crate::log::warn("transfer", "an account has given no answer yet: is its book frozen, or full?");
    }
    Ok(Some(order(&credit, &to)))
}

fn seen(books: &Books<'_>, id: Id) -> Result<Answer<TransferSeen>> {
    let Some((row, to)) = books.noted::<Outbound>(id)? else { return Ok(Err(no(Refusal::WrongRow))) };
    let state = match row.state {
        OutboundState::Sent => "pending",
        OutboundState::Delivered => "delivered",
        OutboundState::Bounced => "bounced",
    };
    Ok(Ok(TransferSeen {
        state: state.to_owned(),
        available_msat: books.book.balances.available().0,
        order: (row.state == OutboundState::Sent).then(|| order(&row.credit, &to)),
    }))
}

fn order(credit: &Credit, to: &str) -> CreditOrder {
    CreditOrder {
        id: hex::encode(credit.transfer.0),
        from: hex::encode(credit.from.0),
        to: to.to_owned(),
        amount_msat: credit.amount.0,
    }
}

impl Acked {
    fn of(ack: &Ack) -> Self {
        Self { id: hex::encode(ack.transfer.0), by: hex::encode(ack.by.0), accepted: ack.accepted }
    }
}

fn book_of(account: &str) -> Result<BookId> {
    let account = AccountId::from_hex(account).ok_or("no account")?;
    Ok(BookId::of_account(&account.0))
}
