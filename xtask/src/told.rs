//! Runs tests, and keeps what they said of their failures: it is said again at the end of a long run.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::repo;

/// What is kept of a failure; a stack trace can be long.
const LINES_MAX: usize = 120;

/// Runs to the end. A failure names the command line and, when nobody watches, what libtest says under `failures:`.
pub fn run(command: &mut Command) -> Result<()> {
    if std::io::stdout().is_terminal() {
        // The last lines are on the screen, and in colour.
        return repo::run(command);
    }
    let line = repo::line(command);
    let start = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = start.with_context(|| format!("cannot run `{line}`"))?;
    let mut failures = Failures::default();
    let said = child.stdout.take().context("it has a stdout")?;
    for said in BufReader::new(said).split(b'\n') {
        let mut said = said.with_context(|| format!("cannot read what `{line}` says"))?;
        failures.hear(&String::from_utf8_lossy(&said));
        said.push(b'\n');
        std::io::stdout().write_all(&said)?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{line}` failed ({status})\n{}", failures.text());
    }
    Ok(())
}

/// Picks the sections of failures out of what test programs print, one after the other.
#[derive(Default)]
struct Failures {
    is_inside: bool,
    kept: Vec<String>,
}

impl Failures {
    fn hear(&mut self, line: &str) {
        self.is_inside |= line == "failures:";
        if self.is_inside && !line.is_empty() && self.kept.len() < LINES_MAX {
            self.kept.push(line.to_owned());
        }
        self.is_inside &= !line.starts_with("test result:");
    }

    fn text(&self) -> String {
        self.kept.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_says_of_its_failure_is_kept_and_nothing_else() {
        let mut failures = Failures::default();
        let said = "running 2 tests\ntest fine ... ok\n\nfailures:\n\n---- sum stdout ----\nleft: 1\n\nfailures:\n    sum\n\n\
                    test result: FAILED. 1 passed; 1 failed\nrunning 1 test";
        said.lines().for_each(|line| failures.hear(line));
        let kept =
            "failures:\n---- sum stdout ----\nleft: 1\nfailures:\n    sum\ntest result: FAILED. 1 passed; 1 failed";
        assert_eq!(failures.text(), kept);
    }

    #[test]
    fn of_a_failure_without_end_the_beginning_is_kept() {
        let mut failures = Failures::default();
        failures.hear("failures:");
        (0..1_000).for_each(|n| failures.hear(&n.to_string()));
        assert_eq!(failures.text().lines().count(), LINES_MAX);
    }
}
