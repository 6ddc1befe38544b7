//! What nodes really say of a payment, and what is made of it: only their own definite word ends it (T93).

mod common;

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use common::body;
use l402::{Msat, PaymentHash, Preimage};
use lightning_invoice::{Bolt11Invoice, Currency, InvoiceBuilder, PaymentSecret, SiPrefix};
use satstile_lightning::wallet::{Outcome, Payment, Wallet, WalletConnection, names_no_amount};
use satstile_lightning::{BackendFault, HttpReply, Step};

const LND: &str = "lnd-rest";
const CLN: &str = "clnrest";

/// The preimage of the payment that succeeded.
fn preimage() -> Preimage {
    let reply: serde_json::Value = serde_json::from_str(&body(LND, "payment-succeeded")).unwrap();
    Preimage::from_hex(reply["result"]["payment_preimage"].as_str().unwrap()).unwrap()
}

/// Of the payment that was held, and given back.
fn held() -> PaymentHash {
    PaymentHash::from_hex("a1874f307d42bad44e3e73e825c5c12554b5355834370295ff6d0b270476c137").unwrap()
}

fn wallet(kind: &str) -> Box<dyn Wallet + Send + Sync> {
    let secret = if kind == LND { "macaroon=00ff" } else { "rune=rune-of-ours" };
    WalletConnection::parse(&format!("type={kind};server=https://node.test:8080;{secret}")).unwrap().wallet
}

type Ending = Result<Step<Outcome>, BackendFault>;

/// The end of paying, by this reply.
fn paying(kind: &str, payment_hash: PaymentHash, status: u16, text: &str) -> Ending {
    let payment = Payment { bolt11: "lnbcrt1", payment_hash, amount: Msat(21_000), max_fee: Msat(1_000) };
    wallet(kind).pay(&payment, &[HttpReply::new(status, text)])
}

/// The end of asking, by this reply.
fn looking(kind: &str, payment_hash: PaymentHash, status: u16, text: &str) -> Ending {
    wallet(kind).look(payment_hash, &[HttpReply::new(status, text)])
}

/// Both calls of LND are answered alike.
#[track_caller]
fn lnd(hash: PaymentHash, status: u16, name: &str, ending: &Ending) {
    let text = body(LND, name);
    assert_eq!((&paying(LND, hash, status, &text), &looking(LND, hash, status, &text)), (ending, ending), "{name}");
}

const UNKNOWN: Ending = Ok(Step::Done(Outcome::Unknown));

fn paid(fee: u64) -> Ending {
    Ok(Step::Done(Outcome::Paid { preimage: preimage(), fee: Some(Msat(fee)) }))
}

fn failed(why: &str) -> Ending {
    Ok(Step::Done(Outcome::Failed(why.to_owned())))
}

#[test]
fn lnd_says_how_a_payment_ended() {
    let hash = preimage().payment_hash();
    lnd(hash, 200, "payment-succeeded", &paid(0));
    lnd(held(), 200, "payment-failed", &failed("incorrect payment details"));
    lnd(hash, 404, "payment-unknown", &Ok(Step::Done(Outcome::NotFound)));
    assert_eq!(paying(LND, hash, 500, &body(LND, "payment-to-itself")), failed("self-payments not allowed"));
}

#[test]
fn a_payment_of_lnd_that_is_under_way_is_unknown_t93() {
    lnd(held(), 200, "payment-in-flight", &UNKNOWN);
    lnd(held(), 409, "payment-in-transition", &UNKNOWN);
    for (status, text) in [(200, ""), (502, "<html>"), (504, ""), (500, "{}"), (200, "[]"), (200, "null"), (302, "")] {
        assert_eq!(paying(LND, held(), status, text), UNKNOWN, "{status} {text}");
    }
    let garbage = body(LND, "garbage");
    assert_eq!((paying(LND, held(), 200, &garbage), looking(LND, held(), 502, &garbage)), (UNKNOWN, UNKNOWN));
    // Cut off anywhere, it says nothing; least of all that it failed.
    let whole = body(LND, "payment-failed");
    for end in 1..whole.trim_end().len() {
        assert_eq!(looking(LND, held(), 200, &whole[..end]), UNKNOWN, "{end}");
    }
}

