//! A client: buys, spends, fills, claims, rotates and moves money on as its dice fall, and logs what it heard. It never
//! assumes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use l402::{auth_param, encoding};
use serde_json::{Value, json};

use super::bank::{Edge, REFUNDED, USES};
use super::dice::Dice;
use super::log::{Account, Grant, Log, TopUp, Try, Use, lock};
use super::meter::Act;
use super::orders::{Fate, Refund};
use super::returns;
use super::wire::{self, Heard};
use crate::raw::Response;

/// Where balances are filled.
pub const TOPUP: &str = "/api/v1/topup";
/// Where they are claimed.
pub const CLAIM: &str = "/api/v1/topup/claim";
const ROTATE: &str = "/api/v1/token/rotate";
/// More accounts than this are not opened.
const ACCOUNTS_MAX: usize = 12;
/// What is sold by the piece for a Payment credential.
const SINGLE: &str = "/api/use";
/// A presentation under a key is repeated so often at most, when nothing was heard.
const AGAIN: u32 = 10;
/// Nobody hammers at a door that is shut.
pub const SHUT: Duration = Duration::from_millis(20);

/// One of several that work at the same time.
pub struct Client<'a> {
    /// Where things are.
    pub edge: &'a Edge,
    /// Where it writes to.
    pub log: &'a Log,
    /// Held while paying.
    pub paying: &'a RwLock<()>,
    /// What it does next.
    pub dice: Dice,
    /// Names its requests.
    pub name: String,
    /// Requests of this client so far.
    pub done: u64,
}

impl Client<'_> {
    /// So many operations, counted in `progress`.
    pub fn work(&mut self, operations: u64, progress: &AtomicU64) {
        for _ in 0..operations {
            match self.dice.between(0, 99) {
                0..55 => self.spend(),
                55..65 => self.fill(),
                65..68 => self.rotate(),
                68..78 => self.give(),
                78..85 => self.withdraw(),
                85..93 => self.buy("/counted/it", USES),
                93..97 => self.buy(SINGLE, 1),
                _ => self.buy(REFUNDED, 1),
            }
            progress.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A use of a balance, as `Authorization: Bearer` or as `X-Token`.
    fn spend(&mut self) {
        let Some(account) = self.account() else { return };
        let Some(cost_msat) = account.next_cost() else { return };
        let act = match self.dice.between(0, 99) {
            0..66 => Act::Serve,
            66..80 => Act::Slow,
            80..86 => Act::Chunks,
            86..92 => Act::Fail,
            92..96 => Act::HangUp,
            _ => Act::Cut,
        };
        let tag = self.tag();
        let target = format!("/api/use?tag={tag}&cost={cost_msat}&act={}", act.name());
        let (token, bearer) = (account.token(), self.dice.percent(70));
        let bearer_value = format!("Bearer {token}");
        let field = if bearer { ("Authorization", bearer_value.as_str()) } else { ("X-Token", token.as_str()) };
        let (heard, _) = self.send("GET", &target, &[field], b"");
        let spent = Use { account: account.number, tag, cost_msat, act, heard, at: Instant::now() };
        lock(&self.log.uses).push(spent);
    }

    /// Orders a top-up, for a new balance or for one that is there; pays it; and claims it, or leaves that to the push.
    fn fill(&mut self) {
        let sats = self.dice.between(40, 400);
        let account = self.account().filter(|_| self.log.accounts().len() >= ACCOUNTS_MAX || self.dice.percent(80));
        let token = account.as_ref().map(|account| account.token());
        let order = self.call(TOPUP, token.as_deref(), &json!({ "amount_sats": sats }));
        let Ok(order) = order else { return };
        let text = |key: &str| order[key].as_str().unwrap_or_default().to_owned();
        let topup = TopUp {
            account: account.as_ref().map(|account| account.number),
            hash: text("payment_hash"),
            msat: sats * 1_000,
            secret: text("claim_secret"),
            preimage: None,
            is_claimed: false,
        };
        let place = {
            let mut topups = lock(&self.log.topups);
            topups.push(topup);
            topups.len() - 1
        };
        let (pays, claims) = (self.dice.percent(95), self.dice.percent(75));
        if !pays {
            return;
        }
        let preimage = {
            let _paying = self.paying.read().unwrap_or_else(PoisonError::into_inner);
            self.edge.pay(&text("invoice"))
        };
        let is_paid = preimage.is_some();
        if let Some(topup) = lock(&self.log.topups).get_mut(place) {
            topup.preimage = preimage;
        }
        if is_paid && (claims || account.is_none()) {
            let _ = self.claim(place);
        }
    }

    /// Claims a paid top-up with its secret; who has it may ask as often as it takes.
    pub fn claim(&mut self, place: usize) -> Result<(), Heard> {
        let topup = lock(&self.log.topups).get(place).cloned();
        let Some(TopUp { account, secret, preimage: Some(preimage), .. }) = topup else { return Ok(()) };
        let accounts = self.log.accounts();
        let token = account.and_then(|number| accounts.get(number)).map(|account| account.token());
        let body = json!({"preimage": preimage, "claim_secret": secret, "token": token});
        let claimed = self.call(CLAIM, None, &body)?;
        let token = claimed["token"].as_str().unwrap_or_default().to_owned();
        let mut topups = lock(&self.log.topups);
        if let Some(topup) = topups.get_mut(place) {
            topup.is_claimed = true;
            topup.account.get_or_insert_with(|| self.log.open(token));
        }
        Ok(())
    }

    /// A new token for the old. When the answer is lost, the old one stays good.
    fn rotate(&mut self) {
        let Some(account) = self.account() else { return };
        let _changing = lock(&account.changing);
        let old = account.token();
        if let Ok(reply) = self.call(ROTATE, Some(&old), &json!({})) {
            let new = reply["token"].as_str().unwrap_or_default().to_owned();
            *account.token.write().unwrap_or_else(PoisonError::into_inner) = new;
            lock(&account.ended).push(old);
        }
    }

    /// Buys what is sold by the piece and presents it, twice at a time and once more than was paid for. What fails for
    /// good is taken back.
    fn buy(&mut self, path: &'static str, uses: usize) {
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

    /// Any balance.
    pub fn account(&mut self) -> Option<Arc<Account>> {
        let accounts = self.log.accounts();
        accounts.get(self.dice.place(accounts.len())).cloned()
    }

    /// A name that no other request has.
    pub fn tag(&mut self) -> String {
        self.done += 1;
        format!("{}.{}", self.name, self.done)
    }

    fn call(&mut self, path: &str, token: Option<&str>, body: &Value) -> Result<Value, Heard> {
        let answer = wire::json(self.edge.worker, "POST", path, token, Some(body));
        let heard = answer.as_ref().map_or_else(|heard| *heard, |_| Heard::Whole(200));
        self.log.count(heard);
        if heard == Heard::Nothing {
            std::thread::sleep(SHUT);
        }
        answer
    }

    fn send(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> (Heard, Option<Response>) {
        let answer = wire::send(self.edge.worker, method, target, fields, body);
        self.log.count(answer.0);
        if answer.0 == Heard::Nothing {
            std::thread::sleep(SHUT);
        }
        answer
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
    (Try { tag, heard, again, at }, body)
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
