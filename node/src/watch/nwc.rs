//! A wallet's notifications (NIP-47). Relays lose them, and wallets that promise them may not send any, so each is a hint
//! (T54), and the wallet goes on being asked until one of them came true.

use std::sync::Arc;
use std::time::{Duration, Instant};

use satstile_egress::nwc::NwcClient;
use satstile_lightning::BackendFault;

use crate::looks::Looks;
use crate::remote::Remote;

use super::Pause;

/// After so long a wallet that tells of no payments is asked whether it does now.
const AGAIN: Duration = Duration::from_secs(600);

/// Runs for ever.
pub(crate) async fn run(client: NwcClient, remote: Arc<Remote>, looks: Looks) {
    let mut pause = Pause::new();
    loop {
        let begun = Instant::now();
        match follow(&client, &remote, &looks).await {
            Ok(()) => tokio::time::sleep(AGAIN).await,
            Err(fault) => pause.after(begun, fault, &remote, &looks).await,
        }
    }
}

/// Listens until the socket breaks; at once done with a wallet that tells nothing.
async fn follow(client: &NwcClient, remote: &Remote, looks: &Looks) -> Result<(), BackendFault> {
    if !client.info().await?.is_some_and(|info| info.tells_of_payments) {
        return Ok(());
    }
    let mut hints = client.hints().await?;
    tracing::debug!(backend = remote.name, "this wallet's notifications are listened to");
    loop {
        let hash = hints.next().await?;
        // When it cannot be asked now, it is when the invoice's time comes.
        if looks.look_at_hash(remote, hash).await == Ok(true) {
            remote.set_heard(true);
        }
    }
}
