//! A real aperture, whose invoices alice of the [`Devnet`] makes. It sells `/api…` for 10 sats, and gives `/free/…` away.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::{Devnet, Origin, binaries, free_port, loopback};

/// A running aperture; one for each network. It ends with its value, and when the test process dies without dropping it.
pub struct Aperture<'a> {
    address: SocketAddr,
    pid: u32,
    devnet: &'a Devnet,
    /// Runs `aperture.sh down` when our end of its stdin closes.
    end: Child,
}

impl<'a> Aperture<'a> {
    /// Whether it is built.
    pub fn is_built() -> bool {
        binaries::peers_directory().join("aperture").is_file()
    }

    /// In front of this origin, on this network.
    #[track_caller]
    pub fn start(devnet: &'a Devnet, origin: &Origin) -> Self {
        assert!(Self::is_built(), "aperture is not built: run `cargo xtask test lightning`");
        let (port, metrics_port) = (free_port(), free_port());
        let script = |command: &str| {
            let mut bash = Command::new("bash");
            bash.arg(script_file()).arg(command).stdin(Stdio::null());
            environment(&mut bash, devnet);
            bash.env("APERTURE_PORT", port.to_string()).env("PROM_PORT", metrics_port.to_string());
            bash
        };
        // Before it is up: what fails half-way is tidied up, too. In a group of its own, so that Ctrl-C in a terminal
        // does not keep it from that.
        let mut end = Command::new("bash");
        end.args(["-c", r#"read -r _; exec bash "$0" down"#]).arg(script_file()).process_group(0);
        environment(&mut end, devnet);
        let end = end.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut aperture = Self { address: loopback(port), pid: 0, devnet, end: end.expect("cannot start bash") };

        let up = script("up").env("ORIGIN", origin.address().to_string()).stdout(Stdio::null()).status();
        assert!(up.expect("cannot run bash").success(), "aperture did not come up; it said why above");
        let pid = script("pid").stderr(Stdio::inherit()).output().expect("cannot run bash");
        aperture.pid = String::from_utf8_lossy(&pid.stdout).trim().parse().expect("aperture has a pid");
        aperture
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process, for `/proc`.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// A URL at it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Pays from the network's other node, and gives the preimage in hex.
    #[track_caller]
    pub fn pay(&self, bolt11: &str) -> String {
        self.devnet.pay(bolt11)
    }
}

impl Drop for Aperture<'_> {
    fn drop(&mut self) {
        drop(self.end.stdin.take());
        let _ = self.end.wait();
    }
}

fn script_file() -> PathBuf {
    binaries::root().join("tests/peers/aperture.sh")
}

fn environment(command: &mut Command, devnet: &Devnet) {
    command.env("DEVNET_BIN", binaries::peers_directory()).env("DEVNET_DIR", devnet.directory());
}
