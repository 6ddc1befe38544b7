//! What a wallet's connection may do: enough to make invoices and to learn what became of them, and better nothing more.

use anyhow::ensure;
use satstile_egress::nwc::NwcClient;

/// Without these a wallet is no back end.
const NEEDED: [&str; 2] = ["make_invoice", "lookup_invoice"];
/// Those that move money out of it.
const SPEND: [&str; 4] = ["pay_invoice", "multi_pay_invoice", "pay_keysend", "multi_pay_keysend"];

/// Asks the wallet. Its info event may speak of the wallet, and `get_info` of the connection alone; where the connection
/// may not ask for that, the event counts.
///
/// # Errors
/// What the connection lacks.
pub(super) async fn examine(client: NwcClient, name: String) -> anyhow::Result<()> {
    let info = match client.info().await {
        Ok(Some(info)) => info,
        Ok(None) => {
            tracing::warn!(
                backend = name,
                "this wallet has not told its relay what it can do; its first invoice will tell"
            );
            return Ok(());
        }
        Err(fault) => {
            tracing::warn!(backend = name, %fault, "this wallet's relay is away");
            return Ok(());
        }
    };
    ensure!(
        info.nip44,
        "{name}: this wallet encrypts by NIP-04 only, which can be altered unnoticed; NIP-44 is needed"
    );
    let may_ask = info.methods.iter().any(|method| method == "get_info");
    let own = if may_ask { client.methods().await.ok() } else { None };
    let methods = own.unwrap_or(info.methods);
    let has = |name: &&str| methods.iter().any(|method| method == name);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !has(name)).collect();
    ensure!(missing.is_empty(), "{name}: this connection may not {}; make one that may", missing.join(" and "));
    let spends: Vec<&str> = SPEND.into_iter().filter(has).collect();
    if !spends.is_empty() {
        tracing::warn!(
            backend = name,
            methods = spends.join(" "),
            "this connection can spend, and nothing here needs that: make one that receives only"
        );
    }
    if !info.tells_of_payments {
        tracing::info!(backend = name, "this wallet tells of no payments: it is asked about each invoice");
    }
    Ok(())
}
