//! A wallet's side of the conversation, and everything that is not quite it.

use bitcoin::hashes::{Hash as _, sha256};
use l402::{Msat, Preimage, UnixTime, encoding};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use nostr::event::{Event, Kind, Tag, UnsignedEvent};
use nostr::key::{Keys, SecretKey};
use nostr::nips::nip44::v2::{self, ConversationKey};
use nostr::types::Timestamp;
use secp256k1::Secp256k1;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::call::{Order, Status, Watched};
use crate::fault::BackendFault;
use crate::wallet::Outcome;

const NOW: UnixTime = UnixTime(1_790_000_000);
const CHANCE: Chance = Chance { nonce: [5; 32], auxiliary: [6; 32] };
const ORDER: Order<'static> = Order { amount: Msat(21_000), description: "An article", expiry_s: 600, label: "l" };

fn keys(byte: u8) -> Keys {
    Keys::new(SecretKey::from_slice(&[byte; 32]).unwrap())
}

fn wallet() -> Keys {
    keys(1)
}

fn connection() -> NwcConnection {
    let (wallet, secret) = (wallet().public_key().to_hex(), "02".repeat(32));
    let key = format!("nostr+walletconnect://{wallet}?relay=ws://127.0.0.1:7777&secret={secret}");
    NwcConnection::parse(&format!("type=nwc;key={key}")).unwrap()
}

fn preimage() -> Preimage {
    Preimage::new([7; 32])
}

fn watched() -> Watched<'static> {
    Watched { payment_hash: preimage().payment_hash(), amount: ORDER.amount, reference: "" }
}

fn bolt11(amount: u64) -> String {
    let key = bitcoin::secp256k1::SecretKey::from_slice(&[0x2a; 32]).unwrap();
    InvoiceBuilder::new(Currency::Regtest)
        .amount_milli_satoshis(amount)
        .description("An article".to_owned())
        .payment_hash(sha256::Hash::from_byte_array(preimage().payment_hash().0))
        .payment_secret(PaymentSecret([0x33; 32]))
        .duration_since_epoch(std::time::Duration::from_secs(NOW.0))
        .min_final_cltv_expiry_delta(18)
        .build_signed(|hash| bitcoin::secp256k1::Secp256k1::new().sign_ecdsa_recoverable(hash, &key))
        .unwrap()
        .to_string()
}

/// A frame with an event that `author` has signed, encrypted between the wallet and us.
fn signed(author: &Keys, kind: u16, tags: Vec<Tag>, content: &Value) -> String {
    let key = ConversationKey::derive(wallet().secret_key(), &keys(2).public_key()).unwrap();
    let content = v2::encrypt_to_bytes_with_nonce(&key, content.to_string().as_bytes(), [9; 32]).unwrap();
    signed_plain(author, kind, tags, &encoding::to_base64(&content))
}

fn signed_plain(author: &Keys, kind: u16, tags: Vec<Tag>, content: &str) -> String {
    let unsigned = UnsignedEvent::new(author.public_key(), Timestamp::from(NOW.0), Kind::from(kind), tags, content);
    let signature = author.sign_schnorr_with_aux_rand(&Secp256k1::new(), unsigned.compute_id().as_bytes(), &[0; 32]);
    json!(["EVENT", "sub", unsigned.add_signature(signature).unwrap()]).to_string()
}

fn request(call: &Call<'_>) -> Request {
    connection().request(call, &CHANCE, NOW).unwrap()
}

fn answer(request: &Request, content: &Value) -> Heard {
    let frame = signed(&wallet(), RESPONSE, vec![Tag::event(request.id)], content);
    connection().read(&frame, request)
}

