//! What goes over the wire, as plain values. A shell sends it: https, no redirect followed, [`REPLY_BYTES_MAX`] of body
//! and a few seconds at most (T68, T69).

use core::fmt;

/// Longest reply that is read, in bytes (T69).
pub const REPLY_BYTES_MAX: usize = 64 * 1024;

/// The methods that back ends use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Ask.
    Get,
    /// Make.
    Post,
}

impl Method {
    /// As it stands in the request line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// One request to a back end. `Debug` shows the method and the host: URL, headers and body hold secrets (T120).
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET` or `POST`.
    pub method: Method,
    /// Absolute.
    pub url: String,
    /// Lower-case names; credentials among them.
    pub headers: Vec<(&'static str, String)>,
    /// Nothing for a `GET`.
    pub body: Option<String>,
}

impl HttpRequest {
    /// `GET url`.
    #[must_use]
    pub const fn get(url: String) -> Self {
        Self { method: Method::Get, url, headers: Vec::new(), body: None }
    }

    /// `POST url` with a JSON body.
    #[must_use]
    pub fn post_json(url: String, body: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { method: Method::Post, url, headers, body: Some(body.to_string()) }
    }

    /// `POST url` with `name=value&…`, percent-encoded.
    #[must_use]
    pub fn post_form(url: String, fields: &[(&str, &str)]) -> Self {
        let mut body = String::new();
        for (name, value) in fields {
            if !body.is_empty() {
                body.push('&');
            }
            body.push_str(&percent_encoded(name));
            body.push('=');
            body.push_str(&percent_encoded(value));
        }
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        Self { method: Method::Post, url, headers, body: Some(body) }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.split('/').nth(2).and_then(|authority| authority.rsplit('@').next()).unwrap_or_default();
        write!(f, "{} {host}/…", self.method.as_str())
    }
}

/// What came back. `Debug` shows the status and a length: node replies hold preimages.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// At most [`REPLY_BYTES_MAX`]; not yet known to be anything.
    pub unverified_body: Vec<u8>,
}

impl HttpReply {
    /// A reply with these bytes.
    #[must_use]
    pub fn new(status: u16, unverified_body: impl Into<Vec<u8>>) -> Self {
        Self { status, unverified_body: unverified_body.into() }
    }
}

impl fmt::Debug for HttpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpReply({}, {} bytes)", self.status, self.unverified_body.len())
    }
}

/// Everything but unreserved characters as `%XX` (RFC 3986, 2.3): safe in a path segment, a query and a form.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_encoded_byte_by_byte() {
        let request = HttpRequest::post_form("http://n/createinvoice".to_owned(), &[("a b", "1&2=3"), ("d", "ä+~")]);
        assert_eq!(request.body.as_deref(), Some("a%20b=1%262%3D3&d=%C3%A4%2B~"));
    }

    #[test]
    fn neither_request_nor_reply_prints_what_is_in_it() {
        let request = HttpRequest::get("https://user:word@node.test:8080/v1/invoice/00ff?key=hush".to_owned())
            .with("rune", "hush".to_owned());
        assert_eq!(format!("{request:?}"), "GET node.test:8080/…");
        assert_eq!(format!("{:?}", HttpReply::new(200, "{\"preimage\":\"hush\"}")), "HttpReply(200, 19 bytes)");
    }
}
