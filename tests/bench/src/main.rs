//! How many requests a second, how late, and for how much CPU: the built worker in workerd beside aperture, both in
//! front of the same origin, on loopback, in alternating rounds of which the median counts.
//!
//! The load, the origin and the proxy share this machine, so requests a second say as much about it as about
//! them. CPU time of the proxying process for one request is the steady figure.

mod bare;
mod cpu;
mod debits;
mod load;
mod peers;
mod report;
mod scenario;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use satstile_tests::{Aperture, Stack, StackOptions};
use serde_json::json;

use report::Figures;
use scenario::Scenario;

/// Measures Satstile beside its peers
#[derive(Parser)]
struct Args {
    /// Seconds for each line in each round
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Connections kept open
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Leave lnd and aperture out (building them takes up to 30 minutes once); invoices are the dev node's then
    #[arg(long)]
    no_peers: bool,
    /// Only the lines with this in their names
    #[arg(long)]
    only: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.rounds > 0 && args.connections > 0 && args.seconds > 0, "nothing to measure");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    // The load comes from one client: its invoice budgets would be what is measured.
    let budgets = json!({ "per_client_per_min": 10_000_000, "global_per_min": 10_000_000, "in_flight": 1024 });
    let is_debits = args.only.as_deref() == Some(debits::ONLY);
    let network = peers::Network::start(!args.no_peers && !is_debits);
    let options = StackOptions::policy(json!({ "budgets": &budgets }));
    let backends = network.devnet().map(|devnet| devnet.alice().connection()).unwrap_or_default();
    let stack = Stack::start(StackOptions { backends: backends.clone(), ..options });
    let bare = bare::Bare::start(&stack.origin.url());
    let aperture = network.devnet().map(|devnet| Aperture::start(devnet, &stack.origin));

    let pooled =
        StackOptions::policy(json!({ "budgets": &budgets, "services": { "api": { "pool": scenario::BURST } } }));
    let pooled = Stack::start(StackOptions { backends: backends.clone(), ..pooled });
    let debits = debits::Debits::start(&budgets)?;

    let mut scenarios = scenario::satstile(&stack, network.devnet())?;
    scenarios.push(scenario::pool(&pooled));
    scenarios.insert(0, Scenario::bare_forward(&bare));
    scenarios.extend(debits.scenarios());
    if let Some(aperture) = &aperture {
        scenarios.extend(scenario::aperture(aperture)?);
    }
    if let Some(only) = &args.only {
        scenarios.retain(|scenario| scenario.name.contains(only.as_str()));
        ensure!(!scenarios.is_empty(), "no line has `{only}` in its name");
    }

    let each = Duration::from_secs(args.seconds);
    let whole = each * u32::try_from(args.rounds * scenarios.len()).context("that many rounds never end")?;
    eprintln!("{} lines, {} rounds, about {} s", scenarios.len(), args.rounds, whole.as_secs());
    let mut kept = vec![Kept::by(&stack)?];
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); scenarios.len()];
    for round in 1..=args.rounds {
        for (scenario, figures) in scenarios.iter().zip(&mut figures) {
            let measured = runtime.block_on(load::measure(scenario, args.connections, each))?;
            eprintln!("[{round}/{}] {:<34} {measured}", args.rounds, scenario.name);
            figures.push(measured);
        }
        kept.push(Kept::by(&stack)?);
    }

    let medians: Vec<(&str, Figures)> =
        scenarios.iter().zip(&figures).map(|(s, f)| (s.name, Figures::median(f))).collect();
    println!("\n{}", report::table(&medians));
    if medians.iter().any(|(name, _)| name.contains(debits::ONLY)) {
        let (median, p99) = debits.fsync()?;
        let each = median.as_secs_f64();
        let cores = std::thread::available_parallelism()?;
        println!("disk: write and fsync of 4 kB, one after the other: {:.0} a second", 1.0 / each);
        println!("      median {:.2} ms, p99 {:.2} ms; {cores} cores\n", each * 1e3, p99.as_secs_f64() * 1e3);
    }
    println!("{}", report::aims(&medians));
    let over_time = |pick: fn(&Kept) -> u64| kept.iter().map(|k| pick(k).to_string()).collect::<Vec<_>>().join(" → ");
    println!("what the worker keeps, before and after each round (a 402 and a paid request store nothing):");
    println!("  storage {} kB", over_time(|k| k.storage_bytes / 1000));
    println!("  memory  {} MB", over_time(|k| k.memory_bytes / 1_000_000));
    if let Some(why) = network.why_skipped() {
        println!("aperture: not measured ({why})");
    }
    Ok(())
}

/// What is left behind by what was served.
struct Kept {
    storage_bytes: u64,
    memory_bytes: u64,
}

impl Kept {
    fn by(stack: &Stack) -> Result<Self> {
        let (storage_bytes, pid) = (stack.workerd.storage_bytes(), stack.workerd.pid());
        Ok(Self { storage_bytes, memory_bytes: cpu::resident_bytes(pid)? })
    }
}
