//! The journal read back: does it verify, and if not, where does it break (T88, I9)?

use core::fmt;

use crate::book::Book;
use crate::entry::Entry;
use crate::id::BookId;
use crate::invariant::Invariant;

/// The first entry that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// Where: the sequence number that should stand there.
    pub seq: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is another book's.
    OtherBook,
    /// Entries are missing before it, or it stands twice.
    Gap,
    /// It does not cite the entry before: one of the two was changed.
    Chain,
    /// Its time is before that of the entry before.
    Time,
    /// A posting moves nothing (I1).
    Nothing,
    /// The balances afterwards are not those before plus its postings.
    Balances,
    /// The balances afterwards are unsound (I2, I4).
    Unsound(Invariant),
    /// The book does not end here: entries are missing at the end, or the book or the last entry was changed.
    Head,
}

/// Walks the whole journal of a book, from its first entry on, and compares its end with the book.
///
/// The hash of the last entry is cited by the book's row alone, so without the row a cut at the end is not seen:
/// export the head (T88).
///
/// # Errors
/// The first [`Break`].
///
/// ```
/// use satstile_ledger::{Book, BookId, journal};
/// assert_eq!(journal::verify(&Book::open(BookId([1; 32])), []), Ok(()));
/// ```
pub fn verify<'a>(book: &Book, entries: impl IntoIterator<Item = &'a Entry>) -> Result<(), Break> {
    let mut at = Book::open(book.id);
    for entry in entries {
        at = follow(&at, entry)?;
    }
    if (at.seq, at.head, at.balances) == (book.seq, book.head, book.balances) {
        Ok(())
    } else {
        Err(Break { seq: at.seq.saturating_add(1), fault: Fault::Head })
    }
}

/// One step of [`verify`], for who reads the journal in pages: the book after `entry`, given the one before.
///
/// # Errors
/// The [`Break`] in this entry.
pub fn follow(before: &Book, entry: &Entry) -> Result<Book, Break> {
    let seq = before.seq.saturating_add(1);
    let broken = |fault| Err(Break { seq, fault });
    if entry.book != before.id {
        return broken(Fault::OtherBook);
    }
    if entry.seq != seq {
        return broken(Fault::Gap);
    }
    if entry.previous != before.head {
        return broken(Fault::Chain);
    }
    if entry.at < before.at {
        return broken(Fault::Time);
    }
    if entry.postings.iter().any(|posting| posting.amount.0 == 0) {
        return broken(Fault::Nothing);
    }
    if before.balances.after(&entry.postings) != Ok(entry.after) {
        return broken(Fault::Balances);
    }
    if let Err(invariant) = entry.after.sound() {
        return broken(Fault::Unsound(invariant));
    }
    Ok(Book { balances: entry.after, seq, head: entry.hash(), at: entry.at, ..*before })
}

/// The book that a journal leads to, for a restore: the entries are the truth, the row is their sum.
///
/// # Errors
/// The first [`Break`].
pub fn replay<'a>(id: BookId, entries: impl IntoIterator<Item = &'a Entry>) -> Result<Book, Break> {
    entries.into_iter().try_fold(Book::open(id), |book, entry| follow(&book, entry))
}

/// `entry 7 does not cite the entry before it`.
impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ", self.seq)?;
        f.write_str(match self.fault {
            Fault::OtherBook => "belongs to another book",
            Fault::Gap => "is missing or stands twice",
            Fault::Chain => "does not cite the entry before it",
            Fault::Time => "is older than the entry before it",
            Fault::Nothing => "has a posting of nothing",
            Fault::Balances => "has balances that its postings do not lead to",
            Fault::Unsound(invariant) => return write!(f, "leaves the book unsound ({invariant})"),
            Fault::Head => "is where the book and its journal part",
        })
    }
}

impl core::error::Error for Break {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Balances;
    use crate::entry::Kind;
    use crate::posting::{Move, Posting, Postings};
    use crate::testing::{ALICE, BOB, NOW, id};
    use l402::{Msat, UnixTime};

    /// Five entries: a deposit of 100 and four charges of 10.
    fn journal() -> (Book, Vec<Entry>) {
        let deposit = (Kind::TopUp, Move::Deposit, 100);
        let charge = (Kind::Used, Move::Charge, 10);
        let mut book = Book::open(ALICE);
        let mut entries = Vec::new();
        for (n, (kind, of, amount)) in (0_u8..).zip([deposit, charge, charge, charge, charge]) {
            let at = NOW.plus(u64::from(n));
            let (after, entry) = book.write(at, kind, id(n), Postings::of([(of, Msat(amount))])).unwrap();
            entries.push(entry);
            book = after;
        }
        (book, entries)
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Vec<Entry>), seq: u64, fault: Fault) {
        let (book, mut entries) = journal();
        change(&mut entries);
        assert_eq!(verify(&book, &entries), Err(Break { seq, fault }));
    }

    #[test]
    fn an_untouched_journal_verifies_and_leads_to_its_book() {
        let (book, entries) = journal();
        assert_eq!(verify(&book, &entries), Ok(()));
        assert_eq!(replay(ALICE, &entries), Ok(book));
    }

    /// T88, I9: history edited in every way, and the entry where it shows.
    #[test]
    fn an_edited_journal_breaks_at_the_edit_or_right_behind_it() {
        check(|j| _ = j.remove(2), 3, Fault::Gap);
        check(|j| j.swap(1, 2), 2, Fault::Gap);
        check(|j| j.insert(2, j[1]), 3, Fault::Gap);
        check(|j| _ = j.pop(), 5, Fault::Head);
        check(|j| j.clear(), 1, Fault::Head);
        check(|j| j[1].subject = id(9), 3, Fault::Chain);
        check(|j| j[1].at = UnixTime(j[1].at.0 - 1), 3, Fault::Chain);
        check(|j| j[4].subject = id(9), 6, Fault::Head);
        check(|j| j[1].previous = [0; 32], 2, Fault::Chain);
        check(|j| j[3].at = UnixTime(0), 4, Fault::Time);
        check(|j| j[3].book = BOB, 4, Fault::OtherBook);
        check(|j| j[3].after.user += 1, 4, Fault::Balances);
        check(|j| j[3].postings = Postings::of([(Move::Charge, Msat(11))]), 4, Fault::Balances);
        check(|j| j[3].postings = Postings::of([(Move::Reserve, Msat(10))]), 4, Fault::Balances);
    }

    /// I1, I2, I4 in history, by a forger who recomputes what has to be recomputed.
    #[test]
    fn a_well_chained_forgery_still_has_to_balance() {
        let overdraft = Posting { of: Move::Charge, amount: Msat(101) };
        check(
            |j| {
                j[1].postings = Postings::read(&[overdraft]).unwrap();
                j[1].after = Balances { user: -1, fees: 101, node: -100, ..Balances::default() };
            },
            2,
            Fault::Unsound(Invariant::I4),
        );
        let nothing = Posting { of: Move::Charge, amount: Msat(0) };
        check(|j| j[1].postings = Postings::read(&[nothing]).unwrap(), 2, Fault::Nothing);
    }

    #[test]
    fn a_break_says_where() {
        let text = Break { seq: 7, fault: Fault::Chain }.to_string();
        assert_eq!(text, "entry 7 does not cite the entry before it");
    }
}
