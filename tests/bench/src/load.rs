//! The load: so many connections kept open, each with one request on its way at a time, on loopback, for a bounded time
//! or in bursts of so many requests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cpu;
use crate::report::Figures;
use crate::scenario::Scenario;

/// Connections are open and code is warm before anything counts. Bursts are short, and what is compiled on the way must
/// have been compiled before.
const WARM_UP: Duration = Duration::from_millis(500);
const WARM_UP_FOR_BURSTS: Duration = Duration::from_secs(3);
/// One request; a proxy that hangs must not hang us.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Of a line in bursts: how many a round, and the quiet before each, in which a pool fills up.
const BURSTS: u32 = 5;
const QUIET: Duration = Duration::from_secs(4);
const TRICKLE: Duration = Duration::from_millis(5);
/// How far apart connections begin among the credentials that are sent in turn.
const STRIDE: usize = 7;

/// When a connection stops asking.
#[derive(Clone)]
enum Until {
    Time(Instant),
    /// All connections together have asked for so many.
    NoneLeft(Arc<AtomicUsize>),
}

impl Until {
    fn of(scenario: &Scenario, each: Duration) -> Self {
        match scenario.burst {
            None => Self::Time(Instant::now() + each),
            Some(count) => Self::NoneLeft(Arc::new(AtomicUsize::new(count))),
        }
    }

    fn goes_on(&self) -> bool {
        match self {
            Self::Time(end) => Instant::now() < *end,
            Self::NoneLeft(left) => {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            }
        }
    }
}

/// Runs one line for `each`, or in bursts, and says what it took.
pub async fn measure(scenario: &Scenario, connections: usize, each: Duration) -> Result<Figures> {
    let warm_up = if scenario.burst.is_some() { WARM_UP_FOR_BURSTS } else { WARM_UP };
    run(scenario, connections, Until::Time(Instant::now() + warm_up)).await?;
    let (mut took, mut cpu, mut latencies) = (Duration::ZERO, Duration::ZERO, Vec::new());
    for _ in 0..if scenario.burst.is_some() { BURSTS } else { 1 } {
        if scenario.burst.is_some() {
            quiet(scenario).await?;
        }
        let (cpu_before, start) = (cpu::used(scenario.pid)?, Instant::now());
        latencies.extend(run(scenario, connections, Until::of(scenario, each)).await?);
        took += start.elapsed();
        cpu += cpu::used(scenario.pid)? - cpu_before;
    }
    ensure!(!latencies.is_empty(), "{}: not one answer", scenario.name);
    latencies.sort_unstable();
    let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    #[allow(clippy::cast_precision_loss)] // far below 2^52
    let count = latencies.len() as f64;
    Ok(Figures {
        per_second: count / took.as_secs_f64(),
        p50_ms: at(50),
        p99_ms: at(99),
        cpu_us: cpu.as_secs_f64() * 1e6 / count,
    })
}

/// A trickle of requests that nobody charges for: a proxy in use, and no more than that.
async fn quiet(scenario: &Scenario) -> Result<()> {
    let end = Instant::now() + QUIET;
    let free = Target::of(&Scenario { path: "/free/echo", status: 200, authorizations: Vec::new(), ..*scenario })?;
    let mut sender = connect(&free).await?;
    while Instant::now() < end {
        one_request(&mut sender, &free, 0).await?;
        tokio::time::sleep(TRICKLE).await;
        if sender.ready().await.is_err() {
            sender = connect(&free).await?;
        }
    }
    Ok(())
}

/// Latencies of every answer until the time is over, or the burst.
async fn run(scenario: &Scenario, connections: usize, until: Until) -> Result<Vec<Duration>> {
    let mut running = JoinSet::new();
    for connection in 0..connections {
        running.spawn(one_connection(Target::of(scenario)?, connection, until.clone()));
    }
    let mut latencies = Vec::new();
    while let Some(finished) = running.join_next().await {
        latencies.extend(finished?.with_context(|| scenario.name)?);
    }
    Ok(latencies)
}

/// A scenario in the client's own types, made once and not for each request.
struct Target {
    address: SocketAddr,
    uri: Uri,
    host: HeaderValue,
    authorizations: Vec<HeaderValue>,
    status: u16,
}

impl Target {
    fn of(scenario: &Scenario) -> Result<Self> {
        Ok(Self {
            address: scenario.address,
            uri: Uri::from_static(scenario.path),
            host: HeaderValue::from_str(&scenario.address.to_string())?,
            authorizations: scenario
                .authorizations
                .iter()
                .map(|a| HeaderValue::from_str(a))
                .collect::<Result<_, _>>()?,
            status: scenario.status,
        })
    }

    fn request(&self, turn: usize) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(HOST, self.host.clone());
        if let Some(authorization) = self.authorizations.get(turn % self.authorizations.len().max(1)) {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        request
    }
}

/// Each begins with a turn of its own, so that no two follow one another through the accounts.
async fn one_connection(target: Target, first: usize, until: Until) -> Result<Vec<Duration>> {
    let (mut latencies, mut turn) = (Vec::new(), first * STRIDE);
    let mut sender = connect(&target).await?;
    while until.goes_on() {
        let start = Instant::now();
        let answered = timeout(REQUEST_LIMIT, one_request(&mut sender, &target, turn)).await;
        answered.context("no answer in 10 s")??;
        latencies.push(start.elapsed());
        turn += 1;
        if sender.ready().await.is_err() {
            sender = connect(&target).await?; // the proxy closes a connection now and then
        }
    }
    Ok(latencies)
}

async fn connect(target: &Target) -> Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn one_request(sender: &mut SendRequest<Empty<Bytes>>, target: &Target, turn: usize) -> Result<()> {
    let response = sender.send_request(target.request(turn)).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(status == target.status, "{status} instead of {}: {}", target.status, String::from_utf8_lossy(&body));
    Ok(())
}
