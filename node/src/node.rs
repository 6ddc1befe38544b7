//! Puts the parts together: state, store, relay, back ends, push and wallet, started and stopped as one.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use bitcoin::secp256k1::PublicKey;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use l402::bolt11::Network;

use crate::config::{Backends, Config};
use crate::dev::{self, DevNode};
use crate::looks::Looks;
use crate::maker::{FailOver, Maker};
use crate::metrics::Metrics;
use crate::payout::{DevPayer, Payer, Payouts, Pays, Terms};
use crate::push::Pusher;
use crate::recent::Recent;
use crate::relay::{self, Relay};
use crate::remote::Remote;
use crate::serve::serve;
use crate::state::StateDir;
use crate::store::Store;
use crate::turns::Turns;
use crate::wallet::{self, Wallet};
use crate::{probe, watch as watchers};

/// A running node webhook.
pub struct Node {
    relay: SocketAddr,
    wallet: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Claimed until everything has stopped.
    _state: StateDir,
}

/// Starts everything and returns once its addresses are open.
///
/// # Errors
/// When the state cannot be read or is in use, the pinned payee is another node, or an address is taken.
pub async fn start(config: Config) -> anyhow::Result<Node> {
    let state = StateDir::open(&config.state)?;
    let store = Store::open(&state.database()?).context("cannot open the database in the state folder")?;
    let metrics = Arc::new(Metrics::new());
    let looks = Looks { store: Arc::new(store), metrics: Arc::clone(&metrics), bell: Arc::new(Notify::new()) };

    let relay_listener = bind(config.listen).await?;
    let relay = relay_listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    match config.settlements_url {
        Some(url) => {
            let pusher = Pusher::new(&looks, config.secrets.clone(), url)?;
            tasks.spawn(pusher.run(stopped.clone()));
        }
        None => tracing::warn!("no --worker-url: settlements are kept, and found by look-up only"),
    }
    let (mut wallet, mut own) = (None, Vec::from_iter(config.payee));
    let maker = match config.backends {
        Backends::Dev => {
            let node = dev_node(&state, config.payee)?;
            own.push(node.payee());
            let listener = bind(config.wallet_listen).await?;
            wallet = Some(listener.local_addr()?);
            let purse = Wallet::new(&state.wallet_password()?, DevNode::new(state.wallet_key()?, None), &looks);
            let router = wallet::router(Arc::new(purse), config.webln_origins);
            tasks.spawn(serve(listener, router, stopped.clone()));
            Maker::Dev(node)
        }
        Backends::Remote(configured) => {
            let mut remotes: Vec<Arc<Remote>> = Vec::new();
            for configured in configured {
                let same = |known: &&Arc<Remote>| known.is_like(&configured);
                let nth = remotes.iter().filter(same).count();
                remotes.push(Arc::new(Remote::new(configured, nth)?));
            }
            probe::may_start(&remotes).await?;
            for remote in &remotes {
                watchers::start(&mut tasks, remote, &looks, &stopped);
                tokio::spawn(probe::greet(Arc::clone(remote), Arc::clone(&metrics)));
            }
            let store = Arc::clone(&looks.store);
            Maker::Remotes(FailOver { remotes, network: config.network, pinned: config.payee, metrics, store })
        }
    };
    let payouts = match config.payouts {
        Some(settings) => {
            let payer = match settings.pays {
                Pays::Dev => Payer::Dev(DevPayer::new(&looks.store)),
                Pays::Wallet(connection) => Payer::remote(connection, &looks.metrics)?,
            };
            tracing::info!(backend = payer.name(), max_sats = settings.max.0 / 1_000, "payouts are on");
            let terms = Terms { network: config.network, own, max: settings.max, daily: settings.daily };
            let payouts = Payouts::start(&looks.store, &looks.metrics, payer, terms, stopped.clone())?;
            Some((settings.secrets, payouts))
        }
        None => None,
    };
    let metrics = match config.metrics_listen {
        Some(address) => {
            let listener = bind(address).await?;
            let address = listener.local_addr()?;
            tasks.spawn(serve(listener, probe::metrics_router(Arc::clone(&looks.metrics)), stopped.clone()));
            Some(address)
        }
        None => None,
    };
    let relay_state =
        Relay { secrets: config.secrets, payouts, maker, looks, turns: Turns::default(), recent: Recent::default() };
    tasks.spawn(serve(relay_listener, relay::router(Arc::new(relay_state)), stopped));
    Ok(Node { relay, wallet, metrics, stop, tasks, _state: state })
}

fn dev_node(state: &StateDir, pinned: Option<PublicKey>) -> anyhow::Result<DevNode> {
    let node = DevNode::new(state.node_key()?, pinned);
    if let Some(pinned) = pinned {
        ensure!(pinned == node.payee(), "this node's key is {}, and not the pinned payee {pinned}", node.payee());
    }
    tracing::info!(payee = %node.payee(), network = %Network::Regtest, "the {} node signs invoices", dev::BACKEND);
    Ok(node)
}

impl Node {
    /// Where signed calls arrive.
    #[must_use]
    pub const fn relay(&self) -> SocketAddr {
        self.relay
    }

    /// Where the dev wallet answers, if there is one.
    #[must_use]
    pub const fn wallet(&self) -> Option<SocketAddr> {
        self.wallet
    }

    /// Where Prometheus asks, if it may.
    #[must_use]
    pub const fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
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
