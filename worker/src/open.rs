//! `open/<payment hash>.<code>.<seal>`: the page behind a one-time link. It works without JavaScript, and looking at it
//! uses nothing up: messengers fetch links to draw a preview.

use l402::PaymentHash;
use l402::cookie::has_pass;
use l402::decide::Place;
use l402::encoding::{base64url, to_base64};
use l402::keys::Purpose;
use l402::problem::Answer;
use sha2::{Digest, Sha256};
use worker::{Env, Request, Response, Result};

use crate::gate::Gate;
use crate::handover::fingerprint;
use crate::http;
use crate::objects::{Open, Opened, ask, binding};
use crate::pass::{Grant, opens};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1b1f;--soft:#5c5c66;--paper:#faf9f7;--card:#fff;--line:#e3e0da;--accent:#b45309}\
@media(prefers-color-scheme:dark){:root{--ink:#ececf1;--soft:#a5a5b0;--paper:#141417;--card:#1d1d22;--line:#33333b;--accent:#f6ad55}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:100vh;padding:1rem}\
main{width:100%;max-width:26rem;background:var(--card);border:1px solid var(--line);border-radius:1rem;padding:1.5rem;text-align:center}\
h1{font-size:1.25rem;margin:0}\
p{margin:.25rem 0;color:var(--soft)}\
button{width:100%;background:var(--accent);color:#fff;font:inherit;font-weight:600;border:0;border-radius:.6rem;padding:.8rem;margin:1rem 0 0;cursor:pointer}\
@media(prefers-color-scheme:dark){button{color:#1b1b1f}}\
button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}";

const ASKS: &str = "<h1>Paid on another device</h1>\n<p>This link opens it here. It works once.</p>\n\
    <form method=\"post\"><button>Continue reading here</button></form>";
const ENDED: &str = "<h1>This link has ended</h1>\n<p>It works once, and for five minutes. \
    Make a new link on the device that paid.</p>";

/// `GET` shows the same page for any code, `POST` uses the code up. A form that another site sent is a look, too:
/// nobody gets somebody else's pass without a press of their own, on our own page (T114).
pub async fn open(gate: &Gate, place: &Place, link: &str, request: &Request, env: &Env) -> Result<Response> {
    let is_pressed = request.inner().method() == "POST" && !is_foreign(place, request);
    let answer = match Link::read(link) {
        Some(_) if !is_pressed => page(200, ASKS),
        Some(link) => redeem(gate, env, &link, request).await?.unwrap_or_else(|| page(404, ENDED)),
        None => page(404, ENDED),
    };
    http::response(&answer)
}

/// Whether a browser says that this does not come from a page of ours.
fn is_foreign(place: &Place, request: &Request) -> bool {
    let header = |name: &str| request.headers().get(name).ok().flatten();
    header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
        || header("origin").is_some_and(|origin| !place.is_home(&origin))
}

/// `<payment hash>.<code>.<seal>`
struct Link<'a> {
    hash: PaymentHash,
    code: Vec<u8>,
    named: &'a str,
    unverified_seal: &'a str,
}

impl<'a> Link<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (named, unverified_seal) = text.rsplit_once('.')?;
        let (hash, code) = named.split_once('.')?;
        let bytes = |part: &str, length: usize| base64url(part).filter(|bytes| bytes.len() == length);
        bytes(unverified_seal, 32)?;
        Some(Self { hash: PaymentHash::from_hex(hash)?, code: bytes(code, 16)?, named, unverified_seal })
    }
}

/// 303 to the page that the link was made for, with its pass. What was true when the link was made is checked
/// again: the grant may have ended since. A browser that gets in without it keeps what it has, and the code stays good.
async fn redeem(gate: &Gate, env: &Env, link: &Link<'_>, request: &Request) -> Result<Option<Answer>> {
    // Nobody's guess reaches an object (T64).
    if !gate.keys.is_sealed(Purpose::Handover, link.named, link.unverified_seal) {
        return Ok(None);
    }
    let name = link.hash.to_string();
    let mut question = Open { code: fingerprint(&link.code), keep: true };
    let cookie = request.headers().get("cookie")?.unwrap_or_default();
    if has_pass(&cookie) {
        let seen: Opened = ask(env, binding::PAYMENTS, &name, "open", &question).await?;
        if !seen.path.is_empty() && opens(gate, env, &request.inner().url(), &seen.path, &cookie).await {
            return Ok(Some(go(seen.path)));
        }
    }
    question.keep = false;
    let opened: Opened = ask(env, binding::PAYMENTS, &name, "open", &question).await?;
    let Some(grant) = Grant::read(gate, &format!("L402 {}", opened.credential)) else { return Ok(None) };
    let mut answer = go(opened.path);
    answer.headers.push(("set-cookie", grant.cookie()));
    Ok(Some(answer))
}

/// To a path of ours, checked when it was stored (T52).
fn go(path: String) -> Answer {
    let mut answer = http::bare(303);
    answer.headers.push(("location", path));
    answer
}

fn page(status: u16, main: &str) -> Answer {
    let mut answer = http::bare(status);
    let style_hash = to_base64(&Sha256::digest(STYLE));
    // With `no-referrer`, a browser would send the page's own form with `Origin: null`.
    answer.headers.retain(|(name, _)| *name != "referrer-policy");
    answer.headers.push(("referrer-policy", "strict-origin".to_owned()));
    answer.headers.push(("content-type", "text/html; charset=utf-8".to_owned()));
    answer.headers.push(("content-security-policy", format!(
        "default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )));
    answer.headers.push(("x-frame-options", "DENY".to_owned()));
    answer.body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>Continue reading</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{main}\n</main>\n</body>\n</html>\n"
    );
    answer
}
