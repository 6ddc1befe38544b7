//! One's own node, through the connection string that the webhook uses: there, no stronger than it must be, able to
//! receive.

use std::time::Duration;

use l402::bolt11::{self, Network};
use l402::{Msat, UnixTime, json};
use satstile_egress::Client;
use satstile_lightning::connection::Parameters;
use satstile_lightning::{BackendFault, HttpReply, HttpRequest, Invoice, Order, Preimages, Status, Step, Watched};
use serde_json::{Value, json};

use super::report::Report;
use crate::clock::now;
use crate::fault::Fault;

const AMOUNT: Msat = Msat(1_000);
const EXPIRY_S: u64 = 600;

/// Examines it; makes one invoice that nobody pays.
pub async fn examine(text: &str) -> Result<Report, Fault> {
    let wrong = |why: String| Fault::usage(format!("the connection string cannot be used: {why}"));
    let text = satstile_egress::expanded(text).map_err(|fault| wrong(format!("{fault:#}")))?;
    let connection = satstile_egress::load(&text).map_err(|fault| wrong(format!("{fault:#}")))?;
    let mut parameters = Parameters::split(&text).map_err(|fault| wrong(fault.to_string()))?;
    let client = Client::new(connection.pin, Duration::from_secs(10)).map_err(|error| wrong(error.to_string()))?;
    let mut report = Report::new(format!("{} at {}", connection.backend.kind(), connection.place));

    report.section("Invoice");
    let label = format!("satstile-doctor-{}", now().0);
    let order = Order { amount: AMOUNT, description: "satstile doctor", expiry_s: EXPIRY_S, label: &label };
    let made = drive(&client, |replies| connection.backend.create(&order, replies)).await;
    let invoice = match made {
        Ok(invoice) => invoice,
        Err(fault) => {
            report.fail("node.create", format!("it makes no invoice: {fault}"), advice(fault));
            return Ok(report);
        }
    };
    report.good("node.create", "it made an invoice of 1 sat");
    readable(&mut report, &invoice, now());
    let watched = Watched { payment_hash: invoice.payment_hash, amount: AMOUNT, reference: &invoice.reference };
    match drive(&client, |replies| connection.backend.status(&watched, replies)).await {
        Ok(Status::Pending) => report.good("node.status", "it knows the invoice, and that nobody has paid it"),
        Ok(other) => report.fail(
            "node.status",
            format!("it says of the fresh invoice: {}", state(&other)),
            "Is this the node that made it, and the credential of the same wallet?",
        ),
        Err(fault) => {
            report.fail("node.status", format!("it does not tell what became of an invoice: {fault}"), advice(fault))
        }
    }
    match connection.backend.preimages() {
        Preimages::Told => {
            report.good("node.preimage", "it tells the preimage of what was paid, so phones can unlock a page")
        }
        Preimages::Sometimes => report.info("node.preimage", "some of its kind tell preimages; pay a little to see"),
        Preimages::Withheld => report.warn(
            "node.preimage",
            "it never tells preimages",
            "Wallets of programs know theirs; a person who pays by phone is let in where the policy has allow_attested.",
        ),
    }
    report.section("Credential");
    let rights = Rights { client: &client, parameters: &mut parameters };
    rights.examine(&mut report, connection.backend.kind(), &invoice).await;
    Ok(report)
}

/// Sends what a call asks for until it is done.
async fn drive<T>(
    client: &Client,
    call: impl Fn(&[HttpReply]) -> Result<Step<T>, BackendFault>,
) -> Result<T, BackendFault> {
    let mut replies = Vec::new();
    loop {
        match call(&replies)? {
            Step::Done(result) => return Ok(result),
            Step::Ask(request) => replies.push(client.send(&request).await?),
        }
    }
}

