//! Keeps web pages of other sites away from a wallet on this machine: by the name they used for it (DNS rebinding),
//! and by the origin their browser tells (CSRF, T114). Programs send no `Origin`, and a password anyway.
//!
//! WebLN has no password, so there it is the other way round: an `Origin` must be told, and be on the list.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HOST, ORIGIN, VARY};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::loopback::is_loopback;

const REBOUND: &str = "the dev wallet answers only to localhost, 127.0.0.1 and [::1]";
const FOREIGN: &str = "the dev wallet does not answer to other sites";

/// Lets a request through that named this machine, and comes from no other site.
pub(super) async fn only_from_this_machine(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        None => next.run(request).await,
        Some(why) => (StatusCode::FORBIDDEN, why).into_response(),
    }
}

fn refusal(headers: &HeaderMap) -> Option<&'static str> {
    let Some(host) = host_of_this_machine(headers) else { return Some(REBOUND) };
    let own = format!("http://{host}");
    let foreign = headers.get_all(ORIGIN).iter().any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes()));
    foreign.then_some(FOREIGN)
}

/// The one `Host`, if it is a name of this machine.
fn host_of_this_machine(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    let named_us = host.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@') && is_loopback(host.host()));
    (named_us && hosts.next().is_none()).then_some(host)
}

/// Lets a request through that named this machine and comes from a page of a listed origin, and tells the browser
/// that this page may read the answer. A script element sends no `Origin`; that is enough for reading a script.
pub(super) async fn only_from_listed_pages(
    State(listed): State<Arc<[HeaderValue]>>,
    request: Request,
    next: Next,
) -> Response {
    let asks = page(request.headers(), &listed).map(|origin| origin.cloned());
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let mut response = match &asks {
        Err(why) => (StatusCode::FORBIDDEN, *why).into_response(),
        Ok(None) if !reads => (StatusCode::FORBIDDEN, FOREIGN).into_response(),
        Ok(_) => next.run(request).await,
    };
    if let Ok(Some(origin)) = asks {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
    response
}

/// The listed origin whose page asks, or `None` when no origin was told.
fn page<'a>(headers: &HeaderMap, listed: &'a [HeaderValue]) -> Result<Option<&'a HeaderValue>, &'static str> {
    if host_of_this_machine(headers).is_none() {
        return Err(REBOUND);
    }
    let mut told = headers.get_all(ORIGIN).iter();
    let Some(origin) = told.next() else { return Ok(None) };
    let known = listed.iter().find(|listed| *listed == origin).filter(|_| told.next().is_none());
    known.map(Some).ok_or(FOREIGN)
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

    #[test]
    fn a_listed_page_is_known_by_its_exact_origin_and_by_our_name() {
        let listed = [HeaderValue::from_static("http://localhost:8787"), HeaderValue::from_static("http://[::1]:8790")];
        let check = |host: &str, origins: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            for origin in origins {
                headers.append(ORIGIN, origin.parse().unwrap());
            }
            page(&headers, &listed).map(|origin| origin.map(|origin| origin.to_str().unwrap().to_owned()))
        };
        assert_eq!(check("localhost:9740", &["http://localhost:8787"]), Ok(Some("http://localhost:8787".to_owned())));
        assert_eq!(check("127.0.0.1:9740", &["http://[::1]:8790"]), Ok(Some("http://[::1]:8790".to_owned())));
        assert_eq!(check("localhost:9740", &[]), Ok(None));
        for origin in [
            "http://localhost:9740",
            "http://localhost:87870",
            "http://localhost:878",
            "https://localhost:8787",
            "http://127.0.0.1:8787",
            "http://localhost",
            "http://localhost:8787/",
            "HTTP://localhost:8787",
            "null",
            "",
        ] {
            assert_eq!(check("localhost:9740", &[origin]), Err(FOREIGN), "{origin}");
        }
        assert_eq!(check("localhost:9740", &["http://localhost:8787", "http://evil.test"]), Err(FOREIGN));
        assert_eq!(check("evil.test:9740", &["http://localhost:8787"]), Err(REBOUND));
        assert_eq!(check("evil.test:9740", &[]), Err(REBOUND));
    }
}
