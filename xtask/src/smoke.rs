//! The one test that goes through wrangler: that it takes `wrangler.toml` as it is, runs it, and would deploy
//! it. Everything else is tested in workerd directly.

use anyhow::Result;

use crate::npm::Tools;
use crate::repo;

pub fn run(tools: &Tools) -> Result<()> {
    let out = repo::target().join("wrangler-dry-run");
    let mut deploy = tools.wrangler();
    deploy.args(["deploy", "--dry-run", "--outdir"]).arg(&out);
    repo::run(&mut deploy)?;
    repo::run(tools.node().arg("xtask/src/smoke.mjs"))
}
