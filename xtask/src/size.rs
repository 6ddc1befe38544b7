//! `cargo xtask size`: what Cloudflare and a cold start have to load, and what a reader's browser does, against the
//! budgets; and how large the packages are that were built last.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

use crate::npm::Tools;
use crate::{dist, startup, widget, worker};

// Bytes of gzip (design.md, Budgets).
/// With every system. The widget's files, which the worker carries as data, are the widget's.
const WORKER_MAX: usize = 450_000;
/// What a page loads at once.
const LOADER_MAX: usize = 2_000;
/// What it loads when somebody wants to pay …
const CORE_MAX: usize = 42_000;
/// … and where this should go.
const CORE_AIM: usize = 35_000;

/// Of CPU time, until a new isolate has answered.
const START_MAX: Duration = Duration::from_millis(50);

pub fn run() -> Result<()> {
    let mut over = Vec::new();

    let dir = worker::directory();
    let mut files = modules(&dir).context("pkg/worker is not built: run `cargo xtask worker` first")?;
    files.sort();
    let worker = table("pkg/worker", &dir, &files)?;
    check(&mut over, "worker", worker, WORKER_MAX, "");
    match startup::cpu(&Tools::workerd())? {
        Some(cpu) => {
            let (ms, max) = (cpu.as_secs_f64() * 1000.0, START_MAX.as_millis());
            let verdict = if cpu <= START_MAX { "ok" } else { "too slow" };
            println!("{:<59} {ms:>7.1} ms  budget {max} ms of CPU: {verdict}", "start, beyond that of an empty Worker");
            if cpu > START_MAX {
                over.push(format!("start by {:.1} ms", ms - START_MAX.as_secs_f64() * 1000.0));
            }
        }
        None => println!("start: not measured, this system does not tell CPU times of threads"),
    }

    let dir = widget::directory();
    let loader = table("pkg/widget", &dir, &[dir.join("widget.js")])?;
    check(&mut over, "loader", loader, LOADER_MAX, "");
    let core = table("", &dir, &[dir.join("core.js"), dir.join("core.wasm")])?;
    check(&mut over, "when it is needed", core, CORE_MAX, &format!(", aim {CORE_AIM}"));

    println!();
    for package in dist::PACKAGES {
        let tarball = dist::tarball(package);
        match fs::metadata(&tarball) {
            Ok(file) => println!("{:<60}{:>10}", format!("pkg/npm/{package}, packed"), file.len()),
            Err(_) => println!("{:<60} not built: cargo xtask dist", format!("pkg/npm/{package}")),
        }
    }
    if !over.is_empty() {
        bail!("over budget: {}", over.join(", "));
    }
    Ok(())
}

/// A line a file; gives the sum of gzip.
fn table(title: &str, dir: &Path, files: &[PathBuf]) -> Result<usize> {
    if !title.is_empty() {
        println!("\n{title:<48} {:>10} {:>10}", "bytes", "gzip -9");
    }
    let mut sum = 0;
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let packed = gzip(&bytes)?.len();
        let name = file.strip_prefix(dir).unwrap_or(file).display().to_string();
        println!("{name:<48} {:>10} {packed:>10}", bytes.len());
        sum += packed;
    }
    Ok(sum)
}

/// Says how a sum stands to its budget.
fn check(over: &mut Vec<String>, what: &str, gzip: usize, max: usize, more: &str) {
    let verdict = if gzip <= max { "ok" } else { "too large" };
    println!("{what:<59} {gzip:>10}  budget {max}{more}: {verdict}");
    if gzip > max {
        over.push(format!("{what} by {} bytes", gzip - max));
    }
}

/// Every module below `dir` that is code, as wrangler would send it.
fn modules(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(modules(&path)?);
        } else if path.extension().is_some_and(|e| ["wasm", "js", "mjs", "txt"].iter().any(|x| e == *x)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// As small as gzip makes it, and the same each time.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
