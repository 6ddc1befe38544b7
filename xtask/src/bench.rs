//! `cargo xtask bench`: builds everything as it is shipped and hands over to `tests/bench`.

use std::process::Command;

use anyhow::Result;

use crate::npm;
use crate::steps::Steps;
use crate::{repo, wasm, wasm_target, worker};

pub fn run(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(3 + worker::STEPS);
    let toolchain = wasm_target::ensure(&mut steps)?;
    let tools = npm::ensure(&mut steps)?;
    worker::build(&mut steps, &toolchain, &tools, wasm::Profile::Shipped)?;
    let packages = ["satstile-node", "satstile-demo-origin", "satstile-bench"];
    steps.run("everything else: cargo build --release", || {
        let args = ["build", "--release"].into_iter().chain(packages.into_iter().flat_map(|p| ["--package", p]));
        repo::run(&mut repo::cargo(args))
    })?;
    let release = repo::target().join("release");
    let mut bench = Command::new(release.join("satstile-bench"));
    bench
        .current_dir(repo::root())
        .args(args)
        .env("SATSTILE_NODE_BIN", release.join("satstile-node"))
        .env("SATSTILE_ORIGIN_BIN", release.join("satstile-demo-origin"));
    repo::run(&mut bench)
}
