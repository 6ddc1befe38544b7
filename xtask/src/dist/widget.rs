//! `satstile-widget`: the browser component for bundlers. The wasm travels as text in a module of its own: the one form
//! that every bundler takes without a setting. It is packed first, since text of plain wasm is a quarter larger on the
//! wire, however a server compresses it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::npm::Tools;
use crate::repo;
use crate::size::gzip;
use crate::wasm::Staged;
use crate::widget;

pub fn write(tools: &Tools, out: &Path) -> Result<()> {
    let built = widget::directory();
    // Nobody replaces the directory while it is read.
    let _turn = Staged::of(built.clone())?;
    fs::create_dir_all(out.join("lang"))?;
    fs::copy(built.join("core.js"), out.join("core.js")).context("pkg/widget is not built")?;
    let wasm = STANDARD.encode(gzip(&fs::read(built.join("core.wasm"))?)?);
    fs::write(out.join("wasm.js"), format!("export default \"{wasm}\";\n"))?;

    let mut esbuild = widget::bundle(tools, "npm.js");
    esbuild.args(["--minify=false", "--external:./core.js", "--external:./wasm.js", "--external:./lang/*"]);
    repo::run(esbuild.arg(format!("--outfile={}", out.join("index.js").display())))?;

    let entry = fs::read_to_string(out.join("index.js"))?;
    for language in widget::languages()? {
        let name = language.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !entry.contains(&format!("import(\"./lang/{name}.js\")")) {
            bail!("web-client/js/npm.js does not import the language {name}");
        }
        fs::write(
            out.join(format!("lang/{name}.js")),
            format!("export default {};\n", fs::read_to_string(&language)?.trim()),
        )?;
    }
    super::hand_written("web-client/npm", out)
}
