//! Whose address is a client's: the one decision behind budgets, allowances and `X-Forwarded-For` (C13, T47).
//!
//! Every header is the client's own until somebody on the way has replaced it. `CF-Connecting-IP` is Cloudflare's word
//! on Cloudflare only, so the runtime itself has to say where it runs.

use core::net::{IpAddr, SocketAddr};

use crate::policy::ClientIp;

/// What the runtime says of the connection that a request came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Nothing is said: the request came from another Worker, for example.
    Unsaid,
    /// The platform in front describes the request and sets `CF-Connecting-IP`: Cloudflare, or `wrangler dev`.
    Platform,
    /// Plain workerd took the connection by itself, from this address; a Unix socket has none.
    Direct(Option<IpAddr>),
}

impl Connection {
    /// Reads the first line of a request's fields, which has no name where the shim says something of the connection; see
    /// [`Headers::parse`](crate::headers::Headers::parse).
    #[must_use]
    pub fn first_of(fields: &str) -> Self {
        let line = fields.lines().next().and_then(|line| line.strip_prefix(':'));
        Self::read(line.unwrap_or_default())
    }

    /// Reads what the shim says: nothing, `cf`, or `=` and what workerd says of the peer, with or without a port.
    pub fn read(said: &str) -> Self {
        match said.strip_prefix('=') {
            Some(peer) => Self::Direct(address(peer)),
            None if said.is_empty() => Self::Unsaid,
            None => Self::Platform,
        }
    }
}

impl ClientIp {
    /// Whether this runtime can keep what the policy says. `CF-Connecting-IP` is written by anybody where plain workerd
    /// takes the connection.
    pub const fn holds_for(&self, connection: Connection) -> bool {
        !matches!((self, connection), (Self::Cloudflare, Connection::Direct(_)))
    }

    /// The client's address, if anybody who is believed has said it. `header` gives the one value of a request field.
    pub fn address(&self, connection: Connection, header: impl Fn(&str) -> Option<String>) -> Option<IpAddr> {
        let platform = || header("cf-connecting-ip").and_then(|text| address(&text));
        let peer = match connection {
            Connection::Direct(peer) => peer,
            Connection::Unsaid | Connection::Platform => None,
        };
        match self {
            Self::Cloudflare if self.holds_for(connection) => platform(),
            Self::Cloudflare => None,
            Self::ByRuntime if connection == Connection::Platform => platform(),
            Self::ByRuntime | Self::Peer => peer,
            Self::TrustedProxy { proxy, header: name } => match peer {
                // The proxy appends: the last address is the one that it saw itself.
                Some(peer) if peer == proxy.to_canonical() => {
                    header(name).and_then(|list| list.rsplit(',').next().and_then(address)).or(Some(peer))
                }
                peer => peer,
            },
        }
    }
}

/// What a client is counted by: its IPv4 address, or the /64 of its IPv6 address, because a client has all of those.
pub fn network(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        None => "unknown".to_string(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => format!("{:x}", u128::from(v6) >> 64),
    }
}

fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGED: &str = "203.0.113.9";

    #[track_caller]
    fn check(policy: &ClientIp, said: &str, expected: Option<&str>) {
        let header = |name: &str| match name {
            "cf-connecting-ip" => Some(FORGED.to_string()),
            "x-forwarded-for" => Some("192.0.2.66, 198.51.100.7".to_string()),
            _ => None,
        };
        let found = policy.address(Connection::read(said), header).map(|address| address.to_string());
        assert_eq!(found.as_deref(), expected, "{policy:?} {said}");
    }

    /// T47, A16: `CF-Connecting-IP` counts where the platform in front has set it, and nowhere else.
    #[test]
    fn a_header_is_believed_where_the_runtime_vouches_for_it_a16() {
        check(&ClientIp::ByRuntime, "=127.0.0.1:4711", Some("127.0.0.1"));
        check(&ClientIp::ByRuntime, "=[2001:db8::1]:4711", Some("2001:db8::1"));
        check(&ClientIp::ByRuntime, "=::ffff:192.0.2.1", Some("192.0.2.1"));
        check(&ClientIp::ByRuntime, "=", None);
        check(&ClientIp::ByRuntime, "", None);
        check(&ClientIp::ByRuntime, "cf", Some(FORGED));
        check(&ClientIp::Cloudflare, "cf", Some(FORGED));
        check(&ClientIp::Cloudflare, "=127.0.0.1:4711", None);
        check(&ClientIp::Peer, "cf", None);
        check(&ClientIp::Peer, "=127.0.0.1:4711", Some("127.0.0.1"));
    }

    #[test]
    fn a_proxy_is_believed_at_its_own_address_only_a16() {
        let proxy =
            ClientIp::TrustedProxy { proxy: IpAddr::from([127, 0, 0, 1]), header: "x-forwarded-for".to_string() };
        check(&proxy, "=127.0.0.1:4711", Some("198.51.100.7"));
        check(&proxy, "=[::ffff:127.0.0.1]:4711", Some("198.51.100.7"));
        check(&proxy, "=127.0.0.2:4711", Some("127.0.0.2"));
        check(&proxy, "cf", None);
        check(&proxy, "", None);
    }

    #[test]
    fn only_cloudflare_on_plain_workerd_cannot_be_kept_a16() {
        let direct = Connection::read("=127.0.0.1:1");
        assert!(!ClientIp::Cloudflare.holds_for(direct));
        assert!(!ClientIp::Cloudflare.holds_for(Connection::read("=")), "a Unix socket");
        assert!(ClientIp::Cloudflare.holds_for(Connection::Platform));
        assert!(ClientIp::ByRuntime.holds_for(direct) && ClientIp::Peer.holds_for(direct));
    }

    #[test]
    fn a_client_of_ipv6_has_all_of_its_64() {
        let of = |text: &str| network(address(text));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("nobody"), "unknown");
    }
}
