//! Macaroons made by Go's `gopkg.in/macaroon.v2`, the library of lnd, aperture and lnget (`wire.md` §2).
//!
//! They test the codec and the signature chain, not our policy: `vectors/macaroon_go/main.go` makes them.
#![cfg(feature = "verify")]

use l402::encoding::{base64_any, to_base64};
use l402::token::UnverifiedToken;
use macaroon::{Format, Macaroon, MacaroonKey, Verifier};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    root_key: String,
    identifier: String,
    location: String,
    caveats: Vec<String>,
    signature: String,
    base64: String,
    parent: Option<String>,
}

impl Vector {
    fn bytes(&self) -> Vec<u8> {
        base64_any(&self.base64).unwrap()
    }

    fn macaroon(&self) -> Macaroon {
        Macaroon::deserialize_binary(&self.bytes()).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    fn key(&self) -> MacaroonKey {
        MacaroonKey::generate(&hex::decode(&self.root_key).unwrap())
    }

    fn caveats(&self) -> Vec<Vec<u8>> {
        self.caveats.iter().map(|caveat| hex::decode(caveat).unwrap()).collect()
    }
}

fn vectors() -> Vec<Vector> {
    let file: Vectors = serde_json::from_str(include_str!("vectors/macaroon_go.json")).unwrap();
    assert!(file.vectors.len() >= 30);
    file.vectors
}

fn wire(macaroon: &Macaroon) -> String {
    to_base64(&base64_any(&macaroon.serialize(Format::V2).unwrap()).unwrap())
}

fn holds(macaroon: &Macaroon, key: &MacaroonKey) -> bool {
    let mut verifier = Verifier::default();
    verifier.satisfy_general(|_| true);
    verifier.verify(macaroon, key, &[]).is_ok()
}

#[test]
fn every_macaroon_of_go_is_read_and_written_back_byte_for_byte() {
    for vector in vectors() {
        let macaroon = vector.macaroon();
        assert_eq!(hex::encode(macaroon.identifier()), vector.identifier, "{}", vector.name);
        assert_eq!(macaroon.location().unwrap_or_default(), vector.location, "{}", vector.name);
        assert_eq!(hex::encode(macaroon.signature()), vector.signature, "{}", vector.name);
        let caveats: Vec<_> =
            macaroon.caveats().iter().map(|c| c.as_first_party().unwrap().predicate().to_vec()).collect();
        assert_eq!(caveats, vector.caveats(), "{}", vector.name);
        assert_eq!(wire(&macaroon), vector.base64, "{}", vector.name);
    }
}

#[test]
fn every_signature_of_go_holds_under_its_key_and_no_other() {
    for vector in vectors() {
        assert!(holds(&vector.macaroon(), &vector.key()), "{}", vector.name);
        let mut other = hex::decode(&vector.root_key).unwrap();
        *other.last_mut().unwrap() ^= 1;
        assert!(!holds(&vector.macaroon(), &MacaroonKey::generate(&other)), "{}", vector.name);
        // The bare root key, without the derivation that macaroon-spec.md forgets.
        if let Ok(bare) = <[u8; 32]>::try_from(hex::decode(&vector.root_key).unwrap()) {
            assert!(!holds(&vector.macaroon(), &MacaroonKey::from(bare)), "{}", vector.name);
        }
    }
}

#[test]
fn what_we_make_from_the_same_parts_is_the_same() {
    for vector in vectors() {
        let location = Some(vector.location.as_str()).filter(|location| !location.is_empty());
        let mut macaroon = Macaroon::create(location, &vector.key(), hex::decode(&vector.identifier).unwrap()).unwrap();
        for caveat in vector.caveats() {
            macaroon.add_first_party_caveat(caveat).unwrap();
        }
        assert_eq!(wire(&macaroon), vector.base64, "{}", vector.name);
    }
}

#[test]
fn what_a_holder_adds_offline_is_the_same() {
    let vectors = vectors();
    let mut children = 0;
    for child in vectors.iter().filter(|vector| vector.parent.is_some()) {
        let parent = vectors.iter().find(|vector| Some(&vector.name) == child.parent.as_ref()).unwrap();
        let mut macaroon = parent.macaroon();
        for caveat in child.caveats().into_iter().skip(parent.caveats.len()) {
            macaroon.add_first_party_caveat(caveat).unwrap();
        }
        assert_eq!(wire(&macaroon), child.base64, "{}", child.name);
        children += 1;
    }
    assert_eq!(children, 5);
}

#[test]
fn only_l402_identifiers_make_a_token_of_ours() {
    for vector in vectors() {
        let is_l402 = vector.identifier.len() == 132 && vector.identifier.starts_with("0000");
        let has_room = vector.caveats.len() <= l402::token::CAVEATS_MAX;
        match UnverifiedToken::parse(&vector.base64) {
            Ok(token) => {
                assert!(is_l402 && has_room, "{}", vector.name);
                assert_eq!(token.to_wire(), vector.base64, "{}", vector.name);
            }
            Err(_) => assert!(!is_l402 || !has_room, "{}", vector.name),
        }
    }
}

#[test]
fn a_byte_more_or_less_is_never_the_same_token() {
    for vector in vectors().iter().filter(|vector| vector.identifier.len() == 132) {
        let bytes = vector.bytes();
        assert!(UnverifiedToken::parse(&to_base64(&bytes[..bytes.len() - 1])).is_err(), "{}", vector.name);
        assert!(UnverifiedToken::parse(&to_base64(&[&bytes[..], &[0]].concat())).is_err(), "{}", vector.name);
    }
}
