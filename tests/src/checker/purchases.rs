//! A client buys by the piece, presents what it bought, at times under an `Idempotency-Key`, and takes back what failed.

use std::sync::PoisonError;
use std::time::Instant;

use l402::{auth_param, encoding};
use serde_json::{Value, json};

use super::bank::{Edge, REFUNDED, SINGLE};
use super::client::Client;
use super::log::{Grant, Log, Try, lock};
use super::meter::Act;
use super::orders::{Fate, Refund};
use super::pace::SHUT;
use super::returns;
use super::wire::{self, Heard};
use crate::raw::Response;

/// A presentation under a key is repeated so often at most, when nothing was heard.
const AGAIN: u32 = 10;

impl Client<'_> {
    /// Buys what is sold by the piece and presents it, twice at a time and once more than was paid for. What fails for
    /// good is taken back.
    pub fn buy(&mut self, path: &'static str, uses: usize) {
        let target = format!("{path}?tag={}", self.tag());
        let (heard, offer) = self.send("GET", &target, &[], b"");
        let (Heard::Whole(402), Some(offer)) = (heard, offer) else { return };
        let Some(body) = serde_json::from_slice::<Value>(&offer.body).ok() else { return };
        let preimage = {
            let _paying = self.paying.read().unwrap_or_else(PoisonError::into_inner);
            self.edge.pay(body["invoice"].as_str().unwrap_or_default())
        };
        let Some(preimage) = preimage else { return };
        let credential = match path {
            SINGLE => payment(&offer, &preimage),
            _ => body["macaroon"].as_str().map(|macaroon| format!("L402 {macaroon}:{preimage}")),
        };
        let Some(credential) = credential else { return };
        let mut grant = Grant {
            name: self.tag(),
            path,
            credential,
            uses,
            msat: body["amount_msat"].as_u64().unwrap_or(0),
            hash: body["payment_hash"].as_str().unwrap_or_default().to_owned(),
            tries: Vec::new(),
            refund: Refund::default(),
            is_over: false,
        };
        let how = [0, 1].map(|_| self.how(path));
        let tries = std::thread::scope(|scope| {
            let (grant, log, edge) = (&grant, self.log, self.edge);
            let both = [0, 1].map(|n| scope.spawn(move || present(edge, log, grant, n, how[n])));
            both.map(|one| one.join().expect("a presentation does not panic"))
        });
        for (tried, body) in tries {
            grant.tries.push(tried);
            returns::hear(&mut grant.refund, &body);
        }
        for n in 2..=uses {
            let (next, _) = present(self.edge, self.log, &grant, n, How::of(Act::Serve));
            grant.tries.push(next);
        }
        if !grant.refund.promises.is_empty() && self.dice.percent(75) {
            self.take_back(&mut grant.refund);
        }
        lock(&self.log.grants).push(grant);
    }

    /// How something bought is presented.
    fn how(&mut self, path: &str) -> How {
        let throw = self.dice.between(0, 99);
        match path {
            REFUNDED => How::of(match throw {
                0..65 => Act::Fail,
                65..75 => Act::HangUp,
                75..85 => Act::Cut,
                _ => Act::Slow,
            }),
            // The same key again after a failure may try again, and the origin then sees it twice.
            _ if throw < 15 => How::of(Act::Fail),
            _ => How { act: Act::Slow, is_keyed: throw < 55, insists: throw < 35 },
        }
    }

    /// As a wallet: with one invoice, or two at once.
    fn take_back(&mut self, refund: &mut Refund) {
        let fates = [self.fate(), Fate::Paid];
        let count = if self.dice.percent(50) { 2 } else { 1 };
        let sats = refund.promised_msat() / 1_000;
        let bills = fates.iter().take(count).filter_map(|fate| {
            let _paying = self.paying.read().unwrap_or_else(PoisonError::into_inner);
            self.edge.bill(sats, *fate)
        });
        let bills = bills.collect();
        returns::collect(self.edge, self.log, refund, bills);
    }
}

/// How something bought is presented.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// What the origin is told to do.
    pub act: Act,
    /// Under an `Idempotency-Key`, and again where nothing was heard.
    pub is_keyed: bool,
    /// Again although it was answered.
    pub insists: bool,
}

impl How {
    /// Without a key.
    pub const fn of(act: Act) -> Self {
        Self { act, is_keyed: false, insists: false }
    }
}

/// Presents a grant: once, or under a key until it is answered. Gives what came with the last answer, too.
pub fn present(edge: &Edge, log: &Log, grant: &Grant, n: usize, how: How) -> (Try, Vec<u8>) {
    let tag = format!("{}.try{n}", grant.name);
    let target = format!("{}?tag={tag}&act={}", grant.path, how.act.name());
    let fields = [("Authorization", grant.credential.as_str()), ("Idempotency-Key", tag.as_str())];
    let fields = &fields[..if how.is_keyed { 2 } else { 1 }];
    let send = || {
        let (heard, response) = wire::send(edge.worker, "GET", &target, fields, b"");
        log.count(heard);
        if heard == Heard::Nothing {
            std::thread::sleep(SHUT);
        }
        (heard, response.map_or_else(Vec::new, |response| response.body))
    };
    let (mut heard, mut body) = send();
    for _ in 0..AGAIN {
        if !how.is_keyed || matches!(heard, Heard::Whole(_)) {
            break;
        }
        log.retried(true);
        let (next, with) = send();
        // 409: the first one is under way, as far as the edge knows; whether it was delivered, nobody does.
        if next == Heard::Whole(409) {
            break;
        }
        (heard, body) = (next, with);
    }
    let (mut again, at) = (Vec::new(), Instant::now());
    if how.is_keyed && how.insists && heard == Heard::Whole(200) {
        log.retried(false);
        again.push(send().0);
    }
    (Try { tag, act: how.act, heard, again, at }, body)
}

/// `Payment <base64url JSON>`, as a stock client of the scheme sends it.
fn payment(offer: &Response, preimage: &str) -> Option<String> {
    let challenges = auth_param::parse(offer.header("www-authenticate")?).ok()?;
    let offered = challenges.iter().find(|challenge| challenge.is("Payment"))?;
    let mut challenge = json!({});
    for name in ["id", "realm", "method", "intent", "request", "expires", "opaque"] {
        challenge[name] = offered.param(name)?.into();
    }
    let credential = json!({"challenge": challenge, "payload": {"preimage": preimage}});
    Some(format!("Payment {}", encoding::to_base64url(credential.to_string().as_bytes())))
}
