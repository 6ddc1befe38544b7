//! `cargo xtask devnet`: a Lightning network on loopback to play with. btcd in regtest mode, alice who takes invoices,
//! bob who pays them, and a channel between the two; `tests/peers/devnet.sh` runs it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::peers::{self, Peers};
use crate::repo;

const USAGE: &str = "\
usage: cargo xtask devnet COMMAND

  up [--fresh]      start it, or go on with it (--fresh: with a new one)
  down [--fresh]    stop it (--fresh: and delete its data)
  status            what runs, and what is in the channel
  pay BOLT11        pay from bob, and print the preimage

It lives in `devnet` in SATSTILE_CACHE, or in `satstile` in XDG_CACHE_HOME, or in ~/.cache/satstile; DEVNET_DIR and
DEVNET_PORT_BASE say otherwise.";

/// What the script cannot do without, and who brings it.
const TOOLS: [&str; 3] = ["bash", "curl", "jq"];

pub fn run(args: &[String]) -> Result<()> {
    let fresh = args.iter().any(|a| a == "--fresh");
    let words: Vec<&str> = args.iter().map(String::as_str).filter(|a| *a != "--fresh").collect();
    match (words.as_slice(), fresh) {
        (["up"], _) => up(fresh),
        (["down"], false) => repo::run(&mut script(&["down"])),
        (["down"], true) => repo::run(&mut script(&["down", "--wipe"])),
        (["status"], false) => repo::run(&mut script(&["status"])),
        (["pay", bolt11], false) => repo::run(&mut script(&["pay", bolt11])),
        (["help" | "--help" | "-h"], false) => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

/// The first of the programs that the network needs and this machine lacks.
pub fn missing_tool() -> Option<&'static str> {
    TOOLS.into_iter().find(|tool| !repo::installed(tool))
}

fn up(fresh: bool) -> Result<()> {
    if let Some(tool) = missing_tool() {
        bail!("{tool} is missing, and the network needs it: apt-get install bash curl jq");
    }
    if let Peers::NoGo = peers::ensure(peers::NETWORK)? {
        bail!("{}", peers::GO);
    }
    if fresh {
        repo::run(&mut script(&["down", "--wipe"]))?;
    }
    // What it prints on stdout holds keys that may spend.
    repo::run(script(&["up"]).stdout(std::process::Stdio::null()))?;
    let file = repo::output(&mut script(&["connect"])).context("alice gave no connection string")?;
    let wallet = repo::output(&mut script(&["wallet"])).context("bob gave no connection string")?;
    let base = base()?;
    println!(
        "\
A Lightning network is up in {folder}

  btcd    127.0.0.1:{btcd}           regtest
  alice   https://127.0.0.1:{alice}   takes invoices (lnd's REST)
  bob     https://127.0.0.1:{bob}   pays

  {file}
          alice's connection string for satstile-node: may make and look up invoices, and nothing else
  {wallet}
          bob's for `satstile pay`: may pay and look up payments, and nothing else

Run the demo on alice, and pay from bob in another terminal:

  BACKENDS=\"$(cat {file})\" cargo xtask dev
  {pay}

  cargo xtask devnet pay lnbcrt…      pay an invoice, and print its preimage
  cargo xtask devnet down             stop it",
        folder = directory().display(),
        file = quoted(&file),
        wallet = quoted(&wallet),
        pay = pay_command(&wallet),
        btcd = base,
        alice = base + 12,
        bob = base + 22,
    );
    Ok(())
}

/// The command that buys an article of the demo from a wallet in a file. The demo is on this machine, so `pay` takes
/// regtest for granted.
pub fn pay_command(wallet: &str) -> String {
    let wallet = quoted(wallet);
    format!("cargo run -qp satstile-cli -- pay http://localhost:8787/articles/1 --wallet \"$(cat {wallet})\"")
}

/// Where bob's connection string is, if the network was started with a version that writes it, and alice's is `backends`.
pub fn wallet_beside(backends: &str) -> Option<PathBuf> {
    let folder = directory();
    let ours = std::fs::read_to_string(folder.join("connection")).ok()?;
    let wallet = folder.join("wallet");
    (ours.trim() == backends.trim() && wallet.is_file()).then_some(wallet)
}

/// As one word of a shell.
fn quoted(path: &str) -> String {
    let is_plain = path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b));
    if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

fn directory() -> PathBuf {
    std::env::var_os("DEVNET_DIR").map_or_else(|| repo::cache().join("devnet"), |d| repo::root().join(d))
}

fn base() -> Result<u16> {
    match std::env::var("DEVNET_PORT_BASE") {
        Ok(text) => match text.parse() {
            Ok(base) if base <= u16::MAX - 22 => Ok(base),
            _ => bail!("DEVNET_PORT_BASE={text} is not the number of a port"),
        },
        Err(_) => Ok(21_000),
    }
}

fn script(args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command.arg(repo::root().join("tests/peers/devnet.sh")).args(args);
    command.env("DEVNET_DIR", directory()).env("DEVNET_BIN", peers::directory());
    command
}
