//! State, in Durable Objects: one per payment hash, per client, per service; never one for all but the
//! in-memory `MintBudget`. This module is how the rest of the worker talks to them.

pub mod account;
mod allowance;
mod books;
mod bound;
mod claim_words;
mod claims;
mod failed;
mod handover;
mod kept;
mod mint_budget;
mod owner;
mod payment;
mod replay;
pub mod routing;
mod rows;
mod schema;
mod sheet;
mod totals;
mod transaction;
pub mod words;
#[cfg(test)]
mod words_tests;

pub use allowance::{Take, Taken};
pub use bound::{Bind, Bound};
pub use claim_words::{Caps, Claim, Claimed, Conclude, Concluded, Count, Keyed};
pub use failed::{Fail, Failed, Refundable};
pub use handover::{Hand, Handed, Open, Opened};
pub use kept::KEEP_S;
pub use mint_budget::{Lease, Leased, Turn};
pub use owner::{Own, Owner};
pub use payment::{Ended, Settle, Settled, Settlement};
pub use totals::Counts;

use core::cell::{Cell, OnceCell};

use futures_util::future::LocalBoxFuture;
use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Env, Result, State, Storage};

use words::Words;

/// The bindings of `wrangler.toml`.
pub mod binding {
    /// One per payment hash.
    pub const PAYMENTS: &str = "PAYMENTS";
    /// One for all and one per client; in memory.
    pub const MINT_BUDGET: &str = "MINT_BUDGET";
    /// One per client and service.
    pub const ALLOWANCES: &str = "ALLOWANCES";
    /// One per prepaid balance.
    pub const ACCOUNTS: &str = "ACCOUNTS";
    /// One per service.
    pub const TOTALS: &str = "TOTALS";
}

#[wasm_bindgen]
extern "C" {
    /// The stub of one of our objects, whose one method the shim defines.
    type Stub;

    #[wasm_bindgen(method, catch)]
    fn call(this: &Stub, operation: &str, message: &str) -> core::result::Result<Promise, JsValue>;
}

/// Asks the object of this name.
pub fn ask<'a, A: Words>(
    env: &'a Env,
    binding: &'a str,
    name: &'a str,
    operation: &'a str,
    question: &dyn Words,
) -> impl Future<Output = Result<A>> + use<'a, A> {
    let reply = call(env, binding, name, operation, question.say());
    async move { A::hear(&reply.await?) }
}

/// What all questions share, so that the wasm has it once. Boxed, or each that awaits it would hold it, and take it apart.
fn call<'a>(
    env: &'a Env,
    binding: &'a str,
    name: &'a str,
    operation: &'a str,
    question: String,
) -> LocalBoxFuture<'a, Result<String>> {
    Box::pin(async move {
        let stub: Stub = env.durable_object(binding)?.get_by_name(name)?.into_rpc();
        let reply = JsFuture::from(stub.call(operation, &words::number(&question))?).await?;
        let reply = reply.as_string().ok_or_else(|| format!("{binding} {operation}: no answer"))?;
        words::unnumber(&reply).map(str::to_owned)
    })
}

/// The Rust half of every Durable Object. Each operation is synchronous, so that no other request of
/// the same object can come in the middle of it (T71).
#[wasm_bindgen]
pub struct StoredObject {
    class: String,
    storage: Storage,
    /// What lives as long as the object does: the bucket of a budget, the time of the last look, that of the next alarm.
    memory: OnceCell<mint_budget::Buckets>,
    looked_ms: Cell<u64>,
    looks: account::listings::Looks,
    wakes_at_s: Cell<u64>,
}

#[wasm_bindgen]
impl StoredObject {
    /// Of the class that the shim exports under this name.
    #[wasm_bindgen(constructor)]
    pub fn new(class: String, state: worker::worker_sys::DurableObjectState) -> Self {
        let storage = State::from(state).storage();
        Self {
            class,
            storage,
            memory: OnceCell::new(),
            looked_ms: Cell::new(0),
            looks: Default::default(),
            wakes_at_s: Cell::new(0),
        }
    }

    /// Does one operation that the worker asked for, which may be another build: message and reply are [`words`] with
    /// their number.
    ///
    /// # Errors
    /// A message of another wire format, which nothing was done about; else as [`Self::act`].
    pub fn call(&self, operation: &str, message: &str) -> core::result::Result<String, JsValue> {
        let question = words::unnumber(message).map_err(JsValue::from)?;
        self.act(operation, question).map(|answer| words::number(&answer))
    }

    /// Does one operation that this very build asked for; question and answer are [`Words`].
    ///
    /// # Errors
    /// What the storage threw, after every write of the operation was undone.
    pub fn act(&self, operation: &str, question: &str) -> core::result::Result<String, JsValue> {
        let answer = match self.class.as_str() {
            "Payment" => payment::ask(&self.storage, &self.looked_ms, operation, question),
            "MintBudget" if operation == "lease" => {
                mint_budget::ask(self.memory.get_or_init(Default::default), question)
            }
            "MintBudget" if operation == "turn" => {
                mint_budget::turn(self.memory.get_or_init(Default::default), question)
            }
            "Allowance" => counters(&self.storage, operation, question),
            "Account" => account::ask(&self.storage, (&self.wakes_at_s, &self.looks), operation, question),
            "Totals" => totals::ask(&self.storage, operation, question),
            _ => Err("no such class or operation".into()),
        };
        answer.map_err(JsValue::from)
    }
}

/// Everything that only counts.
fn counters(storage: &Storage, operation: &str, question: &str) -> Result<String> {
    Ok(match operation {
        "refundable" => failed::refundable(storage, &Words::hear(question)?)?.say(),
        "bind" => bound::bind(storage, Words::hear(question)?)?.say(),
        "reserve" => routing::reserve(storage, Words::hear(question)?)?.say(),
        "cost" => routing::cost(storage, Words::hear(question)?)?.say(),
        _ => return allowance::ask(storage, operation, question),
    })
}

/// Lets the object forget everything at this time, in Unix seconds. The platform keeps the write with
/// those of the operation; there is nothing to wait for.
fn forget_at(storage: &Storage, at_s: u64) -> Result<()> {
    let at = worker::js_sys::Date::new(&JsValue::from_f64(at_s as f64 * 1_000.0));
    let set = storage.as_raw().set_alarm(at, JsValue::UNDEFINED.into());
    set.map(|_| ()).map_err(worker::Error::from)
}

/// Forgets everything now, its alarm with it. The platform does so at once and keeps it like any write; there is nothing
/// to wait for.
fn forget_all(storage: &Storage) -> Result<()> {
    let raw = storage.as_raw();
    let _: Promise = raw.delete_alarm(JsValue::UNDEFINED.into()).map_err(worker::Error::from)?;
    raw.delete_all().map(|_| ()).map_err(worker::Error::from)
}
