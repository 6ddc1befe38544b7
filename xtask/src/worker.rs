//! Builds `pkg/worker/`, the directory that wrangler deploys and the tests run: cargo, then wasm-bindgen
//! (a library here: no CLI whose version could differ), then wasm-opt. Replaced as a whole, so that whoever
//! reads it sees the old worker or the new one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

use crate::npm::Tools;
use crate::repo;
use crate::steps::Steps;
use crate::wasm_target::{TARGET, Toolchain};

/// How many steps [`build`] counts.
pub const STEPS: usize = 3;

/// What the build is for.
#[derive(Clone, Copy, PartialEq)]
pub enum Profile {
    /// What is deployed, tested and measured.
    Shipped,
    /// Quick to build; several times larger and slower.
    Dev,
}

/// The built directory.
pub fn directory() -> PathBuf {
    repo::root().join("pkg/worker")
}

/// Three steps; the last two are skipped when their inputs are those of the last build.
pub fn build(steps: &mut Steps, toolchain: &Toolchain, tools: &Tools, profile: Profile) -> Result<()> {
    let wasm = steps.run("worker: cargo build", || cargo_build(toolchain, profile))?;
    let sources = Sources::find(wasm)?;
    let out = directory();
    let stamp = out.join(".inputs");
    let inputs = sources.fingerprint(profile)?;
    if fs::read_to_string(&stamp).is_ok_and(|have| have == inputs) {
        steps.skip(2, "worker: pkg/worker is up to date");
        return Ok(());
    }

    let new = out.with_file_name(".worker.new");
    remove(&new)?;
    steps.run("worker: wasm-bindgen", || bind(&sources.wasm, &new))?;
    steps.run("worker: wasm-opt and copy", || {
        if profile == Profile::Shipped {
            optimise(tools, &new.join("index_bg.wasm"))?;
        }
        fs::copy(&sources.shim, new.join("shim.mjs")).context("cannot copy worker/src/shim.mjs")?;
        if profile == Profile::Shipped {
            minify(tools, &new.join("index.js"))?;
            minify(tools, &new.join("shim.mjs"))?;
        }
        fs::write(new.join("policy.txt"), policy(sources.policy.as_deref())?).context("cannot write policy.txt")?;
        fs::write(new.join(".inputs"), &inputs)?;
        replace(&new, &out)
    })
}

/// What a build is made of, besides what cargo itself keeps track of.
struct Sources {
    wasm: PathBuf,
    shim: PathBuf,
    policy: Option<PathBuf>,
}

impl Sources {
    fn find(wasm: PathBuf) -> Result<Self> {
        let shim = repo::root().join("worker/src/shim.mjs");
        if !shim.is_file() {
            bail!("worker/src/shim.mjs is missing");
        }
        let policy = Some(repo::root().join("policy.toml")).filter(|p| p.is_file());
        Ok(Self { wasm, shim, policy })
    }

    fn fingerprint(&self, profile: Profile) -> Result<String> {
        let mut files = vec![self.wasm.clone(), self.shim.clone(), repo::root().join("package-lock.json")];
        files.extend(self.policy.clone());
        // The steps below are an input too.
        let recipe = concat!(include_str!("worker.rs"), include_str!("../Cargo.toml"));
        repo::fingerprint(&files, &format!("{recipe}{}", profile == Profile::Dev))
    }
}

/// A `policy.toml` stands in for `[vars.POLICY]` on large sites (C10): the same tables, as the JSON that the
/// worker reads. The module is imported in any case, and empty where there is no such file.
fn policy(file: Option<&Path>) -> Result<String> {
    let Some(file) = file else { return Ok(String::new()) };
    let table: toml::Table = fs::read_to_string(file)?.parse().context("policy.toml")?;
    Ok(serde_json::to_string(&table)?)
}

fn cargo_build(toolchain: &Toolchain, profile: Profile) -> Result<PathBuf> {
    let (name, folder) = match profile {
        Profile::Shipped => ("wasm", "wasm"),
        Profile::Dev => ("dev", "debug"),
    };
    let mut cargo = toolchain.cargo(&["build", "--package", "satstile-worker", "--target", TARGET, "--profile", name]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remap_flags());
    repo::run(&mut cargo)?;
    Ok(repo::target().join("wasm").join(TARGET).join(folder).join("satstile_worker.wasm"))
}

/// Panic messages carry file names: they must not tell where and by whom the worker was built.
fn remap_flags() -> OsString {
    let mut flags = OsString::new();
    let mut remap = |from: &Path, to: &str| {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push(format!("={to}"));
    };
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".cargo")));
    if let Some(home) = home {
        remap(&home, "cargo");
    }
    remap(&repo::root(), "satstile");
    flags
}

fn bind(wasm: &Path, out: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(wasm)
        .module(true)?
        .out_name("index")
        .typescript(false)
        // After a panic the shim resets the instance instead of losing the isolate.
        .reset_state_function(true)
        .force_enable_abort_handler(true)
        .remove_producers_section(true)
        .generate(out)
        .context("wasm-bindgen failed")?;
    // workerd gives compiled modules by ordinary imports.
    let js = out.join("index.js");
    let text = fs::read_to_string(&js)?.replace("import source ", "import ");
    fs::write(&js, text).context("cannot write index.js")
}

/// With esbuild, which comes with wrangler. The shim is readable where it is written.
fn minify(tools: &Tools, module: &Path) -> Result<()> {
    let mut esbuild = tools.node();
    esbuild.arg("node_modules/esbuild/bin/esbuild").arg(module).args([
        "--minify",
        "--format=esm",
        "--log-level=warning",
    ]);
    repo::run(esbuild.arg("--allow-overwrite").arg(format!("--outfile={}", module.display())))
}

fn optimise(tools: &Tools, wasm: &Path) -> Result<()> {
    const FEATURES: [&str; 7] = [
        "mutable-globals",
        "sign-ext",
        "nontrapping-float-to-int",
        "bulk-memory",
        "multivalue",
        "reference-types",
        "exception-handling",
    ];
    let mut command = tools.wasm_opt();
    command.args(["-Oz", "--strip-debug"]).args(FEATURES.map(|f| format!("--enable-{f}")));
    repo::run(command.arg(wasm).arg("-o").arg(wasm))
}

/// Puts `new` in the place of `out`: two renames, with the old one out of the way in between.
fn replace(new: &Path, out: &Path) -> Result<()> {
    let old = out.with_file_name(".worker.old");
    remove(&old)?;
    if out.exists() {
        fs::rename(out, &old).context("cannot move the old pkg/worker away")?;
    }
    fs::rename(new, out).context("cannot move the new pkg/worker into place")?;
    remove(&old)
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}
