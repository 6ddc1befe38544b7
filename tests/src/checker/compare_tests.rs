//! The checker is checked: each way to lose, double or invent a sat is found, and a sound account has none.

use super::super::log::Try;
use super::super::orders::Refund;
use super::*;

const TTL_S: u64 = 6;

pub fn line(seq: u64, kind: &str, subject: &str, amount_msat: i64, balance_msat: i64) -> Line {
    Line { seq, at_s: seq, kind: kind.to_owned(), subject: subject.to_owned(), amount_msat, balance_msat }
}

fn used(tag: &str, cost_msat: u64, heard: Heard) -> Use {
    Use { account: 0, tag: tag.to_owned(), cost_msat, act: Act::Serve, heard, at: Instant::now() }
}

fn paid() -> TopUp {
    TopUp {
        account: Some(0),
        hash: "aa".to_owned(),
        msat: 100_000,
        secret: String::new(),
        preimage: Some(String::new()),
        is_claimed: true,
    }
}

/// A top-up of 100 sats, a use of 1,234 msat, and one that broke off; and what it moved on, if it did.
pub struct Case {
    pub lines: Vec<Line>,
    uses: Vec<Use>,
    topups: Vec<TopUp>,
    pub gives: Vec<Transfer>,
    pub gets: Vec<Transfer>,
    pub payouts: Vec<Payout>,
    /// More to others than from them, and over Lightning: what the operator is told.
    pub out: [i64; 2],
    seen: u32,
    died: bool,
}

impl Case {
    pub fn sound() -> Self {
        let lines = vec![
            line(1, "top_up", "aa", 100_000, 100_000),
            line(2, "hold_placed", "h1", -40_000, 60_000),
            line(3, "hold_ended", "h1", 38_766, 98_766),
            line(4, "hold_placed", "h2", -40_000, 58_766),
            line(5, "hold_ended", "h2", 40_000, 98_766),
        ];
        let uses = vec![used("one", 1_234, Heard::Whole(200)), used("two", 777, Heard::Nothing)];
        let (topups, gives, gets, payouts) = (vec![paid()], Vec::new(), Vec::new(), Vec::new());
        Self { lines, uses, topups, gives, gets, payouts, out: [0, 0], seen: 1, died: false }
    }

    pub fn find(&self) -> Findings {
        let (charged, [given, paid_out]) = (1_234, self.out);
        let balance = self.lines.last().map_or(0, |line| line.balance_msat);
        let mut invariants = json!({});
        (1..=12).for_each(|n| invariants[format!("I{n}")] = true.into());
        let books = Books {
            balance_msat: u64::try_from(balance).unwrap(),
            reserved_msat: 0,
            lines: self.lines.clone(),
            audit: json!({
                "holds": true, "frozen": null, "invariants": invariants,
                "entries": self.lines.len(), "audited": self.lines.len(),
                "balances_msat": {
                    "user": balance, "hold": 0, "escrow": 0, "fees": charged, "node": paid_out - 100_000, "in_transit": given,
                    "refund": 0, "payout": 0,
                },
            }),
        };
        let logged = Logged {
            uses: self.uses.iter().collect(),
            topups: self.topups.iter().collect(),
            gives: self.gives.iter().collect(),
            gets: self.gets.iter().collect(),
            payouts: self.payouts.iter().collect(),
        };
        let (seen, died) = (|_: &str| self.seen, |_: Instant| self.died);
        account("acc", &books, &logged, &World { seen: &seen, died: &died, hold_ttl_s: TTL_S })
    }
}

#[track_caller]
pub fn check(found: &Findings, part: &str) {
    let all: Vec<_> = found.lines().collect();
    assert!(all.iter().any(|line| line.contains(part)), "`{part}` is not in {all:#?}");
}

#[test]
fn a_sound_account_has_no_findings() {
    assert_eq!(Case::sound().find(), Findings::default());
}

