//! The pieces of a stored row, written one after the other and taken in the same order.

use alloc::vec::Vec;

use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::id::{BookId, Id};

/// What is left to be read of a row.
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// Of a row in the form of this version.
    pub(super) fn of(bytes: &'a [u8], version: u8) -> Option<Self> {
        bytes.split_first().filter(|(first, _)| **first == version).map(|(_, rest)| Self(rest))
    }

    /// Of a row whose version was read.
    pub(super) const fn rest(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// The code of a variant.
    pub(super) fn code(&mut self) -> Option<u8> {
        self.array().map(|[code]| code)
    }
}

/// Something that stands in a row.
pub trait Field: Sized {
    /// Writes it.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads it.
    fn take(bytes: &mut Bytes<'_>) -> Option<Self>;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_be_bytes());
            }
            fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
                bytes.array().map(Self::from_be_bytes)
            }
        }
    )*};
}
integers!(u32, u64, i64);

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        match bytes.code()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Field for [u8; 32] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self);
    }
    fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        bytes.array()
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        if bool::take(bytes)? { T::take(bytes).map(Some) } else { Some(None) }
    }
}

macro_rules! wrapped {
    ($($type:ident),*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                self.0.put(out);
            }
            fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
                Field::take(bytes).map(Self)
            }
        }
    )*};
}
wrapped!(Msat, UnixTime, Id, BookId, PaymentHash);

impl Field for Preimage {
    fn put(&self, out: &mut Vec<u8>) {
        self.expose().put(out);
    }
    fn take(bytes: &mut Bytes<'_>) -> Option<Self> {
        bytes.array().map(Self::new)
    }
}
