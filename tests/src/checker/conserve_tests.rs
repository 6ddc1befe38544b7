//! The checker is checked: each way to lose, double or invent a sat that moved on is found.

use serde_json::{Value, json};

use super::super::compare::tests::{Case, check, judged, line, tries};
use super::super::orders::{Bill, Fate, Refund};
use super::super::wire::Heard;
use super::*;

fn answers(id: &str, end: &str) -> Answers {
    Answers { ids: vec![id.to_owned()], ends: vec![end.to_owned()], refused: None }
}

fn transfer(id: &str, to: Option<usize>, msat: u64, end: &str) -> Transfer {
    let (key, to_id) = (id.to_uppercase(), String::new());
    Transfer { from: 0, to, to_id, msat, key, answers: answers(id, end) }
}

fn payout(id: &str, msat: u64, end: &str) -> Payout {
    let preimage = [7; 32];
    let fate = if end == "failed" { Fate::Fail } else { Fate::Paid };
    let bill = Bill { bolt11: String::new(), hash: hex::encode(Sha256::digest(preimage)), msat, fate };
    let (fee_msat, preimage) = (Some(10), Some(hex::encode(preimage)));
    Payout { account: 0, bill, has_rival: false, key: id.to_uppercase(), fee_msat, preimage, answers: answers(id, end) }
}

/// A sound account that gave 10 sats and got 7, sent 5 to nobody, paid 20 out for 10 msat, and failed to pay 5.
fn busy() -> Case {
    let mut case = Case::sound();
    case.lines.extend([
        line(6, "sent", "t1", -10_000, 88_766),
        line(7, "delivered", "t1", 0, 88_766),
        line(8, "sent", "t2", -5_000, 83_766),
        line(9, "bounced", "t2", 5_000, 88_766),
        line(10, "received", "t3", 7_000, 95_766),
        line(11, "payout_created", "p1", -30_000, 65_766),
        line(12, "payout_sent", "p1", 0, 65_766),
        line(13, "payout_succeeded", "p1", 9_990, 75_756),
        line(14, "payout_created", "p2", -15_000, 60_756),
        line(15, "payout_sent", "p2", 0, 60_756),
        line(16, "payout_failed", "p2", 15_000, 75_756),
    ]);
    case.gives = vec![transfer("t1", Some(1), 10_000, "delivered"), transfer("t2", None, 5_000, "bounced")];
    case.gets = vec![transfer("t3", Some(0), 7_000, "delivered")];
    case.payouts = vec![payout("p1", 20_000, "succeeded"), payout("p2", 5_000, "failed")];
    case.out = [3_000, 20_010];
    case
}

/// The same after somebody did something to it.
#[track_caller]
fn finds(part: &str, change: impl FnOnce(&mut Case)) {
    let mut case = busy();
    change(&mut case);
    check(&case.find(), part);
}

#[test]
fn an_account_that_moved_money_as_it_said_has_no_findings() {
    assert_eq!(busy().find(), Findings::default());
    // What was refused for want of money is nowhere.
    let mut case = busy();
    let mut refused = transfer("t4", Some(1), 1_000, "delivered");
    refused.answers = Answers { refused: Some(402), ..Answers::default() };
    case.gives.push(refused);
    assert_eq!(case.find(), Findings::default());
}

#[test]
fn a_transfer_that_left_not_twice_or_without_an_order_is_found() {
    finds("lost: acc: transfer T4 of 9 msat is acknowledged, and is not in the books", |case| {
        case.gives.push(transfer("t4", Some(1), 9, "delivered"));
    });
    finds("doubled: acc: transfer T1 of 10000 msat left 2 times", |case| {
        case.lines.push(line(17, "sent", "t1", -10_000, 65_756));
    });
    finds("wrong: acc: line 6 is sent of t1, which nobody ordered", |case| {
        case.gives.remove(0);
    });
    finds("wrong: acc: transfer T1 of 9999 msat moved -10000 msat", |case| case.gives[0].msat -= 1);
}

