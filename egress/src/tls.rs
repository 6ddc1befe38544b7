//! Whom a connection trusts: the authorities that are built in, or the one certificate that is pinned.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};

use crate::pin::Pinned;

/// The TLS of one client. `pin` is the SHA-256 of a certificate (DER).
pub(crate) fn config(pin: Option<[u8; 32]>) -> io::Result<ClientConfig> {
    // The provider is named, because another crate of the workspace could switch on a second one.
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(match pin {
        None => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Some(sha256) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { sha256, provider }))
            .with_no_client_auth(),
    })
}
