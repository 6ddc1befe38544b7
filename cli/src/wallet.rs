//! The payer's wallet: read from its connection string, asked once to pay, and never believed without a proof (T93).

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use l402::PaymentHash;
use l402::bolt11::Network;
use satstile_egress::Client;
use satstile_egress::nwc::NwcClient;
use satstile_lightning::nwc::{KIND, NwcConnection};
use satstile_lightning::wallet::{Outcome, PAYMENT_S, Payment, WalletConnection};
use satstile_lightning::{BackendFault, HttpRequest, Step};

use crate::fault::{Exit, Fault};
use crate::http::Url;

/// For a payment: a little longer than the wallet may look for a way.
const PAYMENT_DEADLINE: Duration = Duration::from_secs(PAYMENT_S + 15);
/// For a question, which moves nothing.
const QUESTION_DEADLINE: Duration = Duration::from_secs(10);

/// Something that pays.
#[derive(Debug)]
pub enum Purse {
    /// LND, Core Lightning, phoenixd, LNbits.
    Http {
        /// What to ask, and where.
        connection: WalletConnection,
        /// How it is reached.
        client: Box<Client>,
    },
    /// A wallet behind a Nostr relay.
    Nwc(NwcClient),
}

impl Purse {
    /// Reads a connection string, or the word `dev`.
    pub fn open(text: &str) -> Result<Self, Fault> {
        let wrong = |why: String| {
            Fault::usage(format!("the wallet cannot be used: {why}"))
                .next("For example: --wallet 'type=phoenixd;server=http://127.0.0.1:9740;password=…', or --wallet dev")
        };
        if NwcConnection::is_meant_by(text) {
            let connection = NwcConnection::parse(text).map_err(|fault| wrong(fault.to_string()))?;
            let client = NwcClient::new(connection, PAYMENT_DEADLINE).map_err(|error| wrong(error.to_string()))?;
            return Ok(Self::Nwc(client));
        }
        let text = if text == "dev" { dev_wallet()? } else { text.to_owned() };
        let text = satstile_egress::expanded(&text).map_err(|fault| wrong(format!("{fault:#}")))?;
        let connection = WalletConnection::parse(&text).map_err(|fault| wrong(fault.to_string()))?;
        let client = Client::new(connection.pin, PAYMENT_DEADLINE);
        let client = client.map_err(|error| wrong(error.to_string()))?;
        Ok(Self::Http { connection, client: Box::new(client) })
    }

    /// Its kind and place, without a secret.
    pub fn name(&self) -> String {
        match self {
            Self::Http { connection, .. } => format!("{} at {}", connection.wallet.kind(), connection.place),
            Self::Nwc(client) => format!("{KIND} {}", client.connection().name()),
        }
    }

    /// Whether it keeps to a fee limit. `pay_invoice` of NIP-47 takes none; the budget of the connection is the limit.
    pub fn limits_fees(&self) -> bool {
        match self {
            Self::Http { connection, .. } => connection.wallet.limits_fees(),
            Self::Nwc(_) => false,
        }
    }

    /// Whether it is there at all, and is who it should be. Moves nothing; so a failure here is a definite one.
    pub async fn knock(&self) -> Result<(), Fault> {
        let is_there = match self {
            Self::Http { connection, client } => {
                let request = HttpRequest::get(format!("{}/", connection.place));
                !matches!(client.send(&request).await, Err(BackendFault::Unreachable))
            }
            Self::Nwc(client) => match client.with_deadline(QUESTION_DEADLINE).info().await {
                Ok(Some(info)) if !info.nip44 => return Err(self.of_no_use("it does not speak NIP-44")),
                Ok(Some(info)) if !info.methods.iter().any(|method| method == "pay_invoice") => {
                    return Err(self.of_no_use("its connection may not pay"));
                }
                // A relay that has heard nothing of the wallet: the payment will tell.
                Ok(_) => true,
                Err(_) => false,
            },
        };
        if is_there {
            return Ok(());
        }
        let why = format!("the wallet ({}) cannot be reached; nothing was paid", self.name());
        Err(Fault::new(Exit::Network, why).next(match self {
            Self::Http { .. } => "Is it running, and is its certificate the one that is pinned?",
            Self::Nwc(_) => "Is its relay up? The address is in the connection string.",
        }))
    }

    fn of_no_use(&self, why: &str) -> Fault {
        Fault::new(Exit::Payment, format!("the wallet ({}) cannot be used: {why}; nothing was paid", self.name()))
            .next("Make a connection in the wallet that may `pay_invoice`, with a budget that you can spare.")
    }

    /// Pays, once. What is not known to have failed is unknown.
    pub async fn pay(&self, payment: &Payment<'_>) -> Result<Outcome, BackendFault> {
        let (connection, client) = match self {
            Self::Http { connection, client } => (connection, client),
            Self::Nwc(client) => return client.pay(payment.bolt11, payment.payment_hash).await,
        };
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
        let (connection, client) = match self {
            Self::Http { connection, client } => (connection, client),
            Self::Nwc(client) => {
                let looked = client.with_deadline(QUESTION_DEADLINE).look(payment_hash).await;
                return looked.unwrap_or(Outcome::Unknown);
            }
        };
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

/// On which network is paid, when nobody says it. The dev wallet knows regtest alone, and a mainnet deployment refuses
/// to start on a loopback host (C15); so what asks for real money from this machine has to be meant: `--network mainnet`.
pub fn usual_network(wallet: Option<&str>, url: &Url) -> Network {
    if wallet == Some("dev") || url.is_loopback() { Network::Regtest } else { Network::Mainnet }
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
