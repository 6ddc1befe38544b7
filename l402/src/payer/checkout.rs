//! A person pays on a screen: from the first 402 to the open door, as a state machine without clock, timer or network.
//!
//! ```text
//! Idle ─▶ Asking ─▶ Waiting ─▶ Settled ─▶ Open
//!           │        │ ▲ └────▶ Over        (nobody renewed the invoice; still watched)
//!           ▼        ▼ └─ renewed in place; the invoice before stays watched
//!         Failed ◀───┴──────── Settled      (paid, and the server does not take it: never asks for money again)
//! ```
//!
//! The shell feeds [`Event`]s, and does what the [`Effect`]s say, in their order. What is certain here: an invoice is
//! shown only if it agrees with its challenge and with the limit; nobody is believed without a preimage that hashes to
//! the payment hash of an invoice that was shown (T115), but for the seller itself, when it hands over that invoice's own
//! token, attested; once paid, no second invoice is asked for; nor by itself while a payment of the first may be under
//! way; a hidden page makes no new invoices, and a visible one only so many by itself.

use super::offer::{Offer, PayerFault, UnverifiedTerms};
use crate::amount::Msat;
use crate::preimage::{PaymentHash, Preimage};
use crate::prelude::*;
use crate::time::UnixTime;

/// How often an invoice is renewed before a person has to ask for the next one.
pub const RENEWALS_MAX: u32 = 5;
/// How long after its end an invoice is still watched, in seconds: a payment may be under way (C6).
pub const WATCH_MARGIN_S: u64 = 600;
/// How long after its end an earlier invoice is looked at as often as the one on the screen, in seconds: by then most
/// payments that were under way have arrived.
const RECENT_S: u64 = 60;
/// How many earlier invoices are watched beside the one on the screen.
const EARLIER_MAX: usize = 3;
/// The first pause between two looks, in milliseconds: the status URL takes about one a second (C5).
const PAUSE_MS: u32 = 1_000;
/// The longest pause while somebody is looking.
const PAUSE_MAX_MS: u32 = 5_000;
/// The pause while nobody looks, or while the server itself will tell.
const IDLE_PAUSE_MS: u32 = 15_000;
/// How often a server that cannot be reached is told of a payment before a person has to try again.
const UNLOCKS_MAX: u32 = 6;
/// A clock on this device that is wrong by more is not corrected, in seconds.
const SKEW_MAX_S: u64 = 86_400;
/// An invoice whose beginning lies further in the future shows that the clock on this device is slow, in seconds.
const AHEAD_S: u64 = 60;
/// The shortest pause before a seller that cannot sell just now is asked again, in seconds; it doubles with each try.
const RETRY_S: u32 = 4;
/// The longest one.
const RETRY_MAX_S: u32 = 60;

/// Where a checkout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing was asked for.
    Idle,
    /// The first 402 is awaited.
    Asking,
    /// An invoice is on the screen.
    Waiting,
    /// The invoice has ended and is not renewed by itself. A late payment still counts.
    Over,
    /// Paid and proven; the door is being opened.
    Settled,
    /// Open.
    Open,
    /// See the fault.
    Failed(CheckoutFault),
}

/// Why it does not go on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckoutFault {
    /// The 402 cannot or must not be paid.
    Challenge(PayerFault),
    /// The server was not reached, or failed.
    Unreachable,
    /// The server wants fewer questions. It is asked again by itself.
    Limited,
    /// The seller can make no invoice just now, and nothing was charged. It is asked again by itself.
    Unsold,
    /// The server says "settled" with a preimage that is none.
    FalseProof,
    /// The proof is right, and the server does not take it. The proof is kept.
    Refused,
}

/// What came of asking for the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is open: no payment is asked for.
    Free,
    /// A 402.
    Offer(Box<Offer>, UnverifiedTerms),
    /// A 402 that cannot be read.
    Unreadable(PayerFault),
    /// Too many questions, 429: again in so many seconds.
    Later(u32),
    /// Not for sale just now, 503: again in so many seconds.
    Unsold(u32),
    /// No answer, or none that says anything.
    None,
}

