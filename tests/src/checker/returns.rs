//! A payer whose purchase failed takes the money back, as an LNURL wallet does (LUD-03): reads the link, brings an invoice,
//! at times two at once (T91), and another one when the first could not be paid (T92).

use std::time::Instant;

use satstile_lightning::lnurl::{Loopback, bech32};
use serde_json::Value;

use super::bank::{Edge, REFUNDED};
use super::compare::Findings;
use super::log::{Grant, Log, lock};
use super::orders::{Bill, Fate, Refund};
use super::pace::{SHUT, in_time};
use super::wire::{self, Heard};

/// Where who has the credential is told the link again.
const ASK: &str = "/.well-known/satstile/refund";
/// So often an invoice is brought again when nothing was heard.
const AGAIN: u32 = 20;

/// Hears what an answer says of a refund.
pub fn hear(refund: &mut Refund, body: &[u8]) {
    let Ok(told) = serde_json::from_slice::<Value>(body) else { return };
    refund.is_owed |= told["error_code"].is_string();
    refund.hear(&told["refund"]);
}

/// Reads the link and brings these invoices, all at once.
pub fn collect(edge: &Edge, log: &Log, refund: &mut Refund, bills: Vec<Bill>) {
    let link = refund.link.as_deref().and_then(|link| bech32::decode(link, Loopback::Allowed).ok());
    let Some(target) = link.as_ref().and_then(|link| target_of(edge, link.as_str())) else { return };
    let Ok(offer) = get(edge, log, &target) else { return };
    let text = |key: &str| offer[key].as_str().map(str::to_owned);
    let (Some(callback), Some(k1)) = (text("callback"), text("k1")) else { return };
    for bound in ["minWithdrawable", "maxWithdrawable"] {
        let sats = offer[bound].as_u64().unwrap_or(0) / 1_000;
        let told = (refund.promises.first().map_or_else(String::new, |(id, _)| id.clone()), sats);
        if !refund.promises.contains(&told) {
            refund.promises.push(told);
        }
    }
    let Some(callback) = target_of(edge, &callback) else { return };
    std::thread::scope(|scope| {
        for bill in &bills {
            let target = format!("{callback}?k1={k1}&pr={}", bill.bolt11);
            scope.spawn(move || {
                for n in 0..AGAIN {
                    if n > 0 {
                        log.retried(true);
                    }
                    if get(edge, log, &target).is_ok() {
                        return;
                    }
                    std::thread::sleep(SHUT);
                }
            });
        }
    });
    refund.claims.extend(bills);
}

/// Brings every refund to its end: the link is asked for again, and claimed until it was paid.
pub fn finish(edge: &Edge, log: &Log, deadline: Instant) -> Findings {
    let mut found = Findings::default();
    let mut grants = lock(&log.grants);
    for grant in grants.iter_mut().filter(|grant| grant.path == REFUNDED && !grant.refund.is_claimed) {
        if !in_time(deadline, || told(edge, log, grant)) {
            found.lost.push(format!("grant {}: nobody says whether it is given back", grant.name));
            continue;
        }
        let refund = &mut grant.refund;
        if refund.promises.is_empty() {
            if refund.is_owed {
                found.lost.push(format!("grant {}: failed for good, and is not given back", grant.name));
            }
            continue;
        }
        let paid = in_time(deadline, || {
            let status = refund.status_url.as_deref().and_then(|url| target_of(edge, url));
            refund.is_claimed = get(edge, log, &status?).ok()?["status"] == "claimed";
            if !refund.is_claimed {
                let bill = edge.bill(refund.promised_msat() / 1_000, Fate::Paid)?;
                collect(edge, log, refund, vec![bill]);
            }
            refund.is_claimed.then_some(())
        });
        if !paid {
            found.lost.push(format!("grant {}: its refund pays nobody", grant.name));
        }
    }
    drop(grants);
    found
}

/// Asks with the credential: a refund, or that there is none.
fn told(edge: &Edge, log: &Log, grant: &mut Grant) -> Option<()> {
    let fields = [("Authorization", grant.credential.as_str())];
    let (heard, response) = wire::send(edge.worker, "POST", ASK, &fields, b"");
    log.count(heard);
    match heard {
        Heard::Whole(200) => {
            grant.refund.hear(&serde_json::from_slice(&response?.body).ok()?);
            (!grant.refund.promises.is_empty()).then_some(())
        }
        Heard::Whole(404) => Some(()),
        _ => None,
    }
}

fn get(edge: &Edge, log: &Log, target: &str) -> Result<Value, Heard> {
    let answer = wire::json(edge.worker, "GET", target, None, None);
    log.count(answer.as_ref().map_or_else(|heard| *heard, |_| Heard::Whole(200)));
    answer
}

/// What stands behind the edge's own name in a URL.
fn target_of(edge: &Edge, url: &str) -> Option<String> {
    url.strip_prefix(&format!("http://{}", edge.worker)).map(str::to_owned)
}
