//! A back end that changes one thing: between the node webhook and alice somebody answers in her place. Nobody is shown
//! such an invoice, and the back end behind it makes a right one (T21, T55, F4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use l402::encoding::to_base64;
use l402::relay::InvoiceCreate;
use lightning_invoice::Currency;
use satstile_tests::{Devnet, Stack, StackOptions};
use serde_json::{Value, json};

use crate::common::fake_node::Draft;
use crate::common::{API, ask, get, is_charged, opens, plenty, seen};
use crate::proxy::{Proxy, made_by_alice};
use crate::{on, paid_by_bob, status, total};

/// What is answered to an order; beside it, the last answer that was right.
type Lie = fn(&'static Devnet, Value, Value) -> Value;

/// What is changed, how, and what the node webhook's log says of it.
const LIES: &[(&str, Lie, &str)] = &[
    ("a msat more", |devnet, order, _| made_by_alice(devnet, &with(order, "value_msat", "10001")), "amount"),
    ("a tenth of it", |devnet, order, _| made_by_alice(devnet, &with(order, "value_msat", "1000")), "amount"),
    ("any amount", |devnet, order, _| made_by_alice(devnet, &with(order, "value_msat", "0")), "amount"),
    ("a day too long", |devnet, order, _| made_by_alice(devnet, &with(order, "expiry", "87000")), "expiry"),
    ("too short to pay", |devnet, order, _| made_by_alice(devnet, &with(order, "expiry", "30")), "expiry"),
    ("of mainnet", |_, _, _| of_mainnet(), "network"),
    ("another hash beside it", |devnet, order, last| with_hash_of(made_by_alice(devnet, &order), &last), "hash"),
    ("the one before", |_, _, last| last, "given before"),
    ("bob's", |devnet, order, _| devnet.bob().call("POST", "/v1/invoices", Some(&order)), "payee"),
];

fn with(mut order: Value, name: &str, value: &str) -> Value {
    order[name] = value.into();
    order
}

fn with_hash_of(mut made: Value, last: &Value) -> Value {
    made["r_hash"] = last["r_hash"].clone();
    made
}

fn of_mainnet() -> Value {
    let order = InvoiceCreate {
        amount_msat: 10_000,
        description: "of mainnet".to_owned(),
        expiry_s: 600,
        service: "api".to_owned(),
        purpose: "l402".to_owned(),
        payee: None,
    };
    let made = Draft { currency: Currency::Bitcoin, ..Draft::of(&order) }.sign();
    json!({ "r_hash": to_base64(&made.payment_hash.0), "payment_request": made.bolt11, "add_index": "1" })
}

/// Alice's back end while nothing is said to it, and a liar's while something is.
struct Liar {
    proxy: Proxy,
    lie: Arc<Mutex<Option<Lie>>>,
}

impl Liar {
    fn start(devnet: &'static Devnet) -> Self {
        let lie: Arc<Mutex<Option<Lie>>> = Arc::default();
        let (told, last) = (Arc::clone(&lie), Mutex::new(json!({})));
        let proxy = Proxy::start_making(devnet, move |order| {
            let lie = *told.lock().unwrap_or_else(PoisonError::into_inner);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            match lie {
                Some(lie) => Some(lie(devnet, order, last.clone())),
                None => {
                    *last = made_by_alice(devnet, &order);
                    Some(last.clone())
                }
            }
        });
        Self { proxy, lie }
    }

    fn says(&self, lie: Option<Lie>) {
        *self.lie.lock().unwrap_or_else(PoisonError::into_inner) = lie;
    }
}

/// An edge that sells for alice alone.
fn of_alice(devnet: &Devnet, backends: String) -> Stack {
    let policy = json!({ "services": { "api": { "payee": devnet.alice().public_key() } } });
    Stack::start(StackOptions { backends, ..plenty(policy) })
}

/// The node webhook's lines about the order that was refused.
#[track_caller]
fn said_of_it(stack: &Stack, from: usize) -> String {
    let log = stack.node().log();
    let refusals = ["no invoice from this back end", "this back end made another invoice"];
    let lines = log.iter().skip(from).filter(|line| refusals.iter().any(|refusal| line.contains(refusal)));
    lines.cloned().collect::<Vec<_>>().join("\n")
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn an_invoice_that_is_not_the_one_that_was_ordered_is_shown_to_nobody() {
    let devnet = Devnet::shared();
    let liar = Liar::start(devnet);
    let stack = of_alice(devnet, liar.proxy.connection());
    for (name, lie, what) in LIES {
        // Through the same proxy: it is the lie that is refused, and not the way.
        liar.says(None);
        ask(&stack, API);
        let lines_before = stack.node().log().len();
        liar.says(Some(*lie));
        let refused = get(&stack, API);
        assert_eq!(refused.status, 503, "{name}: {}", refused.text());
        assert_eq!(refused.header("www-authenticate"), None, "{name}");
        assert!(!refused.text().contains("lnbc"), "{name}: {}", refused.text());
        let said = said_of_it(&stack, lines_before);
        assert!(said.contains(what), "{name}, {what}: {said}");
        // T60: whoever asked does not learn what is behind the edge.
        assert!(!refused.text().contains("127.0.0.1") && !refused.text().contains("lnd"), "{name}");
    }
    let right = i64::try_from(LIES.len()).expect("a few");
    assert_eq!(total(&stack, "api", "challenges", right)["settled"].as_i64().unwrap_or(0), 0);
    assert_eq!(seen(&stack), [""; 0]);
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn behind_a_back_end_that_lies_an_honest_one_makes_the_invoice() {
    let devnet = Devnet::shared();
    let liar = Liar::start(devnet);
    let stack = of_alice(devnet, format!("{}\n{}", liar.proxy.connection(), devnet.alice().connection()));
    // One before, so that there is one to give again.
    ask(&stack, API);
    for (n, (name, lie, _)) in LIES.iter().enumerate() {
        liar.says(Some(*lie));
        let offer = ask(&stack, API);
        assert_eq!(liar.proxy.orders(), n + 2, "{name}: the first back end was asked, and once");
        assert_eq!(devnet.state(&offer.payment_hash), "OPEN", "{name}");
        opens(&stack, &paid_by_bob(devnet, offer).l402());
    }
    let paid = i64::try_from(LIES.len()).expect("a few");
    assert_eq!(total(&stack, "api", "settled", paid)["settled_msat"], 10_000 * paid);
}

/// What the node webhook heard of this invoice, and did not believe.
fn disbelieved(stack: &Stack, payment_hash: &str) -> String {
    let line = |line: &&String| line.contains("a settlement is not believed") && line.contains(&payment_hash[..8]);
    stack.node().log().iter().find(line).cloned().unwrap_or_default()
}

/// What is made of alice's word about an unpaid invoice; beside it, another invoice of hers.
type StateLie = fn(&mut Value, &Value);

/// What is said, and what the node webhook's log says of it.
const STATE_LIES: &[(StateLie, &str)] = &[
    (|state, _| state["r_preimage"] = to_base64(&[0; 32]).into(), "preimage"),
    // T66. The preimage is right: lnd shows it to its owner from the start.
    (|state, _| state["amt_paid_msat"] = "9999".into(), "less"),
    (|state, other| state["r_hash"] = other["r_hash"].clone(), "another invoice"),
];

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn an_unpaid_invoice_that_is_called_settled_is_not_believed_without_its_proof() {
    let devnet = Devnet::shared();
    let lies: Arc<Mutex<HashMap<String, StateLie>>> = Arc::default();
    let told = Arc::clone(&lies);
    let other = devnet.alice().call("POST", "/v1/invoices", Some(&json!({ "value_msat": "10000" })));
    let proxy = Proxy::start(devnet, move |heard| {
        let payment_hash = heard.target.strip_prefix("/v1/invoice/")?;
        let lie = *told.lock().unwrap_or_else(PoisonError::into_inner).get(payment_hash)?;
        let mut state = devnet.alice().call("GET", &heard.target, None);
        for (name, value) in [("state", "SETTLED"), ("amt_paid_msat", "10000"), ("settle_date", "1")] {
            state[name] = value.into();
        }
        lie(&mut state, &other);
        Some(state)
    });
    let stack = Stack::start(on(&proxy.connection()));
    for (lie, what) in STATE_LIES {
        let offer = ask(&stack, API);
        lies.lock().unwrap_or_else(PoisonError::into_inner).insert(offer.payment_hash.clone(), *lie);
        let word = status(&stack, &offer);
        assert_eq!((&word["status"], word.get("preimage")), (&"pending".into(), None));
        let said = disbelieved(&stack, &offer.payment_hash);
        assert!(said.contains(what), "{what}: {said}");
        is_charged(&stack, &format!("L402 {}:{}", offer.macaroon, "00".repeat(32)));
        // The truth is believed, of the same invoice.
        lies.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let preimage = devnet.pay(&offer.invoice);
        assert_eq!(crate::word(&stack, &offer)["preimage"], preimage);
    }
    let paid = i64::try_from(STATE_LIES.len()).expect("a few");
    assert_eq!(total(&stack, "api", "settled", paid)["settled_msat"], 10_000 * paid);
}
