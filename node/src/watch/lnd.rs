//! LND's stream of invoices, from the last settle index on, so that what was paid while we were away is told, too.

use std::sync::Arc;

use satstile_egress::Client;
use satstile_lightning::BackendFault;
use satstile_lightning::backend::lnd::Lnd;

use crate::looks::Looks;
use crate::remote::Remote;
use crate::store::marks;

use super::Pause;

/// Runs for ever.
pub(crate) async fn run(node: Lnd, client: Client, remote: Arc<Remote>, looks: Looks) {
    let mut pause = Pause::new();
    loop {
        match follow(&node, &client, &remote, &looks).await {
            Ok(heard) if heard > 0 => pause = Pause::new(),
            Ok(_) => {}
            Err(fault) => tracing::warn!(backend = remote.name, %fault, "the stream of settlements broke"),
        }
        pause.wait().await;
    }
}

/// Follows the stream until it ends; how many settlements it told. The mark moves on only when a settlement is written
/// down, so a broken look-up is told again.
async fn follow(node: &Lnd, client: &Client, remote: &Remote, looks: &Looks) -> Result<u64, BackendFault> {
    let mark = looks.store.read(|books| marks::get(books, &remote.name));
    let mut lines = client.open(&node.subscribe(mark.unwrap_or(0))).await?;
    let mut heard = 0;
    while let Some(line) = lines.next().await? {
        if line.is_empty() {
            continue;
        }
        let Some(settlement) = Lnd::parse_line(&line)? else { continue };
        if looks.look_at_hash(remote, settlement.payment_hash).await.is_err() {
            return Ok(heard);
        }
        let (name, mark) = (remote.name.clone(), settlement.settle_index);
        if looks.store.write(move |books| marks::set(books, &name, mark)).await.is_none() {
            return Ok(heard);
        }
        heard += 1;
    }
    Ok(heard)
}
