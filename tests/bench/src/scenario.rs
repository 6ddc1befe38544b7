//! What is asked of whom, and what has to come back: a fast wrong answer is no measurement.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use satstile_tests::{Aperture, Devnet, Stack, http};

use crate::bare::Bare;

/// Names that the aims compare.
pub mod name {
    pub const BARE: &str = "bare forward in workerd";
    pub const FREE: &str = "satstile, free route";
    pub const PAID: &str = "satstile, paid request";
    pub const CHALLENGE: &str = "satstile, new 402";
    pub const POOL: &str = "satstile, 200 new 402s, pool";
    pub const JUNK: &str = "satstile, junk credential";
    pub const DEBITS_ONE: &str = "satstile, debits, one account";
    pub const DEBITS_HUNDRED: &str = "satstile, debits, 100 accounts";
    pub const APERTURE_FREE: &str = "aperture, auth off";
    pub const APERTURE_PAID: &str = "aperture, L402 check";
    pub const APERTURE_CHALLENGE: &str = "aperture, new 402";
    pub const APERTURE_BURST: &str = "aperture, 200 new 402s";
    pub const APERTURE_JUNK: &str = "aperture, junk credential";
}

/// One line of the table.
pub struct Scenario {
    pub name: &'static str,
    pub address: SocketAddr,
    /// The process whose CPU time counts.
    pub pid: u32,
    pub path: &'static str,
    /// Sent in turn; none at all when empty.
    pub authorizations: Vec<String>,
    pub status: u16,
    /// So many requests at once and then a pause, instead of a steady load.
    pub burst: Option<usize>,
}

/// As many invoices as a pool may hold.
pub const BURST: usize = 200;

impl Scenario {
    /// A worker of one line that only forwards: what workerd itself costs.
    pub fn bare_forward(bare: &Bare) -> Self {
        let (address, pid) = (bare.address(), bare.pid());
        Self {
            name: name::BARE,
            address,
            pid,
            path: "/free/echo",
            authorizations: Vec::new(),
            status: 200,
            burst: None,
        }
    }
}

/// Buys a token at the edge, and measures with it and around it.
pub fn satstile(stack: &Stack, devnet: Option<&Devnet>) -> Result<Vec<Scenario>> {
    let challenge = http::get(&stack.url("/api/echo"), &[]);
    ensure!(challenge.status == 402, "the worker answers {} instead of 402: {}", challenge.status, challenge.text());
    let body = challenge.json();
    let macaroon = body["macaroon"].as_str().context("the 402 has no macaroon")?;
    let invoice = body["invoice"].as_str().context("the 402 has no invoice")?;
    let preimage = devnet.map_or_else(|| stack.node().pay(invoice), |devnet| devnet.pay(invoice));
    let (address, pid) = (stack.workerd.address(), stack.workerd.pid());
    let one = |name, path, authorization: Option<String>, status| {
        let authorizations = authorization.into_iter().collect();
        Scenario { name, address, pid, path, authorizations, status, burst: None }
    };
    Ok(vec![
        one(name::FREE, "/free/echo", None, 200),
        one(name::PAID, "/api/echo", Some(format!("L402 {macaroon}:{preimage}")), 200),
        one(name::CHALLENGE, "/api/echo", None, 402),
        one(name::JUNK, "/api/echo", Some(format!("L402 {}:{preimage}", spoiled(macaroon)?)), 401),
    ])
}

/// New 402s of an edge that keeps as many invoices made ahead.
pub fn pool(stack: &Stack) -> Scenario {
    let (address, pid) = (stack.workerd.address(), stack.workerd.pid());
    let burst = Some(BURST);
    Scenario { name: name::POOL, address, pid, path: "/api/echo", authorizations: Vec::new(), status: 402, burst }
}

/// The same with aperture, which answers junk with a new invoice.
pub fn aperture(aperture: &Aperture<'_>) -> Result<Vec<Scenario>> {
    let challenge = http::get(&aperture.url("/api/echo"), &[]);
    ensure!(challenge.status == 402, "aperture answers {}: {}", challenge.status, challenge.text());
    let lines = challenge.all("www-authenticate");
    let line = lines.iter().find(|l| l.starts_with("L402 ")).context("aperture's 402 has no L402 challenge")?;
    let parameter = |name: &str| line.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
    let macaroon = parameter("macaroon").context("aperture's challenge has no macaroon")?;
    let preimage = aperture.pay(parameter("invoice").context("aperture's challenge has no invoice")?);
    let (address, pid) = (aperture.address(), aperture.pid());
    let one = |name, path, authorization: Option<String>, status| {
        let authorizations = authorization.into_iter().collect();
        Scenario { name, address, pid, path, authorizations, status, burst: None }
    };
    Ok(vec![
        one(name::APERTURE_FREE, "/free/echo", None, 200),
        one(name::APERTURE_PAID, "/api/echo", Some(format!("L402 {macaroon}:{preimage}")), 200),
        one(name::APERTURE_CHALLENGE, "/api/echo", None, 402),
        Scenario { burst: Some(BURST), ..one(name::APERTURE_BURST, "/api/echo", None, 402) },
        one(name::APERTURE_JUNK, "/api/echo", Some(format!("L402 {}:{preimage}", spoiled(macaroon)?)), 402),
    ])
}

/// The same token with one bit of its signature flipped.
fn spoiled(macaroon: &str) -> Result<String> {
    let mut bytes = STANDARD.decode(macaroon).ok().context("the macaroon is not base64")?;
    *bytes.last_mut().context("the macaroon is empty")? ^= 1;
    Ok(STANDARD.encode(bytes))
}
