//! Which host names are this very machine. Plain http and the dev wallet are for those only (C15).

use std::net::IpAddr;

/// `localhost`, 127.0.0.0/8 or `[::1]`, as it stands in a URL or a `Host` header, without a port.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "localhost.evil.test", "evil.test", "127.0.0.1.evil.test", "0.0.0.0", "10.0.0.1", "127.1", "[::]"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
