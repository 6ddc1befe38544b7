//! Asks about unpaid invoices, a few at a time: often where the back end tells nothing by itself, rarely where it does.
//!
//! An invoice is asked about until ten minutes after its end, because money can come late (T65).

use std::sync::Arc;
use std::time::Duration;

use l402::UnixTime;
use satstile_lightning::Status;

use crate::clock;
use crate::looks::{Looks, Unknown};
use crate::remote::Remote;
use crate::store::invoices::{self, Invoice};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// Questions a round, so that a flood of unpaid invoices is no flood of questions: 240 a minute.
const QUESTIONS: u32 = 4;
/// After its end.
const GRACE_S: u64 = 600;

/// When a new invoice is first asked about.
pub(crate) fn first_look_ms(remote: &Remote, now_ms: u64) -> u64 {
    now_ms + if remote.is_heard() { 30_000 } else { 3_000 }
}

/// Runs for ever.
pub(crate) async fn run(remote: Arc<Remote>, looks: Looks) {
    loop {
        tokio::time::sleep(ROUND).await;
        let due = looks.store.read(|books| invoices::to_look_at(books, &remote.name, clock::now_ms(), QUESTIONS));
        for (invoice, asked_before) in due.unwrap_or_default() {
            let outcome = looks.look(&remote, &invoice).await;
            let at_ms = next_look_ms(remote.is_heard(), &outcome, &invoice, asked_before, clock::now());
            let hash = invoice.payment_hash;
            let write = looks.store.write(move |books| invoices::look_again(books, hash, at_ms));
            let _ = write.await; // else it is asked about again at once, which does no harm
        }
    }
}

/// When to ask again: seconds while somebody may be waiting, then rarely; never once it is decided.
fn next_look_ms(
    tells: bool,
    outcome: &Result<Status, Unknown>,
    invoice: &Invoice,
    asked_before: u32,
    now: UnixTime,
) -> Option<u64> {
    let decided = matches!(outcome, Ok(Status::Settled { .. } | Status::Canceled));
    if decided || now > invoice.expires_at.plus(GRACE_S) {
        return None;
    }
    let delay_s = match (tells, outcome) {
        (_, Err(_)) => 15,
        (true, _) => 60,
        (false, _) => (3 + u64::from(asked_before)).min(30),
    };
    Some(now.plus(delay_s).0.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use l402::{Msat, PaymentHash};
    use satstile_lightning::BackendFault;

    use super::*;

    const NOW: UnixTime = UnixTime(1_795_000_000);

    fn next(tells: bool, outcome: Result<Status, Unknown>, asked_before: u32, now: UnixTime) -> Option<u64> {
        let invoice = Invoice {
            payment_hash: PaymentHash([7; 32]),
            request_id: String::new(),
            backend: String::new(),
            reference: String::new(),
            bolt11: String::new(),
            preimage: None,
            amount: Msat(1),
            service: String::new(),
            purpose: String::new(),
            created_at: NOW,
            expires_at: NOW.plus(600),
            settled_at: None,
            cancel_asked_at: None,
            canceled_at: None,
            node_fee: Msat(0),
        };
        next_look_ms(tells, &outcome, &invoice, asked_before, now).map(|at_ms| at_ms / 1_000 - now.0)
    }

    #[test]
    fn a_back_end_that_tells_nothing_is_asked_soon_and_then_slower() {
        let pending = |asked_before| next(false, Ok(Status::Pending), asked_before, NOW);
        assert_eq!([0, 1, 10, 100].map(pending), [Some(3), Some(4), Some(13), Some(30)]);
        assert_eq!(next(true, Ok(Status::Pending), 0, NOW), Some(60));
        assert_eq!(next(false, Err(Unknown::Backend(BackendFault::Unreachable)), 0, NOW), Some(15));
    }

    #[test]
    fn nobody_is_asked_about_what_is_decided_or_ten_minutes_over() {
        let settled = Status::Settled { amount: Msat(1), node_fee: Msat(0), preimage: None, at: None };
        assert_eq!(next(false, Ok(settled), 0, NOW), None);
        assert_eq!(next(true, Ok(Status::Canceled), 0, NOW), None);
        // Money can come after the end (T65).
        assert_eq!(next(false, Ok(Status::Expired), 0, NOW.plus(1_200)), Some(3));
        assert_eq!(next(false, Ok(Status::Expired), 0, NOW.plus(1_201)), None);
    }
}
