//! How an operator names a back end: one line of text, `type=lnd-rest;server=https://127.0.0.1:8080;macaroon=…`.
//!
//! It is the form that BTCPay Server's settings have, so many operators have one at hand. Names are not told apart by
//! case; a name that is not known is refused (T127). The line is a secret as a whole: it never prints.

use core::fmt;

use l402::host::is_loopback;
use l402::secret::fingerprint;

use crate::backend;
use crate::call::Backend;

/// A back end that is called over https, and how its certificate is known.
#[derive(Debug)]
pub struct Connection {
    /// What to ask it.
    pub backend: Box<dyn Backend + Send + Sync>,
    /// SHA-256 of the one certificate (DER) that is accepted, for nodes that signed their own; without, the usual
    /// authorities are asked.
    pub pin: Option<[u8; 32]>,
    /// Scheme, host and port, to tell back ends apart in logs and metrics. Holds no secret.
    pub place: String,
}

/// Why a connection string cannot be used. Names the key, never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionFault {
    /// Not `name=value;…`.
    Form,
    /// There is no such `type`.
    Type(String),
    /// The key is missing.
    Missing(&'static str),
    /// The key is there twice.
    Repeated(String),
    /// This type has no such key.
    Unknown(String),
    /// The key's value cannot be used, and why.
    Value(&'static str, &'static str),
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => f.write_str("a connection string is type=…;name=value;…"),
            Self::Type(kind) => {
                let more = if cfg!(feature = "nwc") { ", nwc" } else { "" };
                write!(f, "there is no type `{kind}`; there are {}{more}", backend::KINDS.join(", "))
            }
            Self::Missing(key) => write!(f, "`{key}=` is missing"),
            Self::Repeated(key) => write!(f, "`{key}=` stands twice"),
            Self::Unknown(key) => write!(f, "this type has no `{key}=`"),
            Self::Value(key, why) => write!(f, "`{key}=` {why}"),
        }
    }
}

impl core::error::Error for ConnectionFault {}

impl Connection {
    /// Reads a connection string.
    ///
    /// # Errors
    /// The [`ConnectionFault`] that says which key to change.
    pub fn parse(text: &str) -> Result<Self, ConnectionFault> {
        let mut parameters = Parameters::split(text)?;
        let kind = parameters.required("type")?;
        let pin = match parameters.optional("certthumbprint") {
            Some(thumbprint) => Some(certificate_pin(&thumbprint)?),
            None => None,
        };
        let (backend, place) = backend::of(&kind, &mut parameters)?;
        parameters.end()?;
        Ok(Self { backend, pin, place })
    }
}

/// As tools print it: hex digits, with or without colons.
pub(crate) fn certificate_pin(thumbprint: &str) -> Result<[u8; 32], ConnectionFault> {
    let digits: String = thumbprint.chars().filter(|c| *c != ':').collect();
    let bytes = hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(ConnectionFault::Value("certthumbprint", "must be the certificate's SHA-256: 64 hex digits"))
}

/// The keys of a connection string that were not taken yet.
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes a string apart; a value may hold `=`, and no `;`.
    ///
    /// # Errors
    /// [`ConnectionFault::Form`] and [`ConnectionFault::Repeated`].
    pub fn split(text: &str) -> Result<Self, ConnectionFault> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.trim().split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(ConnectionFault::Form)?;
            let name = name.trim().to_ascii_lowercase();
            let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            if !plain || value.trim().bytes().any(|b| b.is_ascii_control()) {
                return Err(ConnectionFault::Form);
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(ConnectionFault::Repeated(name));
            }
            pairs.push((name, value.trim().to_owned()));
        }
        Ok(Self(pairs))
    }

    /// Takes a key that may be missing.
    pub fn optional(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1).filter(|value| !value.is_empty())
    }

    /// Takes a key that must be there.
    ///
    /// # Errors
    /// [`ConnectionFault::Missing`].
    pub fn required(&mut self, name: &'static str) -> Result<String, ConnectionFault> {
        self.optional(name).ok_or(ConnectionFault::Missing(name))
    }

    /// Takes a secret that must be there.
    pub(crate) fn credential(&mut self, name: &'static str) -> Result<Credential, ConnectionFault> {
        let text = self.required(name)?;
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible { Ok(Credential(text)) } else { Err(ConnectionFault::Value(name, "must be visible ASCII")) }
    }

    /// Takes the server, and the secret of this name.
    pub(crate) fn access(&mut self, default: Option<&str>, secret: &'static str) -> Result<Access, ConnectionFault> {
        Ok(Access { server: self.server(default)?, credential: self.credential(secret)? })
    }

    /// Takes a key that is `true` or `false`; false when missing.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, ConnectionFault> {
        match self.optional(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ConnectionFault::Value(name, "must be true or false")),
        }
    }

    /// Takes the base URL of a back end, without a trailing slash: https, or http on this machine.
    pub(crate) fn server(&mut self, default: Option<&str>) -> Result<Server, ConnectionFault> {
        let fault = |why| ConnectionFault::Value("server", why);
        let url = match (self.optional("server"), default) {
            (Some(url), _) => url,
            (None, Some(default)) => default.to_owned(),
            (None, None) => return Err(ConnectionFault::Missing("server")),
        };
        let insecure = self.flag("allowinsecure")?;
        let url = url.trim_end_matches('/').to_owned();
        let (scheme, rest) = url.split_once("://").ok_or(fault("must be a URL like https://127.0.0.1:8080"))?;
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() || url.contains(['?', '#', '@', ' ', '\\']) {
            return Err(fault("must be scheme, host, port and path, and nothing else"));
        }
        let host = authority.rsplit_once(':').map_or(authority, |(host, port)| {
            // `[::1]` has colons of its own.
            if port.ends_with(']') { authority } else { host }
        });
        match scheme {
            "https" => {}
            "http" if is_loopback(host) || insecure => {}
            "http" => return Err(fault("sends its secrets in the clear: use https, or allowinsecure=true")),
            _ => return Err(fault("must begin with https://, or on this machine http://")),
        }
        let place = format!("{scheme}://{authority}");
        Ok(Server { url, place })
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), ConnectionFault> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => Err(ConnectionFault::Unknown(name)),
        }
    }
}

