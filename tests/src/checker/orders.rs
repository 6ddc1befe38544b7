//! Orders that move money on: from one balance to another, out over Lightning, back to a payer. Each has a name that
//! repeats itself, so that who hears nothing may say it again; and all that was heard of it.

use serde_json::Value;

use super::wire::Heard;

/// What was heard of one order, however often it was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// What the edge calls it. More than one: the same order was two.
    pub ids: Vec<String>,
    /// How it ended. More than one: an end was none.
    pub ends: Vec<String>,
    /// The status code of a plain no.
    pub refused: Option<u16>,
}

impl Answers {
    /// Takes in an answer that calls the order by its `id`.
    pub fn hear(&mut self, answer: &Result<Value, Heard>, id: &str) {
        let mut note = |list: fn(&mut Self) -> &mut Vec<String>, text: &str| {
            if !list(self).iter().any(|known| known == text) {
                list(self).push(text.to_owned());
            }
        };
        match answer {
            Ok(told) => {
                note(|all| &mut all.ids, told[id].as_str().unwrap_or_default());
                match told["status"].as_str() {
                    Some("pending") | None => {}
                    Some(end) => note(|all| &mut all.ends, end),
                }
                self.refused = None;
            }
            // 401 and 403 are about a token, which may have been changed meanwhile; 5xx says nothing. Of two at once, the
            // one that was taken counts.
            Err(Heard::Whole(status @ (400 | 402 | 404..500))) if self.ids.is_empty() => self.refused = Some(*status),
            Err(_) => {}
        }
    }

    /// Whether there is nothing left to ask.
    pub fn is_over(&self) -> bool {
        !self.ends.is_empty() || self.refused.is_some()
    }

    /// The edge's name for it.
    pub fn id(&self) -> Option<&str> {
        self.ids.first().map(String::as_str)
    }

    /// Whether it ended so, and in no other way.
    pub fn ended(&self, end: &str) -> bool {
        self.ends.iter().all(|known| known == end) && !self.ends.is_empty()
    }
}

/// From one balance to another.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// Whose balance it leaves.
    pub from: usize,
    /// Whose it fills; `None` when the account that was named does not exist.
    pub to: Option<usize>,
    /// The account that was named.
    pub to_id: String,
    /// What is given.
    pub msat: u64,
    /// `Idempotency-Key`
    pub key: String,
    /// What came of it.
    pub answers: Answers,
}

/// What the dev wallet does with the payment of an invoice: its description says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Paid,
    /// It does not.
    Fail,
    /// It arrives after three seconds.
    Late,
    /// It does not, after three seconds.
    LateFail,
}

impl Fate {
    /// The description.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paid => "lunch",
            Self::Fail => "fail",
            Self::Late => "late",
            Self::LateFail => "late fail",
        }
    }

    /// Whether the wallet takes it, sooner or later.
    pub const fn arrives(self) -> bool {
        matches!(self, Self::Paid | Self::Late)
    }
}

/// An invoice of the dev wallet.
#[derive(Clone, Debug)]
pub struct Bill {
    /// To be paid.
    pub bolt11: String,
    /// Its payment hash, hex.
    pub hash: String,
    /// What it asks.
    pub msat: u64,
    /// What becomes of its payment.
    pub fate: Fate,
}

/// From a balance out over Lightning.
#[derive(Clone, Debug)]
pub struct Payout {
    /// Whose balance it leaves.
    pub account: usize,
    /// To whom.
    pub bill: Bill,
    /// Another balance was told to pay the same invoice.
    pub has_rival: bool,
    /// `Idempotency-Key`
    pub key: String,
    /// What routing cost, once it was paid.
    pub fee_msat: Option<u64>,
    /// The proof, hex.
    pub preimage: Option<String>,
    /// What came of it.
    pub answers: Answers,
}

impl Payout {
    /// Takes in an answer.
    pub fn hear(&mut self, answer: &Result<Value, Heard>) {
        self.answers.hear(answer, "payout_id");
        if let Ok(told) = answer {
            self.fee_msat = told["fee_msat"].as_u64().or(self.fee_msat);
            self.preimage = told["preimage"].as_str().map(str::to_owned).or(self.preimage.take());
        }
    }
}

/// A purchase that is given back: what the payer was told, and the invoices that were brought to its link.
#[derive(Clone, Debug, Default)]
pub struct Refund {
    /// The edge has said that the purchase failed for good.
    pub is_owed: bool,
    /// What the edge calls the refund, and what it pays, in sats. More than one: the promise changed.
    pub promises: Vec<(String, u64)>,
    /// The link, as a wallet scans it.
    pub link: Option<String>,
    /// Where its status is told.
    pub status_url: Option<String>,
    /// Every invoice that was brought.
    pub claims: Vec<Bill>,
    /// The edge has said that the refund was paid.
    pub is_claimed: bool,
    /// What the operator is told of the purchase's book.
    pub audit: Option<Value>,
}

impl Refund {
    /// Takes in the body of an answer: of a failure, or `refund` alone.
    pub fn hear(&mut self, refund: &Value) {
        let text = |key: &str| refund[key].as_str().map(str::to_owned);
        let (Some(id), Some(sats)) = (text("charge_id"), refund["refund_amount"].as_u64()) else { return };
        self.is_owed = true;
        if !self.promises.contains(&(id.clone(), sats)) {
            self.promises.push((id, sats));
        }
        self.link = text("lnurl_withdraw").or(self.link.take());
        self.status_url = text("status_url").or(self.status_url.take());
    }

    /// What was promised, in msat.
    pub fn promised_msat(&self) -> u64 {
        self.promises.first().map_or(0, |(_, sats)| sats * 1_000)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn silence_and_a_changed_token_end_nothing_and_a_refusal_does() {
        let mut answers = Answers::default();
        for heard in [Heard::Nothing, Heard::Cut(200), Heard::Whole(503), Heard::Whole(401), Heard::Whole(403)] {
            answers.hear(&Err(heard), "id");
            assert!(!answers.is_over(), "{heard:?}");
        }
        answers.hear(&Err(Heard::Whole(402)), "id");
        assert!(answers.is_over() && answers.refused == Some(402));
    }

    #[test]
    fn every_name_and_every_end_is_kept_once() {
        let mut answers = Answers::default();
        for (id, status) in [("a", "pending"), ("a", "delivered"), ("b", "delivered"), ("a", "bounced")] {
            answers.hear(&Ok(json!({"id": id, "status": status})), "id");
            assert_eq!(answers.is_over(), status != "pending");
        }
        assert_eq!((answers.ids.len(), answers.ends.len()), (2, 2));
        assert!(!answers.ended("delivered"));
        // What was taken is not refused any more.
        answers.hear(&Err(Heard::Whole(402)), "id");
        assert_eq!(answers.refused, None);
    }
}
