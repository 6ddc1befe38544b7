//! Real clients, unmodified, against the built worker in a real workerd: each asks twice for the same thing and pays
//! from the dev wallet. What counts is what went over the wire and what the worker's books say, not what a client
//! says of itself. `cargo xtask interop` sets the clients up and starts this.

mod clients;
mod limited;
mod page;
mod tap;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use satstile_tests::{Stack, StackOptions, http};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use clients::{CLIENTS, Call, Client};
use tap::{Exchange, Journal, Server, Tap};

const PRICE_SATS: i64 = 21;
/// For a client that pays without end, or waits without end.
const CLIENT_LIMIT: Duration = Duration::from_secs(30);
/// The worker adds to its books about once a second.
const AUDIT_LIMIT: Duration = Duration::from_secs(15);
const TAIL_LINES: usize = 25;

/// What xtask tells.
struct Options {
    /// Where the clients are set up.
    built: PathBuf,
    /// A Node for the npm clients.
    node: PathBuf,
    /// Where the table goes.
    page: PathBuf,
    /// Runtimes that could not be set up, and why.
    missing: Vec<(String, String)>,
    /// Names of clients; empty means all.
    only: Vec<String>,
}

/// A client that was run.
struct Run {
    client: &'static Client,
    version: String,
    exchanges: Vec<Exchange>,
    /// Empty when the driver did what it was to do.
    fault: String,
    log: PathBuf,
}

/// What the worker's books say of one service.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Books {
    settled: i64,
    settled_msat: i64,
}

fn main() -> ExitCode {
    let outcome = Options::parse(std::env::args().skip(1)).and_then(|options| interop(&options));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("interop: {e}");
            ExitCode::FAILURE
        }
    }
}

fn interop(options: &Options) -> Result<(), String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    let logs = options.built.join("log");
    fs::create_dir_all(&logs).map_err(|e| format!("cannot create {}: {e}", logs.display()))?;
    let home = TempDir::with_prefix("satstile-interop-").map_err(|e| format!("cannot make a directory: {e}"))?;

    let journal = Journal::default();
    let taps = Tap::new().and_then(|edge| Ok((edge, Tap::new()?)));
    let (edge, wallet) = taps.map_err(|e| format!("no free port: {e}"))?;
    let (edge_url, wallet_url) = (edge.url(), wallet.url());
    let stack = Stack::start(StackOptions::policy(policy(&edge_url)));
    edge.connect(stack.workerd.address(), Server::Edge, &journal);
    wallet.connect(stack.node().wallet_address(), Server::Wallet, &journal);

    let (mut runs, mut not_run) = (Vec::new(), Vec::new());
    for client in CLIENTS.iter().filter(|client| options.wants(client)) {
        if let Some((_, why)) = options.missing.iter().find(|(runtime, _)| runtime == client.runtime.name()) {
            not_run.push(format!("{}: {why}", client.name));
            continue;
        }
        let (url, log) = (edge_url.clone() + &path(client), logs.join(format!("{}.log", client.name)));
        let mut command = client.command(&options.built, &sources, &options.node, &url);
        command.env("WALLET_URL", &wallet_url).env("WALLET_PASSWORD", stack.node().wallet_password());
        // Whatever a client keeps at home is not of the person who runs this.
        command.env("HOME", home.path()).env("PYTHONDONTWRITEBYTECODE", "1").env("NO_PROXY", "127.0.0.1");
        let ended = File::create(&log).and_then(|log| limited::run(&mut command, log, CLIENT_LIMIT));
        let ended = ended.unwrap_or_else(|e| Err(format!("cannot be started: {e}")));
        let version = client.version(&sources).unwrap_or_else(|| "not pinned".to_owned());
        let fault = ended.and_then(|()| said(&log, client)).err().unwrap_or_default();
        runs.push(Run { client, version, exchanges: journal.take(), fault, log });
    }

    let paid = |run: &Run| run.exchanges.iter().filter(|e| e.server == Server::Wallet).count();
    let books = books(&stack, i64::try_from(runs.iter().map(paid).sum::<usize>()).unwrap_or(i64::MAX));
    let servers = [("worker", stack.workerd.log()), ("node", stack.node().log())];
    for (name, lines) in &servers {
        let _ = fs::write(logs.join(format!("{name}.log")), lines.join("\n")); // their ends are printed anyway
    }
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for run in &runs {
        let books = books.get(run.client.name).copied().unwrap_or_default();
        match judge(run, books) {
            Ok(row) => rows.push(row),
            Err(why) => {
                failed.push(run.client.name);
                eprintln!("\n--- {} {}: {why}", run.client.name, run.version);
                eprintln!("    on the wire: {}", words(&run.exchanges));
                eprintln!("    the books: {} settled, {} msat", books.settled, books.settled_msat);
                eprintln!("    {}:\n{}", run.log.display(), tail(&run.log));
            }
        }
    }
    if !failed.is_empty() {
        for (name, lines) in &servers {
            eprintln!("\n--- {name}, all of it in {}:\n{}", logs.join(format!("{name}.log")).display(), last(lines));
        }
    }
    finish(options, &rows, &not_run, &failed)?;
    // Clients that got what they wanted do not excuse a panic behind their backs.
    let broke = servers[0].1.iter().find(|line| line.to_ascii_lowercase().contains("uncaught exception"));
    broke.map_or(Ok(()), |line| Err(format!("the worker broke: {line}")))
}