/// Where a back end is, and what lets us in: all that most of them are named by.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) server: Server,
    pub(crate) credential: Credential,
}

/// Where a back end is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Without a trailing slash.
    pub(crate) url: String,
    /// Scheme, host and port.
    pub(crate) place: String,
}

impl Server {
    /// A URL below it; `path` begins with a slash.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

/// What lets us in. Visible ASCII, so it fits into a header field; `Debug` shows a fingerprint (T120).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential(String);

impl Credential {
    /// For a header field.
    pub(crate) fn expose(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", fingerprint(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fault(text: &str) -> String {
        Connection::parse(text).unwrap_err().to_string()
    }

    const LND: &str = "type=lnd-rest;server=https://node.test:8080/;macaroon=00ff";

    #[test]
    fn the_string_that_btcpay_takes_is_taken() {
        let pinned = format!("{LND};certthumbprint={}", "AB:".repeat(31) + "AB");
        let connection = Connection::parse(&pinned).unwrap();
        assert_eq!((connection.pin, connection.place.as_str()), (Some([0xAB; 32]), "https://node.test:8080"));
        assert_eq!(connection.backend.kind(), "lnd-rest");
        assert_eq!(Connection::parse(LND).unwrap().pin, None);
    }

    #[test]
    fn what_is_not_known_is_refused_by_name_and_never_by_value() {
        assert_eq!(fault(&format!("{LND};colour=hush")), "this type has no `colour=`");
        assert_eq!(fault(&format!("{LND};macaroon=hush")), "`macaroon=` stands twice");
        assert_eq!(fault("type=lnd-rest;server=https://node.test"), "`macaroon=` is missing");
        assert_eq!(fault("type=lnd-rest;macaroon=00"), "`server=` is missing");
        assert_eq!(fault("hush"), "a connection string is type=…;name=value;…");
        assert!(fault("type=carrier-pigeon").starts_with("there is no type `carrier-pigeon`; there are "));
        assert_eq!(
            fault(&format!("{LND};certthumbprint=00")),
            "`certthumbprint=` must be the certificate's SHA-256: 64 hex digits"
        );
    }

    #[test]
    fn secrets_travel_in_the_clear_on_this_machine_only() {
        let with = |server: &str| Connection::parse(&format!("type=lnd-rest;server={server};macaroon=00ff"));
        for server in ["https://n.test", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"] {
            assert!(with(server).is_ok(), "{server}");
        }
        assert!(with("http://10.0.0.9:8080;allowinsecure=true").is_ok());
        for server in [
            "http://10.0.0.9:8080",
            "http://localhost.evil.test",
            "ftp://n.test",
            "n.test",
            "https://",
            "https://a@n.test",
            "https://n.test/?a",
        ] {
            assert!(with(server).is_err(), "{server}");
        }
    }

    #[test]
    fn a_connection_prints_no_secret() {
        let shown = format!("{:?}", Connection::parse(&LND.replace("00ff", "abcdef0123")).unwrap());
        assert!(!shown.contains("abcdef0123"), "{shown}");
    }
}
