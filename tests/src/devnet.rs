//! A Lightning network of the test's own: btcd and two lnd nodes, by `tests/peers/devnet.sh`. Alice takes invoices, bob
//! pays them, and the channel between them is open.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::{self, private_directory};
use crate::lnd::Lnd;
use crate::loopback;

/// From the port base: btcd, alice, carol, bob.
const PORTS: [u16; 11] = [0, 1, 10, 11, 12, 13, 14, 15, 20, 21, 22];
const PORTS_BETWEEN: u16 = 32;
/// Where bases are looked for: not among the well-known ports, and see [`bases`].
const FIRST_BASE: u16 = 10_240;
/// How often a network is started before it is given up, each time on other ports.
const TRIES: usize = 2;
/// What alice understands (BOLT 9): TLV onions, payment secrets, payments in parts.
const FEATURES: [u32; 3] = [9, 14, 17];

/// A running network; about 15 s to start. It ends with its value, and when the test process dies without dropping it.
pub struct Devnet {
    alice: Lnd,
    bob: Lnd,
    carol: OnceLock<Lnd>,
    base: Base,
    /// Runs `devnet.sh down --wipe` when our end of its stdin closes.
    end: Child,
    directory: TempDir,
}

/// An invoice of alice.
#[derive(Clone, Debug)]
pub struct LndInvoice {
    /// To be paid.
    pub bolt11: String,
    /// Hex.
    pub payment_hash: String,
}

impl Devnet {
    /// The network of this test process, started by the first who asks.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Devnet> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One of its own.
    pub fn start() -> Self {
        for peer in ["btcd", "lnd"] {
            let path = binaries::peers_directory().join(peer);
            assert!(path.is_file(), "{} is not built: run `cargo xtask test lightning`", path.display());
        }
        for _ in 1..TRIES {
            if let Some(devnet) = Self::try_start() {
                return devnet;
            }
            eprintln!("the network did not come up; it said why above, and is started once more on other ports");
        }
        Self::try_start().expect("the network did not come up; it said why above")
    }

