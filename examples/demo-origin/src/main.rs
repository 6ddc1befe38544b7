//! What the demo protects, and what the tests look at: three articles to read, an echo of whatever arrived,
//! an event stream, and faults on demand. It knows nothing about payments.
//!
//! It listens twice. The main port serves; the control port tells what the main port has seen (`GET /__seen`,
//! the last 1,000 requests) and forgets it (`DELETE /__seen`), so that a test sees exactly what was forwarded.
//! On demand there is a third: a blog on an origin of its own, which embeds an article that is sold here.

mod articles;
mod blog;
mod demo;
mod faults;
mod files;
mod frame;
mod http1;
mod pdf;
mod range;
mod routes;
mod seen;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;

use blog::Blog;
use frame::Origin;
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
    /// The wallet whose /webln.js the pages load, so that their paywall can be paid in the browser
    #[arg(long, value_name = "URL")]
    wallet_url: Option<Origin>,
    /// Where to serve a friend's blog that embeds an article; port 0 takes any free one
    #[arg(long, value_name = "ADDR", requires = "edge")]
    blog: Option<SocketAddr>,
    /// The paywall's public address, for the blog
    #[arg(long, value_name = "URL")]
    edge: Option<Origin>,
}

fn main() -> std::io::Result<()> {
    let args = Args::parse();
    let (main, control) = (TcpListener::bind(args.listen)?, TcpListener::bind(args.control)?);
    let mut event = serde_json::json!({
        "event": "listening",
        "origin": main.local_addr()?.to_string(),
        "control": control.local_addr()?.to_string(),
    });
    let mut blog_address = None;
    if let (Some(address), Some(edge)) = (args.blog, args.edge) {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        event["blog"] = address.to_string().into();
        blog_address = Some(address);
        let blog = Blog::new(edge, args.wallet_url.clone());
        std::thread::spawn(move || serve(&listener, move |request| blog.answer(request)));
    }
    println!("{event}");

    let log = Arc::new(Log::default());
    let site = Arc::new(routes::Site::new(args.wallet_url, blog_address));
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