#[test]
fn a_whole_answer_without_its_charge_is_lost() {
    let mut case = Case::sound();
    case.uses.push(used("three", 55, Heard::Whole(200)));
    check(&case.find(), "lost: acc: use three for 55 msat, heard Whole(200), and is not charged");
    // A kill explains it, but only together with a hold that was swept.
    case.died = true;
    check(&case.find(), "lost: acc: 1 answers are not charged, and only 0 holds were swept");
    case.lines[4].at_s = case.lines[3].at_s + TTL_S;
    case.uses.retain(|used| used.tag != "two");
    let found = case.find();
    assert_eq!((found.lines().collect::<Vec<_>>(), found.swept, found.explained), (vec![], 1, 1));
    // One second earlier it was given back for another reason.
    case.lines[4].at_s -= 1;
    check(&case.find(), "only 0 holds were swept");
}

#[test]
fn a_use_that_is_charged_twice_is_doubled() {
    let mut case = Case::sound();
    case.lines.push(line(6, "hold_placed", "h3", -40_000, 58_766));
    case.lines.push(line(7, "hold_ended", "h3", 38_766, 97_532));
    case.uses.push(used("three", 55, Heard::Nothing));
    check(&case.find(), "doubled: acc: use one for 1234 msat, heard Whole(200), charged 2 times");
}

#[test]
fn a_hold_that_ends_twice_is_doubled() {
    let mut case = Case::sound();
    case.lines.push(line(6, "hold_ended", "h1", 0, 98_766));
    check(&case.find(), "doubled: acc: line 6 ends a hold that is not open");
}

#[test]
fn a_request_that_the_origin_saw_twice_is_doubled() {
    let mut case = Case { seen: 2, ..Case::sound() };
    check(&case.find(), "doubled: acc: use one");
    // Unless it hung up, and so said nothing that could have been charged.
    case.uses.iter_mut().for_each(|used| used.act = Act::HangUp);
    case.uses[0].heard = Heard::Whole(502);
    let found = case.find();
    assert_eq!((found.doubled.len(), found.wrong.len()), (0, 1), "{found:?}");
    check(&found, "wrong: acc: use one for 1234 msat, heard Whole(502), and is charged");
}

#[test]
fn a_charge_that_no_request_asked_for_is_found() {
    let mut case = Case::sound();
    case.uses[0].cost_msat = 1_235;
    check(&case.find(), "wrong: acc: 1234 msat are charged 1 times, and no use cost that");
}

#[test]
fn a_charge_for_a_refusal_or_a_failure_is_found() {
    let mut case = Case::sound();
    case.uses[0].heard = Heard::Whole(502);
    check(&case.find(), "wrong: acc: use one for 1234 msat, heard Whole(502), and is charged");
    case.uses[0].heard = Heard::Cut(200);
    assert_eq!(case.find(), Findings::default());
    case.uses[0].act = Act::Cut;
    check(&case.find(), "and the origin failed");
    let unseen = Case { seen: 0, ..Case::sound() };
    check(&unseen.find(), "is charged, and the origin never saw it");
}

#[test]
fn a_refused_use_that_reached_the_origin_is_found() {
    let mut case = Case::sound();
    case.uses.push(used("three", 55, Heard::Whole(402)));
    check(&case.find(), "use three for 55 msat, heard Whole(402), and reached the origin");
}

#[test]
fn a_payment_that_is_missing_doubled_or_nobodys_is_found() {
    let mut case = Case::sound();
    case.topups.push(TopUp { hash: "bb".to_owned(), ..paid() });
    check(&case.find(), "lost: acc: 100000 msat were paid by bb");
    let mut case = Case::sound();
    case.lines.push(line(6, "top_up", "aa", 100_000, 198_766));
    check(&case.find(), "doubled: acc: aa is credited 2 times");
    let mut case = Case::sound();
    case.topups[0].preimage = None;
    check(&case.find(), "wrong: acc: aa is credited, and nobody paid it");
    case.topups.clear();
    check(&case.find(), "wrong: acc: aa is credited, and nobody ordered it");
    let mut case = Case::sound();
    case.topups[0].msat -= 1;
    check(&case.find(), "wrong: acc: aa asked 99999 msat, line 1 has 100000");
}

