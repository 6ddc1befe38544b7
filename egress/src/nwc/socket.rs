//! A web socket to a relay: text frames in and out, bounded in size and time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use satstile_lightning::BackendFault;
use satstile_lightning::nwc::{FRAME_BYTES_MAX, Relay};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Silence for so long is asked about, and after as long again the relay is taken for gone.
const SILENCE: Duration = Duration::from_secs(30);

/// TCP, or TLS over it.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open one.
pub(super) struct Socket(WebSocketStream<Box<dyn Duplex>>);

/// TLS with the authorities that are built in.
pub(super) fn tls() -> io::Result<TlsConnector> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // The provider is named, because another crate of the workspace could switch on a second one.
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Socket {
    pub(super) async fn open(relay: &Relay, tls: &TlsConnector) -> Result<Self, BackendFault> {
        let tcp = TcpStream::connect((relay.host.as_str(), relay.port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Duplex> = if relay.tls {
            let name = ServerName::try_from(relay.host.clone()).map_err(unreachable)?;
            Box::new(tls.connect(name, tcp).await.map_err(unreachable)?)
        } else {
            Box::new(tcp)
        };
        let limits =
            WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX));
        let (socket, _) =
            client_async_with_config(relay.url.as_str(), stream, Some(limits)).await.map_err(unreachable)?;
        Ok(Self(socket))
    }

    pub(super) async fn send(&mut self, frame: &str) -> Result<(), BackendFault> {
        self.0.send(Message::text(frame)).await.map_err(unreachable)
    }

    /// The next frame of text. A relay that is silent is asked whether it is still there.
    pub(super) async fn next(&mut self) -> Result<String, BackendFault> {
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

fn unreachable<E>(_: E) -> BackendFault {
    BackendFault::Unreachable
}
