//! Invoices made ahead, so that a 402 waits for no node (`pool` in the policy; off without it).
//!
//! They are in this isolate's memory and nowhere else: what is lost with it was shown to nobody, and runs out unpaid.
//! Each is handed out once (T21). Whoever takes one when there are few sees to it that more come, a moment later and
//! after the answer, so a crowd is served first. What is made is counted by the budget of all invoices, what is handed
//! out by that of its client (T58).

use core::time::Duration;
use std::cell::RefCell;
use std::collections::VecDeque;

use l402::UnixTime;
use l402::by_name::ByName;
use l402::policy::Service;
use worker::{Context, Date, Delay, Env};

use crate::config::gate::{self, Setup};
use crate::invoices::budget;
use crate::invoices::invoice;
use crate::invoices::order::{Made, Wanted};
use crate::platform::http;

/// How many are made after one answer: a platform lets one event make fifty requests.
const AT_ONCE: usize = 40;
/// They are made when this part of a pool is gone.
const GONE: usize = 4;
/// How long after the answer they are made.
const PAUSE: Duration = Duration::from_secs(1);
/// When those that were to come are given up, in milliseconds: the runtime may end what runs after an answer.
const STALE_MS: u64 = 30_000;
/// How many pools an isolate has, one for each service and host.
const POOLS_MAX: usize = 100;

thread_local! {
    static POOLS: RefCell<ByName<Pool>> = RefCell::default();
}

/// Of one service at one host.
#[derive(Default)]
struct Pool {
    /// The oldest first.
    ready: VecDeque<Made>,
    /// When how many were set off for.
    coming: Vec<(u64, usize)>,
}

impl Pool {
    /// Drops what a payer would have to hurry for: a half of the life that an invoice has must be left.
    fn drop_old(&mut self, expiry_s: u64, now: UnixTime) {
        while self.ready.front().is_some_and(|made| made.invoice.expires_at() < now.plus(expiry_s / 2)) {
            self.ready.pop_front();
        }
    }

    /// How many should be set off for now.
    fn wanted(&self, size: usize, now_ms: u64) -> usize {
        let coming = self.coming.iter().filter(|(since_ms, _)| now_ms.saturating_sub(*since_ms) < STALE_MS);
        let coming: usize = coming.map(|(_, count)| count).sum();
        let missing = size.saturating_sub(self.ready.len() + coming);
        if missing < (size / GONE).clamp(1, AT_ONCE) { 0 } else { missing.min(AT_ONCE) }
    }

    fn set_off(&mut self, count: usize, now_ms: u64) {
        self.coming.retain(|(since_ms, _)| now_ms.saturating_sub(*since_ms) < STALE_MS);
        self.coming.push((now_ms, count));
    }

    fn arrived(&mut self, since_ms: u64, count: usize) {
        if let Some(at) = self.coming.iter().position(|coming| *coming == (since_ms, count)) {
            self.coming.swap_remove(at);
        }
    }
}

/// One that is ready.
pub fn take(service: &Service, host: &str, expiry_s: u64) -> Option<Made> {
    service.pool?;
    POOLS.with_borrow_mut(|pools| {
        let pool = pools.get_mut(&name(service, host))?;
        pool.drop_old(expiry_s, http::now());
        pool.ready.pop_front()
    })
}

/// It was shown to nobody after all.
pub fn give_back(service: &Service, host: &str, made: Made) {
    in_pool(&name(service, host), |pool| pool.ready.push_front(made));
}

/// Changes a pool, which begins when it is first named.
fn in_pool(name: &str, change: impl FnOnce(&mut Pool)) {
    POOLS.with_borrow_mut(|pools| {
        if pools.get(name).is_none() {
            pools.insert(name, Pool::default());
        }
        if let Some(pool) = pools.get_mut(name) {
            change(pool);
        }
    });
}

/// How many should be made now.
pub fn wanted(service: &Service, host: &str) -> usize {
    let Some(size) = service.pool else { return 0 };
    let (name, now_ms) = (name(service, host), Date::now().as_millis());
    POOLS.with_borrow(|pools| match pools.get(&name) {
        None if pools.len() >= POOLS_MAX => 0,
        pool => pool.unwrap_or(&Pool::default()).wanted(usize::try_from(size).unwrap_or(0), now_ms),
    })
}

/// Sees to it that there will be enough.
pub fn refill(env: &Env, ctx: &Context, service: &Service, host: &str) {
    let count = wanted(service, host);
    if count == 0 {
        return;
    }
    let (name, since_ms) = (name(service, host), Date::now().as_millis());
    in_pool(&name, |pool| pool.set_off(count, since_ms));
    let (env, service, host) = (env.clone(), service.id.clone(), host.to_owned());
    ctx.wait_until(async move {
        Delay::from(PAUSE).await;
        for _ in 0..count {
            let Some(made) = make(&env, &service, &host).await else { break };
            in_pool(&name, |pool| pool.ready.push_back(made));
        }
        in_pool(&name, |pool| pool.arrived(since_ms, count));
    });
}

async fn make(env: &Env, service: &str, host: &str) -> Option<Made> {
    let setup = gate::current()?;
    let Setup::Ready(gate) = &*setup else { return None };
    budget::take_to_make(env, &gate.policy).await.ok()?;
    invoice::create(gate, &Wanted::grant(gate.policy.service_named(service)?, host)).await.ok()
}

/// The memo of an invoice may name the host.
fn name(service: &Service, host: &str) -> String {
    format!("{} {host}", service.id)
}
