//! Why a command did not do what was asked: an exit code, a sentence, and what to do next.

use std::fmt;
use std::process::ExitCode;

/// The exit codes, as `satstile --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// What was asked about is not good: a failed check, an invalid token, an answer that is an error.
    NotGood = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Not paid: over the limit, or an invoice that must not be paid.
    Budget = 3,
    /// The payment failed, or nobody knows.
    Payment = 4,
    /// Paid, and the server refused, could not deliver, or answered with an error.
    Refused = 5,
    /// Nobody answered.
    Network = 6,
}

/// The table for `--help`.
pub const TABLE: &str = "\
Exit codes:
  0  done
  1  what was asked about is not good: a check failed, a token is invalid, the answer is an error
  2  the command line makes no sense
  3  nothing was paid: over the limit, or an invoice that must not be paid
  4  the payment failed, or it is not known what became of it
  5  paid, and the server refused, could not deliver, or answered with an error
  6  the network: nobody answered";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure, in words for the person at the terminal. Holds no secret.
#[derive(Debug)]
pub struct Fault {
    /// How the program ends.
    pub exit: Exit,
    /// What happened.
    pub what: String,
    /// What to do next.
    pub next: Option<String>,
}

impl Fault {
    /// A failure of this kind.
    pub fn new(exit: Exit, what: impl fmt::Display) -> Self {
        Self { exit, what: what.to_string(), next: None }
    }

    /// The command line makes no sense.
    pub fn usage(what: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// What was asked about is not good.
    pub fn not_good(what: impl fmt::Display) -> Self {
        Self::new(Exit::NotGood, what)
    }

    /// With advice.
    pub fn next(mut self, next: impl fmt::Display) -> Self {
        self.next = Some(next.to_string());
        self
    }
}
