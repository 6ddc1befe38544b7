//! What leaves a book over Lightning: reserved, written down as sent, and over when the node says so definitely (T93, T94).
//!
//! The invoice stands beside the payout's row, for whoever has to send it again.

use alloc::string::String;
use alloc::vec::Vec;

use l402::{PaymentHash, UnixTime};
use satstile_ledger::payout::{self, Funds, NewPayout, NodeAnswer, Outcome, Payee, Payout, PayoutState};
use satstile_ledger::refund::{self, Refund};
use satstile_ledger::stored::Rows;
use satstile_ledger::transfer::Outbound;
use satstile_ledger::{Id, Refusal as Ledger};

use crate::books::{Fault, Open, Stop};
use crate::command::{NodeSaid, PayAnswer, PayOut, SeePayout};
use crate::reply::{Errand, PayOrder, PayoutSeen, Proof, Reply, Stands};
use crate::{order, token, transfer};

/// Reserves, and writes down that the node is going to be asked. The same order again finds itself.
pub(crate) fn pay_out(open: &mut Open<'_>, asked: &PayOut, now: UnixTime) -> Result<Reply, Stop> {
    token::may_withdraw(open, asked.by)?;
    let before = open.row::<Payout>(asked.id)?;
    // The same order twice at once: an address gave it another invoice, and one is paid.
    if order::is_known(open, asked.keyed)? && before.is_some() {
        return seen(open, asked.id);
    }
    // The same id for an invoice of ours: one key, two orders.
    if open.row::<Outbound>(asked.id)?.is_some() {
        return Err(Ledger::KeyReused.into());
    }
    let before = match before {
        Some(row) => Some(row),
        None => in_use(open, &asked.payment_hash)?,
    };
    let new =
        NewPayout { id: asked.id, payment_hash: asked.payment_hash, amount: asked.amount, fee_limit: asked.fee_limit };
    let step = payout::create(&open.book, before.as_ref(), &new, Payee::Elsewhere, now)?;
    open.write_noted(step, &asked.bolt11)?;
    order::bind(open, asked.keyed)?;
    send(open, asked.id, now)
}

/// From `Created` to `Sent`: from here on the node may have been asked.
pub(crate) fn send(open: &mut Open<'_>, id: Id, now: UnixTime) -> Result<Reply, Stop> {
    let row = open.row::<Payout>(id)?.ok_or(Ledger::WrongRow)?;
    let step = payout::send(&open.book, &row, now)?;
    open.write(step)?;
    seen(open, id)
}

/// The node's answer. Only a definite one ends the payout; one that was lost on its way is sent again, under the same id.
pub(crate) fn answer(open: &mut Open<'_>, said: &PayAnswer, now: UnixTime) -> Result<Reply, Stop> {
    let row = open.row::<Payout>(said.id)?.ok_or(Ledger::WrongRow)?;
    let answer = said.said.clone().into();
    let came = match row.funds {
        Funds::Refund(of) => {
            let promise = open.row::<Refund>(of)?.ok_or(Ledger::WrongRow)?;
            let outcome = refund::answer(&open.book, &promise, &row, &answer, now)?;
            write(open, outcome)?
        }
        Funds::Balance | Funds::Session => {
            let outcome = payout::answer(&open.book, &row, &answer, now)?;
            write(open, outcome)?
        }
    };
    let row = open.row::<Payout>(said.id)?.ok_or(Ledger::WrongRow)?;
    let told = told(open, &row)?;
    let order = told.order.filter(|_| came == Came::Lost);
    Ok(Reply::Payout(PayoutSeen { order, is_forgotten: came == Came::Forgotten, ..told }))
}

/// What an answer came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    Over,
    Open,
    Lost,
    Forgotten,
}

fn write<R: Rows>(open: &mut Open<'_>, outcome: Outcome<R>) -> Result<Came, Fault> {
    Ok(match outcome {
        Outcome::Over(step) => {
            open.write(step)?;
            Came::Over
        }
        Outcome::Open => Came::Open,
        Outcome::Lost(_) => Came::Lost,
        Outcome::Forgotten(_) => Came::Forgotten,
    })
}

