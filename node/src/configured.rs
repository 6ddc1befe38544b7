//! A line of the back ends: one that is called over HTTP, or a wallet behind a Nostr relay.

use satstile_lightning::nwc::{KIND, NwcConnection};
use satstile_lightning::{Connection, Preimages};
use serde_json::{Value, json};

/// A back end that can be asked, as the operator named it.
#[derive(Debug)]
pub(crate) enum Configured {
    /// A node, or a service with one.
    Http(Connection),
    /// A wallet, by Nostr Wallet Connect (NIP-47).
    Nwc(Box<NwcConnection>),
}

impl Configured {
    /// Reads a connection string, and the files that it names.
    ///
    /// # Errors
    /// What is wrong, by the name of the key; never a value.
    pub(crate) fn read(line: &str) -> anyhow::Result<Self> {
        if NwcConnection::is_meant_by(line) {
            return Ok(Self::Nwc(Box::new(NwcConnection::parse(line)?)));
        }
        satstile_egress::load(line).map(Self::Http)
    }

    /// Its kind and place, for books, logs and metrics. Holds no secret.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Http(connection) => format!("{} {}", connection.backend.kind(), connection.place),
            Self::Nwc(connection) => format!("{KIND} {}", connection.name()),
        }
    }

    /// Whether it tells preimages.
    pub(crate) fn preimages(&self) -> Preimages {
        match self {
            Self::Http(connection) => connection.backend.preimages(),
            // "Optional": most wallets tell it, once the invoice is paid.
            Self::Nwc(_) => Preimages::Sometimes,
        }
    }

    /// What is shown of it; no secret.
    pub(crate) fn summary(&self) -> Value {
        let preimages = match self.preimages() {
            Preimages::Told => "told",
            Preimages::Sometimes => "sometimes told",
            Preimages::Withheld => "never told",
        };
        match self {
            Self::Http(connection) => json!({
                "type": connection.backend.kind(),
                "at": connection.place,
                "certificate": if connection.pin.is_some() { "pinned" } else { "by an authority" },
                "preimages": preimages,
            }),
            Self::Nwc(connection) => json!({
                "type": KIND,
                "at": connection.name(),
                "relays": connection.relays().iter().map(|relay| relay.place()).collect::<Vec<_>>(),
                "preimages": preimages,
            }),
        }
    }
}
