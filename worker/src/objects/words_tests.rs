//! The bytes of every message between the Worker and its objects, pinned (A19, T86). Whoever changes one of these texts
//! changes the wire, and with it the number in `words.rs`.

use core::fmt::Debug;

use l402::{Msat, PaymentHash};
use satstile_ledger::Id;

use super::account::Promise;
use super::account::*;
use super::words::{Words, number, unnumber};
use super::*;
use super::{Claim, Claimed};

/// What is said is this text; what is heard says it again; and a text with a line more or a line less is refused.
#[track_caller]
fn pin<T: Words + Debug>(message: T, text: &str) {
    assert_eq!(message.say(), text);
    assert_eq!(T::hear(text).map(|heard| heard.say()).ok().as_deref(), Some(text));
    assert!(T::hear(&format!("{text}\n")).is_err(), "a line too many: {text:?}");
    assert!(T::hear(&format!("{text}\nx")).is_err(), "a word too many: {text:?}");
    if let Some((shorter, _)) = text.rsplit_once('\n') {
        assert!(T::hear(shorter).is_err(), "a word too few: {text:?}");
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_messages_about_a_balance_are_pinned_a19() {
    let (account, hash, reference) = (text("aa"), text("bb"), text("id-7"));
    let open = OpenTopUp {
        account,
        hash,
        asked_msat: 120_000,
        secret: some("cc"),
        secretless: 2,
        reference,
        ends_at: 1_900_000_000,
        is_refill: false,
    };
    pin(open, "aa\nbb\n120000\n+cc\n2\nid-7\n1900000000\n0");
    let (hash, account, reference) = (text("bb"), text("aa"), text("69"));
    let list = List {
        hash,
        account,
        asked_msat: 120_000,
        secret: some("cc"),
        secretless: 0,
        reference,
        ends_at: 1_900_000_000,
        is_refill: true,
    };
    pin(list, "bb\naa\n120000\n+cc\n0\n69\n1900000000\n1");
    let listed = Listed {
        account: text("aa"),
        is_credited: true,
        asked_msat: 7,
        secret: None,
        secretless: 1,
        reference: text(""),
        ends_at: 5,
        is_refill: false,
    };
    pin(listed, "aa\n1\n7\n-\n1\n\n5\n0");
    pin(Note { hash: text("bb"), about: text("aa") }, "bb\naa");
    pin(Looked { is_settled: false, may_look: true }, "0\n1");
    pin(Stood { stood: true }, "1");
    pin(SeeTopUp { hash: text("bb") }, "bb");
    let seen = TopUpSeen { asked_msat: 7, is_credited: true, reference: text(""), is_refill: true };
    pin(seen, "7\n1\n\n1");
    pin(Look { hash: text("bb"), asked_msat: 7, reference: text("69") }, "bb\n7\n69");
    pin(LetGo { hash: text("bb"), account: text("aa") }, "bb\naa");
    pin(Credit { hash: text("bb"), paid_msat: 7, node_fee_msat: 3 }, "bb\n7\n3");
    let preimage = text("dd");
    let claim = account::Claim { preimage, secret: None, bearer: some("ee"), digest: text("ff"), sealed: some("99") };
    pin(claim, "dd\n-\n+ee\nff\n+99");
    let claimed =
        account::Claimed { available_msat: 7, credited_msat: 5, spend_only_msat: 4, is_kept: false, sealed: None };
    pin(claimed, "7\n5\n4\n0\n-");
    let reserve = Reserve { token: text("ee"), id: text("11"), ceiling_msat: 9, estimate_msat: 4, ttl_s: 60 };
    pin(reserve, "ee\n11\n9\n4\n60");
    pin(Seen { id: text("11"), seen_msat: 3 }, "11\n3");
    pin(End { id: text("11"), cost_msat: Some(0), has_begun: true }, "11\n+0\n1");
    pin(Left { available_msat: 3 }, "3");
    pin(Change { by: text("ee"), about: text("ff") }, "ee\nff");
    pin(
        SeeSheet { account: text("aa"), by: text("ee"), before: u64::MAX, limit: 20 },
        "aa\nee\n18446744073709551615\n20",
    );
    pin(Sheet { json: text("{\"balance_sats\":1, \"history\":[]}") }, "{\"balance_sats\":1, \"history\":[]}");
    pin(No { status: 409, reason: text("the money is on its way") }, "409\nthe money is on its way");
    pin(Answer::<Left>::Ok(Left { available_msat: 3 }), "+3");
    pin(Answer::<Left>::Err(No { status: 402, reason: text("-") }), "-402\n-");
    pin(Answer::<()>::Ok(()), "+");
}

#[test]
fn the_messages_about_what_leaves_a_book_are_pinned_a19() {
    let (by, id, hash, bolt11) = (|| text("ee"), || text("11"), || text("bb"), || text("lnbcrt1"));
    let keyed = Keyed { id: Id([0x11; 32]), request: Id([0x22; 32]) };
    let named = format!("{} {}", "11".repeat(32), "22".repeat(32));
    let out = PayOut {
        by: by(),
        id: id(),
        hash: hash(),
        amount_msat: 9,
        fee_limit_msat: 2,
        bolt11: bolt11(),
        keyed: Some(keyed),
    };
    pin(out, &format!("ee\n11\nbb\n9\n2\nlnbcrt1\n+{named}"));
    let answer = PayAnswer { id: id(), state: text("succeeded"), preimage: some("dd"), fee_msat: None, store_since: 5 };
    pin(answer, "11\nsucceeded\n+dd\n-\n5");
    pin(SeePayout { by: by(), id: id(), keyed: None }, "ee\n11\n-");
    let order = || Order { id: id(), hash: hash(), amount_msat: 9, fee_limit_msat: 2, bolt11: bolt11(), is_send: true };
    pin(order(), "11\nbb\n9\n2\nlnbcrt1\n1");
    let seen = PayoutSeen {
        state: text("pending"),
        amount_msat: 9,
        hash: hash(),
        fee_limit_msat: 2,
        fee_msat: None,
        preimage: None,
        available_msat: 3,
        order: Some(order()),
        stays_here: false,
        is_refund: true,
    };
    pin(seen, "pending\n9\nbb\n2\n-\n-\n3\n+11 bb 9 2 lnbcrt1 1\n0\n1");
    let send = Send { by: by(), id: id(), to: text("aa"), amount_msat: 9, invoice: None, keyed: Some(keyed) };
    pin(send, &format!("ee\n11\naa\n9\n-\n+{named}"));
    let (from, to) = (text("a1"), text("a2"));
    let credit = CreditOrder { id: id(), from, to, amount_msat: 9, invoice: some("bb"), is_canceled: false };
    pin(credit.clone(), "11\na1\na2\n9\n+bb\n0");
    pin(Acked { id: id(), by: text("a2"), accepted: true }, "11\na2\n1");
    let seen = TransferSeen { state: text("pending"), available_msat: 3, order: Some(credit) };
    pin(seen, "pending\n3\n+11 a1 a2 9 +bb 0");
    let promise = Promise { hash: hash(), paid_msat: 9, node_fee_msat: 2, id: id(), amount_msat: 7, ttl_s: 60 };
    pin(promise, "bb\n9\n2\n11\n7\n60");
    pin(SeeRefund { id: id() }, "11");
    let seen = RefundSeen { amount_msat: 7, status: text("pending"), is_open: true, expires_at: 5, payout: text("33") };
    pin(seen, "7\npending\n1\n5\n33");
    let collect = Collect { id: id(), hash: hash(), amount_msat: 7, fee_limit_msat: 1, bolt11: bolt11() };
    pin(collect, "11\nbb\n7\n1\nlnbcrt1");
}

#[test]
fn the_messages_about_a_session_are_pinned_a19() {
    let (session, hash) = (|| text("bb"), || text("b2"));
    let open = OpenSession {
        hash: session(),
        preimage: text("dd"),
        deposit_msat: 9,
        paid_msat: Some(10),
        node_fee_msat: 7,
        return_hash: text("b3"),
        return_bolt11: text("lnbcrt1"),
        idle_s: 300,
    };
    pin(open, "bb\ndd\n9\n+10\n7\nb3\nlnbcrt1\n300");
    pin(WaitDeposit { hash: hash(), asked_msat: 9, ends_at: 5 }, "b2\n9\n5");
    pin(LacksDeposit { session: session(), hash: hash() }, "bb\nb2");
    let more = TopUpSession {
        session: session(),
        hash: hash(),
        deposit_msat: 9,
        paid_msat: None,
        node_fee_msat: 0,
        limit_msat: 99,
    };
    pin(more, "bb\nb2\n9\n-\n0\n99");
    let meter = Meter {
        session: session(),
        by: Some(hash()),
        end: None,
        used: 0,
        begin: some("11"),
        want: 16,
        unit_msat: 2,
        ttl_s: 60,
    };
    pin(meter, "bb\n+b2\n-\n0\n+11\n16\n2\n60");
    pin(Metered { units: 16, spent_msat: 4, available_msat: 3 }, "16\n4\n3");
    let close = CloseSession {
        session: session(),
        by: None,
        is_alarm: true,
        fee_ppm: 5_000,
        fee_min_msat: 1_000,
        return_hash: None,
        return_bolt11: None,
    };
    pin(close, "bb\n-\n1\n5000\n1000\n-\n-");
    pin(SessionSeen { refund_sats: 7, status: text("pending"), order: None }, "7\npending\n-");
}

#[test]
fn the_messages_about_a_payment_are_pinned_a19() {
    let settlement = || Settlement { amount_msat: 21_000, preimage: text(""), settled_at: 5 };
    pin(settlement(), "21000\n\n5");
    pin(Settle { settlement: settlement(), until: 9 }, "21000  5\n9");
    pin(Ended { settlement: Some(settlement()), may_look: false }, "+21000  5\n0");
    pin(Settled::New, "New");
    pin(Settled::Known, "Known");
    pin(Settled::Contradiction, "Contradiction");
    let keyed = || Keyed { id: Id([0x11; 32]), request: Id([0x22; 32]) };
    let count = Count { once: false, limit: Some(3), amount: 7, caps: Caps::default() };
    let claim = Claim { id: text("11"), count, lease_s: 60, until: 9, keyed: Some(keyed()) };
    let (name, request) = ("11".repeat(32), "22".repeat(32));
    pin(claim, &format!("11\n0 +3 7 \n60\n9\n+{name} {request}"));
    let chain = l402::caps::Chain {
        caps: vec![l402::caps::Cap { place: 0, limit: l402::caps::Limit::Budget(Msat(7)) }],
        caveats: vec![b"satstile_budget_msat=7".to_vec()],
    };
    let caps = Caps::of(&PaymentHash([3; 32]), &[chain]);
    let link = satstile_ledger::caps::link(&PaymentHash([3; 32]), None, b"satstile_budget_msat=7");
    let claim = Claim {
        id: text("11"),
        count: Count { once: true, limit: None, amount: 7, caps },
        lease_s: 60,
        until: 9,
        keyed: None,
    };
    pin(claim, &format!("11\n1 - 7 {}//+7/-\n60\n9\n-", hex::encode(link.0)));
    pin(Claimed::Granted { keeps: true }, "granted 1");
    pin(Claimed::InFlight, "in-flight ");
    pin(Claimed::UsedUp(Some(0)), "used-up +0");
    pin(Claimed::Full, "full ");
    pin(Claimed::KeyReused, "key-reused ");
    let kept: Claimed = Words::hear("answered QQ==").unwrap();
    assert_eq!(kept.say(), "answered QQ==");
    pin(Conclude { id: text("11"), delivered: true, answer: some("QQ==") }, "11\n1\n+QQ==");
    pin(Concluded { keeps: true }, "1");
    pin(Fail { id: text("11"), code: text("TIMEOUT"), payer: text("p") }, "11\nTIMEOUT\np");
    pin(Failed { code: None, payer: text("") }, "-\n");
    pin(Refundable { amount_msat: 7 }, "7");
    pin(Own { account: text("aa"), instead_of: None }, "aa\n-");
    pin(Owner { account: some("aa") }, "+aa");
    let hand = Hand { code: text("cc"), credential: text("t:p"), path: text("/a b"), until: 9 };
    pin(hand, "cc\nt:p\n/a b\n9");
    pin(Handed { ends_at: 9, retry_after_s: 0 }, "9\n0");
    pin(Open { code: text("cc"), keep: true }, "cc\n1");
    pin(Opened { credential: text("t:p"), path: text("/a") }, "t:p\n/a");
}

#[test]
fn the_messages_about_counts_are_pinned_a19() {
    pin(Take { count: 5, window_s: 60 }, "5\n60");
    pin(Taken { remaining: Some(4) }, "+4");
    pin(routing::Reserve { payout: text("33"), limit_msat: 1_000, day_max_msat: 9 }, "33\n1000\n9");
    pin(routing::Reserved::Yes, "Yes");
    pin(routing::Reserved::No, "No");
    pin(routing::Cost { payout: text("33"), msat: 0 }, "33\n0");
    pin(Bind { id: text("44"), hash: text("bb") }, "44\nbb");
    pin(Bound::Here, "Here");
    pin(Bound::Elsewhere, "Elsewhere");
    pin(mint_budget::Lease { bucket: text("invoices"), per_minute: 60, want: 20 }, "invoices\n60\n20");
    pin(mint_budget::Leased { granted: 20, retry_after_s: 0 }, "20\n0");
    pin(mint_budget::Turn { client: "c".to_owned(), per_s: 20 }, "c\n20");
    let counts = Counts {
        challenges: 1,
        settled: 2,
        settled_msat: 3,
        allowed: 4,
        would_charge: 5,
        would_charge_msat: -6,
        node_fee_msat: 7,
    };
    pin(counts, "1\n2\n3\n4\n5\n-6\n7");
}

/// A message that nobody pinned would be a wire that changes unseen.
#[test]
fn no_message_is_left_out_of_these_tests_a19() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/objects");
    let here = include_str!("words_tests.rs");
    let (mut folders, mut found) = (vec![source], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            for line in std::fs::read_to_string(&path).unwrap().lines() {
                let named = ["words!(", "one_word!("].iter().find_map(|opening| line.strip_prefix(opening));
                let Some((name, _)) = named.and_then(|rest| rest.split_once(" {")) else { continue };
                found += 1;
                let is_pinned = here.contains(&format!("{name} {{")) || here.contains(&format!("{name}::"));
                assert!(is_pinned, "{name} of {} is not pinned in words_tests.rs", path.display());
            }
        }
    }
    assert!(found >= 40, "{found}");
}

