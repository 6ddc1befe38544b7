//! The programs of others that we are tested with and measured against: btcd, lnd and aperture, built from the Go
//! modules pinned in `tests/peers/`. Once for all checkouts, in the user's cache, and again when a pin changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::repo;
use crate::steps::seconds;

/// A module of `tests/peers/`, and one of the programs that it builds.
#[derive(Clone, Copy)]
pub struct Peer {
    module: &'static str,
    takes: &'static str,
}

/// A Lightning network needs these two.
pub const NETWORK: &[Peer] =
    &[Peer { module: "btcd", takes: "a minute" }, Peer { module: "lnd", takes: "up to 19 minutes" }];
/// The bench has this one in front of it.
pub const APERTURE: &[Peer] = &[Peer { module: "aperture", takes: "up to 10 minutes" }];

/// What a machine without them is told.
pub const GO: &str = "Go is missing, and btcd and lnd are built with it: https://go.dev/dl";

/// What became of them.
pub enum Peers {
    /// They are in [`directory`].
    Ready,
    /// They are not built, and there is no Go to build them. No failure.
    NoGo,
}

/// Where they are.
pub fn directory() -> PathBuf {
    repo::cache().join("peers/bin")
}

/// Builds what is missing or was built from other versions. One build at a time: they take all the cores there are.
pub fn ensure(wanted: &[Peer]) -> Result<Peers> {
    let bin = directory();
    fs::create_dir_all(&bin).with_context(|| format!("cannot make {}", bin.display()))?;
    let lock = File::create(bin.with_file_name(".lock"))?;
    if lock.try_lock().is_err() {
        eprintln!("xtask: another build of peers is going on; waiting for it");
        lock.lock().context("cannot wait for another build")?;
    }
    for peer in wanted {
        let stamp = bin.join(format!(".{}.pins", peer.module));
        let pins = peer.pins()?;
        let current = fs::read_to_string(&stamp).is_ok_and(|have| have.trim() == pins);
        if current && bin.join(peer.module).is_file() {
            continue;
        }
        if repo::output(Command::new("go").arg("version")).is_none() {
            return Ok(Peers::NoGo);
        }
        peer.build(&bin)?;
        fs::write(&stamp, pins)?;
    }
    Ok(Peers::Ready)
}

impl Peer {
    fn source(self) -> PathBuf {
        repo::root().join("tests/peers").join(self.module)
    }

    /// Of the versions, and of nothing that differs between checkouts.
    fn pins(self) -> Result<String> {
        let mut hasher = Sha256::new();
        for name in ["go.mod", "go.sum"] {
            let file = self.source().join(name);
            hasher.update(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Says that it still works on it: Go says nothing until it is done.
    fn build(self, bin: &Path) -> Result<()> {
        let start = Instant::now();
        eprintln!("xtask: building {} once, {} on two cores …", self.module, self.takes);
        let mut command = Command::new("bash");
        command.arg(repo::root().join("tests/peers/build.sh")).arg(self.module).env("PEERS_BIN", bin);
        let mut child = command.stdin(Stdio::null()).spawn().context("cannot run bash")?;
        let mut told = start;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if told.elapsed() >= Duration::from_secs(30) {
                told = Instant::now();
                eprintln!("xtask: building {} … {} so far", self.module, seconds(start.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        if !status.success() {
            bail!("{} could not be built ({status})", self.module);
        }
        Ok(())
    }
}
