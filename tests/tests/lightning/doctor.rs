//! `satstile doctor` looks at a real edge, a real aperture and a real node, and what it says is true.

use std::collections::BTreeMap;
use std::process::Command;

use l402::auth_param;
use satstile_tests::raw::Response;
use satstile_tests::{Aperture, Devnet, Lnd, Origin, Stack, binaries, http};
use serde_json::Value;

use crate::common::{API, seen};
use crate::{in_time, on_alice, total};

/// A report: what the command ended with, and verdict and words by the check's name.
struct Report {
    code: Option<i32>,
    lines: BTreeMap<String, (String, String)>,
    printed: String,
}

impl Report {
    #[track_caller]
    fn of(args: &[&str]) -> Self {
        let mut command = Command::new(binaries::workspace_binary("satstile", "SATSTILE_BIN"));
        let out = command.args(["--json", "doctor"]).args(args).output().expect("satstile runs");
        let printed = String::from_utf8_lossy(&out.stdout).into_owned();
        let document: Value = serde_json::from_str(&printed)
            .unwrap_or_else(|e| panic!("{e}: {printed}{}", String::from_utf8_lossy(&out.stderr)));
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        let lines = document["lines"].as_array().into_iter().flatten();
        let lines = lines.map(|line| (text(line, "id"), (text(line, "level"), text(line, "says"))));
        Self { code: out.status.code(), lines: lines.collect(), printed }
    }

    /// The checks that ask for something to be done.
    fn not_good(&self) -> Vec<&str> {
        let odd = self.lines.iter().filter(|(_, (level, _))| level == "warn" || level == "fail");
        odd.map(|(id, _)| id.as_str()).collect()
    }

    #[track_caller]
    fn says(&self, id: &str, level: &str, words: &str) {
        let (found, says) = self.lines.get(id).unwrap_or_else(|| panic!("nothing of {id} in {}", self.printed));
        assert!(found == level && says.contains(words), "{id}: {found} {says}");
    }
}

/// The statuses and fields that a report is about, asked without it.
struct Facts {
    first: Response,
    head: Response,
    junk: Response,
}

impl Facts {
    #[track_caller]
    fn of(url: &str) -> Self {
        let junk = format!("L402 AAAA:{}", "00".repeat(32));
        let head = http::send("HEAD", url, &[], b"");
        Self { first: http::get(url, &[]), head, junk: http::get(url, &[("authorization", &junk)]) }
    }

    /// The first word of each challenge.
    fn schemes(&self) -> Vec<String> {
        let parsed =
            self.first.all("www-authenticate").into_iter().flat_map(|line| auth_param::parse(line).expect(line));
        parsed.map(|challenge| challenge.scheme).collect()
    }
}

