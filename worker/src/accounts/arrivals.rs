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

use crate::config::gate::{self, Gate, Setup};
use crate::invoices::node;
use crate::objects::account::{self, Answer, listings};
use crate::objects::words::{Word, Words};
use crate::objects::{Own, Owner, ask, binding};
use crate::platform::log;

/// Credits a top-up, if the node says that it was settled. Whether it is credited now.
///
/// # Errors
/// The platform's; then nobody knows, and it is asked again.
pub async fn credit(gate: &Gate, env: &Env, hash: &PaymentHash) -> Result<bool> {
    Ok(matches!(arrived(gate, env, hash, None).await?, Arrival::Credited))
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

/// Looks, and credits. Of a hash that is not listed `account` says which account to ask, or the hash's own object.
pub async fn arrived(gate: &Gate, env: &Env, hash: &PaymentHash, account: Option<AccountId>) -> Result<Arrival> {
    if let Some(listed) = listed(env, hash).await? {
        if listed.is_credited {
            return Ok(Arrival::Credited);
        }
        if listed.is_refill {
            // Its book may have it already: paid out of another balance here, or found by its own alarm.
            let see = account::SeeTopUp { hash: hash.to_string() };
            let seen: Answer<account::TopUpSeen> = ask(env, binding::ACCOUNTS, &listed.account, "topup", &see).await?;
            match seen {
                Ok(seen) if seen.is_credited => {
                    note_credited(env, hash, &listed.account).await?;
                    return Ok(Arrival::Credited);
                }
                Ok(_) => {}
                // Forgotten there, and about to be here.
                Err(_) => return Ok(Arrival::Unknown),
            }
        }
        let reference = reference(&listed.reference)?;
        let watched = Watched { payment_hash: *hash, amount: Msat(listed.asked_msat), reference: &reference };
        let Stand::Paid(paid) = stand(gate, &watched).await else { return Ok(Arrival::NotYet) };
        return deposit(env, hash, &listed, &paid).await;
    }
    // Ordered before there was an index.
    let account = match account {
        Some(account) => Some(account),
        None => owner_of(env, hash).await?,
    };
    let Some(account) = account else { return Ok(Arrival::Unknown) };
    let name = account.to_string();
    let see = account::SeeTopUp { hash: hash.to_string() };
    let seen: Answer<account::TopUpSeen> = ask(env, binding::ACCOUNTS, &name, "topup", &see).await?;
    let Ok(seen) = seen else { return Ok(Arrival::Unknown) };
    if seen.is_credited {
        return Ok(Arrival::Credited);
    }
    let watched = Watched { payment_hash: *hash, amount: Msat(seen.asked_msat), reference: &seen.reference };
    let Stand::Paid(paid) = stand(gate, &watched).await else { return Ok(Arrival::NotYet) };
    credited(env, hash, &name, &paid).await
}

/// The node says that an order was paid: the hash is this account's for ever (T83), the account is there, and has the money.
/// Killed in between, the next notice does the rest.
async fn deposit(env: &Env, hash: &PaymentHash, order: &account::Listed, paid: &account::Credit) -> Result<Arrival> {
    let own = Own { account: order.account.clone(), instead_of: None };
    let owner: Owner = ask(env, binding::PAYMENTS, &hash.to_string(), "own", &own).await?;
    if owner.account.as_ref() != Some(&order.account) {
        log::warn("credit", "the node gave an invoice of another account again");
        return Ok(Arrival::NotYet);
    }
    if !order.is_refill {
        let open = account::OpenTopUp {
            account: order.account.clone(),
            hash: hash.to_string(),
            asked_msat: order.asked_msat,
            secret: order.secret.clone(),
            secretless: order.secretless,
            reference: reference(&order.reference)?,
            ends_at: order.ends_at,
            is_refill: false,
        };
        let opened: Answer<()> = ask(env, binding::ACCOUNTS, &order.account, "open", &open).await?;
        if let Err(no) = opened {
            log::warn("credit", &no.reason);
            return Ok(Arrival::NotYet);
        }
    }
    credited(env, hash, &order.account, paid).await
}

/// Into the book, and then into the index.
async fn credited(env: &Env, hash: &PaymentHash, name: &str, paid: &account::Credit) -> Result<Arrival> {
    let credited: Answer<account::Left> = ask(env, binding::ACCOUNTS, name, "credit", paid).await?;
    match credited {
        Ok(_) => {
            note_credited(env, hash, name).await?;
            log::event(
                "credited",
                json!({"account": name, "amount_msat": paid.paid_msat, "node_fee_msat": paid.node_fee_msat, "payment": hash.short()}),
            );
            Ok(Arrival::Credited)
        }
        Err(no) => {
            log::warn("credit", &no.reason);
            Ok(Arrival::NotYet)
        }
    }
}

/// An order, as its book takes it.
pub fn opening(order: &account::List) -> Result<account::OpenTopUp> {
    Ok(account::OpenTopUp {
        account: order.account.clone(),
        hash: order.hash.clone(),
        asked_msat: order.asked_msat,
        secret: order.secret.clone(),
        secretless: order.secretless,
        reference: reference(&order.reference)?,
        ends_at: order.ends_at,
        is_refill: order.is_refill,
    })
}

fn reference(hex: &str) -> Result<String> {
    let bytes = hex::decode(hex).map_err(|_| "a reference that cannot be read")?;
    String::from_utf8(bytes).map_err(|_| "a reference that cannot be read".into())
}

/// Writes an order into the index of its hash; the one that stands there is told.
pub async fn list(env: &Env, order: &account::List) -> Result<Answer<account::Listed>> {
    let hash = PaymentHash::from_hex(&order.hash).ok_or("no payment hash")?;
    ask(env, binding::ACCOUNTS, &listings::name(&hash), "list", order).await
}

/// What the index says of a hash. Whoever sends one, no other object is named by it (T64).
pub async fn listed(env: &Env, hash: &PaymentHash) -> Result<Option<account::Listed>> {
    let see = account::SeeTopUp { hash: hash.to_string() };
    let listed: Answer<account::Listed> = ask(env, binding::ACCOUNTS, &listings::name(hash), "listed", &see).await?;
    Ok(listed.ok())
}

/// The index lists that the money of a hash is in this book, or session.
pub async fn note_credited(env: &Env, hash: &PaymentHash, name: &str) -> Result<()> {
    let note = account::Note { hash: hash.to_string(), about: name.to_owned() };
    let noted: Answer<()> = ask(env, binding::ACCOUNTS, &listings::name(hash), "list-credited", &note).await?;
    noted.map_err(|no| no.reason.into())
}

/// The account of a top-up that was ordered before there was an index. The node must say that it was paid: then the object of
/// its hash is there, and no guess has named it.
pub async fn before_the_index(gate: &Gate, env: &Env, hash: &PaymentHash) -> Result<Option<AccountId>> {
    let watched = Watched { payment_hash: *hash, amount: Msat(0), reference: "" };
    match node::look_up(gate, &watched).await.and_then(|status| status.paid_msat()) {
        Some(_) => owner_of(env, hash).await,
        None => Ok(None),
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
            let (hash, node_fee_msat) = (watched.payment_hash.to_string(), status.node_fee_msat());
            Stand::Paid(account::Credit { hash, paid_msat, node_fee_msat })
        }
        (_, InvoiceState::Expired | InvoiceState::Canceled) => Stand::Over,
        (_, InvoiceState::Settled | InvoiceState::Pending | InvoiceState::NotFound) => Stand::Unsure,
    }
}

