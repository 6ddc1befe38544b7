//! `satstile`: the Worker with its wasm built, a template of a deployment, and the script that writes one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::wasm::Staged;
use crate::{repo, worker};

pub fn write(out: &Path) -> Result<()> {
    // Nobody replaces the directory while it is read.
    let _turn = Staged::of(worker::directory())?;
    super::copy_tree(&worker::directory(), out).context("pkg/worker is not built")?;
    // The policy of this repository is nobody else's; theirs is in their wrangler.toml.
    fs::write(out.join("policy.txt"), "")?;
    fs::copy(repo::root().join("policy.schema.json"), out.join("policy.schema.json"))?;
    super::hand_written("worker/npm", out)
}
