//! Where things are. `cargo xtask test` builds the programs; an environment variable names another one.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The workspace root.
pub fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// A binary of this workspace: the one named by `variable`, else the newest in the target directory that the
/// running test was built into (debug and release are both fine: what is tested is behaviour).
pub fn workspace_binary(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let built = ["debug", "release"].map(|profile| target.join(profile).join(name));
    let newest = built.into_iter().filter(|p| p.is_file()).max_by_key(|p| p.metadata().and_then(|m| m.modified()).ok());
    newest.unwrap_or_else(|| {
        panic!("{name} is not built in {}: run `cargo xtask test`, or set {variable}", target.display())
    })
}

/// The workerd of the npm package: the binary itself, no Node process around it.
pub fn workerd() -> PathBuf {
    if let Some(path) = std::env::var_os("WORKERD_BIN") {
        return path.into();
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "64" };
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let path = root().join(format!("node_modules/@cloudflare/workerd-{os}-{arch}/bin/workerd"));
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`, or set WORKERD_BIN", path.display());
    path
}

/// The built worker.
pub fn worker_directory() -> PathBuf {
    let path = std::env::var_os("SATSTILE_WORKER").map_or_else(|| root().join("pkg/worker"), PathBuf::from);
    assert!(path.join("shim.mjs").is_file(), "{} is not built: run `cargo xtask worker`", path.display());
    path
}

/// What outlives a checkout, as `cargo xtask devnet` fills it: `SATSTILE_CACHE`, or `satstile` in the user's cache folder.
pub fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(cache) = variable("SATSTILE_CACHE") {
        return root().join(cache);
    }
    let home = || variable("HOME").unwrap_or_else(root).join(".cache");
    variable("XDG_CACHE_HOME").unwrap_or_else(home).join("satstile")
}

/// Where btcd, lnd and aperture are, once they are built.
pub fn peers_directory() -> PathBuf {
    cache().join("peers/bin")
}

/// A directory that only we can read and that goes away with its value.
pub fn private_directory(prefix: &str) -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).permissions(Permissions::from_mode(0o700));
    builder.tempdir().expect("cannot make a temporary directory")
}
