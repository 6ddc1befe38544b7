//! `cargo xtask dev`: everything that is missing is set up, then worker, node webhook, demo origin and wallet
//! run on loopback until Ctrl-C (C9, C18).

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::children::{Children, Woken};
use crate::dev_vars;
use crate::devnet;
use crate::npm::{self, Tools};
use crate::repo;
use crate::steps::Steps;
use crate::{wasm, wasm_target, worker};

const WORKER: u16 = 8787;
const NODE: u16 = 8788;
const ORIGIN: u16 = 8789;
const BLOG: u16 = 8790;
const WALLET: u16 = 9740;

const START_LIMIT: Duration = Duration::from_secs(60);
/// A worker that ran for so long was well; one that ended sooner, this often in a row, is given up.
const STEADY: Duration = Duration::from_secs(30);
const RESTARTS_MAX: u32 = 3;

pub fn run() -> Result<()> {
    // Before minutes of building, not after.
    let places =
        [(WORKER, "worker"), (NODE, "node webhook"), (ORIGIN, "demo origin"), (BLOG, "blog"), (WALLET, "wallet")];
    for (port, what) in places {
        must_be_free(port, what)?;
    }
    let mut steps = Steps::new(5 + worker::STEPS);
    let toolchain = wasm_target::ensure(&mut steps)?;
    let tools = npm::ensure(&mut steps)?;
    let vars = steps.run("secrets: .dev.vars", || dev_vars::ensure(&repo::root().join(".dev.vars")))?;
    steps.run("node webhook and demo origin: cargo build", || {
        repo::run(&mut repo::cargo(["build", "--package", "satstile-node", "--package", "satstile-demo-origin"]))
    })?;
    worker::build(&mut steps, &toolchain, &tools, wasm::Profile::Shipped)?;

    let state = repo::state();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&state).context("cannot create the state directory")?;
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700))?;

    let mut children = Children::new()?;
    let woken = steps.run("start", || {
        children.start("origin", &mut origin())?;
        let mut node = node(&state);
        node.env("RELAY_SECRETS", dev_vars::get(&vars, "RELAY_SECRETS")?);
        pay_out(&mut node, dev_vars::get(&vars, "PAYOUT_SECRETS").ok());
        children.start("node", &mut node)?;
        children.start("worker", &mut wrangler(&tools, &state))?;
        let up =
            || [NODE, ORIGIN, BLOG].into_iter().all(listens) && (on_own_node() || listens(WALLET)) && worker_answers();
        Ok(children.wait_until(START_LIMIT, up))
    })?;
    if let Woken::Ready = woken {
        println!("{}", if on_own_node() { welcome_on_own_node() } else { welcome(&wallet_password(&state)?) });
        return finish(&watch_over(&mut children, || wrangler(&tools, &state))?);
    }
    finish(&woken)
}

/// Runs until somebody stops it. A worker that ends, as one may whose files are replaced under it, is started anew; one
/// that ends again and again at once is not.
fn watch_over(children: &mut Children, worker: impl Fn() -> Command) -> Result<Woken> {
    let mut started = Instant::now();
    let mut in_a_row = 0;
    loop {
        let woken = children.wait_until(Duration::MAX, || false);
        let Woken::Ended("worker", status) = woken else { return Ok(woken) };
        in_a_row = if started.elapsed() < STEADY { in_a_row + 1 } else { 1 };
        if in_a_row > RESTARTS_MAX {
            return Ok(woken);
        }
        println!(" worker │ ended by itself ({status}); it is started anew, everything else goes on");
        children.bury("worker");
        started = Instant::now();
        children.start("worker", &mut worker())?;
    }
}

/// What is said at the end; the children are stopped when the caller drops them.
fn finish(woken: &Woken) -> Result<()> {
    match woken {
        Woken::Ready | Woken::Stopped => {
            println!("\nStopping.");
            Ok(())
        }
        Woken::Ended(name, status) => bail!("{name} ended by itself ({status}); everything else is stopped too"),
        Woken::Late => bail!("not everything was up after {} s; see the lines above", START_LIMIT.as_secs()),
    }
}

fn origin() -> Command {
    let mut command = Command::new(repo::target().join("debug/satstile-demo-origin"));
    command.args(["--listen", &local(ORIGIN), "--blog", &local(BLOG)]);
    command.args(["--edge", &format!("http://localhost:{WORKER}")]);
    command.args(["--wallet-url", &format!("http://localhost:{WALLET}")]);
    command
}

fn node(state: &Path) -> Command {
    let mut command = Command::new(repo::target().join("debug/satstile-node"));
    command.args(["--listen", &local(NODE), "--wallet-listen", &local(WALLET)]);
    command.args(["--worker-url", &format!("http://{}", local(WORKER))]);
    command.arg("--state").arg(state);
    if on_own_node() {
        return command;
    }
    // The demo's pages, under both names of this machine: a browser there has a wallet.
    for port in [WORKER, BLOG] {
        for host in ["localhost", "127.0.0.1"] {
            command.args(["--webln-origin", &format!("http://{host}:{port}")]);
        }
    }
    command
}

/// Lets it pay out, if the worker has the secret for that: whether it is ever asked to is for the policy to say. The dev
/// node pays invoices of the dev wallet; a node of one's own pays by PAYOUT_BACKEND of our environment, if that is set.
fn pay_out(node: &mut Command, secrets: Option<&str>) {
    node.env_remove("PAYOUT_SECRETS");
    let secrets = secrets.filter(|secrets| !secrets.is_empty());
    if !on_own_node() {
        node.env_remove("PAYOUT_BACKEND");
        if let Some(secrets) = secrets {
            node.env("PAYOUT_SECRETS", secrets).env("PAYOUT_BACKEND", "type=dev");
        }
    } else if let Some(secrets) = secrets.filter(|_| is_set("PAYOUT_BACKEND")) {
        node.env("PAYOUT_SECRETS", secrets);
    }
}

