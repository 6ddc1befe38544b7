//! What is written is read back, whatever it is.

use l402::Msat;
use proptest::prelude::*;
use satstile_lightning::lnurl::withdraw::{K1, Link, UnverifiedClaim, WithdrawRequest};
use satstile_lightning::lnurl::{Address, Loopback, Url, bech32};

use crate::{GUARD, Signed, TERMS, ok};

/// A URL that an LNURL may hold.
fn url() -> impl Strategy<Value = String> {
    (
        "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
        "[a-z]{2,8}",
        r"(/[A-Za-z0-9._~%!$&'()*+,;=:@-]{0,30}){0,6}",
        "(\\?[A-Za-z0-9=&%]{0,90})?",
    )
        .prop_map(|(name, top, path, query)| format!("https://{name}.{top}{path}{query}"))
}

proptest! {
    #[test]
    fn a_url_survives_as_an_lnurl(text in url(), upper: bool, prefixed: bool) {
        let url = Url::parse(&text, Loopback::Refused).unwrap();
        let lnurl = bech32::encode(&url).unwrap();
        prop_assert!(lnurl.starts_with("LNURL1") && lnurl.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
        let spelled = if upper { lnurl } else { lnurl.to_lowercase() };
        let spelled = if prefixed { format!("lightning:{spelled}") } else { spelled };
        prop_assert_eq!(bech32::decode(&spelled, Loopback::Refused), Ok(url.clone()));
        let named = format!("lnurlp{}", text.strip_prefix("https").unwrap());
        prop_assert_eq!(bech32::decode(&named, Loopback::Refused), Ok(url));
    }

    #[test]
    fn whatever_decodes_is_written_back_the_same(text in "(?i)lnurl1[02-9ac-hj-np-z]{6,40}") {
        if let Ok(url) = bech32::decode(&text, Loopback::Allowed) {
            prop_assert_eq!(bech32::encode(&url).unwrap(), text.to_uppercase());
        }
    }

    #[test]
    fn an_address_survives_and_leads_to_its_own_host(user in "[a-z0-9_+-][a-z0-9._+-]{0,63}", host in "[a-z0-9]{1,20}\\.test") {
        let text = format!("{user}@{host}");
        let address = Address::parse(&text, Loopback::Refused).unwrap();
        prop_assert_eq!(address.to_string(), text);
        let url = address.url(&GUARD).unwrap();
        prop_assert_eq!(url.url().host(), host);
        let path = format!("/.well-known/lnurlp/{user}");
        prop_assert!(url.as_str().ends_with(&path));
    }

    #[test]
    fn what_is_admitted_is_public_https(text in "(https?://)?[a-zA-Z0-9.:@\\[\\]%/?#-]{0,40}") {
        if let Ok(url) = GUARD.read(&text) {
            prop_assert!(url.as_str().starts_with("https://") && matches!(url.url().port(), None | Some(443)));
            prop_assert!(url.url().host().contains('.') && url.url().host().parse::<std::net::IpAddr>().is_err());
            prop_assert!(!text.contains(['#']) && !text.split('/').nth(2).unwrap().contains('@'));
        }
    }

    #[test]
    fn a_link_is_read_as_it_was_made(k1: [u8; 32], text in url(), min in 1..=u64::MAX / 2, more: u32, about in "\\PC{0,60}") {
        let (callback, k1) = (Url::parse(&text, Loopback::Refused).unwrap(), K1::new(k1));
        let (min, max) = (Msat(min), Msat(min + u64::from(more)));
        let json = Link { callback: &callback, k1: &k1, description: &about, min, max }.to_json();
        match WithdrawRequest::read(&ok(&json), &GUARD) {
            Ok(offered) => prop_assert_eq!((offered.min, offered.max), (min, max)),
            // The name that was drawn may be one that the guard does not let pass; nothing else may be wrong.
            Err(fault) => prop_assert_eq!(Some(satstile_lightning::lnurl::LnurlFault::from(GUARD.read(&text).unwrap_err())), Some(fault)),
        }
    }

    #[test]
    fn a_claim_is_for_what_the_link_gives(k1: [u8; 32], amount in 1_u64..50_000, min in 1_u64..50_000, max in 1_u64..50_000) {
        let query = format!("k1={}&pr={}", K1::new(k1).expose(), Signed::of(amount).text());
        let claim = UnverifiedClaim::read(&query).unwrap().check(Msat(min), Msat(max), &TERMS);
        match claim {
            Ok(claim) => prop_assert!(claim.amount == Msat(amount) && (min..=max).contains(&amount) && claim.k1.digest() == K1::new(k1).digest()),
            Err(_) => prop_assert!(!(min..=max).contains(&amount)),
        }
    }
}