/// What the older form took: any text for "no", any text for "yes, this one", what is not in the message.
#[test]
fn what_is_not_written_as_we_write_it_is_refused_a19() {
    let refused = |text: &str| TopUpSeen::hear(text).is_err();
    assert!(!refused("7\n1\nid\n0"));
    for odd in ["7\ntrue\nid\n0", "7\n1\nid\n", "7\n1\nid\n2", "+7\n1\nid\n0", "07\n1\nid\n0", "7\n1\nid", ""] {
        assert!(refused(odd), "{odd:?}");
    }
    assert!(Owner::hear("aa").is_err() && Owner::hear("").is_err());
    assert!(<() as Words>::hear("7").is_err());
    // A message to an older object: the word that it lacks would have been a "no".
    assert!(OpenTopUp::hear("aa\nbb\n120000\n-\n2\nid-7\n1900000000").is_err());
}

#[test]
fn a_line_break_in_a_word_is_refused_by_who_hears_it_a19() {
    let broken = Own { account: text("aa\n-"), instead_of: some("bb") };
    assert!(Own::hear(&broken.say()).is_err());
    let order = Order {
        id: text("1 1"),
        hash: text("bb"),
        amount_msat: 9,
        fee_limit_msat: 2,
        bolt11: text("x"),
        is_send: true,
    };
    let seen = SessionSeen { refund_sats: 7, status: text("pending"), order: Some(order) };
    assert!(SessionSeen::hear(&seen.say()).is_err());
}

/// T86: 503 is what comes of it, since no reply is no answer.
#[test]
fn another_number_is_refused_before_a_word_is_read_a19() {
    assert_eq!(number("7\n1"), "1\n7\n1");
    assert_eq!(unnumber("1\n7\n1").ok(), Some("7\n1"));
    assert_eq!(unnumber("1\n").ok(), Some(""));
    for odd in ["", "1", "2\n7\n1", "\n7", "7\n1", "01\n7", " 1\n7", "+1"] {
        assert!(unnumber(odd).is_err(), "{odd:?}");
    }
}
