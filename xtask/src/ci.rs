//! `cargo xtask ci`: what has to pass before a merge, lane after lane, within one time budget. A lane that can
//! no longer be finished in time is named as not run, which is not a pass.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interop;
use crate::steps::seconds;
use crate::test;

const BUDGET: Duration = Duration::from_secs(75 * 60);

struct Lane {
    name: &'static str,
    /// What it takes on two cores from an empty target directory, generously.
    needs: Duration,
    run: fn(install: bool) -> Result<()>,
}

/// In order of what a failure would tell. The order of lanes to come: ledger after `browser`, and lightning (a
/// real network) last.
const LANES: &[Lane] = &[
    Lane { name: "test", needs: Duration::from_secs(30 * 60), run: all_tests },
    Lane { name: "browser", needs: Duration::from_secs(5 * 60), run: browser },
    Lane { name: "dist", needs: Duration::from_secs(5 * 60), run: packages },
    Lane { name: "interop", needs: Duration::from_secs(15 * 60), run: foreign_clients },
];

pub fn run(install: bool) -> Result<()> {
    let start = Instant::now();
    let mut summary = String::new();
    let (mut failed, mut not_run) = (Vec::new(), Vec::new());
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
            Ok(()) => "passed",
            Err(e) => {
                eprintln!("xtask: {}: {e:#}", lane.name);
                failed.push(lane.name);
                "FAILED"
            }
        };
        summary.push_str(&format!("  {:<12} {line} in {}\n", lane.name, seconds(began.elapsed())));
    }
    println!("\nci, {} in all:\n{summary}", seconds(start.elapsed()));
    match (failed.is_empty(), not_run.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => bail!("failed: {}", failed.join(", ")),
        (true, false) => bail!("not run for want of time: {}", not_run.join(", ")),
    }
}

/// CI installs Chromium: its machines are new.
fn browser(_: bool) -> Result<()> {
    test::run(&["browser".to_owned(), "--install".to_owned()])
}

/// Of what would be published, by people who have nothing else.
fn packages(_: bool) -> Result<()> {
    test::run(&["dist".to_owned(), "--install".to_owned()])
}

fn all_tests(install: bool) -> Result<()> {
    let args: &[String] = if install { &["--install".to_owned()] } else { &[] };
    test::run(args)
}

fn foreign_clients(_install: bool) -> Result<()> {
    interop::run(&[])
}
