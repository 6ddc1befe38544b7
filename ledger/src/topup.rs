//! Top-ups: an invoice fills one account, once, for ever (C17, T66, T67, T83).
//!
//! ```text
//! open ──▶ (paid) ──▶ credit: the money is in the account, whoever claims it
//!                     claim:  the payer shows the preimage and gets the account's token, once
//! ```
//!
//! The account is fixed when the invoice is made: the bearer's own for a refill, a new one otherwise. So a settlement
//! needs no claimant, and a claim moves no money.
//!
//! | a first top-up | the preimage alone | with the `claim_secret` |
//! | --- | --- | --- |
//! | not claimed | as its [`Secretless`] says: nothing, a balance that can only be spent, everything | everything |
//! | claimed alone | [`Refusal::AlreadyClaimed`] | everything; who claimed alone has nothing any more |
//! | claimed | [`Refusal::AlreadyClaimed`] | the same answer again, if the shell has it |

use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::amount::operation;
use crate::book::{Book, Step};
use crate::effect::Effect;
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::limit::Limit;
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
    /// [`secret_digest`] of the `claim_secret` that was given with the order; `None` in rows from before every order had one
    /// kept, and where nobody claims (C17).
    pub secret: Option<Id>,
    /// What a claim gets without it.
    pub secretless: Secretless,
    /// What was credited, once it was.
    pub credited: Option<Msat>,
    /// Whether the account's token was handed out for it, and to whom.
    pub claimed: Claimed,
}

/// What a claim by the preimage alone gets. The policy of the day of the order decides, for as long as the row lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Secretless {
    /// Nothing: it must bring the secret.
    Nothing,
    /// A balance that can only be spent here.
    Spend,
    /// The same, which may also be locked in escrow.
    Escrow,
    /// Everything. Of rows from before there was a limit, and where no claim is to be.
    Everything,
}

/// To whom an account's token was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claimed {
    /// To nobody yet.
    No,
    /// To who showed the preimage alone, and got what can only be spent.
    Alone,
    /// To who may have everything; or the account had its tokens already (a refill).
    Fully,
}

/// On which terms a top-up can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// See [`TopUp::secret`].
    pub secret: Option<Id>,
    /// See [`TopUp::secretless`].
    pub secretless: Secretless,
}

impl Terms {
    /// No secret, and nobody asks for one.
    pub const FREE: Self = Self { secret: None, secretless: Secretless::Everything };

    /// Everything with the secret of this digest, and `secretless` without it.
    #[must_use]
    pub const fn with(secret: Id, secretless: Secretless) -> Self {
        Self { secret: Some(secret), secretless }
    }
}

/// A claim that was accepted. No money moved, so there is no line for the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a claim that is not written did not happen"]
pub struct Accepted {
    /// The book afterwards, with its limit or without.
    pub book: Book,
    /// The row afterwards.
    pub row: TopUp,
    /// What becomes of the account's tokens.
    pub tokens: Tokens,
}

