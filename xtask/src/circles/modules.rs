//! The modules of a crate, from its roots down as the compiler finds them, and which file imports which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path as FilePath, PathBuf};

use anyhow::{Context, Result};

use super::source::{Declared, Path, Source, read};

/// A chain of re-exports is never this long; a name that stands for itself is.
const MAX_NAMES: usize = 16;

struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    source: Source,
}

/// All modules of a crate's targets, and the files they are in.
#[derive(Default)]
pub struct Modules {
    modules: Vec<Module>,
    pub files: Vec<PathBuf>,
}

/// What a path leads to.
enum Place {
    Module(usize),
    /// Something that this module defines.
    Item(usize),
}

impl Modules {
    /// Adds the target whose root is this file.
    pub fn add_root(&mut self, file: &FilePath) -> Result<()> {
        let folder = file.parent().map(FilePath::to_path_buf).unwrap_or_default();
        self.add_file(file, None, &folder).map(drop)
    }

    fn add_file(&mut self, file: &FilePath, parent: Option<usize>, folder: &FilePath) -> Result<usize> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let number = self.files.iter().position(|known| known == file).unwrap_or_else(|| {
            self.files.push(file.to_path_buf());
            self.files.len() - 1
        });
        self.add(read(&text), number, parent, folder)
    }

    /// `folder` is where the files of its children are.
    fn add(&mut self, mut source: Source, file: usize, parent: Option<usize>, folder: &FilePath) -> Result<usize> {
        let declared = std::mem::take(&mut source.modules);
        let number = self.modules.len();
        self.modules.push(Module { file, parent, children: BTreeMap::new(), source });
        for (name, declared) in declared {
            let inside = folder.join(&name);
            let child = match declared {
                Declared::Inline(source) => self.add(source, file, Some(number), &inside)?,
                Declared::File(Some(path)) => {
                    let beside = self.files[file].parent().map(FilePath::to_path_buf).unwrap_or_default();
                    let file = plain(&beside.join(path));
                    let folder = file.parent().map(FilePath::to_path_buf).unwrap_or_default();
                    self.add_file(&file, Some(number), &folder)?
                }
                Declared::File(None) => {
                    let (flat, nested) = (folder.join(format!("{name}.rs")), inside.join("mod.rs"));
                    self.add_file(if flat.exists() { &flat } else { &nested }, Some(number), &inside)?
                }
            };
            self.modules[number].children.insert(name, child);
        }
        Ok(number)
    }

    /// For each file, those that it imports from. Between a module and one that it contains nothing counts: the outer one
    /// has to name the inner one, and may share with it what it defines.
    pub fn imports(&self) -> Vec<BTreeSet<usize>> {
        let mut imports = vec![BTreeSet::new(); self.files.len()];
        for (number, module) in self.modules.iter().enumerate() {
            for path in &module.source.paths {
                let Some(Place::Module(target) | Place::Item(target)) = self.resolve(number, path, MAX_NAMES) else {
                    continue;
                };
                let file = self.modules[target].file;
                if file != module.file && !self.contains(number, target) && !self.contains(target, number) {
                    imports[module.file].insert(file);
                }
            }
        }
        imports
    }

    fn contains(&self, outer: usize, inner: usize) -> bool {
        std::iter::successors(Some(inner), |m| self.modules[*m].parent).any(|m| m == outer)
    }

    /// Where a path leads that is written in this module; `None` when that is outside of the crate.
    fn resolve(&self, from: usize, path: &[String], names: usize) -> Option<Place> {
        let (first, rest) = path.split_first()?;
        let module = &self.modules[from];
        match first.as_str() {
            "crate" => {
                let root = std::iter::successors(Some(from), |m| self.modules[*m].parent).last()?;
                self.descend(root, rest, names)
            }
            "self" => self.descend(from, rest, names),
            "super" => self.resolve_self(module.parent?, rest, names),
            name if module.children.contains_key(name) || module.source.names.contains_key(name) => {
                self.descend(from, path, names)
            }
            _ => None,
        }
    }

    /// Behind a `super`, another one may come.
    fn resolve_self(&self, from: usize, rest: &[String], names: usize) -> Option<Place> {
        match rest.first() {
            Some(next) if next == "super" => self.resolve(from, rest, names),
            _ => self.descend(from, rest, names),
        }
    }

    fn descend(&self, from: usize, path: &[String], names: usize) -> Option<Place> {
        let Some((name, rest)) = path.split_first() else { return Some(Place::Module(from)) };
        let names = names.checked_sub(1)?;
        let module = &self.modules[from];
        if let Some(child) = module.children.get(name) {
            return self.descend(*child, rest, names);
        }
        if let Some(stands_for) = module.source.names.get(name) {
            return match self.resolve(from, stands_for, names)? {
                Place::Module(module) => self.descend(module, rest, names),
                item @ Place::Item(_) => Some(item),
            };
        }
        let of_glob = |glob: &Path| match self.resolve(from, glob, names) {
            Some(Place::Module(module)) if self.has(module, name) => self.descend(module, path, names),
            _ => None,
        };
        module.source.globs.iter().find_map(of_glob).or(Some(Place::Item(from)))
    }

    fn has(&self, module: usize, name: &str) -> bool {
        let Module { children, source, .. } = &self.modules[module];
        children.contains_key(name) || source.names.contains_key(name) || source.items.contains(name)
    }
}

/// Without `..`, so that a file has one name.
fn plain(path: &FilePath) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}
