//! `cargo xtask circles`: which files of a crate import one another in a circle. Files in a circle cannot be read, moved
//! or tested one without the other, so that a circle has two files at most. What stands today is in `circles.toml`,
//! which may only get shorter.

mod graph;
mod modules;
mod source;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::repo;

const LIST: &str = "xtask/circles.toml";

/// The largest circle that needs no entry in the list: two halves of one thought.
const MAX_FILES: usize = 2;

/// A circle that is too large and allowed still: the first of its files, and how many it has.
#[derive(Debug, PartialEq, Eq)]
struct Standing {
    first: String,
    files: usize,
}

/// Prints every circle, and fails unless those that are too large are the ones on the list.
pub fn run() -> Result<()> {
    let circles = find(&repo::root())?;
    for circle in &circles {
        println!("{} files:\n  {}", circle.len(), circle.join("\n  "));
    }
    let list = fs::read_to_string(repo::root().join(LIST)).with_context(|| LIST)?;
    let complaints = compare(&circles, &standing(&list)?);
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    println!("{} circles of imports, none of more than {MAX_FILES} files but those in {LIST}", circles.len());
    Ok(())
}

/// The circles of all crates of the workspace, as paths from its root.
fn find(root: &Path) -> Result<Vec<Vec<String>>> {
    let manifest: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let members = manifest.get("workspace").and_then(|w| w.get("members")).and_then(|m| m.as_array());
    let mut circles = Vec::new();
    for member in members.context("no members in Cargo.toml")?.iter().filter_map(|m| m.as_str()) {
        let mut modules = modules::Modules::default();
        for target in targets(&root.join(member)) {
            modules.add_root(&target)?;
        }
        if modules.files.is_empty() {
            bail!("{member}: no Rust file was found");
        }
        let name =
            |file: &usize| modules.files[*file].strip_prefix(root).unwrap_or(Path::new("")).display().to_string();
        circles.extend(graph::circles(&modules.imports()).iter().map(|circle| {
            let mut names: Vec<String> = circle.iter().map(name).collect();
            names.sort();
            names
        }));
    }
    Ok(circles)
}

/// The roots of a crate's targets, where Cargo looks for them.
fn targets(package: &Path) -> Vec<PathBuf> {
    let mut targets = vec![package.join("src/lib.rs"), package.join("src/main.rs")];
    for folder in ["src/bin", "tests", "benches", "examples"] {
        let entries = fs::read_dir(package.join(folder)).into_iter().flatten().flatten().map(|entry| entry.path());
        targets.extend(entries.flat_map(|path| [path.join("main.rs"), path]));
    }
    targets.retain(|path| path.extension().is_some_and(|e| e == "rs") && path.is_file());
    targets.sort();
    targets
}

fn standing(list: &str) -> Result<Vec<Standing>> {
    let list: toml::Table = list.parse().context(LIST)?;
    let entries = list.get("circle").and_then(|c| c.as_array()).map(Vec::as_slice).unwrap_or_default();
    let read = |entry: &toml::Value| {
        let first = entry.get("first")?.as_str()?.to_owned();
        let files = entry.get("files")?.as_integer()?.try_into().ok()?;
        Some(Standing { first, files })
    };
    entries
        .iter()
        .map(|entry| read(entry).with_context(|| format!("{LIST}: an entry has `first` and `files`")))
        .collect()
}

