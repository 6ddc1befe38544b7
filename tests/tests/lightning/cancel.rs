//! Withdrawing an invoice at a real lnd, so that it can be settled between two balances: `canceled` is definite (T95).

use l402::PaymentHash;
use l402::relay::{
    CancelState, CancelStatus, InvoiceCancel, InvoiceCreate, InvoiceCreated, InvoiceLookup, InvoiceState,
    InvoiceStatus, RelayCall,
};
use satstile_tests::{Devnet, Node, Secrets};
use serde_json::Value;

use crate::common::relay;

/// A node webhook that may withdraw what it makes at alice's lnd.
struct Seller {
    node: Node,
    relay: Secrets,
    payouts: Secrets,
}

impl Seller {
    fn start(devnet: &Devnet, connection: &str) -> Self {
        let (relay, payouts) = (Secrets::random(), Secrets::random());
        // Those for payouts stand where the relay's do.
        let both = [relay.relay_secrets.as_str(), payouts.relay_secrets.as_str()];
        let pays = devnet.alice().paying_connection();
        Self { node: Node::start_paying(connection, &pays, "http://127.0.0.1:1", both), relay, payouts }
    }

    #[track_caller]
    fn ask(&self, secrets: &Secrets, call: &RelayCall) -> Vec<u8> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).expect("the system has randomness");
        let reply = relay(secrets, &format!("{}/relay", self.node.url()), &hex::encode(id), &call.to_body());
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.body
    }

    #[track_caller]
    fn invoice(&self) -> InvoiceCreated {
        let order = RelayCall::InvoiceCreate(InvoiceCreate {
            amount_msat: 21_000,
            description: "a refill".into(),
            expiry_s: 600,
            service: "_topup".into(),
            purpose: "topup".into(),
            payee: None,
        });
        InvoiceCreated::parse(&self.ask(&self.relay, &order)).expect("an invoice")
    }

    #[track_caller]
    fn cancel(&self, payment_hash: PaymentHash) -> CancelState {
        let call = RelayCall::InvoiceCancel(InvoiceCancel { payment_hash });
        CancelStatus::parse(&self.ask(&self.payouts, &call)).expect("a status").status
    }

    #[track_caller]
    fn state(&self, payment_hash: PaymentHash) -> InvoiceState {
        let call = RelayCall::InvoiceLookup(InvoiceLookup { payment_hash });
        InvoiceStatus::parse(&self.ask(&self.relay, &call)).expect("a status").status
    }
}

/// What lnd says of an invoice of alice's.
#[track_caller]
fn at_lnd(devnet: &Devnet, hash: PaymentHash) -> Value {
    devnet.alice().call("GET", &format!("/v1/invoice/{hash}"), None)["state"].clone()
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn an_invoice_that_lnd_withdrew_is_paid_by_nobody_and_one_that_bob_paid_is_settled() {
    let devnet = Devnet::shared();
    let mut seller = Seller::start(devnet, &devnet.alice().canceling_connection());
    let (gone, paid) = (seller.invoice(), seller.invoice());
    for _ in 0..2 {
        assert_eq!(seller.cancel(gone.payment_hash), CancelState::Canceled);
        assert_eq!(at_lnd(devnet, gone.payment_hash), "CANCELED");
    }
    let refused = devnet.try_pay(&gone.bolt11).expect_err("nobody takes it");
    assert!(!refused.is_empty());
    assert_eq!(at_lnd(devnet, gone.payment_hash), "CANCELED");

    devnet.pay(&paid.bolt11);
    assert_eq!(seller.cancel(paid.payment_hash), CancelState::Settled);
    assert_eq!(
        (at_lnd(devnet, paid.payment_hash), seller.state(paid.payment_hash)),
        ("SETTLED".into(), InvoiceState::Settled)
    );

    // Withdrawn behind our back, and again after a kill: the same word.
    let other = seller.invoice();
    let hash = l402::encoding::to_base64(&other.payment_hash.0);
    devnet.alice().call("POST", "/v2/invoices/cancel", Some(&serde_json::json!({ "payment_hash": hash })));
    assert_eq!(seller.cancel(other.payment_hash), CancelState::Canceled);
    seller.node.kill();
    seller.node.restart();
    for invoice in [&gone, &other] {
        assert_eq!(seller.cancel(invoice.payment_hash), CancelState::Canceled);
        assert_eq!(seller.state(invoice.payment_hash), InvoiceState::Canceled);
    }
    assert_eq!(seller.cancel(PaymentHash([9; 32])), CancelState::NotFound);
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_macaroon_that_may_not_withdraw_leaves_the_invoice_open_and_sells_on() {
    // T61
    let devnet = Devnet::shared();
    let seller = Seller::start(devnet, &devnet.alice().connection());
    let invoice = seller.invoice();
    assert_eq!(seller.cancel(invoice.payment_hash), CancelState::Open);
    assert_eq!(at_lnd(devnet, invoice.payment_hash), "OPEN");
    let preimage = devnet.pay(&invoice.bolt11);
    assert_eq!(crate::hash(&preimage), invoice.payment_hash.to_string());
    assert_eq!(seller.cancel(invoice.payment_hash), CancelState::Settled);
    seller.invoice();
}
