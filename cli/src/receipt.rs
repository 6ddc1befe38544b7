//! `satstile receipt verify`: did this seller sign that this was paid? (C16)

use std::path::PathBuf;

use ed25519_dalek::{Signature, VerifyingKey};
use l402::bolt11::Invoice;
use l402::receipt::{self, Receipt, UnverifiedReceipt};
use l402::{Preimage, encoding};
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
/// Takes the file that the paywall downloads, and the signature alone (a JWS). What the file says besides, its amount,
/// payment hash, invoice and preimage, has to agree with what is signed.
///
/// Ends with 1 when the receipt is not genuine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile receipt verify receipt-5c1a09fe.json --keys https://example.com/.well-known/satstile/keys.json
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
    let (jws, file) = taken_apart(&text)?;
    let unverified = UnverifiedReceipt::parse(&jws).map_err(|fault| Fault::not_good(fault.to_string()))?;
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
    agrees(&file, &receipt).map_err(|what| {
        Fault::not_good(format!("the signature holds, and is for another purchase: the file's {what} differs"))
    })?;
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

/// The signed part, and the file around it; `Null` without one. A signature that was copied out of something may have
/// quotes around it and line breaks in it.
fn taken_apart(text: &str) -> Result<(String, Value), Fault> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with('{') {
        let jws = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '"' | '\'')).collect();
        return Ok((jws, Value::Null));
    }
    let file = l402::json::parse(text.as_bytes()).map_err(|fault| Fault::not_good(format!("that JSON: {fault}")))?;
    // The widget's file says `signature`, the status URL `receipt`.
    let jws = ["signature", "receipt", "jws"].iter().find_map(|name| file.get(*name).and_then(Value::as_str));
    let jws = jws.map(|jws| jws.split_whitespace().collect()).ok_or_else(|| {
        Fault::not_good("this file has no signature: it says what was paid, and proves nothing")
            .next("The seller had not signed yet when it was saved. Download the receipt again from the page.")
    })?;
    Ok((jws, file))
}

/// Holds what a file says against what is signed; the name of the first thing that differs.
fn agrees(file: &Value, receipt: &Receipt) -> Result<(), &'static str> {
    let says = |name: &str| file.get(name).filter(|value| !value.is_null());
    let text_is = |name: &str, is: &dyn Fn(&str) -> bool| says(name).is_none_or(|value| value.as_str().is_some_and(is));
    let is_hash = |text: &str| text.eq_ignore_ascii_case(&receipt.payment_hash.to_string());
    let is_preimage = |text: &str| {
        Preimage::from_hex(text.trim()).is_some_and(|preimage| preimage.payment_hash() == receipt.payment_hash)
    };
    let is_invoice = |text: &str| {
        Invoice::parse(text).is_ok_and(|invoice| {
            invoice.payment_hash == receipt.payment_hash && invoice.amount.is_none_or(|amount| amount == receipt.amount)
        })
    };
    let checks = [
        ("payment hash", text_is("payment_hash", &is_hash)),
        ("preimage", text_is("preimage", &is_preimage)),
        ("invoice", text_is("invoice", &is_invoice)),
        ("amount", says("amount_msat").is_none_or(|value| value.as_u64() == Some(receipt.amount.0))),
        ("service", text_is("service", &|text| text == receipt.service)),
    ];
    checks.iter().find(|(_, agrees)| !agrees).map_or(Ok(()), |(what, _)| Err(*what))
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

#[cfg(test)]
mod tests {
    use l402::{Msat, UnixTime};

    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            issuer: "https://shop.example".to_owned(),
            service: "articles".to_owned(),
            amount: Msat(21_000),
            payment_hash: Preimage::new([7; 32]).payment_hash(),
            challenge_id: None,
            issued_at: UnixTime(1_900_000_000),
        }
    }

    #[test]
    fn a_receipt_is_found_in_whatever_it_was_saved_as_d9() {
        for text in ["a.b.c", " a.b.c\n", "\"a.b.c\"", "a.\n  b.\r\nc\n", "\u{feff}a.b.c", "'a.b.c'"] {
            assert_eq!(taken_apart(text).unwrap(), ("a.b.c".to_owned(), Value::Null), "{text:?}");
        }
        for name in ["signature", "receipt", "jws"] {
            assert_eq!(taken_apart(&json!({ name: "a.b.\nc" }).to_string()).unwrap().0, "a.b.c");
        }
        for none in [json!({}), json!({"signature": null}), json!({"signature": 1})] {
            assert!(taken_apart(&none.to_string()).is_err(), "{none}");
        }
        assert!(taken_apart("{").is_err());
    }

    #[test]
    fn a_file_has_to_agree_with_what_is_signed_d9() {
        let hash = receipt().payment_hash.to_string();
        let whole = json!({
            "type": "satstile-receipt", "issuer": "https://shop.example", "service": "articles", "amount_msat": 21_000,
            "payment_hash": hash, "preimage": "07".repeat(32), "price": "21 sats",
        });
        assert_eq!(agrees(&whole, &receipt()), Ok(()));
        assert_eq!(agrees(&Value::Null, &receipt()), Ok(()));
        for (name, value, what) in [
            ("payment_hash", json!("00".repeat(32)), "payment hash"),
            ("preimage", json!("08".repeat(32)), "preimage"),
            ("preimage", json!(7), "preimage"),
            ("invoice", json!("lnbc1"), "invoice"),
            ("amount_msat", json!(2_100), "amount"),
            ("service", json!("other"), "service"),
        ] {
            let mut file = whole.clone();
            file[name] = value;
            assert_eq!(agrees(&file, &receipt()), Err(what));
        }
        let mut attested = whole;
        attested["preimage"] = Value::Null;
        assert_eq!(agrees(&attested, &receipt()), Ok(()));
    }
}
