//! What the clients know: every request that was sent, and what was heard of it. The books are held against this.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::meter::Act;
use super::orders::{Payout, Refund, Transfer};
use super::wire::Heard;

/// The most that one use may cost: the policy's `ceiling_msat`, and how many costs an account has.
pub const CEILING_MSAT: u64 = 40_000;
/// What a use costs when the origin says nothing; no use of ours says it.
pub const PRICE_MSAT: u64 = 10_000;
/// Shares no factor with the ceiling, so that the costs go through all numbers below it once, small and large in turn.
const STRIDE: u64 = 7_919;
/// So long before a kill an answer may have come whose use was not written down yet.
const LAST_WORDS: Duration = Duration::from_millis(1_500);
/// A client may read an answer out of its own buffer so long after the worker died.
const ECHO: Duration = Duration::from_millis(500);

/// A balance, as those who hold its token know it.
pub struct Account {
    /// Which, from 0.
    pub number: usize,
    /// As the operator asks the books for it, hex.
    pub id: String,
    /// The token that can do everything.
    pub token: RwLock<String>,
    /// Tokens that a rotation has ended, by an acknowledged answer.
    pub ended: Mutex<Vec<String>>,
    /// Who changes the token has this.
    pub changing: Mutex<()>,
    uses: AtomicU64,
}

impl Account {
    /// Of a token that was just claimed: `<prefix><base64url of key id, account, secret, seal>`.
    pub fn of(number: usize, token: String) -> Self {
        let bytes = token.split_once('_').and_then(|(_, text)| l402::encoding::base64_any(text));
        let id = bytes.and_then(|bytes| bytes.get(1..17).map(hex::encode)).unwrap_or_default();
        let (token, ended, changing, uses) =
            (RwLock::new(token), Mutex::default(), Mutex::default(), AtomicU64::new(0));
        Self { number, id, token, ended, changing, uses }
    }

    /// The token of the moment.
    pub fn token(&self) -> String {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the next use costs: no other use of this account costs the same. `None` when there is no such number left.
    pub fn next_cost(&self) -> Option<u64> {
        let cost = |n: u64| (n < CEILING_MSAT - 1).then(|| n * STRIDE % CEILING_MSAT);
        let next = || cost(self.uses.fetch_add(1, Ordering::SeqCst) + 1);
        next().and_then(|cost| if cost == PRICE_MSAT { next() } else { Some(cost) })
    }
}

/// A request paid by a balance.
#[derive(Clone, Debug)]
pub struct Use {
    /// [`Account::number`]
    pub account: usize,
    /// The same at the origin.
    pub tag: String,
    /// The same in the books.
    pub cost_msat: u64,
    /// What the origin was told to do.
    pub act: Act,
    /// What came back.
    pub heard: Heard,
    /// When.
    pub at: Instant,
}

/// A top-up whose order was answered.
#[derive(Clone, Debug)]
pub struct TopUp {
    /// The account that it refills, or that it made when it was claimed.
    pub account: Option<usize>,
    /// Hex; the same in the books.
    pub hash: String,
    /// What was asked.
    pub msat: u64,
    /// Proves who ordered it.
    pub secret: String,
    /// Hex, once the wallet has said that it paid.
    pub preimage: Option<String>,
    /// The edge has acknowledged the claim.
    pub is_claimed: bool,
}

/// A purchase that covers so many deliveries, and what became of them.
#[derive(Clone, Debug)]
pub struct Grant {
    /// For people.
    pub name: String,
    /// The path that it opens.
    pub path: &'static str,
    /// The whole credential.
    pub credential: String,
    /// How many deliveries were paid for.
    pub uses: usize,
    /// What was paid for it.
    pub msat: u64,
    /// Its payment hash, hex.
    pub hash: String,
    /// Every presentation.
    pub tries: Vec<Try>,
    /// What goes back, where it failed.
    pub refund: Refund,
    /// The edge has said that nothing is left of it.
    pub is_over: bool,
}

/// One presentation of a grant.
#[derive(Clone, Debug)]
pub struct Try {
    /// The same at the origin.
    pub tag: String,
    /// What the origin was told to do.
    pub act: Act,
    /// What came back; the best of it, where it was presented again under its `Idempotency-Key`.
    pub heard: Heard,
    /// What came back when it was presented again after a whole 200.
    pub again: Vec<Heard>,
    /// When.
    pub at: Instant,
}

/// Everything, by all clients together.
#[derive(Default)]
pub struct Log {
    /// In the order of [`Account::number`].
    pub accounts: RwLock<Vec<Arc<Account>>>,
    /// By balance.
    pub uses: Mutex<Vec<Use>>,
    /// In the order of their orders.
    pub topups: Mutex<Vec<TopUp>>,
    /// In the order of their purchases.
    pub grants: Mutex<Vec<Grant>>,
    /// In the order in which they were heard of.
    pub transfers: Mutex<Vec<Transfer>>,
    /// In the order in which they were heard of.
    pub payouts: Mutex<Vec<Payout>>,
    /// Requests that were sent again under their `Idempotency-Key`, and those of them whose answer was lost before.
    pub retries: [AtomicU64; 2],
    /// When the worker was killed.
    pub kills: Mutex<Vec<Instant>>,
    /// Requests that were sent.
    pub sent: AtomicU64,
    /// Of those, answered to the last byte.
    pub acknowledged: AtomicU64,
}

impl Log {
    /// A request and its end.
    pub fn count(&self, heard: Heard) {
        self.sent.fetch_add(1, Ordering::SeqCst);
        if matches!(heard, Heard::Whole(_)) {
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A request is sent again under its `Idempotency-Key`.
    pub fn retried(&self, was_lost: bool) {
        self.retries[0].fetch_add(1, Ordering::SeqCst);
        self.retries[1].fetch_add(u64::from(was_lost), Ordering::SeqCst);
    }

    /// All accounts so far.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A new one.
    pub fn open(&self, token: String) -> usize {
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let number = accounts.len();
        accounts.push(Arc::new(Account::of(number, token)));
        number
    }

    /// Whether the worker died so soon after this moment that what it had just said was perhaps not written down.
    pub fn died_after(&self, at: Instant) -> bool {
        lock(&self.kills).iter().any(|kill| *kill <= at + LAST_WORDS && at <= *kill + ECHO)
    }
}

/// The value, whoever panicked while holding it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_uses_cost_the_same_and_none_costs_the_price() {
        let account = Account::of(0, String::new());
        let costs: Vec<u64> = std::iter::from_fn(|| account.next_cost()).collect();
        let unique: HashSet<_> = costs.iter().collect();
        assert_eq!((costs.len(), unique.len()), (39_997, 39_997));
        assert!(costs.iter().all(|cost| (1..CEILING_MSAT).contains(cost) && *cost != PRICE_MSAT));
    }

    #[test]
    fn only_an_answer_close_to_a_kill_may_have_been_forgotten() {
        let (log, now) = (Log::default(), Instant::now() + Duration::from_secs(60));
        lock(&log.kills).push(now);
        assert!(log.died_after(now - LAST_WORDS) && log.died_after(now + ECHO));
        let step = Duration::from_millis(1);
        assert!(!log.died_after(now - LAST_WORDS - step) && !log.died_after(now + ECHO + step));
    }
}
