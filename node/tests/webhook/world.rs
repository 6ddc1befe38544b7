//! The cast: a node webhook in a folder of its own, a worker that signs and can be told to fail, an HTTP client that
//! sends exactly the bytes it is given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use clap::Parser;
use l402::relay::{
    InvoiceCreate, InvoiceCreated, InvoiceLookup, InvoiceStatus, RelayCall, RelaySecrets, WEBHOOK_ID,
    WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP,
};
use l402::{PaymentHash, UnixTime};
use satstile_node::{Cli, Config, Environment, Node, start};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const SECRET: &str = "whsec_3q2+7wF0cmFuc2llbnQga2V5IG51bWJlciBvbmUhMDE=";

/// For payouts alone.
pub const PAYOUT_SECRET: &str = "whsec_yv66vhB0aGUga2V5IHRoYXQgcGF5cyBvdXQgYWxsISE=";

pub fn payout_secrets() -> RelaySecrets {
    RelaySecrets::parse(PAYOUT_SECRET).unwrap()
}

pub fn secrets() -> RelaySecrets {
    RelaySecrets::parse(SECRET).unwrap()
}

pub fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

/// A node webhook and its folder.
pub struct World {
    pub dir: tempfile::TempDir,
    node: Node,
    arguments: String,
    backends: Option<String>,
    pays: Pays,
}

/// Whether it makes payouts, and by whom.
#[derive(Clone)]
pub enum Pays {
    Nothing,
    Itself,
    By(String),
}

impl World {
    pub async fn new(arguments: &str) -> Self {
        Self::start(arguments, None).await.unwrap()
    }

    /// With back ends of its own, a connection string a line.
    pub async fn with(arguments: &str, backends: &str) -> Self {
        Self::start(arguments, Some(backends)).await.unwrap()
    }

