//! `satstile policy …`: is a policy right, and how does one come from aperture?

mod aperture;
mod check;
mod faults;
mod import;
mod pattern;
mod toml_text;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::fault::{Exit, Fault};
use crate::say::Say;

/// Longest file that is read.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Checks a policy, or makes one out of an aperture.yaml
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Check(check::Args),
    Import(import::Args),
}

/// Runs the command.
pub fn run(command: &Command, say: &Say) -> Result<Exit, Fault> {
    match command {
        Command::Check(args) => check::run(args, say),
        Command::Import(args) => import::run(args, say),
    }
}

/// A text file; `-` is stdin.
fn read(file: &Path) -> Result<String, Fault> {
    let mut text = String::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.map_err(|error| Fault::usage(format!("{}: {error}", file.display())))?;
    Ok(text)
}