/// Says what came out, and writes the page if that is the whole of it.
fn finish(options: &Options, rows: &[page::Row], not_run: &[String], failed: &[&str]) -> Result<(), String> {
    println!("\n{}", page::table(rows));
    for line in not_run {
        println!("not run: {line}");
    }
    if !failed.is_empty() {
        return Err(format!("not green: {}. One again: `cargo xtask interop {}`", failed.join(", "), failed[0]));
    }
    if rows.len() < CLIENTS.len() {
        println!("{} stays as it is: it tells of all clients, and this run had some", options.page.display());
        return Ok(());
    }
    let (text, have) = (page::page(rows), fs::read_to_string(&options.page).unwrap_or_default());
    if text != have {
        let folder = options.page.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&options.page, &text));
        written.map_err(|e| format!("cannot write {}: {e}", options.page.display()))?;
        println!("{} is new: commit it", options.page.display());
    }
    Ok(())
}

/// The demo's policy, and for each client a service of its own, so that the books tell them apart.
fn policy(public_url: &str) -> Value {
    let service = |client: &Client| {
        let routes = json!([{ "path": path(client), "methods": ["GET"] }]);
        json!({ "price_msat": PRICE_SATS * 1_000, "valid_s": 3600, "routes": routes })
    };
    let services: Map<_, _> = CLIENTS.iter().map(|client| (client.name.to_owned(), service(client))).collect();
    json!({ "public_url": public_url, "services": services })
}

/// What the client buys: the origin answers there with the request as it arrived.
fn path(client: &Client) -> String {
    format!("/api/echo/{}", client.name)
}

/// A driver prints status and body of each call.
fn said(log: &Path, client: &Client) -> Result<(), String> {
    let text = fs::read_to_string(log).map_err(|e| format!("its log cannot be read: {e}"))?;
    let answers = text.lines().filter_map(|line| line.split_once(' '));
    let answers: Vec<_> = answers.filter_map(|(status, body)| Some((status.parse::<u16>().ok()?, body))).collect();
    let bought = |body: &str| body.contains(&format!("\"{}\"", path(client)));
    let expected = client.calls.map(Call::status);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    if statuses != expected {
        return Err(format!("its calls were to come to {expected:?}, and it said {statuses:?}"));
    }
    if answers.iter().any(|(status, body)| (*status == 200) != bought(body)) {
        return Err("a 200 was not what was bought".to_owned());
    }
    Ok(())
}

