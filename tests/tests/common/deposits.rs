//! Deposits, as who pays them meets them: asked for, paid, and used as a session; and what the books of one say.

use l402::auth_param;
use l402::encoding::{base64url, to_base64url};
use satstile_tests::raw::Response;
use satstile_tests::{Stack, StackOptions, http};
use serde_json::{Value, json};

use super::bank::sound;
use super::server::Server;
use super::wallet::open_invoice;
use super::{eventually, get_with, plenty};

/// What a unit of `api` costs, and what a deposit is for, in sats.
pub const UNIT: u64 = 10;
pub const DEPOSIT: u64 = 200;

/// A stack that sells `api` by the session, and pays out what is left.
pub fn desk(mut policy: Value) -> Stack {
    if policy["payouts"].is_null() {
        policy["payouts"] = json!({});
    }
    if policy["sessions"].is_null() {
        policy["sessions"] = json!({});
    }
    policy["services"]["api"]["session"] = true.into();
    Stack::start(StackOptions { payouts: true, ..plenty(policy) })
}

/// In front of an origin of the story's own.
pub fn desk_before(origin: &Server) -> Stack {
    desk(json!({"origin": origin.url()}))
}

/// A 402 with a deposit, and what its challenge says.
pub struct Deposit {
    pub challenge: Value,
    pub invoice: String,
    pub hash: String,
}

impl Deposit {
    /// What a client is offered that prefers sessions.
    #[track_caller]
    pub fn asked(stack: &Stack, path: &str) -> Self {
        Self::read(&http::get(&stack.url(path), &[("accept-payment", "lightning/session")]))
    }

    /// Reads the 402.
    #[track_caller]
    pub fn read(response: &Response) -> Self {
        assert_eq!(response.status, 402, "{}", response.text());
        let header = response.header("www-authenticate").unwrap();
        let all = auth_param::parse(header).unwrap();
        let [one] = all.as_slice() else { panic!("one challenge, and not {header}") };
        let mut challenge = json!({});
        for name in ["id", "realm", "method", "intent", "request", "expires", "opaque"] {
            challenge[name] = one.param(name).unwrap_or_else(|| panic!("no {name}")).into();
        }
        assert_eq!((one.param("method"), one.param("intent")), (Some("lightning"), Some("session")));
        let request = request_of(&challenge);
        let text = |key: &str| request[key].as_str().unwrap().to_owned();
        Self { invoice: text("depositInvoice"), hash: text("paymentHash"), challenge }
    }

    /// A credential with this payload.
    pub fn with(&self, payload: &Value) -> String {
        let credential = json!({"challenge": self.challenge, "payload": payload});
        format!("Payment {}", to_base64url(credential.to_string().as_bytes()))
    }
}

/// What a challenge asks for.
pub fn request_of(challenge: &Value) -> Value {
    serde_json::from_slice(&base64url(challenge["request"].as_str().unwrap()).unwrap()).unwrap()
}

/// Who has paid a deposit: its proof, and the invoice that brings back what is left.
pub struct Bearer {
    pub deposit: Deposit,
    pub preimage: String,
    pub back: (String, String),
}

impl Bearer {
    /// Pays; the description of the return invoice says how paying that one goes.
    #[track_caller]
    pub fn paying(stack: &Stack, path: &str, back: &str) -> Self {
        let deposit = Deposit::asked(stack, path);
        let preimage = stack.node().pay(&deposit.invoice);
        Self { deposit, preimage, back: open_invoice(stack.node(), back) }
    }

    /// The same, and opens the session with a request for the path.
    #[track_caller]
    pub fn with_session(stack: &Stack, path: &str, back: &str) -> Self {
        let bearer = Self::paying(stack, path, back);
        let opened = get_with(stack, path, &bearer.open());
        assert_eq!(opened.status, 200, "{}", opened.text());
        bearer
    }

    /// The name of the session.
    pub fn id(&self) -> &str {
        &self.deposit.hash
    }

    /// The credential that opens it.
    pub fn open(&self) -> String {
        self.deposit.with(&json!({"action": "open", "preimage": self.preimage, "returnInvoice": self.back.0}))
    }

    /// The one that uses it.
    pub fn bearer(&self) -> String {
        self.says(&self.deposit, "bearer")
    }

    /// What somebody says who knows the preimage and shows this challenge.
    pub fn says(&self, deposit: &Deposit, action: &str) -> String {
        deposit.with(&json!({"action": action, "sessionId": self.id(), "preimage": self.preimage}))
    }

    /// The one that closes it.
    pub fn close(&self) -> String {
        self.says(&self.deposit, "close")
    }

    /// Closes it again, with another invoice for what could not be sent to the first.
    pub fn close_to(&self, deposit: &Deposit, invoice: &str) -> String {
        let payload =
            json!({"action": "close", "sessionId": self.id(), "preimage": self.preimage, "returnInvoice": invoice});
        deposit.with(&payload)
    }

    /// Another deposit, paid, for this session.
    #[track_caller]
    pub fn top_up(&self, stack: &Stack, path: &str) -> String {
        let deposit = Deposit::asked(stack, path);
        let preimage = stack.node().pay(&deposit.invoice);
        deposit.with(&json!({"action": "topUp", "sessionId": self.id(), "topUpPreimage": preimage}))
    }
}

/// A 402 with another deposit, and this problem type.
#[track_caller]
pub fn refused(response: &Response, problem: &str) {
    assert_eq!(response.status, 402, "{}", response.text());
    let kind = response.json()["type"].as_str().unwrap().to_owned();
    assert_eq!(kind.rsplit('/').next(), Some(problem), "{}", response.text());
    Deposit::read(response);
}

/// What of the book of a session is still in use, and what it has earned, in msat; its invariants hold.
#[track_caller]
pub fn book(stack: &Stack, session: &str) -> (u64, u64) {
    let balances = &sound(stack, session)["balances_msat"];
    let of = |class: &str| balances[class].as_u64().unwrap();
    (of("user") + of("hold") + of("payout"), of("fees"))
}

/// What is left of it once every use has ended, in sats.
#[track_caller]
pub fn left(stack: &Stack, session: &str) -> u64 {
    eventually("the end of every hold", || {
        let balances = &sound(stack, session)["balances_msat"];
        (balances["hold"] == 0).then(|| balances["user"].as_u64().unwrap() / 1_000)
    })
}

/// The receipt that came with an answer.
#[track_caller]
pub fn receipt(response: &Response) -> Value {
    let value = response.header("payment-receipt").unwrap_or_else(|| panic!("no receipt: {}", response.text()));
    serde_json::from_slice(&base64url(value).unwrap()).unwrap()
}
