//! `satstile token attenuate`: a narrower token, for a colleague or an agent. Needs no key and asks nobody.

use l402::caps::Chain;
use l402::caveat::{self, Demand};
use l402::route::{Access, Methods, Route};
use l402::token::{ATTESTED, UnverifiedToken};
use l402::{Denial, UnixTime};
use serde_json::json;

use super::view::{View, pasted};
use crate::clock::now;
use crate::fault::{Exit, Fault};
use crate::say::Say;

/// Makes a narrower token out of a token, offline
///
/// Whoever holds a token can narrow it and hand it on; nobody can widen it again. What is not narrower than what the
/// token permits already is refused here, because the seller would refuse it too. Prints the credential when a preimage
/// was given with the token, otherwise the token.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile token attenuate AgEI…:ab12… --expires 10m --methods GET
  satstile token attenuate AgEI…:ab12… --route '/articles/*' --uses 5
  satstile token attenuate - --budget-sats 100 < credential.txt > for-the-agent.txt")]
pub struct Args {
    /// The token or the credential (TOKEN:PREIMAGE); - for stdin
    token: String,
    /// Only this service; may be given several times
    #[arg(long, value_name = "NAME")]
    service: Vec<String>,
    /// Only this route: its pattern as the seller's policy has it, or the 16 digits of its id
    #[arg(long, value_name = "PATTERN|ID")]
    route: Option<String>,
    /// Ends then: in 30s, 10m, 2h, 7d, or at a Unix time or 2030-03-17T17:46:40Z
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Only these methods, with commas between
    #[arg(long, value_name = "GET,POST")]
    methods: Option<String>,
    /// So many answers in all
    #[arg(long, value_name = "N")]
    uses: Option<u64>,
    /// For so many satoshi in all
    #[arg(long, value_name = "N")]
    budget_sats: Option<u64>,
    /// A caveat of another kind, `name=value`; may be given several times. Children with the same limits share them,
    /// unless one like `agent=a` tells them apart
    #[arg(long, value_name = "CAVEAT")]
    caveat: Vec<String>,
}

/// Runs the command.
pub fn run(args: &Args, say: &Say) -> Result<Exit, Fault> {
    let pasted = pasted(&super::given(&args.token)?)?;
    let token = narrower(args, &pasted.view, now())?;
    let wire = token.to_wire();
    let credential = pasted.preimage.map(|preimage| format!("{wire}:{}", preimage.expose_hex()));
    let text = credential.unwrap_or(wire);
    let text = pasted.scheme.map_or_else(|| text.clone(), |scheme| format!("{scheme} {text}"));
    if say.json {
        say.document(&json!({"credential": text}))
    } else {
        say.out(&text)
    }
    Ok(Exit::Ok)
}

fn narrower(args: &Args, view: &View, now: UnixTime) -> Result<UnverifiedToken, Fault> {
    let mut token = UnverifiedToken::parse(&view.token)
        .map_err(|fault| Fault::not_good(fault).next("`satstile token inspect` says more about it."))?;
    let wanted = caveats(args, view, now)?;
    if wanted.is_empty() {
        return Err(Fault::usage("narrower in what?").next("For example: --expires 10m, or --methods GET"));
    }
    let mut so_far = view.caveats.clone();
    for (option, caveat) in wanted {
        so_far.push(caveat.clone().into_bytes());
        check(&so_far, &caveat).map_err(|why| {
            Fault::not_good(format!("{option}: {why}"))
                .next("A holder can only narrow a token; `satstile token inspect` shows what it permits.")
        })?;
        token = token.attenuate(&caveat).map_err(Fault::not_good)?;
    }
    Ok(token)
}

