//! Tokens from strangers: one encoding each, and none of them ours.

use bolero::check;
use l402::Keys;
use l402::encoding::{base64_any, to_base64};
use l402::identifier::Identifier;
use l402::token::UnverifiedToken;
use satstile_fuzz::{Input, TOKEN};

#[test]
fn token() {
    let sample = base64_any(TOKEN).unwrap();
    let key = |seed: u8| to_base64(&(0..32_u8).map(|i| i.wrapping_mul(37) ^ seed).collect::<Vec<_>>());
    // The sample's key id is 0x22 = 34.
    let keys = Keys::parse(&format!("34:{}", key(1)), &key(2)).unwrap();
    check!().with_type::<Input>().for_each(|input| {
        let bytes = input.near(&[&sample, &sample[..100]]);
        let Ok(token) = UnverifiedToken::parse(&to_base64(&bytes)) else { return };
        assert_eq!(base64_any(&token.to_wire()), Some(bytes), "one token, one encoding (T5)");
        assert!(token.clone().verify(&keys).is_err(), "forged");
        if let Ok(narrowed) = token.attenuate("satstile_uses=1") {
            assert!(UnverifiedToken::parse(&narrowed.to_wire()).is_ok());
        }
    });
}

#[test]
fn token_text() {
    check!().with_type::<Input>().for_each(|input| {
        let _ = UnverifiedToken::parse(&input.text_near(&[TOKEN, "MDAxY2xvY2F0aW9uIGh0dHA6Ly9", r#"{"v":2,"i":"x"}"#]));
    });
}

#[test]
fn identifier() {
    let mut sample = [7; Identifier::BYTES];
    sample[..2].fill(0);
    check!().with_type::<Input>().for_each(|input| {
        let bytes = input.near(&[&sample]);
        match Identifier::parse(&bytes) {
            Some(identifier) => assert_eq!(identifier.to_bytes()[..], bytes),
            None => assert!(bytes.len() != Identifier::BYTES || !bytes.starts_with(&[0, 0])),
        }
    });
}
