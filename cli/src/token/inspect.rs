//! `satstile token inspect`: a token in words.

use l402::caps::{Cap, Chain, Limit};
use l402::secret::fingerprint;
use l402::{Msat, UnixTime};
use serde_json::{Value, json};

use super::view::{View, pasted};
use crate::clock::now;
use crate::fault::{Exit, Fault};
use crate::say::{Say, Tone, moment, printable};

/// Says what a token permits, offline and without a key
///
/// Takes a token, a credential (TOKEN:PREIMAGE) or a whole `Authorization` value. Nothing that it prints can be used to
/// get in: neither the preimage nor the token is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile token inspect AgEIc2F0…
  satstile token inspect - < credential.txt")]
pub struct Args {
    /// The token; - for stdin
    token: String,
}

/// Runs the command.
pub fn run(args: &Args, say: &Say) -> Result<Exit, Fault> {
    let pasted = pasted(&super::given(&args.token)?)?;
    let (view, now) = (&pasted.view, now());
    let preimage = pasted.preimage.as_ref().filter(|_| !view.takes_attestation());
    let fits = preimage.and_then(|p| Some(p.payment_hash() == view.payment_hash()?));
    if say.json {
        say.document(&document(view, fits, now));
        return Ok(Exit::Ok);
    }
    let line = |name: &str, value: &str| say.out(&format!("{:<14}{value}", say.paint(Tone::Head, name)));
    line("location", &view.location.as_deref().map_or("none".to_owned(), printable));
    match &view.parsed {
        Some(id) => {
            line("payment hash", &id.payment_hash.to_string());
            line("token id", &hex::encode(id.token_id));
            line("", &format!("(for a Satstile: signed with master key {})", id.key_id()));
        }
        None => line("identifier", &format!("{} bytes, not the 66 of L402 version 0", view.identifier.len())),
    }
    match fits {
        None if view.takes_attestation() => line(
            "preimage",
            &say.paint(Tone::Odd, "attested: the seller's word stands in its place, which only the seller can check"),
        ),
        Some(true) => line("preimage", &say.paint(Tone::Good, "fits the payment hash: this was paid")),
        Some(false) => line("preimage", &say.paint(Tone::Bad, "does not fit the payment hash")),
        None => line("preimage", "not given"),
    }
    if let Some(objection) = &view.objection {
        line("objection", &say.paint(Tone::Odd, objection));
    }
    line("caveats", &format!("{}, all of which must hold:", view.caveats.len()));
    for caveat in view.bytes() {
        let caveat = String::from_utf8_lossy(caveat);
        let meaning = in_words(&caveat, now);
        say.out(&format!("  {}{}", printable(&hidden(&caveat)), say.paint(Tone::Aside, &format!("   {meaning}"))));
    }
    if let Ok(Some(chain)) = Chain::of(view.bytes()) {
        line("limits", "each holds for its own token and for all that come from it:");
        for (depth, cap) in chain.caps.iter().enumerate() {
            say.out(&format!("  {}{}", "  ".repeat(depth), limit_in_words(cap)));
        }
    }
    if view.third_party > 0 {
        say.out(&format!("  and {} that a third party must discharge", view.third_party));
    }
    Ok(Exit::Ok)
}

/// What a counting caveat permits, and which one it is: the number that a seller's 402 names.
fn limit_in_words(cap: &Cap) -> String {
    let number = cap.place + 1;
    match cap.limit {
        Limit::Uses(1) => format!("1 answer (caveat {number})"),
        Limit::Uses(uses) => format!("{uses} answers (caveat {number})"),
        Limit::Budget(budget) => format!("{budget} (caveat {number})"),
    }
}

