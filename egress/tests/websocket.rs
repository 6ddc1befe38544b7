//! Web sockets against a server of a test's own: who is let in, and what is read.

#![cfg(feature = "websocket")]

use std::time::{Duration, Instant};

use futures_util::SinkExt;
use satstile_egress::{Client, Socket};
use satstile_lightning::{BackendFault, HttpRequest};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

const LIMIT: Duration = Duration::from_secs(2);

/// Lets in who says the word, sends these frames, and ends; its URL.
async fn server(frames: Vec<Message>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/websocket", listener.local_addr().unwrap());
    #[allow(clippy::result_large_err, reason = "the library's own type")]
    let guard = |request: &Request, response: Response| {
        if request.headers().get("authorization").is_some_and(|word| word == "Basic hush") {
            return Ok(response);
        }
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = hyper::StatusCode::UNAUTHORIZED;
        Err(refusal)
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, guard).await else { continue };
            for frame in frames.clone() {
                let _ = socket.send(frame).await;
            }
            let _ = socket.close(None).await;
        }
    });
    url
}

async fn open(url: &str, word: &str) -> Result<Socket, BackendFault> {
    let request = HttpRequest::get(url.to_owned()).with("authorization", word.to_owned());
    Client::new(None, LIMIT).unwrap().websocket(&request).await
}

#[tokio::test]
async fn text_is_read_until_the_end_and_all_else_is_passed_over() {
    let url = server(vec![Message::text("one"), Message::binary([1, 2].to_vec()), Message::text("two")]).await;
    let mut socket = open(&url, "Basic hush").await.unwrap();
    assert_eq!(socket.next().await.unwrap(), "one");
    assert_eq!(socket.next().await.unwrap(), "two");
    assert_eq!(socket.next().await.unwrap_err(), BackendFault::Unreachable);
}

#[tokio::test]
async fn a_refused_credential_is_told_from_an_absence() {
    let url = server(Vec::new()).await;
    assert_eq!(open(&url, "Basic wrong").await.unwrap_err(), BackendFault::Unauthorized);
    assert_eq!(open("ws://127.0.0.1:9/", "Basic hush").await.unwrap_err(), BackendFault::Unreachable);
    assert_eq!(open(&url.replace("ws://", "ftp://"), "Basic hush").await.unwrap_err(), BackendFault::Unreachable);
}

#[tokio::test]
async fn a_frame_over_64_kilobytes_ends_it_t69() {
    let exact = server(vec![Message::text("x".repeat(64 * 1024))]).await;
    assert_eq!(open(&exact, "Basic hush").await.unwrap().next().await.unwrap().len(), 64 * 1024);
    let over = server(vec![Message::text("x".repeat(64 * 1024 + 1))]).await;
    assert_eq!(open(&over, "Basic hush").await.unwrap().next().await.unwrap_err(), BackendFault::Unreachable);
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let begun = Instant::now();
    let opened = open(&format!("ws://{}/", listener.local_addr().unwrap()), "Basic hush").await;
    assert_eq!(opened.unwrap_err(), BackendFault::Unreachable);
    assert!(begun.elapsed() >= LIMIT, "it was given up early");
}
