//! Who is asking, as far as budgets need to know (C13, T47). Never stored or logged in the clear.

use core::net::IpAddr;

use l402::policy::{ClientIp, Policy};
use sha2::{Digest, Sha256};
use worker::Request;
use worker::js_sys::Reflect;

/// A key that is the same for one client: a hash of its IPv4 address or IPv6 /64. All clients whose
/// address is unknown share one.
pub fn key(policy: &Policy, request: &Request) -> String {
    let address = match &policy.client_ip {
        ClientIp::Cloudflare => header(request, "cf-connecting-ip").and_then(|text| text.parse().ok()),
        ClientIp::Peer => peer(request),
        ClientIp::TrustedProxy { proxy, header: name } => match peer(request) {
            // The proxy appends: the last address is the one it saw itself.
            Some(peer) if peer == *proxy => header(request, name)
                .and_then(|list| list.rsplit(',').next().and_then(|last| last.trim().parse().ok()))
                .or(Some(peer)),
            peer => peer,
        },
    };
    let network = match address {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => format!("{:x}", u128::from(v6) >> 64),
        },
    };
    digest(&network)
}

/// 128 bits of a hash, hex: the name of a bucket.
pub fn digest(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text));
    digest.truncate(32);
    digest
}

fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

/// `request.cf.clientIp`, which the runtime sets from the connection, without its port.
fn peer(request: &Request) -> Option<IpAddr> {
    let cf = Reflect::get(request.inner(), &"cf".into()).ok()?;
    let text = Reflect::get(&cf, &"clientIp".into()).ok()?.as_string()?;
    text.parse().ok().or_else(|| text.parse::<core::net::SocketAddr>().ok().map(|socket| socket.ip()))
}
