//! `satstile-docs`, run by `cargo xtask test docs`: builds the book with mdBook, and reads every Markdown page of the
//! repository as somebody does who believes it. A link leads to a file that is there and a heading that is in it;
//! settings can be parsed; commands and their long options exist. Nothing is fetched: an address on the network only
//! has to be https and well-formed.

mod book;
mod commands;
mod fences;
mod html;
mod links;
mod page;
mod shell;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};

use commands::Programs;
use page::Page;

/// Something a page says that is not so.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which page, from the workspace root.
    pub page: String,
    /// Which line of it, from 1.
    pub line: usize,
    /// What is wrong, as a sentence.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.page, self.line, self.what)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(n) => {
            eprintln!("docs: {n} to mend");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("docs: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// Gives the number of findings.
fn run() -> Result<usize> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |name: &str| {
        let found = args.iter().find_map(|a| a.strip_prefix(name)?.strip_prefix('='));
        found.map(PathBuf::from).with_context(|| format!("{name}=… is missing; `cargo xtask test docs` gives it"))
    };
    let (root, out) = (arg("root")?, arg("out")?);
    let programs = Programs::new(&root, arg("xtask")?, arg("satstile")?, arg("satstile-node")?)?;

    let mut findings = book::build(&root.join("docs/book"), &out)?;
    let pages = Page::all(&root)?;
    for page in &pages {
        findings.extend(links::check(&root, page, &pages));
        findings.extend(fences::check(page));
        findings.extend(commands::check(page, &programs));
    }
    for finding in &findings {
        eprintln!("{finding}");
    }
    let (links, held) = (pages.iter().map(|page| page.links.len()).sum::<usize>(), programs.held());
    println!("docs: {} pages, {links} links, {held} commands; {}", pages.len(), out.join("index.html").display());
    Ok(findings.len())
}
