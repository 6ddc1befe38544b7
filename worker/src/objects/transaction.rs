//! `ctx.storage.transactionSync()` from Rust (T72): the closure's writes all happen, or none.
//!
//! An exception alone rolls nothing back in a Durable Object, and an `await` in the middle lets another
//! request in. The closure here is synchronous, may borrow, and undoes its writes by returning `Err`.
//! A panic inside is not an `Err`: the platform rolls back as well, and the trap goes on to the shim.

use worker::wasm_bindgen::{self, JsCast, JsValue, prelude::wasm_bindgen};
use worker::{Result, SqlStorage, Storage};

#[wasm_bindgen]
extern "C" {
    type SyncStorage;

    // A borrowed closure lives exactly as long as the call: no allocation, no leak, no `'static`.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    fn transaction_sync(
        this: &SyncStorage,
        body: &mut dyn FnMut() -> core::result::Result<(), JsValue>,
    ) -> core::result::Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = WebAssembly, js_name = RuntimeError)]
    type RuntimeError;
}

/// Runs `body` in one SQLite transaction.
///
/// # Errors
/// Its own error, after every write of it was undone; or the failure of the commit.
pub fn transaction<T>(storage: &Storage, body: impl FnOnce(&SqlStorage) -> Result<T>) -> Result<T> {
    let (mut body, mut out) = (Some(body), None);
    run(storage, &mut |sql| {
        let body = body.take().ok_or("transactionSync called its closure twice")?;
        out = Some(body(sql)?);
        Ok(())
    })?;
    out.ok_or_else(|| "a transaction without an outcome".into())
}

/// What all transactions share, so that the wasm has it once.
fn run(storage: &Storage, body: &mut dyn FnMut(&SqlStorage) -> Result<()>) -> Result<()> {
    let sql = storage.sql();
    let mut out = None;
    let js: &SyncStorage = storage.as_raw().unchecked_ref();
    let done = js.transaction_sync(&mut || {
        let result = body(&sql);
        let verdict = result.as_ref().map(drop).map_err(|_| JsValue::from("rolled back"));
        out = Some(result);
        verdict
    });
    match (done, out) {
        (Ok(()), Some(Ok(()))) => Ok(()),
        (Err(_), Some(Err(error))) => Err(error),
        // `catch` also catches a trap (a panic in `body`): do not go on in a poisoned instance.
        (Err(js), None) if js.is_instance_of::<RuntimeError>() => wasm_bindgen::throw_val(js),
        // `body` said Ok and the commit failed, or JavaScript threw before or through `body`.
        (Err(js), _) => Err(worker::Error::from(js)),
        (Ok(()), _) => Err("transactionSync did not run its closure".into()),
    }
}