/// How a payout stands, for who may withdraw; also one that went to another balance here (T95).
pub(crate) fn see(open: &mut Open<'_>, asked: &SeePayout) -> Result<Reply, Stop> {
    token::may_withdraw(open, asked.by)?;
    order::is_known(open, asked.keyed)?;
    match open.row::<Outbound>(asked.id)?.and_then(|row| transfer::as_payout(open, &row)) {
        Some(seen) => Ok(seen),
        None => seen(open, asked.id),
    }
}

/// A due payout is sent, if it never was, or asked about.
pub(crate) fn follow(open: &mut Open<'_>, id: Id, now: UnixTime, errands: &mut Vec<Errand>) -> Result<(), Stop> {
    let Some(row) = open.row::<Payout>(id)? else { return Ok(()) };
    if row.state == PayoutState::Created {
        match send(open, id, now) {
            Ok(Reply::Payout(PayoutSeen { order: Some(order), .. })) => errands.push(Errand::Pay(order)),
            Ok(_) => {}
            // A frozen book sends nothing; a person is to look at it.
            Err(Stop::Ledger(refusal)) => open.answer_breach(&refusal, now)?,
            Err(stop) => return Err(stop),
        }
    } else if let Some((asked, _)) = payout::look_up(&open.book, &row, now) {
        open.put(&asked)?;
        let bolt11 = open.note::<Payout>(id)?;
        errands.push(Errand::Pay(order_of(&asked, bolt11, false)));
    }
    Ok(())
}

/// A payout for this invoice that did not fail.
pub(crate) fn in_use(open: &Open<'_>, invoice: &PaymentHash) -> Result<Option<Payout>, Fault> {
    let same = |row: &Payout| row.payment_hash == *invoice && row.state != PayoutState::Failed;
    Ok(open.rows::<Payout>()?.into_iter().find(same))
}

fn seen(open: &Open<'_>, id: Id) -> Result<Reply, Stop> {
    let row = open.row::<Payout>(id)?.ok_or(Ledger::WrongRow)?;
    Ok(Reply::Payout(told(open, &row)?))
}

fn told(open: &Open<'_>, row: &Payout) -> Result<PayoutSeen, Fault> {
    let stands = match &row.state {
        PayoutState::Created | PayoutState::Sent => Stands::Pending,
        PayoutState::Succeeded { fee, preimage } => {
            Stands::Succeeded { fee: *fee, preimage: Some(Proof(preimage.clone())) }
        }
        PayoutState::Failed => Stands::Failed,
    };
    let order = match row.state {
        PayoutState::Sent => Some(order_of(row, open.note::<Payout>(row.id)?, true)),
        _ => None,
    };
    Ok(PayoutSeen {
        stands,
        payment_hash: row.payment_hash,
        amount: row.amount,
        fee_limit: row.fee_limit,
        available: open.book.balances.available(),
        order,
        stays_here: false,
        is_refund: matches!(row.funds, Funds::Refund(_)),
        is_forgotten: false,
    })
}

const fn order_of(row: &Payout, bolt11: String, is_send: bool) -> PayOrder {
    let Payout { id, payment_hash, amount, fee_limit, .. } = *row;
    PayOrder { id, payment_hash, amount, fee_limit, bolt11, is_send }
}

impl From<NodeSaid> for NodeAnswer {
    fn from(said: NodeSaid) -> Self {
        match said {
            NodeSaid::Succeeded { preimage, fee } => Self::Succeeded { preimage, fee },
            NodeSaid::Failed => Self::Failed,
            NodeSaid::Unknown => Self::Unknown,
            NodeSaid::NotFound { store_since } => Self::NotFound { store_since },
        }
    }
}

#[cfg(test)]
#[path = "payout_tests.rs"]
mod tests;
