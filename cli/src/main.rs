//! `satstile`, the command line: pays a paywall, looks into tokens, grades endpoints and nodes, checks policies and
//! receipts. It acts and says; what is right is decided in `l402` and `satstile-lightning`.

mod cache;
mod clock;
mod doctor;
mod fault;
mod http;
mod pay;
mod policy;
mod receipt;
mod say;
mod token;
mod wallet;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::fault::{Exit, Fault, TABLE};
use crate::say::Say;

/// A turnstile that takes sats: the command line.
///
/// Pays L402 paywalls from your own Lightning wallet, looks into the tokens they sell and narrows them, and tells an
/// operator what is wrong with an endpoint, a node, a policy or a receipt.
#[derive(Debug, Parser)]
#[command(name = "satstile", version, after_long_help = TABLE, max_term_width = 100)]
struct Cli {
    /// Answers in JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Pay(Box<pay::Args>),
    #[command(subcommand)]
    Token(token::Command),
    Doctor(doctor::Args),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// Prints a completion script for your shell
    ///
    /// For example: satstile completions bash > ~/.local/share/bash-completion/completions/satstile
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let say = Say::new(cli.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command, &say)),
        Err(error) => Err(Fault::not_good(format!("cannot start: {error}"))),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(fault) => {
            say.fault(&fault);
            fault.exit.into()
        }
    }
}

async fn run(command: Command, say: &Say) -> Result<Exit, Fault> {
    match command {
        Command::Pay(args) => pay::run(&args, say).await,
        Command::Token(command) => token::run(command, say),
        Command::Doctor(args) => doctor::run(args, say).await,
        Command::Policy(command) => policy::run(&command, say),
        Command::Receipt(command) => receipt::run(&command, say).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "satstile", &mut io::stdout());
            Ok(Exit::Ok)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_hang_together() {
        Cli::command().debug_assert();
    }
}
