//! The tools that come from npm, pinned by `package-lock.json`: wrangler and workerd, wasm-opt, a browser
//! driver, and a Node 22 for wrangler, so that a machine with Node 20 needs nothing else.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repo;
use crate::steps::Steps;

/// Oldest Node that wrangler 4.164 runs on.
const NODE_FOR_WRANGLER: (u32, u32) = (22, 12);

/// Where the tools are.
pub struct Tools {
    /// A Node new enough for wrangler.
    pub node: PathBuf,
    /// wrangler's entry; run it as `node wrangler.js`, so that one pid is the whole of it.
    pub wrangler: PathBuf,
    wasm_opt: PathBuf,
}

impl Tools {
    /// Node with wrangler and no network: nothing is reported to anybody, nothing is asked of the user.
    pub fn wrangler(&self) -> Command {
        let mut command = self.node();
        command.arg(&self.wrangler);
        command
    }

    /// wasm-opt (Binaryen, itself compiled to wasm).
    pub fn wasm_opt(&self) -> Command {
        let mut command = self.node();
        command.arg(&self.wasm_opt);
        command
    }

    /// workerd, as wrangler brings it along.
    pub fn workerd() -> PathBuf {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "64" };
        let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
        repo::root().join(format!("node_modules/@cloudflare/workerd-{system}-{machine}/bin/workerd"))
    }

    /// Node in the workspace.
    pub fn node(&self) -> Command {
        let mut command = Command::new(&self.node);
        command.current_dir(repo::root());
        for (name, value) in [
            ("CI", "1"), // ask nothing
            ("WRANGLER_SEND_METRICS", "false"),
            ("WRANGLER_SEND_ERROR_REPORTS", "false"),
            ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
            ("WRANGLER_HIDE_BANNER", "true"), // the banner looks for updates on the network
            ("NO_COLOR", "1"),
        ] {
            command.env(name, value);
        }
        // Not into the home directory.
        command.env("WRANGLER_LOG_PATH", repo::target().join("wrangler-logs"));
        command
    }
}

/// `npm ci` when the lock file changed since the last one; one step.
pub fn ensure(steps: &mut Steps) -> Result<Tools> {
    let (root, modules) = (repo::root(), repo::root().join("node_modules"));
    let stamp = modules.join(".satstile-lock");
    let wanted = repo::fingerprint(&[root.join("package.json"), root.join("package-lock.json")], "")?;
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        steps.skip(1, "node tools: there");
    } else {
        steps.run("node tools: npm ci", || {
            require_node()?;
            // No install scripts: the platform's binaries are packages of their own, pinned by hash.
            repo::run(Command::new("npm").current_dir(&root).args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]))?;
            std::fs::write(&stamp, &wanted).context("cannot write node_modules/.satstile-lock")
        })?;
    }
    let wrangler = modules.join("wrangler/bin/wrangler.js");
    let wasm_opt = modules.join("binaryen/bin/wasm-opt");
    for file in [&wrangler, &wasm_opt] {
        if !file.is_file() {
            bail!("{} is missing: delete node_modules and run this again", file.display());
        }
    }
    Ok(Tools { node: node_for_wrangler(&modules)?, wrangler, wasm_opt })
}

fn require_node() -> Result<()> {
    for program in ["node", "npm"] {
        if !repo::installed(program) {
            bail!(
                "{program} is not installed: install Node 20 or newer with npm \
                 (https://nodejs.org, or `apt-get install nodejs npm`), then run this again"
            );
        }
    }
    match version("node") {
        Some((major, _)) if major < 20 => bail!("node is version {major}; Node 20 or newer is needed"),
        _ => Ok(()),
    }
}

/// The Node from npm where it has one for this platform, else the machine's own if it is new enough.
fn node_for_wrangler(modules: &std::path::Path) -> Result<PathBuf> {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let pinned = modules.join(format!("node-linux-{arch}/bin/node"));
    if pinned.is_file() {
        return Ok(pinned);
    }
    match version("node") {
        Some(v) if v >= NODE_FOR_WRANGLER => Ok("node".into()),
        _ => bail!("npm has no Node for this platform here: install Node 22.12 or newer, then run this again"),
    }
}

fn version(program: &str) -> Option<(u32, u32)> {
    let text = repo::output(Command::new(program).arg("--version"))?;
    let mut numbers = text.trim_start_matches('v').split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}
