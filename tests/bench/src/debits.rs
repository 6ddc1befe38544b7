//! Debits: requests that a prepaid balance pays for, each with a hold and its end in the account's books, and beside them
//! what the disk below takes for one write that is there to stay.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use satstile_tests::{Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::scenario::{Scenario, name};

/// What `--only` calls both lines.
pub const ONLY: &str = "debits";
/// How many accounts the second line spreads over.
const ACCOUNTS: usize = 100;
const PRICE_MSAT: u64 = 1_000;
/// More than any run spends.
const SATS: u64 = 1_000_000;
/// A page of SQLite's.
const PAGE_BYTES: usize = 4_096;
const FSYNC_FOR: Duration = Duration::from_secs(2);

/// An edge that sells balances, with so many of them filled.
pub struct Debits {
    stack: Stack,
    tokens: Vec<String>,
}

impl Debits {
    /// Starts it; the dev node's invoices are as good as any here.
    pub fn start(budgets: &Value) -> Result<Self> {
        let api = json!({ "price_msat": PRICE_MSAT });
        let stack = Stack::start(StackOptions::policy(json!({ "budgets": budgets, "services": { "api": api } })));
        let tokens = (0..=ACCOUNTS).map(|_| fund(&stack)).collect::<Result<_>>()?;
        Ok(Self { stack, tokens })
    }

    /// One account by itself, and a hundred others in turn.
    pub fn scenarios(&self) -> Vec<Scenario> {
        let (address, pid) = (self.stack.workerd.address(), self.stack.workerd.pid());
        let line = |name, tokens: &[String]| Scenario {
            name,
            address,
            pid,
            path: "/api/echo",
            authorizations: tokens.iter().map(|token| format!("Bearer {token}")).collect(),
            status: 200,
            burst: None,
        };
        let (one, hundred) = self.tokens.split_at(1.min(self.tokens.len()));
        vec![line(name::DEBITS_ONE, one), line(name::DEBITS_HUNDRED, hundred)]
    }

    /// Write 4 kB and `fsync`, one after the other, in the folder of the books: median and worst of a hundred.
    pub fn fsync(&self) -> Result<(Duration, Duration)> {
        let database = self.stack.workerd.databases().pop().context("no books were written")?;
        let path = database.with_extension("fsync");
        let mut file = File::create(&path)?;
        let (page, start, mut took) = ([0x5a; PAGE_BYTES], Instant::now(), Vec::new());
        while start.elapsed() < FSYNC_FOR {
            let began = Instant::now();
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&page)?;
            file.sync_all()?;
            took.push(began.elapsed());
        }
        std::fs::remove_file(path)?;
        took.sort_unstable();
        let at = |percent: usize| took.get((took.len() - 1) * percent / 100).copied().unwrap_or_default();
        Ok((at(50), at(99)))
    }
}

fn fund(stack: &Stack) -> Result<String> {
    let ask = |path: &str, body: Value| {
        let answer = http::post(&stack.url(path), &[], body.to_string().as_bytes());
        ensure!(answer.status == 200, "{path}: {}", answer.text());
        Ok(answer.json())
    };
    let order = ask("/api/v1/topup", json!({ "amount_sats": SATS }))?;
    let preimage = stack.node().pay(order["invoice"].as_str().context("no invoice")?);
    let claimed = ask("/api/v1/topup/claim", json!({ "preimage": preimage }))?;
    claimed["token"].as_str().map(str::to_owned).context("no token")
}
