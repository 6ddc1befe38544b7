//! How words get out: stdout for what was asked for, stderr for the rest; colours where a person looks.

use std::env;
use std::io::{self, IsTerminal, Write};

use l402::UnixTime;
use serde_json::{Value, json};

use crate::fault::Fault;

/// Where words go and how they look.
#[derive(Clone, Copy, Debug)]
pub struct Say {
    /// `--json`.
    pub json: bool,
    out_colour: bool,
    err_colour: bool,
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Green.
    Good,
    /// Yellow.
    Odd,
    /// Red.
    Bad,
    /// Grey.
    Aside,
    /// Bold.
    Head,
}

impl Say {
    /// Looks at the terminal once. <https://no-color.org> is honoured.
    pub fn new(json: bool) -> Self {
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            json,
            out_colour: wanted && io::stdout().is_terminal(),
            err_colour: wanted && io::stderr().is_terminal(),
        }
    }

    /// A line on stdout. A reader that went away is no fault.
    pub fn out(&self, line: &str) {
        let _ = writeln!(io::stdout(), "{line}");
    }

    /// A JSON document on stdout.
    pub fn document(&self, value: &Value) {
        self.out(&serde_json::to_string_pretty(value).unwrap_or_default());
    }

    /// A line on stderr.
    pub fn aside(&self, line: &str) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// A failure, on stderr.
    pub fn fault(&self, fault: &Fault) {
        if self.json {
            let value = json!({"error": fault.what, "next": fault.next, "exit": fault.exit as u8});
            return self.aside(&value.to_string());
        }
        self.aside(&format!("{} {}", paint(self.err_colour, Tone::Bad, "satstile:"), fault.what));
        for line in fault.next.iter().flat_map(|next| next.lines()) {
            self.aside(&format!("  {line}"));
        }
    }

    /// Text for stdout in a colour.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.out_colour, tone, text)
    }

    /// Text for stderr in a colour.
    pub fn paint_err(&self, tone: Tone, text: &str) -> String {
        paint(self.err_colour, tone, text)
    }
}

fn paint(on: bool, tone: Tone, text: &str) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Odd => "33",
        Tone::Bad => "31",
        Tone::Aside => "90",
        Tone::Head => "1",
    };
    if on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Text from outside, for a terminal: nothing in it moves the cursor, and it is not long.
pub fn printable(unverified: &str) -> String {
    unverified.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The same as one word of a shell, for commands that somebody may paste.
pub fn pasteable(unverified: &str) -> String {
    format!("'{}'", printable(unverified).replace('\'', "'\\''"))
}

/// How far off a moment is, in the largest unit that fits: `in 59 minutes`, `2 days ago`.
pub fn distance(now: UnixTime, at: UnixTime) -> String {
    let seconds = now.0.abs_diff(at.0);
    let (count, unit) = match seconds {
        0 => return "now".to_owned(),
        1..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if at > now { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") }
}

/// A moment for people and for programs: `2030-03-17T17:46:40Z, in 10 minutes (1900000000)`.
pub fn moment(now: UnixTime, at: UnixTime) -> String {
    format!("{at}, {} ({})", distance(now, at), at.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_read_like_speech() {
        let now = UnixTime(1_900_000_000);
        for (at, words) in [
            (1_900_000_000, "now"),
            (1_900_000_001, "in 1 second"),
            (1_900_003_540, "in 59 minutes"),
            (1_899_900_000, "27 hours ago"),
            (1_899_000_000, "11 days ago"),
        ] {
            assert_eq!(distance(now, UnixTime(at)), words);
        }
    }

    #[test]
    fn text_from_outside_moves_no_cursor() {
        assert_eq!(printable("An \u{1b}[2Jarticle\r\n"), "An [2Jarticle");
        assert_eq!(printable(&"x".repeat(999)).len(), 200);
    }
}
