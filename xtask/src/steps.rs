//! One line for each step, with the time it took: somebody is waiting, and wants to know for what.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Steps of a command, counted so that a reader sees how many are left.
pub struct Steps {
    total: usize,
    done: usize,
}

impl Steps {
    pub fn new(total: usize) -> Self {
        Self { total, done: 0 }
    }

    /// Runs a step. It is named before (it may print or fail) and timed after.
    pub fn run<T>(&mut self, what: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.done += 1;
        let label = format!("[{}/{}] {what}", self.done, self.total);
        eprintln!("{label} …");
        let start = Instant::now();
        let out = step()?;
        let took = start.elapsed();
        if took >= Duration::from_millis(500) {
            eprintln!("{label} … {}", seconds(took));
        }
        Ok(out)
    }

    /// Counts steps that have nothing to do, and says why.
    pub fn skip(&mut self, count: usize, why: &str) {
        self.done += count;
        eprintln!("[{}/{}] {why}", self.done, self.total);
    }
}

/// `0.7 s`, `41 s`, `2 min 5 s`.
pub fn seconds(took: Duration) -> String {
    match took.as_secs() {
        0..10 => format!("{:.1} s", took.as_secs_f64()),
        s @ 10..120 => format!("{s} s"),
        s => format!("{} min {} s", s / 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_a_person_would_say_them() {
        let say = |ms| seconds(Duration::from_millis(ms));
        assert_eq!(say(740), "0.7 s");
        assert_eq!(say(41_900), "41 s");
        assert_eq!(say(125_000), "2 min 5 s");
    }
}