#[test]
fn a_transfer_that_arrived_not_twice_or_from_nobody_is_found() {
    finds("lost: acc: transfer T4 of 9 msat to it was delivered, and never arrived", |case| {
        case.gets.push(transfer("t4", Some(0), 9, "delivered"));
    });
    finds("doubled: acc: transfer T3 of 7000 msat to it arrived 2 times", |case| {
        case.lines.push(line(17, "received", "t3", 7_000, 82_756));
    });
    finds("wrong: acc: line 10 is received of t3, which nobody ordered", |case| case.gets.clear());
    finds("wrong: acc: transfer T3 of 7001 msat to it brought 7000 msat", |case| case.gets[0].msat += 1);
    finds("wrong: acc: transfer T3 of 7000 msat to it arrived, and was not delivered", |case| {
        case.gets[0].answers.ends = vec!["bounced".to_owned()];
    });
}

#[test]
fn a_transfer_that_ended_otherwise_than_it_was_told_is_found() {
    let ended = |end: &'static str| move |case: &mut Case| case.gives[0].answers.ends = vec![end.to_owned()];
    finds("ended as [\"bounced\"], and the books differ", ended("bounced"));
    finds("wrong: acc: transfer T1 of 10000 msat to Some(1) ended otherwise", ended("bounced"));
    finds("ended as [\"delivered\", \"bounced\"]", |case| case.gives[0].answers.ends.push("bounced".to_owned()));
    finds("wrong: acc: transfer T2 of 5000 msat to Some(1) ended otherwise", |case| case.gives[1].to = Some(1));
    finds("wrong: acc: transfer T2 of 5000 msat moved -5000 msat", |case| {
        case.lines.remove(8);
    });
}

/// I10: one key, one effect.
#[test]
fn a_key_with_two_names_or_another_refusal_than_too_little_is_found() {
    finds("doubled: acc: transfer T1 of 10000 msat: one key, and [\"t1\", \"t9\"]", |case| {
        case.gives[0].answers.ids.push("t9".to_owned());
    });
    finds("doubled: acc: payout P1 of 20000 msat: one key, and [\"p1\", \"p9\"]", |case| {
        case.payouts[0].answers.ids.push("p9".to_owned());
    });
    finds("wrong: acc: payout P1 of 20000 msat: refused with Some(409)", |case| {
        case.payouts[0].answers = Answers { refused: Some(409), ..Answers::default() };
    });
    // Refused, and done all the same.
    finds("wrong: acc: line 13 is payout_succeeded of p1, which nobody ordered", |case| {
        case.payouts[0].answers = Answers { refused: Some(402), ..Answers::default() };
    });
}

#[test]
fn a_payout_that_is_missing_doubled_or_costs_something_else_is_found() {
    finds("lost: acc: payout P4 of 9 msat is acknowledged, and is not in the books", |case| {
        case.payouts.push(payout("p4", 9, "succeeded"));
    });
    finds("doubled: acc: payout P1 of 20000 msat was reserved 2 times", |case| {
        case.lines.push(line(17, "payout_created", "p1", -30_000, 45_756));
    });
    finds("wrong: acc: line 14 is payout_created of p2, which nobody ordered", |case| {
        case.payouts.remove(1);
    });
    finds("wrong: acc: payout P1 of 20000 msat moved -20010 msat", |case| case.payouts[0].fee_msat = Some(9));
    finds("wrong: acc: payout P2 of 5000 msat moved -15000 msat", |case| {
        case.lines.pop();
    });
}

