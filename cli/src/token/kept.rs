//! `satstile token list` and `forget`: the tokens that were bought, and payments whose end is not known.

use l402::{Msat, UnixTime};
use serde_json::json;

use crate::cache::Cache;
use crate::clock::now;
use crate::fault::{Exit, Fault};
use crate::say::{Say, Tone, distance, printable};

/// Lists the tokens that were bought and kept
///
/// Credentials are not shown, unless --show-credentials asks for them: whoever has one has what it opens.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Prints the `Authorization` values too
    #[arg(long)]
    show_credentials: bool,
}

/// Forgets kept tokens and unfinished payments of a seller
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile token forget https://example.com
  satstile token forget https://example.com --service articles
  satstile token forget --all")]
pub struct ForgetArgs {
    /// Scheme, host and port, as `satstile token list` shows them
    #[arg(required_unless_present = "all")]
    origin: Option<String>,
    /// Only what was bought for this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Everything
    #[arg(long, conflicts_with_all = ["origin", "service"])]
    all: bool,
}

/// Runs `list`.
pub fn list(args: &ListArgs, say: &Say) -> Result<Exit, Fault> {
    let cache = Cache::usual()?;
    let (book, now) = (cache.read()?, now());
    if say.json {
        let tokens = book.tokens.iter().map(|kept| {
            let mut shown = json!({
                "origin": kept.origin, "service": kept.service, "amount_msat": kept.amount_msat, "paths": kept.paths,
                "bought_at": kept.bought_at, "valid_until": kept.valid_until, "ended": kept.has_ended(now),
                "delivered": kept.delivered,
            });
            if args.show_credentials {
                shown["authorization"] = json!(kept.authorization);
            }
            shown
        });
        let sent = book.sent.iter().map(|sent| {
            json!({
                "origin": sent.origin, "service": sent.service, "amount_msat": sent.amount_msat,
                "payment_hash": sent.payment_hash, "wallet": sent.wallet, "sent_at": sent.sent_at,
            })
        });
        say.document(&json!({"tokens": tokens.collect::<Vec<_>>(), "unfinished": sent.collect::<Vec<_>>()}));
        return Ok(Exit::Ok);
    }
    for kept in &book.tokens {
        let ends = match kept.valid_until.map(UnixTime) {
            Some(at) if at <= now => say.paint(Tone::Aside, &format!("ended {}", distance(now, at))),
            Some(at) => say.paint(Tone::Good, &format!("ends {}", distance(now, at))),
            None => "names no end".to_owned(),
        };
        let unused = if kept.delivered { "" } else { ", opened nothing yet" };
        let service = if kept.service.is_empty() { String::new() } else { format!(" {}", printable(&kept.service)) };
        let bought = distance(now, UnixTime(kept.bought_at));
        say.out(&format!("{}{service}  {}, bought {bought}, {ends}{unused}", kept.origin, Msat(kept.amount_msat)));
        if args.show_credentials {
            say.out(&format!("  Authorization: {}", kept.authorization));
        }
    }
    for sent in &book.sent {
        let when = distance(now, UnixTime(sent.sent_at));
        let line = format!(
            "{} {}  {}, sent {when} by {}: its end is not known (payment {})",
            sent.origin,
            printable(&sent.service),
            Msat(sent.amount_msat),
            sent.wallet,
            sent.payment_hash
        );
        say.out(&say.paint(Tone::Odd, &line));
    }
    if book.tokens.is_empty() && book.sent.is_empty() {
        say.aside("no tokens are kept");
    }
    Ok(Exit::Ok)
}

/// Runs `forget`.
pub fn forget(args: &ForgetArgs, say: &Say) -> Result<Exit, Fault> {
    let origin = args.origin.as_deref().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase());
    let meant = |whose: &str, service: &str| {
        args.all || (origin.as_deref() == Some(whose) && args.service.as_deref().is_none_or(|name| name == service))
    };
    let forgotten = Cache::usual()?.change(|book| {
        let before = book.tokens.len() + book.sent.len();
        book.tokens.retain(|kept| !meant(&kept.origin, &kept.service));
        book.sent.retain(|sent| !meant(&sent.origin, &sent.service));
        before - book.tokens.len() - book.sent.len()
    })?;
    if say.json {
        say.document(&json!({"forgotten": forgotten}));
    } else {
        say.aside(&format!("forgot {forgotten}"));
    }
    if forgotten == 0 {
        return Err(Fault::not_good("nothing of that seller is kept").next("`satstile token list` shows what is."));
    }
    Ok(Exit::Ok)
}
