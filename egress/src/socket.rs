//! A web socket: text frames in and out, bounded in size and time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use satstile_lightning::BackendFault;
use satstile_lightning::http::REPLY_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Silence for so long is asked about, and after as long again the other side is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);

/// TCP, or TLS over it.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open web socket. Dropping ends it.
pub struct Socket(WebSocketStream<Box<dyn Duplex>>);

impl Socket {
    /// Connects and shakes hands. There is no deadline here.
    pub(crate) async fn open(
        url: &str,
        headers: &[(&'static str, String)],
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, BackendFault> {
        let place: Uri = url.parse().map_err(unreachable)?;
        let is_tls = match place.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(BackendFault::Unreachable),
        };
        // An IPv6 address stands in brackets there.
        let host = place.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = place.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let mut request = url.into_client_request().map_err(unreachable)?;
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(unreachable)?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Duplex> = if is_tls {
            let name = ServerName::try_from(host).map_err(unreachable)?;
            Box::new(TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(unreachable)?)
        } else {
            Box::new(tcp)
        };
        let limits =
            WebSocketConfig::default().max_message_size(Some(REPLY_BYTES_MAX)).max_frame_size(Some(REPLY_BYTES_MAX));
        match client_async_with_config(request, stream, Some(limits)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(match response.status().as_u16() {
                401 | 403 => BackendFault::Unauthorized,
                status => BackendFault::Busy(status),
            }),
            Err(_) => Err(BackendFault::Unreachable),
        }
    }

    #[cfg(feature = "nwc")]
    pub(crate) async fn send(&mut self, frame: &str) -> Result<(), BackendFault> {
        self.0.send(Message::text(frame)).await.map_err(unreachable)
    }

    /// The next frame of text, of 64 KB at most. One that is silent is asked whether it is still there.
    ///
    /// # Errors
    /// [`BackendFault::Unreachable`] when it broke or ended, or was silent for a minute.
    pub async fn next(&mut self) -> Result<String, BackendFault> {
        let mut asked = false;
        loop {
            match tokio::time::timeout(SILENCE, self.0.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => return Ok(text.as_str().to_owned()),
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return Err(BackendFault::Unreachable),
                // Pings are answered by the library.
                Ok(Some(Ok(_))) => asked = false,
                Err(_) if asked => return Err(BackendFault::Unreachable),
                Err(_) => {
                    self.0.send(Message::Ping(Vec::new().into())).await.map_err(unreachable)?;
                    asked = true;
                }
            }
        }
    }
}

/// Shows nothing: what goes through it is secret.
impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

fn unreachable<E>(_: E) -> BackendFault {
    BackendFault::Unreachable
}
