//! `satstile receipt verify`: did this seller sign that this was paid? (C16)

use std::path::PathBuf;

use ed25519_dalek::{Signature, VerifyingKey};
use l402::encoding;
use l402::receipt::{self, UnverifiedReceipt};
use serde_json::{Value, json};

use crate::clock::now;
use crate::fault::{Exit, Fault};
use crate::http::{Client, Request, Url};
use crate::say::{Say, Tone, distance, printable};
use crate::token::given;

/// Checks a signed receipt
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Verify(Args),
}

/// Checks the signature of a receipt with the seller's public keys
///
/// A receipt says who sold what for how much, and opens nothing: it can be shown to anybody. Who its seller is, is said
/// by the URL from which the keys come, and by nothing in the receipt: take it from where you bought.
///
/// Ends with 1 when the receipt is not genuine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile receipt verify receipt.jws --keys https://example.com/.well-known/satstile/keys.json
  satstile receipt verify - --keys keys.json < receipt.jws")]
pub struct Args {
    /// The file with the receipt; - for stdin
    file: PathBuf,
    /// The seller's keys: a URL, or a file that came from there
    #[arg(long, value_name = "URL|FILE")]
    keys: String,
    /// Fetches the keys over plain http beyond this machine
    #[arg(long)]
    allow_http: bool,
}

/// Runs the command.
pub async fn run(command: &Command, say: &Say) -> Result<Exit, Fault> {
    let Command::Verify(args) = command;
    let text = match args.file.to_str() {
        Some("-") => given("-")?,
        _ => std::fs::read_to_string(&args.file)
            .map_err(|error| Fault::usage(format!("{}: {error}", args.file.display())))?,
    };
    let unverified = UnverifiedReceipt::parse(text.trim()).map_err(|fault| Fault::not_good(fault.to_string()))?;
    let keys = keys(args).await?;
    let Some(key) = keys.iter().find(|key| receipt::key_id(key.as_bytes()) == unverified.key_id) else {
        return Err(Fault::not_good("none of these keys signed it")
            .next("Sellers keep old keys published: are they the keys of this seller, and fresh?"));
    };
    let signature = Signature::from_bytes(&unverified.signature);
    if key.verify_strict(unverified.signing_input.as_bytes(), &signature).is_err() {
        return Err(Fault::not_good("the signature does not hold: the receipt was changed, or made up"));
    }
    let receipt = unverified.unverified_receipt;
    let same_place = Url::parse(&args.keys, true).ok().map(|url| url.origin == receipt.issuer);
    if say.json {
        say.document(&json!({
            "ok": true, "issuer": receipt.issuer, "keys_from_issuer": same_place, "service": receipt.service,
            "amount_msat": receipt.amount.0, "payment_hash": receipt.payment_hash.to_string(),
            "challenge_id": receipt.challenge_id, "issued_at": receipt.issued_at.to_string(), "key_id": unverified.key_id,
        }));
    } else {
        say.out(&format!(
            "{}  {} for {} at {}, {} ({})",
            say.paint(Tone::Good, "genuine"),
            receipt.amount,
            printable(&receipt.service),
            printable(&receipt.issuer),
            receipt.issued_at,
            distance(now(), receipt.issued_at)
        ));
        say.out(&format!("         payment {}", receipt.payment_hash));
    }
    if same_place == Some(false) {
        say.aside(&say.paint_err(Tone::Odd, "the keys come from elsewhere than the seller that the receipt names"));
    }
    Ok(Exit::Ok)
}

/// A seller's public keys, from a JWK set.
async fn keys(args: &Args) -> Result<Vec<VerifyingKey>, Fault> {
    let json = if args.keys.contains("://") {
        let url = Url::parse(&args.keys, args.allow_http)?;
        let reply = Client::new(std::time::Duration::from_secs(20))?.send(&Request::get(&url)).await?;
        if reply.status != 200 {
            return Err(Fault::not_good(format!("{url} answered {}", reply.status))
                .next("A Satstile has its keys at /.well-known/satstile/keys.json"));
        }
        reply.read().await.unwrap_or_default()
    } else {
        std::fs::read(&args.keys).map_err(|error| Fault::usage(format!("{}: {error}", args.keys)))?
    };
    let set = l402::json::parse(&json).unwrap_or_default();
    let jwks = set.get("keys").and_then(Value::as_array);
    let jwks = jwks.ok_or_else(|| Fault::not_good(format!("{} is no set of keys (JWK set)", args.keys)))?;
    Ok(jwks.iter().filter_map(key).collect())
}

/// An Ed25519 key (RFC 8037); others are not ours to use.
fn key(jwk: &Value) -> Option<VerifyingKey> {
    let is = |name: &str, value: &str| jwk.get(name).and_then(Value::as_str) == Some(value);
    let x = jwk.get("x").and_then(Value::as_str).filter(|_| is("kty", "OKP") && is("crv", "Ed25519"))?;
    VerifyingKey::from_bytes(&encoding::base64url(x)?.try_into().ok()?).ok()
}
