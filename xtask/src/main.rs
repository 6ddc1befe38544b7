//! `cargo xtask …`: everything a person or a CI machine types here. One module a command; what they share
//! (paths, child processes, progress lines, the tools from npm) is in modules of its own.

mod bench;
mod children;
mod ci;
mod circles;
mod dev;
mod dev_vars;
mod devnet;
mod dist;
mod help;
mod interop;
mod npm;
mod peers;
mod programs;
mod repo;
mod size;
mod smoke;
mod startup;
mod steps;
mod test;
mod told;
mod wasm;
mod wasm_order;
mod wasm_target;
mod widget;
mod worker;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  dev                 set up what is missing, then run worker, node, demo origin and wallet on loopback
  devnet up|down|…    a Lightning network on loopback, of btcd and two lnd; `cargo xtask devnet` says more
  test [LANE…]        set up, then checks and tests (or only the lanes named), with a summary;
                      --lightning: the lane that pays on such a network
                      ledger [--rounds N] [--seed N]: the lane that kills the edge and checks its books
  interop [NAME…]     clients that others wrote pay at the worker (or only those named)
  ci                  the lanes a merge waits for, within one time budget
  setup               only set up: wasm target, tools from npm
  worker [--dev]      build pkg/widget and pkg/worker (--dev: quick to build, large and slow to run)
  dist                build the npm packages into pkg/npm, packed as they are published
  circles             files that import one another in a circle, which no more than two may do
  size                gzip sizes of worker, widget and packages against their budgets
  bench [--no-peers]  build for release and measure, beside aperture where Go is installed

  --install           with test and ci: also install what a lane lacks (apt as root, cargo install)

`cargo xtask COMMAND --help` says more of each.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", args),
    };
    let known = |allowed: &[&str]| match rest.iter().find(|a| !allowed.contains(&a.as_str())) {
        Some(odd) => bail!("{command} does not know {odd}\n\n{USAGE}"),
        None => Ok(()),
    };
    if let Some(page) = help::of(command).filter(|_| help::is_asked(rest)) {
        println!("{page}");
        return Ok(());
    }
    let has = |flag: &str| rest.iter().any(|a| a == flag);
    match command {
        "dev" => known(&[]).and_then(|()| dev::run()),
        "devnet" => devnet::run(rest),
        "test" => test::run(rest).map(drop),
        "ci" => known(&["--install"]).and_then(|()| ci::run(has("--install"))),
        "setup" => known(&[]).and_then(|()| setup()),
        "worker" => known(&["--dev"]).and_then(|()| build_worker(has("--dev"))),
        "dist" => known(&[]).and_then(|()| build_packages()),
        "circles" => known(&[]).and_then(|()| circles::run()),
        "size" => known(&[]).and_then(|()| size::run()),
        "bench" => bench::run(rest),
        "interop" => interop::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}\n\nlanes: {}", test::lanes());
            Ok(())
        }
        odd => bail!("no command {odd}\n\n{USAGE}"),
    }
}

fn setup() -> Result<()> {
    let mut steps = steps::Steps::new(2);
    wasm_target::ensure(&mut steps)?;
    npm::ensure(&mut steps)?;
    Ok(())
}

fn build_packages() -> Result<()> {
    let mut steps = steps::Steps::new(2 + worker::STEPS + dist::STEPS);
    let toolchain = wasm_target::ensure(&mut steps)?;
    let tools = npm::ensure(&mut steps)?;
    worker::build(&mut steps, &toolchain, &tools, wasm::Profile::Shipped)?;
    dist::build(&mut steps, &tools)?;
    for package in dist::PACKAGES {
        println!("{}", dist::tarball(package).display());
    }
    println!("In an empty folder: npm install the first of them, then `npx satstile init .`");
    Ok(())
}

fn build_worker(dev: bool) -> Result<()> {
    let mut steps = steps::Steps::new(2 + worker::STEPS);
    let toolchain = wasm_target::ensure(&mut steps)?;
    let tools = npm::ensure(&mut steps)?;
    let profile = if dev { wasm::Profile::Dev } else { wasm::Profile::Shipped };
    worker::build(&mut steps, &toolchain, &tools, profile)
}