fn readable(report: &mut Report, invoice: &Invoice, now: UnixTime) {
    let Ok(read) = bolt11::Invoice::parse(&invoice.bolt11) else { return };
    match read.network {
        Network::Mainnet => report.good("node.network", "mainnet"),
        network => report.info("node.network", format!("{network}: no real money")),
    }
    let expected = bolt11::Expected {
        network: read.network,
        amount: AMOUNT,
        payment_hash: invoice.payment_hash,
        min_expiry_s: 60,
        max_expiry_s: EXPIRY_S + bolt11::CLOCK_SKEW_S,
        now,
    };
    match read.check(&expected) {
        Ok(()) => report.good("node.invoice", "the edge would take the invoice: amount, secret, expiry"),
        Err(fault) => report.fail(
            "node.invoice",
            format!("the edge would refuse it: {fault}"),
            "Does the node honour the expiry that is asked for?",
        ),
    }
    let apart = now.0.abs_diff(read.timestamp.0);
    let says = format!("its clock and ours are {apart} s apart");
    match apart {
        0..=5 => report.good("node.clock", "its clock agrees with ours"),
        6..=60 => report.warn("node.clock", says, "Set both by NTP."),
        _ => report.fail("node.clock", says, "Set both by NTP: invoices end by the clock."),
    }
}

const fn state(status: &Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Settled { .. } => "paid",
        Status::Expired => "expired",
        Status::Canceled => "canceled",
        Status::NotFound => "never heard of it",
    }
}

const fn advice(fault: BackendFault) -> &'static str {
    match fault {
        BackendFault::Unreachable => {
            "Is it running, is the address right, and is its certificate the one that is pinned?"
        }
        BackendFault::Unauthorized => "Give it a credential that may make invoices and look them up.",
        BackendFault::Busy(_) => "Try again; if it stays so, look into the node's own log.",
        _ => "Look into the node's own log; `type=` names the kind of node that is meant.",
    }
}

/// What the credential may do beyond its task. Only calls that change nothing are tried.
struct Rights<'a> {
    client: &'a Client,
    parameters: &'a mut Parameters,
}

impl Rights<'_> {
    async fn examine(self, report: &mut Report, kind: &str, invoice: &Invoice) {
        let server = self.parameters.optional("server").unwrap_or_default();
        let server = server.trim_end_matches('/').to_owned();
        match kind {
            "lnd-rest" => {
                let macaroon = self.parameters.optional("macaroon").unwrap_or_default();
                let get = |path: &str| {
                    HttpRequest::get(format!("{server}{path}")).with("grpc-metadata-macaroon", macaroon.clone())
                };
                let allowed =
                    async |path: &str| self.client.send(&get(path)).await.is_ok_and(|reply| reply.status == 200);
                let todo = "Bake one for invoices alone: lncli bakemacaroon uri:/lnrpc.Lightning/AddInvoice \
                            uri:/lnrpc.Lightning/LookupInvoice uri:/lnrpc.Lightning/SubscribeInvoices";
                // Only admin.macaroon may ask which macaroons there are.
                if allowed("/v1/macaroon/ids").await {
                    report.warn("node.power", "its credential is an admin's: it may spend everything", todo);
                } else {
                    power(report, allowed("/v1/balance/blockchain").await, todo);
                }
                let channels = self.client.send(&get("/v1/channels")).await;
                inbound(report, channels.ok().filter(|reply| reply.status == 200));
            }
            "clnrest" | "cln-rest" => {
                let rune = self.parameters.optional("rune").unwrap_or_default();
                let ask = HttpRequest::post_json(format!("{server}/v1/listfunds"), &json!({})).with("rune", rune);
                let allowed = self.client.send(&ask).await.is_ok_and(|reply| matches!(reply.status, 200 | 201));
                power(
                    report,
                    allowed,
                    "Make one with createrune restrictions='[[\"method=invoice\",\"method=listinvoices\",\"method=waitanyinvoice\"]]'",
                );
            }
            "phoenixd" => {
                let server = if server.is_empty() { "http://127.0.0.1:9740".to_owned() } else { server };
                let password = self.parameters.optional("password").unwrap_or_default();
                let basic = format!("Basic {}", l402::encoding::to_base64(format!(":{password}").as_bytes()));
                // Without an invoice there is nothing to pay: 400 for who may, 401 or 403 for who may not.
                let ask = HttpRequest::post_form(format!("{server}/payinvoice"), &[]).with("authorization", basic);
                let reply = self.client.send(&ask).await;
                power(
                    report,
                    reply.is_ok_and(|reply| reply.status == 400),
                    "Use http-password-limited-access of phoenix.conf, which cannot pay.",
                );
            }
            "lnbits" => {
                let key = self.parameters.optional("api-key").unwrap_or_default();
                let pay = json!({"out": true, "bolt11": ""});
                let ask = HttpRequest::post_json(format!("{server}/api/v1/payments"), &pay).with("x-api-key", key);
                let reply = self.client.send(&ask).await;
                let allowed = reply.is_ok_and(|reply| !matches!(reply.status, 401 | 403 | 404));
                power(report, allowed, "Use the wallet's Invoice/read key, which cannot pay.");
                let url = format!("{server}/api/v1/payments/{}", invoice.payment_hash);
                leak(report, self.client.send(&HttpRequest::get(url)).await.ok());
            }
            other => {
                report.info("node.power", format!("what a credential of {other} may do cannot be told from outside"))
            }
        }
        if kind != "lnd-rest" {
            report.info("node.inbound", "whether it can receive is left out; its own tools tell the inbound capacity");
        }
    }
}

