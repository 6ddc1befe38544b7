//! A reference model of one account, written from the rules in plain arithmetic, beside the real thing
//! (`proptest-state-machine`): the same commands, the same answers, the same balances, for any sequence.

#[path = "../support/mod.rs"]
mod support;

mod paper;

use l402::Msat;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use satstile_ledger::escrow::{self, AtDeadline, NewEscrow, Who};
use satstile_ledger::hold::{self, Ending, NewHold, Progress};
use satstile_ledger::payout::{self, NewPayout, NodeAnswer, Outcome, Payee};
use satstile_ledger::topup::{self, Secretless, Settlement, Terms, Tokens, secret_digest};
use satstile_ledger::{Refusal, Step, spend};

use paper::{Command, Paper, Payout, Said};
use support::store::{Outside, Put, Store, audited};
use support::{ALICE, BOB, NOW, hash, id, preimage};

impl ReferenceStateMachine for Paper {
    type State = Self;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Command> {
        let (n, msat, fee) = (0..4_u64, 1..200_u64, 0..20_u64);
        prop_oneof![
            3 => (0..9_u64, 1..3_u64).prop_map(|(n, times)| Command::TopUp(n, 100 * times)),
            2 => (0..9_u64, prop::bool::weighted(0.3)).prop_map(|(n, has_secret)| Command::Claim(n, has_secret)),
            2 => (n.clone(), 0..200_u64).prop_map(|(n, msat)| Command::Debit(n, msat)),
            1 => n.clone().prop_map(Command::GiveBack),
            1 => n.clone().prop_map(Command::Deliver),
            2 => (n.clone(), msat.clone(), msat.clone()).prop_map(|(n, a, b)| Command::Place(n, a, b)),
            1 => (n.clone(), prop::option::of(msat.clone())).prop_map(|(n, seen)| Command::Progress(n, seen)),
            2 => (n.clone(), prop::option::of(0..300_u64)).prop_map(|(n, cost)| Command::End(n, cost)),
            2 => (n.clone(), msat.clone(), fee.clone()).prop_map(|(n, msat, fee)| Command::PayOut(n, msat, fee)),
            2 => n.clone().prop_map(Command::Ask),
            2 => (n.clone(), prop::option::of(fee.clone())).prop_map(|(n, fee)| Command::Answer(n, fee)),
            1 => (n.clone(), msat, fee).prop_map(|(n, msat, fee)| Command::Lock(n, msat, fee)),
            1 => n.clone().prop_map(Command::Release),
            1 => n.prop_map(Command::GiveUp),
        ]
        .boxed()
    }

    fn apply(mut state: Self, command: &Command) -> Self {
        state.last = Some(state.carry_out(command));
        state
    }
}

const SECRET: [u8; 32] = [5; 32];

/// The real thing.
struct Real;

fn write<R: Put>(store: &mut Store, decision: Result<Step<R>, Refusal>) -> Said {
    match decision {
        Ok(step) => {
            let said = if matches!(step, Step::Already) { Said::Already } else { Said::Done };
            store.write(step);
            said
        }
        Err(_) => Said::No,
    }
}

fn row<R: Put>(store: &mut Store, row: Result<R, Refusal>) -> Said {
    row.map_or(Said::No, |row| {
        row.put(store);
        Said::Done
    })
}

