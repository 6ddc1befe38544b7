//! An answer in pieces, from both of its ends: an origin of the story's own writes it, and a client reads as far as it
//! likes.

use std::io::{self, Write};
use std::net::TcpStream;

use satstile_tests::Stack;
use satstile_tests::raw::Connection;

/// The field that makes it a stream of events.
pub const EVENTS: (&str, &str) = ("Content-Type", "text/event-stream");

/// The head of an endless answer.
pub fn begin(stream: &mut TcpStream, fields: &[(&str, &str)]) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{fields}Transfer-Encoding: chunked\r\n\r\n").as_bytes())
}

/// A piece of it.
pub fn chunk(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}

/// Its end.
pub fn end(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"0\r\n\r\n")
}

/// A `GET` with a credential that is sent, so that its client can leave when it likes.
#[track_caller]
pub fn send_get(stack: &Stack, path: &str, authorization: &str) -> Connection {
    let mut client = Connection::open(stack.workerd.address()).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n");
    client.send(head.as_bytes()).unwrap();
    client
}

/// Reads on until this is in what has come so far.
#[track_caller]
pub fn read_until(client: &mut Connection, so_far: &mut String, needle: &str) {
    while !so_far.contains(needle) {
        let part = client.part().unwrap().unwrap_or_else(|| panic!("{needle:?} did not come: {so_far:?}"));
        so_far.push_str(&String::from_utf8_lossy(&part));
    }
}
