//! `open/<payment hash>.<code>.<seal>`: the page behind a one-time link. It works without JavaScript, and looking at it
//! uses nothing up: messengers fetch links to draw a preview.

use l402::PaymentHash;
use l402::cookie::has_pass;
use l402::decide::Place;
use l402::encoding::{base64url, to_base64};
use l402::keys::Purpose;
use l402::path::canonical_host;
use l402::problem::Answer;
use sha2::{Digest, Sha256};
use worker::{Env, Request, Response, Result};

use crate::config::gate::Gate;
use crate::delivery::page::escape;
use crate::delivery::words::Words;
use crate::invoices::budget::{self, Door};
use crate::objects::{Open, Opened, ask, binding};
use crate::platform::http;
use crate::well_known::handover::fingerprint;
use crate::well_known::pass::{Grant, opens};

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

/// `GET` shows the same page for any code, `POST` uses the code up. A form that another site sent is a look, too:
/// nobody gets somebody else's pass without a press of their own, on our own page (T114). The component on that site sent
/// it, after a payment there (D10).
pub async fn open(gate: &Gate, place: &Place, link: &str, request: &Request, env: &Env) -> Result<Response> {
    if let Err(refusal) = budget::knock(env, &gate.policy, request, Door::Try).await {
        return http::refuse(&refusal, false);
    }
    let is_foreign = is_foreign(place, request);
    let is_post = request.inner().method() == "POST";
    let answer = match Link::read(link) {
        Some(_) if is_post && is_foreign => {
            let accepted = request.headers().get("accept-language")?;
            let words = Words::of(http::parameter(request, "lang").as_deref(), accepted.as_deref());
            let [before, after] = words.paid_on;
            let title = [before, &escape(&paid_on(place, request)), after].concat();
            asks(words.code, &title, "", words.open)
        }
        Some(_) if !is_post => asks(
            "en",
            "Paid on another device",
            "<p>This link opens it here. It works once.</p>\n",
            "Continue reading here",
        ),
        Some(link) => redeem(gate, env, &link, request).await?.unwrap_or_else(ended),
        None => ended(),
    };
    http::response(&answer)
}

/// The host of the site whose form this is. Where the browser does not tell, the site that was paid.
fn paid_on(place: &Place, request: &Request) -> String {
    let origin = request.headers().get("origin").ok().flatten().filter(|origin| !place.is_home(origin));
    let host = origin.as_deref().and_then(|origin| canonical_host(origin.split_once("://")?.1));
    host.unwrap_or_else(|| place.host.clone())
}

fn asks(code: &str, title: &str, hint: &str, button: &str) -> Answer {
    let form = ["<form method=\"post\"><button>", button, "</button></form>"].concat();
    page(200, code, title, &[hint, &form].concat())
}

fn ended() -> Answer {
    let hint = "<p>It works once, and for five minutes. Make a new link on the device that paid.</p>";
    page(404, "en", "This link has ended", hint)
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

fn page(status: u16, code: &str, title: &str, rest: &str) -> Answer {
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
    answer.headers.push(("vary", "Accept-Language, Origin".to_owned()));
    let dir = if code == "ar" { "rtl" } else { "ltr" };
    answer.body = format!(
        "<!doctype html>\n<html lang=\"{code}\" dir=\"{dir}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{rest}\n\
         </main>\n</body>\n</html>\n"
    );
    answer
}
