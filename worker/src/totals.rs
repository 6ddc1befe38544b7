//! Counting for the operator without a write for each request: an isolate gathers, then adds once a second.

use std::cell::RefCell;

use core::cell::Cell;
use core::time::Duration;

use worker::{Context, Date, Delay, Env};

use crate::log;
use crate::objects::{Counts, ask, binding};

thread_local! {
    static GATHERED: RefCell<Vec<(String, Counts)>> = RefCell::default();
    static TURN_MS: Cell<u64> = const { Cell::new(0) };
}

const TURN_LASTS_MS: u64 = 5_000;

/// Adds to one service's counts, soon.
pub fn count(env: &Env, ctx: &Context, service: &str, add: impl FnOnce(&mut Counts)) {
    GATHERED.with_borrow_mut(|all| match all.iter_mut().find(|(name, _)| name == service) {
        Some((_, counts)) => add(counts),
        None => {
            let mut counts = Counts::default();
            add(&mut counts);
            all.push((service.to_owned(), counts));
        }
    });
    let now_ms = Date::now().as_millis();
    // Whoever was to add may have been dropped by the runtime, so the turn passes on after a while.
    if now_ms.saturating_sub(TURN_MS.get()) >= TURN_LASTS_MS {
        TURN_MS.set(now_ms);
        let env = env.clone();
        ctx.wait_until(async move {
            Delay::from(Duration::from_secs(1)).await;
            TURN_MS.set(0);
            for (service, counts) in GATHERED.with_borrow_mut(core::mem::take) {
                if let Err(error) = ask::<Counts>(&env, binding::TOTALS, &service, "add", &counts).await {
                    log::failed("totals", &error.to_string());
                }
            }
        });
    }
}

/// What one service has seen so far.
pub async fn read(env: &Env, service: &str) -> worker::Result<Counts> {
    ask(env, binding::TOTALS, service, "read", &()).await
}