/// What becomes of an account's tokens when it is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tokens {
    /// The first one is handed out.
    First,
    /// All that the account has end, and a new one is handed out.
    Instead,
    /// The claimant was answered before: the same answer, or none.
    Again,
    /// The one that came along stays.
    Kept,
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
    terms: Terms,
) -> Result<TopUp, Refusal> {
    operation(asked)?;
    if let Some(row) = existing {
        own(book, row)?;
        let same = (row.asked, row.secret, row.secretless) == (asked, terms.secret, terms.secretless);
        return if same { Ok(*row) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    book.has_room(asked)?;
    let Terms { secret, secretless } = terms;
    Ok(TopUp { payment_hash, account: book.id, asked, secret, secretless, credited: None, claimed: Claimed::No })
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

/// Hands the account out to who paid.
///
/// The claim secret wins at any time: also over who claimed with the preimage alone, who may have seen it on the payment's
/// way (T63). For the same account again it is the same row, and a 200 without effect (T83).
///
/// # Errors
/// [`Refusal::UnknownPayment`]: 404, for any hash no top-up recorded (C17); [`Refusal::WrongPreimage`],
/// [`Refusal::WrongClaimSecret`]; [`Refusal::OtherAccount`]: 403; [`Refusal::NotSettled`]; [`Refusal::AlreadyClaimed`].
pub fn claim(book: &Book, row: Option<&TopUp>, claim: &Claim) -> Result<Accepted, Refusal> {
    let row = row.ok_or(Refusal::UnknownPayment)?;
    own(book, row)?;
    if claim.preimage.payment_hash() != row.payment_hash {
        return Err(Refusal::WrongPreimage);
    }
    let given = claim.secret.as_ref().map(secret_digest);
    if given.is_some() && row.secret.is_some() && given != row.secret {
        return Err(Refusal::WrongClaimSecret);
    }
    if claim.bearer.is_some_and(|bearer| bearer != row.account) {
        return Err(Refusal::OtherAccount);
    }
    let credited = row.credited.ok_or(Refusal::NotSettled)?;
    let is_proven = given.is_some() && given == row.secret;
    let tokens = if claim.bearer.is_some() { Tokens::Kept } else { Tokens::First };
    let accepted =
        |claimed, limit, tokens| Ok(Accepted { book: Book { limit, ..*book }, row: TopUp { claimed, ..*row }, tokens });
    match (row.claimed, row.secretless) {
        (Claimed::No, _) if is_proven => accepted(Claimed::Fully, book.limit, Tokens::First),
        (Claimed::No, Secretless::Everything) => accepted(Claimed::Fully, book.limit, tokens),
        (Claimed::No, Secretless::Nothing) => Err(Refusal::WrongClaimSecret),
        // An account is handed out once.
        (Claimed::No, _) if book.limit.is_some() => Err(Refusal::AlreadyClaimed),
        (Claimed::No, secretless) => {
            let limit = limit(book, credited, secretless == Secretless::Escrow);
            accepted(Claimed::Alone, Some(limit), tokens)
        }
        (Claimed::Alone, _) if is_proven => accepted(Claimed::Fully, None, Tokens::Instead),
        (Claimed::Alone | Claimed::Fully, _) if claim.bearer.is_some() => accepted(row.claimed, book.limit, tokens),
        (Claimed::Fully, _) if is_proven => accepted(row.claimed, book.limit, Tokens::Again),
        (Claimed::Alone | Claimed::Fully, _) => Err(Refusal::AlreadyClaimed),
    }
}

/// All that the top-up brought, as far as it is still there.
fn limit(book: &Book, credited: Msat, escrows: bool) -> Limit {
    let all = Limit { of: credited, left: credited, escrows, since: book.seq };
    let left = credited.min(all.room(&book.balances));
    Limit { of: left, left, ..all }
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
        open(&Book::open(ALICE), None, hash(1), Msat(100), Terms::FREE).unwrap()
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
        assert_eq!(open(&bob, Some(&recorded()), hash(1), Msat(100), Terms::FREE), Err(Refusal::OtherAccount));
        let alice = Book::open(ALICE);
        assert_eq!(credit(&alice, Some(&recorded()), &settled(hash(2), 100), NOW), Err(Refusal::WrongRow));
        assert_eq!(open(&alice, Some(&recorded()), hash(1), Msat(101), Terms::FREE), Err(Refusal::KeyReused));
        assert_eq!(open(&alice, Some(&recorded()), hash(1), Msat(100), Terms::FREE), Ok(recorded()));
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

    fn by(bearer: Option<BookId>) -> Claim {
        Claim { preimage: preimage(1), secret: None, bearer }
    }

    fn with(secret: u8) -> Claim {
        Claim { secret: Some([secret; 32]), ..by(None) }
    }

    /// A top-up of 100 msat that was paid, whose secret is fives.
    fn paid(secretless: Secretless) -> (Book, TopUp) {
        let secret = Some(secret_digest(&[5; 32]));
        (book_with(100), TopUp { credited: Some(Msat(100)), secret, secretless, ..recorded() })
    }

    #[track_caller]
    fn accepted(book: &Book, row: &TopUp, by: &Claim) -> Accepted {
        claim(book, Some(row), by).unwrap()
    }

    #[test]
    fn a_preimage_claims_once_and_its_account_may_ask_again() {
        let book = book_with(100);
        let paid = TopUp { credited: Some(Msat(100)), ..recorded() };
        assert_eq!(claim(&book, Some(&recorded()), &by(None)), Err(Refusal::NotSettled));
        assert_eq!(claim(&book, None, &by(None)), Err(Refusal::UnknownPayment));
        let first = accepted(&book, &paid, &by(None));
        assert_eq!((first.tokens, first.book), (Tokens::First, book), "a row from before the limit has none");
        let claimed = first.row;
        assert_eq!(claim(&book, Some(&claimed), &by(None)), Err(Refusal::AlreadyClaimed));
        assert_eq!(claim(&book, Some(&claimed), &by(Some(BOB))), Err(Refusal::OtherAccount));
        assert_eq!(claim(&book, Some(&paid), &by(Some(BOB))), Err(Refusal::OtherAccount), "nor before it was claimed");
        let again = accepted(&book, &claimed, &by(Some(ALICE)));
        assert_eq!((again.row, again.tokens), (claimed, Tokens::Kept));
        let wrong = Claim { preimage: preimage(2), ..by(None) };
        assert_eq!(claim(&book, Some(&paid), &wrong), Err(Refusal::WrongPreimage));
        assert_eq!(claim(&Book::open(BOB), Some(&paid), &by(None)), Err(Refusal::OtherAccount));
    }

    /// C17: with a node that shows preimages, the preimage alone claims nothing.
    #[test]
    fn a_claim_secret_is_asked_for_where_nothing_goes_without_it_a2() {
        let (book, row) = paid(Secretless::Nothing);
        assert_eq!(claim(&book, Some(&row), &by(None)), Err(Refusal::WrongClaimSecret));
        assert_eq!(claim(&book, Some(&row), &with(6)), Err(Refusal::WrongClaimSecret));
        let first = accepted(&book, &row, &with(5));
        assert_eq!((first.tokens, first.row.claimed, first.book.limit), (Tokens::First, Claimed::Fully, None));
        assert_eq!(claim(&book, Some(&first.row), &with(6)), Err(Refusal::WrongClaimSecret));
        assert_eq!(claim(&book, Some(&first.row), &by(None)), Err(Refusal::AlreadyClaimed));
        assert_eq!(accepted(&book, &first.row, &with(5)).tokens, Tokens::Again);
    }

    /// A2, T63, T83: who forwarded the payment claims first, and the buyer with the secret wins, at any time.
    #[test]
    fn who_claims_alone_can_only_spend_and_the_secret_wins_a2() {
        for (secretless, escrows) in [(Secretless::Spend, false), (Secretless::Escrow, true)] {
            let (book, row) = paid(secretless);
            assert_eq!(claim(&book, Some(&row), &with(6)), Err(Refusal::WrongClaimSecret));
            let thief = accepted(&book, &row, &by(None));
            let limit = Limit { of: Msat(100), left: Msat(100), escrows, since: 1 };
            assert_eq!(
                (thief.tokens, thief.row.claimed, thief.book.limit),
                (Tokens::First, Claimed::Alone, Some(limit))
            );
            assert_eq!(claim(&thief.book, Some(&thief.row), &by(None)), Err(Refusal::AlreadyClaimed));
            let kept = accepted(&thief.book, &thief.row, &by(Some(ALICE)));
            assert_eq!((kept.tokens, kept.book.limit), (Tokens::Kept, Some(limit)), "its own token lifts nothing");
            for bearer in [None, Some(ALICE)] {
                let buyer = accepted(&thief.book, &thief.row, &Claim { bearer, ..with(5) });
                assert_eq!((buyer.tokens, buyer.row.claimed, buyer.book), (Tokens::Instead, Claimed::Fully, book));
            }
        }
    }

    /// A2: what was left of it when it was claimed, and no more.
    #[test]
    fn a_limit_is_never_more_than_what_is_there_a2() {
        let (_, row) = paid(Secretless::Spend);
        assert_eq!(accepted(&book_with(30), &row, &by(None)).book.limit.map(|limit| limit.left), Some(Msat(30)));
        assert_eq!(accepted(&book_with(300), &row, &by(None)).book.limit.map(|limit| limit.left), Some(Msat(100)));
    }
}
