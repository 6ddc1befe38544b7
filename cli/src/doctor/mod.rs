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
mod status;
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
/// With --node, your own node by its connection string: is it there, does it make invoices that the edge would take, is
/// its credential no more powerful than it must be. Makes one invoice of 1 sat that nobody pays. Give it the connection
/// string of the node webhook. Whether the channels can take anything in is looked up on LND alone, and only with a
/// macaroon that may list them (below); the one for invoices may not, and then this is left out.
///
/// With --relay, your node webhook: do the RELAY_SECRETS of the environment agree with its own, and do the clocks.
///
/// Ends with 1 when something is wrong; warnings alone end with 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile doctor https://example.com/articles/1
  satstile doctor --node 'type=lnd-rest;server=https://127.0.0.1:8080;macaroonfilepath=invoices.macaroon;certfilepath=tls.cert'
  satstile doctor --node - < backends                  # that of the node webhook, if it is one line
  RELAY_SECRETS=whsec_… satstile doctor --relay http://127.0.0.1:8788
  satstile --json doctor https://example.com/articles/1 | jq '.lines[] | select(.level == \"fail\")'

For LND, a macaroon that may list the channels as well, so that --node tells what they can take in:
  lncli bakemacaroon --save_to doctor.macaroon uri:/lnrpc.Lightning/AddInvoice \\
      uri:/lnrpc.Lightning/LookupInvoice uri:/lnrpc.Lightning/ListChannels")]
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
    // Of what is not sold nothing can be said to browsers either.
    if seen.first.is_challenge() {
        browser::grade(&mut report, &seen);
    }
    Ok(report)
}
