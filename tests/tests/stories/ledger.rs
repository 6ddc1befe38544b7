//! The faults of `security.md` that meet the edge's books, one at a time and by name (F14, F19, F20; T74, T79, T85). All
//! at once, by dice, is `cargo xtask test ledger`; which test shows which fault is in `docs/reliability.md`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use satstile_tests::{Secrets, Stack, StackOptions, binaries};
use serde_json::{Value, json};

use crate::common::bank::{TOPUP, account_of, balance, funded, kinds, ok, post, sheet, sound, text, use_it};
use crate::common::server::Server;
use crate::common::{API, buy, eventually, get_with, plenty, seen};

/// The life of a hold under [`short`]: the timeouts, the pause twice, and half of that again.
const HOLD_TTL: Duration = Duration::from_secs(6);

/// A deployment that sells balances, and that gives an origin one second for everything; `api` costs 10 sats.
fn short(mut policy: Value) -> StackOptions {
    policy["timeouts"] = json!({"first_byte_s": 1, "idle_s": 1, "total_s": 1});
    plenty(policy)
}

/// A use that is sent and whose answer nobody reads yet.
fn begin(stack: &Stack, path: &str, token: &str) -> TcpStream {
    let mut client = TcpStream::connect(stack.workerd.address()).unwrap();
    let host = stack.workerd.address();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    client.write_all(request.as_bytes()).unwrap();
    client
}

