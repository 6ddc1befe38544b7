//! The node webhook, with its embedded dev node and dev wallet or on real back ends.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;

use crate::binaries::private_directory;
use crate::process::Process;
use crate::raw::Response;
use crate::{START_LIMIT, binaries, free_port, http, loopback};

/// A running satstile-node. Its state lives as long as this value, across stops and starts.
pub struct Node {
    process: Option<Process>,
    relay_secrets: String,
    worker_url: String,
    port: u16,
    wallet_port: u16,
    webln_origins: Vec<String>,
    /// Connection strings, a line each; empty for the dev node.
    backends: String,
    /// `PAYOUT_SECRETS` and `PAYOUT_BACKEND`; both empty when payouts are off.
    payouts: [String; 2],
    state: TempDir,
    past_log: Vec<String>,
}

impl Node {
    /// Starts it beside a worker that listens, or will listen, at `worker_url`.
    pub fn start(worker_url: &str, relay_secrets: &str) -> Self {
        Self::start_for_pages(worker_url, relay_secrets, &[])
    }

    /// The same, with a wallet that pages of these origins may pay with (WebLN).
    pub fn start_for_pages(worker_url: &str, relay_secrets: &str, webln_origins: &[String]) -> Self {
        Self::start_all(worker_url, relay_secrets, webln_origins, "", ["", ""])
    }

    /// On these back ends, and with payouts by another connection string. `secrets` are those of the relay and of payouts.
    pub fn start_paying(backends: &str, payout_backend: &str, worker_url: &str, secrets: [&str; 2]) -> Self {
        Self::start_all(worker_url, secrets[0], &[], backends, [secrets[1], payout_backend])
    }

    /// On these back ends, a connection string a line.
    pub fn start_on(backends: &str, worker_url: &str, relay_secrets: &str) -> Self {
        Self::start_all(worker_url, relay_secrets, &[], backends, ["", ""])
    }

    fn start_all(
        worker_url: &str,
        relay_secrets: &str,
        webln_origins: &[String],
        backends: &str,
        payouts: [&str; 2],
    ) -> Self {
        let mut node = Self {
            process: None,
            relay_secrets: relay_secrets.to_owned(),
            worker_url: worker_url.to_owned(),
            port: free_port(),
            wallet_port: free_port(),
            webln_origins: webln_origins.to_vec(),
            backends: backends.to_owned(),
            payouts: payouts.map(str::to_owned),
            state: private_directory("satstile-node-"),
            past_log: Vec::new(),
        };
        node.restart();
        node
    }

    /// `NODE_URL` for the worker.
    pub fn url(&self) -> String {
        format!("http://{}", loopback(self.port))
    }

    /// Where the wallet listens.
    pub fn wallet_address(&self) -> SocketAddr {
        loopback(self.wallet_port)
    }

    /// What it remembers, in SQLite; nobody else writes there while it runs.
    pub fn database(&self) -> PathBuf {
        self.state.path().join("node.sqlite")
    }

    /// The process, for `/proc`; `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Every line it has printed, restarts included.
    pub fn log(&self) -> Vec<String> {
        let now = self.process.as_ref().map(Process::log).unwrap_or_default();
        self.past_log.iter().cloned().chain(now).collect()
    }

    /// The wallet's password, from the state directory.
    pub fn wallet_password(&self) -> String {
        let file = self.state.path().join("wallet-password");
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()));
        text.trim().to_owned()
    }

    /// Pays, and gives the preimage in hex.
    #[track_caller]
    pub fn pay(&self, bolt11: &str) -> String {
        let reply = self.try_pay(bolt11);
        assert_eq!(reply.status, 200, "the wallet did not pay: {}", reply.text());
        match reply.json()["paymentPreimage"].as_str() {
            Some(preimage) => preimage.to_owned(),
            None => panic!("the wallet paid and gave no preimage: {}", reply.text()),
        }
    }

    /// What the wallet (phoenixd's `POST /payinvoice`) answers.
    #[track_caller]
    pub fn try_pay(&self, bolt11: &str) -> Response {
        let basic = STANDARD.encode(format!(":{}", self.wallet_password()));
        let headers = [
            ("authorization", format!("Basic {basic}")),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let url = format!("http://{}/payinvoice", self.wallet_address());
        http::post(&url, &headers, format!("invoice={bolt11}").as_bytes())
    }

    /// Other back ends from the next start on.
    pub fn set_backends(&mut self, backends: &str) {
        backends.clone_into(&mut self.backends);
    }

    /// Stops it; the worker then finds nobody.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop();
            self.past_log.extend(process.log());
        }
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            self.past_log.extend(process.log());
        }
    }

    /// Starts it (again) on the same state and ports.
    pub fn restart(&mut self) {
        self.stop();
        let mut command = Command::new(binaries::workspace_binary("satstile-node", "SATSTILE_NODE_BIN"));
        command
            .args(["--listen", &loopback(self.port).to_string()])
            .args(["--wallet-listen", &loopback(self.wallet_port).to_string()])
            .args(["--worker-url", &self.worker_url])
            .arg("--state")
            .arg(self.state.path())
            .args(self.webln_origins.iter().flat_map(|origin| ["--webln-origin", origin]))
            .env("RELAY_SECRETS", &self.relay_secrets)
            .env("BACKENDS", &self.backends)
            .env("PAYOUT_SECRETS", &self.payouts[0])
            .env("PAYOUT_BACKEND", &self.payouts[1]);
        let mut process = Process::spawn("satstile-node", &mut command);
        process.wait_for_listener(loopback(self.port), START_LIMIT);
        if self.backends.is_empty() {
            process.wait_for_listener(loopback(self.wallet_port), START_LIMIT);
        }
        self.process = Some(process);
    }
}
