//! The ledger on paper: what a bookkeeper would write down, in plain arithmetic, without a look at the real one.

use std::collections::BTreeMap;

/// One command. The small number names a row; the same number again is the same row.
#[derive(Clone, Debug)]
pub enum Command {
    TopUp(u64, u64),
    /// Whether it brings the secret.
    Claim(u64, bool),
    Debit(u64, u64),
    GiveBack(u64),
    Deliver(u64),
    Place(u64, u64, u64),
    Progress(u64, Option<u64>),
    End(u64, Option<u64>),
    PayOut(u64, u64, u64),
    Ask(u64),
    Answer(u64, Option<u64>),
    Lock(u64, u64, u64),
    Release(u64),
    GiveUp(u64),
}

#[derive(Clone, Debug, PartialEq)]
enum Use {
    /// What it cost, and how much of that could only be spent.
    Taken(u64, u64),
    Delivered(u64),
    Back(u64),
}

#[derive(Clone, Debug)]
struct Hold {
    ceiling: u64,
    estimate: u64,
    /// Whether anything went out, and what was seen of it.
    begun: bool,
    seen: Option<u64>,
    open: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Payout {
    Created,
    Sent,
    Paid,
    Failed,
}

/// What the account has, in the words of a ledger on paper.
#[derive(Clone, Debug, Default)]
pub struct Paper {
    pub free: u64,
    pub earned: i64,
    pub left: u64,
    pub away: u64,
    pub topups: BTreeMap<u64, u64>,
    /// Claimed by the preimage alone, or with the secret.
    claims: BTreeMap<u64, bool>,
    /// What is left of what can only be spent, reserved or not.
    pub limit: Option<u64>,
    /// What that was at first.
    limit_was: u64,
    uses: BTreeMap<u64, Use>,
    holds: BTreeMap<u64, Hold>,
    pub payouts: BTreeMap<u64, (u64, u64, Payout)>,
    pub tasks: BTreeMap<u64, (u64, u64, bool)>,
    /// Whether the last command was carried out, found done, or refused.
    pub last: Option<Said>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Said {
    Done,
    Already,
    No,
}

impl Paper {
    pub fn held(&self) -> u64 {
        self.holds.values().filter(|hold| hold.open).map(|hold| hold.ceiling).sum()
    }

    fn take(&mut self, amount: u64) -> bool {
        let covered = amount <= self.free;
        self.free -= if covered { amount } else { 0 };
        covered
    }

    /// What goes out of the house: not what can only be spent. Uses under way have that first.
    fn let_out(&mut self, amount: u64) -> bool {
        let bound = self.limit.unwrap_or(0).saturating_sub(self.held());
        amount + bound <= self.free && self.take(amount)
    }

    /// What was really spent is first of all what can only be spent. How much of it that was.
    fn spend(&mut self, amount: u64) -> u64 {
        let Some(limit) = &mut self.limit else { return 0 };
        let spent = amount.min(*limit);
        *limit -= spent;
        spent
    }

    fn earn(&mut self, amount: u64) {
        self.earned += i64::try_from(amount).unwrap();
    }

