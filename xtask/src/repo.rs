//! Where things are, and how a program is run so that its failure reads as a sentence.

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The workspace root.
pub fn root() -> PathBuf {
    // `cargo run` sets this at run time; the compile-time value serves a binary that is started by hand.
    let xtask =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
}

/// Cargo's target directory for host builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The directory for state that outlives a run (C9): `SATSTILE_STATE`, or `.satstile`.
pub fn state() -> PathBuf {
    root().join(std::env::var_os("SATSTILE_STATE").unwrap_or_else(|| ".satstile".into()))
}

/// What outlives a checkout, because it is slow to build and the same for all of them: `SATSTILE_CACHE`, or `satstile`
/// in the user's cache folder.
pub fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(cache) = variable("SATSTILE_CACHE") {
        return root().join(cache);
    }
    let home = || variable("HOME").unwrap_or_else(target).join(".cache");
    variable("XDG_CACHE_HOME").unwrap_or_else(home).join("satstile")
}

/// Cargo in the workspace, with the toolchain that runs us.
pub fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    cargo_of(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
}

/// Any cargo in the workspace. Quiet when nobody watches: a log wants warnings and errors, a person wants to
/// see that it moves.
pub fn cargo_of<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).args(args);
    if !std::io::stderr().is_terminal() {
        command.env("CARGO_TERM_QUIET", "true");
    }
    // What `cargo run` sets for xtask itself would make build scripts of other packages run again.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(name);
    }
    command
}

/// Runs to the end; a failure names the command line.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// What a program prints on stdout, or `None` when it cannot be run or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let out = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// The command as one would type it, for messages.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// True when a program of this name is in `PATH`.
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// A fingerprint of files, to see that nothing changed since the last run. Not for security.
pub fn fingerprint(files: &[PathBuf], extra: &str) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    extra.hash(&mut hasher);
    for file in files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        file.hash(&mut hasher);
        bytes.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
