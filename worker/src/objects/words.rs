//! What the worker and its objects say to each other: words, one a line.
//!
//! Both ends are this very build, so the form needs no names, and no derived JSON reader and writer for each of
//! these types has to be in the wasm. No word of ours holds a line break.

use worker::Result;

/// One line.
pub trait Word: Sized {
    /// Writes it.
    fn say(&self) -> String;
    /// Reads it; `None` when it is not one.
    fn hear(text: &str) -> Option<Self>;
}

/// A message of several words.
pub trait Words: Sized {
    /// Writes them.
    fn say(&self) -> String;
    /// Reads them.
    fn hear(text: &str) -> Result<Self>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Word for $type {
            fn say(&self) -> String {
                self.to_string()
            }
            fn hear(text: &str) -> Option<Self> {
                text.parse().ok()
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
        Some(text == "1")
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

impl<T: Word> Word for Option<T> {
    fn say(&self) -> String {
        self.as_ref().map_or_else(|| "-".to_owned(), T::say)
    }
    fn hear(text: &str) -> Option<Self> {
        if text == "-" { Some(None) } else { T::hear(text).map(Some) }
    }
}

impl Words for () {
    fn say(&self) -> String {
        String::new()
    }
    fn hear(_: &str) -> Result<Self> {
        Ok(())
    }
}

/// Lets a struct be said: its fields in this order.
macro_rules! words {
    ($type:ident { $($field:ident),+ }) => {
        impl $crate::objects::words::Words for $type {
            fn say(&self) -> String {
                [$($crate::objects::words::Word::say(&self.$field)),+].join("\n")
            }
            fn hear(text: &str) -> worker::Result<Self> {
                let mut lines = text.split('\n');
                let mut next = || lines.next().ok_or("a word is missing");
                Ok(Self { $($field: $crate::objects::words::Word::hear(next()?).ok_or("a word cannot be read")?),+ })
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
