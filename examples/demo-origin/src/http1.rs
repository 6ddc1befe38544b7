//! HTTP/1.1 by hand, because the point is to see what arrived: a request target keeps every byte, header names
//! keep their spelling, and only what cannot be framed at all is refused.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A request as it was on the wire. Text is one `char` for each byte (ISO 8859-1), so nothing is lost.
#[derive(Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub version: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The target up to its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query, as it is (nothing is decoded).
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn wants_close(&self) -> bool {
        let says = |token: &str| self.header("connection").is_some_and(|v| v.eq_ignore_ascii_case(token));
        says("close") || (self.version == "HTTP/1.0" && !says("keep-alive"))
    }
}

type Act = Box<dyn FnOnce(&mut TcpStream) -> io::Result<()>>;

/// What a route gives back.
pub enum Answer {
    Reply(Reply),
    /// So many server-sent events, one each 100 ms.
    Events(u32),
    /// Writes to the socket as it likes; the connection ends after it.
    Raw(Act),
}

pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type", content_type.to_owned())], body: body.into() }
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// One connection with the bytes that were read ahead.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// The next request; `None` when the peer is done, a status when it cannot be framed.
    pub fn request(&mut self) -> io::Result<Option<Result<Request, u16>>> {
        let mut searched = 0;
        let end = loop {
            let from = searched.min(self.buffer.len());
            if let Some(at) = self.buffer[from..].windows(4).position(|w| w == b"\r\n\r\n") {
                break from + at;
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Ok(Some(Err(431)));
            }
            searched = self.buffer.len().saturating_sub(3);
            if self.fill()? == 0 {
                return Ok(None);
            }
        };
        let parsed = parse(&self.buffer[..end]);
        self.buffer.drain(..end + 4);
        let Some(mut request) = parsed else { return Ok(Some(Err(400))) };
        if request.header("expect").is_some_and(|v| v.eq_ignore_ascii_case("100-continue")) {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        Ok(Some(self.body(&request)?.map(|body| {
            request.body = body;
            request
        })))
    }

    fn body(&mut self, request: &Request) -> io::Result<Result<Vec<u8>, u16>> {
        if request.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return self.chunks();
        }
        let Some(length) = request.header("content-length") else { return Ok(Ok(Vec::new())) };
        match length.parse::<usize>() {
            Err(_) => Ok(Err(400)),
            Ok(n) if n > BODY_BYTES_MAX => Ok(Err(413)),
            Ok(n) => self.take(n).map(Ok),
        }
    }

    fn chunks(&mut self) -> io::Result<Result<Vec<u8>, u16>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let Ok(length) = usize::from_str_radix(digits, 16) else { return Ok(Err(400)) };
            if length == 0 {
                while !self.line()?.is_empty() {} // trailers
                return Ok(Ok(body));
            }
            if length > BODY_BYTES_MAX - body.len() {
                return Ok(Err(413));
            }
            body.extend(self.take(length)?);
            self.take(2)?;
        }
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                return Ok(latin1(&line[..at]));
            }
            if self.buffer.len() > HEAD_BYTES_MAX || self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 16 * 1024];
        let n = self.stream.read(&mut bytes)?;
        self.buffer.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    /// Head and body in one write.
    pub fn reply(&mut self, reply: &Reply, has_body: bool, close: bool) -> io::Result<()> {
        let mut out = Vec::with_capacity(256 + reply.body.len());
        write!(out, "HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status))?;
        for (name, value) in &reply.headers {
            write!(out, "{name}: {value}\r\n")?;
        }
        if reply.status != 204 {
            write!(out, "Content-Length: {}\r\n", reply.body.len())?;
        }
        out.extend_from_slice(if close { b"Connection: close\r\n\r\n" } else { b"\r\n" });
        if has_body {
            out.extend_from_slice(&reply.body);
        }
        self.stream.write_all(&out)
    }

    /// Server-sent events, each in a chunk of its own and as early as its time has come.
    pub fn events(&mut self, count: u32, has_body: bool) -> io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                    Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        self.stream.write_all(head.as_bytes())?;
        if !has_body {
            return Ok(());
        }
        for n in 1..=count {
            let event = format!("id: {n}\ndata: {{\"n\":{n},\"of\":{count}}}\n\n");
            self.stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())?;
            if n < count {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        self.stream.write_all(b"0\r\n\r\n")
    }
}

/// Request line and headers. The target is everything between the first space and the last.
fn parse(head: &[u8]) -> Option<Request> {
    let text = latin1(head);
    let mut lines = text.split("\r\n");
    let (method, rest) = lines.next()?.split_once(' ')?;
    let (target, version) = rest.rsplit_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
    let (method, target, version) = (method.to_owned(), target.to_owned(), version.to_owned());
    Some(Request { method, target, version, headers, body: Vec::new() })
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|b| char::from(*b)).collect()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        400 => "Bad Request",
        402 => "Payment Required",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_target(target: &str) {
        let head: Vec<u8> = format!("GET {target} HTTP/1.1\r\nhost: x").into_bytes();
        let expected = latin1(target.as_bytes());
        assert_eq!(parse(&head).unwrap().target, expected);
    }

    #[test]
    fn a_target_keeps_every_byte() {
        for odd in
            ["/free/../x", "/%2e%2E/%2f", "/a\\b", "//a//b", "/ü?ö", "/a b", "/#f", "http://h/p", "*", "/\"<>^`{|}"]
        {
            check_target(odd);
        }
        check_target(&format!("/{}", "a".repeat(30_000)));
    }

    #[test]
    fn header_lines_keep_order_spelling_and_number() {
        let request = parse(b"GET / HTTP/1.1\r\nX-A: 1\r\nx-a:  2 \r\nB:\xff").unwrap();
        let pairs: Vec<_> = request.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("X-A", "1"), ("x-a", "2"), ("B", "ÿ")]);
    }

    #[test]
    fn what_is_not_http_1_is_refused() {
        for odd in [&b"GET /"[..], b"GET / HTTP/2", b"", b"GET / HTTP/1.1\r\nno colon"] {
            assert!(parse(odd).is_none());
        }
    }
}
