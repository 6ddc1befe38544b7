//! The client for what is sold: any method, any field, bodies of any length poured on as they come. No redirect is
//! followed, no proxy asked: what answers is what was typed.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use l402::host::is_loopback;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::fault::{Exit, Fault};

const CONNECT: Duration = Duration::from_secs(10);
/// The longest body that is read into memory: a 402's, an error's.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    /// Scheme, host and port.
    pub origin: String,
    /// Without the query.
    pub path: String,
}

impl Url {
    /// Reads a URL. Plain http is for this machine: a token that others read is theirs.
    pub fn parse(text: &str, allow_http: bool) -> Result<Self, Fault> {
        let text = with_scheme(text.trim());
        let uri: Uri = text.parse().map_err(|_| {
            Fault::usage("that URL cannot be read").next("Percent-encode what is not ASCII, and spaces.")
        })?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(Fault::usage("a URL begins with https:// (or http:// on this machine)"));
        };
        let authority = authority.as_str().to_ascii_lowercase();
        if authority.contains('@') {
            return Err(Fault::usage("leave user and password out of the URL").next("Use --header for credentials."));
        }
        match scheme {
            "https" => {}
            "http" if allow_http || is_loopback(&authority) => {}
            "http" => {
                return Err(Fault::usage("plain http beyond this machine: whoever is on the way can take the token")
                    .next("Use https, or --allow-http when the way is safe, such as a VPN or an onion service."));
            }
            other => return Err(Fault::usage(format!("{other}:// is not spoken here, only https and http"))),
        }
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let host = authority.strip_suffix(default_port).unwrap_or(&authority);
        Ok(Self { origin: format!("{scheme}://{host}"), path: uri.path().to_owned(), uri })
    }

    /// Whether the way is encrypted.
    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.uri.authority().is_some_and(|authority| is_loopback(authority.as_str()))
    }

    /// The same with more in its query.
    pub fn with_query(&self, more: &str) -> Option<Self> {
        let query = self.uri.query().map_or_else(|| more.to_owned(), |query| format!("{query}&{more}"));
        let uri = format!("{}{}?{query}", self.origin, self.path).parse().ok()?;
        Some(Self { uri, ..self.clone() })
    }
}

/// A URL as people type it: without a scheme it is http on this machine, and https everywhere else.
fn with_scheme(text: &str) -> String {
    let is_scheme = |before: &str| before.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if text.split_once("://").is_some_and(|(before, _)| is_scheme(before)) || text.starts_with('/') {
        return text.to_owned();
    }
    let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
    let scheme = if is_loopback(&authority.to_ascii_lowercase()) { "http" } else { "https" };
    format!("{scheme}://{text}")
}

/// Without the query, which may hold anything.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// What is sent.
#[derive(Clone, Debug)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Where.
    pub url: Url,
    /// Fields of the caller.
    pub headers: HeaderMap,
    /// Possibly empty; kept, because it goes out again after the payment.
    pub body: Bytes,
}

