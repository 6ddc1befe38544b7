//! A client: buys, spends, fills, claims and rotates as its dice fall, and logs what it heard. It never assumes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use l402::{auth_param, encoding};
use serde_json::{Value, json};

use super::bank::{Edge, USES};
use super::dice::Dice;
use super::log::{Account, Grant, Log, TopUp, Try, Use, lock};
use super::meter::Act;
use super::wire::{self, Heard};
use crate::raw::Response;

/// Where balances are filled.
pub const TOPUP: &str = "/api/v1/topup";
/// Where they are claimed.
pub const CLAIM: &str = "/api/v1/topup/claim";
const ROTATE: &str = "/api/v1/token/rotate";
/// More accounts than this are not opened.
const ACCOUNTS_MAX: usize = 12;
/// Nobody hammers at a door that is shut.
const SHUT: Duration = Duration::from_millis(20);

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
                0..70 => self.spend(),
                70..80 => self.fill(),
                80..83 => self.rotate(),
                83..94 => self.buy("/counted/it", USES),
                _ => self.buy("/api/use", 1),
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

    /// Buys what is sold by the piece and presents it, twice at a time and once more than was paid for.
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
        let credential = match uses {
            1 => payment(&offer, &preimage),
            _ => body["macaroon"].as_str().map(|macaroon| format!("L402 {macaroon}:{preimage}")),
        };
        let Some(credential) = credential else { return };
        let name = self.tag();
        let mut grant = Grant { name, path, credential, uses, tries: Vec::new(), is_over: false };
        let acts = [0, 1].map(|_| if self.dice.percent(15) { Act::Fail } else { Act::Slow });
        let tries = std::thread::scope(|scope| {
            let (grant, log, edge) = (&grant, self.log, self.edge);
            let both = [0, 1].map(|n| scope.spawn(move || present(edge, log, grant, n, acts[n])));
            both.map(|one| one.join().expect("a presentation does not panic"))
        });
        grant.tries.extend(tries);
        for n in 2..=uses {
            let next = present(self.edge, self.log, &grant, n, Act::Serve);
            grant.tries.push(next);
        }
        lock(&self.log.grants).push(grant);
    }

    fn account(&mut self) -> Option<Arc<Account>> {
        let accounts = self.log.accounts();
        accounts.get(self.dice.place(accounts.len())).cloned()
    }

    fn tag(&mut self) -> String {
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

/// Presents a grant once.
pub fn present(edge: &Edge, log: &Log, grant: &Grant, n: usize, act: Act) -> Try {
    let tag = format!("{}.try{n}", grant.name);
    let target = format!("{}?tag={tag}&act={}", grant.path, act.name());
    let (heard, _) = wire::send(edge.worker, "GET", &target, &[("Authorization", &grant.credential)], b"");
    log.count(heard);
    if heard == Heard::Nothing {
        std::thread::sleep(SHUT);
    }
    Try { tag, heard, at: Instant::now() }
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