#[test]
fn the_end_of_another_payment_is_not_the_end_of_this_one() {
    let other = PaymentHash([7; 32]);
    for name in ["payment-succeeded", "payment-failed", "payment-in-flight"] {
        lnd(other, 200, name, &Err(BackendFault::WrongInvoice));
    }
    for name in ["pays-complete", "pays-failed", "pays-pending"] {
        assert_eq!(looking(CLN, other, 201, &body(CLN, name)), Err(BackendFault::WrongInvoice), "{name}");
    }
}

#[test]
fn a_credential_that_may_not_pay_is_told_from_a_payment_that_failed() {
    let hash = preimage().payment_hash();
    lnd(hash, 500, "payment-error", &Err(BackendFault::Unauthorized));
    let text = body(CLN, "unauthorized");
    assert_eq!(paying(CLN, hash, 401, &text), Err(BackendFault::Unauthorized));
    assert_eq!(looking(CLN, hash, 401, &text), Err(BackendFault::Unauthorized));
}

#[test]
fn core_lightning_is_asked_with_a_fee_limit_and_a_time_limit() {
    let hash = preimage().payment_hash();
    let payment = Payment { bolt11: "lnbcrt1", payment_hash: hash, amount: Msat(21_000), max_fee: Msat(1_500) };
    let Ok(Step::Ask(pay)) = wallet(CLN).pay(&payment, &[]) else { panic!("no request") };
    assert_eq!((pay.method.as_str(), pay.url.as_str()), ("POST", "https://node.test:8080/v1/xpay"));
    assert_eq!(pay.body.as_deref(), Some(r#"{"invstring":"lnbcrt1","maxfee":1500,"retry_for":60}"#));
    assert!(pay.headers.contains(&("rune", "rune-of-ours".to_owned())));
    let Ok(Step::Ask(look)) = wallet(CLN).look(hash, &[]) else { panic!("no request") };
    assert_eq!(look.url, "https://node.test:8080/v1/listpays");
    assert_eq!(look.body, Some(format!(r#"{{"payment_hash":"{hash}"}}"#)));
}

/// An invoice over so many of a unit, whole bitcoin by default, or over no amount.
fn invoice(amount: Option<u64>, unit: Option<SiPrefix>) -> String {
    let (key, secp) = (SecretKey::from_slice(&[0x42; 32]).unwrap(), Secp256k1::new());
    let mut raw = InvoiceBuilder::new(Currency::Regtest)
        .description("what is left".to_owned())
        .payment_hash(sha256::Hash::from_byte_array(preimage().payment_hash().0))
        .payment_secret(PaymentSecret([7; 32]))
        .duration_since_epoch(Duration::from_secs(1_795_000_000))
        .min_final_cltv_expiry_delta(144)
        .build_raw()
        .unwrap();
    (raw.hrp.raw_amount, raw.hrp.si_prefix) = (amount, unit);
    let signed = raw.sign(|message| Ok::<_, ()>(secp.sign_ecdsa_recoverable(message, &key))).unwrap();
    signed.to_string()
}

/// What is sent to have an order of 12,345 msat paid by this invoice.
fn asked(kind: &str, bolt11: &str) -> String {
    let payment_hash = preimage().payment_hash();
    let payment = Payment { bolt11, payment_hash, amount: Msat(12_345), max_fee: Msat(1_500) };
    let Ok(Step::Ask(request)) = wallet(kind).pay(&payment, &[]) else { panic!("no request") };
    request.body.unwrap()
}

#[test]
fn a_node_is_told_the_amount_where_the_invoice_names_none_and_nowhere_else() {
    let open = invoice(None, None);
    assert_eq!(
        asked(LND, &open),
        format!(
            r#"{{"amt_msat":"12345","fee_limit_msat":"1500","no_inflight_updates":true,"payment_request":"{open}","timeout_seconds":60}}"#
        )
    );
    assert_eq!(
        asked(CLN, &open),
        format!(r#"{{"amount_msat":12345,"invstring":"{open}","maxfee":1500,"retry_for":60}}"#)
    );
    assert_eq!(asked(LND, &open.to_uppercase()).matches("amt_msat").count(), 1, "case says nothing");

    // T57: a reader that counts in pico-bitcoin finds no amount in the last but one.
    let exact = invoice(Some(123_450), Some(SiPrefix::Pico));
    let (zero, past_counting) = (invoice(Some(0), Some(SiPrefix::Milli)), invoice(Some(18_446_745), None));
    assert!(past_counting.parse::<Bolt11Invoice>().is_ok_and(|read| read.amount_milli_satoshis().is_none()));
    for named in [&exact, &zero, &past_counting, "lnbcrt1"] {
        assert!(!names_no_amount(named), "{named}");
        assert_eq!(
            asked(LND, named),
            format!(
                r#"{{"fee_limit_msat":"1500","no_inflight_updates":true,"payment_request":"{named}","timeout_seconds":60}}"#
            )
        );
        assert_eq!(asked(CLN, named), format!(r#"{{"invstring":"{named}","maxfee":1500,"retry_for":60}}"#));
    }
}

#[test]
fn core_lightning_says_how_a_payment_ended() {
    let hash = preimage().payment_hash();
    assert_eq!(paying(CLN, hash, 201, &body(CLN, "payment-succeeded")), paid(7));
    assert!(matches!(
        paying(CLN, hash, 500, &body(CLN, "payment-failed")),
        Ok(Step::Done(Outcome::Failed(why))) if why.starts_with("Failed: We could not find a usable set of paths")
    ));
    let look = |name: &str| looking(CLN, hash, 201, &body(CLN, name));
    assert_eq!((look("pays-complete"), look("pays-complete-after-failed")), (paid(7), paid(7)));
    assert_eq!(look("pays-failed"), failed("Core Lightning says failed"));
    assert_eq!(look("pays-unknown"), Ok(Step::Done(Outcome::NotFound)));
}

#[test]
fn what_core_lightning_leaves_open_is_unknown_t93() {
    let hash = preimage().payment_hash();
    // One attempt failed, and the next one is under way.
    assert_eq!(looking(CLN, hash, 201, &body(CLN, "pays-pending")), UNKNOWN);
    assert!(wallet(CLN).may_try_again() && !wallet(LND).may_try_again());
    for name in ["payment-again", "payment-error"] {
        assert_eq!(paying(CLN, hash, 500, &body(CLN, name)), UNKNOWN, "{name}");
    }
    for (status, text) in [(201, ""), (500, "{}"), (500, ""), (502, "<html>"), (504, "")] {
        assert_eq!(paying(CLN, hash, status, text), UNKNOWN, "{status} {text}");
    }
    let garbage = body(CLN, "garbage");
    assert_eq!(paying(CLN, hash, 502, &garbage), UNKNOWN);
    assert_eq!(looking(CLN, hash, 502, &garbage), Err(BackendFault::Busy(502)));
    let odd = body(CLN, "pays-complete").replace("complete", "done");
    assert_eq!(looking(CLN, hash, 201, &odd), Err(BackendFault::Unreadable));
}

#[test]
fn a_success_without_its_proof_is_no_success() {
    // I6
    let hash = preimage().payment_hash();
    let wrong = |kind: &str, name: &str| body(kind, name).replace(&preimage().expose_hex(), &"00".repeat(32));
    assert_eq!(paying(LND, hash, 200, &wrong(LND, "payment-succeeded")), Err(BackendFault::WrongPreimage));
    assert_eq!(paying(CLN, hash, 201, &wrong(CLN, "payment-succeeded")), Err(BackendFault::WrongPreimage));
    assert_eq!(looking(CLN, hash, 201, &wrong(CLN, "pays-complete")), Err(BackendFault::WrongPreimage));
    let less = body(CLN, "pays-complete").replace("21007", "20999");
    assert_eq!(
        looking(CLN, hash, 201, &less),
        Ok(Step::Done(Outcome::Paid { preimage: preimage(), fee: None })),
        "what routing cost is not guessed"
    );
}
