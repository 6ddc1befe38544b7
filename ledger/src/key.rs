//! Idempotency keys: the same request again gets the same answer and no second effect (T73, I10).
//!
//! Scope is the book. The shell writes the row as in progress in the transaction that begins the work, and with the
//! answer in the transaction that ends it.

use l402::UnixTime;
use sha2::{Digest, Sha256};

use crate::id::Id;
use crate::refusal::Refusal;

/// How long an answer is kept at least, in seconds: 24 hours (T73).
pub const KEPT_S: u64 = 86_400;

/// One key and what became of it. `A` is whatever the shell keeps of an answer: status and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key<A> {
    /// [`Id::derive`] of the client's header.
    pub id: Id,
    /// SHA-256 of the request: method, path and body.
    pub body: [u8; 32],
    /// When it came.
    pub at: UnixTime,
    /// How it stands.
    pub state: KeyState<A>,
}

/// How a keyed request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyState<A> {
    /// Somebody works on it until then; afterwards whoever comes may take over.
    InProgress {
        /// The end of the lease.
        until: UnixTime,
    },
    /// Answered.
    Done(A),
}

/// What to do with a keyed request.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn<'a, A> {
    /// It is new, or its worker died: write this row, then work. The work's own ids make its steps happen once.
    Work(Key<A>),
    /// It was answered: answer the same.
    Answered(&'a A),
}

/// Decides whose turn it is. `existing` is the row under the key; `lease_s` how long the work may take.
///
/// # Errors
/// [`Refusal::KeyReused`] for another request under this key (422); [`Refusal::InProgress`] (409).
pub fn begin<'a, A>(
    existing: Option<&'a Key<A>>,
    id: Id,
    request: &[u8],
    now: UnixTime,
    lease_s: u32,
) -> Result<Turn<'a, A>, Refusal> {
    let body = Sha256::digest(request).into();
    let until = now.plus(u64::from(lease_s));
    let work = |at| Turn::Work(Key { id, body, at, state: KeyState::InProgress { until } });
    let Some(row) = existing else { return Ok(work(now)) };
    if row.id != id {
        return Err(Refusal::WrongRow);
    }
    if row.body != body {
        return Err(Refusal::KeyReused);
    }
    match &row.state {
        KeyState::Done(answer) => Ok(Turn::Answered(answer)),
        KeyState::InProgress { until } if now < *until => Err(Refusal::InProgress),
        KeyState::InProgress { .. } => Ok(work(row.at)),
    }
}

impl<A> Key<A> {
    /// The row with its answer. The first answer stays.
    #[must_use]
    pub fn answered(self, answer: A) -> Self {
        match self.state {
            KeyState::Done(_) => self,
            KeyState::InProgress { .. } => Self { state: KeyState::Done(answer), ..self },
        }
    }

    /// Whether the row may be forgotten: answered, and older than [`KEPT_S`].
    #[must_use]
    pub fn may_be_forgotten(&self, now: UnixTime) -> bool {
        matches!(self.state, KeyState::Done(_)) && self.at.until(now) > KEPT_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, id};

    fn row() -> Key<u16> {
        match begin(None, id(1), b"body", NOW, 30).unwrap() {
            Turn::Work(row) => row,
            Turn::Answered(_) => panic!("nothing was answered yet"),
        }
    }

    /// T73, I10.
    #[test]
    fn the_same_request_gets_the_same_answer_and_another_none() {
        let done = row().answered(200).answered(500);
        assert_eq!(begin(Some(&done), id(1), b"body", NOW, 30), Ok(Turn::Answered(&200)));
        assert_eq!(begin(Some(&done), id(1), b"bodY", NOW, 30), Err(Refusal::KeyReused));
        assert_eq!(begin(Some(&row()), id(1), b"bodY", NOW, 30), Err(Refusal::KeyReused));
        assert_eq!(begin(Some(&done), id(2), b"body", NOW, 30), Err(Refusal::WrongRow));
    }

    /// T107: who died is succeeded, who lives is not disturbed.
    #[test]
    fn a_request_under_way_is_left_alone_until_its_lease_ends() {
        assert_eq!(begin(Some(&row()), id(1), b"body", NOW.plus(29), 30), Err(Refusal::InProgress));
        let first = row();
        let taken_over = begin(Some(&first), id(1), b"body", NOW.plus(30), 30).unwrap();
        let Turn::Work(again) = taken_over else { panic!("{taken_over:?}") };
        assert_eq!((again.at, again.state), (NOW, KeyState::InProgress { until: NOW.plus(60) }));
    }

    #[test]
    fn an_answer_is_kept_for_a_day_and_unfinished_work_for_ever() {
        let done = row().answered(200);
        assert!(!done.may_be_forgotten(NOW.plus(KEPT_S)));
        assert!(done.may_be_forgotten(NOW.plus(KEPT_S + 1)));
        assert!(!row().may_be_forgotten(NOW.plus(KEPT_S * 9)));
    }
}
