//! One at a time for each id: a message that comes twice at once makes one invoice, and the second finds its answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The ids that somebody works on.
#[derive(Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>);

/// Held while one works on an id.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    id: String,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits until nobody else works on this id.
    pub(crate) async fn enter(&self, id: &str) -> Turn<'_> {
        let lock = Arc::clone(self.lock().entry(id.to_owned()).or_default());
        Turn { turns: self, id: id.to_owned(), guard: Some(lock.lock_owned().await) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.turns.lock();
        drop(self.guard.take());
        // Ours and the map's: nobody waits.
        if turns.get(&self.id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            turns.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_works_on_an_id_while_the_others_wait_and_nothing_is_left_behind() {
        let (turns, inside) = (Arc::new(Turns::default()), Arc::new(AtomicU32::new(0)));
        let work = |id: &'static str| {
            let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
            tokio::spawn(async move {
                let _turn = turns.enter(id).await;
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
            })
        };
        for task in [work("a"), work("a"), work("a")] {
            task.await.unwrap();
        }
        let (_a, _b) = (turns.enter("a").await, turns.enter("b").await); // two ids, both at once
        assert_eq!(turns.lock().len(), 2);
        drop((_a, _b));
        assert!(turns.lock().is_empty());
    }
}
