//! The payer against every form of challenge that was measured in the field (`wire.md` §3), and against bad sellers.
#![cfg(feature = "payer")]

use l402::bolt11::{Bolt11Fault, Network};
use l402::payer::{self, Asked, Limits, Outcome, Paid, Payer, PayerFault, Step};
use l402::{Msat, Preimage, UnixTime};

mod support;

const NOW: UnixTime = UnixTime(1_900_000_000);
const PREIMAGE: [u8; 32] = [0x11; 32];
/// `wire.md` §2, vector 3.
const TOKEN: &str = concat!(
    "AgEEbHNhdAJCAAAC1EmjH7smfI81Lplop54+X8lcG76qUC/WRU695aS+3CIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiAAIO",
    "c2VydmljZXM9YXBpOjAAAhphcGlfdmFsaWRfdW50aWw9MTkwMDAwMDAwMAAABiDDTSooCa4bVOOLzFUCU/G11LPUYWwawfUqzFJmMkvNQA=="
);
const PAYMENT: &str = r#"Payment id="x7Tg", realm="api, example", method="lightning", intent="charge", request="e30", expires="2030-03-17T17:46:40Z""#;

fn invoice() -> String {
    support::invoice(Msat(21_000), &Preimage::new(PREIMAGE), NOW)
}

fn limits() -> Limits {
    Limits { amount_max: Msat(21_000), network: Network::Regtest }
}

fn read(values: &[&str]) -> Result<Step, PayerFault> {
    Payer::new(limits()).response(402, values, NOW)
}

#[track_caller]
fn asked(values: &[&str]) -> Asked {
    match read(values) {
        Ok(Step::Pay(asked)) => asked,
        other => panic!("{values:?}: {other:?}"),
    }
}

#[track_caller]
fn refused(values: &[&str], fault: PayerFault) {
    match read(values) {
        Err(found) => assert_eq!(found, fault, "{values:?}"),
        Ok(step) => panic!("{values:?}: {step:?}"),
    }
}

