//! The node webhook, asked as the worker asks it: signed, for an invoice that does not exist. Then three times in ways
//! that it must refuse.

use hyper::Method;
use l402::relay::{
    InvoiceLookup, InvoiceState, InvoiceStatus, RelayCall, RelaySecrets, WEBHOOK_ID, WEBHOOK_SIGNATURE,
    WEBHOOK_TIMESTAMP,
};
use l402::{PaymentHash, UnixTime, encoding};

use super::report::Report;
use crate::clock::now;
use crate::fault::Fault;
use crate::http::{Client, Reply, Request, Url};
use crate::say::printable;

const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Examines it. The secrets come from the environment, as they do for the worker and the webhook.
pub async fn examine(url: &Url) -> Result<Report, Fault> {
    let text = std::env::var("RELAY_SECRETS").map_err(|_| {
        Fault::usage("RELAY_SECRETS is not set")
            .next("The webhook and the worker share it; locally it is in .dev.vars: set -a; . ./.dev.vars; set +a")
    })?;
    let secrets = RelaySecrets::parse(&text).map_err(|fault| Fault::usage(format!("RELAY_SECRETS {fault}")))?;
    let path = url.path.trim_end_matches('/');
    let path = if path.ends_with("/relay") { path.to_owned() } else { format!("{path}/relay") };
    let url = Url::parse(&format!("{}{path}", url.origin), true)?;
    let mut report = Report::new(url.to_string());
    let webhook = Webhook { client: Client::new(TIMEOUT)?, url, secrets };
    webhook.examine(&mut report).await?;
    Ok(report)
}

struct Webhook {
    client: Client,
    url: Url,
    secrets: RelaySecrets,
}

impl Webhook {
    async fn examine(&self, report: &mut Report) -> Result<(), Fault> {
        report.section("Transport");
        match (self.url.is_https(), self.url.is_loopback()) {
            (true, _) => report.good("relay.tls", "https, with a certificate that an authority vouches for"),
            (false, true) => report.good("relay.tls", "plain http, on this machine"),
            (false, false) => report.warn(
                "relay.tls",
                "plain http beyond this machine",
                "Messages are signed, not encrypted: preimages pass in the clear. Use https or a tunnel.",
            ),
        }
        report.section("Signatures");
        let (id, body) = (random_id()?, lookup()?);
        let reply = self.client.send(&self.signed(&id, now(), &body)).await?;
        self.answer(report, &id, reply).await;

        report.section("Refusals");
        let stale = UnixTime(now().0.saturating_sub(3_600));
        let unsigned = self.request(&body).with(WEBHOOK_ID, &random_id()?);
        let other = RelaySecrets::parse(&format!("whsec_{}", encoding::to_base64(&random::<32>()?)));
        let other = other.map_err(|fault| Fault::not_good(format!("a random secret {fault}")))?;
        let forged_id = random_id()?;
        let forged = self.headed(&forged_id, now(), &other.sign(&forged_id, now(), &body), &body);
        for (id, what, request) in [
            ("relay.unsigned", "an unsigned message", unsigned),
            ("relay.forged", "a message signed with another secret", forged),
            ("relay.stale", "a message signed an hour ago", self.signed(&random_id()?, stale, &body)),
        ] {
            match self.client.send(&request).await {
                Ok(reply) if (400..500).contains(&reply.status) => {
                    report.good(id, format!("{what} is refused ({})", reply.status));
                }
                Ok(reply) => report.fail(
                    id,
                    format!("{what} gets {}", reply.status),
                    "Verify by Standard Webhooks, with 300 s of tolerance: whoever finds this URL can make invoices.",
                ),
                Err(fault) => report.warn(id, format!("{what}: {}", fault.what), "Answer it with 401."),
            }
        }
        Ok(())
    }

    async fn answer(&self, report: &mut Report, id: &str, reply: Reply) {
        let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
        let (their_id, timestamp, signature) =
            (header(WEBHOOK_ID), header(WEBHOOK_TIMESTAMP), header(WEBHOOK_SIGNATURE));
        let status = reply.status;
        let body = reply.read().await.unwrap_or_default();
        if matches!(status, 404 | 405) && signature.is_empty() {
            let todo = "Give the URL of NODE_URL in wrangler.toml; `/relay` is added to it.";
            return report.fail("relay.there", format!("nobody answers relay messages there ({status})"), todo);
        }
        if signature.is_empty() {
            let says = format!("it refuses our signature ({status}): {}", printable(&String::from_utf8_lossy(&body)));
            return report.fail("relay.ours", says, "Do RELAY_SECRETS agree on both sides, and do the clocks?");
        }
        report.good("relay.ours", "it takes our signature");
        if let Some(theirs) = UnixTime::from_decimal(&timestamp) {
            let apart = now().0.abs_diff(theirs.0);
            let says = format!("its clock and ours are {apart} s apart");
            match apart {
                0..=5 => report.good("relay.clock", "its clock agrees with ours"),
                6..=60 => report.warn("relay.clock", says, "Set both by NTP: beyond 300 s nothing is believed."),
                _ => report.fail("relay.clock", says, "Set both by NTP: beyond 300 s nothing is believed."),
            }
        }
        let verified = self.secrets.verify(id, &timestamp, &signature, &body, now());
        match verified {
            Ok(()) if their_id == id => report.good("relay.theirs", "its answer is signed, for this very question"),
            Ok(()) => report.fail(
                "relay.theirs",
                "its answer is signed for another question",
                "Answer with the webhook-id of the call, and sign over it.",
            ),
            Err(fault) => {
                report.fail(
                    "relay.theirs",
                    format!("its answer cannot be believed: {fault}"),
                    "Do RELAY_SECRETS agree?",
                );
            }
        }
        match InvoiceStatus::parse(&body).map(|answer| answer.status) {
            Ok(InvoiceState::NotFound) if status == 200 => {
                report.good("relay.lookup", "an invoice that does not exist is `not_found`");
            }
            Ok(state) => report.fail(
                "relay.lookup",
                format!("a hash that was just made up is {state:?} ({status})"),
                "Answer `not_found` for what this node never made.",
            ),
            Err(_) => report.fail(
                "relay.lookup",
                format!("it answers a look-up with {status}, and not with a state"),
                "Look into the webhook's log: does it reach its node?",
            ),
        }
    }

    fn signed(&self, id: &str, at: UnixTime, body: &[u8]) -> Request {
        self.headed(id, at, &self.secrets.sign(id, at, body), body)
    }

    fn headed(&self, id: &str, at: UnixTime, signature: &str, body: &[u8]) -> Request {
        let request = self.request(body).with(WEBHOOK_ID, id).with(WEBHOOK_TIMESTAMP, &at.0.to_string());
        request.with(WEBHOOK_SIGNATURE, signature)
    }

    fn request(&self, body: &[u8]) -> Request {
        let request = Request::get(&self.url).by(Method::POST).with("content-type", "application/json");
        Request { body: body.to_vec().into(), ..request }
    }
}

fn lookup() -> Result<Vec<u8>, Fault> {
    Ok(RelayCall::InvoiceLookup(InvoiceLookup { payment_hash: PaymentHash(random()?) }).to_body())
}

fn random_id() -> Result<String, Fault> {
    Ok(format!("doctor_{}", hex::encode(random::<16>()?)))
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Fault::not_good(format!("no randomness: {error}")))?;
    Ok(bytes)
}
