//! The exact bytes of every relay message, and for each "yes" its nearest "no".

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

    let pending =
        InvoiceStatus { status: InvoiceState::Pending, amount_msat: Some(21_000), preimage: None, settled_at: None };
    let body = r#"{"status":"pending","amount_msat":21000}"#;
    assert_eq!(String::from_utf8(pending.to_body()).unwrap(), body);
    assert_eq!(InvoiceStatus::parse(body.as_bytes()), Ok(pending));

    let settled = InvoiceStatus {
        status: InvoiceState::Settled,
        amount_msat: Some(21_000),
        preimage: Preimage::from_hex(PREIMAGE),
        settled_at: Some(UnixTime(1_795_000_000)),
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
