//! How a payment becomes known at the edge: pushed by the node and believed for its signature, or found by asking
//! (C7, T53, T54, T67, T74).

use std::time::Duration;

use l402::keys::Purpose;
use l402::relay::{InvoiceSettled, RelayCall, RelaySecrets, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use l402::{Keys, Preimage, UnixTime};
use satstile_tests::raw::Response;
use satstile_tests::{Node, Origin, Secrets, Stack, Workerd, WorkerdOptions, free_port, http, loopback};
use serde_json::{Value, json};

use crate::common::fake_node::{Draft, Made, honest_stack, push};
use crate::common::{Offer, ask, at_once, eventually, get_with, now, plenty, relay, seen};

const SETTLEMENTS: &str = "/.well-known/satstile/settlements";

/// The state of an offer, asked with its token.
#[track_caller]
fn state(url: &str, macaroon: &str) -> Value {
    let authorization = format!("L402 {macaroon}");
    let poll = || http::post(&format!("{url}/.well-known/satstile/status"), &[("authorization", &authorization)], b"");
    let mut answer = poll();
    if answer.status == 429 {
        std::thread::sleep(Duration::from_secs(1));
        answer = poll();
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A stack, an offer of it, and what its node knows about that offer.
fn offered() -> (Stack, crate::common::fake_node::FakeNode, Offer, Made, String) {
    let (stack, node, made) = honest_stack(json!({}));
    let offer = ask(&stack, "/articles/1");
    let made = made.lock().unwrap()[0].clone();
    let (request_id, _) = node.last_create();
    (stack, node, offer, made, request_id)
}

fn totals(stack: &Stack) -> Value {
    let key = format!("Bearer {}", stack.secrets.audit_key);
    get_with(stack, "/.well-known/satstile/audit", &key).json()["services"]["articles"].clone()
}

/// Row A21, T66: what the node kept of a sale, for a channel for one, stands in the operator's totals; the buyer has paid in
/// full all the same. A second push of it adds nothing, and neither does a sale of which nothing was kept.
#[test]
fn what_a_sale_cost_is_counted_once_a21() {
    let (stack, node, offer, made, request_id) = offered();
    let cut = InvoiceSettled { received_msat: Some(5_197), ..made.settlement(&request_id) };
    for word in ["recorded", "known"] {
        assert_eq!(push(&stack, cut.clone()).json()["status"], word);
    }
    assert_eq!(state(&stack.url(""), &offer.macaroon)["status"], "settled");
    let counted = eventually("the totals", || Some(totals(&stack)).filter(|totals| totals["settled"] != 0));
    assert_eq!((&counted["settled_msat"], &counted["node_fee_msat"]), (&json!(21_000), &json!(15_803)));

    ask(&stack, "/articles/1");
    let (request_id, order) = node.last_create();
    let whole = push(&stack, Draft::of(&order).sign().settlement(&request_id));
    assert_eq!(whole.json()["status"], "recorded");
    let counted = eventually("the totals", || Some(totals(&stack)).filter(|totals| totals["settled"] == 2));
    assert_eq!((&counted["settled_msat"], &counted["node_fee_msat"]), (&json!(42_000), &json!(15_803)));
}

/// C7: one signed push is enough, a second one changes nothing, and both are answered with a signature.
#[test]
fn a_signed_settlement_is_believed_once() {
    let (stack, node, offer, made, request_id) = offered();
    let settled = made.settlement(&request_id);
    for word in ["recorded", "known", "known"] {
        let answer = push(&stack, settled.clone());
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!(word)), "{}", answer.text());
        // The node, too, must know whom it is talking to.
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let id = format!("settled_{}", made.payment_hash);
        assert_eq!(header(WEBHOOK_ID), id);
        let secrets = RelaySecrets::parse(&stack.secrets.relay_secrets).unwrap();
        let (at, signature) = (header(WEBHOOK_TIMESTAMP), header(WEBHOOK_SIGNATURE));
        secrets.verify(&id, &at, &signature, &answer.body, now()).unwrap();
    }
    let told = state(&stack.url(""), &offer.macaroon);
    assert_eq!((&told["status"], &told["preimage"]), (&json!("settled"), &json!(made.preimage.expose_hex())));
    // Nobody had to ask, and it was counted once.
    assert_eq!(node.calls().len(), 1);
    let counted = eventually("the totals", || Some(totals(&stack)).filter(|totals| totals["settled"] != 0));
    assert_eq!((&counted["settled"], &counted["settled_msat"]), (&json!(1), &json!(21_000)));
    assert_eq!(seen(&stack), [""; 0]);
}

/// T53, T54: nobody else can say that something was paid.
#[test]
fn what_the_node_did_not_sign_settles_nothing() {
    let (stack, _node, offer, made, request_id) = offered();
    let secrets = RelaySecrets::parse(&stack.secrets.relay_secrets).unwrap();
    let strangers = RelaySecrets::parse(&Secrets::random().relay_secrets).unwrap();
    let body = RelayCall::InvoiceSettled(made.settlement(&request_id)).to_body();
    let changed = String::from_utf8(body.clone()).unwrap().replace("21000", "21001").into_bytes();
    let (at, id) = (now(), "settled_1");
    let send = |id: &str, at: &str, signature: &str, body: &[u8]| {
        let headers = [(WEBHOOK_ID, id), (WEBHOOK_TIMESTAMP, at), (WEBHOOK_SIGNATURE, signature)];
        http::post(&stack.url(SETTLEMENTS), &headers, body)
    };
    let time = at.0.to_string();
    let (old, early) = (UnixTime(at.0 - 310), UnixTime(at.0 + 310));
    let answers: Vec<Response> = vec![
        http::post(&stack.url(SETTLEMENTS), &[], &body),
        send(id, &time, "", &body),
        send(id, &time, "v1,AAAA", &body),
        send(id, &time, &strangers.sign(id, at, &body), &body),
        send(id, &time, &secrets.sign(id, at, &body), &changed),
        send("settled_2", &time, &secrets.sign(id, at, &body), &body),
        send(id, &(at.0 + 1).to_string(), &secrets.sign(id, at, &body), &body),
        send(id, &old.0.to_string(), &secrets.sign(id, old, &body), &body),
        send(id, &early.0.to_string(), &secrets.sign(id, early, &body), &body),
        send("", &time, &secrets.sign("", at, &body), &body),
        send("a b", &time, &secrets.sign("a b", at, &body), &body),
        send(id, &format!("{time}.0"), &secrets.sign(id, at, &body), &body),
        http::post(
            &stack.url(SETTLEMENTS),
            &[("authorization", &format!("Bearer {}", stack.secrets.audit_key))],
            &body,
        ),
        http::post(&stack.url(SETTLEMENTS), &[("authorization", &format!("L402 {}", offer.macaroon))], &body),
    ];
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, 401, "{n}: {}", answer.text());
        assert_eq!(answer.text(), answers[0].text(), "{n}");
    }
    assert_eq!(state(&stack.url(""), &offer.macaroon)["status"], "pending");
}

