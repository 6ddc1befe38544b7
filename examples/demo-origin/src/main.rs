//! What the demo protects, and what the tests look at: three articles to read, an echo of whatever arrived,
//! an event stream, and faults on demand. It knows nothing about payments.
//!
//! It listens twice. The main port serves; the control port tells what the main port has seen (`GET /__seen`,
//! the last 1,000 requests) and forgets it (`DELETE /__seen`), so that a test sees exactly what was forwarded.

mod articles;
mod faults;
mod http1;
mod routes;
mod seen;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;

use http1::{Answer, Connection, Reply, Request};
use seen::Log;

/// A thread each: plenty for a demo and for a load test, and a bound on what a stranger can make us hold.
const CONNECTIONS_MAX: usize = 1_024;
/// Longer than any client keeps an idle connection, so that none finds it closed under its request.
const IDLE_LIMIT: Duration = Duration::from_secs(600);

/// A small web site to put behind Satstile.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to serve
    #[arg(long, default_value = "127.0.0.1:8789")]
    listen: SocketAddr,
    /// Where to tell what was seen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:0")]
    control: SocketAddr,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let (main, control) = (TcpListener::bind(args.listen)?, TcpListener::bind(args.control)?);
    let event = serde_json::json!({
        "event": "listening",
        "origin": main.local_addr()?.to_string(),
        "control": control.local_addr()?.to_string(),
    });
    println!("{event}");

    let log = Arc::new(Log::default());
    let site = Arc::new(routes::Site::new());
    let told = Arc::clone(&log);
    std::thread::spawn(move || serve(&control, move |request| Answer::Reply(seen::answer(&told, request))));
    serve(&main, move |request| {
        let request = Arc::new(request);
        log.add(Arc::clone(&request));
        site.answer(&request)
    });
    Ok(())
}

fn serve(listener: &TcpListener, answer: impl Fn(Request) -> Answer + Send + Sync + 'static) {
    let (answer, open) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            std::thread::sleep(Duration::from_millis(10)); // out of file descriptors, most likely
            continue;
        };
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            continue; // dropped, and so closed
        }
        let (answer, open) = (Arc::clone(&answer), Arc::clone(&open));
        std::thread::spawn(move || {
            // The peer went away, or we said goodbye: nobody is left to be told.
            let _ = converse(stream, &*answer);
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Requests and answers, until one side has had enough.
fn converse(stream: TcpStream, answer: &dyn Fn(Request) -> Answer) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(IDLE_LIMIT))?;
    stream.set_write_timeout(Some(IDLE_LIMIT))?;
    let mut connection = Connection::new(stream);
    loop {
        let request = match connection.request()? {
            None => return Ok(()),
            Some(Ok(request)) => request,
            Some(Err(status)) => return connection.reply(&Reply::text(status, "unreadable request\n"), true, true),
        };
        let (has_body, close) = (request.method != "HEAD", request.wants_close());
        match answer(request) {
            Answer::Reply(reply) => connection.reply(&reply, has_body, close)?,
            Answer::Raw(write) => return write(connection.stream()),
            Answer::Events(count) => {
                connection.events(count, has_body)?;
                return Ok(());
            }
        }
        if close {
            return Ok(());
        }
    }
}
