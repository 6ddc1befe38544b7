//! Payouts over a real node: alice's node webhook pays bob, with a macaroon that can do nothing else (T61), and says of a
//! payment only what lnd is definite about (T93).

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use l402::encoding::to_base64;
use l402::relay::{PaymentId, PaymentLookup, PaymentSend, PaymentState, PaymentStatus, RelayCall};
use l402::{PaymentHash, Preimage};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret, RouteHint, RouteHintHop, RoutingFees};
use satstile_tests::lnd::LOOKUP_INVOICE;
use satstile_tests::{Devnet, Node, Secrets};
use serde_json::{Value, json};

use crate::common::{now, relay};
use crate::in_time;

/// A node webhook with payouts, and the worker that orders them.
struct Paymaster {
    node: Node,
    /// Those of payouts in the place of the relay's.
    secrets: Secrets,
}

impl Paymaster {
    fn start(devnet: &Devnet) -> Self {
        let (relay, secrets) = (Secrets::random(), Secrets::random());
        let alice = devnet.alice();
        let both = [relay.relay_secrets.as_str(), secrets.relay_secrets.as_str()];
        // The network is ready as soon as bob can pay; alice may need a moment more.
        let way = format!("/v1/graph/routes/{}/21", devnet.bob().public_key());
        in_time("a way from alice to bob", || alice.try_call("GET", &way, None).ok());
        // Nobody is told of settlements in these stories.
        let worker = "http://127.0.0.1:1";
        let node = Node::start_paying(&alice.connection(), &alice.paying_connection(), worker, both);
        Self { node, secrets }
    }

    #[track_caller]
    fn ask(&self, call: &RelayCall, hash: PaymentHash) -> PaymentStatus {
        let id = hex::encode(random());
        let reply = relay(&self.secrets, &format!("{}/relay", self.node.url()), &id, &call.to_body());
        assert_eq!(reply.status, 200, "{}", reply.text());
        PaymentStatus::parse(&reply.body, hash).unwrap_or_else(|fault| panic!("{fault}: {}", reply.text()))
    }

    #[track_caller]
    fn send(&self, order: &PaymentSend) -> PaymentStatus {
        self.ask(&RelayCall::PaymentSend(order.clone()), order.payment_hash)
    }

    #[track_caller]
    fn lookup(&self, order: &PaymentSend) -> PaymentStatus {
        let PaymentSend { payment_id, payment_hash, .. } = *order;
        self.ask(&RelayCall::PaymentLookup(PaymentLookup { payment_id, payment_hash }), payment_hash)
    }