impl Request {
    /// `GET url`.
    pub fn get(url: &Url) -> Self {
        Self { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// The same with one more field; a value that no field can carry is left out.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// The same by another method.
    pub fn by(mut self, method: Method) -> Self {
        self.method = method;
        self
    }
}

/// A response whose body was not read yet.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// All fields.
    pub headers: HeaderMap,
    body: Incoming,
}

impl Reply {
    /// The first field of this name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All fields of this name, line by line.
    pub fn lines(&self, name: &str) -> Vec<String> {
        // Obs-text is legal in a field and no text to `to_str`; challenges are read as what they look like.
        self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// The whole body, if it is short.
    pub async fn read(self) -> Option<Vec<u8>> {
        let body = tokio::time::timeout(Duration::from_secs(20), Limited::new(self.body, BODY_BYTES_MAX).collect());
        Some(body.await.ok()?.ok()?.to_bytes().to_vec())
    }

    /// Hands the body on as it comes, of any length. Gives its length.
    pub async fn pour(mut self, to: &mut (impl AsyncWrite + Unpin), idle: Duration) -> Result<u64, Fault> {
        let broke = |why: &str| {
            Fault::new(Exit::Network, format!("the body broke off: {why}"))
                .next("The token is kept: the same command tries again and pays nothing.")
        };
        let mut length = 0;
        loop {
            let frame = tokio::time::timeout(idle, self.body.frame()).await.map_err(|_| broke("it stood still"))?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| broke(&cause(&error)))?;
            let Ok(data) = frame.into_data() else { continue };
            length += data.len() as u64;
            to.write_all(&data).await.map_err(|error| Fault::not_good(format!("cannot write: {error}")))?;
        }
        to.flush().await.map_err(|error| Fault::not_good(format!("cannot write: {error}")))?;
        Ok(length)
    }
}

/// Sends requests.
#[derive(Clone, Debug)]
pub struct Client {
    hyper: Hyper<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deadline: Duration,
}

impl Client {
    /// A client that waits this long for the head of a response.
    pub fn new(deadline: Duration) -> Result<Self, Fault> {
        let broken = |error: &dyn Error| Fault::not_good(format!("TLS cannot be set up: {error}"));
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT.min(deadline)));
        // The provider is named, because another crate of the workspace could switch on a second one.
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| broken(&error))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { hyper: Hyper::builder(TokioExecutor::new()).build(connector), deadline })
    }

    /// Sends a request, and waits for the head of its response.
    pub async fn send(&self, request: &Request) -> Result<Reply, Fault> {
        let mut builder = hyper::Request::builder().method(request.method.clone()).uri(request.url.uri.clone());
        if let Some(headers) = builder.headers_mut() {
            headers.insert("user-agent", HeaderValue::from_static(concat!("satstile/", env!("CARGO_PKG_VERSION"))));
            headers.insert("accept", HeaderValue::from_static("*/*"));
            for (name, value) in &request.headers {
                headers.insert(name.clone(), value.clone());
            }
        }
        let away = |why: String| Fault::new(Exit::Network, format!("{} cannot be reached: {why}", request.url.origin));
        let outgoing = builder.body(Full::from(request.body.clone())).map_err(|error| away(error.to_string()))?;
        let sent = tokio::time::timeout(self.deadline, self.hyper.request(outgoing)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(away(cause(&error))),
            Err(_) => return Err(away(format!("no answer within {} s", self.deadline.as_secs()))),
        };
        let (head, body) = response.into_parts();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }
}

/// The innermost reason, which says most: "Connection refused", "invalid peer certificate".
fn cause(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_scheme_is_read_as_it_is_meant_d13() {
        for (typed, meant) in [
            ("localhost:8787/articles/1", "http://localhost:8787/articles/1"),
            ("127.0.0.1:8787/a?to=https://b.example/", "http://127.0.0.1:8787/a"),
            ("[::1]:8787/a", "http://[::1]:8787/a"),
            ("LOCALHOST:8787/a", "http://localhost:8787/a"),
            ("example.com/a", "https://example.com/a"),
            ("example.com:8443/a", "https://example.com:8443/a"),
            ("http://localhost/a", "http://localhost/a"),
        ] {
            assert_eq!(Url::parse(typed, false).unwrap().to_string(), meant, "{typed}");
        }
        for wrong in [
            "/articles/1",
            "",
            "ftp://example.com/a",
            "http://example.com/a",
            "user@example.com/a",
            "mailto:a@b.example",
        ] {
            assert!(Url::parse(wrong, false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_origin_has_one_spelling() {
        let origin = |text: &str| Url::parse(text, false).unwrap().origin;
        assert_eq!(origin("https://Example.com:443/a?b#c"), "https://example.com");
        assert_eq!(origin("http://LOCALHOST:8787"), "http://localhost:8787");
        assert_eq!(origin("http://[::1]:80/"), "http://[::1]");
    }

    #[test]
    fn what_a_token_must_not_travel_over_is_refused() {
        for text in ["http://example.com/", "ftp://example.com/", "/a", "https://a:b@example.com/", "ä"] {
            assert_eq!(Url::parse(text, false).unwrap_err().exit, Exit::Usage, "{text}");
        }
        assert!(Url::parse("http://example.com/", true).is_ok());
    }

    #[test]
    fn a_query_grows() {
        let with = |text: &str| Url::parse(text, false).unwrap().with_query("c=d").unwrap().uri.to_string();
        assert_eq!(with("https://example.com/x"), "https://example.com/x?c=d");
        assert_eq!(with("https://example.com/x?a=b"), "https://example.com/x?a=b&c=d");
    }
}
