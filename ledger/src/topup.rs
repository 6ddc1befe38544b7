//! Top-ups: an invoice fills one account, once, for ever (C17, T66, T67, T83).
//!
//! ```text
//! open ──▶ (paid) ──▶ credit: the money is in the account, whoever claims it
//!                     claim:  the payer shows the preimage and gets the account's token, once
//! ```
//!
//! The account is fixed when the invoice is made: the bearer's own for a refill, a new one otherwise. So a settlement
//! needs no claimant, and a claim moves no money.

use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::amount::operation;
use crate::book::{Book, Step};
use crate::effect::Effect;
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;

/// One invoice that fills an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopUp {
    /// The invoice.
    pub payment_hash: PaymentHash,
    /// Which account it fills.
    pub account: BookId,
    /// What the invoice asks.
    pub asked: Msat,
    /// [`secret_digest`] of the `claim_secret` that a claim must bring; `None` where none is required (C17).
    pub secret: Option<Id>,
    /// What was credited, once it was.
    pub credited: Option<Msat>,
    /// Whether the account's token was handed out for it.
    pub claimed: bool,
}

/// What the node says about a paid invoice. Looked up, never only pushed (C7: every ledger credit looks up first).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The invoice.
    pub payment_hash: PaymentHash,
    /// What the payer paid; at least what was asked, for the node settles nothing less.
    pub paid: Msat,
    /// What the node kept of it (phoenixd: for liquidity). The operator bears it (T66).
    pub node_fee: Msat,
}

/// What a claimant brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Proof that the invoice was paid.
    pub preimage: Preimage,
    /// The `claim_secret` of the top-up's reply, if brought.
    pub secret: Option<[u8; 32]>,
    /// The account whose token came along (a refill), if one did.
    pub bearer: Option<BookId>,
}

/// What is stored of a claim secret. It is 256 random bits, so its hash gives nothing away, compared how you like.
#[must_use]
pub fn secret_digest(secret: &[u8; 32]) -> Id {
    Id::derive("claim-secret", &[secret])
}

