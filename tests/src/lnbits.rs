//! A real LNbits, whose node is alice of the [`Devnet`].

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::{self, private_directory};
use crate::process::Process;
use crate::raw::Response;
use crate::{Devnet, free_port, http, loopback};

const PYTHONS: [&str; 4] = ["python3.12", "python3.11", "python3.10", "python3"];
const MISSING: &str = "LNbits needs Python 3.10 to 3.12 with venv and pip (apt-get install python3-venv)";
/// The very first start compiles half of it.
const START_LIMIT: Duration = Duration::from_secs(90);
/// What it asks of its node at the start, too: with less it goes on with a wallet that does nothing.
const PERMISSIONS: &[(&str, &str)] = &[("invoices", "read"), ("invoices", "write"), ("offchain", "read")];

/// A running LNbits.
pub struct Lnbits {
    process: Process,
    address: SocketAddr,
    _data: TempDir,
}

/// A wallet in it. The invoice key alone makes and reads invoices.
#[derive(Clone, PartialEq, Eq)]
pub struct LnbitsWallet {
    /// Makes and reads invoices.
    pub inkey: String,
    /// Spends.
    pub adminkey: String,
}

/// Installed, or why not.
pub enum Installed {
    /// In this virtual environment.
    At(PathBuf),
    /// The machine lacks what it runs in: a story says so, and leaves it out.
    Skip(&'static str),
}

impl Lnbits {
    /// Installs it, unless that was done from the same pins: once for all checkouts, about a minute.
    pub fn install() -> Installed {
        let Some((python, version)) = PYTHONS.iter().find_map(|python| usable(python)) else {
            return Installed::Skip(MISSING);
        };
        let environment = binaries::cache().join("lnbits-1.6.2");
        let cache = environment.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(cache).unwrap_or_else(|e| panic!("cannot make {}: {e}", cache.display()));
        let lock = File::create(cache.join(".lnbits.lock")).expect("the cache is ours to write");
        lock.lock().expect("cannot wait for another installation");

        let requirements = binaries::root().join("tests/peers/lnbits.txt");
        let pins = fs::read_to_string(&requirements).expect("tests/peers/lnbits.txt is readable");
        let (stamp, wanted) = (environment.join(".pins"), format!("{version}\n{pins}"));
        if !fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            eprintln!("installing LNbits once, about a minute …");
            let _ = fs::remove_dir_all(&environment); // not there: fine
            run(Command::new(python).args(["-m", "venv"]).arg(&environment));
            let pip = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--requirement"];
            run(Command::new(environment.join("bin/python")).args(pip).arg(&requirements));
            fs::write(&stamp, wanted).expect("the cache is ours to write");
        }
        Installed::At(environment)
    }

    /// Starts one over alice's node.
    ///
    /// # Errors
    /// Why it is to be skipped: there is no Python that it runs in.
    pub fn start(devnet: &Devnet) -> Result<Self, &'static str> {
        let environment = match Self::install() {
            Installed::At(environment) => environment,
            Installed::Skip(why) => return Err(why),
        };
        let (data, address, alice) = (private_directory("satstile-lnbits-"), loopback(free_port()), devnet.alice());
        let mut command = Command::new(environment.join("bin/python"));
        // One process: the `lnbits` command forks, and leaves its child behind.
        command
            .args(["-m", "uvicorn", "lnbits.__main__:app", "--host", "127.0.0.1"])
            .args(["--port", &address.port().to_string()])
            .current_dir(site_packages(&environment)) // it looks for lnbits/static there
            .env("LNBITS_DATA_FOLDER", data.path())
            .env("LNBITS_ADMIN_UI", "false")
            .env("LNBITS_EXTENSIONS_DEACTIVATE_ALL", "true")
            .env("AUTH_SECRET_KEY", "of a test, on loopback")
            .env("LNBITS_BACKEND_WALLET_CLASS", "LndRestWallet")
            .env("LND_REST_ENDPOINT", format!("{}/", alice.url()))
            .env("LND_REST_CERT", alice.tls_cert())
            .env("LND_REST_MACAROON", alice.bake_entities(PERMISSIONS))
            // All four, or it asks the world for extensions and prices.
            .env("LNBITS_EXTENSIONS_MANIFESTS", "[]")
            .env("LNBITS_WASM_EXTENSIONS_MANIFESTS", "[]")
            .env("LNBITS_PRICE_AGGREGATOR_ENABLED", "false")
            .env("LNBITS_EXCHANGE_RATE_PROVIDERS", "[]");
        let mut process = Process::spawn("lnbits", &mut command);
        // It would go on without its node, too.
        process.wait_for("to reach alice", START_LIMIT, |line| line.contains("LndRestWallet connected").then_some(()));
        process.wait_for_listener(address, START_LIMIT);
        let lnbits = Self { process, address, _data: data };
        let deadline = Instant::now() + START_LIMIT;
        while lnbits.get("/api/v1/health", "").status != 200 {
            assert!(Instant::now() < deadline, "LNbits takes too long to be healthy");
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(lnbits)
    }

    /// `http://127.0.0.1:…`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every line that it printed.
    pub fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// An account with a wallet.
    #[track_caller]
    pub fn new_wallet(&self) -> LnbitsWallet {
        let reply = self.post("/api/v1/account", "", &json!({ "name": "shop" })).json();
        let key = |name: &str| reply[name].as_str().unwrap_or_else(|| panic!("LNbits gave no {name}")).to_owned();
        LnbitsWallet { inkey: key("inkey"), adminkey: key("adminkey") }
    }

    /// `GET`, with a key or (`""`) without.
    #[track_caller]
    pub fn get(&self, path: &str, key: &str) -> Response {
        http::get(&format!("{}{path}", self.url()), &headers(key))
    }

    /// `POST` of JSON, with a key or (`""`) without.
    #[track_caller]
    pub fn post(&self, path: &str, key: &str, body: &Value) -> Response {
        http::post(&format!("{}{path}", self.url()), &headers(key), body.to_string().as_bytes())
    }
}

fn headers(key: &str) -> Vec<(&'static str, &str)> {
    let mut headers = vec![("content-type", "application/json")];
    if !key.is_empty() {
        headers.push(("x-api-key", key));
    }
    headers
}

/// A Python that LNbits runs in, and which one it is.
fn usable(python: &'static str) -> Option<(&'static str, String)> {
    let check = "import ensurepip, sys, venv; assert (3, 10) <= sys.version_info < (3, 13); print(sys.version)";
    let out = Command::new(python).args(["-c", check]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| (python, String::from_utf8_lossy(&out.stdout).trim().to_owned()))
}

/// `lib/python3.x/site-packages`
fn site_packages(environment: &Path) -> PathBuf {
    let versions = fs::read_dir(environment.join("lib")).expect("an environment has a lib folder");
    let found = versions.flatten().map(|entry| entry.path().join("site-packages")).find(|path| path.is_dir());
    found.expect("an environment has site-packages")
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).status().unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(status.success(), "{command:?} failed ({status})");
}
