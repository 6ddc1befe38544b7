//! A client with lnget's habits: one token a domain, whatever the path; the preimage as a caveat in the token as well as
//! behind it; a token that is answered 402 is thrown away, and another one bought (D3, D4).

use satstile_tests::raw::Response;
use satstile_tests::{Devnet, Stack, http};

use crate::common::{API, attenuate, seen};
use crate::{on_alice, total};

/// A client of one domain.
struct Client<'a> {
    devnet: &'a Devnet,
    stack: &'a Stack,
    /// Macaroon and preimage.
    token: Option<(String, String)>,
    /// Payment hashes, in order.
    paid: Vec<String>,
    /// Requests that were sent.
    requests: usize,
}

impl<'a> Client<'a> {
    fn new(devnet: &'a Devnet, stack: &'a Stack) -> Self {
        Self { devnet, stack, token: None, paid: Vec::new(), requests: 0 }
    }

    /// Asks; when that is answered 402, pays and asks again. Never a third time.
    #[track_caller]
    fn get(&mut self, path: &str) -> Response {
        let first = self.send(path);
        if first.status != 402 {
            return first;
        }
        let (macaroon, invoice) = challenge(&first);
        let preimage = self.devnet.pay(&invoice);
        self.paid.push(crate::hash(&preimage));
        self.token = Some((attenuate(&macaroon, &[&format!("preimage={preimage}")]), preimage));
        self.send(path)
    }

    #[track_caller]
    fn send(&mut self, path: &str) -> Response {
        self.requests += 1;
        let url = self.stack.url(path);
        match &self.token {
            None => http::get(&url, &[]),
            Some((macaroon, preimage)) => http::get(&url, &[("authorization", &format!("L402 {macaroon}:{preimage}"))]),
        }
    }
}

/// What its pattern finds: `macaroon` right behind the scheme, in double quotes, a comma, `invoice`.
#[track_caller]
fn challenge(response: &Response) -> (String, String) {
    let field = response.header("www-authenticate").expect("a challenge");
    let read = || {
        let rest = field.strip_prefix("L402 macaroon=\"")?;
        let (macaroon, rest) = rest.split_once("\", invoice=\"")?;
        Some((macaroon.to_owned(), rest.split_once('"')?.0.to_owned()))
    };
    read().unwrap_or_else(|| panic!("lnget does not read {field}"))
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_client_with_one_token_a_domain_pays_once_a_service() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let mut client = Client::new(devnet, &stack);
    assert_eq!(client.get("/articles/1").status, 200);
    assert_eq!((client.paid.len(), client.requests), (1, 2));
    // The same service: the token that it has will do, on a path that it was not bought at.
    assert_eq!(client.get("/articles/2").status, 200);
    assert_eq!(client.get("/articles/1").status, 200);
    assert_eq!((client.paid.len(), client.requests), (1, 4));
    // Another service: its token is answered 402, so that it drops it, and not 401, with which it would be stuck.
    assert_eq!(client.get(API).status, 200);
    assert_eq!((client.paid.len(), client.requests), (2, 6));
    assert_eq!(client.get(API).status, 200);
    assert_eq!((client.paid.len(), client.requests), (2, 7));

    // Each was paid once, at its own price, and nothing was forwarded on the way to a payment.
    assert_eq!(seen(&stack), ["/articles/1", "/articles/2", "/articles/1", API, API]);
    let received = |payment_hash: &str| {
        let invoice = devnet.alice().call("GET", &format!("/v1/invoice/{payment_hash}"), None);
        (invoice["state"].clone(), invoice["amt_paid_msat"].clone())
    };
    let received: Vec<_> = client.paid.iter().map(|payment_hash| received(payment_hash)).collect();
    assert_eq!(received, [("SETTLED".into(), "21000".into()), ("SETTLED".into(), "10000".into())]);
    for (service, msat) in [("articles", 21_000), ("api", 10_000)] {
        let totals = total(&stack, service, "settled", 1);
        assert_eq!((&totals["settled_msat"], &totals["challenges"]), (&msat.into(), &1.into()), "{service}: {totals}");
    }
}
