//! Who may have the node asked about an invoice now (T58, C13). Polls are the clients' choice; look-ups are not.
//!
//! Each client has a turn at least every half second, and less often when many ask: the turns of those who ask again take
//! three quarters of all, and share them evenly. The last quarter is for clients who have had none yet, so that nobody's
//! first look-up waits for the later ones of others.

use std::collections::VecDeque;

use crate::by_name::ByName;

/// A client has this long between two turns at least, in milliseconds.
const CLIENT_MS: u64 = 500;
/// Who has not asked for this long is not counted any more, in milliseconds.
const WINDOW_MS: u64 = 10_000;
/// How many clients are told apart. Further ones wait until others have left.
const CLIENTS_MAX: usize = 10_000;

/// The look-ups of the last moments.
#[derive(Debug, Default)]
pub struct Pacer {
    clients: ByName<Client>,
    /// When the look-ups of the last second were, the oldest first.
    taken_ms: VecDeque<u64>,
    swept_ms: u64,
}

#[derive(Debug)]
struct Client {
    asked_ms: u64,
    /// Its last turn; none yet.
    had_ms: Option<u64>,
}

impl Pacer {
    /// Takes a turn for this client, if there is one.
    pub fn take(&mut self, client: &str, per_s: u32, now_ms: u64) -> bool {
        self.forget(now_ms);
        if self.clients.get(client).is_none() {
            if self.clients.len() >= CLIENTS_MAX {
                return false;
            }
            self.clients.insert(client, Client { asked_ms: now_ms, had_ms: None });
        }
        let active = self.clients.len();
        let Some(client) = self.clients.get_mut(client) else { return false };
        client.asked_ms = now_ms;
        let all = per_s as usize;
        let shared = all.saturating_sub(all / 4).max(1);
        let is_due = match client.had_ms {
            None => self.taken_ms.len() < all,
            Some(had_ms) => {
                let share_ms = (active as u64).saturating_mul(1_000) / shared as u64;
                self.taken_ms.len() < shared && now_ms.saturating_sub(had_ms) >= share_ms.max(CLIENT_MS)
            }
        };
        if is_due {
            client.had_ms = Some(now_ms);
            self.taken_ms.push_back(now_ms);
        }
        is_due
    }

    fn forget(&mut self, now_ms: u64) {
        while self.taken_ms.front().is_some_and(|at_ms| now_ms.saturating_sub(*at_ms) >= 1_000) {
            self.taken_ms.pop_front();
        }
        if now_ms.saturating_sub(self.swept_ms) >= 1_000 {
            self.swept_ms = now_ms;
            self.clients.retain(|client| now_ms.saturating_sub(client.asked_ms) < WINDOW_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_S: u32 = 20;

    /// The times of the look-ups that these clients get, who ask `polls` times a second each, for so many seconds.
    fn polled(pacer: &mut Pacer, clients: usize, polls: u64, seconds: u64) -> Vec<Vec<u64>> {
        let mut had = vec![Vec::new(); clients];
        for tick in 0..seconds * polls {
            for (n, had) in had.iter_mut().enumerate() {
                // Not all in the same millisecond, and in the same order each time: the first has no better chance.
                let now_ms = 1_000_000 + tick * 1_000 / polls + (n as u64 * 7) % (1_000 / polls);
                if pacer.take(&format!("client {n}"), PER_S, now_ms) {
                    had.push(now_ms);
                }
            }
        }
        had
    }

    #[track_caller]
    fn at_most_in_a_second(all: &[Vec<u64>], most: usize) {
        let mut times: Vec<u64> = all.iter().flatten().copied().collect();
        times.sort_unstable();
        for (n, at) in times.iter().enumerate() {
            let within = times[n..].iter().take_while(|later| **later < at + 1_000).count();
            assert!(within <= most, "{within} look-ups in a second");
        }
    }

    #[test]
    fn one_client_with_sixty_invoices_has_two_turns_a_second_a5() {
        let had = polled(&mut Pacer::default(), 1, 60, 20);
        at_most_in_a_second(&had, 2);
        assert!(had[0].len() >= 38, "{}", had[0].len());
    }

    #[test]
    fn sixty_clients_have_a_turn_at_least_every_ten_seconds_a5() {
        let had = polled(&mut Pacer::default(), 60, 1, 60);
        at_most_in_a_second(&had, PER_S as usize);
        for (n, times) in had.iter().enumerate() {
            let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(times[0] < 1_010_000 && gaps.iter().all(|gap| *gap <= 10_000), "client {n}: {gaps:?}");
        }
    }

    #[test]
    fn a_first_look_waits_for_nobodys_second_a5() {
        let mut pacer = Pacer::default();
        let mut now_ms = 1_000_000;
        for turn in 0..200 {
            for n in 0..60 {
                pacer.take(&format!("client {n}"), PER_S, now_ms + turn * 100);
            }
        }
        now_ms += 20_000;
        assert!(pacer.take("somebody new", PER_S, now_ms));
        assert!(!pacer.take("somebody new", PER_S, now_ms + 499));
    }

    #[test]
    fn who_has_left_takes_no_share_and_no_memory_a5() {
        let mut pacer = Pacer::default();
        for n in 0..5_000 {
            pacer.take(&format!("client {n}"), PER_S, 1_000_000);
        }
        assert!(pacer.take("another", PER_S, 1_000_000 + WINDOW_MS + 1_000));
        assert_eq!(pacer.clients.len(), 1);
    }
}