    /// What it says, if it does not start.
    pub async fn start(arguments: &str, backends: Option<&str>) -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir().unwrap(), arguments, backends, Pays::Nothing).await
    }

    /// With payouts.
    pub async fn paying(arguments: &str, pays: Pays) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments, None, pays).await.unwrap()
    }

    /// With back ends of its own, and payouts by a node that nobody asks.
    pub async fn paying_with(backends: &str) -> Self {
        let pays = Pays::By("type=lnd-rest;server=http://127.0.0.1:1;macaroon=00c0ffee".to_owned());
        Self::start_in(tempfile::tempdir().unwrap(), "", Some(backends), pays).await.unwrap()
    }

    async fn start_in(
        dir: tempfile::TempDir,
        arguments: &str,
        backends: Option<&str>,
        pays: Pays,
    ) -> anyhow::Result<Self> {
        let node = start(config(&dir, arguments, backends, &pays)).await?;
        Ok(Self { dir, node, arguments: arguments.to_owned(), backends: backends.map(str::to_owned), pays })
    }

    /// The same on an empty disk, its keys apart: all that it did is forgotten (F17).
    pub async fn restart_wiped(self) -> Self {
        self.node.stop().await;
        for file in ["node.sqlite", "node.sqlite-wal", "node.sqlite-shm"] {
            let _ = std::fs::remove_file(self.dir.path().join(file));
        }
        Self::start_in(self.dir, &self.arguments, self.backends.as_deref(), self.pays).await.unwrap()
    }

    /// As if every invoice had been over for some hours.
    pub async fn restart_later(self) -> Self {
        self.restart_with(|books| {
            let past = "UPDATE invoices SET created_at = created_at - 10000, expires_at = expires_at - 10000";
            assert!(books.execute(past, []).unwrap() > 0);
        })
        .await
    }

    /// As if it had ended right after it wrote down that these payments may have been ordered, and had ordered none.
    pub async fn restart_before_the_order(self) -> Self {
        self.restart_with(|books| {
            let sent =
                "UPDATE payments SET state = 'sent', preimage = NULL, fee_msat = NULL, reason = NULL, ended_at = NULL";
            assert!(books.execute(sent, []).unwrap() > 0);
            books.execute("UPDATE wallet_invoices SET tried_at = NULL, tried_msat = NULL, paid_at = NULL", []).unwrap();
        })
        .await
    }

    pub async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// Something is done to its books while it is down.
    async fn restart_with(self, edit: impl FnOnce(&rusqlite::Connection)) -> Self {
        self.node.stop().await;
        edit(&rusqlite::Connection::open(self.dir.path().join("node.sqlite")).unwrap());
        let node = start(config(&self.dir, &self.arguments, self.backends.as_deref(), &self.pays)).await.unwrap();
        Self { node, ..self }
    }

    pub fn relay(&self) -> SocketAddr {
        self.node.relay()
    }

    pub fn wallet(&self) -> SocketAddr {
        self.node.wallet().unwrap()
    }

    pub fn password(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("wallet-password")).unwrap().trim().to_owned()
    }

    /// Asks as the worker does, and believes the answer only if it is signed over the same id.
    pub async fn ask(&self, id: &str, body: &[u8]) -> Answer {
        ask_with(&secrets(), self.relay(), id, body).await
    }

    /// An invoice of the dev wallet, as the phone of whoever is paid out makes one.
    pub async fn wallet_invoice(&self, sats: u64, description: &str) -> String {
        self.wallet_makes(&format!("amountSat={sats}&description={}", description.replace(' ', "+"))).await
    }

    /// The same for any amount.
    pub async fn open_wallet_invoice(&self, description: &str) -> String {
        self.wallet_makes(&format!("description={}", description.replace(' ', "+"))).await
    }

    async fn wallet_makes(&self, form: &str) -> String {
        let answer = wallet_call(self, "POST /createinvoice", form.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["serialized"].as_str().unwrap().to_owned()
    }

    /// What the dev wallet says of an invoice of its own.
    pub async fn received(&self, payment_hash: PaymentHash) -> Value {
        wallet_call(self, &format!("GET /payments/incoming/{payment_hash}"), b"").await.json()
    }

    pub async fn create(&self, id: &str) -> InvoiceCreated {
        let answer = self.ask(id, &create_body()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        InvoiceCreated::parse(&answer.body).unwrap()
    }

    pub async fn lookup(&self, id: &str, payment_hash: PaymentHash) -> InvoiceStatus {
        let answer = self.ask(id, &RelayCall::InvoiceLookup(InvoiceLookup { payment_hash }).to_body()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        InvoiceStatus::parse(&answer.body).unwrap()
    }

    pub async fn pay(&self, bolt11: &str) -> Answer {
        pay_with(self.wallet(), &self.password(), bolt11).await
    }

    pub async fn stop(self) {
        self.node.stop().await;
    }
}

/// Asks with a secret, and believes the answer only if it is signed by the same one.
pub async fn ask_with(secrets: &RelaySecrets, relay: SocketAddr, id: &str, body: &[u8]) -> Answer {
    let at = now();
    let answer = send_signed(relay, id, &at.0.to_string(), &secrets.sign(id, at, body), body).await;
    let header = |name| answer.header(name).unwrap_or_default();
    assert_eq!(header(WEBHOOK_ID), id, "{}", answer.text());
    secrets.verify(id, header(WEBHOOK_TIMESTAMP), header(WEBHOOK_SIGNATURE), &answer.body, now()).unwrap();
    answer
}

/// The dev wallet, with its password.
pub async fn wallet_call(world: &World, line: &str, form: &[u8]) -> Answer {
    let basic = l402::encoding::to_base64(format!(":{}", world.password()).as_bytes());
    let headers = format!("Authorization: Basic {basic}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    http(world.wallet(), line, &headers, form).await
}

fn config(dir: &tempfile::TempDir, arguments: &str, backends: Option<&str>, pays: &Pays) -> Config {
    let state = dir.path().to_str().unwrap();
    let fixed = ["satstile-node", "--listen", "127.0.0.1:0", "--wallet-listen", "127.0.0.1:0", "--state", state];
    let cli = Cli::parse_from(fixed.into_iter().chain(arguments.split_whitespace()));
    let (payout_secrets, payout_backend) = match pays {
        Pays::Nothing => (None, None),
        Pays::Itself => (Some(PAYOUT_SECRET), None),
        Pays::By(connection) => (Some(PAYOUT_SECRET), Some(connection.as_str())),
    };
    let relay_secrets = Some(SECRET);
    Config::new(cli, &Environment { relay_secrets, backends, payout_secrets, payout_backend }).unwrap()
}

/// The worker asks for 21 sats.
pub fn create_body() -> Vec<u8> {
    RelayCall::InvoiceCreate(InvoiceCreate {
        amount_msat: 21_000,
        description: "an <article>".into(),
        expiry_s: 600,
        service: "articles".into(),
        purpose: "l402".into(),
        payee: None,
    })
    .to_body()
}

pub async fn send_signed(relay: SocketAddr, id: &str, timestamp: &str, signature: &str, body: &[u8]) -> Answer {
    let headers =
        format!("{WEBHOOK_ID}: {id}\r\n{WEBHOOK_TIMESTAMP}: {timestamp}\r\n{WEBHOOK_SIGNATURE}: {signature}\r\n");
    http(relay, "POST /relay", &headers, body).await
}

pub async fn pay_with(wallet: SocketAddr, password: &str, bolt11: &str) -> Answer {
    let basic = l402::encoding::to_base64(format!(":{password}").as_bytes());
    let headers = format!("Authorization: Basic {basic}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    http(wallet, "POST /payinvoice", &headers, format!("invoice={bolt11}").as_bytes()).await
}

pub struct Answer {
    pub status: u16,
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = |line: &'_ str| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let line = self.head.lines().find(|line| value(line))?;
        Some(line[name.len()..].trim_start_matches(':').trim())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One request on one connection. `headers` may bring its own `Host`.
pub async fn http(address: SocketAddr, line: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {address}\r\n") };
    let head = format!("{line} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    // A server that refuses early may close before all is written; its answer counts.
    let _ = stream.write_all(&[head.as_bytes(), body].concat()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

/// A push as it arrived.
#[derive(Clone, Debug)]
pub struct Push {
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: Vec<u8>,
}

/// The worker's end of the push. It answers with the statuses it was given, the last one for ever.
pub struct Worker {
    pub url: String,
    pushes: Arc<Mutex<Vec<Push>>>,
}

impl Worker {
    pub async fn new(statuses: &[u16]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), statuses)
    }

    pub fn on(listener: TcpListener, statuses: &[u16]) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pushes = Arc::<Mutex<Vec<Push>>>::default();
        let (seen, statuses) = (Arc::clone(&pushes), statuses.to_vec());
        let receive = move |headers: HeaderMap, body: Bytes| async move {
            let header = |name| headers.get(name).unwrap().to_str().unwrap().to_owned();
            let push = Push {
                id: header(WEBHOOK_ID),
                timestamp: header(WEBHOOK_TIMESTAMP),
                signature: header(WEBHOOK_SIGNATURE),
                body: body.to_vec(),
            };
            secrets().verify(&push.id, &push.timestamp, &push.signature, &push.body, now()).unwrap();
            let mut seen = seen.lock().unwrap();
            seen.push(push);
            let status = StatusCode::from_u16(statuses[(seen.len() - 1).min(statuses.len() - 1)]).unwrap();
            (status, [("location", "/elsewhere")])
        };
        let router = Router::new().route("/.well-known/satstile/settlements", post(receive));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, pushes }
    }

    pub fn pushes(&self) -> Vec<Push> {
        self.pushes.lock().unwrap().clone()
    }

    /// Waits for that many pushes, and then long enough for one too many to show.
    pub async fn after(&self, count: usize) -> Vec<Push> {
        for _ in 0..100 {
            if self.pushes().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.pushes()
    }
}
