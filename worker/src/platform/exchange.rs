//! Requests of our own, to the node's side. The shim makes them: one crossing out, one back, and no object of the
//! platform in between.

use std::cell::RefCell;

use worker::js_sys::Promise;
use worker::wasm_bindgen::{self, JsValue, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// What the shim does for us.
    pub type Shim;

    #[wasm_bindgen(method, catch)]
    fn exchange(
        this: &Shim,
        url: &str,
        fields: &str,
        body: Option<&str>,
        names: &str,
        ms: f64,
        lnurl: bool,
    ) -> Result<Promise, JsValue>;

    /// Gives up this instance and all that is under way in it.
    #[wasm_bindgen(method)]
    fn abandon(this: &Shim);
}

thread_local! {
    static SHIM: RefCell<Option<Shim>> = const { RefCell::new(None) };
}

/// One request: a POST when it has a body, a GET past every cache when it has none.
pub struct Outgoing<'a> {
    /// Absolute.
    pub url: &'a str,
    /// Header fields.
    pub fields: &'a [(&'a str, &'a str)],
    /// JSON, or whatever the fields say.
    pub body: Option<&'a str>,
    /// The fields of the reply that are of interest, if any are.
    pub names: &'a [&'a str],
    /// For all of it, the reply's body included.
    pub ms: u64,
}

/// A whole reply, of at most 64 KB. Nothing in it is believed.
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// The values that were asked for, in that order; empty where there was none.
    pub fields: Vec<String>,
    /// What came, as UTF-8.
    pub body: String,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// No connection, or it was refused.
    Unreachable,
    /// Not within its time.
    Late,
    /// It broke off, or was too long.
    Broken,
}

/// Keeps the shim's side of it, and tells it when a trap ends this instance. Only the glue of wasm-bindgen sees a trap in a
/// future that was polled later: there is no caller left.
pub fn load(shim: Shim) {
    SHIM.with_borrow_mut(|kept| *kept = Some(shim));
    wasm_bindgen::handler::set_on_abort(abandon);
}

/// Runs in an instance that is poisoned already: it takes nothing for granted and needs no memory.
fn abandon() {
    SHIM.with(|kept| {
        if let Ok(Some(shim)) = kept.try_borrow().as_deref() {
            shim.abandon();
        }
    });
}

/// Asks, once. A redirect is a reply like any other and is not followed.
pub async fn ask(outgoing: &Outgoing<'_>) -> Result<Reply, NoReply> {
    by(outgoing, false).await
}

/// Asks an address that somebody else wrote: by `LNURL_EGRESS`, where that is bound (T97).
pub async fn ask_lnurl(outgoing: &Outgoing<'_>) -> Result<Reply, NoReply> {
    by(outgoing, true).await
}

async fn by(outgoing: &Outgoing<'_>, lnurl: bool) -> Result<Reply, NoReply> {
    let fields: Vec<String> = outgoing.fields.iter().map(|(name, value)| format!("={name}:{value}")).collect();
    let promise = SHIM.with_borrow(|shim| {
        let shim = shim.as_ref().ok_or(NoReply::Unreachable)?;
        let (fields, names) = (fields.join("\n"), outgoing.names.join(" "));
        #[allow(clippy::cast_precision_loss)] // seconds
        let promise = shim.exchange(outgoing.url, &fields, outgoing.body, &names, outgoing.ms as f64, lnurl);
        promise.map_err(|_| NoReply::Unreachable)
    })?;
    match JsFuture::from(promise).await {
        Ok(reply) => reply.as_string().and_then(|text| parse(&text, outgoing.names.len())).ok_or(NoReply::Broken),
        Err(word) => Err(match word.as_string().as_deref() {
            Some("late") => NoReply::Late,
            Some("broken") => NoReply::Broken,
            _ => NoReply::Unreachable,
        }),
    }
}

/// The status, a line for each field, and the body, which may hold lines of its own.
fn parse(text: &str, fields: usize) -> Option<Reply> {
    let mut lines = text.splitn(fields + 2, '\n').map(str::to_owned);
    let status = lines.next()?.parse().ok()?;
    let fields = (&mut lines).take(fields).collect();
    Some(Reply { status, fields, body: lines.next()? })
}
