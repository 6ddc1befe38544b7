//! `cargo xtask test`: every check and every test, each in a lane of its own, and a summary that hides nothing.
//! A lane that fails does not stop the others.

use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::npm::{self, Tools};
use crate::peers::{self, Peers};
use crate::programs::{self, Programs};
use crate::steps::{Steps, seconds};
use crate::wasm_target::{self, TARGET, Toolchain};
use crate::{circles, devnet, dist, repo, smoke, told, wasm, worker};

/// The cargo-deny that is installed where there is none.
const CARGO_DENY: &str = "0.20.2";

/// What lanes work with.
struct Setup {
    toolchain: Toolchain,
    tools: Tools,
    programs: Programs,
    install: bool,
    /// `--rounds N` and `--seed N`, for the lane `ledger`.
    ledger: Vec<String>,
}

struct Lane {
    name: &'static str,
    what: &'static str,
    run: fn(&Setup) -> Result<Outcome>,
}

/// How a lane ended that did not fail.
enum Outcome {
    Passed,
    /// All of it but one part, which has a name, and why.
    PassedWithout(&'static str, &'static str),
    /// Why it did not run, and what to type so that it does.
    Skipped {
        why: &'static str,
        command: &'static str,
    },
}

/// Lanes that run when they are named only: they need Chromium, Go or proxies, which few machines have; or minutes.
const ON_REQUEST: [&str; 5] = ["browser", "ledger", "dist", "proxies", "lightning"];

const LANES: [Lane; 17] = [
    Lane { name: "fmt", what: "the code is formatted", run: fmt },
    Lane { name: "circles", what: "no more than two files import one another", run: circles },
    Lane { name: "clippy", what: "no lint complains", run: clippy },
    Lane { name: "clippy-wasm", what: "the same for worker and widget as wasm", run: clippy_wasm },
    Lane { name: "unit", what: "unit, property and documentation tests", run: unit },
    Lane { name: "shim", what: "the worker's JavaScript, in Node", run: shim },
    Lane { name: "node", what: "the node webhook over real sockets", run: node },
    Lane { name: "stories", what: "black-box stories through workerd", run: stories },
    Lane { name: "fuzz", what: "parsers never panic", run: fuzz },
    Lane { name: "docs", what: "the book builds, and no page names what is not there", run: docs },
    Lane { name: "wrangler", what: "wrangler takes wrangler.toml and runs it", run: wrangler },
    Lane { name: "browser", what: "a person with Chromium and no JavaScript", run: browser },
    Lane { name: "ledger", what: "no sat is lost, whoever is killed when", run: ledger },
    Lane { name: "dist", what: "strangers with the npm packages and nothing else", run: packages },
    Lane { name: "proxies", what: "who leaves behind nginx or Caddy, with the files we ship", run: proxies },
    Lane { name: "lightning", what: "real invoices, really paid: lnd, LNbits, aperture", run: lightning },
    Lane { name: "deny", what: "licences and advisories of what we depend on", run: deny },
];

/// The names of all lanes.
pub fn lanes() -> String {
    LANES.map(|lane| lane.name).join(", ")
}

/// A line for each lane, with what it is, and whether it waits to be named.
pub fn table() -> String {
    let line = |lane: Lane| {
        let wait = if ON_REQUEST.contains(&lane.name) { " (on request)" } else { "" };
        format!("  {:<12} {}{wait}\n", lane.name, lane.what)
    };
    LANES.map(line).concat()
}

/// `args` are lanes; none means all but those on request. Gives the names of those that were skipped.
pub fn run(args: &[String]) -> Result<Vec<&'static str>> {
    let install = args.iter().any(|a| a == "--install");
    let (ledger, named) = ledger_options(args)?;
    let named: Vec<&str> = named.into_iter().filter(|a| *a != "--install").collect();
    let named: Vec<&str> = named.into_iter().map(|a| if a == "--lightning" { "lightning" } else { a }).collect();
    if let Some(odd) = named.iter().find(|n| LANES.iter().all(|l| l.name != **n)) {
        bail!("no lane {odd}; there are {}", lanes());
    }
    let lanes: Vec<&Lane> = LANES
        .iter()
        .filter(|l| if named.is_empty() { !ON_REQUEST.contains(&l.name) } else { named.contains(&l.name) })
        .collect();

    let mut steps = Steps::new(3 + worker::STEPS + lanes.len());
    let toolchain = wasm_target::ensure(&mut steps)?;
    let tools = npm::ensure(&mut steps)?;
    worker::build(&mut steps, &toolchain, &tools, wasm::Profile::Shipped)?;
    let programs = steps.run("node webhook, demo origin, satstile and all tests: cargo build", programs::build)?;

    let setup = Setup { toolchain, tools, programs, install, ledger };
    let (mut failed, mut why, mut skipped) = (Vec::new(), String::new(), Vec::new());
    let mut summary = String::new();
    for lane in lanes {
        let start = Instant::now();
        let outcome = steps.run(&format!("{}: {}", lane.name, lane.what), || Ok((lane.run)(&setup)))?;
        let line = match outcome {
            Ok(Outcome::Passed) => format!("passed   {}", seconds(start.elapsed())),
            Ok(Outcome::PassedWithout(part, why)) => {
                skipped.push(part);
                format!("passed   {}, without {part}: {why}", seconds(start.elapsed()))
            }
            Ok(Outcome::Skipped { why, command }) => {
                skipped.push(lane.name);
                format!("skipped  {why}; to run it: {command}")
            }
            Err(e) => {
                why.push_str(&format!("\n{}: {e:#}", lane.name));
                failed.push(lane.name);
                format!("FAILED   {}", seconds(start.elapsed()))
            }
        };
        summary.push_str(&format!("  {:<12} {line}\n", lane.name));
    }
    for lane in ON_REQUEST.into_iter().filter(|_| named.is_empty()) {
        summary.push_str(&format!("  {lane:<12} not in here; to run it: cargo xtask test {lane} --install\n"));
    }
    println!("\n{summary}");
    if !failed.is_empty() {
        bail!("failed: {}. One lane again: `cargo xtask test {}`\n{why}", failed.join(", "), failed[0]);
    }
    Ok(skipped)
}

