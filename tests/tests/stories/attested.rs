//! Payments that the node attests without a preimage: what its word opens where the policy takes it, and what it does
//! not (C5, T20, T62, T67). The node of these stories signs its messages like any other, and never tells a preimage
//! unless a story says so.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use l402::relay::{InvoiceSettled, InvoiceState, InvoiceStatus, RelayCall};
use l402::token::ATTESTED;
use satstile_tests::raw::Response;
use satstile_tests::{Secrets, Stack, http};
use serde_json::{Value, json};

use crate::common::fake_node::{FakeNode, Made, keeping_stack, push};
use crate::common::{Offer, after_the_409s, ask, attenuate, eventually, get_with, now, plenty, seen};

const PAGE: &str = "/articles/1";
const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// What the node answers when it is asked about its newest invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Pending,
    Settled,
    /// For one msat less than was asked.
    SettledForLess,
    /// With the preimage, after all.
    Proven,
}

/// A stack whose node says what the story wants.
struct Shop {
    stack: Stack,
    node: FakeNode,
    word: Arc<Mutex<Word>>,
    made: Arc<Mutex<Vec<Made>>>,
}

impl Shop {
    /// `articles` and `api` take the node's word, or do not.
    fn open(allow_attested: bool) -> Self {
        let word = Arc::new(Mutex::new(Word::Pending));
        let says = Arc::clone(&word);
        let (stack, node, made) = keeping_stack(policy(allow_attested), move |made, line| {
            let word = *says.lock().unwrap_or_else(PoisonError::into_inner);
            line.signed(200, &made.map(|made| reply(made, word)).unwrap_or_default())
        });
        Self { stack, node, word, made }
    }

    fn says(&self, word: Word) {
        *self.word.lock().unwrap() = word;
    }

    /// An offer, and what the node knows about it.
    #[track_caller]
    fn offer(&self, path: &str) -> (Offer, Made) {
        let offer = ask(&self.stack, path);
        let made = self.made.lock().unwrap().last().cloned().unwrap();
        (offer, made)
    }

    /// The push for the newest invoice, without its preimage.
    fn settlement(&self, made: &Made) -> InvoiceSettled {
        InvoiceSettled { preimage: None, ..made.settlement(&self.node.last_create().0) }
    }

    /// An offer that the node calls settled, and the credential that status hands out for it.
    #[track_caller]
    fn buy(&self, path: &str) -> (Offer, Made, String) {
        let (offer, made) = self.offer(path);
        assert_eq!(push(&self.stack, self.settlement(&made)).status, 200);
        let credential = credential(&told(&self.stack, &offer.macaroon));
        (offer, made, credential)
    }

    fn orders(&self) -> usize {
        self.node.calls().iter().filter(|call| matches!(call.call, RelayCall::InvoiceCreate(_))).count()
    }
}

fn policy(allow_attested: bool) -> Value {
    json!({"services": {
        "articles": {"allow_attested": allow_attested},
        "api": {"allow_attested": allow_attested, "uses": 2},
    }})
}

fn reply(made: &Made, word: Word) -> Vec<u8> {
    match word {
        Word::Pending => return made.pending(),
        Word::Proven => return made.settled(),
        Word::Settled | Word::SettledForLess => {}
    }
    let amount = made.amount_msat - u64::from(word == Word::SettledForLess);
    let (status, settled_at) = (InvoiceState::Settled, Some(now()));
    InvoiceStatus { status, amount_msat: Some(amount), preimage: None, settled_at, received_msat: None }.to_body()
}

fn poll(stack: &Stack, macaroon: &str) -> Response {
    let authorization = format!("L402 {macaroon}");
    http::post(&stack.url("/.well-known/satstile/status"), &[("authorization", &authorization)], b"")
}

