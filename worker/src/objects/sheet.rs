//! What a book says of itself: to its owner, balance and history; to the operator, whether it adds up.

use l402::{Msat, UnixTime};
use satstile_ledger::audit::{self, Rows, Snapshot};
use satstile_ledger::entry::Entry;
use satstile_ledger::{Book, Class, Id, Invariant};
use serde_json::{Map, Value, json};
use worker::Result;

use super::account::{Answer, Sheet};
use super::books::Books;

/// The most journal lines that an audit walks in one go: what the memory of an object holds with ease.
const AUDITED_MAX: u32 = 100_000;

/// Balance and history. What belongs to the operator in this book is not in it.
pub fn of(account: &str, book: &Book, history: &[Entry], can_withdraw: bool) -> String {
    let available = book.balances.available();
    let reserved = Msat(book.balances.owned().0.saturating_sub(available.0));
    let lines: Vec<Value> = history.iter().map(line).collect();
    json!({
        "account": account,
        "balance_sats": available.0 / 1_000,
        "balance_msat": available.0,
        "reserved_msat": reserved.0,
        "spend_only_msat": book.limit.map_or(0, |limit| limit.left.0),
        "scope": if can_withdraw { "all" } else { "spend" },
        "frozen": book.frozen.is_some(),
        "history": lines,
    })
    .to_string()
}

fn line(entry: &Entry) -> Value {
    let moved: i64 = entry.postings.iter().fold(0, |sum, posting| {
        let amount = i64::try_from(posting.amount.0).unwrap_or(0);
        sum + amount * (i64::from(posting.of.to() == Class::User) - i64::from(posting.of.from() == Class::User))
    });
    json!({
        "seq": entry.seq,
        "at": entry.at.to_string(),
        "kind": snake(entry.kind.name()),
        "subject": hex::encode(entry.subject.0),
        "amount_msat": moved,
        "balance_msat": entry.after.user,
    })
}

/// `HoldPlaced` as `hold_placed`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// Computes the invariants over everything that is stored here. A breach freezes the book (T75).
pub fn audit(books: &mut Books<'_>, now: UnixTime) -> Result<Answer<Sheet>> {
    let entries = books.journal(1, AUDITED_MAX, false)?;
    let (holds, uses, topups, sales) = (books.all()?, books.all()?, books.all()?, books.all()?);
    let (refunds, payouts, escrows) = (books.all()?, books.all()?, books.all()?);
    let (outbox, inbox) = (books.all()?, books.all()?);
    let book = books.book;
    let rows = Rows {
        book: &book,
        entries: &entries,
        holds: &holds,
        uses: &uses,
        topups: &topups,
        sales: &sales,
        refunds: &refunds,
        payouts: &payouts,
        escrows: &escrows,
        outbox: &outbox,
        inbox: &inbox,
        keys: &[] as &[(Id, [u8; 32])],
    };
    let one = [rows];
    let snapshot = Snapshot { books: &one, now, settled: None, paid: None, served: None, is_quiet: false };
    let mut invariants = Map::new();
    let is_whole = u64::try_from(entries.len()).is_ok_and(|lines| lines == book.seq);
    for invariant in Invariant::ALL {
        // What needs the whole history is not judged by a part of it.
        if !is_whole && !matches!(invariant, Invariant::I2 | Invariant::I6 | Invariant::I7 | Invariant::I11) {
            invariants.insert(format!("I{}", invariant as u8), Value::Null);
            continue;
        }
        let breach = audit::holds(invariant, &snapshot).err();
        if let Some(breach) = &breach {
            books.freeze(breach.invariant, now)?;
        }
        invariants.insert(format!("I{}", invariant as u8), breach.is_none().into());
    }
    let balances: Map<String, Value> = Class::ALL
        .into_iter()
        .zip(["user", "hold", "escrow", "fees", "node", "in_transit", "refund", "payout"])
        .map(|(class, name)| (name.to_owned(), book.balances.of(class).into()))
        .collect();
    let json = json!({
        "book": hex::encode(book.id.0),
        "holds": invariants.values().all(|holds| holds != &Value::Bool(false)),
        "invariants": invariants,
        "frozen": books.book.frozen.map(|broken| broken as u8),
        "balances_msat": balances,
        "entries": book.seq,
        "audited": entries.len(),
        "head": hex::encode(book.head),
        "open_holds": holds.iter().filter(|hold| hold.state == satstile_ledger::hold::HoldState::Open).count(),
    });
    Ok(Ok(Sheet { json: json.to_string() }))
}