/// What the status URL says of an invoice (C5). Not believed without proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnverifiedStatus {
    /// Not paid.
    Pending,
    /// Can no longer be paid.
    Expired,
    /// Paid, with what is said to be the preimage, hex.
    Settled(String),
    /// Paid, by the seller's own word: the token that replaces the invoice's, and what is said to be its attestation,
    /// hex.
    Attested(String, String),
    /// Nothing to learn now; look again after so many seconds, or at the usual pace.
    Unknown(Option<u32>),
}

/// Who came with a preimage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A person who typed it, and wants to hear whether it is right.
    Payer,
    /// Another tab, or the wallet in this browser. Wrong ones are dropped in silence.
    Tab,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants the resource, or another try.
    Start,
    /// Somebody wants another invoice, before this one has ended.
    Renew,
    /// The answer to [`Effect::Ask`], or an invoice that another tab shows.
    Answered(Answer),
    /// The answer to [`Effect::Poll`].
    Status(PaymentHash, UnverifiedStatus),
    /// Somebody says that this is the preimage, hex.
    Preimage(String, Source),
    /// A wallet was told to pay the invoice on the screen, or (`false`) certainly did not.
    Sent(bool),
    /// The time of [`Effect::Wake`] has come.
    Tick,
    /// The server says that it is worth looking.
    Hint,
    /// The server will tell (or no longer).
    Live(bool),
    /// Somebody looks at it (or no longer): tab and window together. Also: the connection is back.
    Seen(bool),
    /// This tab polls for all tabs (or another one does).
    Leads(bool),
    /// The door is open.
    Unlocked,
    /// The server could not be told of the payment.
    NotUnlocked,
    /// The server does not take the proof.
    Refused,
    /// Begin anew, as if nothing had been.
    Forget,
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask for the resource without a credential.
    Ask,
    /// Draw again: phase, invoice or proof have changed.
    Draw,
    /// Look whether the invoice with this hash was paid.
    Poll(PaymentHash),
    /// Let the server tell when the invoice with this hash is paid, instead of the one before.
    Watch(PaymentHash),
    /// Send [`Event::Tick`] after so many milliseconds; replaces every earlier wish.
    Wake(u32),
    /// Offer the proof to the page, then open the door with it.
    Unlock,
    /// Say it to the page around.
    Tell(News),
    /// No timer, no watch.
    Rest,
}

/// What the page around is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A 402 was read.
    Challenge,
    /// An invoice is shown.
    Invoice,
    /// A payment is awaited.
    Pending,
    /// The invoice was replaced.
    Renewed,
    /// The invoice has ended.
    Expired,
    /// Paid and proven.
    Settled,
    /// What the payer gave is not the preimage.
    WrongPreimage,
    /// See the phase.
    Failed,
}

/// An invoice on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// It and its token.
    pub offer: Offer,
    /// When it ends, by the clock of this device.
    pub ends_at: UnixTime,
}

/// A payment that is proven.
#[derive(Clone)]
pub struct Proof {
    /// What was paid.
    pub offer: Offer,
    /// Its preimage; or, in its place, the attestation of its token.
    pub preimage: Preimage,
}

impl Proof {
    /// Whether the seller's word stands where a preimage would: it opens the seller's door, and proves nothing to
    /// anybody else.
    #[must_use]
    pub fn is_attested(&self) -> bool {
        self.preimage.payment_hash() != self.offer.payment_hash()
    }

    /// The value of `Authorization` that opens the resource.
    #[must_use]
    pub fn authorization(&self) -> String {
        self.offer.authorization(&self.preimage)
    }
}

/// One resource, being paid for.
#[derive(Debug)]
pub struct Checkout {
    amount_max: Option<Msat>,
    phase: Phase,
    bill: Option<Bill>,
    earlier: Vec<Bill>,
    proof: Option<Proof>,
    renewals: u32,
    /// Looks in a row that told nothing new.
    looks: u32,
    unlocks: u32,
    is_asking: bool,
    is_polling: bool,
    /// Something happened during a look; its answer may be older than that.
    looks_again: bool,
    /// A wallet in this browser may be paying the invoice on the screen.
    is_sent: bool,
    is_live: bool,
    is_seen: bool,
    leads: bool,
}

impl Checkout {
    /// For a resource that may cost so much; without a limit, the person who looks at the amount decides.
    #[must_use]
    pub const fn new(amount_max: Option<Msat>) -> Self {
        Self {
            amount_max,
            phase: Phase::Idle,
            bill: None,
            earlier: Vec::new(),
            proof: None,
            renewals: 0,
            looks: 0,
            unlocks: 0,
            is_asking: false,
            is_polling: false,
            looks_again: false,
            is_sent: false,
            is_live: false,
            is_seen: true,
            leads: true,
        }
    }

