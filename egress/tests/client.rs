//! The client against servers of a test's own, over real sockets and real TLS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use satstile_egress::Client;
use satstile_lightning::{BackendFault, HttpRequest};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const LIMIT: Duration = Duration::from_secs(2);

/// Answers every connection with the same bytes, and then closes it.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: Vec<u8>) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

/// A server without TLS; its URL.
async fn plain(bytes: impl Into<Vec<u8>>) -> String {
    let (listener, bytes) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), bytes.into());
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, bytes.clone()));
        }
    });
    url
}

/// A server with a certificate that it signed itself; its URL and the certificate's SHA-256.
async fn self_signed() -> (String, [u8; 32]) {
    let certified = rcgen::generate_simple_self_signed(vec!["node.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let pin = Sha256::digest(certified.cert.der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec()).await;
                }
            });
        }
    });
    (url, pin)
}

async fn get(pin: Option<[u8; 32]>, url: &str) -> Result<u16, BackendFault> {
    let client = Client::new(pin, LIMIT).unwrap();
    client.send(&HttpRequest::get(url.to_owned())).await.map(|reply| reply.status)
}

#[tokio::test]
async fn the_pinned_certificate_is_accepted_and_no_other() {
    let (url, pin) = self_signed().await;
    assert_eq!(get(Some(pin), &url).await, Ok(200));
    let mut other = pin;
    other[31] ^= 1;
    assert_eq!(get(Some(other), &url).await, Err(BackendFault::Unreachable));
    // Without a pin an authority must vouch for it, and none does.
    assert_eq!(get(None, &url).await, Err(BackendFault::Unreachable));
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn a_web_socket_trusts_the_pinned_certificate_and_no_other() {
    let (url, pin) = self_signed().await;
    let request = HttpRequest::get(url.replace("https://", "wss://"));
    let open = |pin| {
        let (client, request) = (Client::new(pin, LIMIT).unwrap(), request.clone());
        async move { client.websocket(&request).await.unwrap_err() }
    };
    // It got as far as the answer, which is no upgrade.
    assert_eq!(open(Some(pin)).await, BackendFault::Busy(200));
    let mut other = pin;
    other[31] ^= 1;
    assert_eq!(open(Some(other)).await, BackendFault::Unreachable);
    assert_eq!(open(None).await, BackendFault::Unreachable);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = plain("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let url = plain(format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n")).await;
    assert_eq!(get(None, &url).await, Ok(302));
}

#[tokio::test]
async fn a_reply_without_end_is_given_up() {
    let mut long = b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n".to_vec();
    long.resize(long.len() + 70_000, b' ');
    assert_eq!(get(None, &plain(long).await).await, Err(BackendFault::Unreadable));
    // Half a reply is none (T69).
    let cut = plain("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}").await;
    assert_eq!(get(None, &cut).await, Err(BackendFault::Unreachable));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let begun = Instant::now();
    assert_eq!(get(None, &url).await, Err(BackendFault::Unreachable));
    assert!(begun.elapsed() >= LIMIT, "it was given up early");
}

#[tokio::test]
async fn lines_come_one_by_one_until_the_stream_ends() {
    let url = plain("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"a\":1}\n\n{\"b\":2}\n{\"cut").await;
    let client = Client::new(None, LIMIT).unwrap();
    let mut lines = client.open(&HttpRequest::get(url)).await.unwrap();
    let mut heard = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        heard.push(String::from_utf8(line).unwrap());
    }
    assert_eq!(heard, ["{\"a\":1}", "", "{\"b\":2}"]);
}

#[tokio::test]
async fn a_long_reply_is_read_by_whoever_made_room_for_it() {
    let mut long = b"HTTP/1.1 200 OK\r\ncontent-length: 70000\r\n\r\n".to_vec();
    long.resize(long.len() + 70_000, b' ');
    let request = HttpRequest::get(plain(long).await);
    let client = Client::new(None, LIMIT).unwrap();
    assert_eq!(client.with_room_for(70_000).send(&request).await.unwrap().unverified_body.len(), 70_000);
    assert_eq!(client.with_room_for(69_999).send(&request).await, Err(BackendFault::Unreadable));
}
