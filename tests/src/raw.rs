//! HTTP/1.1 by the byte: what is sent is what was written, odd targets, folded headers and lies about lengths
//! included; what came back keeps the order, spelling and number of its header lines.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::TIME_LIMIT;

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// `402`
    pub status: u16,
    /// `Payment Required`
    pub reason: String,
    /// In order, names as they were written, duplicates kept; one `char` for each byte.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
    /// False when the connection ended before the announced end of the body.
    pub complete: bool,
}

impl Response {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every header of that name, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("the body of this {} is not JSON ({e}): {}", self.status, self.text()))
    }
}

/// Sends the bytes on a new connection and reads one response.
#[track_caller]
pub fn request(address: SocketAddr, bytes: &[u8]) -> Response {
    let shown = String::from_utf8_lossy(bytes.get(..120).unwrap_or(bytes)).into_owned();
    try_request(address, bytes).unwrap_or_else(|e| panic!("no response from {address} to {shown:?}: {e}"))
}

/// The same for a story in which no answer is an answer too.
pub fn try_request(address: SocketAddr, bytes: &[u8]) -> io::Result<Response> {
    let mut connection = Connection::open(address)?;
    // A server may refuse and close before it has read everything: its answer counts, not our failed write.
    let sent = connection.send(bytes);
    match connection.response(!bytes.starts_with(b"HEAD ")) {
        Err(e) => Err(sent.err().unwrap_or(e)),
        answered => answered,
    }
}

/// A connection kept open: several requests, or a body watched while it arrives.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    framing: Framing,
    deadline: Instant,
}

enum Framing {
    Done,
    Length(usize),
    Chunked,
    UntilClose,
}

impl Connection {
    /// Connects. Everything on this connection must be over in [`TIME_LIMIT`]; see [`Self::extend`].
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIME_LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(TIME_LIMIT))?;
        Ok(Self { stream, buffer: Vec::new(), framing: Framing::Done, deadline: Instant::now() + TIME_LIMIT })
    }

    /// Gives it so much time from now on.
    pub fn extend(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Writes the bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads a whole response. `has_body` is false for the answer to a HEAD.
    pub fn response(&mut self, has_body: bool) -> io::Result<Response> {
        let mut response = self.head(has_body)?;
        loop {
            match self.part() {
                Ok(Some(part)) => response.body.extend(part),
                Ok(None) => return Ok(response),
                Err(e) if is_cut(&e) => {
                    response.complete = false;
                    return Ok(response);
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads a response up to its body, past any 1xx; the body then comes by [`Self::part`].
    pub fn head(&mut self, has_body: bool) -> io::Result<Response> {
        loop {
            let end = loop {
                match self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                    Some(at) => break at,
                    None => self.fill()?,
                }
            };
            let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
            let response = parse_head(&head[..end])?;
            if !(100..200).contains(&response.status) || response.status == 101 {
                self.framing = framing(&response, has_body)?;
                return Ok(response);
            }
        }
    }

    /// The next piece of the body as soon as it is there; `None` at its end.
    pub fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.framing {
            Framing::Done => Ok(None),
            Framing::Length(0) => {
                self.framing = Framing::Done;
                Ok(None)
            }
            Framing::Length(left) => {
                if self.buffer.is_empty() {
                    self.fill()?;
                }
                let part: Vec<u8> = self.buffer.drain(..left.min(self.buffer.len())).collect();
                self.framing = Framing::Length(left - part.len());
                Ok(Some(part))
            }
            Framing::UntilClose => match self.buffer.is_empty().then(|| self.fill()) {
                Some(Err(e)) if e.kind() == ErrorKind::UnexpectedEof => {
                    self.framing = Framing::Done;
                    Ok(None)
                }
                Some(Err(e)) => Err(e),
                _ => Ok(Some(std::mem::take(&mut self.buffer))),
            },
            Framing::Chunked => self.chunk(),
        }
    }

    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let length = usize::from_str_radix(digits, 16).map_err(|_| bad(format_args!("chunk length {line:?}")))?;
        if length == 0 {
            while !self.line()?.is_empty() {} // trailers
            self.framing = Framing::Done;
            return Ok(None);
        }
        while self.buffer.len() < length + 2 {
            self.fill()?;
        }
        let mut part: Vec<u8> = self.buffer.drain(..length + 2).collect();
        part.truncate(length);
        Ok(Some(part))
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(latin1(&line[..at]));
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(ErrorKind::TimedOut, "the time limit of the harness is over"));
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut bytes = [0; 16 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.buffer.extend(&bytes[..n]);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                Err(io::Error::new(ErrorKind::TimedOut, "the time limit of the harness is over"))
            }
            Err(e) => Err(e),
        }
    }
}

fn is_cut(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

fn parse_head(head: &[u8]) -> io::Result<Response> {
    let text = latin1(head);
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut words = first.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|s| s.parse().ok());
    let (true, Some(status)) = (version.starts_with("HTTP/1."), status) else {
        return Err(bad(format_args!("status line {first:?}")));
    };
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| bad(format_args!("header line {line:?}")))?;
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let reason = words.next().unwrap_or_default().to_owned();
    Ok(Response { status, reason, headers, body: Vec::new(), complete: true })
}

/// How the body ends (RFC 9112, 6.3).
fn framing(response: &Response, has_body: bool) -> io::Result<Framing> {
    if !has_body || response.status == 204 || response.status == 304 {
        return Ok(Framing::Done);
    }
    if response.all("transfer-encoding").iter().any(|v| v.eq_ignore_ascii_case("chunked")) {
        return Ok(Framing::Chunked);
    }
    match response.header("content-length") {
        Some(length) => length.parse().map(Framing::Length).map_err(|_| bad(format_args!("Content-Length {length:?}"))),
        None => Ok(Framing::UntilClose),
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

fn bad(what: fmt::Arguments<'_>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("not HTTP/1.1: {what}"))
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
