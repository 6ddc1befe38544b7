//! What Lightning nodes and wallets answer (T55, T66): whatever it is, nobody panics, and nobody is let in by it.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use bolero::check;
use l402::{Msat, PaymentHash, bolt11};
use satstile_fuzz::Input;
use satstile_lightning::backend::{cln::Cln, lnd::Lnd, phoenixd::Phoenixd};
use satstile_lightning::{BackendFault, Connection, HttpReply, Invoice, Order, Status, Step, Watched};

/// A connection string; the replies that make an invoice; where the state stands in JSON, and how "settled" is written.
const KINDS: &[(&str, &[&str], &str, &str)] = &[
    ("type=lnd-rest;server=https://node.test:8080;macaroon=0201036c6e64", &["created"], "/state", "\"SETTLED\""),
    ("type=clnrest;server=https://node.test:3010;rune=rune", &["created"], "/invoices/0/status", "\"paid\""),
    ("type=phoenixd;password=word", &["created"], "/isPaid", "true"),
    ("type=lnbits;server=https://lnbits.test;api-key=key", &["created"], "/paid", "true"),
    ("type=btcpay;server=https://pay.test;store-id=store;api-key=key", &["created"], "/status", "\"Paid\""),
    ("type=lnaddress;address=alice@shop.test", &["lnurlp", "created"], "/settled", "true"),
    ("type=blink;api-key=key;wallet-id=wallet", &["created"], "/data/lnInvoicePaymentStatusByHash/status", "\"PAID\""),
    ("type=strike;api-key=key", &["created", "quote"], "/state", "\"PAID\""),
    ("type=opennode;api-key=key", &["created"], "/data/status", "\"paid\""),
    ("type=zbd;api-key=key", &["created"], "/data/status", "\"completed\""),
];

const ORDER: Order<'_> = Order { amount: Msat(21_000), description: "An article", expiry_s: 600, label: "order-1" };

/// One kind and all of its golden replies.
struct Cast {
    connection: Connection,
    making: Vec<HttpReply>,
    made: Invoice,
    replies: Vec<Vec<u8>>,
    state: &'static str,
    settled: &'static str,
}

impl Cast {
    /// The engine runs targets in `catch_unwind`; nothing in here changes.
    fn all() -> AssertUnwindSafe<Vec<Self>> {
        AssertUnwindSafe(
            KINDS.iter().map(|(text, making, state, settled)| Self::of(text, making, state, settled)).collect(),
        )
    }

    fn of(text: &str, making: &[&str], state: &'static str, settled: &'static str) -> Self {
        let connection = Connection::parse(text).unwrap();
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../lightning/tests/golden").join(connection.backend.kind());
        let read = |name: &str| HttpReply::new(200, fs::read(folder.join(name).with_extension("json")).unwrap());
        let making: Vec<HttpReply> = making.iter().map(|name| read(name)).collect();
        let Ok(Step::Done(made)) = connection.backend.create(&ORDER, &making) else { panic!("{text}") };
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let replies = files.iter().map(|file| fs::read(file).unwrap()).collect();
        Self { connection, making, made, replies, state, settled }
    }

    /// A reply that is near a golden one, with the status it might have.
    fn near(&self, input: &Input) -> HttpReply {
        let samples: Vec<&[u8]> = self.replies.iter().map(Vec::as_slice).collect();
        let status =
            [200, 200, 200, 201, 204, 302, 400, 401, 404, 429, 500, 503][usize::try_from(input.chance % 12).unwrap()];
        HttpReply::new(status, input.near(&samples))
    }

