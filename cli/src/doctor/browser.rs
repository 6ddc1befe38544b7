//! Browsers: pages on other sites (CORS), preflights, and people.

use super::probe::{Answers, ORIGIN, Seen};
use super::report::Report;

/// Grades them.
pub fn grade(report: &mut Report, answers: &Answers) {
    report.section("Browsers");
    let first = &answers.first;
    let origins: Vec<_> = first.headers.get_all("access-control-allow-origin").iter().collect();
    match origins.len() {
        0 => report.info("browser.cors", "pages on other sites cannot buy here: no Access-Control-Allow-Origin"),
        1 => cors(report, first),
        count => report.fail(
            "browser.cors",
            format!("Access-Control-Allow-Origin stands there {count} times"),
            "Send it once: browsers refuse two. Do proxy and origin both set it?",
        ),
    }
    if let Some(seen) = &answers.preflight {
        preflight(report, seen, !origins.is_empty());
    }
    if let Some(seen) = &answers.page {
        let is_html = seen.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        match is_html {
            true if seen.offer().is_some() => {
                report.good("browser.page", "a browser gets a page, and the challenge with it")
            }
            true => report.info("browser.page", "a browser gets a page without a challenge in its header"),
            false => report.info("browser.page", "a browser gets what programs get; a person sees no page"),
        }
    }
}

fn cors(report: &mut Report, seen: &Seen) {
    let allowed = seen.header("access-control-allow-origin").unwrap_or_default();
    if allowed != "*" && allowed != ORIGIN {
        return report.info("browser.cors", format!("pages of {} only may buy here", crate::say::printable(&allowed)));
    }
    let credentials = seen.header("access-control-allow-credentials").is_some_and(|value| value == "true");
    if credentials && allowed == ORIGIN {
        report.warn(
            "browser.credentials",
            "any site may ask with this visitor's cookies (the origin is echoed, credentials are allowed)",
            "Answer `*` without Access-Control-Allow-Credentials.",
        );
    }
    let exposed = seen.header("access-control-expose-headers").unwrap_or_default().to_ascii_lowercase();
    if exposed.split(',').any(|name| matches!(name.trim(), "www-authenticate" | "*")) {
        report.good("browser.cors", "pages on other sites may ask, and can read the challenge");
    } else {
        report.warn(
            "browser.cors",
            "pages on other sites may ask, but cannot read the challenge",
            "Send Access-Control-Expose-Headers: WWW-Authenticate.",
        );
    }
}

fn preflight(report: &mut Report, seen: &Seen, is_open: bool) {
    if seen.offer().is_some() {
        return report.fail(
            "browser.preflight",
            "a preflight (OPTIONS) makes an invoice",
            "Answer OPTIONS without asking the node: every page that looks costs you one.",
        );
    }
    let allowed = seen.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
    let authorization = allowed.split(',').any(|name| name.trim() == "authorization");
    match (seen.status, authorization) {
        (200..=299, true) => report.good("browser.preflight", "a preflight passes and makes no invoice"),
        _ if !is_open => {
            report.info("browser.preflight", format!("a preflight gets {} and makes no invoice", seen.status))
        }
        (200..=299, false) => report.warn(
            "browser.preflight",
            "a preflight does not allow the field Authorization",
            "Send Access-Control-Allow-Headers: Authorization; `*` does not cover it.",
        ),
        (status, _) => report.warn(
            "browser.preflight",
            format!("a preflight gets {status}"),
            "Answer it with 204, or paid requests of other sites' pages never leave the browser.",
        ),
    }
}