    fn try_start() -> Option<Self> {
        let directory = private_directory("satstile-devnet-");
        let base = free_base();
        let mut script = script(directory.path(), base.port);
        // In a group of its own, so that Ctrl-C in a terminal does not keep it from tidying up.
        let end = Command::new("bash")
            .process_group(0)
            .args(["-c", r#"read -r _; exec bash "$0" down --wipe"#])
            .arg(script_file())
            .envs(variables(directory.path(), base.port))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cannot start bash");
        let port = base.port;
        // Before the network is up: what fails half-way is tidied up, too.
        let node = |name: &str, rest: u16| Lnd::new(port + rest, directory.path().join(name));
        let devnet =
            Self { alice: node("alice", 12), bob: node("bob", 22), carol: OnceLock::new(), base, end, directory };
        let status = script.arg("up").stdout(Stdio::null()).status().expect("cannot run bash");
        status.success().then_some(devnet)
    }

    /// Takes invoices.
    pub fn alice(&self) -> &Lnd {
        &self.alice
    }

    /// Pays.
    pub fn bob(&self) -> &Lnd {
        &self.bob
    }

    /// Is paid through bob, who takes a fee for it; started by the first who asks, in about 10 s.
    pub fn carol(&self) -> &Lnd {
        self.carol.get_or_init(|| {
            let mut command = script(self.directory.path(), self.base.port);
            let status = command.arg("carol").stdout(Stdio::null()).status().expect("cannot run bash");
            assert!(status.success(), "carol did not come up; it said why above");
            Lnd::new(self.base.port + 15, self.directory.path().join("carol"))
        })
    }

    /// Where its data is, for scripts that work on it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A fresh invoice of alice.
    #[track_caller]
    pub fn invoice(&self, amount_msat: u64, description: &str) -> LndInvoice {
        let order = json!({ "value_msat": amount_msat.to_string(), "memo": description });
        let reply = self.alice.call("POST", "/v1/invoices", Some(&order));
        let payment_hash = hex::encode(base64_bytes(&reply["r_hash"]));
        LndInvoice { bolt11: text(&reply["payment_request"]), payment_hash }
    }

    /// Pays from bob, and gives the preimage in hex.
    #[track_caller]
    pub fn pay(&self, bolt11: &str) -> String {
        self.try_pay(bolt11).unwrap_or_else(|why| panic!("bob did not pay: {why}"))
    }

    /// The same, or lnd's reason.
    ///
    /// # Errors
    /// What lnd says, such as `FAILED FAILURE_REASON_INCORRECT_PAYMENT_DETAILS`.
    pub fn try_pay(&self, bolt11: &str) -> Result<String, String> {
        let order = json!({
            "payment_request": bolt11, "timeout_seconds": 30, "fee_limit_sat": "100", "no_inflight_updates": true,
        });
        self.send(&order)
    }

    /// The same by a payer who does not look at the invoice's end: it is for alice to refuse.
    ///
    /// # Errors
    /// As [`Self::try_pay`].
    pub fn try_pay_regardless(&self, bolt11: &str) -> Result<String, String> {
        let read = self.bob.try_call("GET", &format!("/v1/payreq/{bolt11}"), None)?;
        let (dest, payment_hash) = (base64_of(&text(&read["destination"])), base64_of(&text(&read["payment_hash"])));
        let cltv: u32 = text(&read["cltv_expiry"]).parse().map_err(|_| format!("no cltv_expiry in {read}"))?;
        self.send(&json!({
            "dest": dest, "payment_hash": payment_hash, "payment_addr": read["payment_addr"],
            "amt_msat": read["num_msat"], "final_cltv_delta": cltv, "dest_features": FEATURES,
            "timeout_seconds": 30, "fee_limit_sat": "100", "no_inflight_updates": true,
        }))
    }

    fn send(&self, order: &Value) -> Result<String, String> {
        let reply = self.bob.try_call("POST", "/v2/router/send", Some(order))?;
        let reply = &reply["result"];
        match reply["status"].as_str() {
            Some("SUCCEEDED") => Ok(text(&reply["payment_preimage"])),
            status => Err(format!("{} {}", status.unwrap_or("no status"), text(&reply["failure_reason"]))),
        }
    }

    /// What became of an invoice of alice, in lnd's words: `OPEN`, `ACCEPTED`, `SETTLED` or `CANCELED`.
    #[track_caller]
    pub fn state(&self, payment_hash: &str) -> String {
        text(&self.alice.call("GET", &format!("/v1/invoice/{payment_hash}"), None)["state"])
    }

    /// An invoice of alice for this payment hash (hex), which she does not settle by herself: the payer waits.
    #[track_caller]
    pub fn hold_invoice(&self, amount_msat: u64, payment_hash: &str) -> LndInvoice {
        self.hold(&json!({ "value_msat": amount_msat.to_string() }), payment_hash)
    }

    /// The same for an order that `POST /v1/invoices` would take.
    #[track_caller]
    pub fn hold(&self, order: &Value, payment_hash: &str) -> LndInvoice {
        let mut order = order.clone();
        order["hash"] = base64_of(payment_hash).into();
        let reply = self.alice.call("POST", "/v2/invoices/hodl", Some(&order));
        LndInvoice { bolt11: text(&reply["payment_request"]), payment_hash: payment_hash.to_owned() }
    }

    /// Alice takes the payment that is held.
    #[track_caller]
    pub fn settle_hold(&self, preimage: &str) {
        self.alice.call("POST", "/v2/invoices/settle", Some(&json!({ "preimage": base64_of(preimage) })));
    }

    /// Alice gives it back, or withdraws an invoice that nobody has paid.
    #[track_caller]
    pub fn cancel(&self, payment_hash: &str) {
        self.alice.call("POST", "/v2/invoices/cancel", Some(&json!({ "payment_hash": base64_of(payment_hash) })));
    }

    /// More blocks.
    pub fn mine(&self, blocks: u32) {
        let mut command = script(self.directory.path(), self.base.port);
        let status = command.args(["mine", &blocks.to_string()]).status().expect("cannot run bash");
        assert!(status.success(), "btcd did not mine");
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        drop(self.end.stdin.take());
        let _ = self.end.wait();
    }
}

fn script_file() -> PathBuf {
    binaries::root().join("tests/peers/devnet.sh")
}

fn script(directory: &Path, base: u16) -> Command {
    let mut command = Command::new("bash");
    command.arg(script_file()).envs(variables(directory, base)).stdin(Stdio::null());
    command
}

fn variables(directory: &Path, base: u16) -> [(&'static str, PathBuf); 3] {
    let base = PathBuf::from(base.to_string());
    [("DEVNET_DIR", directory.into()), ("DEVNET_BIN", binaries::peers_directory()), ("DEVNET_PORT_BASE", base)]
}

/// Ports that are this network's until it ends.
struct Base {
    port: u16,
    /// Held: another test process takes another base, also before anything listens on this one.
    _lock: File,
}

/// One whose ports are all free now, and that nobody else has chosen.
fn free_base() -> Base {
    let given_away = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    let bases = bases(given_away.as_deref().and_then(read_range).unwrap_or((32_768, 60_999)));
    let mut random = [0; 2];
    getrandom::fill(&mut random).expect("the system has randomness");
    let first = usize::from(u16::from_le_bytes(random)) % bases.len().max(1);
    let mut bases = bases.iter().cycle().skip(first).take(bases.len());
    bases.find_map(|port| claim(*port)).expect("no base for a network is free")
}

/// Bases none of whose ports the kernel gives away by itself, to an outgoing connection for example: between the look and
/// the start of a daemon such a port can be gone. Where it gives nearly all of them away, all.
fn bases((low, high): (u16, u16)) -> Vec<u16> {
    let all = || (FIRST_BASE..u16::MAX - PORTS_BETWEEN).step_by(usize::from(PORTS_BETWEEN));
    let kept: Vec<u16> = all().filter(|base| base + PORTS_BETWEEN <= low || *base > high).collect();
    if kept.is_empty() { all().collect() } else { kept }
}

/// `32768\t60999`
fn read_range(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.trim().split_once(char::is_whitespace)?;
    Some((low.parse().ok()?, high.trim().parse().ok()?))
}

fn claim(port: u16) -> Option<Base> {
    let lock = File::create(std::env::temp_dir().join(format!("satstile-devnet-{port}.lock"))).ok()?;
    lock.try_lock().ok()?;
    let is_free = PORTS.iter().all(|rest| TcpListener::bind(loopback(port + rest)).is_ok());
    is_free.then_some(Base { port, _lock: lock })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[track_caller]
fn base64_bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(text(value)).unwrap_or_else(|e| panic!("lnd gave no base64: {e}"))
}

#[track_caller]
fn base64_of(hex: &str) -> String {
    STANDARD.encode(hex::decode(hex).unwrap_or_else(|e| panic!("not hex: {e}")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn no_port_of_a_network_is_one_that_the_kernel_gives_away_c15() {
        for range in [(32_768, 60_999), (16_000, 65_535), (10_240, 50_000)] {
            let found = bases(range);
            assert!(found.len() > 100, "{range:?}");
            for port in found.iter().flat_map(|base| PORTS.map(|rest| base + rest)) {
                assert!(port < range.0 || port > range.1, "{port} in {range:?}");
            }
        }
        assert!(bases((1_024, 65_535)).len() > 100, "where all are given away, there is no better");
        assert_eq!(read_range("32768\t60999\n"), Some((32_768, 60_999)));
    }

    #[test]
    fn two_networks_never_choose_the_same_ports_c15() {
        let one = free_base();
        assert!(claim(one.port).is_none());
        let port = one.port;
        drop(one);
        assert!(claim(port).is_some());
    }

    /// A daemon that dies says in its last lines why, and the folder with its log is gone when a person looks.
    #[test]
    fn a_daemon_that_dies_is_heard_c15() {
        let missing = |tool: &str| !["/bin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(tool).exists());
        if ["bash", "curl", "jq", "od", "flock", "setsid"].into_iter().any(missing) {
            eprintln!("skipped: apt-get install bash curl jq");
            return;
        }
        let (data, bin) = (private_directory("satstile-devnet-"), private_directory("satstile-stand-in-"));
        let daemon =
            "#!/bin/sh\necho the chain is broken\nfor n in 1 2 3 4 5; do echo line $n; done\nsleep 1\nexit 1\n";
        for name in ["btcd", "lnd"] {
            let file = bin.path().join(name);
            fs::write(&file, daemon).expect("the folder is ours");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).expect("the file is ours");
        }
        let base = free_base();
        let mut up = script(data.path(), base.port);
        let ended = up.env("DEVNET_BIN", bin.path()).arg("up").output().expect("bash is there");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains("btcd died while waiting for btcd's RPC"), "{said}");
        assert!(said.contains("btcd: the chain is broken"), "the first of its last lines: {said}");
    }
}