#[test]
fn a_gap_and_a_balance_that_does_not_go_on_are_found() {
    let mut case = Case::sound();
    case.lines.iter_mut().skip(3).for_each(|line| line.seq += 1);
    check(&case.find(), "wrong: acc: line 5 follows line 3");
    let mut case = Case::sound();
    case.lines[4].balance_msat += 1;
    check(&case.find(), "wrong: acc: line 5 makes 98767 of 58766 with 40000");
    check(
        &case.find(),
        "wrong: acc: balance 98767 msat, and 100000 came in and 1234 went out, 0 to others and 0 over Lightning",
    );
}

/// Two deliveries for 3 sats, and what was heard of each presentation.
pub fn tries(heard: &[Heard]) -> Grant {
    let tries = heard.iter().map(|heard| Try {
        tag: "t".to_owned(),
        act: Act::Serve,
        heard: *heard,
        again: vec![],
        at: Instant::now(),
    });
    Grant {
        name: "g".to_owned(),
        path: "/counted/it",
        credential: String::new(),
        uses: 2,
        msat: 3_000,
        hash: "aa".to_owned(),
        tries: tries.collect(),
        refund: Refund::default(),
        is_over: true,
    }
}

#[track_caller]
fn deliveries(heard: &[Heard], seen: u32, died: bool) -> Vec<String> {
    judged(&tries(heard), seen, died)
}

/// What is found about a purchase.
pub fn judged(bought: &Grant, seen: u32, died: bool) -> Vec<String> {
    let (seen, died) = (|_: &str| seen, |_: Instant| died);
    grant(bought, &World { seen: &seen, died: &died, hold_ttl_s: TTL_S }).lines().collect()
}

/// C4, C7: two were paid for.
#[test]
fn a_grant_that_delivers_too_often_or_too_seldom_is_found() {
    let whole = Heard::Whole(200);
    assert_eq!(deliveries(&[whole, whole], 1, false), [""; 0]);
    assert_eq!(deliveries(&[whole, Heard::Nothing], 1, false), [""; 0]);
    assert_eq!(deliveries(&[whole, whole, whole], 1, false), ["doubled: grant g of 2: 3 delivered, 0 perhaps"]);
    assert_eq!(deliveries(&[whole, whole, whole], 1, true), [""; 0]);
    assert_eq!(deliveries(&[whole], 1, false), ["lost: grant g of 2: 1 delivered, 0 perhaps"]);
    let seen_though_refused = deliveries(&[whole, whole, Heard::Whole(402)], 1, false);
    assert_eq!(seen_though_refused, ["wrong: delivery t, heard Whole(402), at the origin 1 times"]);
}

/// T73, I10: a key is answered as often as it is asked, and delivers once.
#[test]
fn a_key_that_delivers_twice_or_forgets_its_answer_is_found() {
    let mut bought = tries(&[Heard::Whole(200), Heard::Whole(200)]);
    for again in [Heard::Whole(200), Heard::Whole(409), Heard::Nothing] {
        bought.tries[0].again = vec![again];
        assert_eq!(judged(&bought, 1, false), [""; 0], "{again:?}");
    }
    let twice = judged(&bought, 2, false);
    assert_eq!(twice[0], "doubled: delivery t, heard Whole(200), at the origin 2 times");
    // Unless it hung up: the runtime may ask again, and nothing was delivered.
    let mut hung_up = tries(&[Heard::Whole(502), Heard::Whole(200), Heard::Whole(200)]);
    assert_eq!(judged(&hung_up, 2, false).len(), 3);
    hung_up.tries.iter_mut().for_each(|tried| tried.act = Act::HangUp);
    assert_eq!(judged(&hung_up, 2, false), [""; 0]);
    bought.tries[0].again = vec![Heard::Whole(402)];
    let forgotten = "lost: delivery t, heard Whole(200), at the origin 1 times; and again under its key Whole(402)";
    assert_eq!(judged(&bought, 1, false), [forgotten]);
}
