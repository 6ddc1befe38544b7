//! `cargo xtask bench`: builds everything as it is shipped and hands over to `tests/bench`.

use std::process::Command;

use anyhow::Result;

use crate::npm;
use crate::peers;
use crate::steps::Steps;
use crate::{repo, wasm, wasm_target, worker};

pub fn run(args: &[String]) -> Result<()> {
    let mut steps = Steps::new(4 + worker::STEPS);
    let toolchain = wasm_target::ensure(&mut steps)?;
    let tools = npm::ensure(&mut steps)?;
    worker::build(&mut steps, &toolchain, &tools, wasm::Profile::Shipped)?;
    let packages = ["satstile-node", "satstile-demo-origin", "satstile-bench"];
    steps.run("everything else: cargo build --release", || {
        let args = ["build", "--release"].into_iter().chain(packages.into_iter().flat_map(|p| ["--package", p]));
        repo::run(&mut repo::cargo(args))
    })?;
    // What a balance pays for has no peer.
    let is_debits = args.windows(2).any(|pair| pair == ["--only", "debits"]);
    if is_debits || args.iter().any(|a| a == "--no-peers") {
        steps.skip(1, "btcd, lnd and aperture are left out");
    } else {
        // Without Go there are none; the bench then says so in its table.
        steps.run("btcd, lnd and aperture: go build", || peers::ensure(&[peers::NETWORK, peers::APERTURE].concat()))?;
    }
    let release = repo::target().join("release");
    let mut bench = Command::new(release.join("satstile-bench"));
    bench
        .current_dir(repo::root())
        .args(args)
        .env("SATSTILE_NODE_BIN", release.join("satstile-node"))
        .env("SATSTILE_ORIGIN_BIN", release.join("satstile-demo-origin"));
    repo::run(&mut bench)
}
