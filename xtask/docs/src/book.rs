//! The book as HTML, and whether its pages hold together: what mdBook made is read again, so that no rule of its own
//! about names and anchors has to be known here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mdbook_driver::MDBook;

use crate::{Finding, html, links};

/// Builds the book in `folder` into `out`, and checks the links in what was built.
pub fn build(folder: &Path, out: &Path) -> Result<Vec<Finding>> {
    let mut book = MDBook::load(folder).context("docs/book")?;
    book.config.build.build_dir = out.to_path_buf();
    book.build().context("docs/book")?;

    let mut pages = BTreeMap::new();
    collect(out, &mut pages)?;
    Ok(check(out, &pages))
}

fn collect(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, pages)?;
        } else if path.extension().is_some_and(|e| e == "html") {
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

/// `print.html` has every page in it once more, with links of its own making; 404.html is served from anywhere.
fn check(out: &Path, pages: &BTreeMap<PathBuf, String>) -> Vec<Finding> {
    let made_by_us = |path: &&PathBuf| !path.ends_with("print.html") && !path.ends_with("404.html");
    let mut findings = Vec::new();
    for path in pages.keys().filter(made_by_us) {
        let text = pages.get(path).map(String::as_str).unwrap_or_default();
        for (line, link) in html::links(text) {
            if let Some(what) = fault(path, &link, pages) {
                let page = path.strip_prefix(out).unwrap_or(path);
                findings.push(Finding { page: format!("docs/book: {}", page.display()), line, what });
            }
        }
    }
    findings
}

fn fault(page: &Path, link: &str, pages: &BTreeMap<PathBuf, String>) -> Option<String> {
    if link.contains(':') {
        return None; // looked at in the Markdown
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { page.to_path_buf() } else { links::resolve(page.parent()?, file) };
    if !target.is_file() {
        return Some(format!("`{link}` leads to nothing that is in the book"));
    }
    let text = pages.get(&target).map(String::as_str).unwrap_or_default();
    let is_there = anchor.is_empty() || html::ids(text).any(|id| id == anchor);
    (!is_there).then(|| format!("`{link}` leads to a place that is not there"))
}
