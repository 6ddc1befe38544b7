//! What is sold as a file: a short PDF and a picture. Files answer byte ranges, as a reader that resumes or jumps
//! expects.

use crate::http1::{Reply, Request};
use crate::pdf;
use crate::range::{Slice, slice};

/// One file, made once.
pub struct File {
    pub path: &'static str,
    content_type: &'static str,
    disposition: &'static str,
    etag: String,
    body: Vec<u8>,
}

/// All of them.
pub fn all() -> Vec<File> {
    let file = |path, content_type, disposition, body: Vec<u8>| {
        let etag = format!("\"{:016x}\"", fnv1a(&body));
        File { path, content_type, disposition, etag, body }
    };
    vec![
        file(
            "/dear/field-notes.pdf",
            "application/pdf",
            "inline; filename=\"field-notes.pdf\"",
            pdf::typeset(include_str!("../site/field-notes.md").trim_end()),
        ),
        file(
            "/dear/turnstile.svg",
            "image/svg+xml",
            "inline; filename=\"turnstile.svg\"",
            include_bytes!("../site/turnstile.svg").to_vec(),
        ),
    ]
}

impl File {
    /// The whole of it, or the part that was asked for.
    pub fn answer(&self, request: &Request) -> Reply {
        let length = self.body.len();
        // HEAD has no ranges (RFC 9110 §14.2); a part of another version would not fit what the asker has (§13.1.5).
        let same = request.header("if-range").is_none_or(|etag| etag == self.etag);
        let asked = request.header("range").filter(|_| request.method == "GET" && same);
        let reply = match asked.map_or(Slice::Whole, |header| slice(header, length)) {
            Slice::Whole => Reply::new(200, self.content_type, &self.body[..]),
            Slice::Part(part) => {
                let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                Reply::new(206, self.content_type, &self.body[part]).with("Content-Range", &place)
            }
            Slice::Beyond => {
                return Reply::text(416, "the file ends before\n")
                    .with("Content-Range", &format!("bytes */{length}"))
                    .with("Accept-Ranges", "bytes");
            }
        };
        reply.with("Content-Disposition", self.disposition).with("Accept-Ranges", "bytes").with("ETag", &self.etag)
    }
}

/// Names a version. Nothing depends on its strength.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, headers: &[(&str, &str)]) -> Reply {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (method, target, version) = (method.to_owned(), "/dear/field-notes.pdf".to_owned(), "HTTP/1.1".to_owned());
        all()[0].answer(&Request { method, target, version, headers, body: Vec::new() })
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_parts_of_a_file_are_the_file() {
        let whole = ask("GET", &[]);
        assert_eq!((whole.status, header(&whole, "Content-Type")), (200, Some("application/pdf")));
        assert_eq!(header(&whole, "Content-Disposition"), Some("inline; filename=\"field-notes.pdf\""));
        assert_eq!((header(&whole, "Accept-Ranges"), header(&whole, "Content-Range")), (Some("bytes"), None));
        assert!(whole.body.starts_with(b"%PDF-1.7\n") && whole.body.ends_with(b"%%EOF\n"));

        let length = whole.body.len();
        let etag = header(&whole, "ETag").unwrap();
        let first = ask("GET", &[("Range", "bytes=0-99"), ("If-Range", etag)]);
        let rest = ask("GET", &[("range", "bytes=100-")]);
        assert_eq!((first.status, rest.status), (206, 206));
        assert_eq!(header(&first, "Content-Range"), Some(format!("bytes 0-99/{length}").as_str()));
        assert_eq!(header(&rest, "Content-Range"), Some(format!("bytes 100-{}/{length}", length - 1).as_str()));
        assert_eq!([first.body, rest.body].concat(), whole.body);
    }

    #[test]
    fn a_part_that_is_not_there_or_of_another_version_is_not_sent() {
        let beyond = ask("GET", &[("Range", "bytes=9999999-")]);
        let length = ask("GET", &[]).body.len();
        assert_eq!(beyond.status, 416);
        assert_eq!(header(&beyond, "Content-Range"), Some(format!("bytes */{length}").as_str()));
        assert_eq!(ask("GET", &[("Range", "bytes=0-1"), ("If-Range", "\"older\"")]).status, 200);
        assert_eq!(ask("HEAD", &[("Range", "bytes=0-1")]).status, 200);
    }

    #[test]
    fn the_field_notes_fill_two_pages() {
        let file = ask("GET", &[]).body;
        let text: String = file.iter().map(|b| char::from(*b)).collect();
        assert!(text.contains("/Count 2") && text.contains("(Field notes on paying for a page, 2 of 2) Tj"));
        assert!(!include_str!("../site/field-notes.md").contains(|c: char| !c.is_ascii()), "no letter becomes a `?`");
    }
}