/// Records that this invoice fills this account. `existing` is the row under the hash, in any account.
///
/// No money moves, so there is only the row. A frozen book takes no new top-ups.
///
/// # Errors
/// [`Refusal::ZeroAmount`], [`Refusal::TooLarge`], [`Refusal::AccountFull`]; [`Refusal::OtherAccount`] and
/// [`Refusal::KeyReused`] when the hash was recorded otherwise (T21); [`Refusal::Frozen`].
pub fn open(
    book: &Book,
    existing: Option<&TopUp>,
    payment_hash: PaymentHash,
    asked: Msat,
    secret: Option<Id>,
) -> Result<TopUp, Refusal> {
    operation(asked)?;
    if let Some(row) = existing {
        own(book, row)?;
        return if row.asked == asked && row.secret == secret { Ok(*row) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    book.has_room(asked)?;
    Ok(TopUp { payment_hash, account: book.id, asked, secret, credited: None, claimed: false })
}

/// Credits what was paid. A second notice of the same settlement changes nothing (T67, F8).
///
/// # Errors
/// [`Refusal::UnknownPayment`] without a row; [`Refusal::OtherAccount`] (T83); [`Refusal::Underpaid`] (T66);
/// [`Refusal::AccountFull`]; [`Refusal::Frozen`]. None of them loses the money: the notice can come again.
pub fn credit(
    book: &Book,
    row: Option<&TopUp>,
    settlement: &Settlement,
    clock: UnixTime,
) -> Result<Step<TopUp>, Refusal> {
    let row = row.ok_or(Refusal::UnknownPayment)?;
    own(book, row)?;
    if row.payment_hash != settlement.payment_hash {
        return Err(Refusal::WrongRow);
    }
    if row.credited.is_some() {
        return Ok(Step::Already);
    }
    if settlement.paid < row.asked {
        return Err(Refusal::Underpaid);
    }
    book.moving()?;
    let paid = operation(settlement.paid)?;
    book.has_room(paid)?;
    let postings = Postings::of([(Move::Deposit, paid), (Move::NodeFee, settlement.node_fee)]);
    let subject = Id::from(row.payment_hash);
    let row = TopUp { credited: Some(paid), ..*row };
    book.step(clock, Kind::TopUp, subject, postings, row, Some(Effect::Push { subject }))
}

/// Hands the account out to who paid: the row afterwards, and then the token is made or kept.
///
/// For the same account again it is the same row, and a 200 without effect (T83).
///
/// # Errors
/// [`Refusal::UnknownPayment`]: 404, for any hash no top-up recorded (C17); [`Refusal::WrongPreimage`],
/// [`Refusal::WrongClaimSecret`]; [`Refusal::OtherAccount`]: 403; [`Refusal::NotSettled`]; [`Refusal::AlreadyClaimed`].
pub fn claim(row: Option<&TopUp>, claim: &Claim) -> Result<TopUp, Refusal> {
    let row = row.ok_or(Refusal::UnknownPayment)?;
    if claim.preimage.payment_hash() != row.payment_hash {
        return Err(Refusal::WrongPreimage);
    }
    if row.secret.is_some() && claim.secret.as_ref().map(secret_digest) != row.secret {
        return Err(Refusal::WrongClaimSecret);
    }
    if claim.bearer.is_some_and(|bearer| bearer != row.account) {
        return Err(Refusal::OtherAccount);
    }
    if row.credited.is_none() {
        return Err(Refusal::NotSettled);
    }
    if row.claimed && claim.bearer.is_none() {
        return Err(Refusal::AlreadyClaimed);
    }
    Ok(TopUp { claimed: true, ..*row })
}

pub(crate) fn own(book: &Book, row: &TopUp) -> Result<(), Refusal> {
    if row.account == book.id { Ok(()) } else { Err(Refusal::OtherAccount) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ACCOUNT_MAX;
    use crate::testing::{ALICE, BOB, NOW, book_with, hash, preimage};

    fn recorded() -> TopUp {
        open(&Book::open(ALICE), None, hash(1), Msat(100), None).unwrap()
    }

    const fn settled(payment_hash: PaymentHash, paid: u64) -> Settlement {
        Settlement { payment_hash, paid: Msat(paid), node_fee: Msat(0) }
    }

    /// T67, F8: the notice twice, and after a restart that forgot nothing.
    #[test]
    fn a_payment_is_credited_once_however_often_it_is_told() {
        let change = credit(&Book::open(ALICE), Some(&recorded()), &settled(hash(1), 100), NOW).unwrap();
        let change = change.change().unwrap();
        assert_eq!(change.book.balances.user, 100);
        let again = credit(&change.book, Some(&change.row), &settled(hash(1), 100), NOW);
        assert_eq!(again, Ok(Step::Already));
    }

    /// T66: over-payment is credited, under-payment is no payment, the node's cut is the operator's.
    #[test]
    fn what_was_paid_is_credited_and_the_nodes_cut_is_not_the_users() {
        let book = Book::open(ALICE);
        let over = credit(&book, Some(&recorded()), &settled(hash(1), 130), NOW).unwrap().change().unwrap();
        assert_eq!(over.book.balances.user, 130);
        assert_eq!(credit(&book, Some(&recorded()), &settled(hash(1), 99), NOW), Err(Refusal::Underpaid));
        let cut = Settlement { node_fee: Msat(16), ..settled(hash(1), 100) };
        let balances = credit(&book, Some(&recorded()), &cut, NOW).unwrap().change().unwrap().book.balances;
        assert_eq!((balances.user, balances.fees, balances.node), (100, -16, -84));
    }

    /// C17, T83: only a top-up's hash, and only its account.
    #[test]
    fn no_other_hash_and_no_other_account() {
        let bob = Book::open(BOB);
        assert_eq!(credit(&bob, None, &settled(hash(1), 100), NOW), Err(Refusal::UnknownPayment));
        assert_eq!(credit(&bob, Some(&recorded()), &settled(hash(1), 100), NOW), Err(Refusal::OtherAccount));
        assert_eq!(open(&bob, Some(&recorded()), hash(1), Msat(100), None), Err(Refusal::OtherAccount));
        let alice = Book::open(ALICE);
        assert_eq!(credit(&alice, Some(&recorded()), &settled(hash(2), 100), NOW), Err(Refusal::WrongRow));
        assert_eq!(open(&alice, Some(&recorded()), hash(1), Msat(101), None), Err(Refusal::KeyReused));
        assert_eq!(open(&alice, Some(&recorded()), hash(1), Msat(100), None), Ok(recorded()));
    }

    /// T76: at the cap the money waits at the node instead of being lost.
    #[test]
    fn an_account_at_its_limit_takes_no_more() {
        let mut full = book_with(1);
        full.balances.user = i64::try_from(ACCOUNT_MAX.0).unwrap() - 100;
        full.balances.node = -full.balances.user;
        assert!(credit(&full, Some(&recorded()), &settled(hash(1), 100), NOW).is_ok());
        assert_eq!(credit(&full, Some(&recorded()), &settled(hash(1), 101), NOW), Err(Refusal::AccountFull));
    }

    #[test]
    fn a_preimage_claims_once_and_its_account_may_ask_again() {
        let paid = TopUp { credited: Some(Msat(100)), ..recorded() };
        let by = |bearer| Claim { preimage: preimage(1), secret: None, bearer };
        assert_eq!(claim(Some(&recorded()), &by(None)), Err(Refusal::NotSettled));
        assert_eq!(claim(None, &by(None)), Err(Refusal::UnknownPayment));
        let claimed = claim(Some(&paid), &by(None)).unwrap();
        assert_eq!(claim(Some(&claimed), &by(None)), Err(Refusal::AlreadyClaimed));
        assert_eq!(claim(Some(&claimed), &by(Some(BOB))), Err(Refusal::OtherAccount));
        assert_eq!(claim(Some(&paid), &by(Some(BOB))), Err(Refusal::OtherAccount), "nor before it was claimed");
        assert_eq!(claim(Some(&claimed), &by(Some(ALICE))), Ok(claimed));
        let wrong = Claim { preimage: preimage(2), ..by(None) };
        assert_eq!(claim(Some(&paid), &wrong), Err(Refusal::WrongPreimage));
    }

    /// C17: with a node that shows preimages, the preimage alone claims nothing.
    #[test]
    fn a_claim_secret_is_asked_for_where_one_was_given() {
        let secret = Some(secret_digest(&[5; 32]));
        let paid = TopUp { credited: Some(Msat(100)), secret, ..recorded() };
        let with = |secret| Claim { preimage: preimage(1), secret, bearer: None };
        assert_eq!(claim(Some(&paid), &with(None)), Err(Refusal::WrongClaimSecret));
        assert_eq!(claim(Some(&paid), &with(Some([6; 32]))), Err(Refusal::WrongClaimSecret));
        assert!(claim(Some(&paid), &with(Some([5; 32]))).is_ok());
    }
}
