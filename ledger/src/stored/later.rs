//! Rows whose form has changed: the first form is still read, and still written where it says all.

use alloc::vec::Vec;

use l402::{Msat, UnixTime};

use super::{Bytes, Field, Stored, Table, VERSION};
use crate::id::Id;
use crate::spend::Use;
use crate::topup::{Claimed, Secretless, TopUp};

/// The second form: `secretless` stands behind the secret, and `claimed` says to whom.
const LIMITED: u8 = 2;

/// What the first form's `secret` said of a claim without it: with one everything hung on it, without one nothing did.
const fn secretless_before(secret: Option<Id>) -> Secretless {
    match secret {
        Some(_) => Secretless::Nothing,
        None => Secretless::Everything,
    }
}

impl Stored for TopUp {
    const TABLE: Table = Table::TopUps;

    fn key(&self) -> Id {
        self.payment_hash.into()
    }

    fn due(&self) -> Option<UnixTime> {
        None
    }

    fn version(&self) -> u8 {
        let says_all = self.secretless == secretless_before(self.secret) && self.claimed != Claimed::Alone;
        if says_all { VERSION } else { LIMITED }
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        self.payment_hash.put(out);
        self.account.put(out);
        self.asked.put(out);
        self.secret.put(out);
        if self.version() == LIMITED {
            self.secretless.put(out);
            self.credited.put(out);
            self.claimed.put(out);
        } else {
            self.credited.put(out);
            (self.claimed == Claimed::Fully).put(out);
        }
    }

    fn take_fields(bytes: &mut Bytes<'_>, version: u8) -> Option<Self> {
        let (payment_hash, account) = (Field::take(bytes)?, Field::take(bytes)?);
        let (asked, secret) = (Field::take(bytes)?, Field::take(bytes)?);
        let (secretless, credited, claimed) = match version {
            VERSION => {
                let (credited, is_claimed) = (Field::take(bytes)?, Field::take(bytes)?);
                (secretless_before(secret), credited, if is_claimed { Claimed::Fully } else { Claimed::No })
            }
            LIMITED => (Field::take(bytes)?, Field::take(bytes)?, Field::take(bytes)?),
            _ => return None,
        };
        Some(Self { payment_hash, account, asked, secret, secretless, credited, claimed })
    }
}

impl Stored for Use {
    const TABLE: Table = Table::Uses;

    fn key(&self) -> Id {
        self.id
    }

    fn due(&self) -> Option<UnixTime> {
        None
    }

    fn version(&self) -> u8 {
        if self.limited == Msat(0) { VERSION } else { LIMITED }
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        self.id.put(out);
        self.amount.put(out);
        self.leaf.put(out);
        self.state.put(out);
        if self.version() == LIMITED {
            self.limited.put(out);
        }
    }

    fn take_fields(bytes: &mut Bytes<'_>, version: u8) -> Option<Self> {
        let (id, amount) = (Field::take(bytes)?, Field::take(bytes)?);
        let (leaf, state) = (Field::take(bytes)?, Field::take(bytes)?);
        let limited = match version {
            VERSION => Msat(0),
            LIMITED => Field::take(bytes)?,
            _ => return None,
        };
        Some(Self { id, amount, limited, leaf, state })
    }
}
