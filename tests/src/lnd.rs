//! One lnd of the [`Devnet`](crate::Devnet): where it is, what lets us in, and its REST interface.

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Makes an invoice.
pub const ADD_INVOICE: &str = "/lnrpc.Lightning/AddInvoice";
/// Reads one.
pub const LOOKUP_INVOICE: &str = "/lnrpc.Lightning/LookupInvoice";
/// Tells of those that were paid.
pub const SUBSCRIBE_INVOICES: &str = "/lnrpc.Lightning/SubscribeInvoices";
/// Withdraws one, so that nobody can pay it any more.
pub const CANCEL_INVOICE: &str = "/invoicesrpc.Invoices/CancelInvoice";
/// All that a merchant's edge needs.
pub const INVOICES_ONLY: &[&str] = &[ADD_INVOICE, LOOKUP_INVOICE, SUBSCRIBE_INVOICES];

/// All that payouts need: to pay within a fee limit, and to ask what became of it.
pub const PAYMENTS_ONLY: &[&str] = &["/routerrpc.Router/SendPaymentV2", "/routerrpc.Router/TrackPaymentV2"];

/// A node, with the keys to all of it.
#[derive(Debug)]
pub struct Lnd {
    port: u16,
    directory: PathBuf,
}

impl Lnd {
    pub(crate) fn new(port: u16, directory: PathBuf) -> Self {
        Self { port, directory }
    }

    /// `https://127.0.0.1:…`, without a trailing slash.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Its certificate, signed by itself; PEM.
    pub fn tls_cert(&self) -> PathBuf {
        self.directory.join("tls.cert")
    }

    /// SHA-256 of the certificate (DER), in hex.
    pub fn thumbprint(&self) -> String {
        let pem = fs::read_to_string(self.tls_cert()).unwrap_or_else(|e| panic!("lnd has no certificate: {e}"));
        let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(base64).unwrap_or_else(|e| panic!("lnd's certificate is not PEM: {e}"));
        hex::encode(Sha256::digest(der))
    }

    /// The macaroon that may do everything, in hex.
    pub fn macaroon(&self) -> String {
        let file = self.directory.join("data/chain/bitcoin/regtest/admin.macaroon");
        hex::encode(fs::read(&file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display())))
    }

    /// A macaroon for these calls and no others, such as [`INVOICES_ONLY`]; hex.
    #[track_caller]
    pub fn bake(&self, uris: &[&str]) -> String {
        self.bake_of(uris.iter().map(|uri| json!({ "entity": "uri", "action": uri })).collect())
    }

    /// The same by entity and action, such as `("invoices", "read")`.
    #[track_caller]
    pub fn bake_entities(&self, permissions: &[(&str, &str)]) -> String {
        self.bake_of(permissions.iter().map(|(entity, action)| json!({ "entity": entity, "action": action })).collect())
    }

    #[track_caller]
    fn bake_of(&self, permissions: Vec<Value>) -> String {
        let reply = self.call("POST", "/v1/macaroon", Some(&json!({ "permissions": permissions })));
        reply["macaroon"].as_str().unwrap_or_else(|| panic!("lnd bakes no macaroon: {reply}")).to_owned()
    }

    /// Its public key, in hex.
    #[track_caller]
    pub fn public_key(&self) -> String {
        let info = self.call("GET", "/v1/getinfo", None);
        info["identity_pubkey"].as_str().unwrap_or_else(|| panic!("lnd has no key: {info}")).to_owned()
    }

    /// A connection string for satstile-node, with a macaroon for invoices only.
    #[track_caller]
    pub fn connection(&self) -> String {
        self.connection_for(INVOICES_ONLY)
    }

    /// The same with a macaroon that can withdraw invoices as well.
    #[track_caller]
    pub fn canceling_connection(&self) -> String {
        self.connection_for(&[INVOICES_ONLY, &[CANCEL_INVOICE]].concat())
    }

    /// The same with a macaroon for payments only.
    #[track_caller]
    pub fn paying_connection(&self) -> String {
        self.connection_for(PAYMENTS_ONLY)
    }

    #[track_caller]
    fn connection_for(&self, uris: &[&str]) -> String {
        let (url, macaroon, thumbprint) = (self.url(), self.bake(uris), self.thumbprint());
        format!("type=lnd-rest;server={url};macaroon={macaroon};certthumbprint={thumbprint}")
    }

    /// Asks it, as its owner.
    #[track_caller]
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.try_call(method, path, body).unwrap_or_else(|why| panic!("lnd refused {method} {path}: {why}"))
    }

    /// The same, or what it said.
    ///
    /// # Errors
    /// lnd's own words, or curl's when nobody answers.
    pub fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        self.try_call_with(&self.macaroon(), method, path, body)
    }

    /// The same, as somebody who has this macaroon (hex).
    ///
    /// # Errors
    /// As [`Self::try_call`].
    pub fn try_call_with(
        &self,
        macaroon: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let body = body.map(Value::to_string);
        let child = self.curl(macaroon, method, path, body.as_deref(), &["--max-time", "60"]);
        let out = child.and_then(Child::wait_with_output).map_err(|e| format!("cannot run curl: {e}"))?;
        if !out.status.success() {
            return Err(String::from_utf8_lossy(&out.stderr).trim().to_owned());
        }
        let reply = String::from_utf8_lossy(&out.stdout);
        let reply: Value = serde_json::from_str(&reply).map_err(|e| format!("not JSON ({e}): {reply}"))?;
        let refusal = reply.get("error").unwrap_or(&reply);
        match (refusal.get("code"), refusal["message"].as_str()) {
            (Some(_), Some(message)) => Err(message.to_owned()),
            _ => Ok(reply),
        }
    }

    /// Passes a request on, and the answer back, byte for byte as lnd writes it, a stream line by line.
    ///
    /// # Errors
    /// When curl cannot be run, or whoever asked has gone.
    pub fn pass_on(
        &self,
        macaroon: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
        to: &mut impl Write,
    ) -> io::Result<()> {
        let as_it_is = ["--http1.1", "--raw", "--include", "--no-buffer", "--header", "Connection: close"];
        let mut child = self.curl(macaroon, method, path, body, &as_it_is)?;
        let mut answer = child.stdout.take().expect("stdout was asked to be a pipe");
        let mut bytes = [0; 4096];
        let passed = loop {
            match answer.read(&mut bytes) {
                Ok(0) => break Ok(()),
                Ok(n) => match to.write_all(&bytes[..n]).and_then(|()| to.flush()) {
                    Ok(()) => {}
                    gone => break gone,
                },
                Err(e) => break Err(e),
            }
        };
        let _ = child.kill(); // ended already: fine
        let _ = child.wait();
        passed
    }

    /// With curl: the harness has no TLS of its own. What is secret goes through its stdin.
    fn curl(&self, macaroon: &str, method: &str, path: &str, body: Option<&str>, more: &[&str]) -> io::Result<Child> {
        let url = format!("{}{path}", self.url());
        let mut config =
            format!("request = {method}\nurl = \"{url}\"\nheader = \"Grpc-Metadata-macaroon: {macaroon}\"\n");
        if let Some(body) = body {
            let quoted = body.replace('\\', "\\\\").replace('"', "\\\"");
            config.push_str(&format!("header = \"Content-Type: application/json\"\ndata-raw = \"{quoted}\"\n"));
        }
        let mut child = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--config", "-", "--cacert"])
            .arg(self.tls_cert())
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // Dropped, and so closed, at the end of the line: curl begins then.
        child.stdin.take().expect("stdin was asked to be a pipe").write_all(config.as_bytes())?;
        Ok(child)
    }
}
