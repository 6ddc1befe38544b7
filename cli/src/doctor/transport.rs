//! The way there: TLS, clocks, caches.

use l402::UnixTime;

use super::probe::{Answers, Seen};
use super::report::Report;
use crate::http::Url;

/// Grades it.
pub fn grade(report: &mut Report, url: &Url, answers: &Answers) {
    report.section("Transport");
    match (url.is_https(), url.is_loopback()) {
        (true, _) => report.good("transport.tls", "https, with a certificate that an authority vouches for"),
        (false, true) => report.good("transport.tls", "plain http, on this machine"),
        (false, false) => report.fail(
            "transport.tls",
            "plain http beyond this machine",
            "Serve it over https: whoever is on the way can take the token, or swap the invoice for his own.",
        ),
    }
    clock(report, &answers.first);
    caching(report, &answers.first);
}

fn clock(report: &mut Report, seen: &Seen) {
    let Some(theirs) = seen.header("date").and_then(|date| http_date(&date)) else {
        return report.info("transport.clock", "there is no Date field to compare clocks by");
    };
    let apart = seen.at.0.abs_diff(theirs.0);
    let todo = "Set both clocks by NTP; tokens and invoices end by the clock.";
    match apart {
        0..=5 => report.good("transport.clock", "its clock agrees with ours"),
        6..=60 => report.warn("transport.clock", format!("its clock and ours are {apart} s apart"), todo),
        _ => report.fail("transport.clock", format!("its clock and ours are {apart} s apart"), todo),
    }
}

fn caching(report: &mut Report, seen: &Seen) {
    if seen.status != 402 {
        return;
    }
    let cache = seen.header("cache-control").unwrap_or_default().to_ascii_lowercase();
    let directives: Vec<&str> = cache.split(',').map(str::trim).collect();
    let is_stored =
        directives.iter().any(|d| *d == "public" || d.starts_with("max-age=") || d.starts_with("s-maxage="));
    if directives.contains(&"no-store") {
        report.good("transport.cache", "the 402 is `no-store`");
    } else if is_stored && !directives.contains(&"private") {
        report.fail(
            "transport.cache",
            format!("the 402 may be cached ({})", crate::say::printable(&cache)),
            "Send Cache-Control: no-store: from a cache, everybody gets the same invoice.",
        );
    } else {
        report.warn(
            "transport.cache",
            "the 402 does not say no-store",
            "Send Cache-Control: no-store: some caches keep what does not forbid it.",
        );
    }
    let vary = seen.header("vary").unwrap_or_default().to_ascii_lowercase();
    if vary.split(',').any(|name| matches!(name.trim(), "authorization" | "*")) {
        report.good("transport.vary", "it varies on Authorization");
    } else {
        report.info("transport.vary", "it does not say `Vary: Authorization`; with no-store, nobody needs it");
    }
}

/// `Sat, 21 Nov 2026 12:38:31 GMT` (RFC 9110, 5.6.7); the two obsolete forms are nobody's any more.
fn http_date(text: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    UnixTime::from_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_to_the_second() {
        assert_eq!(http_date("Sun, 17 Mar 2030 17:46:40 GMT"), Some(UnixTime(1_900_000_000)));
        for wrong in ["", "Sun, 17 Mar 2030 17:46:40 UTC", "Sunday, 17-Mar-30 17:46:40 GMT", "2030-03-17T17:46:40Z"] {
            assert_eq!(http_date(wrong), None, "{wrong}");
        }
    }
}
