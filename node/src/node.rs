//! Puts the parts together: state, store, relay, push and wallet, started and stopped as one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::dev::DevNode;
use crate::push::Pusher;
use crate::relay::{self, Relay};
use crate::serve::serve;
use crate::state::StateDir;
use crate::store::Store;
use crate::wallet::{self, Wallet};

/// A running node webhook.
pub struct Node {
    relay: SocketAddr,
    wallet: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Claimed until everything has stopped.
    _state: StateDir,
}

/// Starts everything and returns once both addresses are open.
///
/// # Errors
/// When the state cannot be read or is in use, the pinned payee is another node, or an address is taken.
pub async fn start(config: Config) -> anyhow::Result<Node> {
    let state = StateDir::open(&config.state)?;
    let node = DevNode::new(state.node_key()?, config.payee);
    if let Some(pinned) = config.payee {
        ensure!(pinned == node.payee(), "this node's key is {}, and not the pinned payee {pinned}", node.payee());
    }
    let password = state.wallet_password()?;
    let store = Store::open(&state.database()?).context("cannot open the database in the state folder")?;
    let store = Arc::new(store);
    let bell = Arc::new(Notify::new());

    let relay_listener = bind(config.listen).await?;
    let wallet_listener = bind(config.wallet_listen).await?;
    let (relay, wallet) = (relay_listener.local_addr()?, wallet_listener.local_addr()?);
    tracing::info!(payee = %node.payee(), "the dev node signs regtest invoices");

    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    match config.settlements_url {
        Some(url) => {
            let pusher = Pusher::new(Arc::clone(&store), config.secrets.clone(), url, Arc::clone(&bell))?;
            tasks.spawn(pusher.run(stopped.clone()));
        }
        None => tracing::warn!("no --worker-url: settlements are kept, and found by look-up only"),
    }
    let wallet_state = Wallet::new(Arc::clone(&store), &password, bell);
    let wallet_router = wallet::router(Arc::new(wallet_state), config.webln_origins);
    let relay_router = relay::router(Arc::new(Relay { secrets: config.secrets, node, store }));
    tasks.spawn(serve(relay_listener, relay_router, stopped.clone()));
    tasks.spawn(serve(wallet_listener, wallet_router, stopped));
    Ok(Node { relay, wallet, stop, tasks, _state: state })
}

impl Node {
    /// Where signed calls arrive.
    #[must_use]
    pub const fn relay(&self) -> SocketAddr {
        self.relay
    }

    /// Where the dev wallet answers.
    #[must_use]
    pub const fn wallet(&self) -> SocketAddr {
        self.wallet
    }

    /// Takes no more requests, and returns when the open ones are answered, after 5 seconds at the latest.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}