/// What a caveat means; nothing for one that nobody here knows.
pub fn in_words(caveat: &str, now: UnixTime) -> String {
    let Some((name, value)) = caveat.split_once('=') else { return "unknown here; sellers skip it".to_owned() };
    let until = |at: UnixTime| {
        if at <= now { format!("ended {}", moment(now, at)) } else { format!("ends {}", moment(now, at)) }
    };
    match name {
        "services" => {
            let names: Vec<&str> = value.split(',').map(|entry| entry.split(':').next().unwrap_or(entry)).collect();
            format!("opens {}", names.join(" and "))
        }
        "satstile_aud" => format!("only at the deployment `{value}`"),
        "satstile_methods" => format!("only {}", value.replace(',', " ")),
        "satstile_route" => format!("only on the route {value} (a hash of its pattern)"),
        "satstile_digest" => "only with one certain request body".to_owned(),
        "satstile_uses" => format!("{value} answers in all"),
        "satstile_budget_msat" => {
            value.parse().map_or_else(|_| "unreadable".to_owned(), |msat| format!("for {} in all", Msat(msat)))
        }
        "satstile_price_msat" => value.parse().map_or_else(
            |_| "unreadable".to_owned(),
            |msat| format!("sold for {}, which counts whatever it costs now", Msat(msat)),
        ),
        "satstile_attested" => "paid by the word of the seller's node, without a preimage".to_owned(),
        "preimage" => "some clients put the preimage here; sellers skip it".to_owned(),
        _ if name.starts_with("satstile") => "unknown: a Satstile refuses the token".to_owned(),
        _ if name.ends_with("_valid_until") => {
            UnixTime::from_decimal(value).map_or_else(|| "unreadable".to_owned(), until)
        }
        _ if name.ends_with("_capabilities") => format!("may do: {value}"),
        _ => "not a caveat of Satstile's; it skips this".to_owned(),
    }
}

/// A caveat that holds a preimage shows a fingerprint instead.
fn hidden(caveat: &str) -> String {
    match caveat.strip_prefix("preimage=") {
        Some(preimage) => format!("preimage=… ({})", fingerprint(preimage.as_bytes())),
        None => caveat.to_owned(),
    }
}

fn document(view: &View, fits: Option<bool>, now: UnixTime) -> Value {
    let caveats = view.bytes().map(|caveat| {
        let caveat = String::from_utf8_lossy(caveat);
        json!({"caveat": hidden(&caveat), "meaning": in_words(&caveat, now)})
    });
    let limits = Chain::of(view.bytes()).ok().flatten().map_or_else(Vec::new, |chain| chain.caps);
    let limits = limits.iter().map(|cap| match cap.limit {
        Limit::Uses(uses) => json!({"caveat": cap.place + 1, "uses": uses}),
        Limit::Budget(budget) => json!({"caveat": cap.place + 1, "budget_msat": budget.0}),
    });
    json!({
        "location": view.location,
        "identifier_bytes": view.identifier.len(),
        "payment_hash": view.payment_hash().map(|hash| hash.to_string()),
        "token_id": view.parsed.map(|id| hex::encode(id.token_id)),
        "key_id": view.parsed.map(|id| id.key_id()),
        "attested": view.takes_attestation(),
        "preimage_fits": fits,
        "service": view.service(),
        "valid_until": view.valid_until().map(|at| at.to_string()),
        "caveats": caveats.collect::<Vec<_>>(),
        "limits": limits.collect::<Vec<_>>(),
        "third_party_caveats": view.third_party,
        "objection": view.objection,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(caveat: &str, words: &str) {
        assert_eq!(in_words(caveat, UnixTime(1_900_000_000)), words, "{caveat}");
    }

    #[test]
    fn caveats_read_like_sentences() {
        check("services=api:0,dear:1", "opens api and dear");
        check("api_valid_until=1900000600", "ends 2030-03-17T17:56:40Z, in 10 minutes (1900000600)");
        check("api_valid_until=1900000000", "ended 2030-03-17T17:46:40Z, now (1900000000)");
        check("api_valid_until=soon", "unreadable");
        check("satstile_methods=GET,HEAD", "only GET HEAD");
        check("satstile_uses=3", "3 answers in all");
        check("satstile_price_msat=21000", "sold for 21 sats, which counts whatever it costs now");
        check("satstile_budget_msat=21000", "for 21 sats in all");
        check("satstile_attested=1", "paid by the word of the seller's node, without a preimage");
        check("satstile_colour=red", "unknown: a Satstile refuses the token");
        check("RequestPath=/a", "not a caveat of Satstile's; it skips this");
        check("no equals sign", "unknown here; sellers skip it");
    }

    #[test]
    fn a_limit_is_named_by_the_number_of_its_caveat() {
        let words = |limit| limit_in_words(&Cap { place: 4, limit });
        assert_eq!(words(Limit::Uses(1)), "1 answer (caveat 5)");
        assert_eq!(words(Limit::Uses(7)), "7 answers (caveat 5)");
        assert_eq!(words(Limit::Budget(Msat(50_000))), "50 sats (caveat 5)");
    }

    #[test]
    fn a_preimage_in_a_caveat_does_not_print() {
        let shown = hidden(&format!("preimage={}", "ab".repeat(32)));
        assert!(!shown.contains("abab"), "{shown}");
    }
}
