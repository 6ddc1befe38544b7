//! Ports that are known before the process that listens on them runs: the worker and the node webhook name
//! each other in their configuration.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// A loopback address.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A free port that nobody else is given for a minute.
///
/// A port that was merely bound and let go can be handed to the next one who asks. This one has carried a
/// connection, which its listening side closed first: the kernel keeps it in TIME_WAIT, gives it to nobody
/// that asks for "any port", and still lets a listener with SO_REUSEADDR (all of ours) bind it by number.
pub fn free_port() -> u16 {
    reserve().expect("the machine has no free loopback port")
}

fn reserve() -> std::io::Result<u16> {
    let listener = TcpListener::bind(loopback(0))?;
    let address = listener.local_addr()?;
    let mut client = TcpStream::connect(address)?;
    let (server, _) = listener.accept()?;
    drop(server);
    client.read_to_end(&mut Vec::new())?;
    Ok(address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_given_to_nobody_else() {
        let ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
        let mut unique = ports.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ports.len());
    }
}
