//! `cargo xtask size`: what Cloudflare and a cold start have to load, against the budget.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::{Compression, write::GzEncoder};

use crate::worker;

/// With the gateway and no further system (design.md, Budgets).
const WORKER_GZIP_BYTES_MAX: usize = 250_000;

pub fn run() -> Result<()> {
    let dir = worker::directory();
    let mut files = modules(&dir).context("pkg/worker is not built: run `cargo xtask worker` first")?;
    files.sort();
    println!("{:<48} {:>10} {:>10}", "pkg/worker", "bytes", "gzip -9");
    let (mut plain, mut packed) = (0, 0);
    for file in &files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let gzip = gzip_bytes(&bytes)?;
        let name = file.strip_prefix(&dir).unwrap_or(file).display().to_string();
        println!("{name:<48} {:>10} {gzip:>10}", bytes.len());
        plain += bytes.len();
        packed += gzip;
    }
    let verdict = if packed <= WORKER_GZIP_BYTES_MAX { "ok" } else { "too large" };
    println!("{:<48} {plain:>10} {packed:>10}  budget {WORKER_GZIP_BYTES_MAX}: {verdict}", "together");
    if packed > WORKER_GZIP_BYTES_MAX {
        bail!("the worker is {} bytes of gzip over its budget", packed - WORKER_GZIP_BYTES_MAX);
    }
    Ok(())
}

/// Every module below `dir`, as wrangler would send them.
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

fn gzip_bytes(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}
