//! `satstile doctor`: what is wrong with an endpoint, a node or a relay, and what to do about it.

mod access;
mod browser;
mod challenge;
mod clients;
mod invoice;
mod node;
mod probe;
mod relay;
mod report;
mod transport;

use crate::fault::{Exit, Fault};
use crate::http::Url;
use crate::say::Say;
use report::Report;

/// Grades an L402 endpoint, a Lightning node or a node webhook
///
/// With a URL, any L402 endpoint, whoever made it: challenge, invoice, token, what it does with junk, caching, browsers,
/// TLS, clock. Pays nothing; leaves about half a dozen unpaid invoices behind at the seller's node.
///
/// With --node, your own node by its connection string: is it there, is its credential no more powerful than it must
/// be, can it receive. Makes one invoice of 1 sat that nobody pays.
///
/// With --relay, your node webhook: do the RELAY_SECRETS of the environment agree with its own, and do the clocks.
///
/// Ends with 1 when something is wrong; warnings alone end with 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile doctor https://example.com/articles/1
  satstile doctor --node 'type=lnd-rest;server=https://127.0.0.1:8080;macaroonfilepath=invoice.macaroon;certfilepath=tls.cert'
  RELAY_SECRETS=whsec_… satstile doctor --relay http://127.0.0.1:8788
  satstile --json doctor https://example.com/articles/1 | jq '.lines[] | select(.level == \"fail\")'")]
#[command(group(clap::ArgGroup::new("patient").required(true).args(["url", "node", "relay"])))]
pub struct Args {
    /// Something that is sold: a URL that answers 402
    url: Option<String>,
    /// Your node, by its connection string; - reads it from stdin
    #[arg(long, value_name = "CONNECTION")]
    node: Option<String>,
    /// Your node webhook, by its URL
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// Goes over plain http beyond this machine, and says so in the report
    #[arg(long)]
    allow_http: bool,
}

/// Runs the command.
pub async fn run(args: Args, say: &Say) -> Result<Exit, Fault> {
    let report = if let Some(connection) = &args.node {
        node::examine(&crate::token::given(connection)?).await?
    } else if let Some(url) = &args.relay {
        relay::examine(&Url::parse(url, args.allow_http)?).await?
    } else {
        let url = args.url.as_deref().unwrap_or_default();
        endpoint(&Url::parse(url, args.allow_http)?).await?
    };
    report.print(say);
    Ok(report.exit())
}

/// Everything about an endpoint; the order is that of a reader who repairs it.
async fn endpoint(url: &Url) -> Result<Report, Fault> {
    let seen = probe::ask(url).await?;
    let mut report = Report::new(url.to_string());
    transport::grade(&mut report, url, &seen);
    if let Some(offer) = challenge::grade(&mut report, &seen) {
        invoice::grade(&mut report, url, &seen, &offer);
        access::grade(&mut report, &seen);
    }
    browser::grade(&mut report, &seen);
    Ok(report)
}
