//! The form of each row. A field that is added goes to the end, with a new version.

use alloc::vec::Vec;

use l402::UnixTime;

use super::{Bytes, Field, Stored, Table, VERSION};
use crate::account::Balances;
use crate::caps::Cap;
use crate::effect::{Credit, Reason};
use crate::entry::{Entry, Kind};
use crate::escrow::{AtDeadline, Escrow, EscrowState};
use crate::hold::{Hold, HoldState, Progress};
use crate::id::Id;
use crate::inbox::Inbound;
use crate::payout::{Funds, Payout, PayoutState};
use crate::posting::{Move, POSTINGS_MAX, Posting, Postings};
use crate::refund::{Refund, RefundState};
use crate::sale::Sale;
use crate::session::{Session, SessionState};
use crate::spend::UseState;
use crate::topup::{Claimed, Secretless};
use crate::transfer::{Outbound, OutboundState};
use crate::unpaid::Unpaid;

macro_rules! variants {
    ($($type:ident { $($code:literal = $variant:ident $(($value:ident))? $({ $($field:ident),* })?),* $(,)? })*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $(($value))? $({ $($field),* })? => {
                        out.push($code);
                        $($value.put(out);)?
                        $($($field.put(out);)*)?
                    })*
                }
            }
            fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
                Some(match bytes.code()? {
                    $($code => Self::$variant
                        $(({ let $value = Field::take(bytes)?; $value }))?
                        $({ $($field: Field::take(bytes)?),* })?,)*
                    _ => return None,
                })
            }
        }
    )*};
}

variants! {
    HoldState { 1 = Open, 2 = Settled(charge), 3 = Voided }
    Progress { 1 = Nothing, 2 = Begun, 3 = Seen(cost) }
    Secretless { 1 = Nothing, 2 = Spend, 3 = Escrow, 4 = Everything }
    Claimed { 1 = No, 2 = Alone, 3 = Fully }
    UseState { 1 = Taken, 2 = Delivered, 3 = GivenBack }
    Reason { 1 = Transfer, 2 = Share, 3 = Task(task), 4 = OwnInvoice(hash) }
    OutboundState { 1 = Sent, 2 = Delivered, 3 = Bounced }
    Funds { 1 = Balance, 2 = Session, 3 = Refund(refund) }
    PayoutState { 1 = Created, 2 = Sent, 3 = Succeeded { fee, preimage }, 4 = Failed }
    RefundState { 1 = Pending, 2 = Claiming(payout), 3 = Claimed, 4 = Lapsed }
    AtDeadline { 1 = Return, 2 = Release }
    EscrowState { 1 = Locked, 2 = Disputed, 3 = Ended { released, fee, returned } }
    SessionState { 1 = Open, 2 = Closed { refund_sats, payout } }
}

macro_rules! fields {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
                Some(Self { $($field: Field::take(bytes)?),* })
            }
        }
    )*};
}

fields! {
    Credit { transfer, from, to, amount, reason }
    Sale { payment_hash, book, paid, consumed, refunded, open_refund }
    Hold { id, ceiling, estimate, leaf, progress, expires_at, state }
    Cap { id, parent, budget, uses, spent, used }
    Outbound { credit, state, sends, next_at }
    Inbound { credit, accepted }
    Payout { id, payment_hash, amount, fee_limit, funds, state, created_at, asks, next_at }
    Refund { id, sale, amount, expires_at, state, failures }
    Escrow { id, contractor, amount, fee, deadline, at_deadline, state, version }
    Session { id, return_invoice, idle_s, idle_at, state }
    Unpaid { payment_hash, ends_at, next_at }
    Balances { user, hold, escrow, fees, node, in_transit, refund, payout }
    Entry { book, seq, previous, at, kind, subject, postings, after }
}

macro_rules! stored {
    ($($type:ident in $table:ident by $key:expr, due $due:expr;)*) => {$(
        impl Stored for $type {
            const TABLE: Table = Table::$table;
            fn key(&self) -> Id {
                let key: fn(&Self) -> Id = $key;
                key(self)
            }
            fn due(&self) -> Option<UnixTime> {
                let due: fn(&Self) -> Option<UnixTime> = $due;
                due(self)
            }
            fn put_fields(&self, out: &mut Vec<u8>) {
                self.put(out);
            }
            fn take_fields(bytes: &mut Bytes<'_>, version: u8) -> Option<Self> {
                if version == VERSION { Self::take(bytes) } else { None }
            }
        }
    )*};
}

stored! {
    Sale in Sales by |row| row.payment_hash.into(), due |_| None;
    Hold in Holds by |row| row.id, due |row| (row.state == HoldState::Open).then_some(row.expires_at);
    Cap in Caps by |row| row.id, due |_| None;
    Outbound in Outbox by |row| row.credit.transfer, due |row| (row.state == OutboundState::Sent).then_some(row.next_at);
    Inbound in Inbox by |row| row.credit.transfer, due |_| None;
    Payout in Payouts by |row| row.id, due |row| match row.state {
        PayoutState::Created | PayoutState::Sent => Some(row.next_at),
        PayoutState::Succeeded { .. } | PayoutState::Failed => None,
    };
    Refund in Refunds by |row| row.id, due |row| (row.state == RefundState::Pending).then_some(row.expires_at);
    Escrow in Escrows by |row| row.id, due |row| (row.state == EscrowState::Locked).then_some(row.deadline);
    Session in Sessions by |row| row.id.into(), due |row| (row.state == SessionState::Open).then_some(row.idle_at);
    Unpaid in Unpaid by |row| row.payment_hash.into(), due |row| Some(row.next_at);
}

impl Field for Kind {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
    fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        Self::from_code(bytes.code()?)
    }
}

impl Field for Postings {
    fn put(&self, out: &mut Vec<u8>) {
        for posting in self.iter() {
            out.push(posting.of as u8);
            posting.amount.put(out);
        }
        // No move has this code: the end.
        out.push(0);
    }
    fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        let mut postings = Vec::with_capacity(POSTINGS_MAX);
        loop {
            match bytes.code()? {
                0 => return Self::read(&postings),
                code => postings.push(Posting { of: Move::from_code(code)?, amount: Field::take(bytes)? }),
            }
        }
    }
}
