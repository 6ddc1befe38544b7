//! The exact bytes of every relay message, and for each "yes" its nearest "no".

use super::super::RELAY_BODY_BYTES_MAX;
use super::super::payment::{PaymentId, PaymentState, PaymentStatus};
use super::*;

const HASH: &str = "02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc";
const PREIMAGE: &str = "1111111111111111111111111111111111111111111111111111111111111111";

const CREATE_BODY: &str = r#"{"type":"invoice.create","audience":"node","data":{"amount_msat":21000,"description":"an article","expiry_s":600,"service":"articles","purpose":"l402"}}"#;

fn settled_body() -> String {
    format!(
        r#"{{"type":"invoice.settled","audience":"worker","data":{{"payment_hash":"{HASH}","amount_msat":21000,"preimage":"{PREIMAGE}","settled_at":1795000000,"request_id":"req_1"}}}}"#
    )
}

fn hash() -> PaymentHash {
    PaymentHash::from_hex(HASH).unwrap()
}

#[track_caller]
fn check(body: &str, audience: Audience, expected: Result<RelayCall, RelayFault>) {
    assert_eq!(RelayCall::parse(body.as_bytes(), audience), expected, "{body}");
}

#[test]
fn a_call_is_these_very_bytes() {
    let create = RelayCall::InvoiceCreate(InvoiceCreate {
        amount_msat: 21_000,
        description: "an article".into(),
        expiry_s: 600,
        service: "articles".into(),
        purpose: "l402".into(),
        payee: None,
    });
    let lookup = RelayCall::InvoiceLookup(InvoiceLookup { payment_hash: hash() });
    let settled = RelayCall::InvoiceSettled(InvoiceSettled {
        payment_hash: hash(),
        amount_msat: 21_000,
        preimage: Preimage::from_hex(PREIMAGE),
        settled_at: UnixTime(1_795_000_000),
        request_id: "req_1".into(),
        received_msat: None,
    });
    let lookup_body = format!(r#"{{"type":"invoice.lookup","audience":"node","data":{{"payment_hash":"{HASH}"}}}}"#);
    for (call, body, audience) in [
        (create, CREATE_BODY.to_owned(), Audience::Node),
        (lookup, lookup_body, Audience::Node),
        (settled, settled_body(), Audience::Worker),
    ] {
        assert_eq!(String::from_utf8(call.to_body()).unwrap(), body);
        check(&body, audience, Ok(call));
    }
}

#[test]
fn a_payee_is_told_only_when_it_is_pinned() {
    let pinned = CREATE_BODY.replace(r#""l402""#, r#""l402","payee":"02ab""#);
    let Ok(RelayCall::InvoiceCreate(create)) = RelayCall::parse(pinned.as_bytes(), Audience::Node) else {
        panic!("{pinned}");
    };
    assert_eq!(create.payee.as_deref(), Some("02ab"));
    assert_eq!(RelayCall::InvoiceCreate(create).to_body(), pinned.as_bytes());
}

#[test]
fn a_call_for_the_other_side_is_refused() {
    check(CREATE_BODY, Audience::Worker, Err(RelayFault::WrongAudience));
    check(&settled_body(), Audience::Node, Err(RelayFault::WrongAudience));
    // The audience is right, but this type is never meant for it.
    let misdirected = CREATE_BODY.replace("node", "worker");
    check(&misdirected, Audience::Worker, Err(RelayFault::WrongAudience));
    let nobody = CREATE_BODY.replace(r#""node""#, r#""nobody""#);
    check(&nobody, Audience::Node, Err(RelayFault::UnreadableBody));
}

#[test]
fn an_unknown_type_is_told_apart_from_rubbish() {
    check(&CREATE_BODY.replace("create", "drop"), Audience::Node, Err(RelayFault::UnknownType));
    for body in ["", "{}", "[]", "null", "<html>", r#"{"type":"invoice.create","audience":"node"}"#] {
        check(body, Audience::Node, Err(RelayFault::UnreadableBody));
    }
}

#[test]
fn an_amount_is_a_plain_integer_and_a_field_comes_once() {
    // T56, T69: no float, no text, no sign, no exponent; nothing unknown, nothing twice, nothing after the end.
    for (from, to) in [
        ("21000", "21000.0"),
        ("21000", r#""21000""#),
        ("21000", "-21000"),
        ("21000", "2.1e4"),
        ("21000", "18446744073709551616"),
        (r#""service""#, r#""colour":"red","service""#),
        (r#""service""#, r#""amount_msat":1,"service""#),
        (r#""type""#, r#""audience":"node","type""#),
        (r#""type""#, r#""colour":"red","type""#),
        (r#""l402"}}"#, r#""l402"}}{}"#),
        (r#""expiry_s":600,"#, ""),
    ] {
        check(&CREATE_BODY.replace(from, to), Audience::Node, Err(RelayFault::UnreadableBody));
    }
}

#[test]
fn a_settlement_with_another_preimage_is_refused() {
    let other = settled_body().replace(PREIMAGE, &PREIMAGE.replacen('1', "2", 1));
    check(&other, Audience::Worker, Err(RelayFault::WrongPreimage));
    let short = settled_body().replace(PREIMAGE, "11");
    check(&short, Audience::Worker, Err(RelayFault::UnreadableBody));
}

#[test]
fn a_settlement_may_leave_the_preimage_out() {
    let body = settled_body().replace(&format!(r#""preimage":"{PREIMAGE}","#), "");
    let Ok(RelayCall::InvoiceSettled(settled)) = RelayCall::parse(body.as_bytes(), Audience::Worker) else {
        panic!("{body}");
    };
    assert_eq!(settled.preimage, None);
    assert_eq!(RelayCall::InvoiceSettled(settled).to_body(), body.as_bytes());
}

#[test]
fn a_reply_is_these_very_bytes() {
    let created = InvoiceCreated {
        bolt11: "lnbcrt1".into(),
        payment_hash: hash(),
        expires_at: UnixTime(1_795_000_600),
        backend: "dev".into(),
    };
    let body = format!(r#"{{"bolt11":"lnbcrt1","payment_hash":"{HASH}","expires_at":1795000600,"backend":"dev"}}"#);
    assert_eq!(String::from_utf8(created.to_body()).unwrap(), body);
    assert_eq!(InvoiceCreated::parse(body.as_bytes()), Ok(created));

    let pending = InvoiceStatus {
        status: InvoiceState::Pending,
        amount_msat: Some(21_000),
        preimage: None,
        settled_at: None,
        received_msat: None,
    };
    let body = r#"{"status":"pending","amount_msat":21000}"#;
    assert_eq!(String::from_utf8(pending.to_body()).unwrap(), body);
    assert_eq!(InvoiceStatus::parse(body.as_bytes()), Ok(pending));

    let settled = InvoiceStatus {
        status: InvoiceState::Settled,
        amount_msat: Some(21_000),
        preimage: Preimage::from_hex(PREIMAGE),
        settled_at: Some(UnixTime(1_795_000_000)),
        received_msat: None,
    };
    let body = format!(r#"{{"status":"settled","amount_msat":21000,"preimage":"{PREIMAGE}","settled_at":1795000000}}"#);
    assert_eq!(String::from_utf8(settled.to_body()).unwrap(), body);
    assert_eq!(InvoiceStatus::parse(body.as_bytes()), Ok(settled));
}

#[test]
fn an_unpaid_invoice_has_no_preimage_to_tell() {
    for status in ["pending", "expired", "canceled", "not_found"] {
        let body = format!(r#"{{"status":"{status}","preimage":"{PREIMAGE}"}}"#);
        assert_eq!(InvoiceStatus::parse(body.as_bytes()), Err(RelayFault::WrongPreimage));
    }
    assert_eq!(InvoiceStatus::parse(br#"{"status":"paid"}"#), Err(RelayFault::UnreadableBody));
}

#[test]
fn a_body_past_64_kib_is_not_read() {
    let padded = |length: usize| CREATE_BODY.to_owned() + &" ".repeat(length - CREATE_BODY.len());
    assert!(RelayCall::parse(padded(RELAY_BODY_BYTES_MAX).as_bytes(), Audience::Node).is_ok());
    check(&padded(RELAY_BODY_BYTES_MAX + 1), Audience::Node, Err(RelayFault::BodyTooLong));
}

#[test]
fn messages_do_not_print_what_can_be_spent() {
    let call = RelayCall::parse(settled_body().as_bytes(), Audience::Worker).unwrap();
    assert!(!format!("{call:?}").contains("1111"), "{call:?}");
    let created = InvoiceCreated {
        bolt11: "lnbcrt210n1secret".into(),
        payment_hash: hash(),
        expires_at: UnixTime(0),
        backend: "dev".into(),
    };
    assert!(!format!("{created:?}").contains("lnbcrt"), "{created:?}");
}

const ID: &str = "abababababababababababababababababababababababababababababababab";

fn send_body() -> String {
    format!(
        r#"{{"type":"payment.send","audience":"node","data":{{"payment_id":"{ID}","bolt11":"lnbcrt210n1","payment_hash":"{HASH}","amount_msat":21000,"fee_limit_msat":1500}}}}"#
    )
}

#[test]
fn a_call_for_a_payment_is_these_very_bytes() {
    let send = RelayCall::PaymentSend(PaymentSend {
        payment_id: PaymentId([0xab; 32]),
        bolt11: "lnbcrt210n1".into(),
        payment_hash: hash(),
        amount_msat: 21_000,
        fee_limit_msat: 1_500,
    });
    let lookup = RelayCall::PaymentLookup(PaymentLookup { payment_id: PaymentId([0xab; 32]), payment_hash: hash() });
    let lookup_body = format!(
        r#"{{"type":"payment.lookup","audience":"node","data":{{"payment_id":"{ID}","payment_hash":"{HASH}"}}}}"#
    );
    for (call, body) in [(send, send_body()), (lookup, lookup_body)] {
        assert_eq!(String::from_utf8(call.to_body()).unwrap(), body);
        check(&body.replace("node", "worker"), Audience::Worker, Err(RelayFault::WrongAudience));
        check(&body.replace(ID, &ID[1..]), Audience::Node, Err(RelayFault::UnreadableBody));
        check(&body.replace("payment_id", "id"), Audience::Node, Err(RelayFault::UnreadableBody));
        check(&body, Audience::Node, Ok(call));
    }
}

#[test]
fn a_payment_names_its_amount_and_its_fee_limit_as_plain_integers() {
    // T56, T94: without a limit nothing is paid.
    for (from, to) in [
        (r#","fee_limit_msat":1500"#, ""),
        ("1500", "null"),
        ("1500", "1500.0"),
        ("1500", "-1"),
        ("21000", r#""21000""#),
        (r#""bolt11""#, r#""label":"x","bolt11""#),
        (r#""bolt11""#, r#""amount_msat":1,"bolt11""#),
    ] {
        check(&send_body().replace(from, to), Audience::Node, Err(RelayFault::UnreadableBody));
    }
}

#[track_caller]
fn paid(body: &str, expected: Result<PaymentStatus, RelayFault>) {
    assert_eq!(PaymentStatus::parse(body.as_bytes(), hash()), expected, "{body}");
}

#[test]
fn the_reply_about_a_payment_is_these_very_bytes() {
    let since = UnixTime(1_795_000_000);
    let open = PaymentStatus {
        status: PaymentState::Unknown,
        preimage: None,
        fee_msat: None,
        reason: None,
        store_since: since,
    };
    let succeeded = PaymentStatus {
        status: PaymentState::Succeeded,
        preimage: Preimage::from_hex(PREIMAGE),
        fee_msat: Some(0),
        ..open.clone()
    };
    let failed = PaymentStatus { status: PaymentState::Failed, reason: Some("no route".into()), ..open.clone() };
    let not_found = PaymentStatus { status: PaymentState::NotFound, ..open.clone() };
    for (status, body) in [
        (open, r#"{"status":"unknown","store_since":1795000000}"#.to_owned()),
        (failed, r#"{"status":"failed","reason":"no route","store_since":1795000000}"#.to_owned()),
        (not_found, r#"{"status":"not_found","store_since":1795000000}"#.to_owned()),
        (
            succeeded,
            format!(r#"{{"status":"succeeded","preimage":"{PREIMAGE}","fee_msat":0,"store_since":1795000000}}"#),
        ),
    ] {
        assert_eq!(String::from_utf8(status.to_body()).unwrap(), body);
        paid(&body.replace("1795000000}", r#"1795000000,"colour":"red"}"#), Ok(status.clone()));
        paid(&body.replace(r#""store_since":1795000000"#, r#""since":1795000000"#), Err(RelayFault::UnreadableBody));
        paid(&body, Ok(status));
    }
}

#[test]
fn a_success_without_its_proof_or_its_fee_is_refused() {
    // T93, I6
    let body = format!(r#"{{"status":"succeeded","preimage":"{PREIMAGE}","fee_msat":1001,"store_since":1}}"#);
    assert!(PaymentStatus::parse(body.as_bytes(), hash()).is_ok());
    paid(&body.replace(PREIMAGE, &PREIMAGE.replacen('1', "2", 1)), Err(RelayFault::WrongPreimage));
    paid(&body.replace(&format!(r#""preimage":"{PREIMAGE}","#), ""), Err(RelayFault::WrongPreimage));
    paid(&body.replace(r#""fee_msat":1001,"#, ""), Err(RelayFault::UnreadableBody));
    paid(&body.replace("1001", "1.5"), Err(RelayFault::UnreadableBody));
    assert_eq!(PaymentStatus::parse(body.as_bytes(), PaymentHash([7; 32])), Err(RelayFault::WrongPreimage));
}

#[test]
fn what_was_not_paid_has_no_proof_and_no_fee() {
    for status in ["failed", "unknown", "not_found"] {
        paid(
            &format!(r#"{{"status":"{status}","preimage":"{PREIMAGE}","store_since":1}}"#),
            Err(RelayFault::WrongPreimage),
        );
        paid(&format!(r#"{{"status":"{status}","fee_msat":0,"store_since":1}}"#), Err(RelayFault::UnreadableBody));
    }
    paid(r#"{"status":"in_flight","store_since":1}"#, Err(RelayFault::UnreadableBody));
}

#[test]
fn a_payment_does_not_print_its_invoice() {
    let call = RelayCall::parse(send_body().as_bytes(), Audience::Node).unwrap();
    assert!(!format!("{call:?}").contains("lnbcrt"), "{call:?}");
}

/// A21: what really arrived is said where it is less than what was paid, and either side reads messages without it.
#[test]
fn what_arrived_is_an_optional_part_of_both_messages_a21() {
    let status = r#"{"status":"settled","amount_msat":18037000,"settled_at":1,"received_msat":2234000}"#;
    let read = InvoiceStatus::parse(status.as_bytes()).unwrap();
    assert_eq!((read.paid_msat(), read.node_fee_msat()), (Some(18_037_000), 15_803_000));
    assert_eq!(String::from_utf8(read.to_body()).unwrap(), status);
    let old = InvoiceStatus::parse(br#"{"status":"settled","amount_msat":18037000,"settled_at":1}"#).unwrap();
    assert_eq!((old.received_msat, old.node_fee_msat()), (None, 0));
    // More than was paid is no fee; and nothing is one where nothing was paid.
    let more = r#"{"status":"settled","amount_msat":1000,"received_msat":2000}"#;
    assert_eq!(InvoiceStatus::parse(more.as_bytes()).unwrap().node_fee_msat(), 0);
    let unpaid = r#"{"status":"pending","amount_msat":1000,"received_msat":1}"#;
    assert_eq!(InvoiceStatus::parse(unpaid.as_bytes()).unwrap().node_fee_msat(), 0);
    for odd in ["-1", "1.5", "\"1\"", "null"] {
        let body = format!(r#"{{"status":"settled","amount_msat":1000,"received_msat":{odd}}}"#);
        let read = InvoiceStatus::parse(body.as_bytes());
        assert!(read.is_err() || read.unwrap().received_msat.is_none(), "{odd}");
    }

    let hash = "ab".repeat(32);
    let push = |more: &str| {
        let data = format!(r#"{{"payment_hash":"{hash}","amount_msat":1000,"settled_at":1,"request_id":"r"{more}}}"#);
        let body = format!(r#"{{"type":"invoice.settled","audience":"worker","data":{data}}}"#);
        match RelayCall::parse(body.as_bytes(), Audience::Worker) {
            Ok(RelayCall::InvoiceSettled(settled)) => Ok(settled.node_fee_msat()),
            other => Err(format!("{other:?}")),
        }
    };
    assert_eq!((push(""), push(r#","received_msat":400"#)), (Ok(0), Ok(600)));
    assert!(push(r#","received":400"#).is_err(), "an unknown name is refused as ever");
}
