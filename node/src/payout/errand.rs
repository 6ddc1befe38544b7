//! The errand of one payment, from its order to its definite end, whatever happens to the call that ordered it.
//!
//! A back end is asked to pay once, after it was asked about the hash and had never heard of it (T90). From then on it is
//! only asked what became of it; all but the dev node, which cannot have heard of an order that its books do not have. A failure is believed when it says so twice: when it gives up, and when it is asked. What
//! is silent, in flight or lost stays open (T93).

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use l402::UnixTime;
use l402::relay::PaymentId;
use satstile_lightning::BackendFault;
use satstile_lightning::wallet::{Outcome, PAYMENT_S};
use tokio::sync::{Notify, watch};

use super::{Payouts, order};
use crate::clock;
use crate::store::payments::{self, Payment, State};

/// Before the order to pay, and right after a "no".
const LOOK_SOON: Duration = Duration::from_secs(3);
/// A node that knows no end yet may keep the question until it does.
const LOOK_LONG: Duration = Duration::from_secs(30);
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How long after its order a payment may still be tried again by the node itself.
const TRIED_AGAIN_S: u64 = PAYMENT_S + 30;

/// Whether there is more to do.
enum Next {
    Over,
    /// Ask at once.
    Look,
    /// Ask later.
    Wait,
}

/// What is known of an errand besides its row. Lost at a restart, which only makes it ask longer.
#[derive(Default)]
struct Memory {
    /// The back end refused to pay, or gave up, and why.
    gave_up: Option<String>,
    is_missed: bool,
}

/// Runs until the payment has ended, or the program ends; the row then says where to go on.
pub(super) async fn run(payouts: Arc<Payouts>, id: PaymentId, told: watch::Sender<u64>, poke: Arc<Notify>) {
    let mut stop = payouts.stop.clone();
    let _entry = Entry { payouts: &payouts, id };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stopped| *stopped) => {}
        () = payouts.to_the_end(id, &told, &poke) => {}
    }
}

