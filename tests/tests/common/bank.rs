//! Balances, as their owners and the operator meet them: filled with the dev wallet, used, looked at, audited.

use std::time::Duration;

use satstile_tests::raw::Response;
use satstile_tests::{Stack, http};
use serde_json::{Value, json};

use super::{AUDIT, eventually};

pub const TOPUP: &str = "/api/v1/topup";
pub const CLAIM: &str = "/api/v1/topup/claim";
pub const BALANCE: &str = "/api/v1/balance";

/// The body of a 200.
#[track_caller]
pub fn ok(response: Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// A text in a body.
#[track_caller]
pub fn text(body: &Value, key: &str) -> String {
    body[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {body}")).to_owned()
}

/// Posts JSON as whoever has the token.
#[track_caller]
pub fn post(stack: &Stack, path: &str, token: Option<&str>, body: &Value) -> Response {
    post_once(stack, path, token, None, body)
}

/// The same under an idempotency key.
#[track_caller]
pub fn post_once(stack: &Stack, path: &str, token: Option<&str>, key: Option<&str>, body: &Value) -> Response {
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut fields: Vec<(&str, &str)> = Vec::new();
    fields.extend(authorization.as_deref().map(|value| ("authorization", value)));
    fields.extend(key.map(|key| ("idempotency-key", key)));
    http::post(&stack.url(path), &fields, body.to_string().as_bytes())
}

/// A top-up that was ordered, and paid.
pub struct Paid {
    pub order: Value,
    pub preimage: String,
}

impl Paid {
    /// The claim of who ordered it.
    pub fn claim(&self) -> Value {
        json!({"preimage": self.preimage, "claim_secret": self.order["claim_secret"]})
    }
}

/// Orders a top-up, for a new balance or for that of a token, and pays it.
#[track_caller]
pub fn top_up(stack: &Stack, sats: u64, token: Option<&str>) -> Paid {
    let order = ok(post(stack, TOPUP, token, &json!({"amount_sats": sats})));
    let preimage = stack.node().pay(&text(&order, "invoice"));
    Paid { order, preimage }
}

/// The token of a new balance.
#[track_caller]
pub fn funded(stack: &Stack, sats: u64) -> String {
    let paid = top_up(stack, sats, None);
    let claimed = ok(post(stack, CLAIM, None, &paid.claim()));
    assert_eq!(claimed["balance_sats"], sats);
    text(&claimed, "token")
}

/// Asks for something that is sold, and lets the balance pay.
#[track_caller]
pub fn use_it(stack: &Stack, path: &str, token: &str) -> Response {
    http::get(&stack.url(path), &[("authorization", &format!("Bearer {token}"))])
}

/// What the owner is told, with the last lines of the history.
#[track_caller]
pub fn sheet(stack: &Stack, token: &str) -> Value {
    ok(http::get(&stack.url(BALANCE), &[("x-token", token)]))
}

/// What kinds of lines a sheet's history has, the newest first.
pub fn kinds(sheet: &Value) -> Vec<&str> {
    sheet["history"].as_array().unwrap().iter().map(|line| line["kind"].as_str().unwrap()).collect()
}

/// What can be spent, and what is reserved, in msat.
#[track_caller]
pub fn balance(stack: &Stack, token: &str) -> (u64, u64) {
    let sheet = sheet(stack, token);
    (sheet["balance_msat"].as_u64().unwrap(), sheet["reserved_msat"].as_u64().unwrap())
}

/// What is left once every use under way has ended, in msat.
#[track_caller]
pub fn settled_balance(stack: &Stack, token: &str) -> u64 {
    eventually("the end of every hold", || {
        let (left, reserved) = balance(stack, token);
        (reserved == 0).then_some(left)
    })
}

/// The account in a token, in hex: no secret, and what the operator asks the books by.
#[track_caller]
pub fn account_of(token: &str) -> String {
    let bytes = l402::encoding::base64_any(token.strip_prefix("abl_").unwrap()).unwrap();
    hex::encode(&bytes[1..17])
}

/// What the operator's books say of an account, or of the hash of a purchase.
#[track_caller]
pub fn audit(stack: &Stack, book: &str) -> Value {
    let key = format!("Bearer {}", stack.secrets.audit_key);
    ok(http::get(&stack.url(&format!("{AUDIT}?account={book}")), &[("authorization", &key)]))
}

/// The same, and all of its invariants hold.
#[track_caller]
pub fn sound(stack: &Stack, book: &str) -> Value {
    let audit = audit(stack, book);
    assert_eq!(audit["holds"], true, "{audit}");
    audit
}

/// Alarms have their own pace.
pub const ALARM: Duration = Duration::from_secs(60);

/// Somebody with a balance.
pub struct Owner {
    pub token: String,
    pub account: String,
}

impl Owner {
    /// Fills it.
    #[track_caller]
    pub fn with(stack: &Stack, sats: u64) -> Self {
        let token = funded(stack, sats);
        let account = text(&sheet(stack, &token), "account");
        assert_eq!(account, account_of(&token));
        Self { token, account }
    }

    /// What can be spent, and what is on its way or reserved, in msat.
    #[track_caller]
    pub fn msat(&self, stack: &Stack) -> (u64, u64) {
        balance(stack, &self.token)
    }

    /// What can be spent, in whole sats.
    #[track_caller]
    pub fn sats(&self, stack: &Stack) -> u64 {
        let sheet = sheet(stack, &self.token);
        let sats = sheet["balance_sats"].as_u64().unwrap();
        assert_eq!(sheet["balance_msat"].as_u64().unwrap() / 1_000, sats, "{sheet}");
        sats
    }

    /// How often a line of this kind stands in the history's last hundred.
    #[track_caller]
    pub fn count(&self, stack: &Stack, kind: &str) -> usize {
        let sheet = ok(http::get(&stack.url(&format!("{BALANCE}?limit=100")), &[("x-token", &self.token)]));
        kinds(&sheet).into_iter().filter(|found| *found == kind).count()
    }

    /// The operator asks for the account's books (`GET`), or lets them go on when they are frozen (`POST`).
    #[track_caller]
    pub fn audit(&self, stack: &Stack, method: &str) -> Response {
        let key = format!("Bearer {}", stack.secrets.audit_key);
        http::send(method, &stack.url(&format!("{AUDIT}?account={}", self.account)), &[("authorization", &key)], b"")
    }

    /// The operator has looked, and lets a frozen book go on.
    #[track_caller]
    pub fn thaw(&self, stack: &Stack) {
        ok(self.audit(stack, "POST"));
    }
}

/// What all of them own, and what is on its way between them, in msat. The operator's books add up.
#[track_caller]
pub fn total(stack: &Stack, owners: &[&Owner]) -> (i64, i64) {
    let books: Vec<Value> = owners.iter().map(|owner| sound(stack, &owner.account)["balances_msat"].clone()).collect();
    let sum = |class: &str| books.iter().map(|books| books[class].as_i64().unwrap()).sum();
    (sum("user"), sum("in_transit"))
}

/// Freezes the one book that holds this much; the worker is down.
#[track_caller]
pub fn freeze(stack: &Stack, msat: i64) {
    let frozen = stack.workerd.databases().into_iter().map(|path| {
        let database = rusqlite::Connection::open(path).unwrap();
        let has_book = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'book'";
        if database.query_row(has_book, [], |row| row.get::<_, i64>(0)).unwrap() == 0 {
            return 0;
        }
        database.execute("UPDATE book SET frozen = 2 WHERE user = ?", [msat]).unwrap()
    });
    assert_eq!(frozen.sum::<usize>(), 1, "one book holds {msat} msat");
}