/// A top-up that was never credited and whose time is over, out of the alarm of its books: what becomes of it there.
pub async fn look(line: &str) -> Option<String> {
    let look = <account::Look as Word>::hear(line)?;
    match ask_about(&look).await? {
        Stand::Paid(paid) => Some(format!("credit\n{}", Words::say(&paid))),
        Stand::Over => Some(format!("forget\n{}", Words::say(&account::SeeTopUp { hash: look.hash }))),
        Stand::Unsure => None,
    }
}

/// An order that nobody paid in time, out of the alarm of its index: what becomes of it there.
pub async fn look_listed(line: &str, env: &Env) -> Option<String> {
    let look = <account::Look as Word>::hear(line)?;
    match ask_about(&look).await? {
        Stand::Paid(paid) => {
            let hash = PaymentHash::from_hex(&look.hash)?;
            let listed = listed(env, &hash).await.ok()??;
            if let Err(error) = deposit(env, &hash, &listed, &paid).await {
                log::failed("credit", &error.to_string());
            }
            None
        }
        Stand::Over => Some(format!("unlist\n{}", Words::say(&account::SeeTopUp { hash: look.hash }))),
        Stand::Unsure => None,
    }
}

async fn ask_about(look: &account::Look) -> Option<Stand> {
    let setup = gate::current()?;
    let Setup::Ready(gate) = &*setup else { return None };
    let payment_hash = PaymentHash::from_hex(&look.hash)?;
    let reference = reference(&look.reference).ok()?;
    let watched = Watched { payment_hash, amount: Msat(look.asked_msat), reference: &reference };
    let stand = stand(gate, &watched).await;
    if let Stand::Paid(paid) = &stand {
        log::event("credited late", json!({"amount_msat": paid.paid_msat, "payment": payment_hash.short()}));
    }
    Some(stand)
}

/// A hash that its account has forgotten names it no more; the answer in the words of `let-go`, or nothing.
pub async fn let_go(line: &str, env: &Env) -> Option<String> {
    let account::LetGo { hash, account } = <account::LetGo as Word>::hear(line)?;
    let see = account::SeeTopUp { hash };
    let name = listings::name(&PaymentHash::from_hex(&see.hash)?);
    let ended = async {
        let stood: Answer<account::Stood> = ask(env, binding::ACCOUNTS, &name, "unlist", &see).await?;
        match stood {
            Ok(stood) if stood.stood => Ok(()),
            // Ordered before there was an index: then the object of the hash names the account.
            _ => ask::<()>(env, binding::PAYMENTS, &see.hash, "disown", &Own { account, instead_of: None }).await,
        }
    };
    match ended.await {
        Ok(()) => Some(Words::say(&see)),
        Err(error) => {
            log::failed("let-go", &error.to_string());
            None
        }
    }
}

/// The account that the object of a hash names: of what was paid, or ordered before there was an index.
async fn owner_of(env: &Env, hash: &PaymentHash) -> Result<Option<AccountId>> {
    let owner: Owner = ask(env, binding::PAYMENTS, &hash.to_string(), "owner", &()).await?;
    Ok(owner.account.as_deref().and_then(AccountId::from_hex))
}