    pub fn carry_out(&mut self, command: &Command) -> Said {
        let done = |yes| if yes { Said::Done } else { Said::No };
        match *command {
            Command::TopUp(n, msat) => match self.topups.get(&n) {
                Some(asked) if *asked == msat => Said::Already,
                Some(_) => Said::No,
                None => {
                    self.topups.insert(n, msat);
                    self.free += msat;
                    Said::Done
                }
            },
            Command::Claim(n, has_secret) => {
                let Some(asked) = self.topups.get(&n).copied() else { return Said::No };
                match (self.claims.get(&n), has_secret) {
                    (None, true) => {
                        self.claims.insert(n, true);
                        Said::Done
                    }
                    (None, false) if self.limit.is_none() => {
                        self.claims.insert(n, false);
                        self.limit_was = asked.min(self.free + self.held());
                        self.limit = Some(self.limit_was);
                        Said::Done
                    }
                    (Some(false), true) => {
                        self.claims.insert(n, true);
                        self.limit = None;
                        Said::Done
                    }
                    (Some(true), true) => Said::Already,
                    (_, false) => Said::No,
                }
            }
            Command::Debit(n, msat) => match self.uses.get(&n) {
                Some(Use::Taken(was, _) | Use::Delivered(was) | Use::Back(was)) => {
                    if *was == msat {
                        Said::Already
                    } else {
                        Said::No
                    }
                }
                None => {
                    let covered = self.take(msat);
                    if covered {
                        self.earn(msat);
                        let limited = self.spend(msat);
                        self.uses.insert(n, Use::Taken(msat, limited));
                    }
                    done(covered)
                }
            },
            Command::GiveBack(n) => match self.uses.get(&n).cloned() {
                Some(Use::Taken(msat, limited)) => {
                    self.free += msat;
                    self.limit = self.limit.map(|limit| (limit + limited).min(self.limit_was));
                    self.earned -= i64::try_from(msat).unwrap();
                    self.uses.insert(n, Use::Back(msat));
                    Said::Done
                }
                Some(Use::Back(_)) => Said::Already,
                _ => Said::No,
            },
            Command::Deliver(n) => match self.uses.get(&n).cloned() {
                Some(Use::Taken(msat, _) | Use::Delivered(msat)) => {
                    self.uses.insert(n, Use::Delivered(msat));
                    Said::Done
                }
                _ => Said::No,
            },
            Command::Place(n, ceiling, estimate) => {
                if estimate > ceiling {
                    return Said::No;
                }
                if let Some(hold) = self.holds.get(&n) {
                    return if (hold.ceiling, hold.estimate) == (ceiling, estimate) { Said::Already } else { Said::No };
                }
                let covered = self.take(ceiling);
                if covered {
                    self.holds.insert(n, Hold { ceiling, estimate, begun: false, seen: None, open: true });
                }
                done(covered)
            }
            Command::Progress(n, seen) => match self.holds.get_mut(&n).filter(|hold| hold.open) {
                Some(hold) => {
                    hold.begun = true;
                    hold.seen = hold.seen.max(seen);
                    Said::Done
                }
                None => Said::No,
            },
            Command::End(n, cost) => {
                let Some(hold) = self.holds.get_mut(&n) else { return Said::No };
                if !hold.open {
                    return Said::Already;
                }
                hold.open = false;
                let guess = if hold.begun { hold.estimate } else { 0 };
                let (ceiling, charge) = (hold.ceiling, cost.or(hold.seen).unwrap_or(guess).min(hold.ceiling));
                self.free += ceiling - charge;
                self.earn(charge);
                self.spend(charge);
                Said::Done
            }
            Command::PayOut(n, msat, fee) => {
                if let Some((was, limit, _)) = self.payouts.get(&n) {
                    return if (*was, *limit) == (msat, fee) { Said::Already } else { Said::No };
                }
                let covered = self.let_out(msat + fee);
                if covered {
                    self.payouts.insert(n, (msat, fee, Payout::Created));
                }
                done(covered)
            }
            Command::Ask(n) => match self.payouts.get_mut(&n) {
                Some((_, _, state @ Payout::Created)) => {
                    *state = Payout::Sent;
                    Said::Done
                }
                Some((_, _, Payout::Failed)) | None => Said::No,
                Some(_) => Said::Already,
            },
            Command::Answer(n, fee) => {
                let Some((msat, limit, state)) = self.payouts.get_mut(&n) else { return Said::No };
                match (&state, fee) {
                    (Payout::Created, _) | (Payout::Failed, Some(_)) => Said::No,
                    (Payout::Paid, _) | (Payout::Failed, None) => Said::Already,
                    (Payout::Sent, None) => {
                        *state = Payout::Failed;
                        self.free += *msat + *limit;
                        Said::Done
                    }
                    (Payout::Sent, Some(fee)) => {
                        *state = Payout::Paid;
                        self.left += *msat + fee;
                        self.free += *limit - fee.min(*limit);
                        self.earned -= i64::try_from(fee - fee.min(*limit)).unwrap();
                        Said::Done
                    }
                }
            }
            Command::Lock(n, msat, fee) => {
                if fee >= msat {
                    return Said::No;
                }
                if let Some((was, part, _)) = self.tasks.get(&n) {
                    return if (*was, *part) == (msat, fee) { Said::Already } else { Said::No };
                }
                let covered = self.let_out(msat);
                if covered {
                    self.tasks.insert(n, (msat, fee, true));
                }
                done(covered)
            }
            Command::Release(n) => match self.tasks.get_mut(&n) {
                Some((msat, fee, open @ true)) => {
                    *open = false;
                    self.away += *msat - *fee;
                    self.earned += i64::try_from(*fee).unwrap();
                    Said::Done
                }
                _ => Said::No,
            },
            Command::GiveUp(n) => match self.tasks.get_mut(&n) {
                Some((msat, _, open @ true)) => {
                    *open = false;
                    self.free += *msat;
                    Said::Done
                }
                _ => Said::No,
            },
        }
    }
}
