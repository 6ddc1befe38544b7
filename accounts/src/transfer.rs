//! From one balance to another: the outbox of who gives, and the inbox of who gets (T84). So is an invoice of ours paid that
//! fills another balance: taken only with the node's word that nobody can pay it over Lightning (T95).

use alloc::string::String;
use alloc::vec::Vec;

use l402::{Msat, UnixTime};
use satstile_ledger::inbox::{self, Cancelled, Inbound};
use satstile_ledger::payout::Payout;
use satstile_ledger::topup::{Claimed, TopUp};
use satstile_ledger::transfer::{self, Ack, Outbound, OutboundState};
use satstile_ledger::{Credit, Effect, Id, Reason, Refusal as Ledger};

use crate::books::{Open, Stop};
use crate::command::{Acked, Hash, Receive, Send};
use crate::reply::{CreditOrder, Errand, PayoutSeen, Reply, Stands, TransferSeen};
use crate::{order, token};

/// Takes the money out, and writes down where it goes. The same order again finds itself.
pub(crate) fn send(open: &mut Open<'_>, asked: &Send, now: UnixTime) -> Result<Reply, Stop> {
    token::may_withdraw(open, asked.by)?;
    let before = open.row::<Outbound>(asked.id)?;
    if order::is_known(open, asked.keyed)? && before.is_some() {
        return seen(open, asked.id);
    }
    // The same id for an invoice of somebody else's: one key, two orders.
    if open.row::<Payout>(asked.id)?.is_some() {
        return Err(Ledger::KeyReused.into());
    }
    let (book, before) = (&open.book, before.as_ref());
    let step = match asked.invoice {
        Some(Hash(hash)) => transfer::pay_own_invoice(book, before, asked.id, (asked.to, hash), asked.amount, now)?,
        None => transfer::send(book, before, asked.id, asked.to, asked.amount, now)?,
    };
    open.write_noted(step, &asked.account)?;
    order::bind(open, asked.keyed)?;
    seen(open, asked.id)
}

/// Takes the money in, once; the same answer however often it is asked.
pub(crate) fn receive(open: &mut Open<'_>, asked: &Receive, now: UnixTime) -> Result<Reply, Stop> {
    let credit = credit(asked);
    let before = open.row::<Inbound>(asked.id)?;
    let topup = match asked.invoice {
        Some(Hash(hash)) => open.row::<TopUp>(hash.into())?,
        None => None,
    };
    // Who orders a first top-up claims it by a preimage that nobody gets where nothing is paid: it is declined.
    let refill = topup.as_ref().filter(|row| row.claimed != Claimed::No);
    let invoice = refill.map(|row| Cancelled { row, definitely: asked.is_canceled });
    // Refused is no answer: who sends asks again.
    let step = inbox::receive(&open.book, before.as_ref(), &credit, invoice, now)?;
    open.write(step)?;
    let row = open.row::<Inbound>(asked.id)?.ok_or(Ledger::WrongRow)?;
    Ok(acked(&row.ack()))
}

/// The answer where nobody opened an account: a transfer opens none, and nobody's account stays nobody's.
pub(crate) fn nobody(asked: &Receive) -> Reply {
    let answer = inbox::nobody(&credit(asked));
    answer.map_or(Reply::Refused(Ledger::WrongRow.into()), |ack| acked(&ack))
}

/// What the receiver's book answered.
pub(crate) fn acknowledge(open: &mut Open<'_>, said: &Acked, now: UnixTime) -> Result<Reply, Stop> {
    let row = open.row::<Outbound>(said.id)?.ok_or(Ledger::WrongRow)?;
    let account = open.note::<Outbound>(said.id)?;
    let ack = Ack { transfer: said.id, by: said.by, accepted: said.accepted };
    let step = transfer::acknowledge(&open.book, &row, &ack, now)?;
    open.write_noted(step, &account)?;
    seen(open, said.id)
}

/// A transfer without an answer, when it is due: the message to carry once more.
pub(crate) fn follow(open: &mut Open<'_>, id: Id, now: UnixTime, errands: &mut Vec<Errand>) -> Result<(), Stop> {
    let Some(row) = open.row::<Outbound>(id)? else { return Ok(()) };
    if let Some((again, Effect::Credit(_))) = transfer::resend(&open.book, &row, now) {
        open.put(&again)?;
        errands.push(Errand::Carry(message(&again, open.note::<Outbound>(id)?)));
    }
    Ok(())
}

/// A payment of an invoice of ours in the words of a payout; `None` for a gift.
pub(crate) fn as_payout(open: &Open<'_>, row: &Outbound) -> Option<Reply> {
    let Reason::OwnInvoice(payment_hash) = row.credit.reason else { return None };
    Some(Reply::Payout(PayoutSeen {
        stands: stands(row),
        payment_hash,
        amount: row.credit.amount,
        fee_limit: Msat(0),
        available: open.book.balances.available(),
        order: None,
        stays_here: true,
        is_refund: false,
        is_forgotten: false,
    }))
}

fn seen(open: &Open<'_>, id: Id) -> Result<Reply, Stop> {
    let row = open.row::<Outbound>(id)?.ok_or(Ledger::WrongRow)?;
    let order = match row.state {
        OutboundState::Sent => Some(message(&row, open.note::<Outbound>(id)?)),
        OutboundState::Delivered | OutboundState::Bounced => None,
    };
    let available = open.book.balances.available();
    Ok(Reply::Transfer(TransferSeen { stands: stands(&row), available, order }))
}

const fn stands(row: &Outbound) -> Stands {
    match row.state {
        OutboundState::Sent => Stands::Pending,
        // Nothing was paid over Lightning, so nobody has a preimage.
        OutboundState::Delivered => Stands::Succeeded { fee: Msat(0), preimage: None },
        OutboundState::Bounced => Stands::Failed,
    }
}

fn message(row: &Outbound, account: String) -> CreditOrder {
    let Credit { transfer: id, from, to, amount, reason } = row.credit;
    let invoice = match reason {
        Reason::OwnInvoice(hash) => Some(Hash(hash)),
        _ => None,
    };
    CreditOrder { receive: Receive { id, from, to, amount, invoice, is_canceled: false }, account, sends: row.sends }
}

fn credit(asked: &Receive) -> Credit {
    let reason = asked.invoice.map_or(Reason::Transfer, |Hash(hash)| Reason::OwnInvoice(hash));
    Credit { transfer: asked.id, from: asked.from, to: asked.to, amount: asked.amount, reason }
}

const fn acked(ack: &Ack) -> Reply {
    Reply::Acked(Acked { id: ack.transfer, by: ack.by, accepted: ack.accepted })
}

#[cfg(test)]
#[path = "transfer_tests.rs"]
mod tests;