fn carry_out(store: &mut Store, command: &Command) -> Said {
    let book = store.book;
    match *command {
        Command::TopUp(n, msat) => {
            let n = 1_000 + n;
            match topup::open(
                &book,
                store.topups.get(&hash(n)),
                hash(n),
                Msat(msat),
                Terms::with(secret_digest(&SECRET), Secretless::Spend),
            ) {
                Ok(opened) => opened.put(store),
                Err(_) => return Said::No,
            }
            let settlement = Settlement { payment_hash: hash(n), paid: Msat(msat), node_fee: Msat(0) };
            let decision = topup::credit(&book, store.topups.get(&hash(n)), &settlement, NOW);
            write(store, decision)
        }
        Command::Claim(n, has_secret) => {
            let n = 1_000 + n;
            let secret = has_secret.then_some(SECRET);
            let claim = topup::Claim { preimage: preimage(n), secret, bearer: None };
            match topup::claim(&book, store.topups.get(&hash(n)), &claim) {
                Ok(accepted) => {
                    store.book = accepted.book;
                    accepted.row.put(store);
                    if accepted.tokens == Tokens::Again { Said::Already } else { Said::Done }
                }
                Err(_) => Said::No,
            }
        }
        Command::Debit(n, msat) => {
            let id = id("use", n);
            let decision = spend::debit(&book, store.uses.get(&id), id, Msat(msat), &mut [], NOW);
            write(store, decision)
        }
        Command::GiveBack(n) => match store.uses.get(&id("use", n)).copied() {
            Some(used) => write(store, spend::give_back(&book, &used, &mut [], NOW)),
            None => Said::No,
        },
        Command::Deliver(n) => match store.uses.get(&id("use", n)).copied() {
            Some(used) => row(store, spend::delivered(&used)),
            None => Said::No,
        },
        Command::Place(n, ceiling, estimate) => {
            let id = id("hold", n);
            let new = NewHold { id, ceiling: Msat(ceiling), estimate: Msat(estimate), ttl_s: 60 };
            let decision = hold::place(&book, store.holds.get(&id), &new, &mut [], NOW);
            write(store, decision)
        }
        Command::Progress(n, seen) => match store.holds.get(&id("hold", n)).copied() {
            Some(hold) => {
                let seen = seen.map_or(Progress::Begun, |msat| Progress::Seen(Msat(msat)));
                row(store, hold::progress(&book, &hold, seen, 60, NOW))
            }
            None => Said::No,
        },
        Command::End(n, cost) => match store.holds.get(&id("hold", n)).copied() {
            Some(hold) => {
                let ending = cost.map_or(Ending::Broken, |msat| Ending::Used(Msat(msat)));
                write(store, hold::end(&book, &hold, ending, &mut [], NOW))
            }
            None => Said::No,
        },
        Command::PayOut(n, msat, fee) => {
            let new =
                NewPayout { id: id("payout", n), payment_hash: hash(n), amount: Msat(msat), fee_limit: Msat(fee) };
            let decision = payout::create(&book, store.payouts.get(&new.id), &new, Payee::Elsewhere, NOW);
            write(store, decision)
        }
        Command::Ask(n) => match store.payouts.get(&id("payout", n)).cloned() {
            Some(payout) => write(store, payout::send(&book, &payout, NOW)),
            None => Said::No,
        },
        Command::Answer(n, fee) => match store.payouts.get(&id("payout", n)).cloned() {
            Some(payout) => {
                let answer = fee
                    .map_or(NodeAnswer::Failed, |fee| NodeAnswer::Succeeded { preimage: preimage(n), fee: Msat(fee) });
                match payout::answer(&book, &payout, &answer, NOW) {
                    Ok(Outcome::Over(step)) => write(store, Ok(step)),
                    Ok(_) => panic!("a definite answer is the end"),
                    Err(_) => Said::No,
                }
            }
            None => Said::No,
        },
        Command::Lock(n, msat, fee) => {
            let new = NewEscrow {
                id: id("task", n),
                contractor: BOB,
                amount: Msat(msat),
                fee: Msat(fee),
                deadline: NOW.plus(600),
                at_deadline: AtDeadline::Return,
            };
            let decision = escrow::lock(&book, store.escrows.get(&new.id), &new, NOW);
            write(store, decision)
        }
        Command::Release(n) => decide(store, n, escrow::Act::Confirm, Who::Account(ALICE)),
        Command::GiveUp(n) => decide(store, n, escrow::Act::GiveUp, Who::Account(BOB)),
    }
}

fn decide(store: &mut Store, n: u64, what: escrow::Act, who: Who) -> Said {
    let Some(task) = store.escrows.get(&id("task", n)).copied() else { return Said::No };
    match escrow::act(&store.book, &task, what, who, 1, NOW) {
        // The same ending again: on paper that is a no, for nothing is done.
        Ok(Step::Already) => Said::No,
        decision => write(store, decision),
    }
}

impl StateMachineTest for Real {
    type SystemUnderTest = Store;
    type Reference = Paper;

    fn init_test(_: &Paper) -> Store {
        Store::new(ALICE)
    }

    fn apply(mut store: Store, paper: &Paper, command: Command) -> Store {
        let said = carry_out(&mut store, &command);
        assert_eq!(Some(said), paper.last, "{command:?}");
        store
    }

    fn check_invariants(store: &Store, paper: &Paper) {
        let signed = |amount: u64| i64::try_from(amount).unwrap();
        let balances = store.book.balances;
        let reserved: u64 = paper
            .payouts
            .values()
            .filter(|(_, _, state)| matches!(state, Payout::Created | Payout::Sent))
            .map(|(msat, fee, _)| msat + fee)
            .sum();
        let locked: u64 = paper.tasks.values().filter(|task| task.2).map(|task| task.0).sum();
        assert_eq!(store.book.limit.map(|limit| limit.left.0), paper.limit);
        assert_eq!(balances.user, signed(paper.free));
        assert_eq!(balances.hold, signed(paper.held()));
        assert_eq!(balances.fees, paper.earned);
        assert_eq!(balances.payout, signed(reserved));
        assert_eq!(balances.escrow, signed(locked));
        assert_eq!(balances.in_transit, signed(paper.away));
        assert_eq!(balances.node, signed(paper.left) - signed(paper.topups.values().sum()));
        assert_eq!(audited(std::slice::from_ref(store), NOW, &Outside::default()), Ok(()));
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// T71, T73, T77: any order of any commands conserves, and answers as the paper says.
    #[test]
    fn the_ledger_does_what_the_paper_says(sequential 1..60 => Real);
}