/// What the worker's `audit` says, once it has heard of as many settlements as there were payments.
fn books(stack: &Stack, payments: i64) -> BTreeMap<String, Books> {
    let bearer = format!("Bearer {}", stack.secrets.audit_key);
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let deadline = Instant::now() + AUDIT_LIMIT;
    loop {
        let answer = http::get(&stack.url("/.well-known/satstile/audit"), &[("authorization", &bearer)]);
        // A worker that broke keeps no books; its rows fail, with its log.
        let audit = if answer.status == 200 { answer.json() } else { Value::Null };
        let services = audit["services"].as_object().into_iter().flatten().map(|(name, counts)| {
            let books = Books { settled: number(&counts["settled"]), settled_msat: number(&counts["settled_msat"]) };
            (name.clone(), books)
        });
        let all: BTreeMap<_, _> = services.collect();
        if all.values().map(|b: &Books| b.settled).sum::<i64>() >= payments || Instant::now() > deadline {
            return all;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Holds wire and books against what the client is to do.
fn judge(run: &Run, books: Books) -> Result<page::Row, String> {
    let client = run.client;
    if !run.fault.is_empty() {
        return Err(run.fault.clone());
    }
    let expected: Vec<Exchange> = client.calls.iter().flat_map(|call| on_the_wire(client, *call)).collect();
    if run.exchanges != expected {
        return Err(format!("on the wire there was to be: {}", words(&expected)));
    }
    let payments: i64 = client.calls.iter().map(|call| i64::from(call.pays())).sum();
    if books != (Books { settled: payments, settled_msat: payments * PRICE_SATS * 1_000 }) {
        return Err(format!("the worker's books were to tell of {payments} payments of {PRICE_SATS} sats"));
    }
    let [first, second] = client.calls.map(Call::words);
    Ok(page::Row {
        client: client.label,
        version: run.version.clone(),
        scheme: client.schemes.join(" and "),
        first,
        second,
        sats: payments * PRICE_SATS,
        remark: client.remark,
    })
}

fn on_the_wire(client: &Client, call: Call) -> Vec<Exchange> {
    let payment = [exchange(Server::Edge, &[], 402), exchange(Server::Wallet, &[], 200)];
    let payment = payment.into_iter().filter(|_| call.pays());
    payment.chain([exchange(Server::Edge, client.schemes, call.status())]).collect()
}

fn exchange(server: Server, schemes: &[&str], status: u16) -> Exchange {
    Exchange { server, schemes: schemes.iter().map(|&s| s.to_owned()).collect(), status }
}

/// `402, pays, 200 for L402`
fn words(exchanges: &[Exchange]) -> String {
    let word = |e: &Exchange| match (e.server, e.schemes.is_empty()) {
        (Server::Wallet, _) if e.status == 200 => "pays".to_owned(),
        (Server::Wallet, _) => format!("wallet says {}", e.status),
        (Server::Edge, true) => e.status.to_string(),
        (Server::Edge, false) => format!("{} for {}", e.status, e.schemes.join(" and ")),
    };
    exchanges.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    last(&String::from_utf8_lossy(&text).lines().map(str::to_owned).collect::<Vec<_>>())
}

fn last(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut built, mut node, mut page) = (None, None, None);
        let (mut missing, mut only) = (Vec::new(), Vec::new());
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} wants a value"));
            match arg.as_str() {
                "--built" => built = Some(value()?.into()),
                "--node" => node = Some(value()?.into()),
                "--page" => page = Some(value()?.into()),
                "--missing" => {
                    let (runtime, why) = value()?.split_once('=').map(|(r, w)| (r.to_owned(), w.to_owned())).unzip();
                    missing.extend(runtime.zip(why));
                }
                name if CLIENTS.iter().any(|client| client.name == name) => only.push(arg),
                odd => {
                    let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
                    return Err(format!("no client {odd}; there are {}", names.join(", ")));
                }
            }
        }
        let given =
            |path: Option<PathBuf>, name: &str| path.ok_or(format!("{name} is missing; run `cargo xtask interop`"));
        let (built, node, page) = (given(built, "--built")?, given(node, "--node")?, given(page, "--page")?);
        Ok(Self { built, node, page, missing, only })
    }

    fn wants(&self, client: &Client) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == client.name)
    }
}