    /// Where it stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The invoice to show; it may be over.
    #[must_use]
    pub const fn bill(&self) -> Option<&Bill> {
        self.bill.as_ref()
    }

    /// The proof, once there is one.
    #[must_use]
    pub const fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// Whether a wallet may be paying the invoice on the screen: then nothing here offers to pay it once more.
    #[must_use]
    pub const fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// The invoice with this hash, shown or shown before.
    #[must_use]
    pub fn offer(&self, hash: &PaymentHash) -> Option<&Offer> {
        self.bills().map(|bill| &bill.offer).find(|offer| offer.payment_hash() == *hash)
    }

    /// Takes an event. `chance` is a random byte: it spreads the looks of many pages over time.
    pub fn step(&mut self, event: Event, now: UnixTime, chance: u8) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Start => self.start(&mut effects),
            Event::Renew if matches!(self.phase, Phase::Waiting | Phase::Over) => {
                self.renewals = 0;
                self.ask(&mut effects);
            }
            Event::Renew => self.start(&mut effects),
            Event::Answered(answer) => self.answered(answer, now, chance, &mut effects),
            Event::Status(hash, status) => self.status(hash, status, now, chance, &mut effects),
            Event::Preimage(text, source) => self.preimage(&text, source, &mut effects),
            Event::Sent(is_sent) => {
                self.is_sent = is_sent;
                effects.push(Effect::Draw);
                // Whatever the wallet said, it may have paid.
                self.looks = 0;
                if self.leads {
                    self.look(now, chance, &mut effects);
                }
            }
            Event::Tick => self.tick(now, chance, &mut effects),
            Event::Hint => self.look(now, chance, &mut effects),
            Event::Live(is_live) => {
                self.is_live = is_live;
                self.pause(now, chance, &mut effects);
            }
            Event::Seen(is_seen) => {
                self.is_seen = is_seen;
                match (is_seen, self.phase) {
                    // The phone comes back from the wallet: now, not after the pause (T115 still holds).
                    (true, Phase::Failed(CheckoutFault::Unreachable)) => self.start(&mut effects),
                    (true, _) if self.is_put_off() => effects.push(Effect::Wake(PAUSE_MS)),
                    (true, _) => self.look(now, chance, &mut effects),
                    (false, _) => self.pause(now, chance, &mut effects),
                }
            }
            Event::Leads(leads) => {
                self.leads = leads;
                self.looks = 0;
                self.pause(now, chance, &mut effects);
            }
            Event::Unlocked if self.phase == Phase::Settled => self.open(&mut effects),
            Event::NotUnlocked if self.phase == Phase::Settled => {
                self.unlocks = self.unlocks.saturating_add(1);
                if self.unlocks >= UNLOCKS_MAX {
                    self.fail(CheckoutFault::Unreachable, &mut effects);
                } else {
                    effects.push(Effect::Wake(spread(PAUSE_MS.saturating_mul(self.unlocks), chance)));
                }
            }
            Event::Refused if self.phase == Phase::Settled => self.fail(CheckoutFault::Refused, &mut effects),
            Event::Unlocked | Event::NotUnlocked | Event::Refused => {}
            Event::Forget => {
                let (amount_max, is_seen, leads) = (self.amount_max, self.is_seen, self.leads);
                *self = Self { is_seen, leads, ..Self::new(amount_max) };
                effects.extend([Effect::Rest, Effect::Draw]);
            }
        }
        effects
    }

    fn start(&mut self, effects: &mut Vec<Effect>) {
        // Paid already: then the only thing left to try is the door.
        if self.proof.is_some() {
            if let Phase::Failed(_) = self.phase {
                self.phase = Phase::Settled;
                self.unlocks = 0;
                effects.extend([Effect::Draw, Effect::Unlock]);
            }
            return;
        }
        match self.phase {
            Phase::Idle | Phase::Failed(_) => {
                self.phase = Phase::Asking;
                self.renewals = 0;
                effects.push(Effect::Draw);
                self.ask(effects);
            }
            Phase::Over => {
                self.renewals = 0;
                self.ask(effects);
            }
            Phase::Asking | Phase::Waiting | Phase::Settled | Phase::Open => {}
        }
    }

    fn ask(&mut self, effects: &mut Vec<Effect>) {
        if !self.is_asking {
            self.is_asking = true;
            effects.push(Effect::Ask);
        }
    }

    fn answered(&mut self, answer: Answer, now: UnixTime, chance: u8, effects: &mut Vec<Effect>) {
        self.is_asking = false;
        if !matches!(self.phase, Phase::Asking | Phase::Waiting | Phase::Over) && !self.is_put_off() {
            return;
        }
        let is_first = self.bill.is_none();
        match answer {
            Answer::Free => self.open(effects),
            Answer::Offer(offer, terms) => match self.bill_of(*offer, &terms, now) {
                Ok(bill) => self.show(bill, now, chance, effects),
                Err(fault) => self.refuse(fault, now, chance, effects),
            },
            Answer::Unreadable(fault) => self.refuse(fault, now, chance, effects),
            Answer::Later(seconds) if is_first => self.put_off(CheckoutFault::Limited, seconds, chance, effects),
            Answer::Unsold(seconds) if is_first => self.put_off(CheckoutFault::Unsold, seconds, chance, effects),
            Answer::None if is_first => self.fail(CheckoutFault::Unreachable, effects),
            // A renewal that did not come: the old invoice stays, and the next tick tries again.
            Answer::Later(seconds) | Answer::Unsold(seconds) => {
                effects.push(Effect::Wake(seconds.clamp(1, 60).saturating_mul(1_000)))
            }
            Answer::None => effects.push(Effect::Wake(spread(PAUSE_MAX_MS, chance))),
        }
    }

    /// Says why there is no invoice yet, once, and asks again by itself: later and later, and not in step with others.
    fn put_off(&mut self, fault: CheckoutFault, seconds: u32, chance: u8, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Failed(fault) {
            self.fail(fault, effects);
        }
        let pause_s = (RETRY_S << self.renewals.min(4)).max(seconds).min(RETRY_MAX_S);
        self.renewals = self.renewals.saturating_add(1);
        effects.push(Effect::Wake(spread(pause_s.saturating_mul(1_000), chance)));
    }

    const fn is_put_off(&self) -> bool {
        matches!(self.phase, Phase::Failed(CheckoutFault::Limited | CheckoutFault::Unsold))
    }

    /// Shows the fault instead of an invoice. What was on the screen before may have been paid, and is still watched.
    fn refuse(&mut self, fault: PayerFault, now: UnixTime, chance: u8, effects: &mut Vec<Effect>) {
        let before = self.bill.take();
        self.remember(before);
        self.fail(CheckoutFault::Challenge(fault), effects);
        self.pause(now, chance, effects);
    }

    fn remember(&mut self, before: Option<Bill>) {
        self.earlier.extend(before);
        if self.earlier.len() > EARLIER_MAX {
            self.earlier.remove(0);
        }
    }

    /// Only what agrees with itself and with the limit gets on the screen.
    fn bill_of(&self, offer: Offer, terms: &UnverifiedTerms, now: UnixTime) -> Result<Bill, PayerFault> {
        offer.check(terms)?;
        if self.amount_max.is_some_and(|max| offer.amount > max) {
            return Err(PayerFault::TooDear(offer.amount));
        }
        // A server makes an invoice when it is asked. One that is over on arrival, or begins in the future, tells that
        // the clock of this device is wrong; without a correction such a device would ask for invoice after invoice.
        let made_at = offer.invoice.timestamp;
        let off_s = now.0.abs_diff(made_at.0);
        let is_off = now >= offer.expires_at() || now.plus(AHEAD_S) < made_at;
        if is_off && off_s > SKEW_MAX_S {
            return Err(PayerFault::Expired);
        }
        let ends_at = if is_off { now.plus(offer.invoice.expiry_s) } else { offer.expires_at() };
        Ok(Bill { offer, ends_at })
    }

    fn show(&mut self, bill: Bill, now: UnixTime, chance: u8, effects: &mut Vec<Effect>) {
        let hash = bill.offer.payment_hash();
        let is_same = self.bill.as_ref().is_some_and(|shown| shown.offer.payment_hash() == hash);
        let before = self.bill.replace(bill).filter(|_| !is_same);
        let is_renewal = before.is_some();
        self.remember(before);
        self.phase = Phase::Waiting;
        if is_same {
            self.pause(now, chance, effects);
            return;
        }
        self.looks = 0;
        self.renewals = if is_renewal { self.renewals } else { 0 };
        self.is_sent = false;
        effects.push(Effect::Draw);
        match is_renewal {
            true => effects.push(Effect::Tell(News::Renewed)),
            false => effects.push(Effect::Tell(News::Challenge)),
        }
        effects.extend([Effect::Tell(News::Invoice), Effect::Watch(hash), Effect::Tell(News::Pending)]);
        self.pause(now, chance, effects);
    }

    fn status(
        &mut self,
        hash: PaymentHash,
        status: UnverifiedStatus,
        now: UnixTime,
        chance: u8,
        effects: &mut Vec<Effect>,
    ) {
        self.is_polling = false;
        let looks_again = core::mem::take(&mut self.looks_again);
        if !self.awaits() {
            return;
        }
        match status {
            UnverifiedStatus::Settled(_) | UnverifiedStatus::Attested(..) => {
                let proof = match &status {
                    UnverifiedStatus::Attested(token, attestation) => self.attested(&hash, token, attestation),
                    UnverifiedStatus::Settled(preimage) => self.proof_of(preimage),
                    _ => None,
                };
                return match proof.filter(|proof| proof.offer.payment_hash() == hash) {
                    Some(proof) => self.settle(proof, effects),
                    None => self.fail(CheckoutFault::FalseProof, effects),
                };
            }
            UnverifiedStatus::Expired => {
                if let Some(bill) = self.bill.as_mut().filter(|bill| bill.offer.payment_hash() == hash) {
                    bill.ends_at = bill.ends_at.min(now);
                }
            }
            UnverifiedStatus::Unknown(Some(seconds)) => {
                effects.push(Effect::Wake(seconds.clamp(1, 60).saturating_mul(1_000)));
                return;
            }
            UnverifiedStatus::Pending | UnverifiedStatus::Unknown(None) if looks_again => {
                effects.push(Effect::Wake(spread(PAUSE_MS, chance)));
                return;
            }
            UnverifiedStatus::Pending | UnverifiedStatus::Unknown(None) => {}
        }
        self.pause(now, chance, effects);
    }

    fn preimage(&mut self, text: &str, source: Source, effects: &mut Vec<Effect>) {
        if !self.awaits() {
            return;
        }
        match (self.proof_of(text.trim()), source) {
            (Some(proof), _) => self.settle(proof, effects),
            (None, Source::Payer) => effects.push(Effect::Tell(News::WrongPreimage)),
            (None, Source::Tab) => {}
        }
    }

    /// A preimage is one only for an invoice that was shown (T115).
    fn proof_of(&self, unverified_preimage: &str) -> Option<Proof> {
        let preimage = Preimage::from_hex(unverified_preimage)?;
        let offer = self.offer(&preimage.payment_hash())?.clone();
        Some(Proof { offer, preimage })
    }

    /// Only the seller can check it. What is seen here is that it belongs to an invoice that was shown, so that nothing
    /// else of the seller's takes its place.
    fn attested(&self, hash: &PaymentHash, token: &str, unverified_attestation: &str) -> Option<Proof> {
        let preimage = Preimage::from_hex(unverified_attestation)?;
        Some(Proof { offer: self.offer(hash)?.attested(token)?, preimage })
    }

    fn settle(&mut self, proof: Proof, effects: &mut Vec<Effect>) {
        self.proof = Some(proof);
        self.phase = Phase::Settled;
        effects.extend([Effect::Rest, Effect::Draw, Effect::Tell(News::Settled), Effect::Unlock]);
    }

    fn open(&mut self, effects: &mut Vec<Effect>) {
        self.phase = Phase::Open;
        effects.extend([Effect::Rest, Effect::Draw]);
    }

    fn fail(&mut self, fault: CheckoutFault, effects: &mut Vec<Effect>) {
        self.phase = Phase::Failed(fault);
        // A seller that lies is paid nothing more.
        if fault == CheckoutFault::FalseProof {
            self.bill = None;
            self.earlier.clear();
        }
        effects.extend([Effect::Rest, Effect::Draw, Effect::Tell(News::Failed)]);
    }

    fn tick(&mut self, now: UnixTime, chance: u8, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Settled => effects.push(Effect::Unlock),
            _ if self.awaits() => self.look(now, chance, effects),
            // A page that nobody looks at asks once it is seen.
            _ if self.is_put_off() && self.is_seen => self.ask(effects),
            _ => {}
        }
    }

    /// Renews what has ended, and looks at one invoice.
    fn look(&mut self, now: UnixTime, chance: u8, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Settled {
            effects.push(Effect::Unlock);
            return;
        }
        if !self.awaits() {
            return;
        }
        let is_over = self.bill.as_ref().is_some_and(|bill| now >= bill.ends_at);
        if is_over && self.phase == Phase::Waiting && !self.is_asking {
            if self.renewals >= RENEWALS_MAX || self.is_sent {
                self.phase = Phase::Over;
                effects.extend([Effect::Draw, Effect::Tell(News::Expired)]);
            } else if self.is_seen {
                self.renewals = self.renewals.saturating_add(1);
                effects.push(Effect::Tell(News::Expired));
                self.ask(effects);
            }
        }
        if self.is_polling {
            self.looks_again = true;
            return;
        }
        match self.next_to_look_at(now) {
            Some(hash) => {
                self.is_polling = true;
                self.looks = self.looks.saturating_add(1);
                effects.push(Effect::Poll(hash));
            }
            None => self.pause(now, chance, effects),
        }
    }

    /// The invoice on the screen, and every fourth time one of those before it; every other time while one of them has
    /// just ended.
    fn next_to_look_at(&self, now: UnixTime) -> Option<PaymentHash> {
        let watched: Vec<_> = self
            .bills()
            .filter(|bill| now < bill.ends_at.plus(WATCH_MARGIN_S))
            .map(|bill| bill.offer.payment_hash())
            .collect();
        let (first, others) = watched.split_first()?;
        let turn = usize::try_from(self.looks).unwrap_or(0);
        let every = if self.has_recent(now) { 2 } else { 4 };
        match (turn % every == every - 1, others.len()) {
            (true, count @ 1..) => others.get(turn / every % count).copied(),
            _ => Some(*first),
        }
    }

    /// An invoice was renewed a moment ago. No server tells when that one is paid: it was told to watch the next.
    fn has_recent(&self, now: UnixTime) -> bool {
        self.earlier.iter().any(|bill| now < bill.ends_at.plus(RECENT_S))
    }

    /// Sleeps until the next look, or until the invoice ends.
    fn pause(&self, now: UnixTime, chance: u8, effects: &mut Vec<Effect>) {
        if !self.awaits() || self.is_polling || (!self.leads && !self.is_seen) {
            return;
        }
        if self.next_to_look_at(now).is_none() && self.phase != Phase::Waiting {
            effects.push(Effect::Rest);
            return;
        }
        let is_told = self.is_live && !self.has_recent(now);
        let pause_ms = if is_told || !self.is_seen || !self.leads || self.phase == Phase::Over {
            IDLE_PAUSE_MS
        } else {
            (0..self.looks.min(8)).fold(PAUSE_MS, |ms, _| ms.saturating_mul(5) / 4).min(PAUSE_MAX_MS)
        };
        let ends_at = self.bill.as_ref().map_or(now, |bill| bill.ends_at);
        let left_ms = u32::try_from(now.until(ends_at)).unwrap_or(u32::MAX).saturating_mul(1_000);
        let pause_ms = spread(pause_ms, chance);
        effects.push(Effect::Wake(if left_ms == 0 { pause_ms } else { pause_ms.min(left_ms) }));
    }

    /// A payment would still be welcome: an invoice is on the screen, or was before a renewal went wrong.
    const fn awaits(&self) -> bool {
        match self.phase {
            Phase::Waiting | Phase::Over => true,
            Phase::Failed(CheckoutFault::Challenge(_)) => !self.earlier.is_empty(),
            _ => false,
        }
    }

    fn bills(&self) -> impl Iterator<Item = &Bill> {
        self.bill.iter().chain(&self.earlier)
    }
}

/// The pause, a fifth more or less.
fn spread(pause_ms: u32, chance: u8) -> u32 {
    pause_ms / 5 * 4 + pause_ms / 5 * 2 * u32::from(chance) / 255
}

/// Without the credential.
impl core::fmt::Debug for Proof {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Proof({:?})", self.offer)
    }
}
