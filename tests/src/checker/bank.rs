//! The cast: a worker that sells balances and counted grants and pays out, a dev node with its wallet, a courier between
//! them that loses things, and an origin that meters. And the hand that kills.

use std::net::SocketAddr;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::courier::Courier;
use super::dice::Dice;
use super::log::{CEILING_MSAT, PRICE_MSAT};
use super::meter::Meter;
use super::orders::{Bill, Fate};
use super::wire::{self, Heard};
use crate::{Node, START_LIMIT, Secrets, Workerd, WorkerdOptions, free_port, loopback};

/// How many deliveries a counted grant covers.
pub const USES: usize = 2;
/// What is sold by the piece for a Payment credential.
pub const SINGLE: &str = "/api/use";
/// Where a purchase that fails is given back.
pub const REFUNDED: &str = "/refunded/it";
/// In seconds: the origin must begin, may pause, must be done. Short, so that a hold that nobody ends is swept soon.
const TIMEOUTS: [u32; 3] = [1, 1, 1];

/// How long a hold lives that nobody ends, in seconds, as the worker computes it from the timeouts.
pub const fn hold_ttl_s() -> u64 {
    let longest = TIMEOUTS[0] + TIMEOUTS[2] + 2 * TIMEOUTS[1];
    (longest + longest / 2) as u64
}

/// Everything that runs.
pub struct Bank {
    /// The edge, which dies most often.
    pub workerd: Workerd,
    /// The node webhook with its wallet.
    pub node: Node,
    /// Between the two.
    pub courier: Courier,
    /// Behind the edge.
    pub meter: Meter,
    /// Held while somebody pays, so that the wallet is never killed in the middle: who pays is not what is examined.
    pub paying: RwLock<()>,
    audit_key: String,
}

/// Where clients find things; addresses outlive the processes behind them.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The worker.
    pub worker: SocketAddr,
    wallet: SocketAddr,
    wallet_authorization: String,
    audit_authorization: String,
}

impl Bank {
    /// Starts all of it with secrets of its own.
    pub fn open(dice: Dice) -> Self {
        let (secrets, meter, port) = (Secrets::random(), Meter::start(), free_port());
        let courier = Courier::start(loopback(port), dice);
        let node = Node::start_paying("", "", &courier.url(), [&secrets.relay_secrets, &secrets.payout_secrets]);
        let [first_byte_s, idle_s, total_s] = TIMEOUTS;
        let policy = json!({
            "origin": meter.url(),
            "public_url": format!("http://{}", loopback(port)),
            "budgets": {"per_client_per_min": 1_000_000, "global_per_min": 1_000_000, "in_flight": 1_000},
            "prepaid": {"transfers": true},
            "payouts": {},
            "refunds": {},
            "timeouts": {"first_byte_s": first_byte_s, "idle_s": idle_s, "total_s": total_s},
            "services": {
                "api": {"price_msat": PRICE_MSAT, "ceiling_msat": CEILING_MSAT},
                "counted": {
                    "price_msat": 3_000, "valid_s": 3_600, "uses": USES, "routes": [{"path": "/counted/*"}],
                },
                "refunded": {
                    "price_msat": 5_000, "valid_s": 3_600, "uses": 1, "refund": true,
                    "routes": [{"path": "/refunded/*"}],
                },
            },
        });
        let vars = json!({ "NODE_URL": node.url(), "PAYOUT_SECRETS": secrets.payout_secrets.clone() });
        let audit_key = secrets.audit_key.clone();
        let workerd = Workerd::start(WorkerdOptions { policy, vars, secrets, port, ..WorkerdOptions::default() });
        Self { workerd, node, courier, meter, paying: RwLock::new(()), audit_key }
    }

    /// For the clients.
    pub fn edge(&self) -> Edge {
        Edge {
            worker: self.workerd.address(),
            wallet: self.node.wallet_address(),
            wallet_authorization: format!("Basic {}", STANDARD.encode(format!(":{}", self.node.wallet_password()))),
            audit_authorization: format!("Bearer {}", self.audit_key),
        }
    }
}

/// Starts the killed worker on what it left behind, and gives the time until it answers.
pub fn raise(workerd: &mut Workerd) -> Duration {
    let start = Instant::now();
    workerd.crash_restart();
    let health = "/.well-known/satstile/health";
    while wire::send(workerd.address(), "GET", health, &[], b"").0 != Heard::Whole(200) {
        assert!(start.elapsed() < START_LIMIT, "the worker does not come back");
        std::thread::sleep(Duration::from_millis(5));
    }
    start.elapsed()
}

impl Edge {
    /// Pays; the preimage in hex, or nothing when the wallet did not say that it paid.
    pub fn pay(&self, invoice: &str) -> Option<String> {
        let reply = self.wallet("POST", "/payinvoice", &format!("invoice={invoice}"))?;
        reply["paymentPreimage"].as_str().map(str::to_owned)
    }

    /// An invoice of the wallet, or nothing when it did not give one.
    pub fn bill(&self, sats: u64, fate: Fate) -> Option<Bill> {
        let form = format!("amountSat={sats}&description={}", fate.name().replace(' ', "+"));
        let made = self.wallet("POST", "/createinvoice", &form)?;
        let text = |key: &str| made[key].as_str().map(str::to_owned);
        Some(Bill { bolt11: text("serialized")?, hash: text("paymentHash")?, msat: sats * 1_000, fate })
    }

    /// Whether the wallet has received what an invoice of its own asked; nothing when it does not say.
    pub fn has_received(&self, hash: &str) -> Option<bool> {
        self.wallet("GET", &format!("/payments/incoming/{hash}"), "")?["isPaid"].as_bool()
    }

    fn wallet(&self, method: &str, path: &str, form: &str) -> Option<Value> {
        let fields = [
            ("Authorization", self.wallet_authorization.as_str()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ];
        let (heard, response) = wire::send(self.wallet, method, path, &fields, form.as_bytes());
        serde_json::from_slice(&response?.body).ok().filter(|_| heard == Heard::Whole(200))
    }

    /// What the operator's books say of an account.
    pub fn audit(&self, account: &str) -> Result<Value, Heard> {
        let target = format!("/.well-known/satstile/audit?account={account}");
        let fields = [("Authorization", self.audit_authorization.as_str())];
        match wire::send(self.worker, "GET", &target, &fields, b"") {
            (Heard::Whole(200), Some(response)) => serde_json::from_slice(&response.body).map_err(|_| Heard::Cut(200)),
            (heard, _) => Err(heard),
        }
    }
}
