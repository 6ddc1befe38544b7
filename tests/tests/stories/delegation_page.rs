//! The page about delegation, typed as it stands: every command of it, in order, and every line that it promises.

use std::process::{Command, Stdio};

use satstile_tests::{Stack, binaries};
use serde_json::json;

use crate::common::plenty;

/// A command of the page, and the lines that follow it.
struct Step {
    command: String,
    says: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let blocks = page.split("```console\n").skip(1).filter_map(|block| block.split("```").next());
    for line in blocks.flat_map(str::lines) {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), says: Vec::new() }),
            (None, Some(step)) => step.says.push(line.to_owned()),
            (None, None) => panic!("{line}: no command before it"),
        }
    }
    steps
}

#[test]
fn the_page_about_delegation_does_what_it_says() {
    let is_there = |tool: &str| {
        Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !is_there("curl") || !is_there("jq") {
        eprintln!("skipped: the page's commands need curl and jq");
        return;
    }
    let page = std::fs::read_to_string(binaries::root().join("docs/book/src/delegation.md")).unwrap();
    let stack = Stack::start(plenty(json!({})));
    let wallet = format!(
        "'type=phoenixd;server=http://{};password={}' --network regtest",
        stack.node().wallet_address(),
        stack.node().wallet_password()
    );
    let home = tempfile::tempdir().unwrap();
    let programs = binaries::workspace_binary("satstile", "SATSTILE_BIN");
    let path = format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let steps = steps(&page);
    assert!(steps.len() >= 10, "the page has its commands");
    let mut umask = String::new();
    for step in steps {
        let command = step
            .command
            .replace("http://localhost:8787", &stack.url(""))
            .replace("--wallet dev", &format!("--wallet {wallet}"));
        // One shell a command; what it sets for itself must hold for the next.
        if command.starts_with("umask") {
            umask = format!("{command}; ");
            continue;
        }
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("set -o pipefail; {umask}{command}")]).current_dir(home.path());
        shell.env("PATH", &path).env("HOME", home.path()).env("XDG_CACHE_HOME", home.path());
        let ending = shell.output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ending.stdout), String::from_utf8_lossy(&ending.stderr));
        assert!(ending.status.success(), "{}: {out}{err}", step.command);
        let lines: Vec<&str> = out.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, step.says, "{}: {err}", step.command);
    }
    let seen: Vec<String> = crate::common::seen(&stack);
    let articles = ["/articles/1", "/articles/1", "/articles/2", "/articles/3", "/articles/2"];
    assert_eq!(seen, articles, "bought, two by the sub-agent, one by the parent, one under a key");
}
