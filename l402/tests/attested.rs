//! Tokens that were paid by the word of the node, without a preimage (C5): what the edge's attestation opens, and
//! each nearest thing that it does not.

use l402::caveat;
use l402::decide::{Proof, Quote};
use l402::encoding::to_base64;
use l402::identifier::Identifier;
use l402::token::{ATTESTED, Token, UnverifiedToken};
use l402::{Decision, Denial, Keys, Policy, Preimage, Request, UnixTime, decide};

const NOW: UnixTime = UnixTime(1_900_000_000);
/// What the node never tells in these stories.
const PREIMAGE: Preimage = Preimage::new([0x11; 32]);

/// `word` and `counted` take the node's word, `strict` does not.
fn policy() -> Policy {
    Policy::from_json(
        r#"{"version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
            "services": {
              "word": {"price_msat": 21000, "valid_s": 3600, "allow_attested": true, "routes": [{"path": "/word/*"}]},
              "counted": {"price_msat": 21000, "valid_s": 3600, "uses": 2, "allow_attested": true,
                          "routes": [{"path": "/counted/*"}]},
              "strict": {"price_msat": 21000, "valid_s": 3600, "allow_attested": false,
                         "routes": [{"path": "/strict/*"}]}}}"#,
    )
    .unwrap()
}

fn random(seed: u8) -> String {
    to_base64(&(0..32u8).map(|i| i.wrapping_mul(37) ^ seed.wrapping_mul(59)).collect::<Vec<_>>())
}

fn ring(masters: &str) -> Keys {
    Keys::parse(masters, &random(9)).unwrap()
}

fn keys() -> Keys {
    ring(&format!("1:{}", random(1)))
}

/// A token as the worker mints it. `seed` makes it another of the same payment.
fn minted(service: &str, seed: u8) -> Token {
    let policy = policy();
    let service = policy.service_named(service).unwrap();
    let route = policy.routes.iter().find(|r| r.pattern == format!("/{}/*", service.id)).unwrap();
    let caveats = caveat::minted(&policy, service, route, NOW.plus(service.valid_s));
    Token::mint(&keys(), Identifier::new(PREIMAGE.payment_hash(), 1, [seed; 31]), &caveats).unwrap()
}

/// The two halves that the edge hands out for it.
fn attested(service: &str) -> (String, String) {
    let (token, attestation) = minted(service, 7).attest(&keys()).unwrap();
    (token.to_wire(), attestation.expose_hex())
}

fn narrowed(token: &str, caveats: &[&str]) -> String {
    let token = UnverifiedToken::parse(token).unwrap();
    caveats.iter().try_fold(token, |token, caveat| token.attenuate(caveat)).unwrap().to_wire()
}

