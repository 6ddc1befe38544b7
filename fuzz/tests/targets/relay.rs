//! What comes in at the node webhook, and at the worker from it (C7).

use bolero::check;
use l402::UnixTime;
use l402::relay::{Audience, CancelStatus, InvoiceCreated, InvoiceStatus, RelayCall, RelaySecrets};
use satstile_fuzz::{INVOICE, Input, PREIMAGE};

const HASH: &str = "02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc";

#[test]
fn message() {
    let samples = [
        r#"{"type":"invoice.create","audience":"node","data":{"amount_msat":21000,"description":"x","expiry_s":600,"service":"articles","purpose":"access"}}"#.to_owned(),
        format!(r#"{{"type":"invoice.lookup","audience":"node","data":{{"payment_hash":"{HASH}"}}}}"#),
        format!(r#"{{"type":"invoice.cancel","audience":"node","data":{{"payment_hash":"{HASH}"}}}}"#),
        r#"{"status":"canceled"}"#.to_owned(),
        format!(r#"{{"type":"invoice.settled","audience":"worker","data":{{"payment_hash":"{HASH}","amount_msat":21000,"preimage":"{PREIMAGE}","settled_at":1900000000,"request_id":"msg_1"}}}}"#),
        format!(r#"{{"bolt11":"{INVOICE}","payment_hash":"{HASH}","expires_at":1900000600,"backend":"dev"}}"#),
        format!(r#"{{"status":"settled","amount_msat":21000,"preimage":"{PREIMAGE}","settled_at":1900000000}}"#),
    ];
    let samples: Vec<&[u8]> = samples.iter().map(|sample| sample.as_bytes()).collect();
    check!().with_type::<Input>().for_each(|input| {
        let body = input.near(&samples);
        for audience in [Audience::Node, Audience::Worker] {
            if let Ok(call) = RelayCall::parse(&body, audience) {
                assert_eq!(RelayCall::parse(&call.to_body(), audience), Ok(call));
            }
        }
        if let Ok(created) = InvoiceCreated::parse(&body) {
            assert_eq!(InvoiceCreated::parse(&created.to_body()), Ok(created));
        }
        if let Ok(status) = CancelStatus::parse(&body) {
            assert_eq!(CancelStatus::parse(&status.to_body()), Ok(status));
        }
        if let Ok(status) = InvoiceStatus::parse(&body) {
            assert_eq!(InvoiceStatus::parse(&status.to_body()), Ok(status));
        }
    });
}

#[test]
fn only_the_signed_bytes_are_believed() {
    let key = l402::encoding::to_base64(&(0..32_u8).map(|i| i.wrapping_mul(37)).collect::<Vec<_>>());
    let secrets = RelaySecrets::parse(&format!("whsec_{key}")).unwrap();
    let (id, at, body) = ("msg_1", UnixTime(1_900_000_000), b"{}");
    let genuine = secrets.sign(id, at, body);
    assert!(secrets.verify(id, "1900000000", &genuine, body, at).is_ok());
    check!().with_type::<(Input, Input)>().for_each(|(first, second)| {
        let other = first.text_near(&[&genuine, "v1,AAAA v2,x v1a,y"]);
        if secrets.verify(id, "1900000000", &other, body, at).is_ok() {
            assert!(other.contains(genuine.trim_end_matches('=')), "{other}");
        }
        let (stamp, message) = (second.text_near(&["1900000000"]), second.near(&[body]));
        if secrets.verify(id, &stamp, &genuine, &message, at).is_ok() {
            assert_eq!((stamp.as_str(), &message[..]), ("1900000000", &body[..]));
        }
        let _ = RelaySecrets::parse(&first.text_near(&["whsec_AAAA,whsec_BBBB"]));
    });
}
