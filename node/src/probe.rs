//! What tells an operator whether all is well: a word about each back end at the start, and the metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use l402::{Msat, PaymentHash};
use satstile_lightning::{Preimages, Status, Watched};

use crate::metrics::Metrics;
use crate::remote::Remote;
use crate::way::Tells;

mod nwc;

/// Asks every wallet what its connection may do, all at once. One that is away is no reason not to start.
///
/// # Errors
/// The wallet whose connection is of no use, and what it lacks.
pub(crate) async fn may_start(remotes: &[Arc<Remote>]) -> anyhow::Result<()> {
    let mut asked = Vec::new();
    for remote in remotes {
        if let Some(Tells::Nwc(client)) = remote.tells() {
            asked.push(tokio::spawn(nwc::examine(client.clone(), remote.name.clone())));
        }
    }
    for answer in asked {
        answer.await??;
    }
    Ok(())
}

/// Asks a back end about an invoice that nobody made: a sane one has never heard of it.
pub(crate) async fn greet(remote: Arc<Remote>, metrics: Arc<Metrics>) {
    let mut hash = [0; 32];
    if getrandom::fill(&mut hash).is_err() {
        return;
    }
    let nobodys = Watched { payment_hash: PaymentHash(hash), amount: Msat(1), reference: "" };
    match remote.status(&nobodys, &metrics).await {
        Ok(Status::NotFound) => tracing::info!(backend = remote.name, "this back end answers"),
        Ok(_) => tracing::error!(backend = remote.name, "this back end knows an invoice that nobody made"),
        Err(fault) if fault.is_transient() => tracing::warn!(backend = remote.name, %fault, "this back end is away"),
        // One that goes by ids of its own cannot be asked about a hash; its first invoice will tell.
        Err(fault) => tracing::warn!(backend = remote.name, %fault, "this back end was not understood"),
    }
    if remote.preimages() == Preimages::Withheld {
        tracing::warn!(
            backend = remote.name,
            "this back end never tells a preimage: payers who do not hold it themselves, browsers above all, get in \
             where the worker's policy has `allow_attested = true` for the service"
        );
    }
}

/// `GET /metrics`, on an address of its own (T128).
pub(crate) fn metrics_router(metrics: Arc<Metrics>) -> Router {
    let text = |State(metrics): State<Arc<Metrics>>| async move {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(CONTENT_TYPE, kind)], metrics.text()).into_response()
    };
    Router::new().route("/metrics", get(text)).with_state(metrics)
}
