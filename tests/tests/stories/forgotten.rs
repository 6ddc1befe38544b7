//! Top-ups that nobody paid leave nothing behind, and none that somebody may have paid is forgotten (F14, F17, T65, T66,
//! T67, T83, T85).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use l402::Preimage;
use l402::relay::{InvoiceState, InvoiceStatus, RelayCall};
use rusqlite::Connection;
use satstile_tests::{Node, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::common::bank::{BALANCE, CLAIM, TOPUP, account_of, audit, funded, kinds, ok, post, sheet, sound, text};
use crate::common::fake_node::{FakeNode, Made, keeping_stack};
use crate::common::{API, Offer, ask, buy, now, plenty, within};

/// The code of the rows that say when an unpaid top-up is looked at.
const UNPAID: i64 = 12;
/// Alarms have their own pace: two of them, five seconds apart, and one that is tried again.
const ALARMS: Duration = Duration::from_secs(60);
/// Longer than an alarm that is due takes to ring.
const A_RING: Duration = Duration::from_secs(6);

/// The objects' databases that have this table, with rows in it.
fn with_rows(stack: &Stack, table: &str) -> Vec<PathBuf> {
    let has_rows = |path: &PathBuf| {
        let database = Connection::open(path).unwrap();
        let has = "SELECT COUNT(*) FROM sqlite_master WHERE name = ?";
        let count = |query: &str| database.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
        database.query_row(has, [table], |row| row.get::<_, i64>(0)).unwrap() > 0
            && count(&format!("SELECT COUNT(*) FROM {table}")) > 0
    };
    stack.workerd.databases().into_iter().filter(has_rows).collect()
}

/// How many objects have anything on the disk. Of one that is empty workerd keeps a file of a page, without a table.
fn on_disk(stack: &Stack) -> usize {
    let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
    let is_used = |path: &PathBuf| bytes(path) + bytes(&path.with_extension("sqlite-wal")) > 4_096;
    stack.workerd.databases().iter().filter(|path| is_used(path)).count()
}

/// The accounts that the index lists, those with money or those with an order that nobody paid.
fn listed(stack: &Stack, is_credited: bool) -> Vec<String> {
    let accounts = |path| {
        let database = Connection::open(path).unwrap();
        let mut rows = database.prepare("SELECT account FROM listing WHERE credited = ?").unwrap();
        rows.query_map([is_credited], |row| row.get(0)).unwrap().map(Result::unwrap).collect::<Vec<String>>()
    };
    with_rows(stack, "listing").into_iter().flat_map(accounts).collect()
}

/// As if every invoice that nobody paid had been over for so many seconds; gives the accounts that were ordered for. The
/// worker is killed for it, for nobody else may write there.
fn later(stack: &mut Stack, seconds: u64) -> Vec<String> {
    stack.workerd.kill();
    let ended = now().0 - seconds;
    for path in with_rows(stack, "listing") {
        let set = "UPDATE listing SET due = ?, ends_at = ? WHERE due IS NOT NULL";
        Connection::open(path).unwrap().execute(set, (now().0, ended)).unwrap();
    }
    for path in with_rows(stack, "record") {
        let database = Connection::open(path).unwrap();
        let mut rows = database.prepare("SELECT id, body FROM record WHERE kind = ?").unwrap();
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            rows.query_map([UNPAID], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
        for (id, body) in rows {
            // The form's version and the hash; then when it is over, and when to look.
            let body = [&body[..33], &ended.to_be_bytes(), &now().0.to_be_bytes()].concat();
            let set = "UPDATE record SET due = ?, body = ? WHERE kind = ? AND id = ?";
            assert_eq!(database.execute(set, (now().0, body, UNPAID, id)).unwrap(), 1);
        }
    }
    let accounts = listed(stack, false);
    stack.workerd.start_again();
    accounts
}

/// Whoever asks an account for anything sets an alarm that was lost; here the operator. And who asks an index, here somebody
/// who guesses.
fn ring(stack: &Stack, accounts: &[String]) {
    for account in accounts {
        audit(stack, account);
    }
    poke(stack);
}

/// A preimage that nobody ever had, whose hash begins with this digit.
fn guess(digit: char) -> String {
    let all = (0_u64..).map(|n| Preimage::new([&n.to_be_bytes()[..], &[0x5a; 24]].concat().try_into().unwrap()));
    let mut found = all.filter(|preimage| preimage.payment_hash().to_string().starts_with(digit));
    found.next().unwrap().expose_hex()
}

/// Asks each of the sixteen indexes.
fn poke(stack: &Stack) {
    for digit in "0123456789abcdef".chars() {
        assert_eq!(post(stack, CLAIM, None, &json!({"preimage": guess(digit)})).status, 404);
    }
}

/// How many objects there are, books and hashes.
fn objects(stack: &Stack) -> (usize, usize) {
    (with_rows(stack, "book").len(), with_rows(stack, "owner").len())
}

/// As if all of its invoices had ended an hour and a bit ago.
fn expire(node: &mut Node) {
    node.stop();
    let books = Connection::open(node.database()).unwrap();
    books.execute("UPDATE invoices SET created_at = created_at - 10000, expires_at = expires_at - 10000 WHERE settled_at IS NULL", []).unwrap();
    drop(books);
    node.restart();
}

/// The log has so many lines about this.
fn logged(stack: &Stack, event: &str, n: usize) -> Option<()> {
    let event = format!("\"event\":\"{event}\"");
    (stack.workerd.log().iter().filter(|line| line.contains(&event)).count() >= n).then_some(())
}

#[track_caller]
fn claim(stack: &Stack, made: &Made, token: Option<&str>) -> u16 {
    post(stack, CLAIM, token, &json!({"preimage": made.preimage.expose_hex()})).status
}

/// What the node says when it is asked about an invoice; `None` for no answer.
type Word = Arc<Mutex<Option<InvoiceState>>>;

/// A node that makes right invoices, never pushes, and says of all of them what the story wants.
struct Teller {
    node: FakeNode,
    made: Arc<Mutex<Vec<Made>>>,
    word: Word,
}

impl Teller {
    fn stack(policy: Value) -> (Stack, Self) {
        let word = Word::default();
        let said = Arc::clone(&word);
        let (stack, node, made) = keeping_stack(policy, move |made, line| {
            let Some(status) = *said.lock().unwrap_or_else(PoisonError::into_inner) else {
                return line.unsigned(503, b"");
            };
            let made = made.expect("one of ours");
            if status == InvoiceState::Settled {
                return line.signed(200, &made.settled());
            }
            let amount_msat = Some(made.amount_msat);
            line.signed(
                200,
                &InvoiceStatus { status, amount_msat, preimage: None, settled_at: None, received_msat: None }.to_body(),
            )
        });
        (stack, Self { node, made, word })
    }

    fn says(&self, state: InvoiceState) {
        *self.word.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }

    fn looks(&self) -> usize {
        self.node.calls().iter().filter(|call| matches!(call.call, RelayCall::InvoiceLookup(_))).count()
    }

    /// Orders a top-up that nobody pays yet.
    #[track_caller]
    fn order(&self, stack: &Stack, token: Option<&str>) -> Made {
        ok(post(stack, TOPUP, token, &json!({"amount_sats": 10})));
        self.made.lock().unwrap_or_else(PoisonError::into_inner).last().expect("the node made it").clone()
    }

    /// A balance whose top-up the node says was paid.
    #[track_caller]
    fn funded(&self, stack: &Stack) -> String {
        let made = self.order(stack, None);
        self.says(InvoiceState::Settled);
        text(&ok(post(stack, CLAIM, None, &json!({"preimage": made.preimage.expose_hex()}))), "token")
    }
}

/// T85: nobody pays, and nothing of it is left on the disk; a balance beside it stays what it is. The node and its word
/// are real ones.
#[test]
fn top_ups_that_nobody_paid_leave_nothing_behind() {
    let mut stack = Stack::start(plenty(json!({})));
    let token = funded(&stack, 20);
    // The tables of all indexes.
    let all: Vec<Value> = (0..60).map(|_| ok(post(&stack, TOPUP, None, &json!({"amount_sats": 10})))).collect();
    let before = on_disk(&stack);
    let orders: Vec<Value> = (0..5).map(|_| ok(post(&stack, TOPUP, None, &json!({"amount_sats": 10})))).collect();
    assert_eq!(on_disk(&stack), before, "no object but the indexes");
    let preimages = {
        stack.node_mut().stop();
        let books = Connection::open(stack.node().database()).unwrap();
        let mut found = books.prepare("SELECT preimage FROM invoices WHERE settled_at IS NULL").unwrap();
        let found = found.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        found.map(|preimage| hex::encode(preimage.unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(preimages.len(), 65);
    expire(stack.node_mut());

    let named = later(&mut stack, 3_700);
    assert_eq!(named.len(), 65);
    ring(&stack, &[]);
    within(ALARMS, "all of them to be forgotten", || logged(&stack, "forgotten", 65));
    assert_eq!(on_disk(&stack), before);

    for (preimage, order) in preimages.iter().zip(all.iter().chain(&orders)).step_by(13) {
        let refused = stack.node().try_pay(&text(order, "invoice")).text();
        assert!(refused.contains("expired"), "nobody can pay it any more: {refused}");
        for token in [None, Some(token.as_str())] {
            assert_eq!(post(&stack, CLAIM, token, &json!({"preimage": preimage})).status, 404);
        }
    }
    assert_eq!(sheet(&stack, &token)["balance_sats"], 20);
    sound(&stack, &account_of(&token));
    stack.workerd.kill();
    assert_eq!((objects(&stack), listed(&stack, true)), ((1, 1), vec![account_of(&token)]));
    assert_eq!((listed(&stack, false).len(), with_rows(&stack, "record").len(), on_disk(&stack)), (0, 1, before));
}

/// F17, T20, T65, T66: still pending, not found, no answer: none of them is a "no". It is asked again, with growing pauses,
/// and what was paid at the last moment, its push lost, is credited once and never forgotten (T67, T83).
#[test]
fn what_the_node_does_not_say_definitely_is_kept_and_a_late_payment_is_credited() {
    let (mut stack, node) = Teller::stack(json!({}));
    let made = node.order(&stack, None);
    assert_eq!((claim(&stack, &made, None), node.looks()), (402, 2), "asked, and once more after no answer");
    let mut asked = node.looks();
    for (word, calls) in [(None, 2), (Some(InvoiceState::NotFound), 1), (Some(InvoiceState::Pending), 1)] {
        *node.word.lock().unwrap() = word;
        later(&mut stack, 3_700);
        ring(&stack, &[]);
        within(ALARMS, "the alarm to ask", || (node.looks() == asked + calls).then_some(()));
        std::thread::sleep(A_RING);
        asked += calls;
        assert_eq!(node.looks(), asked, "{word:?}: asked once, and not again before an hour is over");
        assert!(logged(&stack, "forgotten", 1).is_none(), "{word:?}");
    }

    node.says(InvoiceState::Settled);
    let named = later(&mut stack, 3_700);
    ring(&stack, &[]);
    within(ALARMS, "the payment to be credited", || logged(&stack, "credited late", 1));
    within(ALARMS, "the payment to be in the books", || {
        (audit(&stack, &named[0])["balances_msat"]["user"] == 10_000).then_some(())
    });
    let token = text(&ok(post(&stack, CLAIM, None, &json!({"preimage": made.preimage.expose_hex()}))), "token");
    let asked = node.looks();

    // Whatever the node says from now on.
    node.says(InvoiceState::Expired);
    later(&mut stack, 3_700);
    ring(&stack, &[account_of(&token)]);
    std::thread::sleep(A_RING);
    assert_eq!(node.looks(), asked, "nobody asks about a payment that was credited");
    let sheet = sheet(&stack, &token);
    assert_eq!((&sheet["balance_sats"], kinds(&sheet)), (&json!(10), vec!["top_up"]));
    sound(&stack, &account_of(&token));
    stack.workerd.kill();
    assert_eq!(objects(&stack), (1, 1));
}

/// An invoice is over an hour after its time, and not before, whatever the node says.
#[test]
fn nothing_is_asked_before_the_hour_after_an_invoice_is_over() {
    let (mut stack, node) = Teller::stack(json!({}));
    let made = node.order(&stack, None);
    node.says(InvoiceState::Canceled);
    assert_eq!((claim(&stack, &made, None), node.looks()), (402, 1));
    stack.workerd.crash_restart();
    let url = stack.url(BALANCE);
    assert_eq!(http::get(&url, &[("x-token", "abl_junk")]).status, 401);
    assert_eq!((claim(&stack, &made, None), node.looks()), (402, 2));
    std::thread::sleep(A_RING);
    assert_eq!(node.looks(), 2, "no alarm has asked");
    // Even where an alarm comes too early, the books say no.
    later(&mut stack, 3_000);
    ring(&stack, &[]);
    within(ALARMS, "the alarm to ask", || (node.looks() == 3).then_some(()));
    std::thread::sleep(A_RING);
    assert!(logged(&stack, "forgotten", 1).is_none());
    stack.workerd.kill();
    assert_eq!((objects(&stack), listed(&stack, false).len()), ((0, 0), 1));
}

/// T82, T83: a refill that nobody paid is forgotten, and the balance is what it was: what it has, its history, its token.
#[test]
fn a_forgotten_refill_leaves_the_balance_as_it_was() {
    let (mut stack, node) = Teller::stack(json!({}));
    let token = node.funded(&stack);
    let before = sheet(&stack, &token);
    let refill = node.order(&stack, Some(&token));
    node.says(InvoiceState::Expired);
    let named = later(&mut stack, 3_700);
    let account = account_of(&token);
    assert_eq!(named, [account.as_str()]);
    ring(&stack, std::slice::from_ref(&account));
    within(ALARMS, "the refill to be forgotten", || logged(&stack, "forgotten", 1));
    assert_eq!((claim(&stack, &refill, None), claim(&stack, &refill, Some(&token))), (404, 404));
    // Its hash goes as well, and the account's own stays.
    std::thread::sleep(A_RING);
    assert_eq!((claim(&stack, &refill, Some(&token)), sheet(&stack, &token)), (404, before));
    sound(&stack, &account);
    let other = node.order(&stack, Some(&token));
    node.says(InvoiceState::Settled);
    assert_eq!(claim(&stack, &other, Some(&token)), 200, "and business goes on");
    assert_eq!(sheet(&stack, &token)["balance_sats"], 20);
    stack.workerd.kill();
    assert_eq!(objects(&stack), (1, 2));
}

/// F14: killed after the book has forgotten a refill and before its hash is let go. The hash names an account that does not
/// know it: a claim takes nothing and credits nobody, even if the node now says "paid"; and the rest goes after the start.
#[test]
fn killed_in_the_middle_of_forgetting_it_credits_nobody_and_goes_on() {
    let (mut stack, node) = Teller::stack(json!({}));
    let (token, other) = (node.funded(&stack), node.funded(&stack));
    let made = node.order(&stack, Some(&token));
    node.says(InvoiceState::Canceled);
    let named = later(&mut stack, 3_700);
    ring(&stack, &named);
    within(ALARMS, "the book to forget", || logged(&stack, "forgotten", 1));
    stack.workerd.kill();
    stack.workerd.start_again();

    node.says(InvoiceState::Settled);
    for bearer in [None, Some(token.as_str()), Some(other.as_str())] {
        assert!(matches!(claim(&stack, &made, bearer), 402..=404));
    }
    within(ALARMS, "the hash to be let go", || (claim(&stack, &made, Some(&other)) == 404).then_some(()));
    std::thread::sleep(A_RING);
    assert_eq!((claim(&stack, &made, None), sheet(&stack, &token)["balance_sats"].clone()), (404, json!(10)));
    sound(&stack, &account_of(&token));
    stack.workerd.kill();
    assert_eq!((objects(&stack), listed(&stack, false).len()), ((2, 2), 0));
}

/// F14: killed while the node is asked. Nothing was forgotten, and it is asked again in its time.
#[test]
fn killed_while_the_node_is_asked_it_has_forgotten_nothing() {
    let (mut stack, node) = Teller::stack(json!({}));
    let made = node.order(&stack, None);
    let before = node.looks();
    later(&mut stack, 3_700);
    ring(&stack, &[]);
    // Without an answer the worker waits and asks once more: in between it falls.
    within(ALARMS, "the question", || (node.looks() > before).then_some(()));
    stack.workerd.crash_restart();
    node.says(InvoiceState::Settled);
    assert_eq!(claim(&stack, &made, None), 200, "paid in the meantime");
    stack.workerd.kill();
    assert_eq!(objects(&stack), (1, 1));
}

/// A3, T58, T64: a thousand guesses at claims, refund links and accounts, and polls, sockets and orders that nobody paid: as many
/// files as before. The sixteen indexes were there.
#[test]
fn a_thousand_guesses_and_polls_make_no_object_a3() {
    let policy = json!({"payouts": {}, "refunds": {}, "services": {"api": {"uses": 1, "refund": true}}});
    let stack = Stack::start(StackOptions { payouts: true, ..plenty(policy) });
    let token = funded(&stack, 50);
    poke(&stack);
    let offers: Vec<Offer> = (0..40).map(|_| ask(&stack, API)).collect();
    let bought = buy(&stack, "/articles/1");
    // Its settlement is pushed, and counted, at its own pace.
    within(ALARMS, "the push", || logged(&stack, "settled", 1));
    std::thread::sleep(Duration::from_secs(2));
    let before = stack.workerd.databases().len();
    let mut random = (0_u64..).map(|n| Preimage::new([&n.to_be_bytes()[..], &[0xa5; 24]].concat().try_into().unwrap()));
    let mut next = || random.next().unwrap();
    let own = "/.well-known/satstile";
    for n in 0..160 {
        let (preimage, hash) = (next().expose_hex(), next().payment_hash().to_string());
        for secret in [Value::Null, json!(hex::encode(next().expose())), json!(next().expose_hex())] {
            let guess = post(&stack, CLAIM, None, &json!({"preimage": preimage, "claim_secret": secret}));
            assert!(matches!(guess.status, 403 | 404), "{}", guess.text());
        }
        for link in [
            hash.clone(),
            format!("{hash}.{preimage}"),
            format!("{hash}?k1={preimage}&pr=lnbcrt1"),
            bought.offer.payment_hash.clone() + "." + &preimage,
        ] {
            http::get(&stack.url(&format!("{own}/refund/{link}")), &[]);
        }
        let body = json!({"to": &hash[..32], "amount_sats": 1});
        crate::common::bank::post_once(&stack, "/api/v1/transfer", Some(&token), Some(&format!("t{n}")), &body);
        http::get(&stack.url(&format!("/api/v1/withdraw/{hash}")), &[("x-token", &token)]);
        http::get(&stack.url(&format!("{own}/open/{hash}.{}.{}", &hash[..22], &preimage[..43])), &[]);
    }
    for offer in &offers {
        let poll = http::post(
            &stack.url(&format!("{own}/status")),
            &[("authorization", &format!("L402 {}", offer.macaroon))],
            b"",
        );
        assert_eq!(poll.json()["status"], "pending");
        ok(post(&stack, TOPUP, None, &json!({"amount_sats": 10})));
    }
    assert_eq!(stack.workerd.databases().len(), before);
    assert_eq!(sheet(&stack, &token)["balance_sats"], 50);
    // The nearest yes: what is paid has its objects.
    crate::common::bank::top_up(&stack, 10, None);
    within(ALARMS, "the credit", || (stack.workerd.databases().len() == before + 2).then_some(()));
}
