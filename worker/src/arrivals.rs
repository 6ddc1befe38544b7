//! What comes of a top-up's invoice: credited once when the node says that it was settled, forgotten when it says that
//! nobody can pay it any more.
//!
//! Who asks is the node's push, the claim, or the alarm of the account's books.

use l402::balance::AccountId;
use l402::relay::InvoiceState;
use l402::{Msat, PaymentHash};
use satstile_lightning::Watched;
use serde_json::json;
use worker::{Env, Result};

use crate::gate::{self, Gate, Setup};
use crate::objects::account::{self, Answer};
use crate::objects::words::{Word, Words};
use crate::objects::{Own, Owner, ask, binding};
use crate::{log, node};

/// Credits a top-up, if the node says that it was settled. Whether it is credited now.
///
/// # Errors
/// The platform's; then nobody knows, and it is asked again.
pub async fn credit(gate: &Gate, env: &Env, hash: &PaymentHash) -> Result<bool> {
    Ok(matches!(arrived(gate, env, hash).await?, Arrival::Credited))
}

/// How a top-up stands.
pub enum Arrival {
    /// It is in the balance.
    Credited,
    /// The node does not say that it was settled, or the books do not take it now.
    NotYet,
    /// No account knows the hash; one that forgot it may still be named by it.
    Unknown,
}

/// Looks, and credits.
pub async fn arrived(gate: &Gate, env: &Env, hash: &PaymentHash) -> Result<Arrival> {
    let Some(account) = account_of(env, hash).await? else { return Ok(Arrival::Unknown) };
    let name = account.to_string();
    let see = account::SeeTopUp { hash: hash.to_string() };
    let seen: Answer<account::TopUpSeen> = ask(env, binding::ACCOUNTS, &name, "topup", &see).await?;
    let Ok(seen) = seen else { return Ok(Arrival::Unknown) };
    if seen.is_credited {
        return Ok(Arrival::Credited);
    }
    let watched = Watched { payment_hash: *hash, amount: Msat(seen.asked_msat), reference: &seen.reference };
    let Stand::Paid(paid) = stand(gate, &watched).await else { return Ok(Arrival::NotYet) };
    let credited: Answer<account::Left> = ask(env, binding::ACCOUNTS, &name, "credit", &paid).await?;
    match credited {
        Ok(_) => {
            log::event("credited", json!({"account": name, "amount_msat": paid.paid_msat, "payment": hash.short()}));
            Ok(Arrival::Credited)
        }
        Err(no) => {
            log::warn("credit", &no.reason);
            Ok(Arrival::NotYet)
        }
    }
}

/// What the node says of a top-up's invoice.
enum Stand {
    /// It was settled.
    Paid(account::Credit),
    /// It was not paid, and cannot be any more.
    Over,
    /// Anything else, silence included.
    Unsure,
}

/// Asks the node.
///
/// A top-up is forgotten where the node's own books say that it is over, and nowhere else:
///
/// | the node says | | |
/// | --- | --- | --- |
/// | `canceled` | over | LND's last state, in which it takes no payment; a provider that withdrew the invoice |
/// | `expired` | over | Core Lightning, phoenixd and the providers refuse what comes later. The webhook passes on the back end's word; only for the dev node its own clock decides, and there it decides about payments, too |
/// | `not_found` | kept | also a node whose books were lost or replaced (F17), after somebody paid: so it is no "no" |
/// | `pending` | kept | also an invoice that is over by its time, and holds a payment that may still be settled (T20, T65) |
/// | `settled` for less | kept | not settled (T66), and a person may want to see it |
/// | nothing | kept | |
async fn stand(gate: &Gate, watched: &Watched<'_>) -> Stand {
    let Some(status) = node::look_up(gate, watched).await else { return Stand::Unsure };
    match (status.paid_msat(), status.status) {
        // The node's state, never a preimage; and less than was asked is not settled (T66). The node webhook says what the
        // invoice asks; a back end that is called from here, what it received for it.
        (Some(paid_msat), _) if paid_msat >= watched.amount.0 => {
            Stand::Paid(account::Credit { hash: watched.payment_hash.to_string(), paid_msat })
        }
        (_, InvoiceState::Expired | InvoiceState::Canceled) => Stand::Over,
        (_, InvoiceState::Settled | InvoiceState::Pending | InvoiceState::NotFound) => Stand::Unsure,
    }
}

/// A top-up that was never credited and whose time is over, out of the alarm of its books: what becomes of it there.
pub async fn look(line: &str) -> Option<String> {
    let look = <account::Look as Word>::hear(line)?;
    let setup = gate::current()?;
    let Setup::Ready(gate) = &*setup else { return None };
    let payment_hash = PaymentHash::from_hex(&look.hash)?;
    let reference = String::from_utf8(hex::decode(&look.reference).ok()?).ok()?;
    let watched = Watched { payment_hash, amount: Msat(look.asked_msat), reference: &reference };
    match stand(gate, &watched).await {
        Stand::Paid(paid) => {
            log::event("credited late", json!({"amount_msat": paid.paid_msat, "payment": payment_hash.short()}));
            Some(format!("credit\n{}", Words::say(&paid)))
        }
        Stand::Over => Some(format!("forget\n{}", Words::say(&account::SeeTopUp { hash: look.hash }))),
        Stand::Unsure => None,
    }
}

/// A hash that its account has forgotten names it no more; the answer in the words of `let-go`, or nothing.
pub async fn let_go(line: &str, env: &Env) -> Option<String> {
    let account::LetGo { hash, account } = <account::LetGo as Word>::hear(line)?;
    match ask::<()>(env, binding::PAYMENTS, &hash, "disown", &Own { account, instead_of: None }).await {
        Ok(()) => Some(Words::say(&account::SeeTopUp { hash })),
        Err(error) => {
            log::failed("let-go", &error.to_string());
            None
        }
    }
}

/// The account that a payment hash fills.
pub async fn account_of(env: &Env, hash: &PaymentHash) -> Result<Option<AccountId>> {
    let owner: Owner = ask(env, binding::PAYMENTS, &hash.to_string(), "owner", &()).await?;
    Ok(owner.account.as_deref().and_then(AccountId::from_hex))
}
