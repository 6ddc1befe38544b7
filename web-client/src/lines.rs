//! The words between the checkout and the JavaScript around it. Both ends are of this build, so the form needs no
//! versions; a word from outside, an invoice's description for example, never holds a line break.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};

use l402::payer::checkout::{Answer, Checkout, CheckoutFault, Effect, Event, News, Phase, Source, UnverifiedStatus};
use l402::payer::{Offer, PayerFault, UnverifiedTerms};
use l402::{Msat, PaymentHash};
use satstile_qr::Picture;

/// A limit in sats, if it is one.
pub fn limit(sats_max: Option<f64>) -> Option<Msat> {
    Msat::from_sats(sats_max.filter(|sats| *sats >= 0.0 && sats.is_finite())? as u64)
}

/// Reads an event: its name, and up to two things that come with it.
pub fn event(name: &str, given: &str, more: &str) -> Option<Event> {
    let is = given == "1";
    Some(match name {
        "start" => Event::Start,
        "renew" => Event::Renew,
        "tick" => Event::Tick,
        "hint" => Event::Hint,
        "forget" => Event::Forget,
        "seen" => Event::Seen(is),
        "live" => Event::Live(is),
        "leads" => Event::Leads(is),
        "unlocked" => Event::Unlocked,
        "not-unlocked" => Event::NotUnlocked,
        "refused" => Event::Refused,
        "free" => Event::Answered(Answer::Free),
        "none" => Event::Answered(Answer::None),
        "later" => Event::Answered(Answer::Later(given.parse().unwrap_or(5))),
        "offer" => Event::Answered(match Offer::read(&[given]) {
            Ok(offer) => Answer::Offer(Box::new(offer), terms(more)),
            Err(fault) => Answer::Unreadable(fault),
        }),
        "preimage" => Event::Preimage(given.to_owned(), if more == "tab" { Source::Tab } else { Source::Payer }),
        _ => Event::Status(
            PaymentHash::from_hex(given)?,
            match name {
                "pending" => UnverifiedStatus::Pending,
                "expired" => UnverifiedStatus::Expired,
                "settled" => UnverifiedStatus::Settled(more.to_owned()),
                "unknown" => UnverifiedStatus::Unknown(more.parse().ok()),
                _ => return None,
            },
        ),
    })
}

/// What the rest of a 402 says: one a line, and empty where it says nothing.
fn terms(lines: &str) -> UnverifiedTerms {
    let mut lines = lines.split('\n');
    let mut next = || lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
    UnverifiedTerms {
        // What is there and no number differs from every amount.
        amount_msat: next().map(|msat| msat.parse().unwrap_or(0)),
        payment_hash: next(),
        invoice: next(),
        macaroon: next(),
        expires_at: next(),
        network: next(),
    }
}

/// Writes effects: a word, and what it needs, separated by blanks.
pub fn effects(checkout: &Checkout, effects: &[Effect]) -> String {
    let mut out = String::new();
    for effect in effects {
        let line = match effect {
            Effect::Ask => "ask".to_owned(),
            Effect::Draw => "draw".to_owned(),
            Effect::Rest => "rest".to_owned(),
            Effect::Wake(ms) => ["wake", &ms.to_string()].join(" "),
            Effect::Poll(hash) => match checkout.offer(hash) {
                Some(offer) => ["poll", &hash.to_string(), &offer.status_authorization()].join(" "),
                None => continue,
            },
            Effect::Watch(hash) => match checkout.offer(hash) {
                Some(offer) => ["watch", &offer.token].join(" "),
                None => continue,
            },
            Effect::Unlock => match checkout.proof() {
                Some(proof) => ["unlock", &proof.preimage.expose_hex(), &proof.authorization()].join(" "),
                None => continue,
            },
            Effect::Tell(News::Failed) => match checkout.phase() {
                Phase::Failed(fault) => ["tell error", complaint(fault).0].join(" "),
                _ => continue,
            },
            Effect::Tell(news) => ["tell", word(*news)].join(" "),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

const fn word(news: News) -> &'static str {
    match news {
        News::Challenge => "challenge",
        News::Invoice => "invoice",
        News::Pending => "pending",
        News::Renewed => "renewed",
        News::Expired => "expired",
        News::Settled => "settled",
        News::WrongPreimage => "preimage",
        News::Failed => "error",
    }
}

/// A stable word for scripts, and the text that a person reads.
const fn complaint(fault: CheckoutFault) -> (&'static str, &'static str) {
    match fault {
        CheckoutFault::Challenge(PayerFault::TooDear(_)) => ("too-dear", "error_dear"),
        CheckoutFault::Challenge(PayerFault::Mismatch(_)) => ("mismatch", "error_mismatch"),
        CheckoutFault::Challenge(_) => ("challenge", "error_challenge"),
        CheckoutFault::FalseProof => ("false-proof", "error_mismatch"),
        CheckoutFault::Unreachable => ("unreachable", "error_network"),
        CheckoutFault::Limited => ("limited", "error_limit"),
        CheckoutFault::Refused => ("refused", "error_refused"),
    }
}

/// Writes what there is to draw: `name value`, a line each. `phase` always; then what is known of `bolt11`, `qr` (size
/// and path), `sats`, `msat`, `hash`, `until` (Unix seconds on this device), `ends` (RFC 3339), `title`, `test` (no real
/// money), `proof` (the preimage), `error` (an id of the texts) and `dear` (sats).
pub fn view(checkout: &Checkout) -> String {
    let mut out = String::new();
    let mut say = |name: &str, value: &str| {
        out.push_str(name);
        out.push(' ');
        out.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        out.push('\n');
    };
    let phase = checkout.phase();
    say(
        "phase",
        match phase {
            Phase::Idle => "idle",
            Phase::Asking => "asking",
            Phase::Waiting => "waiting",
            Phase::Over => "over",
            Phase::Settled => "settled",
            Phase::Open => "open",
            Phase::Failed(_) => "failed",
        },
    );
    if let Phase::Failed(fault) = phase {
        say("error", complaint(fault).1);
        if let CheckoutFault::Challenge(PayerFault::TooDear(amount)) = fault {
            say("dear", &amount.sats_up().to_string());
        }
    }
    let proof = checkout.proof();
    if let Some(bill) = checkout.bill() {
        say("until", &bill.ends_at.0.to_string());
    }
    if let Some(offer) = proof.map(|proof| &proof.offer).or_else(|| checkout.bill().map(|bill| &bill.offer)) {
        let lower = offer.bolt11.to_ascii_lowercase();
        say("bolt11", &lower);
        if let Some(code) = satstile_qr::invoice(&lower).filter(|_| proof.is_none()) {
            say("qr", &picture(&code));
        }
        say("sats", &offer.amount.sats_up().to_string());
        say("msat", &offer.amount.0.to_string());
        say("hash", &offer.payment_hash().to_string());
        say("ends", &offer.expires_at().to_string());
        if let Some(description) = &offer.invoice.description {
            say("title", description);
        }
        if offer.invoice.network != l402::bolt11::Network::Mainnet {
            say("test", "1");
        }
    }
    if let Some(proof) = proof {
        say("proof", &proof.preimage.expose_hex());
    }
    out
}

/// Size and path of a QR code.
pub fn picture(picture: &Picture) -> String {
    [&picture.size.to_string(), " ", &picture.path].concat()
}
