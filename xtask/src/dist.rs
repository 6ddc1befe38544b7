//! `cargo xtask dist`: the two npm packages, built into `pkg/npm/` and packed as `npm publish` would send them. Both are
//! made of what `cargo xtask worker` builds and of what stands in an `npm/` folder beside the sources; neither has
//! dependencies or install scripts.

mod gateway;
mod widget;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::npm::Tools;
use crate::repo;
use crate::steps::Steps;
use crate::wasm::Staged;

/// How many steps [`build`] counts.
pub const STEPS: usize = 3;

/// Their names.
pub const PACKAGES: [&str; 2] = ["satstile", "satstile-widget"];

/// A package as it is published; its folder of the same name is beside it.
pub fn tarball(package: &str) -> PathBuf {
    directory().join(format!("{package}-{}.tgz", env!("CARGO_PKG_VERSION")))
}

fn directory() -> PathBuf {
    repo::root().join("pkg/npm")
}

/// After [`worker::build`](crate::worker::build), whose directories it reads.
pub fn build(steps: &mut Steps, tools: &Tools) -> Result<()> {
    let staged = Staged::of(directory())?;
    staged.begin()?;
    let [gateway, widget] = PACKAGES.map(|package| staged.new.join(package));
    steps.run("dist: satstile, the worker", || gateway::write(&gateway))?;
    steps.run("dist: satstile-widget", || widget::write(tools, &widget))?;
    steps
        .run("dist: npm pack", || [&gateway, &widget].into_iter().try_for_each(|package| pack(package, &staged.new)))?;
    staged.finish("")
}

/// No network, no scripts, and nothing in the home directory.
fn pack(package: &Path, to: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["pack", "--offline", "--ignore-scripts", "--loglevel=error", "--pack-destination"]).arg(to);
    npm.arg("--cache").arg(repo::target().join("npm-cache")).current_dir(package);
    repo::run(&mut npm)
}

/// What was written by hand for a package: `<crate>/npm/`, with the numbers filled in, and the licences.
fn hand_written(folder: &str, out: &Path) -> Result<()> {
    let root = repo::root();
    copy_tree(&root.join(folder), out)?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root.join(licence), out.join(licence)).with_context(|| format!("cannot copy {licence}"))?;
    }
    for manifest in [out.join("package.json"), out.join("template/package.json")] {
        if manifest.is_file() {
            fs::write(&manifest, filled(&fs::read_to_string(&manifest)?)?)?;
        }
    }
    Ok(())
}

/// A `package.json` with what Cargo.toml says once for all, and the wrangler that the tests ran with.
fn filled(manifest: &str) -> Result<String> {
    let tools: serde_json::Value = serde_json::from_str(&fs::read_to_string(repo::root().join("package.json"))?)?;
    let wrangler = tools["devDependencies"]["wrangler"].as_str().context("package.json names no wrangler")?;
    let text = manifest
        .replace("$VERSION", env!("CARGO_PKG_VERSION"))
        .replace("$LICENSE", env!("CARGO_PKG_LICENSE"))
        .replace("$REPOSITORY", env!("CARGO_PKG_REPOSITORY"))
        .replace("$WRANGLER", wrangler);
    if text.contains('$') {
        bail!("a package.json has a placeholder that nobody fills:\n{text}");
    }
    Ok(text)
}

/// Without the notes that a build leaves for itself; `.dev.vars.example` is no such note.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            copy_tree(&path, &to.join(name))?;
        } else if name != ".inputs" && name != ".id" {
            fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