fn wrangler(tools: &Tools, state: &Path) -> Command {
    let mut command = tools.wrangler();
    // The address that the node webhook is told. Who types `localhost` gets here too: clients try ::1, then this.
    command.args(["dev", "--ip", "127.0.0.1", "--port", &WORKER.to_string(), "--inspector-port", "0"]);
    command.args(["--show-interactive-dev-session=false", "--log-level", "info"]);
    command.arg("--persist-to").arg(state.join("wrangler"));
    command
}

fn must_be_free(port: u16, what: &str) -> Result<()> {
    let taken = |ip: std::net::IpAddr| {
        let bound = TcpListener::bind(SocketAddr::new(ip, port));
        bound.is_err_and(|e| e.kind() == std::io::ErrorKind::AddrInUse)
    };
    if taken(Ipv4Addr::LOCALHOST.into()) || taken(Ipv6Addr::LOCALHOST.into()) {
        bail!(
            "port {port}, which the {what} needs, is in use: `ss -ltnp 'sport = :{port}'` shows by whom; \
             stop that program (an older `cargo xtask dev`?), then run this again"
        );
    }
    Ok(())
}

fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// wrangler listens before the worker behind it runs, so ask for an answer.
fn worker_answers() -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, WORKER))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let host = format!("localhost:{WORKER}");
        write!(stream, "GET /.well-known/satstile/health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut start = vec![0; 12];
        stream.read_exact(&mut start)?;
        Ok(start)
    };
    ask().is_ok_and(|start| start.starts_with(b"HTTP/1.1 "))
}

fn wallet_password(state: &Path) -> Result<String> {
    let file = state.join("wallet-password");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Whether invoices are to come from a node of one's own: the node webhook takes BACKENDS from our environment.
fn on_own_node() -> bool {
    is_set("BACKENDS")
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn welcome_on_own_node() -> String {
    let backends = std::env::var("BACKENDS").unwrap_or_default();
    let pay = match devnet::wallet_beside(&backends) {
        Some(bob) => devnet::pay_command(&bob.display().to_string()),
        None => format!(
            "cargo run -qp satstile-cli -- pay http://localhost:{WORKER}/articles/1 \\\n    \
             --wallet 'type=lnd-rest;server=https://…;macaroonfilepath=…;certfilepath=tls.cert'"
        ),
    };
    format!(
        "
Satstile is up, on your own node. Ctrl-C stops it.

  paywall      http://localhost:{WORKER}    a browser gets pages, curl gets JSON
  demo origin  http://localhost:{ORIGIN}    the same content without the paywall
  node webhook http://localhost:{NODE}    invoices of the back ends in BACKENDS

Pay from a wallet that is not that node:

  {pay}

Beyond regtest add --network, with the one of wrangler.toml. `satstile pay --help` lists the wallets.
"
    )
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn welcome(password: &str) -> String {
    format!(
        "
Satstile is up. Ctrl-C stops it.

  paywall      http://localhost:{WORKER}    a browser gets pages, curl gets JSON
  demo origin  http://localhost:{ORIGIN}    the same content without the paywall
  node webhook http://localhost:{NODE}    regtest invoices, signed by its own key
  dev wallet   http://localhost:{WALLET}    speaks phoenixd's API, pays only these invoices

In a browser, where the dev wallet pays at a click:

  http://localhost:{WORKER}/free/1       a preview with the paywall in it
  http://localhost:{WORKER}/free/demo    a button, a window, a call to an API
  http://localhost:{BLOG}              an article sold on somebody else's page

Or by hand: ask, pay, ask again.

  curl -i localhost:{WORKER}/articles/1

  curl -u :{password} -d invoice=INVOICE localhost:{WALLET}/payinvoice

  curl -H 'Authorization: L402 MACAROON:PREIMAGE' localhost:{WORKER}/articles/1

INVOICE and MACAROON are in the answer to the first, PREIMAGE (paymentPreimage) in the answer to the second.
All in one go, with jq:

  C=$(curl -s localhost:{WORKER}/articles/1)
  P=$(curl -s -u :{password} -d invoice=$(jq -r .invoice <<<\"$C\") localhost:{WALLET}/payinvoice | jq -r .paymentPreimage)
  curl -H \"Authorization: L402 $(jq -r .macaroon <<<\"$C\"):$P\" localhost:{WORKER}/articles/1
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// The worker comes back and the others never left, until the worker ends at once again and again.
    #[test]
    fn a_worker_that_ends_is_started_anew_c14() {
        let mut children = Children::new().unwrap();
        children.start("node", &mut sh("sleep 60")).unwrap();
        children.start("worker", &mut sh("exit 7")).unwrap();
        let (starts, first) = (std::cell::Cell::new(0), Instant::now());
        let woken = watch_over(&mut children, || {
            starts.set(starts.get() + 1);
            sh("exit 7")
        });
        let Ok(Woken::Ended("worker", status)) = woken else { panic!("not the worker's end") };
        assert_eq!((starts.get(), status.code()), (RESTARTS_MAX, Some(7)));
        assert!(first.elapsed() < Duration::from_secs(20));
    }
}