fn power(report: &mut Report, allowed: bool, todo: &str) {
    if allowed {
        report.warn("node.power", "its credential may do more than make and look up invoices", todo);
    } else {
        report.good("node.power", "its credential is refused what it does not need");
    }
}

/// What the channels could take in, where the credential may look.
fn inbound(report: &mut Report, reply: Option<HttpReply>) {
    let Some(reply) = reply else {
        return report.info(
            "node.inbound",
            "whether it can receive is left out: its macaroon may not list the channels, which is right for the node webhook \
             (`satstile doctor --help` has one that may)",
        );
    };
    let body = json::parse(&reply.unverified_body).unwrap_or_default();
    let channels = body.get("channels").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let active = channels.iter().filter(|channel| channel.get("active") == Some(&true.into()));
    let sats = active.filter_map(|channel| channel.get("remote_balance")?.as_str()?.parse::<u64>().ok());
    match sats.fold(0, u64::saturating_add) {
        0 => report.fail(
            "node.inbound",
            "no active channel can take anything in",
            "Get inbound capacity: buy a channel, or spend over one of yours.",
        ),
        sats => {
            report.good("node.inbound", format!("its active channels can take in {}", Msat(sats.saturating_mul(1_000))))
        }
    }
}

/// LNbits tells the preimage of an unpaid invoice to anybody, with some funding sources: free access to what is sold.
fn leak(report: &mut Report, reply: Option<HttpReply>) {
    let Some(reply) = reply else { return };
    let body = json::parse(&reply.unverified_body).unwrap_or_default();
    let shown = ["/preimage", "/details/preimage"].iter().any(|at| body.pointer(at).is_some_and(Value::is_string));
    if shown {
        report.fail(
            "node.leak",
            "anybody can read the preimage of an unpaid invoice, without a key",
            "Update LNbits, or keep it off the network: with the preimage in hand nobody needs to pay.",
        );
    } else if reply.status == 200 {
        report.warn(
            "node.leak",
            "anybody who knows a payment hash can ask LNbits about it, and gets the preimage once it is paid",
            "Keep LNbits off the open network: the hash stands in every challenge.",
        );
    } else {
        report.good("node.leak", "it tells strangers nothing about an unpaid invoice");
    }
}
