//! Serves a router on a listener: bounded in connections, header time and answer time; stops gracefully.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::places::{Place, Places};

const HEADER_DEADLINE: Duration = Duration::from_secs(30); // also how long an idle connection is kept
const ANSWER_DEADLINE: Duration = Duration::from_secs(10); // covers a body that drips (T69)
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Runs until told to stop, then lets open requests finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let router = router.layer(middleware::from_fn(within_deadline));
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Places::default());
    loop {
        let (stream, place) = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = stop.wait_for(|stopped| *stopped) => break,
        };
        // Whoever answers a request knows on which place it came.
        let (inner, of_request) = (TowerToHyperService::new(router.clone()), Arc::clone(&place));
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            of_request.begins(Instant::now());
            request.extensions_mut().insert(Arc::clone(&of_request));
            inner.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_DEADLINE)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = place.is_gone() => tracing::debug!("a connection made room for another"),
            }
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(STOP_DEADLINE, graceful.shutdown()).await;
}

async fn accept(listener: &TcpListener, places: &Arc<Places>) -> (TcpStream, Arc<Place>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, places.enter(peer.ip().to_canonical(), Instant::now())),
            Err(error) => {
                // Most often too many open files: let some of them close.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn within_deadline(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(ANSWER_DEADLINE, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}
