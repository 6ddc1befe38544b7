//! Tells the worker of settlements, in the order they are due, until it says 2xx (T67, T74).
//!
//! At least once: a push whose answer was lost is sent again, under the same `webhook-id`, with a new time and
//! signature. One at a time, because all go to the same worker.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use l402::relay::{InvoiceSettled, RelayCall, RelaySecrets, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::looks::Looks;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::settlements::{self, Due};

/// The worker's answer must begin within this time (T59).
const DEADLINE: Duration = Duration::from_secs(5);
const DELAY_FIRST_MS: u64 = 200;
const DELAY_MAX_MS: u64 = 5 * 60 * 1_000;

/// Sends what the store says is due.
pub(crate) struct Pusher {
    store: Arc<Store>,
    secrets: RelaySecrets,
    url: Uri,
    /// Rung when a settlement was written.
    bell: Arc<Notify>,
    metrics: Arc<Metrics>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// What the worker made of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It knows now.
    Delivered,
    /// It was away or busy.
    Away,
    /// It answered that it will not take it; somebody must look.
    Refused(StatusCode),
}

impl Outcome {
    /// A word for counters.
    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Away => "away",
            Self::Refused(_) => "refused",
        }
    }
}

impl Pusher {
    /// Certificates are checked against the roots built in; plain http is for loopback, as the configuration saw to.
    pub(crate) fn new(looks: &Looks, secrets: RelaySecrets, url: Uri) -> io::Result<Self> {
        // The provider is named, because another crate of the workspace could switch on a second one.
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(io::Error::other)?
            .https_or_http()
            .enable_http1()
            .build();
        let Looks { store, metrics, bell } = looks.clone();
        Ok(Self { store, secrets, url, bell, metrics, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    /// Runs until told to stop. Whatever is unfinished then is sent after the next start.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.push_for_ever() => {}
            _ = stop.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn push_for_ever(&self) {
        loop {
            match self.store.read(settlements::next) {
                Some(Some(due)) if is_due(due.at_ms, clock::now_ms()) => self.push(due).await,
                Some(Some(due)) => {
                    let wait = Duration::from_millis(due.at_ms.saturating_sub(clock::now_ms()));
                    let _ = tokio::time::timeout(wait, self.bell.notified()).await;
                }
                Some(None) => self.bell.notified().await,
                None => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }

    async fn push(&self, due: Due) {
        let (hash, attempts) = (due.settled.payment_hash, due.attempts);
        let outcome = self.attempt(due.settled).await;
        self.metrics.pushed(outcome.name());
        let kept = match outcome {
            Outcome::Delivered => {
                tracing::info!(hash = %hash.short(), "the worker knows of the settlement");
                self.store.write(move |books| settlements::pushed(books, hash, clock::now())).await
            }
            Outcome::Away | Outcome::Refused(_) => {
                let delay_ms = delay_ms(outcome, attempts);
                tracing::warn!(hash = %hash.short(), ?outcome, delay_ms, "the worker did not take a settlement; kept");
                let at_ms = clock::now_ms().saturating_add(delay_ms);
                self.store.write(move |books| settlements::postpone(books, hash, at_ms)).await
            }
        };
        if kept.is_none() {
            // The row is as before, so it is due again at once; not in a busy loop, though.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn attempt(&self, settled: InvoiceSettled) -> Outcome {
        let id = format!("settled_{}", settled.payment_hash);
        let body = RelayCall::InvoiceSettled(settled).to_body();
        let now = clock::now();
        let request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(WEBHOOK_ID, &id)
            .header(WEBHOOK_TIMESTAMP, now.0)
            .header(WEBHOOK_SIGNATURE, self.secrets.sign(&id, now, &body))
            .body(Full::from(body));
        let Ok(request) = request else {
            return Outcome::Away; // all parts are plain ASCII, so this does not happen
        };
        // The status says all there is to know; an answer's body is never read (T69).
        match tokio::time::timeout(DEADLINE, self.client.request(request)).await {
            Ok(Ok(response)) => judge(response.status()),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the worker cannot be reached");
                Outcome::Away
            }
            Err(_) => Outcome::Away,
        }
    }
}

/// Its time has come; or it is so far off that the clock must have been set back meanwhile (T87).
const fn is_due(at_ms: u64, now_ms: u64) -> bool {
    at_ms <= now_ms || at_ms - now_ms > DELAY_MAX_MS
}

/// A redirect is a refusal: it is not followed (T68).
fn judge(status: StatusCode) -> Outcome {
    match status.as_u16() {
        200..=299 => Outcome::Delivered,
        408 | 409 | 425 | 429 => Outcome::Away,
        300..=499 => Outcome::Refused(status),
        _ => Outcome::Away,
    }
}

/// 0.2 s, doubled for each attempt in vain, at most 5 minutes; a refusal waits the 5 minutes at once.
fn delay_ms(outcome: Outcome, attempts: u32) -> u64 {
    match outcome {
        Outcome::Refused(_) => DELAY_MAX_MS,
        Outcome::Delivered | Outcome::Away => (DELAY_FIRST_MS << attempts.min(16)).min(DELAY_MAX_MS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_come_soon_and_then_slower_up_to_five_minutes() {
        let delays: Vec<u64> = (0..4).map(|attempts| delay_ms(Outcome::Away, attempts)).collect();
        assert_eq!(delays, [200, 400, 800, 1_600]);
        assert_eq!(delay_ms(Outcome::Away, 11), 300_000);
        assert_eq!(delay_ms(Outcome::Away, u32::MAX), 300_000);
        assert_eq!(delay_ms(Outcome::Refused(StatusCode::NOT_FOUND), 0), 300_000);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_push() {
        assert!(is_due(1_000, 1_000) && !is_due(1_001, 1_000));
        assert!(!is_due(1_000 + DELAY_MAX_MS, 1_000) && is_due(1_001 + DELAY_MAX_MS, 1_000));
    }

    #[test]
    fn only_a_2xx_ends_it() {
        for status in [200, 202, 204] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), Outcome::Delivered);
        }
        for status in [408, 409, 429, 500, 502, 503] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), Outcome::Away);
        }
        for status in [301, 307, 400, 401, 404, 410] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status), Outcome::Refused(status));
        }
    }
}
