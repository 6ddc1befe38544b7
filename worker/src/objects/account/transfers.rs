//! From one balance to another: the outbox of who sends, and the inbox of who gets (T84). So is an invoice of ours paid that
//! fills another balance: taken only with the node's word that nobody can pay it over Lightning (T95).
//!
//! The receiver's name is noted beside the outbox's row, for the alarm that has to send it again (T85).

use l402::balance::AccountId;
use l402::{Msat, UnixTime};
use satstile_ledger::inbox::{self, Cancelled, Inbound};
use satstile_ledger::payout::Payout;
use satstile_ledger::topup::{Claimed, TopUp};
use satstile_ledger::transfer::{self, Ack, Outbound, OutboundState};
use satstile_ledger::{BookId, Credit, Effect, Id, Reason, Refusal};
use worker::{Result, SqlStorage};

use super::words::{Acked, CreditOrder, PayoutSeen, Send, TransferSeen};
use super::{Answer, hash, id, in_book, no, orders, refused, tokens};
use crate::objects::books::Books;

/// From this send on without an answer, each further one is a line in the log: after about four minutes.
const SENDS_QUIET_MAX: u32 = 8;

/// Takes the money out, and writes down where it goes. The same order again finds itself.
pub(super) fn send(sql: &SqlStorage, asked: Send, now: UnixTime) -> Result<Answer<TransferSeen>> {
    let (id, to) = (id(&asked.id)?, book_of(&asked.to)?);
    let (invoice, amount) = (asked.invoice.as_deref().map(hash).transpose()?, Msat(asked.amount_msat));
    in_book(sql, now, |books, now| {
        if let Err(no) = tokens::may_withdraw(sql, &asked.by)? {
            return Ok(Err(no));
        }
        match orders::is_known(sql, asked.keyed.as_ref())? {
            Ok(true) if books.row::<Outbound>(id)?.is_some() => return seen(books, id),
            Ok(_) => {}
            Err(no) => return Ok(Err(no)),
        }
        // The same id for an invoice of somebody else's: one key, two orders.
        if books.row::<Payout>(id)?.is_some() {
            return Ok(Err(no(Refusal::KeyReused)));
        }
        let (book, before) = (&books.book, books.row::<Outbound>(id)?);
        let sent = match invoice {
            Some(hash) => transfer::pay_own_invoice(book, before.as_ref(), id, (to, hash), amount, now),
            None => transfer::send(book, before.as_ref(), id, to, amount, now),
        };
        match sent {
            Ok(step) => books.write_noted(step, &asked.to)?,
            Err(refusal) => return refused(books, refusal, now),
        }
        orders::bind(sql, asked.keyed.as_ref())?;
        seen(books, id)
    })
}

/// Takes the money in, once; the same answer however often it is asked. Nobody's account stays nobody's.
pub(super) fn receive(sql: &SqlStorage, asked: CreditOrder, now: UnixTime) -> Result<Answer<Acked>> {
    let (transfer, from) = (id(&asked.id)?, BookId(id(&asked.from)?.0));
    let (amount, invoice) = (Msat(asked.amount_msat), asked.invoice.as_deref().map(hash).transpose()?);
    let reason = invoice.map_or(Reason::Transfer, Reason::OwnInvoice);
    let credit = Credit { transfer, from, to: book_of(&asked.to)?, amount, reason };
    let Some(mut books) = Books::find(sql)? else {
        return Ok(inbox::nobody(&credit).as_ref().map(Acked::of).ok_or_else(|| no(Refusal::WrongRow)));
    };
    let before = books.row::<Inbound>(transfer)?;
    let topup = match invoice {
        Some(hash) => books.row::<TopUp>(hash.into())?,
        None => None,
    };
    // Who orders a first top-up claims it by a preimage that nobody gets where nothing is paid: it is declined.
    let refill = topup.as_ref().filter(|row| row.claimed != Claimed::No);
    let invoice = refill.map(|row| Cancelled { row, definitely: asked.is_canceled });
    match inbox::receive(&books.book, before.as_ref(), &credit, invoice, now) {
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
        crate::platform::log::warn("transfer", "an account has given no answer yet: is its book frozen, or full?");
    }
    Ok(Some(order(&credit, &to)))
}

/// A payment of an invoice of ours in the words of a payout; `None` for a gift.
pub(super) fn as_payout(books: &Books<'_>, row: &Outbound) -> Option<PayoutSeen> {
    let Reason::OwnInvoice(hash) = row.credit.reason else { return None };
    let (state, fee_msat) = match row.state {
        OutboundState::Sent => ("pending", None),
        OutboundState::Delivered => ("succeeded", Some(0)),
        OutboundState::Bounced => ("failed", None),
    };
    Some(PayoutSeen {
        state: state.to_owned(),
        amount_msat: row.credit.amount.0,
        hash: hash.to_string(),
        fee_limit_msat: 0,
        fee_msat,
        // Nothing was paid over Lightning, so nobody has it.
        preimage: None,
        available_msat: books.book.balances.available().0,
        order: None,
        stays_here: true,
        is_refund: false,
    })
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
        invoice: match credit.reason {
            Reason::OwnInvoice(hash) => Some(hash.to_string()),
            _ => None,
        },
        is_canceled: false,
    }
}

impl Acked {
    fn of(ack: &Ack) -> Self {
        Self { id: hex::encode(ack.transfer.0), by: hex::encode(ack.by.0), accepted: ack.accepted }
    }
}

fn book_of(account: &str) -> Result<BookId> {
    // Behind the name of an old account stands that it was given here.
    let account = AccountId::from_hex(account.get(..32).unwrap_or(account)).ok_or("no account")?;
    Ok(BookId::of_account(&account.0))
}
