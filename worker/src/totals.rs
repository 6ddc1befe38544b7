//! Counting for the operator without a write for each request: an isolate gathers, then adds once a second.

use std::cell::RefCell;

use core::cell::Cell;
use core::time::Duration;

use worker::{Context, Date, Delay, Env};

use crate::objects::{Counts, ask, binding};
use crate::platform::log;

thread_local! {
    static GATHERED: RefCell<Vec<(String, Counts)>> = RefCell::default();
    static TURN_MS: Cell<u64> = const { Cell::new(0) };
}

const TURN_LASTS_MS: u64 = 5_000;

/// Adds to one service's counts, soon.
pub fn count(env: &Env, ctx: &Context, service: &str, add: impl FnOnce(&mut Counts)) {
    gather(service, add);
    if is_due() {
        write_soon(env, ctx);
    }
}

/// Adds to one service's counts, to be written by whoever finds that [`is_due`].
pub fn gather(service: &str, add: impl FnOnce(&mut Counts)) {
    GATHERED.with_borrow_mut(|all| match all.iter_mut().find(|(name, _)| name == service) {
        Some((_, counts)) => add(counts),
        None => {
            let mut counts = Counts::default();
            add(&mut counts);
            all.push((service.to_owned(), counts));
        }
    });
}

/// Whether it is nobody's turn to write. Whoever had it may have been dropped by the runtime, so it passes on after a
/// while.
pub fn is_due() -> bool {
    Date::now().as_millis().saturating_sub(TURN_MS.get()) >= TURN_LASTS_MS
}

/// Takes the turn, and writes in a second what was gathered until then.
pub fn write_soon(env: &Env, ctx: &Context) {
    TURN_MS.set(Date::now().as_millis());
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

/// What one service has seen so far.
pub async fn read(env: &Env, service: &str) -> worker::Result<Counts> {
    ask(env, binding::TOTALS, service, "read", &()).await
}
