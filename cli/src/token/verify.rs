//! `satstile token verify`: does a credential hold? Fully with the operator's keys, in part without.

use l402::caveat::{self, Demand};
use l402::credential::UnverifiedL402;
use l402::encoding::to_base64;
use l402::route::Methods;
use l402::token::UnverifiedToken;
use l402::{Denial, Keys, Msat, UnixTime};
use serde_json::json;

use super::view::{View, pasted};
use crate::clock::now;
use crate::fault::{Exit, Fault};
use crate::say::{Say, Tone, moment};

/// Checks a credential: signature, payment, caveats
///
/// With --keys-env this is the check of the edge, step by step; the keys never leave this machine and are never printed.
/// Without it the signature cannot be checked by anybody, but whether the preimage fits, and whether the token has ended,
/// can. Ends with 1 when a check fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile token verify AgEI…:ab12…
  MASTER_KEYS=1:… satstile token verify AgEI…:ab12… --keys-env MASTER_KEYS --method GET --service api")]
pub struct Args {
    /// The credential, TOKEN:PREIMAGE; - for stdin
    token: String,
    /// The environment variable with the operator's master keys, as the worker has them
    #[arg(long, value_name = "NAME")]
    keys_env: Option<String>,
    /// As if for this service [default: the one it names]
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// As if at this deployment [default: the one it names]
    #[arg(long, value_name = "NAME")]
    deployment: Option<String>,
    /// As if for this method
    #[arg(long, default_value = "GET")]
    method: String,
}

/// Runs the command.
pub fn run(args: &Args, say: &Say) -> Result<Exit, Fault> {
    let pasted = pasted(&super::given(&args.token)?)?;
    let (view, now) = (&pasted.view, now());
    let mut checks: Vec<(&str, Result<String, String>)> = Vec::new();

    let form = UnverifiedToken::parse(&view.token);
    checks.push(("form", form.as_ref().map(|_| "canonical, version 0".to_owned()).map_err(ToString::to_string)));
    let paid = match &pasted.preimage {
        None => Err("no preimage was given, and a token alone opens nothing".to_owned()),
        Some(_) if view.takes_attestation() => {
            Ok("attested: only the operator's keys can tell, see credential".to_owned())
        }
        Some(preimage) if Some(preimage.payment_hash()) == view.payment_hash() => Ok("its invoice was paid".to_owned()),
        Some(_) => Err(Denial::WrongPreimage.to_string()),
    };
    checks.push(("preimage", paid));
    if let Some(name) = &args.keys_env {
        let keys = keys(name)?;
        if let Ok(token) = form {
            checks.push(("signature", signature(token, &keys)));
        }
        if let Some(preimage) = &pasted.preimage {
            let credential = format!("{}:{}", view.token, preimage.expose_hex());
            // The whole of it in the order of the edge, so that nothing is good here and refused there.
            let verified = UnverifiedL402::parse(&credential).map_err(|fault| fault.to_string());
            let verified = verified.and_then(|l402| l402.verify(&keys).map_err(|denial| denial.to_string()));
            checks.push(("credential", verified.map(|_| "what the edge checks first holds".to_owned())));
        }
    }
    checks.push(("caveats", caveats(args, view, now)?));

    let good = checks.iter().all(|(_, outcome)| outcome.is_ok());
    if say.json {
        let checks = checks.iter().map(|(name, outcome)| {
            let text = outcome.as_ref().unwrap_or_else(|why| why);
            json!({"check": name, "ok": outcome.is_ok(), "says": text})
        });
        let checks: Vec<_> = checks.collect();
        say.document(&json!({"ok": good, "signature_checked": args.keys_env.is_some(), "checks": checks}));
    } else {
        for (name, outcome) in &checks {
            let (mark, text) = match outcome {
                Ok(text) => (say.paint(Tone::Good, "ok  "), text),
                Err(why) => (say.paint(Tone::Bad, "FAIL"), why),
            };
            say.out(&format!("{mark}  {name:<10}  {text}"));
        }
        if args.keys_env.is_none() {
            say.out(&format!(
                "{}  signature   not checked: only the operator can, with --keys-env",
                say.paint(Tone::Odd, "—   ")
            ));
        }
    }
    Ok(if good { Exit::Ok } else { Exit::NotGood })
}

fn signature(token: UnverifiedToken, keys: &Keys) -> Result<String, String> {
    match token.verify(keys) {
        Ok(token) if token.is_retired => Err(Denial::KeyRetired.to_string()),
        Ok(_) => Ok("made with one of these keys, and unchanged".to_owned()),
        Err(denial) => Err(denial.to_string()),
    }
}

/// Whether the caveats permit the request that was described, now.
fn caveats(args: &Args, view: &View, now: UnixTime) -> Result<Result<String, String>, Fault> {
    let method = Methods::one(&args.method.to_ascii_uppercase())
        .ok_or_else(|| Fault::usage("--method: one of GET HEAD POST PUT PATCH DELETE"))?;
    let demand = Demand {
        deployment: args.deployment.as_deref().or_else(|| view.last("satstile_aud")).unwrap_or_default(),
        service: args.service.as_deref().or_else(|| view.service()).unwrap_or_default(),
        route: view.last("satstile_route").unwrap_or_default(),
        method,
        // Whether the service takes that, its policy says; the token itself does not.
        allow_attested: true,
        now,
    };
    let terms = match caveat::clear(view.bytes(), &demand) {
        Ok(terms) => terms,
        // Other sellers ask for less than a Satstile does; what their tokens say is still looked at.
        Err(Denial::MissingCaveat) => {
            return Ok(match view.valid_until() {
                Some(until) if until <= now => Err(Denial::Expired.to_string()),
                _ if args.keys_env.is_some() => Err(Denial::MissingCaveat.to_string()),
                Some(until) => Ok(format!("another seller's than a Satstile; ends {}", moment(now, until))),
                None => Ok("another seller's than a Satstile; names no end that is read here".to_owned()),
            });
        }
        Err(denial) => return Ok(Err(denial.to_string())),
    };
    let mut words = vec![format!(
        "{} on {}, ends {}",
        args.method.to_ascii_uppercase(),
        demand.service,
        moment(now, terms.valid_until)
    )];
    if let Some(uses) = terms.uses {
        words.push(format!("{uses} answers in all (how many are left, the seller knows)"));
    }
    if let Some(budget) = terms.budget_msat {
        words.push(format!("{} in all", Msat(budget)));
    }
    Ok(Ok(words.join("; ")))
}

/// The operator's keys. What they sign besides tokens is of no use here, so that secret is made up.
fn keys(name: &str) -> Result<Keys, Fault> {
    let text = std::env::var(name).map_err(|_| {
        Fault::usage(format!("there is no environment variable {name}"))
            .next("It takes a name, not the keys: --keys-env MASTER_KEYS")
    })?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Fault::not_good(format!("no randomness: {error}")))?;
    Keys::parse(&text, &to_base64(&random)).map_err(Fault::usage)
}
