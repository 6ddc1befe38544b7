//! Stacks of the demo that stories lend each other, because starting one takes longer than most stories. A story has its
//! stack for itself as long as its [`Turn`] lasts; as many are running as stories want one at the same time.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use satstile_tests::Stack;
use serde_json::json;

use super::{first_break, plenty};

/// What nobody has at the moment, and how many somebody has.
struct Pool {
    idle: Vec<Stack>,
    lent: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), lent: 0 });

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stack for one test at a time: its origin has seen nothing yet, its budgets are never the subject.
pub struct Turn {
    /// There from its start to the end of the turn.
    stack: Option<Stack>,
    log_before: usize,
}

impl Deref for Turn {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        self.stack.as_ref().expect("a turn has its stack until it ends")
    }
}

impl Drop for Turn {
    /// Gives the stack back. No story may end with an exception that nobody caught: somebody's request was dropped with
    /// it. Where a story has failed, its stack ends with it, and so does every idle one once nobody has one: a `static`
    /// would never be dropped.
    fn drop(&mut self) {
        let log = self.stack.as_ref().map(|stack| stack.workerd.log()).unwrap_or_default();
        let broken = first_break(&log[self.log_before.min(log.len())..]);
        let failed = std::thread::panicking();
        let mut stacks = Vec::from_iter(self.stack.take());
        {
            let mut pool = pool();
            pool.lent -= 1;
            if !failed && broken.is_none() {
                pool.idle.append(&mut stacks);
            }
            if pool.lent == 0 {
                stacks.append(&mut pool.idle);
            }
        }
        drop(stacks); // stopping them takes a moment, in which others may have a turn
        assert!(failed || broken.is_none(), "the worker broke: {}", broken.unwrap_or_default());
    }
}

/// A stack of the demo with [`plenty`] of everything, for a turn. Another test may have used it before.
pub fn shared() -> Turn {
    let idle = {
        let mut pool = pool();
        pool.lent += 1;
        pool.idle.pop()
    };
    // First the turn, so that it ends when the stack cannot be started.
    let mut turn = Turn { stack: None, log_before: 0 };
    let stack = turn.stack.insert(idle.unwrap_or_else(|| Stack::start(plenty(json!({})))));
    stack.origin.clear();
    turn.log_before = stack.workerd.log().len();
    turn
}
