//! stub
use crate::fault::{Exit, Fault};
use crate::say::Say;
/// stub
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    A,
}
/// stub
pub fn run(_: &Command, _: &Say) -> Result<Exit, Fault> {
    Ok(Exit::Ok)
}
