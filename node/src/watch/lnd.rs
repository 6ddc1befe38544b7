//! LND's stream of invoices, from the last settle index on, so that what was paid while we were away is told, too.
//!
//! The stream also tells of each invoice that is made, with its payment request decoded once more. In a crowd it is
//! left, and opened again two seconds later: it then begins with what was paid in between, and nothing is missed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use satstile_egress::Client;
use satstile_lightning::BackendFault;
use satstile_lightning::backend::lnd::Lnd;

use crate::looks::{Looks, Unknown};
use crate::remote::Remote;
use crate::store::marks;

use super::Pause;

/// A crowd: so many invoices made within this time.
const CROWD: u32 = 20;
const CROWD_WITHIN: Duration = Duration::from_millis(400);
/// For how long the stream is left then. Who asks by status is answered from a look-up meanwhile.
const AWAY: Duration = Duration::from_secs(2);

/// Why a stream is not followed any more.
enum End {
    /// It ended, after so many settlements.
    Over(u64),
    /// It tells more of what is made than of what is paid.
    Crowded,
}

/// Runs for ever.
pub(crate) async fn run(node: Lnd, client: Client, remote: Arc<Remote>, looks: Looks) {
    let mut pause = Pause::new();
    loop {
        match follow(&node, &client, &remote, &looks).await {
            Ok(End::Crowded) => {
                pause = Pause::new();
                tokio::time::sleep(AWAY).await;
                continue;
            }
            Ok(End::Over(heard)) if heard > 0 => pause = Pause::new(),
            Ok(End::Over(_)) => {}
            Err(fault) => tracing::warn!(backend = remote.name, %fault, "the stream of settlements broke"),
        }
        pause.wait().await;
    }
}

/// Follows the stream. The mark moves on only when a settlement is written down, so a broken look-up is told again.
async fn follow(node: &Lnd, client: &Client, remote: &Remote, looks: &Looks) -> Result<End, BackendFault> {
    let mut mark = looks.store.read(|books| marks::get(books, &remote.name)).unwrap_or(0);
    let mut lines = client.open(&node.subscribe(mark)).await?;
    let mut heard = 0;
    let (mut made, mut since) = (0, Instant::now());
    while let Some(line) = lines.next().await? {
        if line.is_empty() {
            continue;
        }
        let Some(settlement) = Lnd::parse_line(&line)? else {
            if since.elapsed() > CROWD_WITHIN {
                (made, since) = (0, Instant::now());
            }
            made += 1;
            // Without a mark LND would begin with what is paid from then on.
            if made >= CROWD && mark > 0 {
                return Ok(End::Crowded);
            }
            continue;
        };
        if looks.look_at_hash(remote, settlement.payment_hash).await.is_err_and(Unknown::may_pass) {
            return Ok(End::Over(heard));
        }
        mark = settlement.settle_index;
        let name = remote.name.clone();
        if looks.store.write(move |books| marks::set(books, &name, mark)).await.is_none() {
            return Ok(End::Over(heard));
        }
        heard += 1;
    }
    Ok(End::Over(heard))
}
