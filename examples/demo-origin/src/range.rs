//! Which bytes of a file a `Range` header asks for (RFC 9110 §14).

use std::ops::Range;

/// What a server that knows ranges does about the header.
#[derive(Debug, PartialEq, Eq)]
pub enum Slice {
    /// Send everything: nothing was asked, or in a way that may be ignored (§14.2): another unit, a header that cannot
    /// be read, or several ranges, which a reader of one file has no use for.
    Whole,
    /// 206
    Part(Range<usize>),
    /// 416: the file ends before.
    Beyond,
}

/// Reads `bytes=0-99`, `bytes=100-` or `bytes=-100` against a file's length.
pub fn slice(header: &str, length: usize) -> Slice {
    let Some((unit, set)) = header.split_once('=') else { return Slice::Whole };
    let Some((first, last)) = set.trim().split_once('-') else { return Slice::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Slice::Whole;
    }
    let range = match (position(first), position(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Slice::Whole,
    };
    if range.is_empty() { Slice::Beyond } else { Slice::Part(range) }
}

/// Digits only. A number that no file reaches is a number all the same.
fn position(digits: &str) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected: &Slice) {
        assert_eq!(&slice(header, 1_000), expected, "{header}");
    }

    #[test]
    fn a_range_is_first_to_last_and_both_are_in_it() {
        for (header, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-499", 0..500),
            ("bytes=500-", 500..1_000),
            ("bytes=999-", 999..1_000),
            ("bytes=-1", 999..1_000),
            ("bytes=-5000", 0..1_000),
            ("bytes=0-5000", 0..1_000),
            ("bytes=0-99999999999999999999999", 0..1_000),
            ("Bytes=1-2", 1..3),
        ] {
            check(header, &Slice::Part(range));
        }
    }

    #[test]
    fn what_begins_behind_the_end_cannot_be_sent() {
        for header in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999999-"] {
            check(header, &Slice::Beyond);
        }
        assert_eq!(slice("bytes=0-", 0), Slice::Beyond);
    }

    #[test]
    fn what_is_no_range_is_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=0x1-2",
            "bytes=+1-2",
            "bytes=--1",
            "bytes=1-2-3",
            "items=0-1",
            "bytes=0-1,5-6",
            "bytes 0-1",
        ] {
            check(header, &Slice::Whole);
        }
    }
}
