//! Core Lightning's `waitanyinvoice`, from the last pay index on: one payment a reply, also those from while we were away.

use std::sync::Arc;
use std::time::Duration;

use satstile_egress::Client;
use satstile_lightning::BackendFault;
use satstile_lightning::backend::cln::{Cln, WAIT_S};

use crate::looks::{Looks, Unknown};
use crate::remote::Remote;
use crate::store::marks;

use super::Pause;

/// A reply may come at the very end of the wait.
const DEADLINE: Duration = Duration::from_secs(WAIT_S + 10);

/// Runs for ever.
pub(crate) async fn run(node: Cln, client: Client, remote: Arc<Remote>, looks: Looks) {
    let client = client.with_deadline(DEADLINE);
    let mut pause = Pause::new();
    loop {
        match wait(&client, &node, &remote, &looks).await {
            Ok(true) => pause = Pause::new(),
            Ok(false) => pause.wait().await,
            Err(fault) => {
                tracing::warn!(backend = remote.name, %fault, "waiting for settlements broke off");
                pause.wait().await;
            }
        }
    }
}

/// Waits once; whether all that it told is written down. The mark moves on only then, so a broken look is told again.
async fn wait(client: &Client, node: &Cln, remote: &Remote, looks: &Looks) -> Result<bool, BackendFault> {
    let Some(mark) = looks.store.read(|books| marks::get(books, &remote.name)) else { return Ok(false) };
    let Some(settlement) = Cln::parse_wait(&client.send(&node.wait_any(mark)).await?)? else { return Ok(true) };
    if looks.look_at_hash(remote, settlement.payment_hash).await.is_err_and(Unknown::may_pass) {
        return Ok(false);
    }
    let (name, mark) = (remote.name.clone(), settlement.pay_index);
    Ok(looks.store.write(move |books| marks::set(books, &name, mark)).await.is_some())
}
