//! May another invoice be asked for? Per client, altogether, and at the same time (T58, T129, C13).

use core::cell::{Cell, RefCell};

use l402::by_name::ByName;
use l402::decide::Place;
use l402::policy::Policy;
use l402::problem::Refusal;
use worker::{Date, Env, Request};

use crate::invoices::client;
use crate::objects::{Lease, Leased, Turn, ask, binding};
use crate::platform::log;

/// The object that counts for all clients together.
const GLOBAL: &str = "global";
/// How many of a budget an isolate takes at a time, at most.
const BLOCK: u32 = 20;
/// Of a smaller budget, this part: what an isolate holds and does not use is lost to the others.
const BLOCK_PART: u32 = 12;
/// How long an isolate may keep what it took, in milliseconds.
const BLOCK_MS: u64 = 10_000;
/// How many budgets an isolate holds some of.
const HELD: usize = 1_000;
/// Longer than any deadline of the relay, in milliseconds.
const STALE_MS: u64 = 15_000;

thread_local! {
    static LEFT: RefCell<ByName<Block>> = RefCell::default();
    static IN_FLIGHT: RefCell<Vec<(u64, u64)>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// What an isolate took of a budget and has not used.
struct Block {
    left: u32,
    until_ms: u64,
}

impl Block {
    /// Takes one, if there is one.
    fn take(&mut self, now_ms: u64) -> bool {
        let has_one = self.unused(now_ms) > 0;
        self.left -= u32::from(has_one);
        has_one
    }

    /// What may still be used.
    fn unused(&self, now_ms: u64) -> u32 {
        if now_ms < self.until_ms { self.left } else { 0 }
    }
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
    take_ahead(env, policy, place, request).await?;
    // After the client's own budget, or one client in a hurry would take all the places.
    let permit = Permit::take(policy.budgets.in_flight).ok_or(Refusal::CannotSell(1))?;
    take_to_make(env, policy).await?;
    Ok(permit)
}

/// What a stranger may try, and no more often than the policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A preimage, a refund's link, a one-time link: what would be guessed (T64).
    Try,
    /// `status`.
    Status,
}

/// Counts one request at a door, of its client and of all together. Kept in memory, so that no stranger's value leaves
/// anything behind.
pub async fn knock(env: &Env, policy: &Policy, request: &Request, door: Door) -> Result<(), Refusal<'static>> {
    let limits = policy.budgets;
    let (name, of_one, of_all) = match door {
        Door::Try => ("tries", limits.tries_per_client_per_min, limits.tries_per_min),
        Door::Status => ("status", limits.status_per_client_per_min, limits.status_per_min),
    };
    let client = format!("{name}:{}", client::key(policy, request));
    take_one(env, GLOBAL, client, of_one).await?.map_err(Refusal::TooOften)?;
    take_one(env, GLOBAL, name.to_owned(), of_all).await?.map_err(Refusal::TooOften)
}

/// Whether the node may be asked about an invoice for this client now. Who cannot be counted has to wait.
pub async fn may_look(env: &Env, policy: &Policy, request: &Request) -> bool {
    let turn = Turn { client: client::key(policy, request), per_s: policy.budgets.lookups_per_s };
    let answer: worker::Result<Leased> = ask(env, binding::MINT_BUDGET, GLOBAL, "turn", &turn).await;
    answer.map(|leased| leased.granted > 0).unwrap_or_else(|error| {
        log::failed("look-up budget", &error.to_string());
        false
    })
}

/// For an invoice that is there already: the client's budget and its site's. Making it was counted when it was made.
pub async fn take_ahead(env: &Env, policy: &Policy, place: &Place, request: &Request) -> Result<(), Refusal<'static>> {
    let limits = policy.budgets;
    let client = format!("client:{}", client::key(policy, request));
    take_one(env, &client.clone(), client, limits.per_client_per_min).await?.map_err(Refusal::TooManyInvoices)?;
    if let Some(name) = foreign_site(place, request) {
        take_one(env, &name.clone(), name, limits.per_origin_per_min).await?.map_err(Refusal::TooManyInvoices)?;
    }
    Ok(())
}

/// What all invoices together are counted by, whoever they will be for (T58).
pub async fn take_to_make(env: &Env, policy: &Policy) -> Result<(), Refusal<'static>> {
    take_one(env, GLOBAL, GLOBAL.to_owned(), policy.budgets.global_per_min).await?.map_err(Refusal::CannotSell)
}

/// The same as [`take_ahead`] out of what this isolate holds, or nothing from any: then ask that, which may wait.
pub fn take_held(policy: &Policy, place: &Place, request: &Request) -> bool {
    let names = [Some(format!("client:{}", client::key(policy, request))), foreign_site(place, request)];
    let now_ms = Date::now().as_millis();
    LEFT.with_borrow_mut(|held| {
        let all_have = names.iter().flatten().all(|name| held.get(name).is_some_and(|block| block.unused(now_ms) > 0));
        all_have && names.iter().flatten().all(|name| held.get_mut(name).is_some_and(|block| block.take(now_ms)))
    })
}

/// One of a budget, out of the block that this isolate holds, or of a new one of this object; or the seconds until there may
/// be one.
async fn take_one(env: &Env, object: &str, name: String, per_minute: u32) -> Result<Result<(), u64>, Refusal<'static>> {
    let now_ms = Date::now().as_millis();
    let is_held = LEFT.with_borrow_mut(|held| held.get_mut(&name).is_some_and(|block| block.take(now_ms)));
    if is_held {
        return Ok(Ok(()));
    }
    let want = (per_minute / BLOCK_PART).clamp(1, BLOCK);
    let leased: Leased =
        ask(env, binding::MINT_BUDGET, object, "lease", &Lease { bucket: name.clone(), per_minute, want })
            .await
            .map_err(|error| {
                log::failed("mint budget", &error.to_string());
                Refusal::CannotSell(1)
            })?;
    let Some(left) = leased.granted.checked_sub(1) else { return Ok(Err(leased.retry_after_s.max(1))) };
    if left > 0 {
        LEFT.with_borrow_mut(|held| {
            if held.len() >= HELD {
                held.retain(|block| block.unused(now_ms) > 0);
            }
            if let Some(block) = held.get_mut(&name) {
                // Of several who asked at the same time, all were given.
                *block = Block { left: block.unused(now_ms).saturating_add(left), until_ms: now_ms + BLOCK_MS };
            } else if held.len() < HELD {
                held.insert(&name, Block { left, until_ms: now_ms + BLOCK_MS });
            }
        });
    }
    Ok(Ok(()))
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
