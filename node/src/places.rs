//! Who has a place at the webhook's door (T59). Strangers can open connections and say nothing; the worker must get in
//! all the same.
//!
//! A connection is *proven* while a signed message on it is answered, and until the next one begins. Proven ones keep their
//! places. Of the others there are so many for each address and so many in all, and when those are taken the one that has
//! waited longest goes: the worker's messages are whole within milliseconds, and nobody can wait as briefly and still be in
//! the way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Unproven connections of one address.
const PER_ADDRESS: usize = 32;
/// Unproven connections in all.
const UNPROVEN: usize = 192;
/// Connections in all. The rest of them is there for proven ones.
const ALL: usize = 512;
/// Within this time nobody is sent away, or a burst of honest messages would send away each other; but for [`ALL`].
const GRACE: Duration = Duration::from_secs(1);

/// All connections of a listener.
#[derive(Default)]
pub(crate) struct Places(Mutex<Held>);

#[derive(Default)]
struct Held {
    next: u64,
    by_id: BTreeMap<u64, Seat>,
}

struct Seat {
    address: IpAddr,
    /// Since when it has not proven itself; `None` while it is proven.
    unproven: Option<Instant>,
    gone: Arc<Notify>,
}

/// One connection's place, given back when it is dropped.
pub(crate) struct Place {
    id: u64,
    places: Arc<Places>,
    gone: Arc<Notify>,
}

impl Places {
    /// A place for a new connection; another one may have to go for it.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, now: Instant) -> Arc<Place> {
        let mut held = self.held();
        held.make_room(address, now);
        let (id, gone) = (held.next, Arc::new(Notify::new()));
        held.next += 1;
        held.by_id.insert(id, Seat { address, unproven: Some(now), gone: Arc::clone(&gone) });
        Arc::new(Place { id, places: Arc::clone(self), gone })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn make_room(&mut self, address: IpAddr, now: Instant) {
        let waiting = || self.by_id.iter().filter_map(|(id, seat)| Some((*id, seat.address, seat.unproven?)));
        let is_late = |since: Instant| now.saturating_duration_since(since) >= GRACE;
        let oldest = |of: Option<IpAddr>| {
            let of_it = waiting().filter(|(_, theirs, _)| of.is_none_or(|address| *theirs == address));
            of_it.min_by_key(|(_, _, since)| *since)
        };
        let from_there = waiting().filter(|(_, theirs, _)| *theirs == address).count();
        let goes = if from_there >= PER_ADDRESS && oldest(Some(address)).is_some_and(|(.., since)| is_late(since)) {
            oldest(Some(address))
        } else if self.by_id.len() >= ALL {
            oldest(None)
        } else if waiting().count() >= UNPROVEN {
            oldest(None).filter(|(.., since)| is_late(*since))
        } else {
            None
        };
        if let Some(seat) = goes.and_then(|(id, ..)| self.by_id.remove(&id)) {
            seat.gone.notify_one();
        }
    }
}

impl Place {
    /// A message begins, and nobody knows yet whose it is.
    pub(crate) fn begins(&self, now: Instant) {
        self.set(Some(now));
    }

    /// The message bears a signature by a shared secret.
    pub(crate) fn is_proven(&self) {
        self.set(None);
    }

    /// Ready when somebody else has been given this place.
    pub(crate) async fn is_gone(&self) {
        self.gone.notified().await;
    }

    fn set(&self, unproven: Option<Instant>) {
        if let Some(seat) = self.places.held().by_id.get_mut(&self.id) {
            seat.unproven = unproven;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.held().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(n: usize) -> IpAddr {
        let [.., high, low] = n.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    }

    fn is_in(place: &Place) -> bool {
        place.places.held().by_id.contains_key(&place.id)
    }

    #[test]
    fn an_address_that_fills_its_places_loses_its_oldest_a9() {
        let (places, start) = (Arc::new(Places::default()), Instant::now());
        let mine: Vec<_> = (0..PER_ADDRESS).map(|_| places.enter(HERE, start)).collect();
        let other = places.enter(address(1), start);
        let later = places.enter(HERE, start + GRACE);
        assert!(!is_in(&mine[0]) && is_in(&mine[1]) && is_in(&later) && is_in(&other));
    }

    #[test]
    fn a_burst_sends_nobody_away_a9() {
        let (places, start) = (Arc::new(Places::default()), Instant::now());
        let all: Vec<_> = (0..ALL).map(|_| places.enter(HERE, start)).collect();
        assert!(all.iter().all(|place| is_in(place)));
    }

    #[test]
    fn who_is_proven_stays_until_the_next_message_a9() {
        let (places, start) = (Arc::new(Places::default()), Instant::now());
        let worker = places.enter(HERE, start);
        worker.is_proven();
        let strangers: Vec<_> = (0..2 * ALL).map(|n| places.enter(address(n), start + GRACE * 2)).collect();
        assert!(is_in(&worker) && is_in(strangers.last().unwrap()));
        assert!(places.held().by_id.len() <= ALL);

        worker.begins(start);
        places.enter(HERE, start + GRACE * 4);
        assert!(!is_in(&worker), "the oldest of all");
    }

    #[test]
    fn a_place_is_given_back_a9() {
        let places = Arc::new(Places::default());
        drop(places.enter(HERE, Instant::now()));
        assert!(places.held().by_id.is_empty());
    }
}
