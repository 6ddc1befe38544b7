//! Rows as bytes: how a shell keeps what commands return, and reads it back exactly.
//!
//! A stored row is one byte for the version of its form, then its fields in the order of the type, integers big-endian,
//! 32 bytes as they are, an enum as the code of its variant and then its fields, an `Option` as 0 or 1 before its value.
//! What is left over, or missing, or has a code that is none, is not a row: the shell then refuses the command, for a row
//! that cannot be read is money of unknown state (rule 1 of the spine).
//!
//! A later form gets a higher version number and reads the lower ones (T86). A row that says nothing which the lower form
//! could not say is written in the lower one, so that the build before this one reads it, and refuses what it could only
//! misunderstand.

mod bytes;
mod later;
mod rows;

use alloc::vec::Vec;

use l402::UnixTime;

use crate::id::Id;
pub(crate) use bytes::{Bytes, Field};

/// The version of every form here that has no later one.
const VERSION: u8 = 1;

/// What a book keeps rows of. The number is its code in storage, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// [`crate::topup::TopUp`]
    TopUps = 1,
    /// [`crate::sale::Sale`]
    Sales = 2,
    /// [`crate::spend::Use`]
    Uses = 3,
    /// [`crate::hold::Hold`]
    Holds = 4,
    /// [`Cap`](crate::Cap)
    Caps = 5,
    /// [`crate::transfer::Outbound`]
    Outbox = 6,
    /// [`crate::inbox::Inbound`]
    Inbox = 7,
    /// [`crate::payout::Payout`]
    Payouts = 8,
    /// [`crate::refund::Refund`]
    Refunds = 9,
    /// [`crate::escrow::Escrow`]
    Escrows = 10,
    /// [`crate::session::Session`]
    Sessions = 11,
    /// [`crate::unpaid::Unpaid`]
    Unpaid = 12,
}

/// A row of a book.
pub trait Stored: Sized {
    /// Where it stands.
    const TABLE: Table;

    /// Under which id it stands there.
    fn key(&self) -> Id;

    /// When an alarm must look at it again; `None` when nothing is left to be done.
    fn due(&self) -> Option<UnixTime>;

    /// The lowest version whose form can say all that is in this row.
    #[doc(hidden)]
    fn version(&self) -> u8 {
        VERSION
    }

    #[doc(hidden)]
    fn put_fields(&self, out: &mut Vec<u8>);

    /// `None` for a version that has no form.
    #[doc(hidden)]
    fn take_fields(bytes: &mut Bytes<'_>, version: u8) -> Option<Self>;
}

/// A row as bytes.
#[must_use]
pub fn to_bytes<R: Stored>(row: &R) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    out.push(row.version());
    row.put_fields(&mut out);
    out
}

/// The row that [`to_bytes`] wrote; `None` for anything else.
#[must_use]
pub fn from_bytes<R: Stored>(bytes: &[u8]) -> Option<R> {
    let (version, bytes) = bytes.split_first()?;
    let mut bytes = Bytes::rest(bytes);
    let row = R::take_fields(&mut bytes, *version)?;
    // What the lower form could say is not read in the higher one: a row has one form.
    (bytes.is_empty() && row.version() == *version).then_some(row)
}

/// A line of the journal as bytes. Its number and the hash before it are in it, too.
#[must_use]
pub fn entry_to_bytes(entry: &crate::Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    entry.put(&mut out);
    out
}

/// The line that [`entry_to_bytes`] wrote; `None` for anything else.
#[must_use]
pub fn entry_from_bytes(bytes: &[u8]) -> Option<crate::Entry> {
    let mut bytes = Bytes::of(bytes, VERSION)?;
    let entry = Field::take(&mut bytes)?;
    bytes.is_empty().then_some(entry)
}

/// What a command returns to be kept: one row, or several.
pub trait Rows {
    /// Calls `keep` with each: where it stands, under which id, when it is due, and its bytes.
    fn each(&self, keep: &mut dyn FnMut(Table, Id, Option<UnixTime>, Vec<u8>));
}

impl<R: Stored> Rows for R {
    fn each(&self, keep: &mut dyn FnMut(Table, Id, Option<UnixTime>, Vec<u8>)) {
        keep(R::TABLE, self.key(), self.due(), to_bytes(self));
    }
}

impl<A: Rows, B: Rows> Rows for (A, B) {
    fn each(&self, keep: &mut dyn FnMut(Table, Id, Option<UnixTime>, Vec<u8>)) {
        self.0.each(keep);
        self.1.each(keep);
    }
}

impl<R: Rows> Rows for Option<R> {
    fn each(&self, keep: &mut dyn FnMut(Table, Id, Option<UnixTime>, Vec<u8>)) {
        if let Some(rows) = self {
            rows.each(keep);
        }
    }
}

#[cfg(test)]
mod tests;