#[test]
fn a_payout_without_its_proof_or_with_another_end_is_found() {
    finds("wrong: acc: payout P1 of 20000 msat has no proof", |case| {
        case.payouts[0].preimage = Some(hex::encode([8; 32]));
    });
    finds("wrong: acc: payout P1 of 20000 msat has no proof", |case| case.payouts[0].preimage = None);
    finds("ended as [\"failed\"], and the books differ", |case| {
        case.payouts[0].answers.ends = vec!["failed".to_owned()];
    });
    finds("wrong: acc: payout P2 of 5000 msat failed, and nothing stood in its way", |case| {
        case.payouts[1].bill.fate = Fate::Late;
    });
    let mut case = busy();
    (case.payouts[1].bill.fate, case.payouts[1].has_rival) = (Fate::Late, true);
    assert_eq!(case.find(), Findings::default());
}

#[test]
fn balances_that_do_not_follow_from_what_moved_are_found() {
    finds("wrong: acc: in_transit is Some(2999) msat, and should be 3000", |case| case.out[0] -= 1);
    finds("wrong: acc: node is Some(-79991) msat, and should be -79990", |case| case.out[1] -= 1);
}

fn paid_by(payers: &[&str], received: bool) -> (i128, Vec<String>) {
    let (orders, mut found) =
        (payers.iter().map(|end| payout("p1", 20_000, end)).collect::<Vec<_>>(), Findings::default());
    let out = bills(&orders, &[], &|_| received, &mut found);
    (out, found.lines().map(|line| line.replace(&payout("", 0, "").bill.hash, "h")).collect())
}

/// I6: the wallet is the witness.
#[test]
fn an_invoice_that_was_paid_twice_by_nobody_or_only_in_words_is_found() {
    assert_eq!(paid_by(&["succeeded"], true), (20_010, vec![]));
    assert_eq!(paid_by(&["failed", "succeeded"], true), (20_010, vec![]));
    assert_eq!(paid_by(&["failed"], false), (0, vec![]));
    let found = |payers, received| paid_by(payers, received).1;
    assert_eq!(found(&["succeeded", "succeeded"], true), ["doubled: invoice h of 20000 msat was paid by 2 balances"]);
    assert_eq!(found(&["failed"], true), ["lost: invoice h of 20000 msat was paid, and no balance paid it"]);
    let in_words = "lost: invoice h of 20000 msat is acknowledged as paid, and the wallet has nothing";
    assert_eq!(found(&["succeeded"], false), [in_words]);
}

/// What two books have between them.
fn books(user: i64, in_transit: [i64; 2]) -> Vec<Books> {
    let book = |user: i64, in_transit: i64| {
        let audit =
            json!({"balances_msat": {"user": user, "hold": 1, "fees": 2, "in_transit": in_transit, "payout": 3}});
        Books { audit, ..Books::default() }
    };
    vec![book(user, in_transit[0]), book(10, in_transit[1])]
}

/// I3, I11.
#[test]
fn a_sat_that_is_on_its_way_or_missing_over_all_balances_is_found() {
    let found = |books: &[Books], came_in: i128, went_out: i128| {
        let mut found = Findings::default();
        all(&books.iter().collect::<Vec<_>>(), came_in, went_out, &mut found);
        found.lines().collect::<Vec<_>>()
    };
    assert_eq!(found(&books(20, [5, -5]), 50, 8), [""; 0]);
    assert_eq!(found(&books(15, [5, 0]), 50, 8), ["wrong: 5 msat are on their way at rest"]);
    let all = "wrong: all balances hold 41 msat, and 50 came in and 8 went out";
    assert_eq!(found(&books(19, [5, -5]), 50, 8), [all]);
}

/// A purchase for 3 sats that failed and was given back.
fn given_back() -> Grant {
    let mut invariants = json!({});
    (1..=12).for_each(|n| invariants[format!("I{n}")] = true.into());
    let balances =
        json!({"fees": 0, "node": 0, "user": 0, "hold": 0, "refund": 0, "payout": 0, "in_transit": 0, "escrow": 0});
    let claim = Bill { bolt11: String::new(), hash: "c".to_owned(), msat: 3_000, fate: Fate::Paid };
    let refund = Refund {
        is_owed: true,
        promises: vec![("r".to_owned(), 3)],
        claims: vec![claim],
        is_claimed: true,
        audit: Some(json!({"holds": true, "frozen": null, "invariants": invariants, "balances_msat": balances})),
        ..Refund::default()
    };
    Grant { uses: 1, refund, ..tries(&[Heard::Whole(502), Heard::Whole(402)]) }
}

