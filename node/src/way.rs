//! The way to a back end: its requests over HTTP, step by step, or a wallet behind a relay.

use std::io;
use std::time::Duration;

use satstile_egress::Client;
use satstile_egress::nwc::NwcClient;
use satstile_lightning::backend::cln::Cln;
use satstile_lightning::backend::lnd::Lnd;
use satstile_lightning::backend::phoenixd::Phoenixd;
use satstile_lightning::{Backend, BackendFault, HttpReply, Invoice, Order, Push, Status, Step, Watched};

use crate::configured::Configured;

/// For one request to a node. The worker waits 5 seconds for everything.
const DEADLINE: Duration = Duration::from_secs(4);
/// For all that one call to a wallet takes: phones sleep, and then the next back end needs the time.
const WALLET_DEADLINE: Duration = Duration::from_secs(3);
/// No call needs more requests than this.
const STEPS_MAX: usize = 4;

/// How a back end is asked.
pub(crate) enum Way {
    /// Requests and replies.
    Http {
        /// Which.
        backend: Box<dyn Backend + Send + Sync>,
        /// Sends them.
        client: Client,
    },
    /// A wallet, by Nostr Wallet Connect.
    Nwc(NwcClient),
}

/// A back end that tells of payments by itself, and what to listen with.
pub(crate) enum Tells<'a> {
    /// A stream of lines.
    Lnd(&'a Lnd, &'a Client),
    /// A reply that waits for the next payment.
    Cln(&'a Cln, &'a Client),
    /// A web socket.
    Phoenixd(&'a Phoenixd, &'a Client),
    /// A relay's notifications, if the wallet sends any.
    Nwc(&'a NwcClient),
}

impl Way {
    /// The way to a configured back end.
    pub(crate) fn to(configured: Configured) -> io::Result<Self> {
        Ok(match configured {
            Configured::Http(connection) => {
                Self::Http { client: Client::new(connection.pin, DEADLINE)?, backend: connection.backend }
            }
            Configured::Nwc(connection) => Self::Nwc(NwcClient::new(*connection, WALLET_DEADLINE)?),
        })
    }

    /// How it tells of settlements by itself.
    pub(crate) fn tells(&self) -> Option<Tells<'_>> {
        match self {
            Self::Http { backend, client } => backend.push().map(|push| match push {
                Push::Lnd(node) => Tells::Lnd(node, client),
                Push::Cln(node) => Tells::Cln(node, client),
                Push::Phoenixd(node) => Tells::Phoenixd(node, client),
            }),
            Self::Nwc(client) => Some(Tells::Nwc(client)),
        }
    }

    /// Makes an invoice.
    pub(crate) async fn create(&self, order: &Order<'_>) -> Result<Invoice, BackendFault> {
        match self {
            Self::Http { backend, client } => steps(client, |replies| backend.create(order, replies)).await,
            Self::Nwc(client) => client.create(order).await,
        }
    }

    /// What became of an invoice.
    pub(crate) async fn status(&self, watched: &Watched<'_>) -> Result<Status, BackendFault> {
        match self {
            Self::Http { backend, client } => steps(client, |replies| backend.status(watched, replies)).await,
            Self::Nwc(client) => client.status(watched).await,
        }
    }

    /// Withdraws an invoice, and says what became of it.
    pub(crate) async fn cancel(&self, watched: &Watched<'_>) -> Result<Status, BackendFault> {
        match self {
            Self::Http { backend, client } => steps(client, |replies| backend.cancel(watched, replies)).await,
            Self::Nwc(_) => Err(BackendFault::NotOffered),
        }
    }
}

async fn steps<T>(
    client: &Client,
    next: impl Fn(&[HttpReply]) -> Result<Step<T>, BackendFault>,
) -> Result<T, BackendFault> {
    let mut replies = Vec::new();
    while replies.len() < STEPS_MAX {
        match next(&replies)? {
            Step::Done(done) => return Ok(done),
            Step::Ask(request) => replies.push(client.send(&request).await?),
        }
    }
    Err(BackendFault::Unreadable)
}