/// Until the hold of a dead worker is swept; asked all the time, as an impatient owner does.
#[track_caller]
fn swept(stack: &Stack, token: &str, since: Instant) {
    while balance(stack, token).1 > 0 {
        assert!(since.elapsed() < HOLD_TTL + Duration::from_secs(4), "not swept: {}", sheet(stack, token));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(since.elapsed() > HOLD_TTL - Duration::from_secs(2), "given back while it may still have been used");
}

/// F14, T74, T79: dead after the reservation, before the origin has heard a word.
#[test]
fn f14_killed_after_the_hold_gives_the_money_back_when_its_time_is_over() {
    let origin = Server::bind(); // accepts, and reads nothing
    let mut stack = Stack::start(short(json!({"origin": origin.url()})));
    let token = funded(&stack, 30);
    let _client = begin(&stack, API, &token);
    eventually("the hold", || (balance(&stack, &token) == (20_000, 10_000)).then_some(()));
    let since = Instant::now();
    stack.workerd.crash_restart();
    assert_eq!(balance(&stack, &token), (20_000, 10_000), "what was reserved is not free because somebody died");
    swept(&stack, &token, since);
    assert_eq!(balance(&stack, &token), (30_000, 0));
    assert_eq!(kinds(&sheet(&stack, &token)), ["hold_ended", "hold_placed", "top_up"]);
    assert!(origin.heard().is_empty(), "nobody asked the origin a second time");
    sound(&stack, &account_of(&token));
}

/// F14, T74, T79: dead while the origin works. It is asked once, the client has nothing, and nothing is charged.
#[test]
fn f14_killed_during_the_call_charges_nothing_and_asks_nobody_again() {
    let mut stack = Stack::start(short(json!({})));
    let token = funded(&stack, 30);
    let mut client = begin(&stack, "/api/fault/slow?ms=900", &token);
    eventually("the use under way", || (seen(&stack).len() == 1).then_some(()));
    let since = Instant::now();
    stack.workerd.crash_restart();
    swept(&stack, &token, since);
    assert_eq!((balance(&stack, &token), seen(&stack).len()), ((30_000, 0), 1));
    let mut heard = Vec::new();
    let _ = client.read_to_end(&mut heard);
    assert!(heard.is_empty(), "{}", String::from_utf8_lossy(&heard));
    assert_eq!(sound(&stack, &account_of(&token))["balances_msat"]["fees"], 0);
}

/// F14, T74: dead after the charge was written, before the client has read a byte. It is charged once, for ever.
#[test]
fn f14_killed_after_the_settlement_and_before_the_reply_charges_once() {
    let mut stack = Stack::start(short(json!({})));
    let token = funded(&stack, 30);
    let client = begin(&stack, API, &token);
    eventually("the charge", || (balance(&stack, &token) == (20_000, 0)).then_some(()));
    stack.workerd.crash_restart();
    drop(client);
    assert_eq!(balance(&stack, &token), (20_000, 0));
    // The client knows nothing and asks again: that is another use, and the books show both.
    assert_eq!(use_it(&stack, API, &token).status, 200);
    eventually("the second charge", || (balance(&stack, &token) == (10_000, 0)).then_some(()));
    assert_eq!(kinds(&sheet(&stack, &token)), ["hold_ended", "hold_placed", "hold_ended", "hold_placed", "top_up"]);
    assert_eq!(seen(&stack).len(), 2);
    sound(&stack, &account_of(&token));
}

/// F14, F15, T85: the alarm was due while nobody was there to ring it. It rings after the start, without being asked for.
#[test]
fn f14_an_alarm_that_was_due_while_the_worker_was_dead_rings_afterwards() {
    let mut stack = Stack::start(short(json!({})));
    let token = funded(&stack, 30);
    let _client = begin(&stack, "/api/fault/slow?ms=900", &token);
    eventually("the use under way", || (seen(&stack).len() == 1).then_some(()));
    stack.workerd.kill();
    std::thread::sleep(HOLD_TTL + Duration::from_secs(1));
    stack.workerd.start_again();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(balance(&stack, &token), (30_000, 0), "the first who looks finds it done");
}

/// T79, T85: one lost hold, and an owner who never stops using the balance. It is swept in its time all the same.
#[test]
fn f14_a_busy_balance_does_not_put_off_the_end_of_a_lost_hold() {
    let mut stack = Stack::start(short(json!({})));
    let token = funded(&stack, 5_000);
    let _client = begin(&stack, "/api/fault/slow?ms=900", &token);
    eventually("the use under way", || (seen(&stack).len() == 1).then_some(()));
    stack.workerd.kill();
    let since = Instant::now();
    // Overdue from the first look on.
    std::thread::sleep(HOLD_TTL);
    stack.workerd.start_again();
    let mut used = 0;
    while since.elapsed() < HOLD_TTL + Duration::from_secs(3) {
        assert_eq!(use_it(&stack, API, &token).status, 200);
        used += 1;
        std::thread::sleep(Duration::from_millis(30));
    }
    eventually("the end of every hold", || (balance(&stack, &token) == (5_000_000 - 10_000 * used, 0)).then_some(()));
}

/// F19: the disk is full. What needs the disk says 503 and takes nothing; what was paid for and needs no disk is served.
/// With room again everything goes on, and the books are sound.
#[test]
fn f19_a_full_disk_stops_what_writes_and_nothing_else() {
    let mut stack = Stack::start(short(json!({})));
    let (ticket, token) = (buy(&stack, API), funded(&stack, 30));
    let storage = storage(&stack);
    stack.workerd.kill();
    let Some(disk) = SmallDisk::under(&storage) else {
        eprintln!("not shown: a small disk can be mounted by root only");
        return;
    };
    stack.workerd.start_again();
    assert_eq!(use_it(&stack, API, &token).status, 200);
    eventually("the charge", || (balance(&stack, &token) == (20_000, 0)).then_some(()));
    disk.fill();
    let before = seen(&stack).len();
    let refused: Vec<u16> = (0..3).map(|_| use_it(&stack, API, &token).status).collect();
    assert_eq!(refused, [503; 3]);
    let order = post(&stack, TOPUP, None, &json!({"amount_sats": 10}));
    assert_eq!((order.status, order.header("retry-after").is_some()), (503, true), "{}", order.text());
    assert_eq!(seen(&stack).len(), before, "nothing was forwarded that could not be reserved");
    let stateless = get_with(&stack, API, &ticket.l402());
    assert_eq!(stateless.status, 200, "{}", stateless.text());
    disk.make_room();
    let works = || (use_it(&stack, API, &token).status == 200).then_some(());
    eventually("business to go on", works);
    eventually("the charge", || (balance(&stack, &token) == (10_000, 0)).then_some(()));
    sound(&stack, &account_of(&token));
}

/// F20, C9: the master key is replaced while a balance is in use. The old key is retired: its tokens go on, new ones are of
/// the new key. Once it is gone its tokens are refused, and the money stays where it was.
#[test]
fn f20_a_retired_master_key_still_opens_its_balances() {
    let mut stack = Stack::start(short(json!({})));
    let old = funded(&stack, 60);
    let first = stack.secrets.master_keys.clone();
    let second = Secrets::random().master_keys.replacen("1:", "2:", 1);
    let with = |stack: &mut Stack, master_keys: String| {
        let secrets = Secrets { master_keys, ..stack.secrets.clone() };
        stack.workerd.restart_with_secrets(secrets);
    };
    with(&mut stack, format!("{second},{}", first.replacen("1:", "1!:", 1)));
    assert_eq!(use_it(&stack, API, &old).status, 200, "a token of the retired key");
    let new = funded(&stack, 40);
    assert_eq!(use_it(&stack, API, &new).status, 200);
    let rotated = text(&ok(post(&stack, "/api/v1/token/rotate", Some(&old), &json!({}))), "token");
    assert_eq!((use_it(&stack, API, &rotated).status, use_it(&stack, API, &old).status), (200, 401));
    with(&mut stack, second);
    assert_eq!(use_it(&stack, API, &old).status, 401, "nobody knows the key of this one any more");
    eventually("the charges", || (balance(&stack, &rotated) == (40_000, 0)).then_some(()));
    eventually("the charge", || (balance(&stack, &new) == (30_000, 0)).then_some(()));
    for token in [&rotated, &new] {
        sound(&stack, &account_of(token));
    }
}

/// The table of the faults names tests, and each of them is there.
#[test]
fn every_test_that_the_page_about_reliability_names_exists() {
    let page = std::fs::read_to_string(binaries::root().join("docs/reliability.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| F")).collect();
    let faults: Vec<&str> = rows.iter().map(|row| row.trim_start_matches("| ").split(' ').next().unwrap()).collect();
    let expected: Vec<String> = (1..=23).map(|n| format!("F{n}")).collect();
    assert_eq!(faults, expected, "a row for each fault");
    for row in rows {
        let cell = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap();
        let (mut file, mut named) = (String::new(), 0);
        for name in cell.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                let path = binaries::root().join(name);
                file = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            } else if !name.contains(' ') {
                assert!(file.contains(&format!("fn {name}(")), "there is no test {name} where this says so: {row}");
                named += 1;
            }
        }
        assert!(named > 0, "no test is named: {row}");
    }
}

/// Where the Durable Objects are kept.
fn storage(stack: &Stack) -> PathBuf {
    let database = stack.workerd.databases().pop().expect("something was written");
    let folder = database.ancestors().find(|folder| folder.ends_with("storage")).map(Path::to_owned);
    folder.expect("databases are in the storage folder")
}

/// A disk of a few megabytes, mounted over a folder and holding what was in it.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    fn under(folder: &Path) -> Option<Self> {
        let aside = folder.with_extension("aside");
        let run = |program: &str, args: &[&str]| {
            Command::new(program).args(args).arg(folder).status().is_ok_and(|status| status.success())
        };
        std::fs::rename(folder, &aside).unwrap();
        std::fs::create_dir(folder).unwrap();
        let is_mounted = run("mount", &["-t", "tmpfs", "-o", "size=4m", "tmpfs"]);
        let from = format!("{}/.", aside.display());
        assert!(run("cp", &["-a", &from]), "cannot copy what was stored");
        is_mounted.then(|| Self { folder: folder.to_owned() })
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("filler")
    }

    /// To the last byte.
    fn fill(&self) {
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        for size in [4_096, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the worker may still have it open.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
