//! After a busy day no log has a line that opens a door (T120, T122).

use l402::encoding::{base64_any, to_base64, to_base64url};
use satstile_tests::{Stack, http};
use serde_json::{Value, json};

use crate::common::{AUDIT, ask, buy, eventually, first_break, get, get_with, hex, plenty};

/// T120: after a busy day no log has a line that opens a door: no macaroon, no preimage, no invoice, no secret, no
/// password, in none of their spellings.
#[test]
fn the_logs_of_a_busy_day_open_no_door() {
    let mut stack = Stack::start(plenty(json!({})));
    let (ticket, api) = (buy(&stack, "/articles/1"), buy(&stack, "/api/echo"));
    let unpaid = ask(&stack, "/dear/1");
    let preimage = &ticket.preimage;
    for (path, credential) in [
        ("/articles/1", ticket.l402()),
        ("/api/echo", api.payment()),
        ("/api/echo", api.payment()),
        ("/api/echo", api.attenuated(&["satstile_uses=1"])),
        ("/dear/1", ticket.l402()),
        ("/articles/1", format!("L402 {}:{}", unpaid.macaroon, ticket.preimage)),
        ("/articles/1", format!("L402 {}", ticket.offer.macaroon)),
        ("/articles/1", format!("L402 {}:{preimage}", &ticket.offer.macaroon[1..])),
        ("/articles/1", format!("{}, {}", ticket.l402(), api.l402())),
        ("/api/echo", api.payment_with(|c| c["challenge"]["id"] = "x".into())),
        ("/api/fault/hang-up", api.l402()),
        ("/api/fault/cut?after=3", api.l402()),
        ("/api/fault/challenge", api.l402()),
        ("/free/echo", ticket.l402()),
    ] {
        get_with(&stack, path, &credential);
    }
    get(&stack, &format!("/articles/1?preimage={preimage}"));
    get(&stack, &format!("/articles/{preimage}/..;/{}", to_base64url(&base64_any(&ticket.offer.macaroon).unwrap())));
    http::post(
        &stack.url("/.well-known/satstile/status"),
        &[("authorization", &format!("L402 {}", ticket.offer.macaroon))],
        b"",
    );
    let audit = format!("Bearer {}", stack.secrets.audit_key);
    get_with(&stack, AUDIT, &audit);
    get_with(&stack, AUDIT, &format!("Bearer {preimage}"));
    http::post(
        &stack.url("/.well-known/satstile/settlements"),
        &[("webhook-signature", &stack.secrets.relay_secrets)],
        b"{}",
    );
    let browser = [("accept", "text/html"), ("cookie", "__Host-satstile-wait-articles=a.b.c")];
    let page = http::get(&stack.url("/articles/1"), &browser);
    let wait = page.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let lnbc = page.text().split("lightning:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let paid = stack.node().pay(&lnbc);
    let opened = eventually("the page to open", || {
        Some(http::get(&stack.url("/articles/1"), &[("accept", "text/html"), ("cookie", &wait)]))
            .filter(|r| r.status == 303)
    });
    http::get(
        &stack.url("/articles/1"),
        &[("cookie", opened.header("set-cookie").unwrap().split(';').next().unwrap())],
    );
    stack.node().try_pay(&ticket.offer.invoice);
    stack.node().try_pay("lnbcrt1junk");
    let password = stack.node().wallet_password();
    stack.node_mut().stop();
    assert_eq!(get(&stack, "/dear/1").status, 503);
    std::thread::sleep(std::time::Duration::from_millis(1_200)); // until the counters were written, too

    let mut secrets: Vec<(&str, String)> =
        vec![("the wallet's password", password), ("a wait cookie", wait.split_once('=').unwrap().1.to_owned())];
    for preimage in [&ticket.preimage, &api.preimage, &paid] {
        let bytes = l402::Preimage::from_hex(preimage).unwrap();
        secrets.push(("a preimage", preimage.clone()));
        secrets.push(("a preimage", preimage.to_ascii_uppercase()));
        secrets.push(("a preimage", to_base64(bytes.expose()).trim_end_matches('=').to_owned()));
        secrets.push(("a preimage", to_base64url(bytes.expose())));
    }
    for macaroon in [&ticket.offer.macaroon, &api.offer.macaroon, &unpaid.macaroon] {
        let bytes = base64_any(macaroon).unwrap();
        // The end of a token is its signature: with what is public about it, the rest can be written again.
        let signature = hex(&bytes[bytes.len() - 32..]);
        secrets.push(("a macaroon's signature", signature));
        secrets.push(("a macaroon", macaroon[macaroon.len() - 40..].trim_end_matches('=').to_owned()));
        secrets.push(("a macaroon", to_base64url(&bytes)[macaroon.len() - 44..].to_owned()));
    }
    for invoice in [&ticket.offer.invoice, &api.offer.invoice, &unpaid.invoice, &lnbc] {
        secrets.push(("an invoice", invoice[20..60].to_owned()));
        secrets.push(("an invoice", invoice[20..60].to_ascii_uppercase()));
    }
    for (name, value) in stack.secrets.bindings() {
        secrets.push((name, value.rsplit([':', '_']).next().unwrap().trim_end_matches('=').to_owned()));
    }
    let log = stack.log();
    assert!(log.len() > 20, "{log:?}");
    for (what, secret) in secrets {
        assert!(secret.len() >= 20, "{what} {secret} is too short to look for");
        let told = log.iter().find(|line| line.contains(&secret));
        assert!(told.is_none(), "{what} is in the log: {}", told.unwrap());
    }
    // Every line of ours is one JSON object with a level and an event, and no exception was forgotten.
    for line in log.iter().filter(|line| line.starts_with('{')) {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(event["event"].is_string(), "{line}");
    }
    assert_eq!(first_break(&log), None);
}
