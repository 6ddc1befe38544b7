//! Carries the node's settlement pushes to the worker, as a bad network would: some are lost, some arrive twice, and of
//! some the answer is lost. It changes no byte, so a second one is a replay with a good signature.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::dice::Dice;
use super::wire::{self, Heard};
use crate::loopback;

/// What became of the pushes.
#[derive(Debug, Default)]
pub struct Carried {
    /// Never arrived.
    pub lost: AtomicU64,
    /// Arrived twice.
    pub doubled: AtomicU64,
    /// Arrived, and the node was not told so.
    pub unanswered: AtomicU64,
}

/// Listens until it is dropped.
pub struct Courier {
    address: SocketAddr,
    /// What it did.
    pub carried: Arc<Carried>,
    over: Arc<AtomicBool>,
    /// No push is lost while the books are brought to rest.
    pub is_reliable: Arc<AtomicBool>,
}

impl Courier {
    /// Between a node that is told this address and the worker.
    pub fn start(worker: SocketAddr, dice: Dice) -> Self {
        let listener = TcpListener::bind(loopback(0)).expect("cannot listen on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let courier = Self { address, carried: Arc::default(), over: Arc::default(), is_reliable: Arc::default() };
        let (carried, over) = (Arc::clone(&courier.carried), Arc::clone(&courier.over));
        let (is_reliable, dice) = (Arc::clone(&courier.is_reliable), Arc::new(Mutex::new(dice)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let throw = dice.lock().unwrap_or_else(PoisonError::into_inner).between(0, 99);
                let throw = if is_reliable.load(Ordering::SeqCst) { 99 } else { throw };
                let carried = Arc::clone(&carried);
                std::thread::spawn(move || carry(stream, worker, throw, &carried));
            }
        });
        courier
    }

    /// What the node calls the worker's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener, which then ends
    }
}

/// One push. Of a hundred 15 are lost, 20 doubled, 15 unanswered.
fn carry(mut stream: TcpStream, worker: SocketAddr, throw: u64, carried: &Carried) -> Option<()> {
    let (target, fields, body) = read(&stream)?;
    if throw < 15 {
        carried.lost.fetch_add(1, Ordering::SeqCst);
        return None;
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let push = || wire::send(worker, "POST", &target, &fields, &body);
    let (mut heard, _) = push();
    if throw < 35 {
        carried.doubled.fetch_add(1, Ordering::SeqCst);
        heard = push().0;
    } else if throw < 50 {
        carried.unanswered.fetch_add(1, Ordering::SeqCst);
        return None;
    }
    let (Heard::Whole(status) | Heard::Cut(status)) = heard else { return None };
    let answer = format!("HTTP/1.1 {status} Carried\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()
}

type Push = (String, Vec<(String, String)>, Vec<u8>);

/// Without what belongs to the connection.
fn read(stream: &TcpStream) -> Option<Push> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        Some(line.trim_end().to_owned())
    };
    let target = line()?.split(' ').nth(1)?.to_owned();
    let (mut fields, mut length) = (Vec::new(), 0);
    while let Some((name, value)) = line()?.split_once(':') {
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "host" | "connection" => {}
            _ => fields.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, fields, body))
}
