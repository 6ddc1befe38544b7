//! Withdraws an invoice of ours, so that nobody can pay it any more and the worker can settle it between two balances (T95).
//!
//! `canceled` is said when it is definite, and is written down: from then on it is the answer, whoever is away. What a back
//! end forgets when it withdraws it is known by the note that it was asked.

use l402::relay::CancelState;
use l402::{PaymentHash, UnixTime};
use satstile_lightning::{BackendFault, Status};

use crate::dev;
use crate::looks::{Looks, Unknown};
use crate::maker::Maker;
use crate::problem::Problem;
use crate::remote::Remote;
use crate::store::invoices::{self, Invoice};
use crate::turns::Turns;

/// Withdraws an invoice, one call at a time for each.
pub(crate) async fn cancel(
    looks: &Looks,
    maker: &Maker,
    turns: &Turns,
    hash: PaymentHash,
    now: UnixTime,
) -> Result<CancelState, Problem> {
    // No message has such an id: it has a blank.
    let _turn = turns.enter(&format!("cancel {hash}")).await;
    let found = looks.store.read(|books| invoices::find(books, hash)).ok_or(Problem::Unavailable)?;
    let Some(invoice) = found else { return Ok(CancelState::NotFound) };
    if invoice.settled_at.is_some() {
        return Ok(CancelState::Settled);
    }
    if invoice.canceled_at.is_some() {
        return Ok(CancelState::Canceled);
    }
    let state = match (maker, maker.remote(&invoice.backend)) {
        (Maker::Dev(_), _) if invoice.backend == dev::BACKEND => CancelState::Canceled,
        (_, Some(remote)) => ask(looks, remote, &invoice, now).await?,
        // Its back end is configured no more, so nobody can be asked.
        (_, None) => CancelState::Open,
    };
    if state != CancelState::Canceled {
        tracing::info!(hash = %hash.short(), ?state, "an invoice is not withdrawn");
        return Ok(state);
    }
    // The dev wallet may have paid in between; a back end that says canceled has said that nobody did.
    let is_canceled = looks.store.write(move |books| invoices::cancel(books, hash, now)).await;
    match is_canceled.ok_or(Problem::Unavailable)? {
        true => {
            tracing::info!(hash = %hash.short(), "an invoice is withdrawn: it is settled between balances");
            Ok(CancelState::Canceled)
        }
        false => Ok(CancelState::Settled),
    }
}

/// The back end's definite word, or `unknown`.
async fn ask(looks: &Looks, remote: &Remote, invoice: &Invoice, now: UnixTime) -> Result<CancelState, Problem> {
    let (hash, was_asked) = (invoice.payment_hash, invoice.cancel_asked_at.is_some());
    if !was_asked {
        let note = looks.store.write(move |books| invoices::cancel_asked(books, hash, now));
        note.await.ok_or(Problem::Unavailable)?;
    }
    Ok(match looks.cancel(remote, invoice).await {
        Ok(Status::Canceled) => CancelState::Canceled,
        Ok(Status::Settled { .. }) => CancelState::Settled,
        Ok(Status::NotFound) if was_asked => CancelState::Canceled,
        Ok(Status::NotFound) => CancelState::NotFound,
        // Nothing was done, and nothing will be.
        Err(Unknown::Backend(BackendFault::NotOffered | BackendFault::Unauthorized | BackendFault::Refused(_))) => {
            CancelState::Open
        }
        Ok(Status::Pending | Status::Expired) | Err(_) => CancelState::Unknown,
    })
}
