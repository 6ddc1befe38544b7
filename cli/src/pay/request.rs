//! From the command line to a request that can be sent twice.

use std::fs::File;
use std::io::{self, Read};

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::Args;
use crate::fault::Fault;
use crate::http::{Request, Url};

/// A body is kept in memory, because it goes out again after the payment.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The request that was asked for.
pub fn of(args: &Args, url: Url) -> Result<Request, Fault> {
    let mut headers = HeaderMap::new();
    for field in &args.header {
        let (name, value) = parse_field(field)?;
        headers.append(name, value);
    }
    let body = args.data.as_deref().map(read_body).transpose()?;
    if body.is_some() && !headers.contains_key("content-type") {
        headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    }
    let usual = if body.is_some() { "POST" } else { "GET" };
    let method = args.method.as_deref().unwrap_or(usual);
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| Fault::usage(format!("`{method}` is no method")))?;
    Ok(Request { method, url, headers, body: body.unwrap_or_default() })
}

fn parse_field(field: &str) -> Result<(HeaderName, HeaderValue), Fault> {
    let wrong = || Fault::usage("--header takes `Name: value`");
    let (name, value) = field.split_once(':').ok_or_else(wrong)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| wrong())?;
    if name == "authorization" {
        return Err(Fault::usage("`Authorization` carries the token; it is set by this command")
            .next("A token of yours is kept and found by itself: see `satstile token list`."));
    }
    if ["host", "content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
        return Err(Fault::usage(format!("`{name}` is set by this command")));
    }
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    Ok((name, value))
}

fn read_body(data: &str) -> Result<Bytes, Fault> {
    let read = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
    };
    let bytes = match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => read(&mut io::stdin().lock()),
        Some(file) => File::open(file).and_then(|mut file| read(&mut file)),
    };
    let bytes = bytes.map_err(|error| Fault::usage(format!("--data {data}: {error}")))?;
    if bytes.len() as u64 > BODY_BYTES_MAX {
        return Err(Fault::usage("--data takes at most 64 MB, because the body is sent twice"));
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_a_name_and_a_value() {
        let (name, value) = parse_field("X-Colour:  red: dark ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-colour", "red: dark"));
        for wrong in ["", "X-Colour", ": red", "X Colour: red", "X: a\nb", "Authorization: L402 a:b", "host: other"] {
            assert!(parse_field(wrong).is_err(), "{wrong}");
        }
    }
}
