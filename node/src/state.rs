//! The state folder: mode 0700, and in it files of mode 0600 that are made once and then kept (C9).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use bitcoin::secp256k1::SecretKey;

/// The folder that survives restarts. One running node webhook owns it.
pub(crate) struct StateDir {
    path: PathBuf,
    /// Held, not read: the lock goes when the process does.
    _lock: File,
}

impl StateDir {
    /// Makes the folder if it is missing, and claims it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the state folder {}", path.display()))?;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            // Not repaired: it may be a folder that others rightly use. The files in it are closed either way.
            tracing::warn!(path = %path.display(), "other users can look into the state folder; chmod 700 it");
        }
        let lock = private_file(&path.join("node.lock"))?;
        if lock.try_lock().is_err() {
            bail!("another node webhook uses the state folder {}", path.display());
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The dev node's signing key, made at the first start.
    pub(crate) fn node_key(&self) -> anyhow::Result<SecretKey> {
        let text = self.secret_text("node.key")?;
        text.parse().ok().context("the state folder's node.key is not a signing key: 64 hex digits")
    }

    /// The dev wallet's signing key, made at the first start: to the dev node it is a stranger's.
    pub(crate) fn wallet_key(&self) -> anyhow::Result<SecretKey> {
        let text = self.secret_text("wallet.key")?;
        text.parse().ok().context("the state folder's wallet.key is not a signing key: 64 hex digits")
    }

    /// What the dev wallet asks for before it pays, made at the first start.
    pub(crate) fn wallet_password(&self) -> anyhow::Result<String> {
        self.secret_text("wallet-password")
    }

    /// The database's file, made private before SQLite writes a preimage into it; its siblings take the same mode.
    pub(crate) fn database(&self) -> anyhow::Result<PathBuf> {
        let path = self.path.join("node.sqlite");
        private_file(&path)?;
        Ok(path)
    }

    /// 32 random bytes as hex, drawn once. Written aside and linked into place, so that a crash leaves the whole file
    /// or none.
    fn secret_text(&self, name: &str) -> anyhow::Result<String> {
        let path = self.path.join(name);
        if let Some(text) = read_secret(&path)? {
            return Ok(text);
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
        let aside = self.path.join(format!("{name}.new"));
        let mut file = private_file(&aside)?;
        file.set_len(0)?;
        writeln!(file, "{}", hex::encode(bytes))?;
        file.sync_all()?;
        fs::rename(&aside, &path).with_context(|| format!("cannot write {}", path.display()))?;
        read_secret(&path)?.with_context(|| format!("{} went away", path.display()))
    }
}

fn read_secret(path: &Path) -> anyhow::Result<Option<String>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let open_to_others = fs::metadata(path)?.permissions().mode() & 0o077 != 0;
    ensure!(!open_to_others, "other users can read {}; chmod 600 it, or remove it for a new one", path.display());
    let text = text.trim();
    ensure!(text.len() >= 32, "{} is too short to be a secret; remove it for a new one", path.display());
    Ok(Some(text.to_owned()))
}

fn private_file(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn secrets_are_made_once_and_closed_to_others() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/.satstile");
        let first = StateDir::open(&path).unwrap();
        let (key, password) = (first.node_key().unwrap(), first.wallet_password().unwrap());
        first.database().unwrap();
        drop(first);

        let second = StateDir::open(&path).unwrap();
        assert_eq!((second.node_key().unwrap(), second.wallet_password().unwrap()), (key, password.clone()));
        assert_eq!(password.len(), 64);
        assert_eq!(mode(&path), 0o700);
        for name in ["node.key", "wallet-password", "node.sqlite"] {
            assert_eq!(mode(&path.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_no_key_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        state.node_key().unwrap();
        let path = dir.path().join("node.key");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(state.node_key().unwrap_err().to_string().contains("chmod 600"));

        fs::write(&path, "0".repeat(64)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(state.node_key().unwrap_err().to_string().contains("is not a signing key"));
    }

    #[test]
    fn one_folder_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let _owner = StateDir::open(dir.path()).unwrap();
        let error = StateDir::open(dir.path()).err().unwrap().to_string();
        assert!(error.starts_with("another node webhook uses"), "{error}");
    }
}
