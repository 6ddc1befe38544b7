//! A server of the story's own: it keeps every request, and a closure writes the answer to the socket as it likes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use satstile_tests::loopback;

/// A request as it was on the wire.
#[derive(Clone, Debug)]
pub struct Heard {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// Listens from the beginning, answers from [`Server::serve`] on: what comes earlier waits.
pub struct Server {
    address: SocketAddr,
    listener: Option<TcpListener>,
    heard: Arc<Mutex<Vec<Heard>>>,
    over: Arc<AtomicBool>,
}

impl Server {
    pub fn bind() -> Self {
        let listener = TcpListener::bind(loopback(0)).expect("cannot listen on loopback");
        let address = listener.local_addr().expect("a listener has an address");
        Self { address, listener: Some(listener), heard: Arc::default(), over: Arc::default() }
    }

    pub fn start(act: impl Fn(&Heard, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let mut server = Self::bind();
        server.serve(act);
        server
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One request for each connection; the answer ends it.
    pub fn serve(&mut self, act: impl Fn(&Heard, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) {
        let listener = self.listener.take().expect("this server serves already");
        let (act, heard, over) = (Arc::new(act), Arc::clone(&self.heard), Arc::clone(&self.over));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (act, heard) = (Arc::clone(&act), Arc::clone(&heard));
                std::thread::spawn(move || answer(stream, &heard, &*act));
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener, which then ends
    }
}

fn answer(
    mut stream: TcpStream,
    heard: &Mutex<Vec<Heard>>,
    act: &(dyn Fn(&Heard, &mut TcpStream) -> io::Result<()> + Send + Sync),
) -> Option<()> {
    let request = read(&mut BufReader::new(stream.try_clone().ok()?))?;
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    act(&request, &mut stream).ok()
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Heard> {
    let mut line = || {
        let mut bytes = Vec::new();
        reader.read_until(b'\n', &mut bytes).ok().filter(|n| *n > 0)?;
        Some(bytes.iter().map(|b| char::from(*b)).collect::<String>().trim_end_matches(['\r', '\n']).to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        match line()?.split_once(':') {
            None => break,
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
        }
    }
    let mut heard = Heard { method, target, headers, body: Vec::new() };
    if heard.header("transfer-encoding").is_some() {
        loop {
            let mut size = Vec::new();
            reader.read_until(b'\n', &mut size).ok()?;
            let size = usize::from_str_radix(String::from_utf8_lossy(&size).trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            heard.body.extend(&chunk[..size]);
            if size == 0 {
                return Some(heard);
            }
        }
    }
    let length = heard.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    heard.body = vec![0; length];
    reader.read_exact(&mut heard.body).ok()?;
    Some(heard)
}

/// A whole response. `Content-Length` and `Connection: close` are added.
pub fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
    [out.as_bytes(), body].concat()
}

/// Writes one whole response.
pub fn reply(stream: &mut TcpStream, status: u16, headers: &[(&str, &str)], body: &[u8]) -> io::Result<()> {
    stream.write_all(&response(status, headers, body))
}