fn has_challenge(response: &Response) -> bool {
    response.header("www-authenticate").is_some_and(|field| field.contains("invoice="))
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn doctor_finds_nothing_to_do_at_our_edge() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let report = Report::of(&[&stack.url(API)]);
    assert_eq!((report.code, report.not_good()), (Some(0), vec![]), "{}", report.printed);
    // A few unpaid invoices are left behind, by the seller's own count; none of them was paid, and nothing was opened.
    let totals = total(&stack, "api", "challenges", 4);
    assert_eq!(totals["settled"].as_i64().unwrap_or(0), 0);
    assert_eq!(seen(&stack), [""; 0]);

    let facts = Facts::of(&stack.url(API));
    assert_eq!((facts.first.status, facts.first.header("cache-control")), (402, Some("no-store")));
    report.says("transport.cache", "ok", "`no-store`");
    assert_eq!(facts.schemes(), ["L402", "Payment"]);
    report.says("challenge.order", "ok", "all 9 measured clients");
    report.says("challenge.payment", "info", "is offered");
    report.says("challenge.offer", "ok", "an invoice of 10 sats");
    report.says("invoice.network", "ok", "regtest");
    assert_eq!((facts.junk.status, has_challenge(&facts.junk)), (400, false));
    report.says("access.junk", "ok", "gets 400 and costs no invoice");
    assert_eq!((facts.head.status, has_challenge(&facts.head)), (402, false));
    report.says("access.head", "ok", "HEAD gets 402 and makes no invoice");
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn doctor_reads_aperture_and_what_it_says_is_so() {
    let devnet = Devnet::shared();
    let origin = Origin::start();
    let aperture = Aperture::start(devnet, &origin);
    let report = Report::of(&[&aperture.url(API)]);
    // Nothing is wrong there: it works, and warnings alone end with 0.
    assert_eq!(report.code, Some(0), "{}", report.printed);
    assert_eq!(report.not_good(), ["access.head", "access.junk"], "{}", report.printed);

    let facts = Facts::of(&aperture.url(API));
    assert_eq!((facts.first.status, facts.first.header("cache-control")), (402, Some("no-store")));
    report.says("challenge.status", "ok", "402");
    report.says("transport.cache", "ok", "`no-store`");
    assert_eq!(facts.schemes(), ["LSAT", "L402"]);
    report.says("challenge.lsat", "info", "LSAT stands before L402");
    report.says("challenge.order", "ok", "all 9 measured clients");
    report.says("challenge.payment", "info", "no `Payment` (MPP) challenge");
    report.says("challenge.offer", "ok", "an invoice of 10 sats");
    report.says("token.identifier", "ok", "version 0");
    assert_eq!((facts.junk.status, has_challenge(&facts.junk)), (402, true));
    report.says("access.junk", "warn", "gets 402 and a fresh invoice");
    assert!(has_challenge(&facts.head), "{:?}", facts.head.headers);
    report.says("access.head", "warn", "HEAD makes an invoice");
    // Its clock can be compared: it sends a Date.
    assert!(facts.first.header("date").is_some());
    report.says("transport.clock", "ok", "agrees");
    // Where nothing is sold, that is the report, and it ends with 1.
    let report = Report::of(&[&aperture.url("/free/echo")]);
    assert_eq!((report.code, report.not_good()), (Some(1), vec!["challenge.status"]), "{}", report.printed);
    report.says("challenge.status", "fail", "handed out without a payment");
}

/// What the node itself says that its channels' other sides have.
fn remote_sats(node: &Lnd) -> String {
    let balance = node.call("GET", "/v1/balance/channels", None);
    balance["remote_balance"]["sat"].as_str().expect("a balance").to_owned()
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn doctor_says_what_a_nodes_channels_can_take_in_as_the_node_does() {
    let devnet = Devnet::shared();
    for node in [devnet.alice(), devnet.bob()] {
        let (macaroon, thumbprint) = (node.macaroon(), node.thumbprint());
        let connection = format!("type=lnd-rest;server={};macaroon={macaroon};certthumbprint={thumbprint}", node.url());
        // Others pay meanwhile: what counts is a report between two equal looks.
        let (report, sats) = in_time("a moment without payments", || {
            let before = remote_sats(node);
            let report = Report::of(&["--node", &connection]);
            (remote_sats(node) == before).then_some((report, before))
        });
        assert_ne!(sats, "0");
        report.says("node.inbound", "ok", &format!("can take in {sats} sats"));
        // It looked with the owner's macaroon, says that this is too much, and does not show it.
        report.says("node.power", "warn", "admin's");
        assert!(!report.printed.contains(&macaroon));
        assert_eq!((report.code, report.not_good()), (Some(0), vec!["node.power"]), "{}", report.printed);
    }
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn doctor_finds_nothing_to_do_with_a_macaroon_for_invoices() {
    let devnet = Devnet::shared();
    let report = Report::of(&["--node", &devnet.alice().connection()]);
    assert_eq!((report.code, report.not_good()), (Some(0), vec![]), "{}", report.printed);
    report.says("node.power", "ok", "refused what it does not need");
    report.says("node.inbound", "info", "may not list the channels");
    // The nearest no: another certificate than the one that is pinned.
    let other = devnet.alice().connection().replace(&devnet.alice().thumbprint(), &devnet.bob().thumbprint());
    let report = Report::of(&["--node", &other]);
    assert_eq!((report.code, report.not_good()), (Some(1), vec!["node.create"]), "{}", report.printed);
}
