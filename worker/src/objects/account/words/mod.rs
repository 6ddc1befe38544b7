//! What is asked of an account's books, and what they answer.

mod balance;
mod leaving;
mod session;

pub use balance::*;
pub use leaving::*;
pub use session::*;
use worker::Result;

use crate::objects::words::{Words, words};

/// What an operation answers when it cannot be done.
#[derive(Clone, Debug)]
pub struct No {
    /// The HTTP status code that it means.
    pub status: u32,
    /// A sentence for the person who must fix the request.
    pub reason: String,
}
words!(No { status, reason });

/// The answer of an operation.
pub type Answer<T> = core::result::Result<T, No>;

impl<T: Words> Words for Answer<T> {
    fn say(&self) -> String {
        let (sign, said) = match self {
            Ok(answer) => ("+", answer.say()),
            Err(no) => ("-", no.say()),
        };
        [sign, &said].concat()
    }
    fn hear(text: &str) -> Result<Self> {
        match text.strip_prefix('+') {
            Some(answer) => T::hear(answer).map(Ok),
            None => No::hear(text.strip_prefix('-').ok_or("neither yes nor no")?).map(Err),
        }
    }
}
