//! Connection strings that name files: `macaroonfilepath=`, `certfilepath=`, as BTCPay Server has them, and
//! `passwordfilepath=` for any other secret. Read here, because the core reads no files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use satstile_lightning::Connection;
use sha2::{Digest, Sha256};

/// What a file holds, as a connection string says it.
type Read = fn(&Path) -> Result<String>;

/// A key that names a file, the key that stands for its content, and how the one becomes the other.
const FILES: [(&str, &str, Read); 4] = [
    ("macaroonfilepath", "macaroon", as_hex),
    ("certfilepath", "certthumbprint", certificate_sha256),
    ("runefilepath", "rune", as_line),
    ("passwordfilepath", "password", as_line),
];

/// Reads a connection string, and the files that it names.
///
/// # Errors
/// What is wrong, by the name of the key; never a value.
pub fn load(text: &str) -> Result<Connection> {
    Connection::parse(&expanded(text)?).map_err(Into::into)
}

/// The same string with the contents in the place of the files.
///
/// # Errors
/// What is wrong, by the name of the key; never a value.
pub fn expanded(text: &str) -> Result<String> {
    let pairs = text.trim().split(';').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = name.trim().to_ascii_lowercase();
        let Some((_, key, read)) = FILES.iter().find(|(file_key, ..)| *file_key == name) else {
            return Ok(pair.to_owned());
        };
        let content = read(Path::new(value.trim())).with_context(|| format!("`{name}=` cannot be used"))?;
        Ok(format!("{key}={content}"))
    });
    Ok(pairs.collect::<Result<Vec<_>>>()?.join(";"))
}

fn as_hex(path: &Path) -> Result<String> {
    Ok(hex::encode(bytes(path)?))
}

fn as_line(path: &Path) -> Result<String> {
    let text = String::from_utf8(bytes(path)?).ok().context("it is not text")?;
    let line = text.trim();
    if line.is_empty() || line.contains(['\n', ';']) {
        bail!("it must hold one line without `;`");
    }
    Ok(line.to_owned())
}

fn certificate_sha256(path: &Path) -> Result<String> {
    let pem = bytes(path)?;
    let certificate = CertificateDer::from_pem_slice(&pem).ok().context("it is not a PEM certificate")?;
    Ok(hex::encode(Sha256::digest(&certificate)))
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_for_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let macaroon = folder.path().join("invoice.macaroon");
        fs::write(&macaroon, [0x02, 0xff]).unwrap();
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let cert = folder.path().join("tls.cert");
        fs::write(&cert, certified.cert.pem()).unwrap();
        let text = format!(
            "type=lnd-rest;server=https://127.0.0.1:8080;macaroonfilepath={};CertFilePath={}",
            macaroon.display(),
            cert.display()
        );
        let sha256: [u8; 32] = Sha256::digest(certified.cert.der()).into();
        assert_eq!(load(&text).unwrap().pin, Some(sha256));
        assert!(expanded(&text).unwrap().contains(";macaroon=02ff;"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_by_its_key() {
        let fault = load("type=lnd-rest;server=https://n.test;macaroonfilepath=/nowhere").unwrap_err();
        assert_eq!(format!("{fault:#}").split(':').next(), Some("`macaroonfilepath=` cannot be used"));
    }
}
