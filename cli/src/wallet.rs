//! The payer's wallet: read from its connection string, asked once to pay, and never believed without a proof (T93).

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use l402::PaymentHash;
use l402::bolt11::Network;
use satstile_egress::Client;
use satstile_lightning::wallet::{Outcome, PAYMENT_S, Payment, WalletConnection};
use satstile_lightning::{BackendFault, HttpRequest, Step};

use crate::fault::{Exit, Fault};

/// Something that pays. A wallet that is not called over HTTP (`type=nwc`) joins as another variant.
#[derive(Debug)]
pub enum Purse {
    /// LND, phoenixd, LNbits.
    Http {
        /// What to ask, and where.
        connection: WalletConnection,
        /// How it is reached.
        client: Client,
    },
}

impl Purse {
    /// Reads a connection string, or the word `dev`.
    pub fn open(text: &str) -> Result<Self, Fault> {
        let wrong = |why: String| {
            Fault::usage(format!("the wallet cannot be used: {why}"))
                .next("For example: --wallet 'type=phoenixd;server=http://127.0.0.1:9740;password=…', or --wallet dev")
        };
        if text.starts_with("nostr+walletconnect:") || text.contains("type=nwc") {
            return Err(wrong("Nostr Wallet Connect is not in this version".to_owned()));
        }
        let text = if text == "dev" { dev_wallet()? } else { text.to_owned() };
        let text = satstile_egress::expanded(&text).map_err(|fault| wrong(format!("{fault:#}")))?;
        let connection = WalletConnection::parse(&text).map_err(|fault| wrong(fault.to_string()))?;
        let client = Client::new(connection.pin, Duration::from_secs(PAYMENT_S + 15));
        let client = client.map_err(|error| wrong(error.to_string()))?;
        Ok(Self::Http { connection, client })
    }

    /// Its kind and place, without a secret.
    pub fn name(&self) -> String {
        let Self::Http { connection, .. } = self;
        format!("{} at {}", connection.wallet.kind(), connection.place)
    }

    /// Whether it keeps to a fee limit.
    pub fn limits_fees(&self) -> bool {
        let Self::Http { connection, .. } = self;
        connection.wallet.limits_fees()
    }

    /// Whether it is there at all, and is who it should be. Moves nothing; so a failure here is a definite one.
    pub async fn knock(&self) -> Result<(), Fault> {
        let Self::Http { connection, client } = self;
        match client.send(&HttpRequest::get(format!("{}/", connection.place))).await {
            Err(BackendFault::Unreachable) => Err(Fault::new(
                Exit::Network,
                format!("the wallet ({}) cannot be reached; nothing was paid", self.name()),
            )
            .next("Is it running, and is its certificate the one that is pinned?")),
            _ => Ok(()),
        }
    }

    /// Pays, once. What is not known to have failed is unknown.
    pub async fn pay(&self, payment: &Payment<'_>) -> Result<Outcome, BackendFault> {
        let Self::Http { connection, client } = self;
        let mut replies = Vec::new();
        loop {
            match connection.wallet.pay(payment, &replies)? {
                Step::Done(outcome) => return Ok(outcome),
                Step::Ask(request) => match client.send(&request).await {
                    Ok(reply) => replies.push(reply),
                    Err(_) => return Ok(Outcome::Unknown),
                },
            }
        }
    }

    /// What became of a payment that was sent earlier.
    pub async fn look(&self, payment_hash: PaymentHash) -> Outcome {
        let Self::Http { connection, client } = self;
        let mut replies = Vec::new();
        loop {
            match connection.wallet.look(payment_hash, &replies) {
                Ok(Step::Done(outcome)) => return outcome,
                Ok(Step::Ask(request)) => match client.send(&request).await {
                    Ok(reply) => replies.push(reply),
                    Err(_) => return Outcome::Unknown,
                },
                Err(_) => return Outcome::Unknown,
            }
        }
    }
}

/// On which network a wallet pays, when nobody says it: the dev wallet knows regtest alone.
pub fn usual_network(wallet: Option<&str>) -> Network {
    if wallet == Some("dev") { Network::Regtest } else { Network::Mainnet }
}

/// The wallet of `cargo xtask dev`, with the password that it left in the state folder.
fn dev_wallet() -> Result<String, Fault> {
    let state = env::var_os("SATSTILE_STATE").map_or_else(|| PathBuf::from(".satstile"), PathBuf::from);
    let file = state.join("wallet-password");
    let password = fs::read_to_string(&file).map_err(|error| {
        Fault::usage(format!("the dev wallet's password is not in {}: {error}", file.display()))
            .next("Run it in the folder where `cargo xtask dev` runs, or set SATSTILE_STATE to its state folder.")
    })?;
    Ok(format!("type=phoenixd;password={}", password.trim()))
}