/// The answer once the limit of one a second is past.
#[track_caller]
fn told(stack: &Stack, macaroon: &str) -> Value {
    let mut answer = poll(stack, macaroon);
    while answer.status == 429 {
        std::thread::sleep(Duration::from_millis(300));
        answer = poll(stack, macaroon);
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// `L402 <token>:<preimage>` as any client puts it together: the token that was handed out replaces its macaroon.
#[track_caller]
fn credential(told: &Value) -> String {
    assert_eq!(told["status"], "settled", "{told}");
    let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("no {name} in {told}"));
    format!("L402 {}:{}", text("token"), text("preimage"))
}

fn halves(credential: &str) -> (&str, &str) {
    credential.strip_prefix("L402 ").and_then(|pair| pair.split_once(':')).unwrap()
}

fn visit(stack: &Stack, cookies: &str) -> Response {
    let headers = [("accept", BROWSER), ("cookie", cookies)];
    http::get(&stack.url(PAGE), &headers[..1 + usize::from(!cookies.is_empty())])
}

/// `name=value` of a cookie that was set.
#[track_caller]
fn cookie(response: &Response, name: &str) -> String {
    let all = response.all("set-cookie");
    let line = all.iter().find(|line| line.starts_with(&format!("{name}=")));
    line.and_then(|line| line.split(';').next()).unwrap_or_else(|| panic!("no {name} in {all:?}")).to_owned()
}

/// The whole way of a program: 402, pay, poll, use. And no log ever shows what opens the door (T120).
#[test]
fn a_client_that_polls_gets_a_token_that_opens_the_door() {
    let shop = Shop::open(true);
    let stack = &shop.stack;
    let (offer, made) = shop.offer(PAGE);
    let pending = told(stack, &offer.macaroon);
    assert_eq!(
        (&pending["status"], &pending["token"], &pending["preimage"]),
        (&json!("pending"), &Value::Null, &Value::Null)
    );

    shop.says(Word::Settled);
    let settled = eventually("the look-up", || Some(told(stack, &offer.macaroon)).filter(|t| t["status"] == "settled"));
    let credential = credential(&settled);
    let (token, attestation) = halves(&credential);
    assert_eq!(token, attenuate(&offer.macaroon, &[ATTESTED]), "the buyer's own token, and one caveat more");
    assert_ne!(attestation, made.preimage.expose_hex());
    for _ in 0..2 {
        assert_eq!(get_with(stack, PAGE, &credential).status, 200);
    }
    assert_eq!(seen(stack), [PAGE, PAGE]);
    // It is told again, the same, also to who asks with the token that was handed out.
    for macaroon in [&offer.macaroon, token] {
        let again = told(stack, macaroon);
        assert_eq!((again["token"].as_str(), again["preimage"].as_str()), (Some(token), Some(attestation)));
    }
    assert_eq!(shop.orders(), 1, "nothing was sold twice");
    let shown = stack.log().into_iter().find(|line| line.contains(attestation) || line.contains(token));
    assert_eq!(shown, None);
}

/// T20, T3: neither half does alone, nor with another's; each gets a fresh 402 and reaches nobody.
#[test]
fn nothing_less_than_both_halves_opens_it() {
    let shop = Shop::open(true);
    let stack = &shop.stack;
    let (offer, made, credential) = shop.buy(PAGE);
    let (token, attestation) = halves(&credential);
    let (other_offer, _, other) = shop.buy(PAGE);
    let (other_token, other_attestation) = halves(&other);
    let (unpaid, _) = shop.offer(PAGE);
    let claimed = attenuate(&unpaid.macaroon, &[ATTESTED]);
    for (token, half) in [
        (offer.macaroon.as_str(), attestation),
        (claimed.as_str(), attestation),
        (claimed.as_str(), &"00".repeat(32)),
        (token, other_attestation),
        (other_token, attestation),
        (token, &"00".repeat(32)),
        (token, &made.payment_hash.to_string()),
        (token, &made.preimage.expose_hex()),
        (&attenuate(token, &[ATTESTED]), attestation),
    ] {
        let before = shop.orders();
        let fresh = Offer::read(get_with(stack, PAGE, &format!("L402 {token}:{half}")));
        assert!(fresh.payment_hash != offer.payment_hash && fresh.payment_hash != other_offer.payment_hash);
        assert_eq!(shop.orders(), before + 1, "a fresh invoice");
    }
    // Another service is another purchase.
    assert_eq!(get_with(stack, "/api/echo", &credential).status, 402);
    assert_eq!(seen(stack), [""; 0]);
    assert_eq!(get_with(stack, PAGE, &credential).status, 200);
    // T62: a delegate's token asks for nothing, though it opens what it was narrowed to.
    let narrowed = attenuate(token, &["satstile_methods=GET"]);
    assert_eq!(poll(stack, &narrowed).status, 404);
    assert_eq!(get_with(stack, PAGE, &format!("L402 {narrowed}:{attestation}")).status, 200);
}

/// Never without the node's word, and never for less than the price (T66).
#[test]
fn a_node_that_says_less_than_settled_attests_nothing() {
    let shop = Shop::open(true);
    let (offer, made) = shop.offer(PAGE);
    let short = InvoiceSettled { amount_msat: made.amount_msat - 1, ..shop.settlement(&made) };
    assert_eq!(push(&shop.stack, short).status, 409);
    for word in [Word::Pending, Word::SettledForLess] {
        shop.says(word);
        let calls = shop.node.calls().len();
        let body = eventually("the look-up", || {
            Some(told(&shop.stack, &offer.macaroon)).filter(|_| shop.node.calls().len() > calls)
        });
        assert_eq!(
            (&body["status"], &body["token"], &body["preimage"]),
            (&json!("pending"), &Value::Null, &Value::Null)
        );
    }
    // A buyer who claims it is told the same.
    let claimed = told(&shop.stack, &attenuate(&offer.macaroon, &[ATTESTED]));
    assert_eq!((&claimed["status"], &claimed["token"]), (&json!("pending"), &Value::Null));
    assert_eq!(seen(&shop.stack), [""; 0]);
}

/// Off unless the operator says so: the payment is seen, and opens nothing to who has no preimage.
#[test]
fn a_service_that_does_not_take_the_nodes_word_hands_out_nothing() {
    let shop = Shop::open(false);
    let stack = &shop.stack;
    let (offer, made) = shop.offer(PAGE);
    assert_eq!(push(stack, shop.settlement(&made)).status, 200);
    let settled = told(stack, &offer.macaroon);
    assert_eq!(settled["status"], "settled");
    assert_eq!((&settled["token"], &settled["preimage"]), (&Value::Null, &Value::Null));
    assert_eq!(poll(stack, &attenuate(&offer.macaroon, &[ATTESTED])).status, 404);
    // Nor does what a sister with another policy handed out: same keys, same payment.
    let keys = l402::Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let token = l402::token::UnverifiedToken::parse(&offer.macaroon).unwrap().verify(&keys).unwrap();
    let (token, attestation) = token.attest(&keys).unwrap();
    let credential = format!("L402 {}:{}", token.to_wire(), attestation.expose_hex());
    let fresh = Offer::read(get_with(stack, PAGE, &credential));
    assert_ne!(fresh.payment_hash, offer.payment_hash);
    for door in ["pass", "handover"] {
        let url = stack.url(&format!("/.well-known/satstile/{door}"));
        assert_eq!(http::post(&url, &[("authorization", &credential)], PAGE.as_bytes()).status, 404, "{door}");
    }
    assert_eq!(seen(stack), [""; 0]);
    // Who paid from a wallet that tells its preimage gets in.
    let proven = format!("L402 {}:{}", offer.macaroon, made.preimage.expose_hex());
    assert_eq!(get_with(stack, PAGE, &proven).status, 200);
}

/// T67: told first without its preimage and then with it, a payment is one payment, and status tells the preimage.
#[test]
fn a_preimage_that_comes_later_is_told_instead() {
    let shop = Shop::open(true);
    let stack = &shop.stack;
    let (offer, made, credential) = shop.buy(PAGE);
    let proven = InvoiceSettled { preimage: Some(made.preimage.clone()), ..shop.settlement(&made) };
    assert_eq!(push(stack, proven.clone()).json()["status"], "known");
    let told_now = told(stack, &offer.macaroon);
    assert_eq!((&told_now["preimage"], &told_now["token"]), (&json!(made.preimage.expose_hex()), &Value::Null));
    // Never both: who asks with the attested token is told what goes with that.
    let (token, attestation) = halves(&credential);
    let told_then = told(stack, token);
    assert_eq!((told_then["token"].as_str(), told_then["preimage"].as_str()), (Some(token), Some(attestation)));
    // And what was bought by either half stays bought.
    for credential in [credential.clone(), format!("L402 {}:{}", offer.macaroon, made.preimage.expose_hex())] {
        assert_eq!(get_with(stack, PAGE, &credential).status, 200);
    }
    // Told once more without it, nothing is forgotten; for another amount, nothing is believed.
    assert_eq!(push(stack, shop.settlement(&made)).json()["status"], "known");
    assert_eq!(told(stack, &offer.macaroon)["preimage"], json!(made.preimage.expose_hex()));
}

/// The same by look-up: the word first, the proof when the node has found it.
#[test]
fn a_node_that_finds_the_preimage_is_asked_until_it_has() {
    let shop = Shop::open(true);
    let (offer, made, _) = shop.buy(PAGE);
    shop.says(Word::Proven);
    let proven = eventually("the proof", || Some(told(&shop.stack, &offer.macaroon)).filter(|t| t["token"].is_null()));
    assert_eq!(proven["preimage"], json!(made.preimage.expose_hex()));
}

/// C4: both halves name one purchase, so a count is one count.
#[test]
fn uses_are_counted_once_whichever_half_redeems_them() {
    let shop = Shop::open(true);
    let stack = &shop.stack;
    let (offer, made, credential) = shop.buy("/api/echo");
    assert_eq!(get_with(stack, "/api/echo", &credential).status, 200);
    let by_preimage = format!("L402 {}:{}", offer.macaroon, made.preimage.expose_hex());
    assert_eq!(after_the_409s(stack, "/api/echo", &by_preimage).status, 200);
    for spent in [&credential, &by_preimage] {
        assert_eq!(after_the_409s(stack, "/api/echo", spent).status, 402);
    }
    assert_eq!(seen(stack), ["/api/echo", "/api/echo"]);
}

/// C6: a phone pays, and the browser beside it opens, without JavaScript; the cookie holds both halves.
#[test]
fn a_browser_that_waits_is_let_in() {
    let shop = Shop::open(true);
    let stack = &shop.stack;
    let page = visit(stack, "");
    let wait = cookie(&page, "__Host-satstile-wait-articles");
    assert_eq!(visit(stack, &wait).status, 402);
    let made = shop.made.lock().unwrap().last().cloned().unwrap();
    assert_eq!(push(stack, shop.settlement(&made)).status, 200);
    let opened = visit(stack, &wait);
    assert_eq!((opened.status, opened.header("location")), (303, Some(PAGE)));
    let pass = cookie(&opened, "__Host-satstile-pass-articles");
    assert_eq!(cookie(&opened, "__Host-satstile-wait-articles"), "__Host-satstile-wait-articles=");
    assert!(!pass.contains(&made.preimage.expose_hex()));
    assert_eq!(visit(stack, &pass).status, 200);
    assert_eq!(seen(stack), [PAGE]);
    assert_eq!(shop.orders(), 1);
}

/// The nearest no: a browser at a service that does not take the word waits on, with the same invoice.
#[test]
fn a_browser_waits_on_where_the_word_is_not_taken() {
    let shop = Shop::open(false);
    let stack = &shop.stack;
    let wait = cookie(&visit(stack, ""), "__Host-satstile-wait-articles");
    let made = shop.made.lock().unwrap().last().cloned().unwrap();
    assert_eq!(push(stack, shop.settlement(&made)).status, 200);
    let again = visit(stack, &wait);
    assert_eq!((again.status, again.header("set-cookie")), (402, None));
    assert_eq!((shop.orders(), seen(stack).len()), (1, 0));
}

/// C6: what a script was handed becomes a cookie, and a link to another device.
#[test]
fn an_attested_purchase_moves_to_a_cookie_and_to_another_device() {
    let shop = Shop::open(true);
    let stack = &shop.stack;
    let (_, _, credential) = shop.buy(PAGE);
    let own = |door: &str, body: &str| {
        let headers = [("authorization", credential.as_str()), ("content-type", "text/plain")];
        http::post(&stack.url(&format!("/.well-known/satstile/{door}")), &headers, body.as_bytes())
    };
    let held = own("pass", "");
    assert_eq!(held.status, 204);
    let pass = cookie(&held, "__Host-satstile-pass-articles");
    assert_eq!(visit(stack, &pass).status, 200);
    let link = own("handover", PAGE);
    assert_eq!(link.status, 200, "{}", link.text());
    let url = link.json()["url"].as_str().unwrap().to_owned();
    let there = http::post(&url, &[], b"");
    assert_eq!((there.status, there.header("location")), (303, Some(PAGE)));
    assert_eq!(visit(stack, &cookie(&there, "__Host-satstile-pass-articles")).status, 200);
    // Once.
    assert_eq!(http::post(&url, &[], b"").status, 404);
}

/// T15: a master that is retired attests nothing new, and what it attested is sold anew.
#[test]
fn a_retired_key_attests_nothing() {
    let shop = Shop::open(true);
    let stack = &shop.stack;
    let (offer, made, credential) = shop.buy(PAGE);
    let new = Secrets::random().master_keys.split_once(':').unwrap().1.to_owned();
    let old = stack.secrets.master_keys.split_once(':').unwrap();
    let secrets = Secrets { master_keys: format!("9:{new},{}!:{}", old.0, old.1), ..stack.secrets.clone() };
    let rotated = sister_of(&shop, secrets);
    let url = |path: &str| format!("http://{}{path}", rotated.address());
    let fresh = Offer::read(http::get(&url(PAGE), &[("authorization", &credential)]));
    assert_ne!(fresh.payment_hash, offer.payment_hash);
    let id = shop.node.calls().into_iter().find_map(|call| match call.call {
        RelayCall::InvoiceCreate(_) => Some(call.id),
        _ => None,
    });
    let settled = InvoiceSettled { preimage: None, ..made.settlement(&id.unwrap()) };
    let body = RelayCall::InvoiceSettled(settled).to_body();
    assert_eq!(
        crate::common::relay(&stack.secrets, &url("/.well-known/satstile/settlements"), "again", &body).status,
        200
    );
    let authorization = format!("L402 {}", offer.macaroon);
    let told = http::post(&url("/.well-known/satstile/status"), &[("authorization", &authorization)], b"").json();
    assert_eq!((&told["status"], &told["token"], &told["preimage"]), (&json!("settled"), &Value::Null, &Value::Null));
    assert_eq!(seen(stack), [""; 0]);
}

/// Another worker before the same origin and node, with other secrets.
fn sister_of(shop: &Shop, secrets: Secrets) -> satstile_tests::Workerd {
    let mut policy = plenty(policy(true)).policy;
    policy["origin"] = shop.stack.origin.url().into();
    let vars = json!({"NODE_URL": shop.node.url()});
    satstile_tests::Workerd::start(satstile_tests::WorkerdOptions {
        policy,
        vars,
        secrets,
        ..satstile_tests::WorkerdOptions::default()
    })
}
