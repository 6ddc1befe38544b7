//! Who is asking, as budgets and the origin need to know (C13, T47). Never stored or logged in the clear.

use core::net::IpAddr;

use l402::client::{self, Connection};
use l402::policy::Policy;
use sha2::{Digest, Sha256};
use worker::Request;
use worker::js_sys::Reflect;

/// A key that is the same for one client: a hash of its IPv4 address or IPv6 /64. All clients whose
/// address is unknown share one.
pub fn key(policy: &Policy, request: &Request) -> String {
    digest(&client::network(address(policy, request)))
}

/// The client's address, by `client_ip` of the policy.
pub fn address(policy: &Policy, request: &Request) -> Option<IpAddr> {
    policy.client_ip.address(connection(request), |name| request.headers().get(name).ok().flatten())
}

/// 128 bits of a hash, hex: the name of a bucket.
pub fn digest(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text));
    digest.truncate(32);
    digest
}

/// `request.cf`: what the shim says of the request's connection to [`crate::decide`], asked of the request itself.
fn connection(request: &Request) -> Connection {
    let cf = match Reflect::get(request.inner(), &"cf".into()) {
        Ok(cf) if cf.is_object() => cf,
        _ => return Connection::Unsaid,
    };
    let text = |name: &str| Reflect::get(&cf, &name.into()).ok().filter(|value| !value.is_undefined());
    match text("clientIp") {
        Some(peer) => Connection::read(&format!("={}", peer.as_string().unwrap_or_default())),
        None if text("clientPid").or_else(|| text("clientUid")).is_some() => Connection::Direct(None),
        None => Connection::Platform,
    }
}