/// The same after somebody did something to it; the origin saw nothing of it.
#[track_caller]
fn finds_of(part: &str, change: impl FnOnce(&mut Grant)) {
    let mut grant = given_back();
    change(&mut grant);
    let found = judged(&grant, 0, false);
    assert!(found.iter().any(|line| line.contains(part)), "`{part}` is not in {found:#?}");
}

/// T92, T100.
#[test]
fn a_refund_that_is_missing_changed_or_unpaid_is_found() {
    assert_eq!(judged(&given_back(), 0, false), [""; 0]);
    finds_of("failed for good, and nothing is given back", |grant| grant.refund.promises.clear());
    finds_of("the promise changed", |grant| grant.refund.promises.push(("r".to_owned(), 1)));
    finds_of("is not what was paid", |grant| grant.refund.promises[0].1 = 2);
    finds_of("its link pays nobody", |grant| grant.refund.is_claimed = false);
    finds_of("its book cannot be read", |grant| grant.refund.audit = None);
    let audit = |pointer: &'static str, value: Value| {
        move |grant: &mut Grant| {
            if let Some(place) = grant.refund.audit.as_mut().and_then(|audit| audit.pointer_mut(pointer)) {
                *place = value;
            }
        }
    };
    finds_of("\"I6\":false", audit("/invariants/I6", false.into()));
    finds_of("refund is Some(3000) msat, and should be 0", audit("/balances_msat/refund", 3_000.into()));
    // The third failure of a payer costs 2 sats, and they are in the books.
    finds_of("fees is Some(0) msat, and should be 2000", |grant| grant.refund.promises[0].1 = 1);
}

/// T100: the goods or the money.
#[test]
fn goods_that_were_delivered_and_given_back_are_found() {
    let mut both = given_back();
    both.tries = tries(&[Heard::Whole(200)]).tries;
    let found = judged(&both, 1, false);
    assert_eq!(found, ["doubled: grant g of 1: 1 delivered, 0 perhaps, given back"]);
    assert_eq!(judged(&both, 1, true), [""; 0], "the worker died before it was written down");
}

/// T91: a link pays one invoice, and what it promised.
#[test]
fn a_link_that_pays_twice_nobody_or_too_much_is_found() {
    let found = |change: &dyn Fn(&mut Grant), received: &dyn Fn(&str) -> bool| {
        let (mut grant, mut found) = (given_back(), Findings::default());
        change(&mut grant);
        assert_eq!(bills(&[], &[grant], received, &mut found), 0);
        found.lines().collect::<Vec<_>>()
    };
    assert_eq!(found(&|_| (), &|hash| hash == "c"), [""; 0]);
    let told = "grant g: its refund of 3000 msat";
    assert_eq!(found(&|_| (), &|_| false), [format!("lost: {told} is called claimed, and no wallet has it")]);
    let twice = |grant: &mut Grant| {
        let second = Bill { hash: "d".to_owned(), ..grant.refund.claims[0].clone() };
        grant.refund.claims.push(second);
    };
    assert_eq!(found(&twice, &|_| true), [format!("doubled: {told} was paid 2 times")]);
    assert_eq!(found(&twice, &|hash| hash == "d"), [""; 0]);
    let in_silence = found(&|grant| grant.refund.is_claimed = false, &|_| true);
    assert_eq!(in_silence, [format!("wrong: {told} was paid, and is not called claimed")]);
    let too_much = found(&|grant| grant.refund.claims[0].msat = 4_000, &|_| true);
    assert_eq!(too_much, [format!("wrong: {told} paid 4000")]);
}