/// C7: what the node did sign must still be a settlement of an invoice that this edge asked for, at its price.
#[test]
fn a_signed_message_that_does_not_add_up_settles_nothing() {
    let (stack, _node, offer, made, request_id) = offered();
    let good = made.settlement(&request_id);
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let strangers = Keys::parse(&Secrets::random().master_keys, &Secrets::random().challenge_secret).unwrap();
    let sealed = |keys: &Keys, purpose, text: &str| format!("{text}.{}", keys.seal(purpose, text));
    let changed = |change: &dyn Fn(&mut InvoiceSettled)| {
        let mut settled = good.clone();
        change(&mut settled);
        RelayCall::InvoiceSettled(settled).to_body()
    };
    let edited = |from: &str, to: &str| {
        let text = String::from_utf8(changed(&|_| ())).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        text.replace(from, to).into_bytes()
    };
    let bodies = [
        changed(&|s| s.amount_msat = 20_999),
        changed(&|s| s.amount_msat = 1),
        changed(&|s| s.amount_msat = 0),
        changed(&|s| s.preimage = Some(Preimage::new([1; 32]))),
        changed(&|s| s.request_id = String::new()),
        changed(&|s| s.request_id = "articles.21000.x.y".to_owned()),
        changed(&|s| s.request_id = request_id.replace("21000", "21001")),
        changed(&|s| s.request_id = request_id.replace("articles", "dear")),
        // A seal of other keys, for another purpose, or for another price.
        changed(&|s| s.request_id = sealed(&strangers, Purpose::RelayRequest, "articles.21000.x")),
        changed(&|s| s.request_id = sealed(&keys, Purpose::WaitCookie, "articles.21000.x")),
        changed(&|s| s.request_id = sealed(&keys, Purpose::RelayRequest, "articles.1.x")),
        edited(r#""audience":"worker""#, r#""audience":"node""#),
        edited("invoice.settled", "invoice.paid"),
        edited("invoice.settled", "invoice.lookup"),
        edited(r#""amount_msat":21000"#, r#""amount_msat":21000.0"#),
        edited(r#""amount_msat":21000"#, r#""amount_msat":"21000""#),
        edited(r#""amount_msat":21000"#, r#""amount_msat":21000,"amount_msat":21000"#),
        edited(r#""amount_msat":21000"#, r#""amount_msat":21000,"tip":1"#),
        b"{}".to_vec(),
        b"settled".to_vec(),
    ];
    for (n, body) in bodies.iter().enumerate() {
        let answer = relay(&stack.secrets, &stack.url(SETTLEMENTS), &format!("settled_{n}"), body);
        assert!((400..=422).contains(&answer.status), "{}: {}", answer.status, String::from_utf8_lossy(body));
    }
    let huge = relay(&stack.secrets, &stack.url(SETTLEMENTS), "settled_huge", &vec![b' '; 65 * 1024]);
    assert_eq!(huge.status, 413);
    assert_eq!(http::get(&stack.url(SETTLEMENTS), &[]).status, 405);
    assert_eq!(state(&stack.url(""), &offer.macaroon)["status"], "pending");
    // After all that the right one is still believed.
    assert_eq!(push(&stack, good).status, 200);
}

/// T67: two stories about one payment: the first one stays.
#[test]
fn a_second_settlement_with_another_amount_is_refused() {
    let (stack, _node, offer, made, request_id) = offered();
    assert_eq!(push(&stack, made.settlement(&request_id)).status, 200);
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let text = "articles.50000.x";
    let other = InvoiceSettled {
        amount_msat: 50_000,
        request_id: format!("{text}.{}", keys.seal(Purpose::RelayRequest, text)),
        ..made.settlement("")
    };
    assert_eq!(push(&stack, other).status, 409);
    assert_eq!(state(&stack.url(""), &offer.macaroon)["status"], "settled");
    let counted = eventually("the totals", || Some(totals(&stack)).filter(|totals| totals["settled"] != 0));
    assert_eq!(counted["settled_msat"], 21_000);
}

/// T67: ten at once are one.
#[test]
fn concurrent_settlements_are_counted_once() {
    let (stack, _node, _offer, made, request_id) = offered();
    let words = at_once(10, |_| push(&stack, made.settlement(&request_id)).json()["status"].clone());
    assert_eq!(words.iter().filter(|word| **word == "recorded").count(), 1, "{words:?}");
    assert_eq!(words.iter().filter(|word| **word == "known").count(), 9, "{words:?}");
    let counted = eventually("the totals", || Some(totals(&stack)).filter(|totals| totals["settled"] != 0));
    assert_eq!(counted["settled"], 1);
}

/// C7: a push need not tell the preimage. Then there is none to hand out, and an empty one is a lie.
#[test]
fn a_settlement_without_a_preimage_hands_out_no_empty_one() {
    let (stack, _node, offer, made, request_id) = offered();
    let silent = InvoiceSettled { preimage: None, ..made.settlement(&request_id) };
    assert_eq!(push(&stack, silent).status, 200);
    let told = state(&stack.url(""), &offer.macaroon);
    assert!(told["preimage"].is_null() || told["preimage"] == made.preimage.expose_hex(), "{told}");
}

/// T74: an acknowledged settlement is on disk.
#[test]
fn a_settlement_survives_a_crash() {
    let (mut stack, node, offer, made, request_id) = offered();
    assert_eq!(push(&stack, made.settlement(&request_id)).status, 200);
    stack.workerd.crash_restart();
    let told = state(&stack.url(""), &offer.macaroon);
    assert_eq!((&told["status"], &told["preimage"]), (&json!("settled"), &json!(made.preimage.expose_hex())));
    assert_eq!(push(&stack, made.settlement(&request_id)).json()["status"], "known");
    assert_eq!(node.calls().len(), 1, "it was kept, not asked for again");
}

/// C9: both secrets of a rotation are believed.
#[test]
fn a_push_by_either_secret_of_a_rotation_is_believed() {
    let (stack, _node, _offer, made, request_id) = offered();
    let newer = Secrets::random().relay_secrets;
    let rotating =
        Secrets { relay_secrets: format!("{newer},{}", stack.secrets.relay_secrets), ..stack.secrets.clone() };
    let policy = plenty(json!({"origin": stack.origin.url()})).policy;
    let worker = Workerd::start(WorkerdOptions { policy, secrets: rotating, ..WorkerdOptions::default() });
    let url = format!("http://{}{SETTLEMENTS}", worker.address());
    let body = RelayCall::InvoiceSettled(made.settlement(&request_id)).to_body();
    let by = |relay_secrets: String| {
        relay(&Secrets { relay_secrets, ..stack.secrets.clone() }, &url, "settled_1", &body).status
    };
    assert_eq!(by(stack.secrets.relay_secrets.clone()), 200);
    assert_eq!(by(newer), 200);
    assert_eq!(by(Secrets::random().relay_secrets), 401);
}

/// T74, F14: the worker was away when the invoice was paid; the node tells it again.
#[test]
fn a_payment_during_an_outage_is_told_later() {
    let mut stack = Stack::start(plenty(json!({})));
    let offer = ask(&stack, "/articles/1");
    stack.workerd.kill();
    let preimage = stack.node().pay(&offer.invoice);
    eventually("the node to notice", || {
        stack.node().log().iter().any(|line| line.contains("did not take a settlement")).then_some(())
    });
    stack.workerd.crash_restart();
    eventually("the second push", || {
        stack.node().log().iter().any(|line| line.contains("the worker knows of the settlement")).then_some(())
    });
    // Known without asking: the node is gone.
    stack.node_mut().stop();
    assert_eq!(state(&stack.url(""), &offer.macaroon)["preimage"], preimage);
}

/// C5, C7: a node that knows no worker pushes nothing; whoever asks makes the edge look.
#[test]
fn a_payment_that_nobody_pushed_is_found_by_asking() {
    let (secrets, origin) = (Secrets::random(), Origin::start());
    let nowhere = format!("http://{}", loopback(free_port()));
    let node = Node::start(&nowhere, &secrets.relay_secrets);
    let policy = plenty(json!({"origin": origin.url()})).policy;
    let vars = json!({"NODE_URL": node.url()});
    let worker = Workerd::start(WorkerdOptions { policy, vars, secrets, ..WorkerdOptions::default() });
    let url = format!("http://{}", worker.address());

    let offer = Offer::read(http::get(&format!("{url}/articles/1"), &[]));
    let ticket = offer.pay(&node);
    let told = state(&url, &ticket.offer.macaroon);
    assert_eq!((&told["status"], &told["preimage"]), (&json!("settled"), &json!(ticket.preimage)));
    let opened = http::get(&format!("{url}/articles/1"), &[("authorization", &ticket.l402())]);
    assert_eq!(opened.status, 200);
    assert_eq!(origin.seen().len(), 1);
}

/// A17, T54, C16: a receipt is proof of a payment, so it takes the preimage; the door of a service that takes the node's word
/// opens without.
#[test]
fn there_is_no_receipt_without_the_preimage_a17() {
    for attested in [false, true] {
        let (stack, node, made) = honest_stack(json!({"services": {"articles": {"allow_attested": attested}}}));
        let (offer, silent) = (ask(&stack, "/articles/1"), ask(&stack, "/articles/2"));
        let made = made.lock().unwrap().clone();
        let ids = node.calls().into_iter().map(|call| call.id).collect::<Vec<_>>();
        assert_eq!(push(&stack, made[0].settlement(&ids[0])).status, 200);
        let mute = InvoiceSettled { preimage: None, ..made[1].settlement(&ids[1]) };
        assert_eq!(push(&stack, mute).status, 200);
        let told = state(&stack.url(""), &offer.macaroon);
        assert!(told["receipt"].is_string() && told["status"] == "settled", "{told}");
        let told = state(&stack.url(""), &silent.macaroon);
        let proven = told["preimage"] == made[1].preimage.expose_hex();
        assert_eq!((told["status"].as_str(), told["receipt"].is_string()), (Some("settled"), proven), "{told}");
        assert_eq!(told["token"].is_string(), attested && !proven, "{told}");
        // Told later, it is a proof all the same.
        assert_eq!(push(&stack, made[1].settlement(&ids[1])).json()["status"], "known");
        std::thread::sleep(Duration::from_secs(1));
        assert!(state(&stack.url(""), &silent.macaroon)["receipt"].is_string());
    }
}

/// A17, T54: an id that this edge has sealed settles one payment, and no other after it, with a preimage or without; not
/// even of ten at once, or after a crash.
#[test]
fn one_sealed_request_id_settles_one_payment_a17() {
    let (mut stack, node, made) = honest_stack(json!({}));
    let offers = ["/articles/1", "/articles/2", "/articles/3"].map(|path| ask(&stack, path));
    let made = made.lock().unwrap().clone();
    let ids: Vec<String> = node.calls().into_iter().map(|call| call.id).collect();
    let pending = |stack: &Stack, offer: &Offer| state(&stack.url(""), &offer.macaroon)["status"].clone();

    assert_eq!(push(&stack, made[0].settlement(&ids[0])).json()["status"], "recorded");
    for preimage in [None, Some(made[1].preimage.clone())] {
        let forged = InvoiceSettled { preimage, ..made[1].settlement(&ids[0]) };
        assert_eq!(push(&stack, forged).status, 409);
    }
    stack.workerd.crash_restart();
    assert_eq!(push(&stack, made[1].settlement(&ids[0])).status, 409);
    assert_eq!(push(&stack, made[0].settlement(&ids[0])).json()["status"], "known", "the same one again is no other");
    assert_ne!(pending(&stack, &offers[1]), "settled");
    assert_eq!(push(&stack, made[1].settlement(&ids[1])).json()["status"], "recorded", "with its own it is good");

    let random: Vec<_> = (0..10).map(|n| Preimage::new([n + 1; 32])).collect();
    let statuses = at_once(10, |n| {
        let preimage = random[n].clone();
        let payment_hash = preimage.payment_hash();
        push(&stack, InvoiceSettled { payment_hash, preimage: Some(preimage), ..made[2].settlement(&ids[2]) }).status
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}
