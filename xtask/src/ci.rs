//! `cargo xtask ci`: what has to pass before a merge, lane after lane, within one time budget. A lane that can
//! no longer be finished in time is named as not run, which is not a pass.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interop;
use crate::steps::seconds;
use crate::test;

const BUDGET: Duration = minutes(75);

struct Lane {
    name: &'static str,
    /// What it takes on two cores from an empty target directory, generously.
    needs: Duration,
    /// Gives the names of what was skipped.
    run: fn(install: bool) -> Result<Vec<&'static str>>,
}

/// In order of what a failure would tell; lightning, which has a real network, stays last. Measured on two cores in an
/// empty clone: test 30 min, browser 140 s and the installation of Chromium, ledger 4 min, dist 30 s with the proxies,
/// interop 4 min with what it installs, cargo-deny 3 min to build, lightning 8 min with what it builds. Each has a third as
/// much again, or more, for a slower machine.
const LANES: &[Lane] = &[
    Lane { name: "test", needs: minutes(41), run: all_tests },
    Lane { name: "browser", needs: minutes(4), run: browser },
    Lane { name: "ledger", needs: minutes(6), run: books },
    Lane { name: "dist", needs: minutes(1), run: packages },
    Lane { name: "interop", needs: minutes(6), run: foreign_clients },
    Lane { name: "deny", needs: minutes(5), run: dependencies },
    Lane { name: "lightning", needs: minutes(12), run: real_network },
];

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

pub fn run(install: bool) -> Result<()> {
    let start = Instant::now();
    let mut summary = String::new();
    let (mut failed, mut why, mut not_run) = (Vec::new(), String::new(), Vec::new());
    for lane in LANES {
        let left = BUDGET.saturating_sub(start.elapsed());
        if left < lane.needs {
            let (left, needs) = (seconds(left), seconds(lane.needs));
            summary.push_str(&format!("  {:<12} not run: {left} left, it needs up to {needs}\n", lane.name));
            not_run.push(lane.name);
            continue;
        }
        let began = Instant::now();
        let line = match (lane.run)(install) {
            Ok(skipped) if skipped.is_empty() => "passed".to_owned(),
            Ok(skipped) if skipped == [lane.name] => "SKIPPED".to_owned(),
            Ok(skipped) => format!("passed without {}", skipped.join(", ")),
            Err(e) => {
                eprintln!("xtask: {}: {e:#}", lane.name);
                // Once more at the end, where somebody looks who has not followed it.
                why.push_str(&format!("\n{}: {e:#}", lane.name));
                failed.push(lane.name);
                "FAILED".to_owned()
            }
        };
        summary.push_str(&format!("  {:<12} {line} in {}\n", lane.name, seconds(began.elapsed())));
    }
    println!("\nci, {} in all:\n{summary}", seconds(start.elapsed()));
    match (failed.is_empty(), not_run.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => bail!("failed: {}\n{why}", failed.join(", ")),
        (true, false) => bail!("not run for want of time: {}", not_run.join(", ")),
    }
}

/// CI installs Chromium: its machines are new.
fn browser(_: bool) -> Result<Vec<&'static str>> {
    test::run(&["browser".to_owned(), "--install".to_owned()])
}

/// What others take from here: packages, by people who have nothing else, and the files for proxies.
fn packages(_: bool) -> Result<Vec<&'static str>> {
    test::run(&["dist".to_owned(), "proxies".to_owned(), "--install".to_owned()])
}

/// Twenty kills; a night has time for 200.
fn books(_: bool) -> Result<Vec<&'static str>> {
    test::run(&["ledger".to_owned()])
}

fn all_tests(install: bool) -> Result<Vec<&'static str>> {
    let args: &[String] = if install { &["--install".to_owned()] } else { &[] };
    test::run(args)
}

fn foreign_clients(_install: bool) -> Result<Vec<&'static str>> {
    interop::run(&[]).map(|()| Vec::new())
}

/// A new machine has no cargo-deny. Where one had, the lane `test` has been through this, and it takes a second.
fn dependencies(_: bool) -> Result<Vec<&'static str>> {
    test::run(&["deny".to_owned(), "--install".to_owned()])
}

/// With curl and jq, which are small; Go is somebody's decision.
fn real_network(_: bool) -> Result<Vec<&'static str>> {
    test::run(&["lightning".to_owned(), "--install".to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lane that keeps to its own time leaves enough to those behind it: none is ever left out on a machine as slow as
    /// all of them allow for.
    #[test]
    fn there_is_time_for_every_lane() {
        let needs: Duration = LANES.iter().map(|lane| lane.needs).sum();
        assert!(needs <= BUDGET, "{} of {}", seconds(needs), seconds(BUDGET));
    }
}
