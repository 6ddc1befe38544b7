//! Builds `pkg/widget/`: the browser component as the worker serves it. The loader `widget.js` names everything else by
//! the hash of what it holds, so that a browser keeps those files for ever and takes no others.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256, Sha384};
use wasm_bindgen_cli_support::Bindgen;

use crate::npm::Tools;
use crate::repo;
use crate::steps::Steps;
use crate::wasm::{self, Profile, Staged};
use crate::wasm_target::Toolchain;

/// How many steps [`build`] counts.
pub const STEPS: usize = 2;

/// The built directory.
pub fn directory() -> PathBuf {
    repo::root().join("pkg/widget")
}

/// Two steps; the last is skipped when its inputs are those of the last build.
pub fn build(steps: &mut Steps, toolchain: &Toolchain, tools: &Tools, profile: Profile) -> Result<()> {
    let wasm = steps.run("widget: cargo build", || {
        wasm::cargo_build_smallest(toolchain, "satstile-web-client", "widget", profile)
    })?;
    let staged = Staged::of(directory())?;
    let inputs = fingerprint(&wasm, profile)?;
    if staged.is_made_of(&inputs) {
        steps.skip(1, "widget: pkg/widget is up to date");
        return Ok(());
    }
    staged.begin()?;
    steps.run("widget: wasm-bindgen, wasm-opt, loader", || {
        bind(tools, &wasm, &staged.new, profile)?;
        for language in languages()? {
            fs::copy(&language, staged.new.join(language.file_name().unwrap_or_default()))?;
        }
        load(tools, &staged.new)?;
        staged.finish(&inputs)
    })
}

fn sources() -> PathBuf {
    repo::root().join("web-client")
}

/// English is in the wasm.
pub fn languages() -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> =
        fs::read_dir(sources().join("lang"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|e| e == "json") && path.file_stem().is_some_and(|s| s != "en"));
    files.sort();
    Ok(files)
}

fn fingerprint(wasm: &Path, profile: Profile) -> Result<String> {
    let mut files = vec![wasm.to_path_buf(), repo::root().join("package-lock.json")];
    for folder in ["js", "lang"] {
        let mut found: Vec<_> = fs::read_dir(sources().join(folder))?.flatten().map(|entry| entry.path()).collect();
        found.sort();
        files.extend(found);
    }
    let recipe = concat!(include_str!("widget.rs"), include_str!("wasm.rs"), include_str!("../Cargo.toml"));
    repo::fingerprint(&files, &format!("{recipe}{}", profile == Profile::Dev))
}

/// `core.wasm`, and `core.js`: what wasm-bindgen wrote and `web-client/js/core.js`, in one.
fn bind(tools: &Tools, wasm: &Path, out: &Path, profile: Profile) -> Result<()> {
    let bound = out.join(".bound");
    Bindgen::new()
        .input_path(wasm)
        .web(true)?
        .out_name("rust")
        .typescript(false)
        // The loader says where the wasm is: a path beside the module is no use to a bundler.
        .omit_default_module_path(true)
        .remove_name_section(profile == Profile::Shipped)
        .remove_producers_section(true)
        .generate(&bound)
        .context("wasm-bindgen failed")?;
    fs::rename(bound.join("rust_bg.wasm"), out.join("core.wasm"))?;
    if profile == Profile::Shipped {
        wasm::optimise(tools, &out.join("core.wasm"))?;
    }
    let mut hashes = serde_json::Map::new();
    for language in languages()? {
        let code = language.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        hashes.insert(code, integrity("sha256", &Sha256::digest(fs::read(&language)?)).into());
    }
    let mut esbuild = bundle(tools, "core.js");
    esbuild.arg(format!("--define:HASHES={}", serde_json::Value::Object(hashes)));
    esbuild.arg(format!("--alias:rust={}", bound.join("rust.js").display())).arg("--loader:.css=text");
    repo::run(esbuild.arg(format!("--outfile={}", out.join("core.js").display())))?;
    wasm::remove(&bound)
}

/// esbuild for an entry of `web-client/js`.
pub fn bundle(tools: &Tools, entry: &str) -> std::process::Command {
    let mut esbuild = tools.node();
    esbuild.arg("node_modules/esbuild/bin/esbuild").arg(sources().join("js").join(entry));
    esbuild.args(["--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--log-level=warning"]);
    esbuild
}

/// The loader, with the names and hashes of what it loads.
fn load(tools: &Tools, out: &Path) -> Result<()> {
    let mut all = Sha256::new();
    for file in files(out)? {
        all.update(fs::read(out.join(file))?);
    }
    let id: String = all.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let build = serde_json::json!({
        "id": id,
        "core": sha384(&fs::read(out.join("core.js"))?),
        "wasm": sha384(&fs::read(out.join("core.wasm"))?),
    });
    let loader = out.join("widget.js");
    let mut esbuild = bundle(tools, "widget.js");
    esbuild.arg(format!("--define:BUILD={build}")).arg(format!("--outfile={}", loader.display()));
    repo::run(&mut esbuild)?;
    let integrity = sha384(&fs::read(&loader)?);
    let about = serde_json::json!({
        "script": format!("/.well-known/satstile/widget-{id}/widget.js"),
        "integrity": integrity,
        "tag": format!(r#"<script type="module" crossorigin integrity="{integrity}" src="/.well-known/satstile/widget-{id}/widget.js"></script>"#),
    });
    fs::write(out.join("widget.json"), format!("{about:#}\n"))?;
    fs::write(out.join(".id"), id)?;
    Ok(())
}

/// As `integrity` attributes have it (W3C Subresource Integrity).
fn integrity(name: &str, hash: &[u8]) -> String {
    format!("{name}-{}", STANDARD.encode(hash))
}

fn sha384(bytes: &[u8]) -> String {
    integrity("sha384", &Sha384::digest(bytes))
}

/// Names in a built directory, sorted.
fn files(directory: &Path) -> Result<Vec<String>> {
    let mut names: Vec<_> = fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}

/// Puts the built widget into the worker as data, with a module that knows the names: `widget.js` and `widget.json` by
/// their own, and everything under `widget-<id>/` as well.
pub fn embed(worker: &Path) -> Result<()> {
    let widget = directory();
    let id = fs::read_to_string(widget.join(".id"))?;
    fs::create_dir_all(worker.join("files"))?;
    let (mut imports, mut names) = (String::new(), String::new());
    for (n, name) in files(&widget)?.iter().enumerate() {
        // An extension that is data to wrangler and to workerd, whatever is in it.
        fs::copy(widget.join(name), worker.join(format!("files/{name}.bin")))?;
        imports.push_str(&format!("import f{n} from \"./files/{name}.bin\";\n"));
        if name.starts_with("widget.") {
            names.push_str(&format!("  \"{name}\": f{n},\n"));
        }
        if name != "widget.json" {
            names.push_str(&format!("  \"widget-{id}/{name}\": f{n},\n"));
        }
    }
    let module = format!("{imports}export const build = \"{id}\";\nexport default {{\n{names}}};\n");
    fs::write(worker.join("files.js"), module).context("cannot write files.js")
}
