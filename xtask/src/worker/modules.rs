//! `modules.capnp`: the list of the build's modules, for whoever runs workerd without wrangler. Some of their names
//! change with their contents, so nobody should have to write them down.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Lists what is in `out`, and writes the list beside it. Its paths are relative to itself.
pub fn write(out: &Path) -> Result<()> {
    let mut names = Vec::new();
    walk(out, "", &mut names)?;
    fs::write(out.join("modules.capnp"), list(names)).context("cannot write modules.capnp")
}

fn walk(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// The entry comes first, as workerd wants it; the others in an order that does not change.
fn list(mut names: Vec<String>) -> String {
    names.sort_by_key(|name| (name != "shim.mjs", name.clone()));
    let mut out = String::from(
        "# The modules of the Worker, for a configuration of workerd. Written by `cargo xtask worker`.\n\
         using Workerd = import \"/workerd/workerd.capnp\";\n\
         const modules :List(Workerd.Worker.Module) = [\n",
    );
    for (name, kind) in names.iter().filter_map(|name| Some((name, kind(name)?))) {
        let _ = writeln!(out, "  (name = \"{name}\", {kind} = embed \"{name}\"),"); // a String takes everything
    }
    out + "];\n"
}

/// As wrangler's rules have it; `None` for the notes of a build.
fn kind(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" | "mjs" => Some("esModule"),
        "wasm" => Some("wasm"),
        "txt" => Some("text"),
        "bin" => Some("data"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_comes_first_and_notes_are_no_modules() {
        let names = ["index.js", ".inputs", "files/core.wasm.bin", "shim.mjs", "index_bg.wasm", "policy.txt"];
        let text = list(names.map(str::to_owned).to_vec());
        let listed: Vec<&str> = text.lines().filter(|line| line.starts_with("  (")).collect();
        assert_eq!(
            listed,
            [
                r#"  (name = "shim.mjs", esModule = embed "shim.mjs"),"#,
                r#"  (name = "files/core.wasm.bin", data = embed "files/core.wasm.bin"),"#,
                r#"  (name = "index.js", esModule = embed "index.js"),"#,
                r#"  (name = "index_bg.wasm", wasm = embed "index_bg.wasm"),"#,
                r#"  (name = "policy.txt", text = embed "policy.txt"),"#,
            ]
        );
    }
}
