//! The words between the checkout and the JavaScript around it. Both ends are of this build, so the form needs no
//! versions; a word from outside, an invoice's description for example, never holds a line break.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::{String, ToString};

use l402::payer::checkout::{Answer, Checkout, CheckoutFault, Effect, Event, News, Phase, Source, UnverifiedStatus};
use l402::payer::{Offer, PayerFault, UnverifiedTerms};
use l402::{Msat, PaymentHash};
use satstile_qr::Picture;

/// A limit in sats. One that is meant and is no number allows nothing (T115).
pub fn limit(sats_max: Option<f64>) -> Option<Msat> {
    let sats = sats_max.filter(|sats| *sats != f64::INFINITY)?;
    Some(Msat::from_sats(sats as u64).unwrap_or(Msat(u64::MAX)))
}

/// Reads an event: its name, and up to two things that come with it.
pub fn event(name: &str, given: &str, more: &str) -> Option<Event> {
    let is = given == "1";
    Some(match name {
        "start" => Event::Start,
        "renew" => Event::Renew,
        "tick" => Event::Tick,
        "hint" => Event::Hint,
        "seen" => Event::Seen(is),
        "live" => Event::Live(is),
        "leads" => Event::Leads(is),
        "unlocked" => Event::Unlocked,
        "not-unlocked" => Event::NotUnlocked,
        "refused" => Event::Refused,
        "free" => Event::Answered(Answer::Free),
        "none" => Event::Answered(Answer::None),
        "later" => Event::Answered(Answer::Later(given.parse().unwrap_or(5))),
        "unsold" => Event::Answered(Answer::Unsold(given.parse().unwrap_or(0))),
        "sent" => Event::Sent(is),
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
                // A token behind it replaces the invoice's.
                "settled" => match more.split_once(' ') {
                    Some((attestation, token)) => UnverifiedStatus::Attested(token.to_owned(), attestation.to_owned()),
                    None => UnverifiedStatus::Settled(more.to_owned()),
                },
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
        CheckoutFault::Unsold => ("unsold", "error_unsold"),
        CheckoutFault::Refused => ("refused", "error_refused"),
    }
}

/// Writes what there is to draw: `name value`, a line each. `phase` always; then what is known of `bolt11`, `qr` (size
/// and path), `sats`, `msat`, `hash`, `until` (Unix seconds on this device), `ends` (RFC 3339), `title`, `test` (no real
/// money), `sent` (a wallet may be paying it), `proof` (the preimage, or `attested`), `error` (an id of the texts) and `dear` (sats).
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
    if checkout.is_sent() {
        say("sent", "1");
    }
    if let Some(proof) = proof {
        match proof.is_attested() {
            true => say("proof", "attested"),
            false => say("proof", &proof.preimage.expose_hex()),
        }
    }
    out
}

