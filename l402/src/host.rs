//! Which hosts are this very machine.

/// Whether a canonical host names this machine, with any port (C15).
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rfind(']') {
        Some(end) => host.get(..=end).unwrap_or(host),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost"
        || name == "[::1]"
        || name.ends_with(".localhost")
        || name.parse::<core::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}
