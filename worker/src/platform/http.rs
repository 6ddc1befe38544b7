//! Small things between `l402`'s answers and the platform's responses.

use core::pin::pin;
use core::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use l402::headers::{Headers as Fields, allowed_fields};
use l402::problem::{Answer, Refusal, common_headers};
use serde_json::Value;
use worker::{Delay, Headers, Request, Response, ResponseBuilder, Result};

/// An answer as the platform's response.
pub fn response(answer: &Answer) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in &answer.headers {
        headers.append(name, value)?;
    }
    let builder = ResponseBuilder::new().with_status(answer.status).with_headers(headers);
    if answer.body.is_empty() {
        return Ok(builder.empty());
    }
    Ok(builder.fixed(answer.body.clone().into_bytes()))
}

/// A refusal as the platform's response.
pub fn refuse(refusal: &Refusal<'_>, is_head: bool) -> Result<Response> {
    response(&refusal.answer(is_head))
}

/// No body, and the fields every answer of ours has.
pub fn bare(status: u16) -> Answer {
    let mut headers = common_headers();
    headers.retain(|(name, _)| *name != "content-type");
    Answer { status, headers, body: String::new() }
}

/// JSON with the fields every answer of ours has.
pub fn json(status: u16, body: &Value) -> Result<Response> {
    json_text(status, body.to_string())
}

/// The same, of JSON that is written already.
pub fn json_text(status: u16, body: String) -> Result<Response> {
    let mut answer = bare(status);
    answer.headers.push(("content-type", "application/json".to_owned()));
    answer.body = body;
    response(&answer)
}

/// The answer to a browser that asks whether it may ask (T30, T46).
#[must_use]
pub fn preflight(methods: &str, asked: Option<&str>) -> Answer {
    let headers = vec![
        ("access-control-allow-origin", "*".to_owned()),
        ("access-control-allow-methods", methods.to_owned()),
        ("access-control-allow-headers", allowed_fields(asked)),
        ("access-control-max-age", "600".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ];
    Answer { status: 204, headers, body: String::new() }
}

/// The same for a route of the policy: what it takes, and what the request asked to send.
#[must_use]
pub fn route_preflight(methods: l402::route::Methods, asked: &l402::Request<'_>) -> Answer {
    let fields = Fields::parse(asked.headers).ok();
    let wanted = fields.as_ref().and_then(|fields| fields.get("access-control-request-headers"));
    preflight(&methods.to_string().replace(',', ", "), wanted)
}

/// The query of a request, without its `?`. The URL as text: a parser of all URLs weighs more than the rest of this worker.
#[must_use]
pub fn query(request: &Request) -> String {
    let url = request.inner().url();
    url.split_once('?').map(|(_, query)| query.split('#').next().unwrap_or_default().to_owned()).unwrap_or_default()
}

/// A value of the query, as it stands there: names, numbers and hex digits are never escaped.
#[must_use]
pub fn parameter(request: &Request, name: &str) -> Option<String> {
    query(request).split('&').find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

/// How long a body that is read here may take from its first byte to its last (T45).
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// A body of at most `max` bytes that is all there within [`BODY_DEADLINE`], or what the client is told (T42, T45, T69).
/// Every body that the edge reads itself is read by this.
pub async fn body(request: &mut Request, max: usize) -> Result<core::result::Result<Vec<u8>, Refusal<'static>>> {
    if request.inner().body().is_none() {
        return Ok(Ok(Vec::new()));
    }
    let read = pin!(collect(request.stream()?, max));
    let late = pin!(Delay::from(BODY_DEADLINE));
    match select(read, late).await {
        Either::Left((read, _)) => Ok(read?.ok_or(Refusal::BodyTooLarge)),
        Either::Right(_) => Ok(Err(Refusal::BodyLate)),
    }
}

/// Reads a stream up to `max` bytes; `None` when there is more.
async fn collect(mut stream: worker::ByteStream, max: usize) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend(chunk?);
        if bytes.len() > max {
            return Ok(None);
        }
    }
    Ok(Some(bytes))
}

/// The shell's one clock.
#[must_use]
pub fn now() -> l402::UnixTime {
    l402::UnixTime(worker::Date::now().as_millis() / 1_000)
}