fn form_c() -> String {
    format!(r#"L402 macaroon="{TOKEN}", invoice="{}", version="0", token="{TOKEN}""#, invoice())
}

fn paid() -> Paid {
    asked(&[&form_c()]).paid(Preimage::new(PREIMAGE)).unwrap()
}

#[test]
fn every_form_of_challenge_is_read() {
    let pr = invoice();
    let a = format!(r#"L402 version="0", token="{TOKEN}", invoice="{pr}""#);
    let b = format!(r#"L402 macaroon="{TOKEN}", invoice="{pr}""#);
    let c2 = format!(r#"L402 version="0", token="{TOKEN}", macaroon="{TOKEN}", invoice="{pr}""#);
    let c = form_c();
    let lsat = format!(r#"LSAT macaroon="{TOKEN}", invoice="{pr}""#);
    let joined = |first: &str, second: &str| format!("{first}, {second}");
    let forms: [(&str, &[&str]); 10] = [
        ("A", &[&a]),
        ("B", &[&b]),
        ("C2", &[&c2]),
        ("C", &[&c]),
        ("D", &[&lsat, &b]),
        ("D joined", &[&joined(&lsat, &b)]),
        ("E", &[&c, PAYMENT]),
        ("EJ", &[&joined(&c, PAYMENT)]),
        ("F", &[PAYMENT, &c]),
        ("FJ", &[&joined(PAYMENT, &c)]),
    ];
    for (name, values) in forms {
        let asked = asked(values);
        assert_eq!(asked.invoice(), pr, "{name}");
        assert_eq!(asked.amount(), Msat(21_000), "{name}");
        assert_eq!(asked.payment_hash(), Preimage::new(PREIMAGE).payment_hash(), "{name}");
        let paid = asked.paid(Preimage::new(PREIMAGE)).unwrap();
        assert_eq!(paid.authorization(), format!("L402 {TOKEN}:{}", "11".repeat(32)), "{name}");
    }
}

fn loosely(values: &[&str], body: &str) -> Option<String> {
    payer::loose::read(values, body.as_bytes()).map(|loose| loose.challenge)
}

/// C8.
#[test]
fn a_careless_challenge_is_written_anew_where_it_can_mean_one_thing_c8() {
    let pr = invoice();
    let meant = format!(r#"L402 macaroon="{TOKEN}", invoice="{pr}""#);
    for value in [
        format!("L402 macaroon={TOKEN}, invoice={pr}"),
        format!("l402 invoice={pr},macaroon={TOKEN}"),
        format!(r#"L402 macaroon="{TOKEN}" invoice="{pr}""#),
        format!("L402 macaroon={TOKEN} invoice={pr} version=0 token={TOKEN}"),
        format!("L402 token={TOKEN}\tinvoice=\"{pr}\""),
        format!("LSAT macaroon={TOKEN}, invoice={pr}, L402 macaroon={TOKEN}, invoice={pr}"),
        format!("{PAYMENT}, Negotiate bm9uY2U=, L402 macaroon={TOKEN} invoice={pr}, Bearer"),
    ] {
        assert_eq!(loosely(&[&value], ""), Some(meant.clone()), "{value}");
        assert!(read(&[&meant]).is_ok());
    }
    let body = format!(r#"{{"macaroon":"{TOKEN}","invoice":"{pr}"}}"#);
    for body in [
        body.clone(),
        format!(r#"{{"error":"pay","l402":{body}}}"#),
        format!(r#"{{"token":"{TOKEN}","macaroon":"{TOKEN}","payment_request":"{pr}","paymentRequest":"{pr}"}}"#),
        format!(r#"{{"token":"{TOKEN}","invoice":"{pr}"}}"#),
    ] {
        assert_eq!(loosely(&[], &body), Some(meant.clone()), "{body}");
        assert_eq!(loosely(&["L402", r#"Bearer realm="x""#], &body), Some(meant.clone()), "{body}");
    }
}

/// C8, the nearest "no" beside each "yes".
#[test]
fn a_careless_challenge_that_could_mean_two_things_is_not_guessed_at_c8() {
    let body = r#"{"macaroon":"AgE=","invoice":"b"}"#;
    for value in [
        "L402 macaroon=AgE=invoice=b",
        "L402 macaroon= AgE= invoice=b",
        "L402 macaroon=AgE= invoice=b invoice=c",
        "L402 macaroon=AgE= invoice=b, token=AgI=",
        "L402 macaroon=AgE= invoice=b, L402 macaroon=AgE= invoice=c",
        "L402 macaroon=AgE= invoice=b version=1",
        "L402 realm=My API macaroon=AgE= invoice=b",
        "L402 macaroon=\"AgE= invoice=b",
        "L402 macaroon='AgE=' invoice='b'",
        "macaroon=AgE= invoice=b",
        "L402 macaroon=AgE=",
        "L402 invoice=b",
        "L402 version=1",
        "L402 a=\"unclosed",
        "L402 AgE=",
    ] {
        assert_eq!(loosely(&[value], body), None, "{value}");
    }
    for body in [
        "",
        "[]",
        r#"{"macaroon":"AgE="}"#,
        r#"{"macaroon":"AgE=","token":"AgI=","invoice":"b"}"#,
        r#"{"macaroon":"AgE=","invoice":"b","payment_request":"c"}"#,
        r#"{"macaroon":"AgE=","invoice":"b","invoice":"b"}"#,
        r#"{"macaroon":"a:b","invoice":"b"}"#,
        r#"{"token":"c2Vzc2lvbg==","invoice":"b"}"#,
        r#"{"a":{"macaroon":"AgE=","invoice":"b"},"b":{"macaroon":"AgE=","invoice":"c"}}"#,
    ] {
        assert_eq!(loosely(&[], body), None, "{body}");
    }
}

#[test]
fn an_old_server_gets_its_old_scheme_back() {
    let asked = asked(&[&format!(r#"lsat macaroon="{TOKEN}", invoice="{}""#, invoice())]);
    assert_eq!(asked.status_authorization(), format!("LSAT {TOKEN}"));
    assert!(asked.paid(Preimage::new(PREIMAGE)).unwrap().authorization().starts_with("LSAT "));
}

#[test]
fn what_is_shown_comes_from_the_invoice() {
    let asked = asked(&[&form_c().replace("L402 ", r#"L402 amount="1", description="free", "#)]);
    assert_eq!(asked.amount(), Msat(21_000));
    assert_eq!(asked.description(), Some("An article"));
    assert_eq!(asked.expires_at(), NOW.plus(600));
}

#[test]
fn another_status_is_not_about_payment() {
    for status in [200, 401, 403, 500] {
        assert!(matches!(Payer::new(limits()).response(status, &[&form_c()], NOW), Ok(Step::Pass)), "{status}");
    }
}

#[test]
fn more_than_the_limit_is_not_paid() {
    let dear = support::invoice(Msat(21_001), &Preimage::new(PREIMAGE), NOW);
    refused(&[&form_c().replace(&invoice(), &dear)], PayerFault::TooDear(Msat(21_001)));
}

#[test]
fn an_expired_foreign_or_broken_invoice_is_not_paid() {
    let mainnet = Limits { network: Network::Mainnet, ..limits() };
    let read = |limits, now| Payer::new(limits).response(402, &[&form_c()], now).unwrap_err();
    assert_eq!(read(mainnet, NOW), PayerFault::WrongNetwork(Network::Regtest));
    assert_eq!(read(limits(), NOW.plus(600)), PayerFault::Expired);
    assert!(matches!(Payer::new(limits()).response(402, &[&form_c()], NOW.plus(599)), Ok(Step::Pay(_))));
    let broken = form_c().replacen("lnbcrt210n", "lnbcrt220n", 1);
    refused(&[&broken], PayerFault::BadInvoice(Bolt11Fault::Bech32));
}

#[test]
fn an_invoice_without_an_amount_is_not_paid() {
    let donation = "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql";
    let mainnet = Limits { network: Network::Mainnet, ..limits() };
    let header = form_c().replace(&invoice(), donation);
    let read = Payer::new(mainnet).response(402, &[&header], UnixTime(1_496_314_658));
    assert_eq!(read.unwrap_err(), PayerFault::NoAmount);
}

#[test]
fn a_challenge_that_could_be_read_in_two_ways_is_refused() {
    refused(&[&format!(r#"{}, invoice="lnbc1""#, form_c())], PayerFault::Unreadable);
    refused(&[&form_c().replace(r#"token="Ag"#, r#"token="Bg"#)], PayerFault::BadToken);
}

#[test]
fn a_token_that_is_no_base64_never_reaches_a_header() {
    for token in ["", "a:b", "AgE= x", "AgE=,AgE="] {
        refused(&[&form_c().replace(TOKEN, token)], PayerFault::BadToken);
    }
}

#[test]
fn without_a_usable_challenge_nothing_is_paid() {
    let pr = invoice();
    refused(&[], PayerFault::NoChallenge);
    refused(&[""], PayerFault::NoChallenge);
    refused(&[PAYMENT], PayerFault::NoChallenge);
    refused(&["Basic realm=x"], PayerFault::NoChallenge);
    refused(&[&format!(r#"L402 macaroon="{TOKEN}""#)], PayerFault::NoChallenge);
    refused(&[&format!(r#"L402 invoice="{pr}""#)], PayerFault::NoChallenge);
    refused(&[&form_c().replace(r#"version="0""#, r#"version="1""#)], PayerFault::NoChallenge);
    refused(&[r#"L402 macaroon="unclosed"#], PayerFault::Unreadable);
}

#[test]
fn a_false_preimage_goes_nowhere_and_loses_nothing() {
    let mut near = PREIMAGE;
    near[31] ^= 1;
    let wrong = asked(&[&form_c()]).paid(Preimage::new(near)).unwrap_err();
    assert_eq!(wrong.to_string(), "the preimage does not hash to the invoice's payment hash");
    assert!(wrong.asked.paid(Preimage::new(PREIMAGE)).is_ok());
}

#[test]
fn a_failing_origin_is_asked_again_with_the_same_credential() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let Outcome::Again(again) = paid().response(status) else { panic!("{status}") };
        assert_eq!(again.authorization(), paid().authorization());
    }
}

#[test]
fn a_rejected_payment_is_not_repeated_unless_asked() {
    for status in [401, 402] {
        let Outcome::Rejected(rejected) = paid().response(status) else { panic!("{status}") };
        assert_eq!(rejected.status, status);
        assert_eq!(rejected.paid().authorization(), paid().authorization());
        assert_eq!(rejected.pay_again(), Payer::new(limits()));
    }
}

#[test]
fn everything_else_was_delivered() {
    for status in [200, 204, 206, 304, 403, 404, 410, 422] {
        let Outcome::Delivered(kept) = paid().response(status) else { panic!("{status}") };
        assert_eq!(kept.authorization(), paid().authorization());
    }
}

#[test]
fn nothing_secret_prints() {
    let shown = format!("{:?} {:?}", asked(&[&form_c()]), paid());
    assert!(!shown.contains("AgEE") && !shown.contains("1111"), "{shown}");
}
