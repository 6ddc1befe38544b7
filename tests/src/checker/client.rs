//! A client: buys, spends, fills, claims, rotates and moves money on as its dice fall, and logs what it heard. It never
//! assumes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use serde_json::{Value, json};

use super::bank::{Edge, REFUNDED, SINGLE, USES};
use super::dice::Dice;
use super::log::{Account, Log, TopUp, Use, lock};
use super::meter::Act;
use super::pace::SHUT;
use super::wire::{self, Heard};
use crate::raw::Response;

/// Where balances are filled.
pub const TOPUP: &str = "/api/v1/topup";
/// Where they are claimed.
pub const CLAIM: &str = "/api/v1/topup/claim";
const ROTATE: &str = "/api/v1/token/rotate";
/// More accounts than this are not opened.
const ACCOUNTS_MAX: usize = 12;

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

    /// Any request, counted.
    pub fn send(&self, method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> (Heard, Option<Response>) {
        let answer = wire::send(self.edge.worker, method, target, fields, body);
        self.log.count(answer.0);
        if answer.0 == Heard::Nothing {
            std::thread::sleep(SHUT);
        }
        answer
    }
}