fn passed(command: &mut Command) -> Result<Outcome> {
    told::run(command).map(|()| Outcome::Passed)
}

fn fmt(_: &Setup) -> Result<Outcome> {
    passed(&mut repo::cargo(["fmt", "--all", "--check"]))
}

fn circles(_: &Setup) -> Result<Outcome> {
    circles::run().map(|()| Outcome::Passed)
}

fn clippy(_: &Setup) -> Result<Outcome> {
    passed(&mut programs::cargo("clippy", &["--all-targets", "--", "-D", "warnings"]))
}

fn clippy_wasm(setup: &Setup) -> Result<Outcome> {
    // One by one: together, what the worker needs of l402 would be there for the widget, too.
    for package in ["satstile-worker", "satstile-web-client"] {
        let args = ["clippy", "--package", package, "--target", TARGET, "--", "-D", "warnings"];
        repo::run(&mut setup.toolchain.cargo(&args))?;
    }
    Ok(Outcome::Passed)
}

/// Packages whose tests have lanes of their own, by their directories.
const ELSEWHERE: [&str; 5] = ["node", "tests", "tests/bench", "fuzz", "xtask/docs"];

/// The documentation tests are those of all packages: only cargo can run them, and for some packages it would build anew.
fn unit(setup: &Setup) -> Result<Outcome> {
    let tests = setup.programs.run(|directory| !ELSEWHERE.contains(&directory), |_| ());
    let documentation = told::run(&mut programs::cargo("test", &["--doc"]));
    tests.and(documentation).map(|()| Outcome::Passed)
}

/// File by file: a directory is one argument to Node 20, and none to later ones.
fn shim(setup: &Setup) -> Result<Outcome> {
    let mut command = setup.tools.node();
    command.arg("--test");
    for file in std::fs::read_dir(repo::root().join("worker/tests/shim"))? {
        command.arg(file?.path());
    }
    passed(&mut command)
}

fn node(setup: &Setup) -> Result<Outcome> {
    setup.programs.run(|directory| directory == "node", |_| ()).map(|()| Outcome::Passed)
}

/// Stories wait most of the time: on two cores that others used, too, all of them took 90 s of CPU and, six at once, 169 s.
fn stories(setup: &Setup) -> Result<Outcome> {
    let wanted = |directory: &str| ["tests", "tests/bench"].contains(&directory);
    let six_at_once = |tests: &mut Command| {
        tests.arg("--test-threads=6");
    };
    setup.programs.run(wanted, six_at_once).map(|()| Outcome::Passed)
}

/// Random inputs for so long a target; `cargo bolero` goes on from there, with coverage to guide it.
fn fuzz(setup: &Setup) -> Result<Outcome> {
    let each = if in_ci() { Duration::from_secs(30) } else { Duration::from_secs(3) };
    let so_long = |tests: &mut Command| {
        tests.env("BOLERO_RANDOM_TEST_TIME_MS", each.as_millis().to_string());
    };
    setup.programs.run(|directory| directory == "fuzz", so_long).map(|()| Outcome::Passed)
}

/// The book, and every page beside it, against files, headings and the programs themselves.
fn docs(setup: &Setup) -> Result<Outcome> {
    let built = |name: &str| repo::target().join("debug").join(name).into_os_string();
    let args = [
        ("root", repo::root().into_os_string()),
        ("out", repo::target().join("book").into_os_string()),
        ("xtask", built("xtask")),
        ("satstile", built("satstile")),
        ("satstile-node", built("satstile-node")),
    ];
    setup.programs.run(|directory| directory == "xtask/docs", |_| ())?;
    let mut command = Command::new(built("satstile-docs"));
    command.current_dir(repo::root());
    for (name, value) in args {
        let mut arg = OsString::from(format!("{name}="));
        arg.push(value);
        command.arg(arg);
    }
    passed(&mut command)
}

fn wrangler(setup: &Setup) -> Result<Outcome> {
    smoke::run(&setup.tools).map(|()| Outcome::Passed)
}