#[track_caller]
fn reply(request: &Request, content: &Value) -> Reply {
    match answer(request, content) {
        Heard::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn status(transaction: &Value) -> Result<Status, BackendFault> {
    let request = request(&Call::LookupInvoice(preimage().payment_hash()));
    let mut result =
        json!({ "type": "incoming", "payment_hash": preimage().payment_hash().to_string(), "amount": 21_000 });
    for (name, value) in transaction.as_object().unwrap() {
        result[name] = value.clone();
    }
    reply(&request, &json!({ "result_type": "lookup_invoice", "error": null, "result": result })).status(&watched())
}

#[test]
fn a_request_is_an_event_that_only_the_wallet_can_read() {
    let request = request(&Call::MakeInvoice(&ORDER));
    let frame: Value = serde_json::from_str(&request.event).unwrap();
    let (word, event) = (&frame[0], &frame[1]);
    assert_eq!((word, &event["kind"], &event["created_at"]), (&json!("EVENT"), &json!(23194), &json!(1_790_000_000)));
    let tags = json!([["p", wallet().public_key().to_hex()], ["encryption", "nip44_v2"], ["expiration", "1790000060"]]);
    assert_eq!(event["tags"], tags);
    // NIP-01, by hand.
    let serialized =
        json!([0, event["pubkey"], event["created_at"], 23194, event["tags"], event["content"]]).to_string();
    assert_eq!(event["id"], json!(hex::encode(Sha256::digest(serialized))));
    let read: Event = serde_json::from_value(event.clone()).unwrap();
    read.verify().unwrap();

    let key = ConversationKey::derive(wallet().secret_key(), &keys(2).public_key()).unwrap();
    let payload = encoding::base64_any(event["content"].as_str().unwrap()).unwrap();
    let plain = String::from_utf8(v2::decrypt_to_bytes(&key, &payload).unwrap()).unwrap();
    let expected = r#"{"method":"make_invoice","params":{"amount":21000,"description":"An article","expiry":600}}"#;
    assert_eq!(serde_json::from_str::<Value>(&plain).unwrap(), serde_json::from_str::<Value>(expected).unwrap());

    let subscribe: Value = serde_json::from_str(&request.subscribe).unwrap();
    let filter =
        json!({ "kinds": [23195], "authors": [wallet().public_key().to_hex()], "#e": [event["id"]], "limit": 1 });
    assert_eq!(subscribe, json!(["REQ", event["id"].as_str().unwrap()[..16], filter]));
    assert_eq!(request.close, json!(["CLOSE", subscribe[1]]).to_string());
}

#[test]
fn an_invoice_is_the_one_that_was_ordered() {
    let request = request(&Call::MakeInvoice(&ORDER));
    let made = |bolt11: &str, hash: &str| {
        let result = json!({ "invoice": bolt11, "payment_hash": hash, "preimage": "00".repeat(32) });
        reply(&request, &json!({ "result_type": "make_invoice", "result": result })).invoice(&ORDER)
    };
    let hash = preimage().payment_hash().to_string();
    let invoice = made(&bolt11(21_000), &hash).unwrap();
    assert_eq!((invoice.payment_hash, invoice.bolt11), (preimage().payment_hash(), bolt11(21_000)));
    assert_eq!(made(&bolt11(20_000), &hash), Err(BackendFault::WrongAmount));
    assert_eq!(made(&bolt11(21_000), &"ab".repeat(32)), Err(BackendFault::WrongPaymentHash));
    assert!(matches!(made("hush", &hash), Err(BackendFault::Invoice(_))));
}

#[test]
fn the_state_decides_and_never_the_preimage() {
    let proof = preimage().expose_hex();
    assert_eq!(status(&json!({ "preimage": proof })), Ok(Status::Pending));
    assert_eq!(status(&json!({ "state": "pending", "preimage": proof, "settled_at": 5 })), Ok(Status::Pending));
    assert_eq!(status(&json!({ "state": "accepted" })), Ok(Status::Pending));
    assert_eq!(status(&json!({ "state": "expired" })), Ok(Status::Expired));
    assert_eq!(status(&json!({ "state": "failed" })), Ok(Status::Canceled));
    assert_eq!(status(&json!({ "state": "SETTLED" })), Err(BackendFault::Unreadable));
    assert_eq!(status(&json!({ "state": true })), Err(BackendFault::Unreadable));

    let settled = |preimage, at| Ok(Status::Settled { amount: Msat(21_000), node_fee: Msat(0), preimage, at });
    let at = Some(UnixTime(9));
    assert_eq!(status(&json!({ "state": "settled", "preimage": proof })), settled(Some(preimage()), None));
    assert_eq!(status(&json!({ "settled_at": 9, "preimage": proof })), settled(Some(preimage()), at));
    assert_eq!(status(&json!({ "state": null, "settled_at": 9, "preimage": null })), settled(None, at));
    assert_eq!(status(&json!({ "settled_at": 0, "preimage": proof })), Ok(Status::Pending));
}

/// B8: wallets that write parts of a second, no hash beside the invoice, an end that is the beginning, or "not found" as
/// `OTHER`. What says nothing definite stays a fault that the operator sees.
#[test]
fn wallets_with_habits_of_their_own_are_read_b8() {
    let proof = preimage().expose_hex();
    let settled = |at| Ok(Status::Settled { amount: Msat(21_000), node_fee: Msat(0), preimage: Some(preimage()), at });
    let at = |at: Value| status(&json!({ "state": "settled", "settled_at": at, "preimage": proof }));
    assert_eq!(at(json!(1_790_000_123.75)), settled(Some(UnixTime(1_790_000_123))));
    assert_eq!(at(json!("1790000123")), settled(Some(UnixTime(1_790_000_123))));
    for odd in [json!(0.5), json!(-3.5), json!(1e300), json!("soon"), json!(null), json!(false)] {
        assert_eq!(at(odd.clone()), settled(None), "{odd}");
    }
    // Without a state a time alone settles; half a second after the beginning of all time is none.
    assert_eq!(status(&json!({ "settled_at": 9.5, "preimage": proof })), settled(Some(UnixTime(9))));
    assert_eq!(status(&json!({ "settled_at": 0.5, "preimage": proof })), Ok(Status::Pending));

    let bare = |hash: Value, bolt11: String| {
        status(&json!({ "state": "settled", "payment_hash": hash, "invoice": bolt11, "preimage": proof }))
    };
    assert_eq!(bare(json!(""), bolt11(21_000)), settled(None));
    assert_eq!(bare(json!(null), bolt11(21_000)), settled(None));
    assert_eq!(bare(json!(""), "hush".to_owned()), Err(BackendFault::WrongInvoice));
    assert_eq!(bare(json!("ab".repeat(32)), bolt11(21_000)), Err(BackendFault::WrongInvoice));
    assert_eq!(bare(json!(7), bolt11(21_000)), settled(None), "no text is no hash");

    let same = json!({ "state": "settled", "created_at": 9, "expires_at": 9, "settled_at": 9, "preimage": proof });
    assert_eq!(status(&same), settled(Some(UnixTime(9))));
    assert_eq!(status(&json!({ "created_at": 9, "expires_at": 9 })), Ok(Status::Pending));

    let make = request(&Call::MakeInvoice(&ORDER));
    let made = |hash: Value| {
        let result = json!({ "invoice": bolt11(21_000), "payment_hash": hash });
        reply(&make, &json!({ "result_type": "make_invoice", "result": result })).invoice(&ORDER)
    };
    assert_eq!(made(json!("")).map(|made| made.payment_hash), Ok(preimage().payment_hash()));
    assert_eq!(made(json!("hush")), Err(BackendFault::WrongPaymentHash));

    let lookup = request(&Call::LookupInvoice(preimage().payment_hash()));
    let no = |code: &str, message: &str| {
        let error = json!({ "code": code, "message": message });
        reply(&lookup, &json!({ "result_type": "lookup_invoice", "error": error }))
    };
    for message in ["not found", "Invoice not found", "No such invoice", "invoice does not exist"] {
        assert_eq!(no("OTHER", message).status(&watched()), Ok(Status::NotFound), "{message}");
        assert_eq!(no("OTHER", message).sent_payment(preimage().payment_hash()), Ok(Outcome::Unknown), "T93");
    }
    assert_eq!(no("OTHER", "out of luck").status(&watched()), Err(BackendFault::Refused(400)));
    assert_eq!(no("INTERNAL", "database not found").status(&watched()), Err(BackendFault::Busy(500)));
}

#[test]
fn a_settlement_that_does_not_bear_out_is_none() {
    let fault = |patch: Value| status(&patch).unwrap_err();
    assert_eq!(fault(json!({ "state": "settled", "preimage": "08".repeat(32) })), BackendFault::WrongPreimage);
    assert_eq!(fault(json!({ "state": "settled", "preimage": "hush" })), BackendFault::WrongPreimage);
    assert_eq!(fault(json!({ "state": "settled", "amount": 20_999 })), BackendFault::Underpaid);
    assert_eq!(fault(json!({ "state": "settled", "payment_hash": "ab".repeat(32) })), BackendFault::WrongInvoice);
    assert_eq!(fault(json!({ "state": "settled", "type": "outgoing" })), BackendFault::WrongInvoice);
    assert_eq!(fault(json!({ "state": "settled", "amount": null })), BackendFault::Unreadable);
}

#[test]
fn a_frame_that_is_not_the_wallets_reply_to_this_request_is_nothing() {
    let (connection, request) = (connection(), request(&Call::LookupInvoice(preimage().payment_hash())));
    let content = json!({ "result_type": "lookup_invoice", "result": {} });
    let ours = vec![Tag::event(request.id)];
    let good = signed(&wallet(), RESPONSE, ours.clone(), &content);
    assert!(matches!(connection.read(&good, &request), Heard::Reply(_)));

    let later = Chance { nonce: [8; 32], ..CHANCE };
    let other = connection.request(&Call::LookupInvoice(preimage().payment_hash()), &later, NOW).unwrap();
    let two = vec![Tag::event(other.id), Tag::event(request.id)];
    let mut altered: Value = serde_json::from_str(&good).unwrap();
    altered[2]["created_at"] = json!(NOW.0 + 1);
    let mut forged: Value = serde_json::from_str(&signed(&keys(3), RESPONSE, ours.clone(), &content)).unwrap();
    forged[2]["pubkey"] = json!(wallet().public_key().to_hex());
    for (what, frame) in [
        ("a stranger's", signed(&keys(3), RESPONSE, ours.clone(), &content)),
        ("a stranger's under the wallet's name", forged.to_string()),
        ("altered after it was signed", altered.to_string()),
        ("to another request", signed(&wallet(), RESPONSE, vec![Tag::event(other.id)], &content)),
        ("to two requests", signed(&wallet(), RESPONSE, two, &content)),
        ("to none", signed(&wallet(), RESPONSE, Vec::new(), &content)),
        ("of another kind", signed(&wallet(), NOTIFICATION, ours, &content)),
        ("no JSON", "hush".to_owned()),
        ("a key that stands twice", good.replacen("\"kind\"", "\"kind\":23195,\"kind\"", 1)),
        ("too long", format!("{good}{}", " ".repeat(FRAME_BYTES_MAX))),
        ("the relay's own business", json!(["EOSE", "x"]).to_string()),
    ] {
        assert!(matches!(connection.read(&frame, &request), Heard::Nothing), "{what}");
    }
}

#[test]
fn a_relay_that_refuses_is_heard_and_only_about_this_request() {
    let (connection, request) = (connection(), request(&Call::LookupInvoice(preimage().payment_hash())));
    let id = request.id.to_hex();
    let heard = |frame: Value| connection.read(&frame.to_string(), &request);
    assert!(matches!(heard(json!(["OK", id, false, "blocked: pay me"])), Heard::Refused));
    assert!(matches!(heard(json!(["CLOSED", id[..16], "auth-required: "])), Heard::Refused));
    assert!(matches!(heard(json!(["OK", id, true, ""])), Heard::Nothing));
    assert!(matches!(heard(json!(["OK", "ab".repeat(32), false, ""])), Heard::Nothing));
    assert!(matches!(heard(json!(["NOTICE", "be nice"])), Heard::Nothing));
}

#[test]
fn a_reply_that_cannot_be_opened_is_unreadable_nip_04_among_them() {
    let (connection, request) = (connection(), request(&Call::LookupInvoice(preimage().payment_hash())));
    for content in ["aGVsbG8gd29ybGQhISEhIQ==?iv=c29tZXNpeHRlZW5ieXRlcw==", "Ag==", "", "hush"] {
        let frame = signed_plain(&wallet(), RESPONSE, vec![Tag::event(request.id)], content);
        let Heard::Reply(reply) = connection.read(&frame, &request) else { panic!("{content}") };
        assert_eq!(reply.status(&watched()), Err(BackendFault::Unreadable));
        assert_eq!(reply.payment(preimage().payment_hash()), Ok(Outcome::Unknown));
    }
    let other = reply(&request, &json!({ "result_type": "get_balance", "result": { "state": "settled" } }));
    assert_eq!(other.status(&watched()), Err(BackendFault::Unreadable));
}

#[test]
fn the_wallets_no_is_a_fault_or_a_status() {
    let lookup = request(&Call::LookupInvoice(preimage().payment_hash()));
    let no = |code: &str| reply(&lookup, &json!({ "result_type": "lookup_invoice", "error": { "code": code } }));
    assert_eq!(no("NOT_FOUND").status(&watched()), Ok(Status::NotFound));
    assert_eq!(no("RESTRICTED").status(&watched()), Err(BackendFault::Unauthorized));
    assert_eq!(no("RATE_LIMITED").status(&watched()), Err(BackendFault::Busy(429)));
    assert_eq!(no("hush").invoice(&ORDER), Err(BackendFault::Refused(400)));
    assert_eq!(format!("{:?}", no("RATE_LIMITED")), "Reply(it answers 429: busy, or broken)");
}

#[test]
fn a_payment_is_failed_only_by_the_wallets_word_t93() {
    let pay = request(&Call::PayInvoice("lnbcrt1"));
    let said = |content: Value| reply(&pay, &content).payment(preimage().payment_hash());
    let paid =
        |proof: &str| said(json!({ "result_type": "pay_invoice", "result": { "preimage": proof, "fees_paid": 3 } }));
    let no = |code: &str| said(json!({ "result_type": "pay_invoice", "error": { "code": code, "message": "hush" } }));
    assert_eq!(paid(&preimage().expose_hex()), Ok(Outcome::Paid { preimage: preimage(), fee: Some(Msat(3)) }));
    assert_eq!(paid(&"08".repeat(32)), Err(BackendFault::WrongPreimage));
    assert_eq!(no("PAYMENT_FAILED"), Ok(Outcome::Failed("PAYMENT_FAILED".to_owned())));
    assert_eq!(no("RESTRICTED"), Err(BackendFault::Unauthorized));
    for code in ["INTERNAL", "OTHER", "something new"] {
        assert_eq!(no(code), Ok(Outcome::Unknown), "{code}");
    }
}

#[test]
fn a_payment_that_was_sent_ends_by_the_wallets_word_alone_t93() {
    let lookup = request(&Call::LookupInvoice(preimage().payment_hash()));
    let hash = preimage().payment_hash();
    let look = |patch: Value| {
        let mut result = json!({ "type": "outgoing", "payment_hash": hash.to_string(), "fees_paid": 3 });
        for (name, value) in patch.as_object().unwrap() {
            result[name] = value.clone();
        }
        reply(&lookup, &json!({ "result_type": "lookup_invoice", "result": result })).sent_payment(hash)
    };
    let proof = preimage().expose_hex();
    let paid = Ok(Outcome::Paid { preimage: preimage(), fee: Some(Msat(3)) });
    assert_eq!(look(json!({ "state": "settled", "preimage": proof })), paid);
    assert_eq!(look(json!({ "settled_at": 9, "preimage": proof })), paid);
    assert_eq!(look(json!({ "state": "settled" })), Err(BackendFault::WrongPreimage));
    assert_eq!(look(json!({ "state": "settled", "preimage": "08".repeat(32) })), Err(BackendFault::WrongPreimage));
    assert!(matches!(look(json!({ "state": "failed" })), Ok(Outcome::Failed(_))));
    // The preimage alone is no end, and neither is the invoice's.
    for open in [json!({ "preimage": proof }), json!({ "state": "pending" }), json!({ "state": "expired" })] {
        assert_eq!(look(open), Ok(Outcome::Unknown));
    }
    for other in [json!({ "type": "incoming", "state": "failed" }), json!({ "payment_hash": "ab".repeat(32) })] {
        assert_eq!(look(other), Err(BackendFault::WrongInvoice));
    }
    let no = |code: &str| {
        reply(&lookup, &json!({ "result_type": "lookup_invoice", "error": { "code": code } })).sent_payment(hash)
    };
    assert_eq!(no("NOT_FOUND"), Ok(Outcome::Unknown));
    assert_eq!(no("INTERNAL"), Err(BackendFault::Busy(500)));
}

#[test]
fn a_wallet_says_what_this_connection_may_do() {
    let info = request(&Call::GetInfo);
    let said = |result: Value| reply(&info, &json!({ "result_type": "get_info", "result": result })).methods();
    let methods = vec!["make_invoice".to_owned(), "lookup_invoice".to_owned()];
    assert_eq!(said(json!({ "alias": "hush", "methods": methods })), Ok(methods));
    assert_eq!(said(json!({ "methods": [] })), Ok(Vec::new()));
    for odd in [json!({}), json!({ "methods": "make_invoice" }), json!({ "methods": ["make_invoice", 1] })] {
        assert_eq!(said(odd), Err(BackendFault::Unreadable));
    }
    let no = reply(&info, &json!({ "result_type": "get_info", "error": { "code": "RESTRICTED" } }));
    assert_eq!(no.methods(), Err(BackendFault::Unauthorized));
}

#[test]
fn a_notification_is_a_hint_when_the_wallet_sent_it() {
    let hash = preimage().payment_hash();
    let content =
        |kind: &str| json!({ "notification_type": kind, "notification": { "payment_hash": hash.to_string() } });
    let hint = |frame: &str| connection().hint(frame);
    assert_eq!(hint(&signed(&wallet(), NOTIFICATION, Vec::new(), &content("payment_received"))), Some(hash));
    assert_eq!(hint(&signed(&wallet(), NOTIFICATION, Vec::new(), &content("payment_sent"))), None);
    assert_eq!(hint(&signed(&keys(3), NOTIFICATION, Vec::new(), &content("payment_received"))), None);
    assert_eq!(hint(&signed(&wallet(), 23196, Vec::new(), &content("payment_received"))), None);
    assert_eq!(hint(&signed_plain(&wallet(), NOTIFICATION, Vec::new(), "hush")), None);
    let frame: Value = serde_json::from_str(&connection().subscribe_to_hints(NOW)).unwrap();
    assert_eq!(frame[2]["#p"], json!([keys(2).public_key().to_hex()]));
}

#[test]
fn a_wallet_says_what_it_can_do() {
    let info = |tags: Vec<Tag>| {
        connection().info(&signed_plain(&wallet(), INFO, tags, "make_invoice lookup_invoice notifications")).unwrap()
    };
    let new = info(vec![
        Tag::custom("encryption", ["nip44_v2 nip04"]),
        Tag::custom("notifications", ["payment_received payment_sent"]),
    ]);
    assert_eq!((new.nip44, new.tells_of_payments, new.methods.len()), (true, true, 3));
    let old = info(Vec::new());
    assert_eq!((old.nip44, old.tells_of_payments), (false, false));
}
