//! `.dev.vars`, the worker's secrets on this machine (C9): made once from the system's randomness, with mode
//! 0600, and never overwritten: a file of ours that lacks a newer secret gets its line at the end. No secret has a default.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use base64::{Engine, engine::general_purpose::STANDARD};

/// PKCS#8 for an Ed25519 private key is these 16 bytes and then the 32 of the seed (RFC 8410).
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The first line of a file that [`ensure`] made.
const HEADER: &str =
    "# Secrets of the worker on this machine, made by `cargo xtask dev`. Not for production, not for git.";

/// The secret that files from before payouts lack.
const PAYOUTS: &str = "PAYOUT_SECRETS";

/// Writes the file if there is none, adds what an earlier version of it lacks, and returns what it sets.
///
/// A file that somebody else made is left as it is: payouts are then off, and what to add is said.
pub fn ensure(file: &Path) -> Result<Vec<(String, String)>> {
    if !file.exists() {
        let text = generate()?;
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .with_context(|| format!("cannot create {}", file.display()))?;
        out.write_all(text.as_bytes())?;
    }
    let mut text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lacks_payouts = !parse(&text).iter().any(|(name, _)| name == PAYOUTS);
    if lacks_payouts && text.lines().next() == Some(HEADER) {
        let more = addition(&text)?;
        let out = OpenOptions::new().append(true).open(file);
        out.and_then(|mut out| out.write_all(more.as_bytes()))
            .with_context(|| format!("cannot add {PAYOUTS} to {}", file.display()))?;
        text.push_str(&more);
    } else if lacks_payouts {
        println!(
            ".dev.vars sets no {PAYOUTS}, so nothing is paid out. `payouts`, `refunds` and `sessions` need a line \
             {PAYOUTS}=\"whsec_…\" in it, with what `openssl rand -base64 32` prints."
        );
    }
    Ok(parse(&text))
}

/// What a new file would set, for a worker that nobody meets again.
pub fn of_this_moment() -> Result<Vec<(String, String)>> {
    Ok(parse(&generate()?))
}

/// The line of [`PAYOUTS`], for the end of `text`.
fn addition(text: &str) -> Result<String> {
    let gap = if text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{gap}{PAYOUTS}=\"whsec_{}\"\n", STANDARD.encode(random()?)))
}

/// The value of one name, or a sentence about the file.
pub fn get<'a>(vars: &'a [(String, String)], name: &str) -> Result<&'a str> {
    let found = vars.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str());
    found.ok_or_else(|| anyhow!(".dev.vars sets no {name}: add it, or delete the file to have a new one made"))
}

fn generate() -> Result<String> {
    let mut seed = ED25519_PKCS8.to_vec();
    seed.extend(random()?);
    Ok(format!(
        "{HEADER}\n\
         MASTER_KEYS=\"1:{}\"\nRELAY_SECRETS=\"whsec_{}\"\nCHALLENGE_SECRET=\"{}\"\nRECEIPT_KEY=\"{}\"\nAUDIT_KEY=\"{}\"\n\
         {PAYOUTS}=\"whsec_{}\"\n\
         # What an origin can know the worker by (docs/policy.md#secrets): without the # it is sent along.\n\
         # ORIGIN_SECRET=\"{}\"\n",
        STANDARD.encode(random()?),
        STANDARD.encode(random()?),
        STANDARD.encode(random()?),
        STANDARD.encode(seed),
        STANDARD.encode(random()?),
        STANDARD.encode(random()?),
        STANDARD.encode(random()?),
    ))
}

fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow!("the system gives no randomness: {e}"))?;
    Ok(bytes)
}

fn parse(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|l| !l.starts_with('#'));
    let pairs = lines.filter_map(|l| l.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches('"').to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_has_every_secret_in_its_form() {
        let vars = parse(&generate().unwrap());
        let names: Vec<_> = vars.iter().map(|(n, _)| n.as_str()).collect();
        let expected =
            ["MASTER_KEYS", "RELAY_SECRETS", "CHALLENGE_SECRET", "RECEIPT_KEY", "AUDIT_KEY", "PAYOUT_SECRETS"];
        assert_eq!(names, expected);
        let bytes = |name, prefix: &str| {
            let value = get(&vars, name).unwrap();
            STANDARD.decode(value.strip_prefix(prefix).unwrap()).unwrap()
        };
        assert_eq!(bytes("MASTER_KEYS", "1:").len(), 32);
        assert_eq!(bytes("RELAY_SECRETS", "whsec_").len(), 32);
        assert_eq!(bytes("PAYOUT_SECRETS", "whsec_").len(), 32);
        assert_ne!(get(&vars, "RELAY_SECRETS").unwrap(), get(&vars, "PAYOUT_SECRETS").unwrap());
        let receipt = bytes("RECEIPT_KEY", "");
        assert_eq!((receipt.len(), &receipt[..16]), (48, &ED25519_PKCS8[..]));
    }

    /// What it had stays as it was, and a second run adds nothing more.
    #[test]
    fn a_file_of_ours_from_before_payouts_gets_their_secret_once() {
        let folder = Folder::new("ours");
        let whole = generate().unwrap();
        let before: String = whole.lines().filter(|line| !line.starts_with(PAYOUTS)).collect::<Vec<_>>().join("\n");
        fs::write(folder.file(), &before).unwrap();
        let vars = ensure(&folder.file()).unwrap();
        let after = fs::read_to_string(folder.file()).unwrap();
        assert!(after.starts_with(&format!("{before}\n{PAYOUTS}=\"whsec_")), "the rest is as it was");
        assert_eq!(vars, parse(&after));
        assert_eq!(vars.len(), 6);
        assert_eq!(ensure(&folder.file()).unwrap(), vars);
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), after);
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = Folder::new("theirs");
        let theirs = "# mine\nRELAY_SECRETS=\"whsec_x\"\n";
        fs::write(folder.file(), theirs).unwrap();
        assert_eq!(ensure(&folder.file()).unwrap(), [("RELAY_SECRETS".to_owned(), "whsec_x".to_owned())]);
        assert_eq!(fs::read_to_string(folder.file()).unwrap(), theirs);
    }

    /// A folder of the test's own, gone with it.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("satstile-dev-vars-{name}-{}", std::process::id()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn file(&self) -> std::path::PathBuf {
            self.0.join(".dev.vars")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn two_files_share_no_secret() {
        let (a, b) = (parse(&generate().unwrap()), parse(&generate().unwrap()));
        assert!(a.iter().zip(&b).all(|(x, y)| x.1 != y.1));
    }
}
