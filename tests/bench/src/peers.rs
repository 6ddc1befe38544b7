//! aperture on a Lightning network of its own, by the scripts in `tests/peers/`. `cargo xtask bench` has built them;
//! where it could not, they are skipped by name.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use satstile_tests::{Origin, binaries, loopback};

/// Away from the ports of a devnet that somebody has running.
const DEVNET_PORT_BASE: u16 = 24_000;
const APERTURE_PORT: u16 = 24_081;
const PROMETHEUS_PORT: u16 = 24_082;

/// Running peers, or why there are none. Dropping stops them and deletes their data.
pub struct Peers {
    aperture: Option<Aperture>,
    skipped: Option<&'static str>,
}

/// A running aperture.
pub struct Aperture {
    pub address: SocketAddr,
    pub pid: u32,
}

impl Peers {
    pub fn skipped(why: &'static str) -> Self {
        Self { aperture: None, skipped: Some(why) }
    }

    /// Starts the network and aperture in front of the same origin.
    pub fn start(origin: &Origin) -> Result<Self> {
        let built = ["btcd", "lnd", "aperture"].iter().all(|b| binaries::peers_directory().join(b).is_file());
        if !built {
            return Ok(Self::skipped(
                "not built: install Go (https://go.dev/dl), then `cargo xtask bench` builds them",
            ));
        }
        let mut peers = Self { aperture: None, skipped: None };
        eprintln!("starting a Lightning network and aperture, about 20 s");
        // From here on a failure drops `peers`, and that stops whatever is up by then.
        run(&mut script("devnet.sh", &["up"]))?;
        run(script("aperture.sh", &["up"]).env("ORIGIN", origin.address().to_string()))?;
        let pid = output(&mut script("aperture.sh", &["pid"]))?.parse().context("aperture has no pid")?;
        peers.aperture = Some(Aperture { address: loopback(APERTURE_PORT), pid });
        Ok(peers)
    }

    pub fn aperture(&self) -> Option<&Aperture> {
        self.aperture.as_ref()
    }

    pub fn why_skipped(&self) -> Option<&'static str> {
        self.skipped
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        if self.skipped.is_none() {
            for (name, args) in [("aperture.sh", &["down"][..]), ("devnet.sh", &["down", "--wipe"])] {
                if let Err(e) = run(&mut script(name, args)) {
                    eprintln!("cannot stop the peers: {e:#}");
                }
            }
        }
    }
}

impl Aperture {
    /// Pays from the network's other node, and gives the preimage in hex.
    #[allow(clippy::unused_self)] // only who has a running aperture has somebody to pay
    pub fn pay(&self, bolt11: &str) -> Result<String> {
        output(&mut script("devnet.sh", &["pay", bolt11]))
    }
}

fn script(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command.arg(binaries::root().join("tests/peers").join(name)).args(args).stdin(Stdio::null());
    command.env("DEVNET_BIN", binaries::peers_directory());
    command.env("DEVNET_DIR", binaries::cache().join("devnet-bench"));
    for (variable, port) in
        [("DEVNET_PORT_BASE", DEVNET_PORT_BASE), ("APERTURE_PORT", APERTURE_PORT), ("PROM_PORT", PROMETHEUS_PORT)]
    {
        command.env(variable, port.to_string());
    }
    command
}

/// What the scripts say on stdout (keys, among others) is not for the reader of a table.
fn run(command: &mut Command) -> Result<()> {
    let status = command.stdout(Stdio::null()).status().context("cannot run bash")?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}

fn output(command: &mut Command) -> Result<String> {
    let out = command.stderr(Stdio::inherit()).output().context("cannot run bash")?;
    if !out.status.success() {
        bail!("{command:?} failed ({})", out.status);
    }
    Ok(String::from_utf8(out.stdout)?.trim().to_owned())
}
