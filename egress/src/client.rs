//! One client for one back end: its connections are kept open, and shared by clones.

use std::io;
#[cfg(feature = "websocket")]
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
#[cfg(feature = "websocket")]
use rustls::ClientConfig;
use satstile_lightning::http::REPLY_BYTES_MAX;
use satstile_lightning::{BackendFault, HttpReply, HttpRequest};

#[cfg(feature = "websocket")]
use crate::Socket;

/// How long an unused connection is kept; nodes close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(30);
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Sends requests, each within its deadline.
#[derive(Clone, Debug)]
pub struct Client {
    hyper: Hyper<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deadline: Duration,
    reply_bytes_max: usize,
    /// Web sockets trust whom the rest trusts.
    #[cfg(feature = "websocket")]
    sockets: Arc<ClientConfig>,
}

impl Client {
    /// A client that accepts the pinned certificate and no other, or without a pin those of the authorities built in.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(pin: Option<[u8; 32]>, deadline: Duration) -> io::Result<Self> {
        let tls = crate::tls::config(pin)?;
        #[cfg(feature = "websocket")]
        let sockets = Arc::new(tls.clone());
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls);
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        // Finds out about a peer that went away while a stream was silent.
        http.set_keepalive(Some(IDLE));
        http.set_connect_timeout(Some(CONNECT_DEADLINE.min(deadline)));
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let hyper =
            Hyper::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).pool_timer(TokioTimer::new()).build(connector);
        Ok(Self {
            hyper,
            deadline,
            reply_bytes_max: REPLY_BYTES_MAX,
            #[cfg(feature = "websocket")]
            sockets,
        })
    }

    /// The same client for requests that are answered late.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same client for replies that may be long: 64 KB are enough for all but a payment's, which lists each attempt.
    #[must_use]
    pub fn with_room_for(&self, reply_bytes_max: usize) -> Self {
        Self { reply_bytes_max, ..self.clone() }
    }

    /// Sends, and reads the whole reply.
    ///
    /// # Errors
    /// [`BackendFault::Unreachable`] without a reply in time, [`BackendFault::Unreadable`] for one over 64 KB, or over
    /// what [`Client::with_room_for`] said.
    pub async fn send(&self, request: &HttpRequest) -> Result<HttpReply, BackendFault> {
        let exchange = async {
            let response = self.begin(request).await?;
            let status = response.status().as_u16();
            match Limited::new(response.into_body(), self.reply_bytes_max).collect().await {
                Ok(body) => Ok(HttpReply::new(status, body.to_bytes())),
                Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(BackendFault::Unreadable),
                Err(_) => Err(BackendFault::Unreachable),
            }
        };
        tokio::time::timeout(self.deadline, exchange).await.unwrap_or(Err(BackendFault::Unreachable))
    }

    /// Opens a stream of lines that goes on for as long as the other side likes. There is no deadline: LND sends the
    /// head with the first line, which may come tomorrow.
    ///
    /// # Errors
    /// [`BackendFault::Unreachable`], or what the status says.
    pub async fn open(&self, request: &HttpRequest) -> Result<Lines, BackendFault> {
        let response = self.begin(request).await?;
        match response.status().as_u16() {
            200 => Ok(Lines { body: response.into_body(), held: Vec::new(), overlong: false }),
            401 | 403 => Err(BackendFault::Unauthorized),
            status => Err(BackendFault::Busy(status)),
        }
    }

    /// Opens a web socket: a `GET` of `ws://…` or `wss://…`, with the header fields that it needs.
    ///
    /// # Errors
    /// [`BackendFault::Unauthorized`] where the credential is refused, [`BackendFault::Busy`] for any other answer than
    /// an upgrade, [`BackendFault::Unreachable`] without one in time.
    #[cfg(feature = "websocket")]
    pub async fn websocket(&self, request: &HttpRequest) -> Result<Socket, BackendFault> {
        let opening = Socket::open(&request.url, &request.headers, &self.sockets);
        tokio::time::timeout(self.deadline, opening).await.unwrap_or(Err(BackendFault::Unreachable))
    }

    async fn begin(&self, request: &HttpRequest) -> Result<Response<Incoming>, BackendFault> {
        let mut builder = Request::builder().method(request.method.as_str()).uri(&request.url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let body = Full::from(request.body.clone().unwrap_or_default());
        let request = builder.body(body).map_err(|_| BackendFault::Unreachable)?;
        self.hyper.request(request).await.map_err(|_| BackendFault::Unreachable)
    }
}

/// A reply that comes a line at a time.
#[derive(Debug)]
pub struct Lines {
    body: Incoming,
    held: Vec<u8>,
    /// What is held is the rest of a line that is too long.
    overlong: bool,
}

impl Lines {
    /// The next line without its end, or `None` when the stream has ended.
    ///
    /// # Errors
    /// [`BackendFault::Unreachable`] when the connection broke. A line over 64 KB is left out: were it a fault, it would
    /// be one again whenever the stream is opened.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, BackendFault> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.held.drain(..=end).collect();
                line.pop();
                if std::mem::take(&mut self.overlong) {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.held.len() > REPLY_BYTES_MAX {
                self.held.clear();
                self.overlong = true;
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(_)) => return Err(BackendFault::Unreachable),
                Some(Ok(frame)) => self.held.extend(frame.into_data().unwrap_or_default()),
            }
        }
    }
}