fn browser(setup: &Setup) -> Result<Outcome> {
    if !chromium(setup)? {
        let (why, command) = ("chromium is not installed", "cargo xtask test browser --install (apt, as root)");
        return Ok(Outcome::Skipped { why, command });
    }
    passed(&mut ignored("chromium"))
}

/// Kills and compares, 20 rounds in about four minutes; `--rounds 200` is for the night.
fn ledger(setup: &Setup) -> Result<Outcome> {
    let mut command = Command::new(repo::target().join("debug/ledger"));
    passed(command.current_dir(repo::root()).args(&setup.ledger))
}

/// What is for the lane `ledger`, and the rest.
fn ledger_options(args: &[String]) -> Result<(Vec<String>, Vec<&str>)> {
    let (mut options, mut rest, mut args) = (Vec::new(), Vec::new(), args.iter());
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" | "--seed" => {
                let number = args.next().filter(|value| value.parse::<u64>().is_ok());
                options.extend([arg.clone(), number.with_context(|| format!("{arg} wants a number"))?.clone()]);
            }
            _ => rest.push(arg.as_str()),
        }
    }
    Ok((options, rest))
}

/// Builds what would be published, and lets strangers have it.
fn packages(setup: &Setup) -> Result<Outcome> {
    if !chromium(setup)? {
        let (why, command) = ("chromium is not installed", "cargo xtask test dist --install (apt, as root)");
        return Ok(Outcome::Skipped { why, command });
    }
    dist::build(&mut Steps::new(dist::STEPS), &setup.tools)?;
    passed(&mut ignored("packages"))
}

/// Stories of metering behind the proxies, which are Debian's.
fn proxies(setup: &Setup) -> Result<Outcome> {
    let there = || ["/usr/sbin/nginx", "/usr/bin/caddy"].iter().all(|program| std::path::Path::new(program).exists());
    if !there() && setup.install {
        apt(&["nginx-light", "caddy"])?;
    }
    if !there() {
        let (why, command) = ("nginx or caddy is not installed", "cargo xtask test proxies --install (apt, as root)");
        return Ok(Outcome::Skipped { why, command });
    }
    passed(&mut ignored("proxies"))
}

/// Builds the peers where they are not; the network itself is the stories' own.
fn lightning(setup: &Setup) -> Result<Outcome> {
    if devnet::missing_tool().is_some() && setup.install {
        apt(&["bash", "curl", "jq"])?;
    }
    if devnet::missing_tool().is_some() {
        let (why, command) = ("curl or jq is missing", "cargo xtask test lightning --install (apt, as root)");
        return Ok(Outcome::Skipped { why, command });
    }
    if let Peers::NoGo = peers::ensure(&[peers::NETWORK, peers::APERTURE].concat())? {
        return Ok(Outcome::Skipped { why: peers::GO, command: "cargo xtask test lightning" });
    }
    // Most stories wait most of the time, two of them for an invoice to end.
    passed(ignored("lightning").arg("--test-threads=5"))
}

/// The stories of a program that are left out unless they are asked for.
pub fn ignored(test: &str) -> Command {
    programs::cargo("test", &["--test", test, "--", "--ignored"])
}

/// Whether it is there, or was installed as asked.
fn chromium(setup: &Setup) -> Result<bool> {
    let there = || std::path::Path::new("/usr/bin/chromium").exists();
    if !there() && setup.install {
        apt(&["chromium", "fonts-dejavu-core"])?;
    }
    Ok(there())
}

fn apt(packages: &[&str]) -> Result<()> {
    repo::run(Command::new("apt-get").args(["update", "-q"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-q", "--no-install-recommends"]);
    repo::run(install.args(packages))
}

/// What the lock file says is always enough for licences, bans and sources. Advisories are as good as the day on which
/// their database was fetched, and it is fetched from a host that not every machine reaches.
fn deny(setup: &Setup) -> Result<Outcome> {
    if !repo::installed("cargo-deny") {
        if !setup.install {
            let (why, command) = ("cargo-deny is not installed", "cargo xtask test deny --install (some minutes)");
            return Ok(Outcome::Skipped { why, command });
        }
        repo::run(&mut repo::cargo(["install", "cargo-deny", "--locked", "--version", CARGO_DENY]))?;
    }
    repo::run(&mut repo::cargo(["deny", "check", "licenses", "bans", "sources"]))?;
    if repo::run(&mut repo::cargo(["deny", "fetch", "db"])).is_err() {
        return Ok(Outcome::PassedWithout("advisories", "their database cannot be fetched"));
    }
    passed(&mut repo::cargo(["deny", "check", "--disable-fetch", "advisories"]))
}

/// As every CI system says of itself.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|v| v != "false" && v != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_and_seed_are_for_the_ledger_and_want_numbers() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let nightly = args("ledger --rounds 200 --install --seed 7");
        let (options, rest) = ledger_options(&nightly).unwrap();
        assert_eq!((options, rest), (args("--rounds 200 --seed 7"), vec!["ledger", "--install"]));
        for odd in ["--rounds", "--rounds many", "--seed -1"] {
            assert!(ledger_options(&args(odd)).is_err(), "{odd}");
        }
    }
}
