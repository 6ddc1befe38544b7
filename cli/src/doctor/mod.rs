//! stub
use crate::fault::{Exit, Fault};
use crate::say::Say;
/// stub
#[derive(Debug, clap::Args)]
pub struct Args {}
/// stub
pub async fn run(_: Args, _: &Say) -> Result<Exit, Fault> {
    Ok(Exit::Ok)
}
