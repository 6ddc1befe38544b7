//! `satstile-node`: reads the command line, says where it listens, and runs until SIGTERM or Ctrl-C.
//!
//! One JSON line on stdout is for the program that started it; everything for people goes to stderr.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use satstile_node::{Cli, Config, Environment, start};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

// One thread is plenty for what waits for a node most of the time, and is spared the switching between several.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // It writes the whole request down, credential and all, so nobody may ask for it (T120).
    let filter = filter.add_directive("tungstenite::handshake::client=off".parse().expect("a directive"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("satstile-node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let variable = |name: &str| std::env::var(name).ok();
    let (relay_secrets, backends) = (variable("RELAY_SECRETS"), variable("BACKENDS"));
    let (payout_secrets, payout_backend) = (variable("PAYOUT_SECRETS"), variable("PAYOUT_BACKEND"));
    let print_config = cli.print_config;
    let environment = Environment {
        relay_secrets: relay_secrets.as_deref(),
        backends: backends.as_deref(),
        payout_secrets: payout_secrets.as_deref(),
        payout_backend: payout_backend.as_deref(),
    };
    let config = Config::new(cli, &environment)?;
    if print_config {
        writeln!(std::io::stdout(), "{:#}", config.summary())?;
        return Ok(());
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let node = start(config).await?;
    let listening = json!({
        "event": "listening",
        "relay": node.relay().to_string(),
        "wallet": node.wallet().map(|address| address.to_string()),
        "metrics": node.metrics().map(|address| address.to_string()),
    });
    writeln!(std::io::stdout(), "{listening}")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    node.stop().await;
    Ok(())
}
