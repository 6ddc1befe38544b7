//! `cargo xtask test ledger`: kills the edge in the middle of business, again and again, and holds what its clients know
//! against its books. Ends with 1 and the differing lines when a sat is not where it must be.

use std::process::ExitCode;

use satstile_tests::checker::{self, Settings};

const USAGE: &str = "usage: ledger [--rounds N] [--seed N] [--clients N] [--operations N]";

fn main() -> ExitCode {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(settings) => settings,
        Err(odd) => {
            eprintln!("ledger does not know {odd}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("seed {}", settings.seed);
    let summary = checker::run(settings, &mut |line| println!("{line}"));
    println!("{summary}");
    if summary.is_clean() {
        return ExitCode::SUCCESS;
    }
    summary.findings.lines().for_each(|line| eprintln!("{line}"));
    eprintln!("again: cargo xtask test ledger --rounds {} --seed {}", settings.rounds, settings.seed);
    ExitCode::FAILURE
}

fn settings(mut args: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings { seed: random(), ..Settings::default() };
    while let Some(name) = args.next() {
        let value = args.next().and_then(|value| value.parse().ok());
        let field = match name.as_str() {
            "--rounds" => &mut settings.rounds,
            "--seed" => &mut settings.seed,
            "--clients" => &mut settings.clients,
            "--operations" => &mut settings.operations,
            _ => return Err(name),
        };
        *field = value.ok_or(name)?;
    }
    Ok(settings)
}

fn random() -> u64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system gives no randomness");
    u64::from(u32::from_le_bytes(bytes))
}