    #[track_caller]
    fn ended(&self, order: &PaymentSend) -> PaymentStatus {
        let end = || Some(self.lookup(order)).filter(|status| status.status != PaymentState::Unknown);
        in_time("the end of a payment", end)
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// A payment of 21 sats under an id of its own.
#[track_caller]
fn order(bolt11: &str) -> PaymentSend {
    let payment_hash = l402::bolt11::Invoice::parse(bolt11).expect("an invoice").payment_hash;
    PaymentSend {
        payment_id: PaymentId(random()),
        bolt11: bolt11.to_owned(),
        payment_hash,
        amount_msat: 21_000,
        fee_limit_msat: 1_000,
    }
}

#[track_caller]
fn invoice_of_bob(devnet: &Devnet) -> PaymentSend {
    let invoice = devnet.bob().call("POST", "/v1/invoices", Some(&json!({ "value_msat": "21000" })));
    order(invoice["payment_request"].as_str().expect("an invoice"))
}

/// What bob says of an invoice of his.
#[track_caller]
fn state(devnet: &Devnet, order: &PaymentSend) -> Value {
    devnet.bob().call("GET", &format!("/v1/invoice/{}", order.payment_hash), None)["state"].clone()
}

/// Alice's own record of a payment.
#[track_caller]
fn record(devnet: &Devnet, order: &PaymentSend) -> Value {
    let payments = devnet.alice().call("GET", "/v1/payments?include_incomplete=true&max_payments=1000", None);
    let payments = payments["payments"].as_array().cloned().unwrap_or_default();
    let hash = order.payment_hash.to_string();
    payments.into_iter().find(|payment| payment["payment_hash"] == hash).unwrap_or(Value::Null)
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn bob_is_paid_once_and_his_preimage_is_the_proof() {
    let devnet = Devnet::shared();
    let mut paymaster = Paymaster::start(devnet);
    let order = invoice_of_bob(devnet);
    assert_eq!(paymaster.lookup(&order).status, PaymentState::NotFound);
    let paid = paymaster.send(&order);
    assert_eq!((paid.status, paid.fee_msat), (PaymentState::Succeeded, Some(0)), "{paid:?}");
    assert_eq!(state(devnet, &order), "SETTLED");
    paymaster.node.kill();
    paymaster.node.restart();
    assert_eq!((paymaster.lookup(&order), paymaster.send(&order)), (paid.clone(), paid.clone()));
    // T90: other books of ours, which have never heard of it, hear it from lnd before they send anything.
    let other = Paymaster::start(devnet).send(&order);
    assert_eq!((other.status, other.preimage), (PaymentState::Succeeded, paid.preimage));
    assert_eq!(record(devnet, &order)["htlcs"].as_array().map(Vec::len), Some(1), "one attempt");
}

/// An invoice of bob that leaves the amount to whoever pays.
#[track_caller]
fn open_invoice_of_bob(devnet: &Devnet) -> PaymentSend {
    let invoice = devnet.bob().call("POST", "/v1/invoices", Some(&json!({ "memo": "what is left" })));
    order(invoice["payment_request"].as_str().expect("an invoice"))
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn on_an_invoice_that_names_no_amount_bob_gets_exactly_what_was_ordered() {
    // T56
    let devnet = Devnet::shared();
    let paymaster = Paymaster::start(devnet);
    let order = PaymentSend { amount_msat: 12_345, ..open_invoice_of_bob(devnet) };
    let paid = paymaster.send(&order);
    assert_eq!((paid.status, paid.fee_msat), (PaymentState::Succeeded, Some(0)), "{paid:?}");
    assert_eq!(paid.preimage.map(|preimage| preimage.payment_hash()), Some(order.payment_hash));
    let more = PaymentSend { payment_id: PaymentId(random()), amount_msat: 23_456, ..order.clone() };
    let refused = paymaster.send(&more);
    let why = "the invoice is being paid under another id, or was";
    assert_eq!((refused.status, refused.reason.as_deref()), (PaymentState::Failed, Some(why)));
    let invoice = devnet.bob().call("GET", &format!("/v1/invoice/{}", order.payment_hash), None);
    assert_eq!((&invoice["state"], &invoice["value_msat"]), (&"SETTLED".into(), &"0".into()));
    assert_eq!(invoice["amt_paid_msat"], "12345");
    assert_eq!(record(devnet, &order)["value_msat"], "12345");
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn lnd_is_to_be_told_an_amount_where_the_invoice_names_none_and_nowhere_else() {
    // What our orders keep to, in lnd's own words; both are said before anything is sent.
    let devnet = Devnet::shared();
    let (open, named) = (open_invoice_of_bob(devnet), invoice_of_bob(devnet));
    let pay = |order: &PaymentSend, amount: Value| {
        let order = json!({ "payment_request": order.bolt11, "timeout_seconds": 10, "amt_msat": amount });
        devnet.alice().try_call("POST", "/v2/router/send", Some(&order)).expect_err("lnd refuses it")
    };
    assert_eq!(pay(&open, "0".into()), "amount must be specified when paying a zero amount invoice");
    assert_eq!(pay(&named, "21000".into()), "amount must not be specified when paying a non-zero amount invoice");
    for order in [&open, &named] {
        assert_eq!((state(devnet, order), record(devnet, order)), ("OPEN".into(), Value::Null));
    }
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_payment_that_bob_holds_is_unknown_until_he_settles_or_gives_it_back() {
    // T93: the kill in between changes nothing.
    let devnet = Devnet::shared();
    let mut paymaster = Paymaster::start(devnet);
    let hold = |preimage: &Preimage| {
        let hash = to_base64(&preimage.payment_hash().0);
        let made = json!({ "hash": hash, "value_msat": "21000" });
        let held = devnet.bob().call("POST", "/v2/invoices/hodl", Some(&made));
        order(held["payment_request"].as_str().expect("an invoice"))
    };
    let (one, two) = (Preimage::new(random()), Preimage::new(random()));
    let (settled, given_back) = (hold(&one), hold(&two));
    for order in [&settled, &given_back] {
        assert_eq!(paymaster.send(order).status, PaymentState::Unknown);
        assert_eq!(state(devnet, order), "ACCEPTED");
    }
    paymaster.node.kill();
    paymaster.node.restart();
    for order in [&settled, &given_back] {
        assert_eq!(paymaster.send(order).status, PaymentState::Unknown);
    }
    let bob = devnet.bob();
    bob.call("POST", "/v2/invoices/settle", Some(&json!({ "preimage": to_base64(one.expose()) })));
    bob.call("POST", "/v2/invoices/cancel", Some(&json!({ "payment_hash": to_base64(&given_back.payment_hash.0) })));

    let paid = paymaster.ended(&settled);
    assert_eq!((paid.status, paid.preimage), (PaymentState::Succeeded, Some(one)));
    let failed = paymaster.ended(&given_back);
    assert_eq!((failed.status, failed.reason.as_deref()), (PaymentState::Failed, Some("incorrect payment details")));
    assert_eq!((state(devnet, &settled), state(devnet, &given_back)), ("SETTLED".into(), "CANCELED".into()));
}

/// An invoice of somebody, in base64 too, to whom the way leads through bob: he is said to take 2 sats for it.
#[track_caller]
fn beyond_bob(devnet: &Devnet) -> (PaymentSend, String) {
    let (secp, key) = (Secp256k1::new(), SecretKey::from_slice(&random()).expect("nearly every number is a key"));
    let hop = RouteHintHop {
        src_node_id: devnet.bob().public_key().parse().expect("bob's key"),
        short_channel_id: 1 << 40,
        fees: RoutingFees { base_msat: 2_000, proportional_millionths: 0 },
        cltv_expiry_delta: 40,
        htlc_minimum_msat: None,
        htlc_maximum_msat: None,
    };
    let invoice = InvoiceBuilder::new(Currency::Regtest)
        .description("beyond bob".to_owned())
        .payment_hash(sha256::Hash::from_byte_array(Preimage::new(random()).payment_hash().0))
        .payment_secret(PaymentSecret(random()))
        .duration_since_epoch(Duration::from_secs(now().0))
        .expiry_time(Duration::from_secs(600))
        .min_final_cltv_expiry_delta(40)
        .amount_milli_satoshis(21_000)
        .basic_mpp()
        .private_route(RouteHint(vec![hop]))
        .build_signed(|message| secp.sign_ecdsa_recoverable(message, &key))
        .expect("an invoice");
    (order(&invoice.to_string()), to_base64(&key.public_key(&secp).serialize()))
}

/// Whether alice has tried to reach somebody: lnd forgets the attempts of a payment that failed, but not what it learnt.
#[track_caller]
fn has_tried(devnet: &Devnet, payee: &str) -> bool {
    let learnt = devnet.alice().call("GET", "/v2/router/mc", None);
    learnt["pairs"].as_array().is_some_and(|pairs| pairs.iter().any(|pair| pair["node_to"] == payee))
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn no_way_within_the_fee_limit_is_a_failure_and_nothing_is_tried() {
    // T94: one millisatoshi less than the way costs, and just enough.
    let devnet = Devnet::shared();
    let paymaster = Paymaster::start(devnet);
    let (dear, payee) = beyond_bob(devnet);
    let failed = paymaster.send(&PaymentSend { fee_limit_msat: 1_999, ..dear.clone() });
    assert_eq!((failed.status, failed.reason.as_deref()), (PaymentState::Failed, Some("no route")), "{failed:?}");
    assert!(!has_tried(devnet, &payee));

    let (dear, payee) = beyond_bob(devnet);
    let enough = PaymentSend { fee_limit_msat: 2_000, ..dear };
    paymaster.send(&enough);
    assert_eq!(paymaster.ended(&enough).status, PaymentState::Failed, "bob knows no such neighbour");
    assert!(has_tried(devnet, &payee));
}

/// The macaroon in a connection string.
fn macaroon_of(connection: &str) -> String {
    let value = connection.split(';').find_map(|pair| pair.strip_prefix("macaroon="));
    value.expect("a macaroon").to_owned()
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn alice_neither_pays_herself_nor_with_a_macaroon_for_invoices() {
    // T61, T95
    let devnet = Devnet::shared();
    let paymaster = Paymaster::start(devnet);
    let own = order(&devnet.invoice(21_000, "her own").bolt11);
    let refused = paymaster.send(&own);
    assert_eq!(refused.status, PaymentState::Failed, "{refused:?}");
    assert_eq!(devnet.state(&own.payment_hash.to_string()), "OPEN");

    let (relay, secrets) = (Secrets::random(), Secrets::random());
    let both = [relay.relay_secrets.as_str(), secrets.relay_secrets.as_str()];
    let makes = devnet.alice().connection();
    let pays = makes.replace(&macaroon_of(&makes), &devnet.alice().bake(&[LOOKUP_INVOICE]));
    let weak = Paymaster { node: Node::start_paying(&makes, &pays, "http://127.0.0.1:1", both), secrets };
    let order = invoice_of_bob(devnet);
    assert_eq!(weak.send(&order).status, PaymentState::Unknown, "it may not even ask");
    assert_eq!((state(devnet, &order), record(devnet, &order)), ("OPEN".into(), Value::Null));
}