/// Which caveats the options stand for, each with the option's name.
fn caveats(args: &Args, view: &View, now: UnixTime) -> Result<Vec<(&'static str, String)>, Fault> {
    let mut wanted = Vec::new();
    // First, because a limit is named by the caveats before it: two children that differ in one of these have limits of
    // their own.
    for caveat in &args.caveat {
        if !caveat.contains('=') || caveat.chars().any(char::is_control) {
            return Err(Fault::usage("--caveat takes `name=value`"));
        }
        wanted.push(("--caveat", caveat.clone()));
    }
    if !args.service.is_empty() {
        let tier = |name: &String| {
            let listed = view.last("services").into_iter().flat_map(|list| list.split(','));
            let same = listed.filter_map(|entry| entry.split_once(':')).find(|(known, _)| known == name);
            same.map_or_else(|| format!("{name}:0"), |(name, tier)| format!("{name}:{tier}"))
        };
        let list: Vec<String> = args.service.iter().map(tier).collect();
        wanted.push(("--service", format!("services={}", list.join(","))));
    }
    if let Some(route) = &args.route {
        wanted.push(("--route", format!("satstile_route={}", route_id(route)?)));
    }
    if let Some(when) = &args.expires {
        let at = moment(when, now)?;
        let named: Vec<&str> = view.last("services").into_iter().flat_map(|list| list.split(',')).collect();
        let services = named.iter().map(|entry| entry.split(':').next().unwrap_or(entry));
        let services: Vec<&str> = if args.service.is_empty() {
            services.collect()
        } else {
            args.service.iter().map(String::as_str).collect()
        };
        if services.is_empty() {
            return Err(Fault::not_good("--expires: the token names no service, so no expiry can be bound to it")
                .next("Ask its seller which caveat ends a token there, and add it with --caveat."));
        }
        wanted.extend(services.iter().map(|service| ("--expires", format!("{service}_valid_until={}", at.0))));
    }
    if let Some(methods) = &args.methods {
        let upper = methods.to_ascii_uppercase();
        let methods = Methods::listed(&upper)
            .ok_or_else(|| Fault::usage("--methods: any of GET HEAD POST PUT PATCH DELETE, with commas"))?;
        wanted.push(("--methods", format!("satstile_methods={methods}")));
    }
    if let Some(uses) = args.uses {
        wanted.push(("--uses", format!("satstile_uses={uses}")));
    }
    if let Some(sats) = args.budget_sats {
        let msat = sats.checked_mul(1_000).ok_or_else(|| Fault::usage("--budget-sats: that is more than there is"))?;
        wanted.push(("--budget-sats", format!("satstile_budget_msat={msat}")));
    }
    Ok(wanted)
}

/// Whether the caveats so far can all hold at once: what the seller will ask, with the last one as the demand.
fn check(caveats: &[Vec<u8>], last: &str) -> Result<(), String> {
    if last == ATTESTED {
        return Err(format!("`{last}` is the seller's to add: by anybody else it makes the preimage useless"));
    }
    let bytes = || caveats.iter().map(Vec::as_slice);
    let newest = |name: &str| {
        caveats.iter().rev().find_map(|c| std::str::from_utf8(c).ok()?.strip_prefix(name)?.strip_prefix('='))
    };
    let methods = newest("satstile_methods").and_then(Methods::listed).unwrap_or(Methods::ANY);
    let names = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let method = names.iter().filter_map(|name| Methods::one(name)).find(|one| methods.contains(*one));
    let service = newest("services").and_then(|list| list.split(':').next()).unwrap_or_default();
    let demand = Demand {
        deployment: caveat::value(bytes(), "satstile_aud").unwrap_or_default(),
        service,
        route: caveat::value(bytes(), "satstile_route").unwrap_or_default(),
        method: method.unwrap_or(Methods::NONE),
        allow_attested: true,
        now: UnixTime(0),
    };
    // A seller counts so many limits a token and no more.
    if let Err(Denial::TooManyCaps) = Chain::of(bytes()) {
        return Err(format!("`{last}`: {}", Denial::TooManyCaps));
    }
    match caveat::clear(bytes(), &demand) {
        // A token of another seller lacks what ours require; what it has must still narrow.
        Ok(_) | Err(Denial::MissingCaveat) => Ok(()),
        Err(Denial::WidenedCaveat | Denial::OtherRoute) => {
            Err(format!("`{last}` is wider than, or beside, what the token permits"))
        }
        Err(Denial::UnknownCaveat) => Err(format!("`{last}` is not a caveat that a Satstile understands")),
        Err(other) => Err(format!("`{last}`: {other}")),
    }
}

