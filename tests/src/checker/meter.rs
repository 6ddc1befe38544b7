//! The origin behind the edge: it serves, meters and fails on order, and counts every request that it saw.
//!
//! A target names the request and says what to do: `/api/use?tag=7-3-12&cost=1234&act=slow`. The cost goes back as
//! `Satstile-Cost-Msat`. No two requests of one account cost the same, so a line in the books names the request.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::loopback;

/// How the origin treats one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Answers at once, with a length.
    Serve,
    /// Answers after 40 to 160 ms.
    Slow,
    /// Answers in chunks over 60 ms.
    Chunks,
    /// Says 500.
    Fail,
    /// Closes without a word.
    HangUp,
    /// Closes in the middle of the body.
    Cut,
}

impl Act {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Serve, "serve"),
        (Self::Slow, "slow"),
        (Self::Chunks, "chunks"),
        (Self::Fail, "fail"),
        (Self::HangUp, "hang-up"),
        (Self::Cut, "cut"),
    ];

    /// As it stands in a target.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(act, _)| *act == self).map_or("serve", |(_, name)| name)
    }

    fn from_name(name: &str) -> Self {
        Self::ALL.iter().find(|(_, n)| *n == name).map_or(Self::Serve, |(act, _)| *act)
    }

    /// Whether a client can have had anything of it that is paid for.
    pub fn delivers(self) -> bool {
        matches!(self, Self::Serve | Self::Slow | Self::Chunks)
    }
}

/// Listens until it is dropped.
pub struct Meter {
    address: SocketAddr,
    seen: Arc<Mutex<HashMap<String, u32>>>,
    over: Arc<AtomicBool>,
}

impl Meter {
    /// On a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind(loopback(0)).expect("cannot listen on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let meter = Self { address, seen: Arc::default(), over: Arc::default() };
        let (seen, over) = (Arc::clone(&meter.seen), Arc::clone(&meter.over));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || while serve(&stream, &seen).is_some() {});
            }
        });
        meter
    }

    /// As the policy's `origin` wants it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How often a request arrived here.
    pub fn seen(&self, tag: &str) -> u32 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(tag).copied().unwrap_or(0)
    }

    /// Every tag that arrived here.
    pub fn tags(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener, which then ends
    }
}

/// One request; `None` when the connection is over.
fn serve(stream: &TcpStream, seen: &Mutex<HashMap<String, u32>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|n| *n > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line.trim_end().is_empty() {
            break;
        }
    }
    let target = first.split(' ').nth(1)?;
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let param = |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    let tag = param("tag").map_or("", |(_, tag)| tag);
    *seen.lock().unwrap_or_else(PoisonError::into_inner).entry(tag.to_owned()).or_default() += 1;
    let cost = param("cost").map_or(String::new(), |(_, cost)| format!("Satstile-Cost-Msat: {cost}\r\n"));
    let mut out = stream;
    let mut whole = |status: &str| {
        let head = format!("HTTP/1.1 {status}\r\n{cost}Content-Length: {}\r\n\r\n{tag}", tag.len());
        out.write_all(head.as_bytes()).ok()
    };
    match Act::from_name(param("act").map_or("", |(_, act)| act)) {
        Act::Serve => whole("200 OK"),
        Act::Slow => {
            std::thread::sleep(Duration::from_millis(40 + u64::from(tag.bytes().map(u16::from).sum::<u16>() % 120)));
            whole("200 OK")
        }
        Act::Fail => whole("500 Sorry"),
        Act::HangUp => None,
        Act::Cut => {
            let head = format!("HTTP/1.1 200 OK\r\n{cost}Content-Length: 100\r\n\r\nonly the beg");
            let _ = out.write_all(head.as_bytes());
            None
        }
        Act::Chunks => {
            out.write_all(format!("HTTP/1.1 200 OK\r\n{cost}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).ok()?;
            for _ in 0..3 {
                out.write_all(b"5\r\npiece\r\n").ok()?;
                std::thread::sleep(Duration::from_millis(20));
            }
            out.write_all(b"0\r\n\r\n").ok()
        }
    }
}
