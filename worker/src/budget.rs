//! May another invoice be asked for? Per client, altogether, and at the same time (T58, T129, C13).

use core::cell::{Cell, RefCell};

use l402::decide::Place;
use l402::policy::Policy;
use l402::problem::Refusal;
use worker::{Date, Env, Request};

use crate::objects::{Lease, Leased, ask, binding};
use crate::{client, log};

/// How many of the global budget an isolate takes at a time.
const BLOCK: u32 = 20;
/// How long an isolate may keep what it took, in milliseconds.
const BLOCK_MS: u64 = 10_000;
/// Longer than any deadline of the relay, in milliseconds.
const STALE_MS: u64 = 15_000;

thread_local! {
    static LEFT: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
    static IN_FLIGHT: RefCell<Vec<(u64, u64)>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Permission to ask for one invoice; held while the node works on it.
pub struct Permit(u64);

impl Permit {
    /// One of `limit`. The runtime drops the event of a client that hangs up without a word to us, so
    /// a permit older than any deadline counts as given back.
    fn take(limit: u32) -> Option<Self> {
        let now_ms = Date::now().as_millis();
        IN_FLIGHT.with_borrow_mut(|held| {
            held.retain(|(_, since_ms)| now_ms.saturating_sub(*since_ms) < STALE_MS);
            if held.len() >= limit as usize {
                return None;
            }
            let id = NEXT.replace(NEXT.get() + 1);
            held.push((id, now_ms));
            Some(Self(id))
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        IN_FLIGHT.with_borrow_mut(|held| held.retain(|(id, _)| *id != self.0));
    }
}

/// Takes one from each budget. An unreachable budget says no.
pub async fn take(env: &Env, policy: &Policy, place: &Place, request: &Request) -> Result<Permit, Refusal<'static>> {
    let limits = policy.budgets;
    let client = format!("client:{}", client::key(policy, request));
    let mine = lease(env, &client, Lease { per_minute: limits.per_client_per_min, want: 1 }).await?;
    if mine.granted == 0 {
        return Err(Refusal::TooManyInvoices(mine.retry_after_s.max(1)));
    }
    if let Some(name) = foreign_site(place, request) {
        let theirs = lease(env, &name, Lease { per_minute: limits.per_origin_per_min, want: 1 }).await?;
        if theirs.granted == 0 {
            return Err(Refusal::TooManyInvoices(theirs.retry_after_s.max(1)));
        }
    }
    // After the client's own budget, or one client in a hurry would take all the places.
    let permit = Permit::take(limits.in_flight).ok_or(Refusal::Unavailable(1))?;
    let now_ms = Date::now().as_millis();
    let (left, until_ms) = LEFT.get();
    if left > 0 && now_ms < until_ms {
        LEFT.set((left - 1, until_ms));
        return Ok(permit);
    }
    let all = lease(env, "global", Lease { per_minute: limits.global_per_min, want: BLOCK }).await?;
    if all.granted == 0 {
        return Err(Refusal::Unavailable(all.retry_after_s.max(1)));
    }
    LEFT.set((all.granted - 1, now_ms + BLOCK_MS));
    Ok(permit)
}

/// The bucket of another site whose page asks through all of its visitors (T119).
fn foreign_site(place: &Place, request: &Request) -> Option<String> {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    match header("origin") {
        // By a hash: origins are long, and strangers name them.
        Some(origin) => (!place.is_home(&origin)).then(|| format!("origin:{}", client::digest(&origin))),
        // What a page embeds, a picture for one, does not say which page it was: all of these share one.
        None => {
            let is_embedded = header("sec-fetch-site").as_deref() == Some("cross-site")
                && header("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
            is_embedded.then(|| "origin:none".to_owned())
        }
    }
}

async fn lease(env: &Env, name: &str, lease: Lease) -> Result<Leased, Refusal<'static>> {
    ask(env, binding::MINT_BUDGET, name, "lease", &lease).await.map_err(|error| {
        log::failed("mint budget", &error.to_string());
        Refusal::Unavailable(1)
    })
}