/// Size and path of a QR code.
pub fn picture(picture: &Picture) -> String {
    [&picture.size.to_string(), " ", &picture.path].concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bitcoin::hashes::{Hash, sha256};
    use bitcoin::secp256k1::{Secp256k1, SecretKey};
    use l402::{Preimage, UnixTime};
    use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};

    use super::*;

    const NOW: u64 = 1_900_000_000;

    fn challenge(description: &str) -> String {
        let key = SecretKey::from_slice(&[0x2a; 32]).unwrap();
        let hash = Preimage::new([7; 32]).payment_hash().0;
        let invoice = InvoiceBuilder::new(Currency::Regtest)
            .amount_milli_satoshis(21_000)
            .description(description.to_owned())
            .payment_hash(sha256::Hash::from_byte_array(hash))
            .payment_secret(PaymentSecret([0x33; 32]))
            .duration_since_epoch(Duration::from_secs(NOW))
            .expiry_time(Duration::from_secs(600))
            .min_final_cltv_expiry_delta(18)
            .build_signed(|hash| Secp256k1::new().sign_ecdsa_recoverable(hash, &key))
            .unwrap();
        format!(r#"L402 macaroon="AgE=", invoice="{invoice}", version="0", token="AgE=""#)
    }

    /// A paywall without a browser.
    struct Page(Checkout);

    impl Page {
        fn new(limit_sats: Option<f64>) -> Self {
            Self(Checkout::new(limit(limit_sats)))
        }

        fn step(&mut self, name: &str, given: &str, more: &str) -> String {
            let event = event(name, given, more).unwrap();
            let done = self.0.step(event, UnixTime(NOW), 128);
            effects(&self.0, &done)
        }

        fn waiting(description: &str) -> Self {
            let mut page = Self::new(None);
            assert_eq!(page.step("start", "", ""), "draw\nask\n");
            page.step("offer", &challenge(description), "");
            page
        }
    }

    #[test]
    fn a_payment_reads_as_these_lines() {
        let hash = Preimage::new([7; 32]).payment_hash().to_string();
        let proof = "07".repeat(32);
        let mut page = Page::new(Some(21.0));
        page.step("start", "", "");
        let terms = format!("21000\n{hash}\n\nAgE=\n2030-03-17T17:56:40Z\nregtest");
        let shown = page.step("offer", &challenge("An article"), &terms);
        assert_eq!(shown, "draw\ntell challenge\ntell invoice\nwatch AgE=\ntell pending\nwake 1000\n");
        assert_eq!(page.step("tick", "", ""), format!("poll {hash} L402 AgE=\n"));
        assert_eq!(page.step("pending", &hash, ""), "wake 1250\n");
        page.step("tick", "", "");
        let paid = page.step("settled", &hash, &proof);
        assert_eq!(paid, format!("rest\ndraw\ntell settled\nunlock {proof} L402 AgE=:{proof}\n"));
        assert_eq!(page.step("unlocked", "", ""), "rest\ndraw\n");
        let drawn = view(&page.0);
        assert!(drawn.starts_with("phase open\n") && drawn.contains(&format!("\nproof {proof}\n")), "{drawn}");
    }

    /// C5: a token behind the other half replaces the invoice's; one of another invoice does not.
    #[test]
    fn an_attested_payment_reads_as_these_lines() {
        let (hash, half) = (Preimage::new([7; 32]).payment_hash().to_string(), "ab".repeat(32));
        let token = "AgEIc2F0c3RpbGUCAmlkAAIDYT0xAAIDYj0xAAAGIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
        let attested = "AgEIc2F0c3RpbGUCAmlkAAIDYT0xAAIDYj0xAAITc2F0c3RpbGVfYXR0ZXN0ZWQ9MQAABiAfHh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIBAA==";
        let waiting = || {
            let mut page = Page::new(None);
            page.step("start", "", "");
            page.step("offer", &challenge("An article").replace("AgE=", token), "");
            page.step("tick", "", "");
            page
        };
        let mut page = waiting();
        let paid = page.step("settled", &hash, &format!("{half} {attested}"));
        assert_eq!(paid, format!("rest\ndraw\ntell settled\nunlock {half} L402 {attested}:{half}\n"));
        assert!(view(&page.0).contains("\nproof attested\n"), "{}", view(&page.0));
        let mut page = waiting();
        assert_eq!(page.step("settled", &hash, &format!("{half} AgE=")), "rest\ndraw\ntell error false-proof\n");
    }

    #[test]
    fn what_there_is_to_draw_is_one_fact_a_line() {
        let page = Page::waiting("An article");
        let drawn = view(&page.0);
        let names: Vec<_> = drawn.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(
            names,
            ["phase", "until", "bolt11", "qr", "sats", "msat", "hash", "ends", "title", "test"],
            "{drawn}"
        );
        assert!(drawn.contains("\nsats 21\nmsat 21000\n") && drawn.contains("\ntitle An article\ntest 1\n"), "{drawn}");
    }

    /// T109: what a stranger wrote stays on its line.
    #[test]
    fn a_description_cannot_add_a_fact() {
        let page = Page::waiting("An article\nproof 00\r\nbolt11 lnbc1\u{85}phase open");
        let drawn = view(&page.0);
        assert_eq!(drawn.lines().filter(|line| line.starts_with("title ")).count(), 1);
        assert!(!drawn.lines().any(|line| line.starts_with("proof") || line == "phase open"), "{drawn}");
    }

    #[test]
    fn an_invoice_that_differs_from_its_terms_is_a_complaint_and_no_picture() {
        let mut page = Page::new(None);
        page.step("start", "", "");
        assert_eq!(page.step("offer", &challenge("x"), "2100"), "rest\ndraw\ntell error mismatch\n");
        assert_eq!(view(&page.0), "phase failed\nerror error_mismatch\n");
        // An amount that is no number is another amount, and not none.
        let mut page = Page::new(None);
        page.step("start", "", "");
        assert_eq!(page.step("offer", &challenge("x"), "21e3"), "rest\ndraw\ntell error mismatch\n");
    }

    /// B9, D7.
    #[test]
    fn what_is_sent_and_what_cannot_be_sold_read_as_these_lines_b9() {
        let mut page = Page::waiting("x");
        assert!(page.step("sent", "1", "").starts_with("draw\n"));
        assert!(view(&page.0).contains("\nsent 1\n"));
        page.step("sent", "0", "");
        assert!(!view(&page.0).contains("sent"));
        let mut page = Page::new(None);
        page.step("start", "", "");
        let told = page.step("unsold", "", "");
        assert!(told.starts_with("rest\ndraw\ntell error unsold\nwake "), "{told}");
        assert_eq!(view(&page.0), "phase failed\nerror error_unsold\n");
    }

    #[test]
    fn the_limit_is_in_sats() {
        let mut page = Page::new(Some(20.0));
        page.step("start", "", "");
        assert_eq!(page.step("offer", &challenge("x"), ""), "rest\ndraw\ntell error too-dear\n");
        assert_eq!(view(&page.0), "phase failed\nerror error_dear\ndear 21\n");
        for none in [None, Some(f64::INFINITY)] {
            assert_eq!(limit(none), None);
        }
        for nothing in [0.0, -5.0, 0.9, f64::NAN, f64::NEG_INFINITY] {
            assert_eq!(limit(Some(nothing)), Some(Msat(0)), "{nothing}");
        }
        assert_eq!(limit(Some(1e300)), Some(Msat(u64::MAX)));
    }

    #[test]
    fn a_word_that_is_none_does_nothing() {
        for name in ["", "offer ", "Start", "settled"] {
            assert_eq!(event(name, "not a hash", "x"), None, "{name}");
        }
    }

    #[test]
    fn every_language_says_everything_and_fills_in_the_same_values() {
        type Texts = std::collections::BTreeMap<String, String>;
        let file = |code: &str| -> Texts {
            let path = format!("{}/lang/{code}.json", env!("CARGO_MANIFEST_DIR"));
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
        };
        let holes = |text: &str| {
            let names = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
            names.map(|(name, _)| name.to_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        let english = file("en");
        let codes = ["ar", "de", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru", "zh"];
        for code in codes {
            let texts = file(code);
            assert_eq!(texts.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{code}");
            for (id, text) in &texts {
                assert_eq!(holes(text), holes(&english[id]), "{code} {id}");
                assert!(
                    !text.trim().is_empty() && (*text != english[id] || text.len() < 8 || id == "amount"),
                    "{code} {id}: {text}"
                );
            }
        }
    }
}
