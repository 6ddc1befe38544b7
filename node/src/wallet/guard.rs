//! Keeps web pages of other sites away from a wallet on this machine: by the name they used for it (DNS rebinding),
//! and by the origin their browser tells (CSRF, T114). Programs send no `Origin`, and a password anyway.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::loopback::is_loopback;

/// Lets a request through that named this machine, and comes from no other site.
pub(super) async fn only_from_this_machine(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        None => next.run(request).await,
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
    }
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let named_us = host.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@') && is_loopback(host.host()));
    if !named_us || hosts.next().is_some() {
        return Some("the dev wallet answers only to localhost, 127.0.0.1 and [::1]");
    }
    let own = format!("http://{host}");
    let foreign = headers.get_all(ORIGIN).iter().any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
    foreign.then_some("the dev wallet does not answer to other sites")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, origin: Option<&str>, passes: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        assert_eq!(refusal(&headers).is_none(), passes, "{host} {origin:?}");
    }

    #[test]
    fn a_name_that_was_rebound_to_this_machine_is_refused() {
        for host in ["127.0.0.1:9740", "localhost:9740", "localhost", "[::1]:9740"] {
            check(host, None, true);
        }
        for host in ["", "evil.test:9740", "localhost.evil.test", "a@localhost:9740", "10.0.0.1", "localhost/x"] {
            check(host, None, false);
        }
        assert!(refusal(&HeaderMap::new()).is_some());
    }

    #[test]
    fn another_sites_page_is_refused() {
        check("localhost:9740", Some("http://localhost:9740"), true);
        for origin in
            ["http://evil.test", "http://localhost:8787", "http://127.0.0.1:9740", "https://localhost:9740", "null"]
        {
            check("localhost:9740", Some(origin), false);
        }
    }
}
