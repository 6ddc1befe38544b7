//! Reads who makes the invoices, and who pays out.

use l402::Policy;
use l402::bolt11::Network;
use l402::path::{canonical_host, is_loopback};
use l402::relay::RelaySecrets;
use satstile_lightning::Connection;

use crate::invoices::backend::{Node, Webhook};

/// Reads who makes the invoices. Without a policy nobody knows the network, and the policy's own fault says enough.
pub fn read(text: &dyn Fn(&str) -> Option<String>, policy: Option<&Policy>, faults: &mut Vec<String>) -> Option<Node> {
    let given = |name: &str| text(name).filter(|value| !value.is_empty());
    let local = policy.is_none_or(|policy| policy.network == Network::Regtest);
    match (given("NODE_URL"), given("BACKEND")) {
        (Some(url), None) => {
            let secrets = text("RELAY_SECRETS")
                .ok_or_else(|| "RELAY_SECRETS is missing; set it with `wrangler secret put RELAY_SECRETS`".to_owned())
                .and_then(|text| RelaySecrets::parse(&text).map_err(|e| format!("RELAY_SECRETS {e}")));
            let url = noted(Some(node_url(&url, local)), faults);
            let secrets = noted(Some(secrets), faults);
            Some(Node::Webhook(Webhook { url: url?, secrets: secrets? }))
        }
        (None, Some(line)) => noted(Some(backend(&line, local, policy)), faults).map(Node::Direct),
        (Some(_), Some(_)) => {
            faults.push("NODE_URL and BACKEND are both set; delete the one that is not used".to_owned());
            None
        }
        (None, None) => {
            faults.push(
                "NODE_URL and BACKEND are both missing; set NODE_URL under [vars] for a node webhook, or a \
                 connection string with `wrangler secret put BACKEND`"
                    .to_owned(),
            );
            None
        }
    }
}

/// The node webhook's address: https, or http to this machine on regtest (C15).
fn node_url(url: &str, may_be_local: bool) -> Result<String, String> {
    let url = url.strip_suffix('/').unwrap_or(url);
    let host = url.split_once("://").map(|(_, host)| host.split('/').next().unwrap_or_default()).unwrap_or_default();
    canonical_host(host).ok_or("NODE_URL is not a URL like https://node.example.com")?;
    match is_private(url, may_be_local) {
        true => Ok(url.to_owned()),
        false => Err("NODE_URL must be https; plain http is for loopback on regtest".to_owned()),
    }
}

/// A connection string that can be used from here, for everything that the policy sells. None of its values is told.
fn backend(line: &str, may_be_local: bool, policy: Option<&Policy>) -> Result<Connection, String> {
    let connection = Connection::parse(line).map_err(|fault| format!("BACKEND: {fault}"))?;
    if connection.pin.is_some() {
        return Err("BACKEND: `certthumbprint=` cannot be kept here, because a Worker's fetch asks the public \
                    authorities and pins no certificate; give the node a name with a certificate of theirs, or run the \
                    node webhook beside it"
            .to_owned());
    }
    if !is_private(&connection.place, may_be_local) {
        return Err("BACKEND: `server=` must be https; plain http is for loopback on regtest".to_owned());
    }
    for service in policy.iter().flat_map(|policy| &policy.services) {
        let id = &service.id;
        if service.payee.is_some() {
            return Err(format!(
                "services.{id}.payee: with BACKEND nobody checks who signed an invoice; leave it out, or use a node webhook"
            ));
        }
    }
    Ok(connection)
}

/// What is sent there is read by nobody on the way.
fn is_private(url: &str, may_be_local: bool) -> bool {
    let host = |rest: &str| canonical_host(rest.split('/').next().unwrap_or_default());
    url.starts_with("https://")
        || url.strip_prefix("http://").and_then(host).is_some_and(|host| may_be_local && is_loopback(&host))
}

/// Who pays, if anybody does: the node webhook, with a secret of its own (T61).
pub fn payer(
    policy: Option<&Policy>,
    node: Option<&Node>,
    secrets: Option<String>,
    faults: &mut Vec<String>,
) -> Option<Webhook> {
    policy?.payouts?;
    let mut fault = |text: &str| {
        faults.push(text.to_owned());
        None
    };
    let Some(Node::Webhook(webhook)) = node else {
        return fault("payouts need a node webhook: NODE_URL, and PAYOUT_SECRETS here and there");
    };
    let Some(secrets) = secrets else {
        return fault(
            "PAYOUT_SECRETS is missing; on this machine put it into .dev.vars, name it under [secrets] required in \
             wrangler.toml and start again; deployed: `wrangler secret put PAYOUT_SECRETS`",
        );
    };
    match RelaySecrets::parse(&secrets) {
        Ok(secrets) => Some(Webhook { url: webhook.url.clone(), secrets }),
        Err(error) => fault(&format!("PAYOUT_SECRETS {error}")),
    }
}

/// The value; a fault is added to the others.
pub fn noted<T>(outcome: Option<Result<T, String>>, faults: &mut Vec<String>) -> Option<T> {
    match outcome? {
        Ok(value) => Some(value),
        Err(fault) => {
            faults.push(fault);
            None
        }
    }
}
