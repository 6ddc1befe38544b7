//! Where a link leads. Nothing is fetched.

use std::path::{Component, Path, PathBuf};

use crate::Finding;
use crate::page::Page;

/// Our own files, as pages name them that are read elsewhere: in the book, on the registry.
const OURS: [&str; 2] =
    ["https://github.com/satstile/satstile/blob/main/", "https://github.com/satstile/satstile/tree/main/"];

/// What is wrong with the links of a page.
pub fn check(root: &Path, page: &Page, pages: &[Page]) -> Vec<Finding> {
    let fault = |(line, link): &(usize, String)| Some(page.finding(*line, fault(root, page, link, pages)?));
    page.links.iter().filter_map(fault).collect()
}

fn fault(root: &Path, page: &Page, link: &str, pages: &[Page]) -> Option<String> {
    if let Some(ours) = OURS.iter().find_map(|start| link.strip_prefix(start)) {
        return local(root, Path::new(""), ours, page, pages).map(|what| format!("`{link}`: {what}"));
    }
    if let Some((scheme, rest)) = link.split_once(':').filter(|(scheme, _)| is_scheme(scheme)) {
        return remote(scheme, rest).map(|what| format!("`{link}`: {what}"));
    }
    let folder = page.path.parent().unwrap_or(Path::new(""));
    local(root, folder, link, page, pages).map(|what| format!("`{link}`: {what}"))
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// https and a host; http is for this machine only.
fn remote(scheme: &str, rest: &str) -> Option<&'static str> {
    let address = rest.strip_prefix("//").unwrap_or_default();
    let host = address.split(['/', '?', '#']).next().unwrap_or_default();
    let name = host.split(':').next().unwrap_or_default();
    let is_local = matches!(name, "localhost" | "127.0.0.1");
    let is_name = name.split('.').all(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
    match scheme {
        "mailto" if rest.contains('@') => None,
        "https" | "http" if !is_name => Some("there is no host in it"),
        "https" | "http" if rest.bytes().any(|b| b <= b' ' || b == b'"') => Some("a character that no URL has"),
        "https" if name.contains('.') => None,
        "http" | "https" if is_local => None,
        "http" => Some("https, please"),
        "https" => Some("that host has no dot in it"),
        _ => Some("only https, and http on this machine"),
    }
}

fn local(root: &Path, folder: &Path, link: &str, page: &Page, pages: &[Page]) -> Option<String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if file.is_empty() { page.path.clone() } else { resolve(folder, file) };
    if file.starts_with('/') || path.starts_with("..") {
        return Some("not a path within the repository".to_owned());
    }
    if !root.join(&path).exists() {
        return Some(format!("{} is not there", path.display()));
    }
    let target = pages.iter().find(|page| page.path == path)?;
    let is_there = anchor.is_empty() || target.anchors.iter().any(|a| a == anchor);
    (!is_there).then(|| format!("no heading of {} is called that", path.display()))
}

/// `..` and `.` taken away by name, as a browser does it.
pub fn resolve(folder: &Path, link: &str) -> PathBuf {
    let mut out = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn fault_of(link: &str) -> Option<String> {
        let page = Page::parse("src/links.rs", "# Here");
        let other = Page::parse("src/page.rs", "# There");
        fault(Path::new(env!("CARGO_MANIFEST_DIR")), &page, link, &[Page::parse("src/links.rs", "# Here"), other])
    }

    #[test]
    fn a_link_leads_somewhere() {
        for link in
            ["#here", "page.rs", "page.rs#there", "../src/page.rs", "https://a.example/x?y#z", "http://localhost:8787/"]
        {
            assert_eq!(fault_of(link), None, "{link}");
        }
        assert_eq!(fault_of("https://github.com/satstile/satstile/blob/main/src/page.rs#there"), None);
    }

    #[test]
    fn a_link_to_nothing_is_named() {
        let faults = [
            ("#there", "no heading of src/links.rs is called that"),
            ("page.rs#here", "no heading of src/page.rs is called that"),
            ("pages.rs", "src/pages.rs is not there"),
            ("../../x", "not a path within the repository"),
            ("/src/page.rs", "not a path within the repository"),
            ("http://a.example/", "https, please"),
            ("https:///x", "there is no host in it"),
            ("javascript:alert(1)", "only https, and http on this machine"),
            ("https://github.com/satstile/satstile/blob/main/src/pages.rs", "src/pages.rs is not there"),
        ];
        for (link, fault) in faults {
            assert_eq!(fault_of(link), Some(format!("`{link}`: {fault}")));
        }
    }
}
