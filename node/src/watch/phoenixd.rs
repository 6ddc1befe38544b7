//! phoenixd's web socket. Its events carry no signature and come once, so each is a hint (T54); what it tells while
//! nobody listens is found by asking.

use std::sync::Arc;
use std::time::Instant;

use satstile_egress::Client;
use satstile_lightning::BackendFault;
use satstile_lightning::backend::phoenixd::Phoenixd;

use crate::looks::Looks;
use crate::remote::Remote;

use super::Pause;

/// Runs for ever.
pub(crate) async fn run(node: Phoenixd, client: Client, remote: Arc<Remote>, looks: Looks) {
    let mut pause = Pause::new();
    loop {
        let begun = Instant::now();
        let Err(fault) = follow(&node, &client, &remote, &looks).await;
        pause.after(begun, fault, &remote, &looks).await;
    }
}

/// Listens until the socket breaks.
async fn follow(
    node: &Phoenixd,
    client: &Client,
    remote: &Remote,
    looks: &Looks,
) -> Result<std::convert::Infallible, BackendFault> {
    let mut socket = client.websocket(&node.websocket()).await?;
    remote.set_heard(true);
    tracing::debug!(backend = remote.name, "this back end tells of settlements");
    loop {
        if let Some(hash) = Phoenixd::parse_event(socket.next().await?.as_bytes()) {
            let _ = looks.look_at_hash(remote, hash).await; // else it is asked about when its time comes
        }
    }
}
