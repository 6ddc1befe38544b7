//! `satstile pay URL`: fetches what is sold; 402, check, pay, come back. One payment a call at most.

mod buy;
mod output;
mod request;

use std::path::PathBuf;
use std::time::Duration;

use l402::Msat;
use l402::bolt11::Network;
use l402::payer::Limits;

use crate::cache::Cache;
use crate::fault::{Exit, Fault};
use crate::http::{Client, Url};
use crate::say::Say;
use crate::wallet::{Purse, usual_network};

/// Fetches a URL, and pays for it if it must
///
/// Sends the request. When the answer is `402 Payment Required` with an L402 challenge, the invoice is decoded and held
/// against the challenge and your limit, your wallet pays it, and the request goes out again with the token. The body
/// goes to stdout, a receipt of one line to stderr. The token is kept and used again, without paying, for as long as the
/// seller takes it.
///
/// At most one payment a call. Nothing is paid over --max-sats, nor an invoice that has expired, names no amount or is
/// for another network. A payment whose end is not known is never repeated: the same command asks your wallet first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile pay https://example.com/articles/1 --wallet 'type=phoenixd;password=…'
  satstile pay http://localhost:8787/articles/1 --wallet dev
  satstile pay http://localhost:8787/articles/1 --wallet \"$(cat ~/.cache/satstile/devnet/wallet)\"
  satstile pay https://example.com/api/ask --data '{\"q\":1}' --header 'Content-Type: application/json' --max-sats 50
  satstile pay https://example.com/big.iso --output big.iso --dry-run

Wallets:
  type=lnd-rest;server=https://127.0.0.1:8080;macaroonfilepath=pay.macaroon;certfilepath=tls.cert
  type=clnrest;server=https://127.0.0.1:3010;runefilepath=pay.rune;certfilepath=server.pem
  type=phoenixd;server=http://127.0.0.1:9740;password=…       (http-password, not the limited one)
  type=lnbits;server=https://lnbits.example;api-key=…         (the admin key)
  nostr+walletconnect://…                                     (from the wallet, with a small budget; or type=nwc;uri=…)
  dev                                                         the wallet of `cargo xtask dev`")]
pub struct Args {
    /// What to fetch
    pub url: String,
    /// The method [default: GET, or POST with --data]
    #[arg(short = 'X', long)]
    pub method: Option<String>,
    /// A header field, `Name: value`; may be given several times
    #[arg(short = 'H', long, value_name = "FIELD")]
    pub header: Vec<String>,
    /// The body: text, @FILE, or @- for stdin
    #[arg(short, long, value_name = "TEXT|@FILE")]
    pub data: Option<String>,
    /// Writes the body there instead of to stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The most that the invoice may ask
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub max_sats: u64,
    /// The most that routing may cost on top, for wallets that take a limit [default: 10 + 1 % of the price]
    #[arg(long, value_name = "N")]
    pub max_fee_sats: Option<u64>,
    /// Who pays: a connection string, or `dev`
    #[arg(short, long, env = "SATSTILE_WALLET", hide_env_values = true)]
    pub wallet: Option<String>,
    /// The only network that is paid on [default: mainnet; regtest with the dev wallet, and for a URL on this machine]
    #[arg(long, env = "SATSTILE_NETWORK", value_parser = ["mainnet", "testnet", "signet", "regtest"])]
    pub network: Option<String>,
    /// Uses no token that was kept, and keeps none: pays again
    #[arg(long)]
    pub no_cache: bool,
    /// Says what would be paid, and pays nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Goes over plain http beyond this machine
    #[arg(long)]
    pub allow_http: bool,
    /// How long to wait for an answer, and between two pieces of it, in seconds
    #[arg(long, value_name = "S", default_value_t = 60)]
    pub timeout: u64,
}

/// What all steps need.
struct Shop<'a> {
    client: Client,
    cache: Option<Cache>,
    purse: Option<Purse>,
    limits: Limits,
    max_fee: Option<Msat>,
    args: &'a Args,
    say: &'a Say,
}

/// Runs the command.
pub async fn run(args: &Args, say: &Say) -> Result<Exit, Fault> {
    let url = Url::parse(&args.url, args.allow_http)?;
    let request = request::of(args, url)?;
    let sats =
        |sats| Msat::from_sats(sats).ok_or_else(|| Fault::usage("ten bitcoin is the most that one call may move"));
    let network = args.network.as_deref().and_then(Network::from_name);
    let shop = Shop {
        client: Client::new(Duration::from_secs(args.timeout.max(1)))?,
        cache: if args.no_cache { None } else { Some(Cache::usual()?) },
        // A string that cannot be read is said before anything is asked for.
        purse: args.wallet.as_deref().filter(|_| !args.dry_run).map(Purse::open).transpose()?,
        limits: Limits {
            amount_max: sats(args.max_sats)?,
            network: network.unwrap_or(usual_network(args.wallet.as_deref(), &request.url)),
        },
        max_fee: args.max_fee_sats.map(sats).transpose()?,
        args,
        say,
    };
    if shop.max_fee.is_some() && shop.purse.as_ref().is_some_and(|purse| !purse.limits_fees()) {
        return Err(Fault::usage("this kind of wallet fixes its fees itself and takes no --max-fee-sats"));
    }
    shop.fetch(request).await
}
