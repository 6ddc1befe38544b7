//! A phoenixd, as far as its limited password goes: invoices by HTTP, events by a web socket, both at one address.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::SinkExt;
use l402::{PaymentHash, Preimage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;

use crate::nwc_wallet::signed_invoice;
use crate::world::now;

pub const PASSWORD: &str = "limited-hush";

/// What is said to all who listen.
#[derive(Clone)]
enum News {
    Event(String),
    /// Their sockets break.
    Break,
}

pub struct Phoenix {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    has_websocket: bool,
    made: AtomicU8,
    /// By its payment hash: the preimage, and whether it was paid.
    invoices: Mutex<HashMap<String, (Preimage, bool)>>,
    /// The hashes that were asked about.
    asked: Mutex<Vec<String>>,
    sockets: AtomicUsize,
    /// What it keeps of each payment, in satoshi, for the channel that it came by.
    kept: AtomicU64,
    news: broadcast::Sender<News>,
}

impl Phoenix {
    pub async fn start() -> Self {
        Self::with(true).await
    }

    /// An old one, or one behind a proxy that upgrades nothing.
    pub async fn without_websocket() -> Self {
        Self::with(false).await
    }

    async fn with(has_websocket: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            has_websocket,
            made: AtomicU8::new(0x40),
            invoices: Mutex::default(),
            asked: Mutex::default(),
            sockets: AtomicUsize::new(0),
            kept: AtomicU64::new(0),
            news: broadcast::channel(8).0,
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    pub fn connection_string(&self) -> String {
        format!("type=phoenixd;server=http://{};password={PASSWORD}", self.address)
    }

    /// Somebody pays; nobody is told.
    pub fn settle_quietly(&self, hash: PaymentHash) {
        self.state.invoices.lock().unwrap().get_mut(&hash.to_string()).unwrap().1 = true;
    }

    /// From now on it keeps so many satoshi of each payment.
    pub fn keeps(&self, sat: u64) {
        self.state.kept.store(sat, Ordering::SeqCst);
    }

    /// Tells all who listen that this was paid, whether or not it was.
    pub fn tell(&self, hash: PaymentHash) {
        let event =
            json!({"type": "payment_received", "timestamp": 1, "amountSat": 21, "paymentHash": hash.to_string()});
        let _ = self.state.news.send(News::Event(event.to_string()));
    }

    pub fn break_sockets(&self) {
        let _ = self.state.news.send(News::Break);
    }

    /// How often it was asked about this one.
    pub fn asked(&self, hash: PaymentHash) -> usize {
        self.state.asked.lock().unwrap().iter().filter(|asked| **asked == hash.to_string()).count()
    }

    pub fn made(&self) -> usize {
        self.state.invoices.lock().unwrap().len()
    }

    /// Waits until so many web sockets were opened.
    pub async fn listened_to(&self, sockets: usize) {
        for _ in 0..100 {
            if self.state.sockets.load(Ordering::SeqCst) >= sockets {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nobody listens");
    }
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut begin = [0; 14];
    let is_upgrade = matches!(stream.peek(&mut begin).await, Ok(14)) && begin == *b"GET /websocket";
    if is_upgrade && state.has_websocket {
        return tell(stream, state).await;
    }
    let Some((line, head, body)) = read(&mut stream).await else { return };
    let (status, reply) = state.answer(&line, &head, &body);
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", reply.len());
    let _ = stream.write_all((head + &reply).as_bytes()).await;
}

async fn tell(stream: TcpStream, state: Arc<State>) {
    let mut news = state.news.subscribe();
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
    state.sockets.fetch_add(1, Ordering::SeqCst);
    while let Ok(News::Event(event)) = news.recv().await {
        if socket.send(Message::text(event)).await.is_err() {
            return;
        }
    }
}

/// The request line, the head and the body.
async fn read(stream: &mut TcpStream) -> Option<(String, String, String)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8(bytes.clone()).ok()?;
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase() + "\r\n";
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                let line = text.lines().next()?.to_owned();
                return Some((line, text[..head.len()].to_owned(), body.to_owned()));
            }
        }
        match stream.read(&mut buffer).await.ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
    }
}

impl State {
    fn answer(&self, line: &str, head: &str, body: &str) -> (u16, String) {
        let word = l402::encoding::to_base64(format!(":{PASSWORD}").as_bytes());
        if !head.contains(&format!("Basic {word}")) {
            return (401, "Invalid authentication".to_owned());
        }
        let mut words = line.split(' ');
        match (words.next(), words.next().unwrap_or_default()) {
            (Some("POST"), "/createinvoice") => (200, self.make(body).to_string()),
            (Some("GET"), path) if path.starts_with("/payments/incoming/") => {
                self.look(path.trim_start_matches("/payments/incoming/"))
            }
            _ => (404, "Not found".to_owned()),
        }
    }

    fn make(&self, form: &str) -> Value {
        let field = |name: &str| form.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let sat: u64 = field("amountSat").unwrap().parse().unwrap();
        let expiry = Duration::from_secs(field("expirySeconds").unwrap().parse().unwrap());
        let preimage = Preimage::new([self.made.fetch_add(1, Ordering::SeqCst); 32]);
        let invoice = signed_invoice(&preimage, sat * 1_000, "an article", Duration::from_secs(now().0), expiry);
        let hash = preimage.payment_hash().to_string();
        self.invoices.lock().unwrap().insert(hash.clone(), (preimage, false));
        json!({"amountSat": sat, "paymentHash": hash, "serialized": invoice})
    }

    fn look(&self, hash: &str) -> (u16, String) {
        self.asked.lock().unwrap().push(hash.to_owned());
        let invoices = self.invoices.lock().unwrap();
        let Some((preimage, is_paid)) = invoices.get(hash) else { return (404, "Not found".to_owned()) };
        let kept = self.kept.load(Ordering::SeqCst);
        let received = if *is_paid { 21 - kept } else { 0 };
        let reply = json!({
            "type": "incoming_payment", "paymentHash": hash, "preimage": preimage.expose_hex(), "isPaid": is_paid,
            "isExpired": false, "receivedSat": received, "fees": kept * 1_000, "completedAt": 1_790_000_000_000_u64,
        });
        (200, reply.to_string())
    }
}