/// Makes room for another errand of the same payment, whatever ends this one.
struct Entry<'a> {
    payouts: &'a Payouts,
    id: PaymentId,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.payouts.errands.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Payouts {
    async fn to_the_end(&self, id: PaymentId, told: &watch::Sender<u64>, poke: &Notify) {
        let (mut memory, mut pause) = (Memory::default(), PAUSE_MIN);
        loop {
            let begun = Instant::now();
            let next = match self.store.read(|books| payments::find(books, id)) {
                Some(None) => Next::Over,
                None => Next::Wait,
                Some(Some(payment)) => match payment.state {
                    State::Created => self.begin(&payment, &mut memory).await,
                    State::Sent(at) => self.follow(&payment, at, &mut memory).await,
                    State::Succeeded { .. } | State::Failed { .. } => Next::Over,
                },
            };
            match next {
                Next::Over => return,
                Next::Look => continue,
                Next::Wait => {}
            }
            told.send_modify(|steps| *steps += 1);
            // Where the back end kept the question, that was the pause.
            if begun.elapsed() < LOOK_LONG / 2 {
                let _ = tokio::time::timeout(pause, poke.notified()).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }

    /// Has it paid, if nobody has tried before.
    async fn begin(&self, payment: &Payment, memory: &mut Memory) -> Next {
        match self.payer.look(payment.payment_hash, LOOK_SOON).await {
            Ok(Outcome::NotFound | Outcome::Failed(_)) => {}
            // Paid, or under way: by an earlier life of these books, or by the operator's own hand.
            Ok(known) => return self.conclude(payment, known).await,
            Err(fault) => {
                tracing::warn!(backend = self.payer.name(), payment = %payment.id.short(), %fault, "not sent yet");
                return Next::Wait;
            }
        }
        let Ok(_place) = self.places.acquire().await else { return Next::Wait };
        // Nobody was asked to pay, so here its end is a definite one.
        if order::has_expired(&payment.bolt11, clock::now()) {
            return self.fail(payment, "the invoice expired before it could be sent").await;
        }
        let id = payment.id;
        match self.store.write(move |books| payments::sent(books, id, clock::now())).await {
            Some(true) => {}
            Some(false) => return Next::Look,
            None => return Next::Wait,
        }
        self.order(payment, memory).await
    }

    /// Orders it, once it is written down that somebody may have.
    async fn order(&self, payment: &Payment, memory: &mut Memory) -> Next {
        let id = payment.id;
        match self.payer.pay(payment).await {
            Ok(Outcome::Failed(reason)) => memory.gave_up = Some(reason),
            Ok(paid @ Outcome::Paid { .. }) => return self.conclude(payment, paid).await,
            Ok(Outcome::Unknown | Outcome::NotFound) => {}
            Err(fault @ (BackendFault::Unauthorized | BackendFault::Refused(_))) => {
                tracing::error!(backend = self.payer.name(), payment = %id.short(), %fault, "it does not pay");
                memory.gave_up = Some("the node's back end refused the order".to_owned());
            }
            Err(fault) => disbelieved(self.payer.name(), payment, fault),
        }
        if memory.gave_up.is_some() { Next::Look } else { Next::Wait }
    }

    /// Asks what became of it.
    async fn follow(&self, payment: &Payment, sent_at: UnixTime, memory: &mut Memory) -> Next {
        let patience = if memory.gave_up.is_some() { LOOK_SOON } else { LOOK_LONG };
        match self.payer.look(payment.payment_hash, patience).await {
            Ok(Outcome::Failed(reason)) => {
                let is_final = !self.payer.may_try_again()
                    || memory.gave_up.is_some()
                    || clock::now() >= sent_at.plus(TRIED_AGAIN_S);
                if is_final { self.fail(payment, &reason).await } else { Next::Wait }
            }
            Ok(Outcome::NotFound) => match memory.gave_up.take() {
                Some(reason) => self.fail(payment, &reason).await,
                // Its books are these, so they are not lost: this program ended before it could order (F14).
                None if self.payer.has_our_books() => self.order(payment, memory).await,
                None => {
                    self.miss(payment, memory);
                    Next::Wait
                }
            },
            Ok(known) => self.conclude(payment, known).await,
            Err(fault @ (BackendFault::WrongPreimage | BackendFault::WrongInvoice)) => {
                disbelieved(self.payer.name(), payment, fault);
                Next::Wait
            }
            // Under way, or away: whoever keeps a question until there is an answer cannot be told from either.
            Err(_) => Next::Wait,
        }
    }

    /// The back end was asked to pay, and has never heard of it: the order may have been lost, or its books were (F17).
    fn miss(&self, payment: &Payment, memory: &mut Memory) {
        if !std::mem::replace(&mut memory.is_missed, true) {
            tracing::error!(
                backend = self.payer.name(), payment = %payment.id.short(), hash = %payment.payment_hash.short(),
                "this back end does not know a payment that it was asked for; it stays open until somebody has looked"
            );
            self.metrics.payment_missed();
        }
    }

    async fn conclude(&self, payment: &Payment, outcome: Outcome) -> Next {
        let Outcome::Paid { preimage, fee } = outcome else { return Next::Wait };
        let Some(fee) = fee else {
            tracing::error!(backend = self.payer.name(), payment = %payment.id.short(), "paid, for a fee that it does not tell");
            return Next::Wait;
        };
        let id = payment.id;
        let write = self.store.write(move |books| payments::succeed(books, id, &preimage, fee, clock::now()));
        match write.await {
            Some(is_news) => {
                if is_news {
                    tracing::info!(payment = %id.short(), amount_msat = payment.amount.0, fee_msat = fee.0, "paid");
                    self.metrics.payment_succeeded(payment.amount.0, fee.0);
                }
                Next::Over
            }
            None => Next::Wait,
        }
    }

    async fn fail(&self, payment: &Payment, reason: &str) -> Next {
        let (id, why) = (payment.id, in_plain_words(reason).to_owned());
        match self.store.write(move |books| payments::fail(books, id, &why, clock::now())).await {
            Some(is_news) => {
                if is_news {
                    tracing::info!(payment = %id.short(), reason, "a payment failed");
                    self.metrics.payment_failed();
                }
                Next::Over
            }
            None => Next::Wait,
        }
    }
}

/// What the worker is told: short words as a node's list of reasons has them, and nothing that could name a channel or a
/// peer (T60). The log has all of it.
fn in_plain_words(reason: &str) -> &str {
    let is_plain = reason.len() <= 60 && reason.bytes().all(|byte| byte.is_ascii_lowercase() || b" -'".contains(&byte));
    if is_plain { reason } else { "the node could not pay it" }
}

fn disbelieved(backend: &str, payment: &Payment, fault: BackendFault) {
    tracing::error!(backend, payment = %payment.id.short(), %fault, "what it says of a payment is not believed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_names_no_channel_and_no_peer_t60() {
        for plain in ["no route", "incorrect payment details", "self-payments not allowed"] {
            assert_eq!(in_plain_words(plain), plain);
        }
        let long = "x".repeat(61);
        for odd in ["Failed: 110x1x0/1 is gone", "peer 02ab", "https://n.test", "(timeout)", &long] {
            assert_eq!(in_plain_words(odd), "the node could not pay it");
        }
    }
}