/// What a GET of `/<service>/1` comes to: a word, and the reason to charge.
#[track_caller]
fn outcome(keys: &Keys, service: &str, token: &str, half: &str) -> Result<&'static str, Denial> {
    let url = format!("http://localhost:8787/{service}/1");
    let headers = format!("authorization:L402 {token}:{half}");
    let request = Request { method: "GET", url: &url, headers: &headers, has_body: false };
    match decide(&policy(), keys, &request, NOW) {
        Decision::Paid(_) => Ok("paid"),
        Decision::Claim(claim) => match claim.proof {
            Proof::L402(paid) => {
                // State is kept under the payment, whichever half proved it.
                assert_eq!(paid.payment_hash, PREIMAGE.payment_hash());
                Ok("claim")
            }
            other @ Proof::Payment(_) => panic!("{other:?}"),
        },
        Decision::Charge(Quote { reason: Some(denial), .. }) => Err(denial),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(service: &str, token: &str, half: &str, expected: Result<&'static str, Denial>) {
    assert_eq!(outcome(&keys(), service, token, half), expected);
}

#[test]
fn the_edges_word_opens_the_service_that_takes_it() {
    let (token, attestation) = attested("word");
    check("word", &token, &attestation, Ok("paid"));
    // Nothing about it depends on a preimage, and it is none.
    assert_ne!(Preimage::from_hex(&attestation).unwrap().payment_hash(), PREIMAGE.payment_hash());
    let (token, attestation) = attested("counted");
    check("counted", &token, &attestation, Ok("claim"));
}

#[test]
fn it_opens_no_other_service_and_none_that_does_not_take_it() {
    let (token, attestation) = attested("word");
    check("counted", &token, &attestation, Err(Denial::OtherService));
    check("strict", &token, &attestation, Err(Denial::OtherService));
    let (token, attestation) = attested("strict");
    check("strict", &token, &attestation, Err(Denial::AttestedOnly));
    // The same purchase with its preimage is as good as ever.
    check("strict", &minted("strict", 7).to_wire(), &PREIMAGE.expose_hex(), Ok("paid"));
}

/// T20: whoever adds the caveat has gained nothing, and the attestation proves nothing without it.
#[test]
fn the_caveat_alone_and_the_attestation_alone_open_nothing() {
    let (_, attestation) = attested("word");
    let unpaid = minted("word", 7).to_wire();
    let claimed = narrowed(&unpaid, &[ATTESTED]);
    for guess in ["00".repeat(32), PREIMAGE.payment_hash().to_string(), "11".repeat(31) + "12"] {
        check("word", &claimed, &guess, Err(Denial::WrongPreimage));
    }
    check("word", &unpaid, &attestation, Err(Denial::WrongPreimage));
    check("word", &unpaid, &PREIMAGE.expose_hex(), Ok("paid"));
    // The caveat makes the one form of the other: a preimage is no attestation.
    check("word", &claimed, &PREIMAGE.expose_hex(), Err(Denial::WrongPreimage));
    // Said twice, it is not what the edge says.
    let twice = narrowed(&claimed, &[ATTESTED]);
    check("word", &twice, &attestation, Err(Denial::WrongPreimage));
    check("word", &twice, &PREIMAGE.expose_hex(), Err(Denial::WidenedCaveat));
}

/// T17: every bit of it counts, and it is of one token alone.
#[test]
fn an_attestation_for_one_token_is_junk_for_another() {
    let (token, attestation) = attested("word");
    for (place, digit) in attestation.char_indices() {
        let other = if digit == '0' { "1" } else { "0" };
        let mut flipped = attestation.clone();
        flipped.replace_range(place..=place, other);
        check("word", &token, &flipped, Err(Denial::WrongPreimage));
    }
    // Another token of the very same invoice.
    let (sister, _) = minted("word", 8).attest(&keys()).unwrap();
    check("word", &sister.to_wire(), &attestation, Err(Denial::WrongPreimage));
    check("word", &format!("{token},{}", sister.to_wire()), &attestation, Err(Denial::WrongPreimage));
    // Nor does it carry a token that its preimage would not.
    check("word", &format!("{token},{}", minted("word", 7).to_wire()), &attestation, Err(Denial::WrongPreimage));
}

#[test]
fn a_delegate_gets_less_and_never_more_t10() {
    let (token, attestation) = attested("word");
    let shorter = format!("word_valid_until={}", NOW.0 + 60);
    check("word", &narrowed(&token, &[&shorter, "satstile_methods=GET"]), &attestation, Ok("paid"));
    check("word", &narrowed(&token, &["satstile_uses=1"]), &attestation, Ok("claim"));
    check("word", &narrowed(&token, &[&format!("word_valid_until={}", NOW.0)]), &attestation, Err(Denial::Expired));
    check("word", &narrowed(&token, &["word_valid_until=1900009999"]), &attestation, Err(Denial::WidenedCaveat));
    check("word", &narrowed(&token, &["satstile_uses=2", "satstile_uses=3"]), &attestation, Err(Denial::WidenedCaveat));
}

/// T15: an attestation is of the master that minted, and ends with it.
#[test]
fn a_retired_master_attests_nothing_and_what_it_attested_is_charged_anew() {
    let (token, attestation) = attested("word");
    let rotated = ring(&format!("2:{},1:{}", random(2), random(1)));
    assert_eq!(outcome(&rotated, "word", &token, &attestation), Ok("paid"));
    let retired = ring(&format!("2:{},1!:{}", random(2), random(1)));
    assert_eq!(outcome(&retired, "word", &token, &attestation), Err(Denial::KeyRetired));
    let old = UnverifiedToken::parse(&minted("word", 7).to_wire()).unwrap().verify(&retired).unwrap();
    assert!(old.is_retired && old.attest(&retired).is_none());
    // A master that is no longer there says nothing at all.
    let gone = ring(&format!("2:{}", random(2)));
    let unread = UnverifiedToken::parse(&minted("word", 7).to_wire()).unwrap().verify(&keys()).unwrap();
    assert!(unread.attest(&gone).is_none());
}

#[test]
fn it_is_handed_out_the_same_however_often_it_is_asked_for() {
    let (token, attestation) = attested("word");
    let known = UnverifiedToken::parse(&token).unwrap().verify(&keys()).unwrap();
    let (again, half) = known.attest(&keys()).unwrap();
    assert_eq!((again.to_wire(), half.expose_hex()), (token.clone(), attestation));
    assert_eq!(again.caveats().filter(|caveat| *caveat == ATTESTED.as_bytes()).count(), 1);
    // The buyer's own token, and one caveat more.
    assert_eq!(token, narrowed(&minted("word", 7).to_wire(), &[ATTESTED]));
}

/// T120: what a log could show of it lets nobody in.
#[test]
fn an_attestation_does_not_print() {
    let (token, attestation) = minted("word", 7).attest(&keys()).unwrap();
    let shown = format!("{token:?} {attestation:?}");
    assert!(!shown.contains(&attestation.expose_hex()[..16]) && !shown.contains(&token.to_wire()[..16]), "{shown}");
}