/// What is wrong: a circle that is not listed, or another size than its entry says, or an entry without its circle.
fn compare(circles: &[Vec<String>], standing: &[Standing]) -> Vec<String> {
    let mut complaints = Vec::new();
    let large = |circle: &&Vec<String>| circle.len() > MAX_FILES;
    for circle in circles.iter().filter(large) {
        let entry = standing.iter().find(|entry| circle.first() == Some(&entry.first));
        let (files, first) = (circle.len(), circle.join(", "));
        match entry {
            None => complaints.push(format!("{files} files import one another in a circle: {first}")),
            Some(entry) if files > entry.files => {
                complaints.push(format!("a circle grew from {} to {files} files: {first}", entry.files));
            }
            Some(entry) if files < entry.files => {
                complaints.push(format!("{LIST}: the circle of {} has {files} files now; say so", entry.first));
            }
            Some(_) => {}
        }
    }
    let is_there = |entry: &&Standing| circles.iter().filter(large).any(|c| c.first() == Some(&entry.first));
    let gone = standing.iter().filter(|entry| !is_there(entry));
    complaints.extend(gone.map(|entry| format!("{LIST}: {} is first in no circle now; take it out", entry.first)));
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of one crate with these files.
    fn workspace(files: &[(&str, &str)]) -> Result<Vec<Vec<String>>> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("{e}"))?;
        let root = std::env::temp_dir().join(format!("circles-{:x}", u64::from_le_bytes(random)));
        let manifest = ("Cargo.toml", "[workspace]\nmembers = [\"c\"]");
        for (name, text) in files.iter().chain([&manifest]) {
            let file = if name.ends_with(".toml") { root.join(name) } else { root.join("c").join(name) };
            fs::create_dir_all(file.parent().context("no folder")?)?;
            fs::write(file, text)?;
        }
        let found = find(&root);
        fs::remove_dir_all(root)?;
        found
    }

    fn only(circles: Result<Vec<Vec<String>>>) -> Vec<String> {
        let mut circles = circles.unwrap();
        assert_eq!(circles.len(), 1, "{circles:?}");
        circles.remove(0)
    }

    #[test]
    fn three_files_that_import_one_another_are_a_circle_and_who_only_imports_them_is_not_in_it() {
        let found = workspace(&[
            ("src/lib.rs", "mod a; mod b; mod c; #[path = \"../src/d.rs\"] mod d;"),
            ("src/a.rs", "use crate::b::B;"),
            ("src/b.rs", "fn f() { super::c::g() }"),
            ("src/c.rs", "use crate::a; fn g() { a::h() }"),
            ("src/d.rs", "use crate::{a, b, c};"),
        ]);
        assert_eq!(only(found), ["c/src/a.rs", "c/src/b.rs", "c/src/c.rs"]);
    }

    #[test]
    fn a_name_that_a_parent_passes_on_leads_to_the_file_that_defines_it() {
        let found = workspace(&[
            ("src/lib.rs", "mod a; mod m;"),
            ("src/a.rs", "use crate::m; fn f() -> m::B {}"),
            ("src/m/mod.rs", "mod b; mod g; pub use b::B; pub use g::*;"),
            ("src/m/b.rs", "use super::G; pub struct B;"),
            ("src/m/g.rs", "use crate::a::f; pub struct G;"),
        ]);
        assert_eq!(only(found), ["c/src/a.rs", "c/src/m/b.rs", "c/src/m/g.rs"]);
    }

    #[test]
    fn parents_and_tests_make_no_circle() {
        let found = workspace(&[
            ("src/lib.rs", "mod a; mod m; pub struct X; use m::b::B;"),
            ("src/a.rs", "use crate::X;\n#[cfg(test)]\nmod tests { use crate::m::b; }"),
            ("src/m.rs", "pub mod b; use b::B; pub struct M;"),
            ("src/m/b.rs", "use super::M; use crate::a; pub struct B;"),
        ]);
        assert!(found.unwrap().is_empty());
    }

    #[test]
    fn a_parent_is_in_a_circle_with_those_that_it_does_not_contain() {
        let found = workspace(&[
            ("src/lib.rs", "mod a; mod m;"),
            ("src/a.rs", "use crate::m::M;"),
            ("src/m.rs", "mod b; use crate::a; pub struct M;"),
            ("src/m/b.rs", ""),
        ]);
        assert_eq!(only(found), ["c/src/a.rs", "c/src/m.rs"]);
    }

    #[test]
    fn the_list_may_only_get_shorter() {
        let circle = |n: usize| vec![(0..n).map(|i| i.to_string()).collect::<Vec<_>>()];
        let entry = |files| [Standing { first: "0".to_owned(), files }];
        assert!(compare(&circle(2), &[]).is_empty(), "two files need no entry");
        assert!(compare(&circle(4), &entry(4)).is_empty());
        for (found, listed, complaint) in [
            (compare(&circle(3), &[]), "nothing", "3 files import one another"),
            (compare(&circle(5), &entry(4)), "4", "grew from 4 to 5"),
            (compare(&circle(3), &entry(4)), "4", "has 3 files now"),
            (compare(&circle(2), &entry(4)), "4", "is first in no circle now"),
        ] {
            assert!(found.len() == 1 && found[0].contains(complaint), "{found:?} with {listed}");
        }
    }

    #[test]
    fn an_entry_without_its_size_is_an_error() {
        assert_eq!(standing("[[circle]]\nfirst = \"a\"\nfiles = 3").unwrap().len(), 1);
        assert!(standing("[[circle]]\nfirst = \"a\"").is_err());
        assert!(standing("").unwrap().is_empty());
    }
}
