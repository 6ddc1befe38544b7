//! A client moves money on: to another balance, and out over Lightning. Each order has a key; it is given again where
//! nothing was heard, at times twice at once, and at times once more for no reason (T73).

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};

use super::bank::Edge;
use super::client::Client;
use super::compare::Findings;
use super::log::{Account, Log, lock};
use super::orders::{Answers, Bill, Fate, Payout, Transfer};
use super::pace::{SHUT, in_time};
use super::wire::{self, Heard};

const TRANSFER: &str = "/api/v1/transfer";
const WITHDRAW: &str = "/api/v1/withdraw";
/// So often an order is given again at once; a worker that was killed is back by then.
const AGAIN: u32 = 20;

type Answer = Result<Value, Heard>;

impl Client<'_> {
    /// To another balance, or to nobody.
    pub fn give(&mut self) {
        let Some(from) = self.account() else { return };
        let (to, is_nobody) = (self.account(), self.dice.percent(6));
        let to = to.filter(|_| !is_nobody);
        if to.as_ref().is_some_and(|to| to.number == from.number) {
            return;
        }
        let nobody = format!("{:016x}{:016x}", self.dice.throw(), self.dice.throw());
        let mut transfer = Transfer {
            from: from.number,
            to: to.as_ref().map(|to| to.number),
            to_id: to.map_or(nobody, |to| to.id.clone()),
            msat: self.dice.between(1, 60) * 1_000,
            key: self.tag(),
            answers: Answers::default(),
        };
        let (edge, order) = (self.edge, transfer.clone());
        self.insist(&|| send(edge, &from, &order), &mut |answer| transfer.answers.hear(answer, "transfer_id"));
        lock(&self.log.transfers).push(transfer);
    }

    /// Out over Lightning; at times another balance is told to pay the same invoice.
    pub fn withdraw(&mut self) {
        let (Some(account), rival, has_rival) = (self.account(), self.account(), self.dice.percent(10)) else { return };
        let rival = rival.filter(|rival| has_rival && rival.number != account.number);
        let Some(bill) = self.bill(40) else { return };
        let has_rival = rival.is_some();
        let payout = |account: &Account, key: String| Payout {
            account: account.number,
            bill: bill.clone(),
            has_rival,
            key,
            fee_msat: None,
            preimage: None,
            answers: Answers::default(),
        };
        let mut first = payout(&account, self.tag());
        let mut other = rival.as_ref().map(|rival| payout(rival, self.tag()));
        let (edge, order, rivals) = (self.edge, first.clone(), other.clone());
        std::thread::scope(|scope| {
            let race = rival.zip(rivals).map(|(rival, order)| scope.spawn(move || pay(edge, &rival, &order)));
            self.insist(&|| pay(edge, &account, &order), &mut |answer| first.hear(answer));
            if let (Some(race), Some(other)) = (race, other.as_mut()) {
                let answer = race.join().expect("an order does not panic");
                self.heard(&answer);
                other.hear(&answer);
            }
        });
        lock(&self.log.payouts).extend([Some(first), other].into_iter().flatten());
    }

    /// An invoice of the wallet; mostly one that is paid.
    pub fn bill(&mut self, sats_max: u64) -> Option<Bill> {
        let sats = self.dice.between(2, sats_max);
        let fate = self.fate();
        let _paying = self.paying.read().unwrap_or_else(PoisonError::into_inner);
        self.edge.bill(sats, fate)
    }

    /// What becomes of a payment.
    pub fn fate(&mut self) -> Fate {
        match self.dice.between(0, 99) {
            0..78 => Fate::Paid,
            78..90 => Fate::Fail,
            90..95 => Fate::Late,
            _ => Fate::LateFail,
        }
    }

    /// Gives an order until something is heard.
    fn insist(&mut self, give: &(impl Fn() -> Answer + Sync), hear: &mut impl FnMut(&Answer)) {
        let (twice, once_more) = (self.dice.percent(12), self.dice.percent(12));
        let first = if twice {
            self.log.retried(false);
            std::thread::scope(|scope| {
                [(); 2].map(|()| scope.spawn(give)).map(|one| one.join().expect("an order does not panic")).to_vec()
            })
        } else {
            vec![give()]
        };
        let mut was_lost = false;
        for answer in &first {
            was_lost |= self.heard(answer);
            hear(answer);
        }
        for n in 0..AGAIN {
            if !(was_lost || (n == 0 && once_more)) {
                return;
            }
            self.log.retried(was_lost);
            let answer = give();
            was_lost = self.heard(&answer);
            hear(&answer);
        }
    }

    /// Counts an answer; whether it was lost.
    fn heard(&self, answer: &Answer) -> bool {
        let heard = answer.as_ref().map_or_else(|heard| *heard, |_| Heard::Whole(200));
        self.log.count(heard);
        if heard == Heard::Nothing {
            std::thread::sleep(SHUT);
        }
        !matches!(heard, Heard::Whole(_))
    }
}

/// Brings every order to its end: what nobody answered is given again under its key, what is open is asked about.
pub fn finish(edge: &Edge, log: &Log, deadline: Instant) -> Findings {
    let (mut found, accounts) = (Findings::default(), log.accounts());
    let of = |number: usize| accounts.get(number).map(Arc::clone);
    for transfer in lock(&log.transfers).iter_mut().filter(|transfer| !transfer.answers.is_over()) {
        let Some(from) = of(transfer.from) else { continue };
        let over = in_time(deadline, || {
            log.retried(transfer.answers.ids.is_empty());
            let answer = send(edge, &from, transfer);
            transfer.answers.hear(&answer, "transfer_id");
            transfer.answers.is_over().then_some(())
        });
        if !over {
            found.lost.push(format!("{}: transfer {} never ends: {:?}", from.id, transfer.key, transfer.answers));
        }
    }
    for payout in lock(&log.payouts).iter_mut().filter(|payout| !payout.answers.is_over()) {
        let Some(account) = of(payout.account) else { continue };
        let over = in_time(deadline, || {
            let answer = match payout.answers.id() {
                Some(id) => wire::json(edge.worker, "GET", &format!("{WITHDRAW}/{id}"), Some(&account.token()), None),
                None => {
                    log.retried(true);
                    pay(edge, &account, payout)
                }
            };
            payout.hear(&answer);
            payout.answers.is_over().then_some(())
        });
        if !over {
            found.lost.push(format!("{}: payout {} never ends: {:?}", account.id, payout.key, payout.answers));
        }
    }
    found
}

fn send(edge: &Edge, from: &Account, order: &Transfer) -> Answer {
    let body = json!({"to": order.to_id, "amount_sats": order.msat / 1_000});
    wire::keyed(edge.worker, ("POST", TRANSFER), Some(&from.token()), Some(&order.key), Some(&body))
}

fn pay(edge: &Edge, account: &Account, order: &Payout) -> Answer {
    let body = json!({"invoice": order.bill.bolt11, "amount_sats": order.bill.msat / 1_000});
    wire::keyed(edge.worker, ("POST", WITHDRAW), Some(&account.token()), Some(&order.key), Some(&body))
}
