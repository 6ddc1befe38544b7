//! A Lightning network and aperture on it. `cargo xtask bench` has built them; where it could not, they are skipped
//! by name.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use satstile_tests::{Devnet, Origin, binaries, free_port, loopback};

/// The network that both sides take invoices on, or why there is none.
pub enum Network {
    Up(Box<Devnet>),
    Skipped(&'static str),
}

/// A running aperture, whose invoices alice makes.
pub struct Aperture<'a> {
    pub address: SocketAddr,
    pub pid: u32,
    devnet: &'a Devnet,
    ports: [(&'static str, u16); 2],
}

impl Network {
    pub fn start(wanted: bool) -> Self {
        if !wanted {
            return Self::Skipped("--no-peers");
        }
        let built = ["btcd", "lnd", "aperture"].iter().all(|b| binaries::peers_directory().join(b).is_file());
        if !built {
            return Self::Skipped("not built: install Go (https://go.dev/dl), then `cargo xtask bench` builds them");
        }
        eprintln!("starting a Lightning network, about 15 s");
        Self::Up(Box::new(Devnet::start()))
    }

    pub fn devnet(&self) -> Option<&Devnet> {
        match self {
            Self::Up(devnet) => Some(devnet),
            Self::Skipped(_) => None,
        }
    }

    pub fn why_skipped(&self) -> Option<&'static str> {
        match self {
            Self::Up(_) => None,
            Self::Skipped(why) => Some(why),
        }
    }
}

impl<'a> Aperture<'a> {
    /// In front of the same origin, on the same node.
    pub fn start(devnet: &'a Devnet, origin: &Origin) -> Result<Self> {
        let ports = [("APERTURE_PORT", free_port()), ("PROM_PORT", free_port())];
        let mut aperture = Self { address: loopback(ports[0].1), pid: 0, devnet, ports };
        // From here on a failure drops it, and that stops whatever is up by then.
        let status = aperture.script("up").env("ORIGIN", origin.address().to_string()).stdout(Stdio::null()).status();
        ensure!(status.context("cannot run bash")?.success(), "aperture did not come up");
        let out = aperture.script("pid").stderr(Stdio::inherit()).output().context("cannot run bash")?;
        if !out.status.success() {
            bail!("aperture has no pid ({})", out.status);
        }
        aperture.pid = String::from_utf8(out.stdout)?.trim().parse().context("aperture has no pid")?;
        Ok(aperture)
    }

    /// Pays from the network's other node, and gives the preimage in hex.
    pub fn pay(&self, bolt11: &str) -> String {
        self.devnet.pay(bolt11)
    }

    fn script(&self, command: &str) -> Command {
        let mut bash = Command::new("bash");
        bash.arg(binaries::root().join("tests/peers/aperture.sh")).arg(command).stdin(Stdio::null());
        bash.env("DEVNET_BIN", binaries::peers_directory()).env("DEVNET_DIR", self.devnet.directory());
        bash.envs(self.ports.map(|(name, port)| (name, port.to_string())));
        bash
    }
}

impl Drop for Aperture<'_> {
    fn drop(&mut self) {
        if !self.script("down").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
            eprintln!("cannot stop aperture");
        }
    }
}
