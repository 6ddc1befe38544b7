//! The table, and how it stands against the aims in the design.

use std::fmt::{self, Display, Write};

use crate::scenario::name;

/// What one line took.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Of the proxying process, a request.
    pub cpu_us: f64,
}

impl Figures {
    /// Each figure's own median.
    pub fn median(rounds: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(pick).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            per_second: of(|f| f.per_second),
            p50_ms: of(|f| f.p50_ms),
            p99_ms: of(|f| f.p99_ms),
            cpu_us: of(|f| f.cpu_us),
        }
    }
}

impl Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per_second, p50_ms, p99_ms, cpu_us } = self;
        write!(f, "{per_second:>8.0} {p50_ms:>8.1} {p99_ms:>8.1} {cpu_us:>12.0}")
    }
}

/// One line each.
pub fn table(lines: &[(&str, Figures)]) -> String {
    let mut out = format!("{:<34} {:>8} {:>8} {:>8} {:>12}\n", "", "req/s", "p50 ms", "p99 ms", "CPU µs/req");
    for (name, figures) in lines {
        let _ = writeln!(out, "{name:<34} {figures}"); // writing to a String cannot fail
    }
    out
}

/// The aims of design.md's "Budgets" that these lines can answer.
pub fn aims(lines: &[(&str, Figures)]) -> String {
    let get = |wanted: &str| lines.iter().find(|(name, _)| *name == wanted).map(|(_, f)| *f);
    let mut out = String::new();
    let mut aim = |what: &str, ours: Option<f64>, theirs: Option<f64>, limit: Limit| {
        let (Some(ours), Some(theirs)) = (ours, theirs) else { return };
        let ratio = ours / theirs;
        let (sign, bound, met) = match limit {
            Limit::AtMost(bound) => ("≤", bound, ratio <= bound),
            Limit::AtLeast(bound) => ("≥", bound, ratio >= bound),
        };
        let verdict = if met { "ok" } else { "short" };
        let _ = writeln!(out, "{verdict:<6} {what}: {ratio:.2} × (aim {sign} {bound:.2} ×)");
    };
    let (paid, free, peer) = (get(name::PAID), get(name::FREE), get(name::APERTURE_PAID));
    let (challenge, peer_challenge) = (get(name::CHALLENGE), get(name::APERTURE_CHALLENGE));
    let (pool, peer_burst) = (get(name::POOL), get(name::APERTURE_BURST));
    let cpu = |f: Option<Figures>| f.map(|f| f.cpu_us);
    let rate = |f: Option<Figures>| f.map(|f| f.per_second);
    let late = |f: Option<Figures>| f.map(|f| f.p99_ms);
    aim("paid request, CPU against a free route of the same worker", cpu(paid), cpu(free), Limit::AtMost(1.25));
    aim("paid request, CPU against aperture's", cpu(paid), cpu(peer), Limit::AtMost(0.85));
    aim("paid request, req/s against aperture's", rate(paid), rate(peer), Limit::AtLeast(1.3));
    aim("paid request, p99 against aperture's", late(paid), late(peer), Limit::AtMost(0.6));
    aim("new 402, req/s against aperture's", rate(challenge), rate(peer_challenge), Limit::AtLeast(1.5));
    aim("200 new 402s, req/s with a pool against aperture's", rate(pool), rate(peer_burst), Limit::AtLeast(5.0));
    out
}

enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(cpu_us: f64) -> Figures {
        Figures { per_second: 1e6 / cpu_us, p50_ms: 1.0, p99_ms: 2.0, cpu_us }
    }

    #[test]
    fn the_median_is_of_each_figure() {
        let rounds = [figures(300.0), figures(100.0), figures(200.0)];
        assert_eq!(Figures::median(&rounds).cpu_us.round(), 200.0);
    }

    #[test]
    fn an_aim_that_is_missed_is_called_short() {
        let lines = [(name::FREE, figures(100.0)), (name::PAID, figures(130.0)), (name::APERTURE_PAID, figures(300.0))];
        let said = aims(&lines);
        assert!(
            said.starts_with(
                "short  paid request, CPU against a free route of the same worker: 1.30 × (aim ≤ 1.25 ×)\n"
            )
        );
        assert!(said.contains("ok     paid request, CPU against aperture's: 0.43 × (aim ≤ 0.85 ×)\n"));
        assert!(!said.contains("new 402"), "{said}");
    }
}
