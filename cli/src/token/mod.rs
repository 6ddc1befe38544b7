//! `satstile token …`: what a token says, how to narrow it, whether it holds; and the ones that were bought.

mod attenuate;
mod inspect;
mod kept;
mod verify;
pub mod view;

use std::io::Read;

use crate::fault::{Exit, Fault};
use crate::say::Say;

/// Looks into tokens, narrows them, checks them; lists those that were bought
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Inspect(inspect::Args),
    Attenuate(attenuate::Args),
    Verify(verify::Args),
    List(kept::ListArgs),
    Forget(kept::ForgetArgs),
}

/// Runs the command.
pub fn run(command: Command, say: &Say) -> Result<Exit, Fault> {
    match command {
        Command::Inspect(args) => inspect::run(&args, say),
        Command::Attenuate(args) => attenuate::run(&args, say),
        Command::Verify(args) => verify::run(&args, say),
        Command::List(args) => kept::list(&args, say),
        Command::Forget(args) => kept::forget(&args, say),
    }
}

/// A token from the command line, or with `-` from stdin, where it is in no shell history.
fn given(token: &str) -> Result<String, Fault> {
    if token != "-" {
        return Ok(token.to_owned());
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text);
    read.map_err(|error| Fault::usage(format!("stdin: {error}")))?;
    Ok(text)
}
