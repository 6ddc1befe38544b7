//! `.dev.vars`, the worker's secrets on this machine (C9): made once from the system's randomness, with mode
//! 0600, and never overwritten. No secret has a default.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use base64::{Engine, engine::general_purpose::STANDARD};

/// PKCS#8 for an Ed25519 private key is these 16 bytes and then the 32 of the seed (RFC 8410).
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Writes the file if there is none, and returns what it sets.
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
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(parse(&text))
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
        "# Secrets of the worker on this machine, made by `cargo xtask dev`. Not for production, not for git.\n\
         MASTER_KEYS=\"1:{}\"\nRELAY_SECRETS=\"whsec_{}\"\nCHALLENGE_SECRET=\"{}\"\nRECEIPT_KEY=\"{}\"\nAUDIT_KEY=\"{}\"\n",
        STANDARD.encode(random()?),
        STANDARD.encode(random()?),
        STANDARD.encode(random()?),
        STANDARD.encode(seed),
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
        assert_eq!(names, ["MASTER_KEYS", "RELAY_SECRETS", "CHALLENGE_SECRET", "RECEIPT_KEY", "AUDIT_KEY"]);
        let bytes = |name, prefix: &str| {
            let value = get(&vars, name).unwrap();
            STANDARD.decode(value.strip_prefix(prefix).unwrap()).unwrap()
        };
        assert_eq!(bytes("MASTER_KEYS", "1:").len(), 32);
        assert_eq!(bytes("RELAY_SECRETS", "whsec_").len(), 32);
        let receipt = bytes("RECEIPT_KEY", "");
        assert_eq!((receipt.len(), &receipt[..16]), (48, &ED25519_PKCS8[..]));
    }

    #[test]
    fn two_files_share_no_secret() {
        let (a, b) = (parse(&generate().unwrap()), parse(&generate().unwrap()));
        assert!(a.iter().zip(&b).all(|(x, y)| x.1 != y.1));
    }
}
