//! Makes sure that some toolchain here can build for wasm32-unknown-unknown, and says which.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::repo;
use crate::steps::Steps;

/// The target of the worker.
pub const TARGET: &str = "wasm32-unknown-unknown";

const SCRIPT: &str = include_str!("setup-wasm.sh");

/// A toolchain that has the target: rustup's name for it, or the one that is active anyway.
pub struct Toolchain(Option<String>);

impl Toolchain {
    /// Cargo of this toolchain in the workspace. Its builds have a target directory and flags of their own,
    /// so that they never make a host build start anew.
    pub fn cargo(&self, args: &[&str]) -> Command {
        let mut command = match &self.0 {
            None => repo::cargo(args),
            Some(name) => {
                let mut command = repo::cargo_of("cargo", args);
                command.env("RUSTUP_TOOLCHAIN", name);
                for name in ["CARGO", "RUSTC", "RUSTDOC"] {
                    command.env_remove(name);
                }
                command
            }
        };
        command.env("CARGO_TARGET_DIR", repo::target().join("wasm")).env_remove("RUSTFLAGS");
        command
    }

    /// Whether the source of `core` is here, or could be fetched.
    pub fn has_source(&self) -> bool {
        let there = || self.sysroot().is_some_and(|dir| dir.join("lib/rustlib/src/rust/library/Cargo.lock").is_file());
        there() || (repo::run(Command::new("rustup").args(["component", "add", "rust-src"])).is_ok() && there())
    }

    /// Where this toolchain is.
    pub fn sysroot(&self) -> Option<PathBuf> {
        let mut rustc = Command::new("rustc");
        if let Some(name) = &self.0 {
            rustc.env("RUSTUP_TOOLCHAIN", name);
        }
        repo::output(rustc.args(["--print", "sysroot"])).map(PathBuf::from)
    }
}

/// One step. The usual answers cost some milliseconds; the work is in `setup-wasm.sh`.
pub fn ensure(steps: &mut Steps) -> Result<Toolchain> {
    let skip_rustup = std::env::var_os("SETUP_WASM_SKIP_RUSTUP").is_some();
    if !skip_rustup && has_std(&mut Command::new("rustc")) {
        steps.skip(1, "wasm target: there");
        return Ok(Toolchain(None));
    }
    steps.run("wasm target: setting up", || {
        let out = Command::new("bash")
            .args(["-c", SCRIPT, "setup-wasm"])
            .current_dir(repo::root())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run bash")?;
        if !out.status.success() {
            bail!("no toolchain here can build for {TARGET}; `rustup target add {TARGET}` is the usual way");
        }
        let name = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        Ok(Toolchain((!name.is_empty()).then_some(name)))
    })
}

fn has_std(rustc: &mut Command) -> bool {
    let Some(dir) = repo::output(rustc.args(["--print", "target-libdir", "--target", TARGET])) else {
        return false;
    };
    let Ok(files) = Path::new(&dir).read_dir() else { return false };
    files.flatten().any(|f| f.file_name().to_string_lossy().starts_with("libstd-"))
}
