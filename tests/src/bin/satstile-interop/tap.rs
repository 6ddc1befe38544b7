//! A wire between clients and one server on loopback. Bytes pass as they are; what is noted is which requests went
//! through, under which scheme they were authorised, and what they got. No credential is kept.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use satstile_tests::loopback;

/// Whom a request went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Edge,
    Wallet,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub server: Server,
    /// The first word of each `Authorization` line; how the wallet is opened is of no interest.
    pub schemes: Vec<String>,
    /// 0 until there is an answer.
    pub status: u16,
}

/// What went over all wires, in the order in which it was asked.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<Exchange>>>);

impl Journal {
    /// What was noted since the last time.
    pub fn take(&self) -> Vec<Exchange> {
        std::mem::take(&mut *lock(&self.0))
    }

    fn asked(&self, exchange: Exchange) -> usize {
        let mut all = lock(&self.0);
        all.push(exchange);
        all.len() - 1
    }

    fn answered(&self, index: usize, status: u16) {
        if let Some(exchange) = lock(&self.0).get_mut(index) {
            exchange.status = status;
        }
    }
}

/// Where clients connect to. It has an address before the server behind it runs.
pub struct Tap {
    listener: TcpListener,
    address: SocketAddr,
}

impl Tap {
    pub fn new() -> io::Result<Self> {
        let listener = TcpListener::bind(loopback(0))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From here on, and until the process ends, connections go to `behind`.
    pub fn connect(self, behind: SocketAddr, server: Server, journal: &Journal) {
        let journal = journal.clone();
        thread::spawn(move || {
            for client in self.listener.incoming().flatten() {
                // A client that finds nobody sees its connection closed, which is what happened.
                if let Ok(upstream) = TcpStream::connect(behind) {
                    let _ = carry(client, upstream, server, &journal);
                }
            }
        });
    }
}

fn carry(client: TcpStream, upstream: TcpStream, server: Server, journal: &Journal) -> io::Result<()> {
    let waiting = Arc::new(Mutex::new(VecDeque::new()));
    let (note, noted, answers) = (journal.clone(), journal.clone(), Arc::clone(&waiting));
    let mut heads = Heads::default();
    pass(client.try_clone()?, upstream.try_clone()?, move |bytes| {
        heads.feed(bytes, |head| {
            let lines = fields(head, "authorization").filter(|_| server == Server::Edge);
            let schemes = lines.filter_map(|value| value.split(' ').next()).map(str::to_owned).collect();
            lock(&waiting).push_back(note.asked(Exchange { server, schemes, status: 0 }));
        });
    });
    pass(upstream, client, move |bytes| {
        // An answer begins where a read begins: a client sends its next request only after the whole of the last.
        let digits = bytes.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let Some(status) = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse().ok()) else { return };
        let index = lock(&answers).pop_front();
        index.into_iter().for_each(|index| noted.answered(index, status));
    });
    Ok(())
}

/// Copies until the end, showing each piece before it goes on.
fn pass(mut from: TcpStream, mut to: TcpStream, mut show: impl FnMut(&[u8]) + Send + 'static) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..count];
            show(bytes);
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write); // gone already: fine
    });
}

/// Finds the heads of requests in a stream. Bodies have a `Content-Length`, as those of all our clients do.
#[derive(Default)]
struct Heads {
    buffer: Vec<u8>,
    body_left: usize,
}

impl Heads {
    fn feed(&mut self, bytes: &[u8], mut found: impl FnMut(&str)) {
        self.buffer.extend_from_slice(bytes);
        loop {
            let skip = self.body_left.min(self.buffer.len());
            self.buffer.drain(..skip);
            self.body_left -= skip;
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return };
            let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
            let head = String::from_utf8_lossy(&head);
            self.body_left = fields(&head, "content-length").find_map(|value| value.parse().ok()).unwrap_or(0);
            found(&head);
        }
    }
}

/// The values of every field of that name.
fn fields<'a>(head: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&str], expected: &[&str]) {
        let (mut heads, mut found) = (Heads::default(), Vec::new());
        for piece in pieces {
            heads.feed(piece.as_bytes(), |head| found.push(head.lines().next().unwrap_or_default().to_owned()));
        }
        assert_eq!(found, expected);
    }

    #[test]
    fn heads_are_found_in_any_pieces_and_a_body_is_none() {
        let post = "POST /pay HTTP/1.1\r\ncontent-length: 17\r\n\r\nGET /no\r\nX: y\r\n\r\n";
        let get = "GET /yes HTTP/1.1\r\nHost: x\r\n\r\n";
        let both = format!("{post}{get}");
        let (expected, bytes) = (["POST /pay HTTP/1.1", "GET /yes HTTP/1.1"], both.as_str());
        check(&[bytes], &expected);
        check(&[&bytes[..30], &bytes[30..50], &bytes[50..]], &expected);
    }

    #[test]
    fn both_authorization_lines_are_seen() {
        let head = "GET / HTTP/1.1\r\nAuthorization: LSAT a:b\r\nauthorization: L402 a:b\r\n\r\n";
        assert_eq!(fields(head, "authorization").collect::<Vec<_>>(), ["LSAT a:b", "L402 a:b"]);
    }
}
