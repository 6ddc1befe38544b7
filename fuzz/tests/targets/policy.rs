//! The operator's policy, and whole requests under one: nothing unpaid is forwarded.

use bolero::check;
use l402::encoding::to_base64;
use l402::{Decision, Keys, Policy, Request, UnixTime, decide};
use satstile_fuzz::{Input, PREIMAGE, TOKEN};

const POLICY: &str = r#"{
  "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
  "free": [{"path": "/", "methods": ["GET"]}, {"path": "/free/*"}],
  "services": {
    "articles": {"price_msat": 21000, "valid_s": 3600, "routes": [{"path": "/articles/*"}]},
    "api": {"price_msat": 10000, "valid_s": 600, "uses": 3, "routes": [{"path": "/api/*", "methods": ["POST"]}]}
  }
}"#;

#[test]
fn policy() {
    assert!(Policy::from_json(POLICY).is_ok());
    check!().with_type::<Input>().for_each(|input| {
        let _ = Policy::from_json(&input.text_near(&[POLICY]));
    });
}

#[test]
fn nothing_unpaid_is_forwarded() {
    let policy = Policy::from_json(POLICY).unwrap();
    let key = |seed: u8| to_base64(&(0..32_u8).map(|i| i.wrapping_mul(37) ^ seed).collect::<Vec<_>>());
    let keys = Keys::parse(&format!("34:{}", key(1)), &key(2)).unwrap();
    let urls = ["http://localhost:8787/articles/1", "http://localhost:8787/api/x?y=1", "http://localhost:8787/free/z"];
    let headers = [
        format!("host:localhost:8787\nauthorization:L402 {TOKEN}:{PREIMAGE}\naccept:text/html\n"),
        format!("host:localhost:8787\ncookie:__Host-satstile-pass-articles={TOKEN}:{PREIMAGE}; a=b\nconnection:x\n"),
        "host:localhost:8787\nauthorization:Payment e30\naccept-payment:lightning/charge\norigin:null\n".to_owned(),
    ];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let methods = ["GET", "HEAD", "POST", "OPTIONS", "PUT", "TRACE", "get", ""];
    check!().with_type::<(Input, Input)>().for_each(|(url, block)| {
        let (url, headers) = (url.text_near(&urls), block.text_near(&headers));
        let method = methods[usize::try_from(block.chance % 8).unwrap()];
        let request = Request { method, url: &url, headers: &headers, has_body: block.chance.is_multiple_of(3) };
        match decide(&policy, &keys, &request, UnixTime(1_899_999_999)) {
            Decision::Paid(_) | Decision::Claim(_) => panic!("forged: {request:?}"),
            Decision::Free(pass) => {
                let target = pass.url.strip_prefix("http://127.0.0.1:8789").unwrap_or_else(|| panic!("{pass:?}"));
                assert!(target == "/" || target.starts_with("/?") || target.starts_with("/free/"), "{pass:?}");
            }
            _ => (),
        }
    });
}
