//! `open/<payment hash>.<code>`: the page behind a one-time link. It works without JavaScript, and looking at it
//! uses nothing up: messengers fetch links to draw a preview.

use l402::PaymentHash;
use l402::encoding::{base64url, to_base64};
use l402::problem::Answer;
use sha2::{Digest, Sha256};
use worker::{Env, Request, Response, Result};

use crate::gate::Gate;
use crate::handover::fingerprint;
use crate::http;
use crate::objects::{Open, Opened, ask, binding};
use crate::pass::Grant;

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

/// `GET` shows the same page for any code, `POST` uses the code up. From which page the form was sent does not
/// matter: the code is a bearer's, and the widget on another site sends it for its reader.
pub async fn open(gate: &Gate, link: &str, request: &Request, env: &Env) -> Result<Response> {
    let method = request.inner().method();
    let answer = match read(link) {
        Some(_) if method != "POST" => page(200, ASKS),
        Some((hash, code)) => redeem(gate, env, &hash, &code).await?.unwrap_or_else(|| page(404, ENDED)),
        None => page(404, ENDED),
    };
    http::response(&answer)
}

/// `<payment hash>.<code>`
fn read(link: &str) -> Option<(PaymentHash, Vec<u8>)> {
    let (hash, code) = link.split_once('.')?;
    let code = base64url(code).filter(|code| code.len() == 16)?;
    Some((PaymentHash::from_hex(hash)?, code))
}

/// 303 to the page that the link was made for, with its pass. What was true when the link was made is checked
/// again: the grant may have ended since.
async fn redeem(gate: &Gate, env: &Env, hash: &PaymentHash, code: &[u8]) -> Result<Option<Answer>> {
    let question = Open { code: fingerprint(code) };
    let opened: Opened = ask(env, binding::PAYMENTS, &hash.to_string(), "open", &question).await?;
    let Some(grant) = Grant::read(gate, &format!("L402 {}", opened.credential)) else { return Ok(None) };
    let mut answer = grant.hold(303);
    // A path of ours, checked when it was stored (T52).
    answer.headers.push(("location", opened.path));
    Ok(Some(answer))
}

fn page(status: u16, main: &str) -> Answer {
    let mut answer = http::bare(status);
    let style_hash = to_base64(&Sha256::digest(STYLE));
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
