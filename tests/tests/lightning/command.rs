//! `satstile` against a real network.

use std::process::Command;

use satstile_tests::{Devnet, Stack, binaries, http};

use crate::{on_alice, total};

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn satstile_pays_through_bobs_lnd_prints_the_article_and_pays_no_more_than_it_may() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let bob = devnet.bob();
    let wallet =
        format!("type=lnd-rest;server={};macaroon={};certthumbprint={}", bob.url(), bob.macaroon(), bob.thumbprint());
    let pay = |max_sats: &str| {
        Command::new(binaries::workspace_binary("satstile", "SATSTILE_BIN"))
            .args(["pay", &stack.url("/articles/1"), "--no-cache", "--network", "regtest"])
            .args(["--max-sats", max_sats])
            .env("SATSTILE_WALLET", &wallet)
            .output()
            .expect("satstile runs")
    };
    // T115: an article costs 21 sats.
    assert_eq!(pay("20").status.code(), Some(3));
    assert_eq!(stack.origin.seen().len(), 0);
    let paid = pay("21");
    let said = String::from_utf8_lossy(&paid.stderr).into_owned();
    assert_eq!(paid.status.code(), Some(0), "{said}");
    let article = http::get(&format!("{}/articles/1", stack.origin.url()), &[]);
    assert_eq!(String::from_utf8_lossy(&paid.stdout), article.text());
    assert!(!said.contains(&bob.macaroon()), "the wallet's macaroon was printed");
    total(&stack, "articles", "settled", 1);
}