/// An id as it is, or the id of a pattern.
fn route_id(text: &str) -> Result<String, Fault> {
    if text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(text.to_owned());
    }
    Route::parse("--route", text, &[], Access::Free).map(|route| route.id).map_err(|fault| Fault::usage(fault.reason))
}

/// A moment: from now on, or absolute.
fn moment(text: &str, now: UnixTime) -> Result<UnixTime, Fault> {
    let wrong = || Fault::usage("--expires takes 30s, 10m, 2h, 7d, a Unix time, or 2030-03-17T17:46:40Z");
    if let Some(at) = UnixTime::from_rfc3339(text).or_else(|| UnixTime::from_decimal(text)) {
        if at <= now {
            return Err(Fault::usage("--expires: that has passed already"));
        }
        return Ok(at);
    }
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count = text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok()).filter(|count| *count > 0);
    let seconds = count.and_then(|count| count.checked_mul(seconds)).ok_or_else(wrong)?;
    Ok(now.plus(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINTED: [&str; 5] = [
        "services=api:0,dear:2",
        "api_valid_until=1900000600",
        "satstile_aud=demo",
        "satstile_methods=GET,HEAD,POST",
        "satstile_uses=9",
    ];

    #[track_caller]
    fn narrows(caveat: &str, ending: bool) {
        let mut all: Vec<Vec<u8>> = MINTED.iter().map(|c| c.as_bytes().to_vec()).collect();
        all.push(caveat.as_bytes().to_vec());
        assert_eq!(check(&all, caveat).is_ok(), ending, "{caveat}");
    }

    #[test]
    fn only_what_is_narrower_passes() {
        for caveat in [
            "services=api:0",
            "services=dear:2",
            "api_valid_until=1900000600",
            "api_valid_until=1",
            "satstile_methods=GET",
            "satstile_uses=9",
            "satstile_budget_msat=1",
            "satstile_route=0123456789abcdef",
            "colour=red",
        ] {
            narrows(caveat, true);
        }
        for caveat in [
            "services=other:0",
            "services=dear:1",
            "api_valid_until=1900000601",
            "satstile_methods=GET,DELETE",
            "satstile_uses=10",
            "satstile_uses=-1",
            "satstile_aud=other",
            "satstile_colour=red",
        ] {
            narrows(caveat, false);
        }
    }

    #[test]
    fn sixteen_limits_fit_into_a_token_and_no_more() {
        let limits = |n: usize| vec![b"satstile_uses=3".to_vec(); n];
        assert_eq!(check(&limits(16), "satstile_uses=3"), Ok(()));
        let why = check(&limits(17), "satstile_uses=3").unwrap_err();
        assert_eq!(why, "`satstile_uses=3`: the token has more than 16 limits on its uses");
    }

    #[test]
    fn a_moment_is_relative_or_absolute_and_in_the_future() {
        let now = UnixTime(1_900_000_000);
        for (text, at) in [("30s", 30), ("10m", 600), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(moment(text, now).unwrap(), now.plus(at), "{text}");
        }
        assert_eq!(moment("1900000001", now).unwrap().0, 1_900_000_001);
        assert_eq!(moment("2030-03-17T17:46:41Z", now).unwrap().0, 1_900_000_001);
        for text in ["", "m", "0m", "-1m", "10", "1900000000", "ten minutes", "99999999999999999999d", "10ä"] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_route_is_named_by_pattern_or_id() {
        assert_eq!(route_id("/articles/*").unwrap().len(), 16);
        assert_eq!(route_id("0123456789abcdef").unwrap(), "0123456789abcdef");
        assert!(route_id("articles").is_err() && route_id("/a?b").is_err());
    }
}
