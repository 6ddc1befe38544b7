//! A back end that the worker calls by itself: `BACKEND` instead of a node webhook (C7, C8, T54, T55, T59, T63, T66, T69).

use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use l402::relay::InvoiceCreate;
use l402::token::UnverifiedToken;
use l402::{PaymentHash, encoding};
use lightning_invoice::Currency;
use satstile_tests::raw::Response;
use satstile_tests::{Origin, Secrets, Stack, StackOptions, Workerd, WorkerdOptions, http};
use serde_json::{Value, json};

use crate::common::bank::{CLAIM, TOPUP, account_of, ok, post, sound};
use crate::common::deposits::{DEPOSIT, Deposit};
use crate::common::fake_node::{Draft, Made, push};
use crate::common::server::{self, Heard, Server};
use crate::common::{API, Offer, ask, attenuate, eventually, get, get_with, plenty, seen, timed};

const PAGE: &str = "/articles/1";
const STATUS: &str = "/.well-known/satstile/status";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A stack without a node webhook. `line` is its connection string, `{}` the address of the service.
fn stack_on(
    line: &str,
    act: impl Fn(&Heard, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> (Stack, Server) {
    let mut server = Server::bind();
    server.serve(act);
    let vars = json!({"NODE_URL": "", "BACKEND": line.replace("{}", &server.url())});
    (Stack::start(StackOptions { vars, node: false, ..plenty(json!({})) }), server)
}

fn lnbits() -> String {
    format!("type=lnbits;server={{}};api-key={KEY}")
}

/// A reply that was recorded, with these fields in the place of its own.
fn recorded(text: &str, change: &Value) -> Vec<u8> {
    let mut reply: Value = serde_json::from_str(text).expect("a recorded reply is JSON");
    satstile_tests::merge(&mut reply, change);
    reply.to_string().into_bytes()
}

/// An invoice of regtest for so much.
fn draft(amount_msat: u64) -> Draft {
    let (service, purpose, description) = ("articles".to_owned(), "l402".to_owned(), "An article".to_owned());
    Draft::of(&InvoiceCreate { amount_msat, description, expiry_s: 600, service, purpose, payee: None })
}

fn created(made: &Made, named: PaymentHash) -> Vec<u8> {
    let (bolt11, hash) = (&made.bolt11, named.to_string());
    let change = json!({"payment_hash": hash, "checking_id": hash, "bolt11": bolt11, "payment_request": bolt11});
    recorded(include_str!("../../../lightning/tests/golden/lnbits/created.json"), &change)
}

fn body(heard: &Heard) -> Value {
    serde_json::from_slice(&heard.body).expect("what the worker sends is JSON")
}

/// Once a second is what a token may ask, and every two seconds the service is asked.
#[track_caller]
fn told(stack: &Stack, macaroon: &str) -> Value {
    std::thread::sleep(Duration::from_millis(2_100));
    let answer = http::post(&stack.url(STATUS), &[("authorization", &format!("L402 {macaroon}"))], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What the first caveats of a token are called.
fn caveats(macaroon: &str) -> String {
    String::from_utf8_lossy(&encoding::base64_any(macaroon).expect("a token is base64")).into_owned()
}

/// A refusal without a challenge; nothing was forwarded.
#[track_caller]
fn is_refused(stack: &Stack, response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("www-authenticate"), None);
    assert_eq!(response.header("retry-after").is_some(), matches!(status, 502 | 503));
    assert_eq!(response.all("cache-control"), ["no-store"]);
    // T60: neither what was sent there, nor where it is.
    for word in ["lnbc", KEY, "127.0.0.1", "lnbits", "BACKEND"] {
        assert!(!response.text().contains(word), "{}", response.text());
    }
    assert_eq!(seen(stack), [""; 0]);
}

/// What an LNbits says of an invoice: nothing yet, paid, and lies.
const UNPAID: u8 = 0;
const PAID: u8 = 1;
const UNDERPAID: u8 = 2;
const OTHER_PREIMAGE: u8 = 3;
const OTHER_INVOICE: u8 = 4;

/// An LNbits that makes right invoices. It shows each preimage from the start, as the real one does (T63).
fn lnbits_wallet() -> (Stack, Server, Arc<Mutex<Vec<Made>>>, Arc<AtomicU8>) {
    let (wallet, state) = (Arc::new(Mutex::new(Vec::<Made>::new())), Arc::new(AtomicU8::new(UNPAID)));
    let (kept, says) = (Arc::clone(&wallet), Arc::clone(&state));
    let (stack, server) = stack_on(&lnbits(), move |heard, stream| {
        if heard.header("x-api-key") != Some(KEY) {
            return server::reply(stream, 404, &[], br#"{"detail":"Wallet not found."}"#);
        }
        if heard.method == "POST" {
            let made = draft(body(heard)["amount"].as_u64().unwrap_or(0) * 1_000).sign();
            kept.lock().unwrap().push(made.clone());
            return server::reply(stream, 201, &[], &created(&made, made.payment_hash));
        }
        let known = kept.lock().unwrap();
        let Some(made) = known.iter().find(|made| heard.target.ends_with(&made.payment_hash.to_string())) else {
            return server::reply(stream, 404, &[], br#"{"detail":"Payment does not exist."}"#);
        };
        let (hash, preimage) = (made.payment_hash.to_string(), made.preimage.expose_hex());
        let details = json!({"payment_hash": hash, "checking_id": hash, "amount": 21_000, "preimage": preimage});
        let paid = include_str!("../../../lightning/tests/golden/lnbits/paid.json");
        let said = match says.load(Ordering::SeqCst) {
            UNPAID => recorded(
                include_str!("../../../lightning/tests/golden/lnbits/unpaid.json"),
                &json!({"preimage": preimage, "details": details}),
            ),
            UNDERPAID => {
                recorded(paid, &json!({"preimage": preimage, "details": {"payment_hash": hash, "amount": 20_999}}))
            }
            OTHER_PREIMAGE => recorded(paid, &json!({"preimage": "11".repeat(32), "details": details})),
            OTHER_INVOICE => {
                recorded(paid, &json!({"preimage": preimage, "details": {"payment_hash": "22".repeat(32)}}))
            }
            _ => recorded(paid, &json!({"preimage": preimage, "details": details})),
        };
        server::reply(stream, 200, &[], &said)
    });
    (stack, server, wallet, state)
}

/// The whole way by payment hash. T20, T63: what an LNbits shows of an unpaid invoice opens nothing and is passed on to
/// nobody; once its state says paid, the buyer is told.
#[test]
fn a_purchase_from_an_lnbits_needs_no_webhook() {
    let (stack, service, wallet, state) = lnbits_wallet();
    let offer = ask(&stack, PAGE);
    let order = service.heard().remove(0);
    assert_eq!((order.method.as_str(), order.target.as_str()), ("POST", "/api/v1/payments"));
    let (asked, made) = (body(&order), wallet.lock().unwrap()[0].clone());
    assert_eq!((&asked["amount"], &asked["unit"], &asked["expiry"]), (&json!(21), &json!("sat"), &json!(600)));
    assert!(asked["extra"]["label"].as_str().unwrap().starts_with("articles.21000."), "{asked}");
    assert_eq!((&offer.invoice, &offer.payment_hash), (&made.bolt11, &made.payment_hash.to_string()));
    assert!(!caveats(&offer.macaroon).contains("satstile_ref"), "its look-up wants no more than the hash");

    let pending = told(&stack, &offer.macaroon);
    assert_eq!((&pending["status"], &pending["preimage"]), (&json!("pending"), &Value::Null));
    let look = service.heard().remove(1);
    assert_eq!(look.method, "GET");
    assert_eq!(look.target, format!("/api/v1/payments/{}", offer.payment_hash));
    assert!(look.body.is_empty() && look.header("content-length").is_none());
    // C5: within two seconds the answer comes out of the object alone.
    std::thread::sleep(Duration::from_millis(1_000));
    http::post(&stack.url(STATUS), &[("authorization", &format!("L402 {}", offer.macaroon))], b"");
    assert_eq!(service.heard().len(), 2);

    // T55, T66: paid by the state field, and no lie beside it is taken for a payment.
    for lie in [UNDERPAID, OTHER_INVOICE] {
        state.store(lie, Ordering::SeqCst);
        let answer = told(&stack, &offer.macaroon);
        assert_eq!((&answer["status"], &answer["preimage"]), (&json!("pending"), &Value::Null), "{lie}");
    }
    assert_eq!(seen(&stack), [""; 0]);
    state.store(PAID, Ordering::SeqCst);
    let settled = told(&stack, &offer.macaroon);
    assert_eq!((&settled["status"], &settled["preimage"]), (&json!("settled"), &json!(made.preimage.expose_hex())));
    let heard = service.heard().len();
    let credential = format!("L402 {}:{}", offer.macaroon, made.preimage.expose_hex());
    assert_eq!(get_with(&stack, PAGE, &credential).status, 200);
    assert_eq!(told(&stack, &offer.macaroon)["status"], "settled");
    assert_eq!(service.heard().len(), heard, "a known settlement is asked for no more, and a token is checked offline");
    let log = stack.log().join("\n");
    for secret in [KEY, &made.preimage.expose_hex(), &made.bolt11, &offer.macaroon] {
        assert!(!log.contains(secret), "T120: {secret}");
    }
}

/// B6, T20: an LNbits that calls an invoice paid and shows a preimage of something else, as it does when it pays itself. Paid
/// is paid; what it shows is no preimage, is told to nobody and opens nothing.
#[test]
fn a_payment_with_a_preimage_that_fits_nothing_is_paid_without_one_b6() {
    let (stack, _service, wallet, state) = lnbits_wallet();
    let offer = ask(&stack, PAGE);
    let right = wallet.lock().unwrap()[0].preimage.expose_hex();
    state.store(OTHER_PREIMAGE, Ordering::SeqCst);
    let answer = told(&stack, &offer.macaroon);
    assert_eq!((&answer["status"], &answer["preimage"]), (&json!("settled"), &Value::Null), "{answer}");
    assert_ne!(get_with(&stack, PAGE, &format!("L402 {}:{}", offer.macaroon, "00".repeat(32))).status, 200);
    assert_eq!(get_with(&stack, PAGE, &format!("L402 {}:{right}", offer.macaroon)).status, 200);
}

/// A payer with the preimage needs nobody's word, not even that of a service that is gone by now.
#[test]
fn a_preimage_opens_before_anybody_looked_the_payment_up() {
    let (stack, service, wallet, _) = lnbits_wallet();
    let offer = ask(&stack, PAGE);
    let preimage = wallet.lock().unwrap()[0].preimage.expose_hex();
    drop(service);
    assert_eq!(get_with(&stack, PAGE, &format!("L402 {}:{preimage}", offer.macaroon)).status, 200);
    assert_eq!(seen(&stack), [PAGE]);
    assert_eq!(get_with(&stack, PAGE, &format!("L402 {}:{}", offer.macaroon, "00".repeat(32))).status, 503);
}

/// An OpenNode whose charges are paid as soon as they are looked up. It finds them by its own id alone.
fn opennode() -> (Stack, Server, Arc<Mutex<Vec<Made>>>) {
    let charges = Arc::new(Mutex::new(Vec::<Made>::new()));
    let kept = Arc::clone(&charges);
    let (stack, server) = stack_on(&format!("type=opennode;server={{}};api-key={KEY}"), move |heard, stream| {
        let mut charges = kept.lock().unwrap();
        if heard.method == "POST" {
            let made = draft(body(heard)["amount"].as_u64().unwrap_or(0) * 1_000).sign();
            let id = format!("charge-{}", charges.len());
            let data = json!({"id": id, "lightning_invoice": {"payreq": made.bolt11}});
            charges.push(made);
            let golden = include_str!("../../../lightning/tests/golden/opennode/created.json");
            return server::reply(stream, 201, &[], &recorded(golden, &json!({"data": data})));
        }
        let id = heard.target.strip_prefix("/v1/charge/").unwrap_or_default();
        let golden = match id {
            "charge-0" => include_str!("../../../lightning/tests/golden/opennode/paid.json"),
            _ => include_str!("../../../lightning/tests/golden/opennode/unpaid.json"),
        };
        server::reply(stream, 200, &[], &recorded(golden, &json!({"data": {"id": id}})))
    });
    (stack, server, charges)
}

/// By reference: nothing was stored at the 402, so the token carries what OpenNode wants to hear, and nobody reads it.
/// A reference of another purchase, added by its holder, finds nothing.
#[test]
fn a_service_that_finds_an_invoice_by_its_own_id_is_asked_by_it() {
    let (stack, service, charges) = opennode();
    let (paid, unpaid) = (ask(&stack, PAGE), ask(&stack, PAGE));
    let looks = || service.heard().into_iter().filter(|heard| heard.method == "GET").map(|heard| heard.target);
    assert!(caveats(&paid.macaroon).contains("satstile_ref="), "{}", caveats(&paid.macaroon));
    for told in [paid.response.text(), caveats(&paid.macaroon)] {
        let hidden = encoding::to_base64url(b"charge-0");
        assert!(!told.contains("charge-0") && !told.contains(&hidden), "{told}");
    }
    let settled = told(&stack, &paid.macaroon);
    assert_eq!(settled["status"], "settled");
    // OpenNode tells no preimage, so none is told here, and none is made up.
    assert_eq!(settled["preimage"], Value::Null);
    assert_eq!(looks().collect::<Vec<_>>(), ["/v1/charge/charge-0"]);
    assert_eq!(told(&stack, &unpaid.macaroon)["status"], "pending");
    assert_eq!(looks().nth(1).as_deref(), Some("/v1/charge/charge-1"));

    // One payment opens one door (T21): the reference of what was paid does not pay for something else.
    let text = caveats(&paid.macaroon);
    let at = text.find("satstile_ref=").unwrap();
    let taken: String = text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "=_-".contains(*c)).collect();
    for foreign in [taken.as_str(), "satstile_ref=AAAA", "satstile_ref="] {
        let forged = attenuate(&unpaid.macaroon, &[foreign]);
        let answer = http::post(&stack.url(STATUS), &[("authorization", &format!("L402 {forged}"))], b"");
        assert_eq!(answer.status, 404, "{foreign}: {}", answer.text());
    }
    assert_eq!(looks().count(), 2);
    // With the preimage it opens as ever; the reference stands in nobody's way.
    let preimage = charges.lock().unwrap()[0].preimage.expose_hex();
    assert_eq!(get_with(&stack, PAGE, &format!("L402 {}:{preimage}", paid.macaroon)).status, 200);
    assert_eq!(get_with(&stack, PAGE, &format!("L402 {}:{preimage}", unpaid.macaroon)).status, 402);
    assert!(UnverifiedToken::parse(&paid.macaroon).is_ok());
}

/// LUD-16 and LUD-21: two requests without any header field of ours make an invoice, and its `verify` address is asked.
/// T63: whoever knows that address is told the preimage, so no buyer and no delegate is told it. T97: it is followed on
/// the service's own host only.
#[test]
fn a_lightning_address_sells_and_its_verify_address_stays_with_us() {
    let made = Arc::new(Mutex::new(None::<Made>));
    let (kept, foreign) = (Arc::clone(&made), Arc::new(AtomicU8::new(0)));
    let abroad = Arc::clone(&foreign);
    let (stack, service) = stack_on("type=lnaddress;address=me@shop.test;server={}", move |heard, stream| {
        let base = format!("http://{}", heard.header("host").unwrap_or_default());
        let target = heard.target.as_str();
        let reply = if target == "/.well-known/lnurlp/me" {
            json!({"tag": "payRequest", "callback": format!("{base}/pay"), "minSendable": 1_000,
                "maxSendable": 100_000_000, "metadata": "[[\"text/plain\",\"me\"]]"})
        } else if target.starts_with("/pay?amount=21000") {
            let one = draft(21_000).sign();
            let verify = match abroad.load(Ordering::SeqCst) {
                0 => format!("{base}/verify/{}", one.payment_hash),
                1 => "https://elsewhere.test/verify/1".to_owned(),
                2 => "http://127.0.0.1:1/verify/1".to_owned(),
                _ => format!("{base}/verify/{}", "x".repeat(200)),
            };
            let pr = one.bolt11.clone();
            *kept.lock().unwrap() = Some(one);
            json!({"pr": pr, "routes": [], "verify": verify})
        } else {
            let one = kept.lock().unwrap().clone().unwrap();
            json!({"status": "OK", "settled": true, "preimage": one.preimage.expose_hex(), "pr": one.bolt11})
        };
        server::reply(stream, 200, &[], reply.to_string().as_bytes())
    });
    let offer = ask(&stack, PAGE);
    let hash = offer.payment_hash.clone();
    for told in [offer.response.text(), caveats(&offer.macaroon)] {
        assert!(!told.contains("/verify/") && !told.contains(&encoding::to_base64url(b"http://127")), "{told}");
    }
    let settled = told(&stack, &offer.macaroon);
    assert_eq!(settled["preimage"], made.lock().unwrap().clone().unwrap().preimage.expose_hex());
    let heard = service.heard();
    let targets: Vec<_> = heard.iter().map(|heard| heard.target.clone()).collect();
    assert_eq!(targets, ["/.well-known/lnurlp/me", "/pay?amount=21000", &format!("/verify/{hash}")]);
    assert!(heard.iter().all(|heard| heard.method == "GET" && heard.header("authorization").is_none()));
    // T97: another host, another port of this machine, or more than a token carries: nothing is sold that nobody could look up.
    for n in 1..=3 {
        foreign.store(n, Ordering::SeqCst);
        stack.origin.clear();
        is_refused(&stack, &get(&stack, PAGE), 502);
    }
}

/// A21, T66: the first payment opens a channel, and phoenixd keeps 15,803 of 18,037 sats of it. The buyer has all of it in
/// the balance, and the operator's books say what it cost.
#[test]
fn what_a_channel_cost_is_the_operators_and_stands_in_the_books_a21() {
    let made = draft(18_037_000).sign();
    let (hash, preimage, bolt11) = (made.payment_hash.to_string(), made.preimage.expose_hex(), made.bolt11);
    let proof = preimage.clone();
    let phoenixd = Server::start(move |heard, stream| {
        let reply = match heard.target.as_str() {
            "/createinvoice" => json!({"amountSat": 18_037, "paymentHash": hash, "serialized": bolt11}),
            target if target.ends_with(&hash) => json!({"type": "incoming_payment", "paymentHash": hash,
                "preimage": preimage, "isPaid": true, "isExpired": false, "receivedSat": 2_234, "fees": 15_803_000,
                "completedAt": 1_790_000_000_000_u64}),
            _ => return server::reply(stream, 404, &[], b"Not found"),
        };
        server::reply(stream, 200, &[], reply.to_string().as_bytes())
    });
    let backends = format!("type=phoenixd;server={};password=hush", phoenixd.url());
    let stack = Stack::start(StackOptions { backends, ..plenty(json!({})) });
    let order = ok(post(&stack, TOPUP, None, &json!({"amount_sats": 18_037})));
    let claim = json!({"preimage": proof, "claim_secret": order["claim_secret"]});
    let claimed = eventually("the claim", || {
        let claimed = post(&stack, CLAIM, None, &claim);
        (claimed.status == 200).then(|| claimed.json())
    });
    assert_eq!(claimed["balance_sats"], 18_037, "{claimed}");
    let books = sound(&stack, &account_of(claimed["token"].as_str().unwrap()));
    let of = |name: &str| books["balances_msat"][name].as_i64().unwrap();
    assert_eq!((of("user"), of("fees"), of("node")), (18_037_000, -15_803_000, -2_234_000), "{books}");
}

/// Row A21, T66: the same of a session's deposit. What is left of it is the whole deposit less what was used.
#[test]
fn what_a_channel_cost_stands_in_the_book_of_a_session_a21() {
    let made = draft(DEPOSIT * 1_000).sign();
    let (hash, proof, bolt11) = (made.payment_hash.to_string(), made.preimage.expose_hex(), made.bolt11);
    let preimage = proof.clone();
    let phoenixd = Server::start(move |heard, stream| {
        let reply = match heard.target.as_str() {
            "/createinvoice" => json!({"amountSat": DEPOSIT, "paymentHash": hash, "serialized": bolt11}),
            target if target.ends_with(&hash) => json!({"type": "incoming_payment", "paymentHash": hash,
                "preimage": preimage, "isPaid": true, "isExpired": false, "receivedSat": 50, "fees": 150_000,
                "completedAt": 1_790_000_000_000_u64}),
            _ => return server::reply(stream, 404, &[], b"Not found"),
        };
        server::reply(stream, 200, &[], reply.to_string().as_bytes())
    });
    let backends = format!("type=phoenixd;server={};password=hush", phoenixd.url());
    let policy = json!({"payouts": {}, "sessions": {}, "services": {"api": {"session": true}}});
    // Sessions want somebody who could give back; nobody is asked to here.
    let payout_backend = format!("type=lnd-rest;server={};macaroon=00", phoenixd.url());
    let stack = Stack::start(StackOptions { backends, payout_backend, payouts: true, ..plenty(policy) });
    let deposit = Deposit::asked(&stack, API);
    let back = Draft { amount_msat: None, ..draft(1) }.sign().bolt11;
    let open = deposit.with(&json!({"action": "open", "preimage": proof, "returnInvoice": back}));
    let opened = get_with(&stack, API, &open);
    assert_eq!(opened.status, 200, "{}", opened.text());
    let books = eventually("the end of the use", || {
        let books = sound(&stack, &deposit.hash);
        (books["balances_msat"]["hold"] == 0 && books["balances_msat"]["user"] != 200_000).then_some(books)
    });
    let of = |name: &str| books["balances_msat"][name].as_i64().unwrap();
    assert_eq!((of("user"), of("fees"), of("node")), (190_000, 10_000 - 150_000, -50_000), "{books}");
}

/// A1, T97: a Lightning address's service may name addresses below its own host, and none of them is asked that this
/// deployment denies. The nearest yes is asked, and is away.
#[test]
fn a_back_ends_service_leads_to_nothing_that_is_denied_a1() {
    for (denied, status) in [("origin.shop.test", 502), ("a.origin.shop.test", 502), ("other.shop.test", 503)] {
        let service = Server::start(|_, stream| {
            let reply = json!({"tag": "payRequest", "callback": "https://origin.shop.test/cb", "minSendable": 1_000,
                "maxSendable": 100_000_000, "metadata": "[[\"text/plain\",\"me\"]]"});
            server::reply(stream, 200, &[], reply.to_string().as_bytes())
        });
        let line = format!("type=lnaddress;address=me@shop.test;server={}", service.url());
        let vars = json!({"NODE_URL": "", "BACKEND": line});
        let policy = json!({"lnurl_deny": [denied]});
        let stack = Stack::start(StackOptions { vars, node: false, ..plenty(policy) });
        is_refused(&stack, &get(&stack, PAGE), status);
    }
}

type Lie = dyn Fn(&mut TcpStream) -> io::Result<()> + Send + Sync;

fn lie(change: impl Fn(&mut Draft) + Send + Sync + 'static) -> Box<Lie> {
    Box::new(move |stream| {
        let mut draft = draft(21_000);
        change(&mut draft);
        let made = draft.sign();
        server::reply(stream, 201, &[], &created(&made, draft.claimed_hash.unwrap_or(made.payment_hash)))
    })
}

/// T55, T69, F4, F5: what is no invoice for this purchase is shown to nobody; and an order is never sent twice, because
/// the first one may have been heard.
#[test]
fn what_cannot_be_believed_is_a_502_and_what_may_pass_a_503_and_nothing_is_ordered_twice() {
    let lies: Vec<(&str, u16, Box<Lie>)> = vec![
        ("a msat less", 502, lie(|d| d.amount_msat = Some(20_999))),
        ("a msat more", 502, lie(|d| d.amount_msat = Some(21_001))),
        ("any amount", 502, lie(|d| d.amount_msat = None)),
        ("of mainnet", 502, lie(|d| d.currency = Currency::Bitcoin)),
        ("of signet", 502, lie(|d| d.currency = Currency::Signet)),
        ("another hash beside it", 502, lie(|d| d.claimed_hash = Some(PaymentHash([1; 32])))),
        ("no payment secret", 502, lie(|d| d.payment_secret = false)),
        ("too little time left", 502, lie(|d| d.expiry_s = 50)),
        ("too much time", 502, lie(|d| d.expiry_s = 86_400)),
        ("a page", 502, Box::new(|stream| server::reply(stream, 200, &[], b"<!doctype html><title>login</title>"))),
        ("nothing", 502, Box::new(|stream| server::reply(stream, 201, &[], b""))),
        ("a key that is not known", 502, Box::new(|stream| server::reply(stream, 404, &[], b"{}"))),
        ("a key that may not", 502, Box::new(|stream| server::reply(stream, 401, &[], b"{}"))),
        ("a redirect", 502, Box::new(|stream| server::reply(stream, 307, &[("Location", "/api/v1/payments")], b""))),
        (
            "too much",
            502,
            Box::new(|stream| {
                let made = draft(21_000).sign();
                let padded = [created(&made, made.payment_hash), vec![b' '; 65 * 1024]].concat();
                server::reply(stream, 201, &[], &padded)
            }),
        ),
        (
            "without end",
            502,
            Box::new(|stream| {
                stream.write_all(b"HTTP/1.1 201 OK\r\nContent-Length: 1000000000\r\n\r\n")?;
                loop {
                    stream.write_all(&[b' '; 16 * 1024])?; // until the worker has had enough
                }
            }),
        ),
        ("broken", 503, Box::new(|stream| server::reply(stream, 500, &[], b"trace at lnbits.internal"))),
        ("busy", 503, Box::new(|stream| server::reply(stream, 429, &[], b""))),
        ("away", 503, Box::new(|_| Ok(()))), // hangs up
    ];
    let names: Vec<_> = lies.iter().map(|(name, status, _)| (*name, *status)).collect();
    let turn = Arc::new(AtomicU8::new(0));
    let next = Arc::clone(&turn);
    let (stack, service) =
        stack_on(&lnbits(), move |_, stream| (lies[usize::from(next.load(Ordering::SeqCst))].2)(stream));
    for (n, (name, status)) in (0..).zip(&names) {
        turn.store(n, Ordering::SeqCst);
        let response = get(&stack, PAGE);
        assert_eq!(response.status, *status, "{name}: {}", response.text());
        is_refused(&stack, &response, *status);
        assert_eq!(service.heard().len(), usize::from(n) + 1, "{name} was asked for once");
    }
    let log = stack.log().join("\n");
    assert!(log.contains("BACKEND (lnbits): "), "{log}");
    assert!(!log.contains(KEY) && !log.contains("lnbits.internal"), "T60, T120: {log}");
}

/// T21: one payment must not open two doors.
#[test]
fn an_invoice_that_was_given_before_is_refused() {
    let made = draft(21_000).sign();
    let (stack, _service) =
        stack_on(&lnbits(), move |_, stream| server::reply(stream, 201, &[], &created(&made, made.payment_hash)));
    ask(&stack, PAGE);
    is_refused(&stack, &get(&stack, PAGE), 502);
}

/// T59, T69, F2: five seconds for all requests of a call together; and after five silences nobody asks for a while.
#[test]
fn a_service_that_hangs_is_a_503_at_the_deadline_and_then_left_alone() {
    let (stack, service) = stack_on("type=lnaddress;address=me@shop.test;server={}", |heard, stream| {
        // Three seconds each: one alone would do, both together are too long.
        std::thread::sleep(Duration::from_secs(3));
        let callback = format!("http://{}/pay", heard.header("host").unwrap_or_default());
        let reply = json!({"tag": "payRequest", "callback": callback, "minSendable": 1, "maxSendable": 100_000_000,
            "metadata": "[]"});
        server::reply(stream, 200, &[], reply.to_string().as_bytes())
    });
    std::thread::scope(|scope| {
        let slow: Vec<_> = (0..5).map(|_| scope.spawn(|| timed(|| get(&stack, PAGE)))).collect();
        eventually("the slow calls", || (service.heard().len() >= 5).then_some(()));
        let (free, took) = timed(|| get(&stack, "/free/1"));
        assert_eq!((free.status, took < Duration::from_secs(1)), (200, true), "{took:?}");
        stack.origin.clear();
        for one in slow {
            let (response, took) = one.join().unwrap();
            is_refused(&stack, &response, 503);
            assert!(took > Duration::from_millis(4_500) && took < Duration::from_secs(7), "{took:?}");
        }
    });
    assert_eq!(service.heard().len(), 10);
    let (response, took) = timed(|| get(&stack, PAGE));
    is_refused(&stack, &response, 503);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(service.heard().len(), 10, "an open breaker asks nobody");
}

/// T54: there is no webhook, so nobody can say by himself that something was paid, whatever he signs it with.
#[test]
fn a_settlement_that_is_pushed_is_not_heard() {
    let (stack, service, wallet, _) = lnbits_wallet();
    let offer: Offer = ask(&stack, PAGE);
    let label = body(&service.heard()[0])["extra"]["label"].as_str().unwrap().to_owned();
    let settlement = wallet.lock().unwrap()[0].settlement(&label);
    let answer = push(&stack, settlement);
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(told(&stack, &offer.macaroon)["status"], "pending");
}

/// A worker with this environment, and an origin that keeps count.
fn worker(vars: Value, mut policy: Value, relay_secrets: bool) -> (Workerd, Origin) {
    let origin = Origin::start();
    if policy.get("origin").is_none() {
        policy["origin"] = origin.url().into();
    }
    let mut secrets = Secrets::random();
    if !relay_secrets {
        secrets.relay_secrets.clear();
    }
    (Workerd::start(WorkerdOptions { policy, vars, secrets, ..WorkerdOptions::default() }), origin)
}

/// T127: exactly one of the two is configured, and one that can be used; else nothing is sold, and the log says what to
/// change without saying the secret.
#[test]
fn a_back_end_that_cannot_be_used_shuts_what_is_sold_and_is_named() {
    let direct = |line: String| json!({"NODE_URL": null, "BACKEND": line});
    let line = |server: &str, more: &str| direct(format!("type=lnbits;server={server};api-key={KEY}{more}"));
    let loopback = "http://127.0.0.1:9";
    let pin = format!(";certthumbprint={}", "ab".repeat(32));
    let payee = json!({"services": {"articles": {"payee": "02".to_owned() + &"79".repeat(32)}}});
    let mainnet = json!({"network": "mainnet", "hosts": ["shop.example"], "public_url": "https://shop.example",
        "origin": "https://origin.example"});
    let cases: Vec<(&str, Value, Value)> = vec![
        ("both set", json!({"BACKEND": format!("type=lnbits;server={loopback};api-key={KEY}")}), json!({})),
        ("both missing", json!({"NODE_URL": null}), json!({})),
        ("both missing", json!({"NODE_URL": "", "BACKEND": ""}), json!({})),
        ("must be https", line("http://192.0.2.1", ";allowinsecure=true"), json!({})),
        ("in the clear", line("http://lnbits.example", ""), json!({})),
        ("must be https", line(loopback, ""), mainnet),
        (
            "must be https",
            direct(format!("type=lnbits;server=http://10.0.0.9:5000;allowinsecure=true;api-key={KEY}")),
            json!({}),
        ),
        ("certthumbprint", line("https://lnbits.example", &pin), json!({})),
        ("services.articles.payee", line(loopback, ""), payee),
        ("colour", line(loopback, &format!(";colour={KEY}")), json!({})),
        ("api-key", direct(format!("type=lnbits;server={loopback}")), json!({})),
        ("connection string", direct(KEY.to_owned()), json!({})),
    ];
    for (says, vars, policy) in cases {
        let (worker, origin) = worker(vars, policy, true);
        let get = |path: &str| http::get(&format!("http://{}{path}", worker.address()), &[]);
        let refused = get(PAGE);
        // Of mainnet this host is none; there it is a 421, and no challenge either.
        assert!(matches!(refused.status, 503 | 421), "{says}: {}", refused.status);
        assert_eq!(refused.header("www-authenticate"), None, "{says}");
        let line = eventually(says, || {
            worker.log().into_iter().find(|line| line.contains("not-ready") && line.contains(says))
        });
        assert!(!line.contains(KEY), "T120: {line}");
        let health = get("/.well-known/satstile/health");
        assert!(health.status != 200, "{says}: {}", health.text());
        assert_eq!(origin.seen().len(), 0, "{says}");
    }
}

/// T127: what is right is not called wrong. `RELAY_SECRETS` is nobody's then, and need not be there.
#[test]
fn a_back_end_that_can_be_used_needs_no_relay_secrets() {
    for line in [
        format!("type=lnbits;server=http://127.0.0.1:9;api-key={KEY}"),
        format!("type=lnbits;server=https://lnbits.example/;api-key={KEY}"),
        format!("type=zbd;api-key={KEY}"),
        "type=lnaddress;address=me@shop.example".to_owned(),
    ] {
        for relay_secrets in [false, true] {
            let (worker, _origin) = worker(json!({"NODE_URL": "", "BACKEND": line}), json!({}), relay_secrets);
            let health = http::get(&format!("http://{}/.well-known/satstile/health", worker.address()), &[]);
            assert_eq!(health.json(), json!({"status": "ok"}), "{line}: {:?}", worker.log());
        }
    }
}
