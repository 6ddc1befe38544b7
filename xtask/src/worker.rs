//! Builds `pkg/worker/`, the directory that wrangler deploys and the tests run: cargo, then wasm-bindgen
//! (a library here: no CLI whose version could differ), then wasm-opt. Replaced as a whole, so that whoever
//! reads it sees the old worker or the new one.

mod modules;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

use crate::npm::Tools;
use crate::repo;
use crate::steps::Steps;
use crate::wasm::{self, Profile, Staged};
use crate::wasm_target::Toolchain;
use crate::widget;

/// How many steps [`build`] counts.
pub const STEPS: usize = 3 + widget::STEPS;

/// The built directory.
pub fn directory() -> PathBuf {
    repo::root().join("pkg/worker")
}

/// The widget, since the worker serves it, and then the worker: the last steps of both are skipped when their inputs are
/// those of the last build.
pub fn build(steps: &mut Steps, toolchain: &Toolchain, tools: &Tools, profile: Profile) -> Result<()> {
    widget::build(steps, toolchain, tools, profile)?;
    let wasm = steps.run("worker: cargo build", || wasm::cargo_build(toolchain, "satstile-worker", "wasm", profile))?;
    let sources = Sources::find(wasm)?;
    let staged = Staged::of(directory())?;
    let inputs = sources.fingerprint(profile)?;
    if staged.is_made_of(&inputs) {
        steps.skip(2, "worker: pkg/worker is up to date");
        return Ok(());
    }
    staged.begin()?;
    let new = &staged.new;
    steps.run("worker: wasm-bindgen", || bind(&sources.wasm, new))?;
    steps.run("worker: wasm-opt and bundle", || {
        if profile == Profile::Shipped {
            wasm::optimise(tools, &new.join("index_bg.wasm"))?;
        }
        bundle(tools, new, profile)?;
        if profile == Profile::Shipped {
            wasm::minify(tools, &new.join("index.js"))?;
        }
        fs::write(new.join("policy.txt"), policy(sources.policy.as_deref())?).context("cannot write policy.txt")?;
        widget::embed(new)?;
        modules::write(new)?;
        staged.finish(&inputs)
    })
}

/// What a build is made of, besides what cargo itself keeps track of.
struct Sources {
    wasm: PathBuf,
    scripts: Vec<PathBuf>,
    policy: Option<PathBuf>,
}

/// The JavaScript of the worker; `shim.mjs` is its entry.
fn scripts() -> PathBuf {
    repo::root().join("worker/src/js")
}

impl Sources {
    fn find(wasm: PathBuf) -> Result<Self> {
        let folder = scripts();
        let listed = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let mut scripts: Vec<_> = listed.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        scripts.retain(|path| path.extension().is_some_and(|e| e == "mjs"));
        scripts.sort();
        let policy = Some(repo::root().join("policy.toml")).filter(|p| p.is_file());
        Ok(Self { wasm, scripts, policy })
    }

    fn fingerprint(&self, profile: Profile) -> Result<String> {
        let mut files = vec![self.wasm.clone(), repo::root().join("package-lock.json")];
        files.extend(self.scripts.clone());
        files.extend(self.policy.clone());
        files.push(widget::directory().join(".inputs"));
        // The steps below are an input too.
        let recipe = concat!(
            include_str!("worker.rs"),
            include_str!("worker/modules.rs"),
            include_str!("wasm.rs"),
            include_str!("../Cargo.toml")
        );
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

/// The JavaScript as one module with the name of its entry; esbuild comes with wrangler. What else stands in the build is
/// imported from there.
fn bundle(tools: &Tools, out: &Path, profile: Profile) -> Result<()> {
    const BESIDE: [&str; 4] = ["cloudflare:workers", "./index.js", "./files.js", "./policy.txt"];
    let mut esbuild = tools.node();
    esbuild.arg("node_modules/esbuild/bin/esbuild").arg(scripts().join("shim.mjs"));
    esbuild.args(["--bundle", "--format=esm", "--log-level=warning"]);
    esbuild.args(BESIDE.map(|name| format!("--external:{name}")));
    if profile == Profile::Shipped {
        esbuild.arg("--minify");
    }
    repo::run(esbuild.arg(format!("--outfile={}", out.join("shim.mjs").display())))
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