    fn watched(&self) -> Watched<'_> {
        Watched { payment_hash: self.made.payment_hash, amount: ORDER.amount, reference: &self.made.reference }
    }

    /// What a reply may lead to.
    fn judge_made(&self, step: Result<Step<Invoice>, BackendFault>) {
        match step {
            Ok(Step::Done(invoice)) => {
                let read = bolt11::Invoice::parse(&invoice.bolt11).unwrap();
                assert_eq!((read.amount, read.payment_hash), (Some(ORDER.amount), invoice.payment_hash));
                let watched = Watched { reference: &invoice.reference, ..self.watched() };
                let Ok(Step::Ask(request)) = self.connection.backend.status(&watched, &[]) else {
                    panic!("{invoice:?}")
                };
                self.judge_url(&request.url);
            }
            Ok(Step::Ask(request)) => self.judge_url(&request.url),
            Err(_) => (),
        }
    }

    /// Requests stay at the place that the operator named.
    fn judge_url(&self, url: &str) {
        let rest = url.strip_prefix(&self.connection.place);
        let below = url.strip_prefix("https://").and_then(|url| url.split(['/', '?', '#', ':', '@', '\\']).next());
        let is_own = rest.is_some_and(|rest| rest.starts_with(['/', '?']))
            || (self.connection.backend.kind() == "lnaddress"
                && below.is_some_and(|host| {
                    host.eq_ignore_ascii_case("shop.test") || host.to_lowercase().ends_with(".shop.test")
                }));
        assert!(is_own && !url.contains("/../") && url.is_ascii(), "{url}");
    }

    fn judge_status(&self, reply: &HttpReply) {
        let step = self.connection.backend.status(&self.watched(), std::slice::from_ref(reply));
        let Ok(Step::Done(Status::Settled { amount, preimage, .. })) = step else {
            assert!(!matches!(step, Ok(Step::Ask(_))), "one reply is enough");
            return;
        };
        assert!((200..300).contains(&reply.status));
        let body = l402::json::parse(&reply.unverified_body).unwrap();
        assert_eq!(body.pointer(self.state).map(ToString::to_string).as_deref(), Some(self.settled));
        assert!(amount >= ORDER.amount);
        assert!(preimage.is_none_or(|preimage| preimage.payment_hash() == self.made.payment_hash));
    }
}

#[test]
fn create() {
    let cast = Cast::all();
    check!().with_type::<(Input, Input)>().for_each(|(first, second)| {
        for of in cast.iter() {
            let backend = &of.connection.backend;
            let near = of.near(first);
            of.judge_made(backend.create(&ORDER, std::slice::from_ref(&near)));
            if let [begin, end] = &of.making[..] {
                of.judge_made(backend.create(&ORDER, &[near.clone(), end.clone()]));
                of.judge_made(backend.create(&ORDER, &[begin.clone(), near.clone()]));
                of.judge_made(backend.create(&ORDER, &[near, of.near(second)]));
            }
        }
    });
}

#[test]
fn status() {
    let cast = Cast::all();
    check!().with_type::<Input>().for_each(|input| {
        for of in cast.iter() {
            of.judge_status(&of.near(input));
        }
    });
}

#[test]
fn a_reply_of_one_kind_settles_nothing_at_another() {
    let cast = Cast::all();
    for asked in cast.iter() {
        for told in cast.iter() {
            for reply in &told.replies {
                asked.judge_status(&HttpReply::new(200, reply.clone()));
            }
        }
    }
}

#[test]
fn push() {
    let cast = Cast::all();
    let hashes: Vec<PaymentHash> = cast.iter().map(|of| of.made.payment_hash).collect();
    check!().with_type::<Input>().for_each(|input| {
        for of in cast.iter().take(3) {
            let near = of.near(input);
            let _ = Lnd::parse_line(&near.unverified_body);
            let _ = Cln::parse_wait(&near);
            let _ = Phoenixd::parse_event(&near.unverified_body).map(|hash| hashes.contains(&hash));
        }
    });
}

#[test]
fn connection() {
    let samples: Vec<&str> = KINDS.iter().map(|(text, ..)| *text).collect();
    check!().with_type::<Input>().for_each(|input| {
        let text = input.text_near(&samples);
        match Connection::parse(&text) {
            Ok(connection) => {
                if let Ok(Step::Ask(request)) = connection.backend.create(&ORDER, &[]) {
                    assert!(request.headers.iter().all(|(_, value)| value.bytes().all(|b| (b' '..=b'~').contains(&b))));
                    assert!(request.url.starts_with(&connection.place));
                }
            }
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    });
}
