//! Wire format of the calls from the Worker to its Durable Objects: a number, then words, one a line.
//!
//! The two ends need not be the same build: an object that is busy keeps the code that it started with, for minutes, and
//! a gradual deployment makes that as long as it takes (T86). So each message and each reply begin with [`NUMBER`], and
//! an end that finds another number refuses the message instead of guessing at it: the client gets 503, and nothing was
//! written. Every form is pinned by a test; a change of one is a change of the number.
//!
//! A message is read whole or not at all. A word too few, a word too many (which is also what a line break inside a word
//! looks like), a truth value that is neither 0 nor 1, a number that is not written as we write it: each is refused.

use core::str::Split;

use worker::Result;

/// Number of the wire format. Builds up to 0.1.0 had none, and another method of the object.
const NUMBER: &str = "1";

/// Puts the number in front of a message or a reply.
pub fn number(text: &str) -> String {
    [NUMBER, text].join("\n")
}

/// Takes the number off.
///
/// # Errors
/// The other end is a build with another wire format.
pub fn unnumber(text: &str) -> Result<&str> {
    match text.split_once('\n') {
        Some((NUMBER, text)) => Ok(text),
        _ => Err("the object and the worker are builds with different wire formats".into()),
    }
}

/// One line.
pub trait Word {
    /// Writes it.
    fn say(&self) -> String;
    /// Reads it; `None` when it is not one.
    fn hear(text: &str) -> Option<Self>
    where
        Self: Sized;
}

/// A message of several words.
pub trait Words {
    /// Writes them.
    fn say(&self) -> String;
    /// Reads them.
    fn hear(text: &str) -> Result<Self>
    where
        Self: Sized;
}

/// Writes the words of a message.
pub fn say_lines(words: &[&dyn Word]) -> String {
    words.iter().map(|word| word.say()).collect::<Vec<_>>().join("\n")
}

/// The lines of a message that is read: each field takes the next one. What is wrong is remembered until the [`end`](Self::end),
/// which the message does not outlive: so the wasm has one way out of each message, and not one out of each word.
pub struct Lines<'t> {
    lines: Split<'t, char>,
    wrong: Option<&'static str>,
}

impl<'t> Lines<'t> {
    /// Those of a text.
    pub fn of(text: &'t str) -> Self {
        Self { lines: text.split('\n'), wrong: None }
    }

    /// The next one, read; nothing of its type where something is wrong.
    pub fn word<T: Word + Default>(&mut self) -> T {
        let heard = self.lines.next().map(T::hear);
        if heard.is_none() {
            self.note("a word is missing");
        }
        heard.flatten().unwrap_or_else(|| {
            self.note("a word cannot be read");
            T::default()
        })
    }

    /// Whether the message was read whole.
    ///
    /// # Errors
    /// The first thing that was wrong.
    pub fn end(mut self) -> Result<()> {
        if self.lines.next().is_some() {
            self.note("a word too many");
        }
        self.wrong.map_or(Ok(()), |wrong| Err(wrong.into()))
    }

    fn note(&mut self, wrong: &'static str) {
        self.wrong = self.wrong.or(Some(wrong));
    }
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Word for $type {
            fn say(&self) -> String {
                self.to_string()
            }
            fn hear(text: &str) -> Option<Self> {
                // One way to write each number: `parse` also takes "+7" and "007".
                text.parse().ok().filter(|number: &$type| number.to_string() == text)
            }
        }
    )*};
}
number!(u32, u64, i64);

impl Word for bool {
    fn say(&self) -> String {
        u32::from(*self).to_string()
    }
    fn hear(text: &str) -> Option<Self> {
        match text {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }
}

impl Word for String {
    fn say(&self) -> String {
        self.clone()
    }
    fn hear(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// `-`, or `+` and the word.
impl<T: Word> Word for Option<T> {
    fn say(&self) -> String {
        self.as_ref().map_or_else(|| "-".to_owned(), |word| format!("+{}", word.say()))
    }
    fn hear(text: &str) -> Option<Self> {
        match text.strip_prefix('+') {
            Some(word) => T::hear(word).map(Some),
            None => (text == "-").then_some(None),
        }
    }
}

impl Words for () {
    fn say(&self) -> String {
        String::new()
    }
    fn hear(text: &str) -> Result<Self> {
        if text.is_empty() { Ok(()) } else { Err("a word too many".into()) }
    }
}

/// Lets a struct be said: its fields in this order.
macro_rules! words {
    ($type:ident { $($field:ident),+ }) => {
        impl $crate::objects::words::Words for $type {
            fn say(&self) -> String {
                $crate::objects::words::say_lines(&[$(&self.$field),+])
            }
            fn hear(text: &str) -> worker::Result<Self> {
                let mut lines = $crate::objects::words::Lines::of(text);
                let message = Self { $($field: lines.word()),+ };
                lines.end().map(|()| message)
            }
        }
    };
}

/// Lets words be said in the place of one: told apart by blanks, which none of them has.
macro_rules! in_one_line {
    ($($type:ty),+) => {$(
        impl $crate::objects::words::Word for $type {
            fn say(&self) -> String {
                $crate::objects::words::Words::say(self).replace('\n', " ")
            }
            fn hear(text: &str) -> Option<Self> {
                <Self as $crate::objects::words::Words>::hear(&text.replace(' ', "\n")).ok()
            }
        }
    )+};
}

/// Lets an enum without data be said: its name.
macro_rules! one_word {
    ($type:ident { $($variant:ident),+ }) => {
        impl $crate::objects::words::Words for $type {
            fn say(&self) -> String {
                match self { $(Self::$variant => stringify!($variant).to_owned()),+ }
            }
            fn hear(text: &str) -> worker::Result<Self> {
                match text { $(stringify!($variant) => Ok(Self::$variant),)+ _ => Err("a word cannot be read".into()) }
            }
        }
    };
}

pub(crate) use {in_one_line, one_word, words};
