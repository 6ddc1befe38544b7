//! Request targets and hosts: one reading or none (T26, T28).

use bolero::check;
use l402::path::{RequestUrl, Target, canonical_host, is_loopback};
use satstile_fuzz::Input;

#[test]
fn target() {
    let samples = ["/articles/1?page=2", "/a%20b/c;d=1/%E2%82%AC?x=%2F&y", "/free/*", "/", "/a/../b//c/./d%2e%2e/e\\f"];
    check!().with_type::<Input>().for_each(|input| {
        let raw = input.text_near(&samples);
        let Ok(target) = Target::parse(&raw) else { return };
        assert_eq!(target.as_str(), raw, "matched and forwarded are the same bytes");
        assert!(raw.starts_with(target.path()) && target.path().starts_with('/'));
        let decoded = target.decoded_path().into_owned();
        let hidden = |dots: &[u8]| decoded.split(|b| *b == b'/').any(|segment| segment == dots);
        assert!(!hidden(b".") && !hidden(b".."), "{raw}");
        assert_eq!(
            decoded.iter().filter(|b| **b == b'/').count(),
            target.path().bytes().filter(|b| *b == b'/').count(),
            "no triplet hides a separator"
        );
        assert!(raw.bytes().all(|b| b.is_ascii_graphic()), "{raw}");
    });
}

#[test]
fn host() {
    let samples = ["api.example.com", "LOCALHOST:8787", "[::1]:80", "127.0.0.1", "a..b", "user@host:1"];
    check!().with_type::<Input>().for_each(|input| {
        let authority = input.text_near(&samples);
        let Some(host) = canonical_host(&authority) else { return };
        assert_eq!(canonical_host(&host), Some(host.clone()), "canonical is canonical");
        // C5: one closing dot of the name is dropped, and nothing else.
        let undotted = authority.strip_suffix('.').unwrap_or(&authority).replacen(".:", ":", 1);
        assert!(host.eq_ignore_ascii_case(&undotted) && !host.contains(['@', '/', '\\', ' ', ',']));
        let _ = is_loopback(&host);
    });
}

#[test]
fn url() {
    let samples = ["https://api.example.com/a?b", "http://localhost:8787/", "https://a@b/c", "http:///x"];
    check!().with_type::<Input>().for_each(|input| {
        let url = input.text_near(&samples);
        let Ok(parts) = RequestUrl::split(&url) else { return };
        assert_eq!(format!("{}://{}{}", parts.scheme, parts.unverified_authority, parts.unverified_target), url);
    });
}
