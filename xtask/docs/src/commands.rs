//! Commands that a page names exist, with the options it gives them: each is held against what the program itself says
//! under `--help`. Nothing else of it is run.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::page::Page;
use crate::{Finding, shell};

/// The programs of the project, and what they have said so far.
pub struct Programs {
    xtask: PathBuf,
    satstile: PathBuf,
    node: PathBuf,
    npm: PathBuf,
    said: RefCell<BTreeMap<Vec<String>, String>>,
    held: Cell<usize>,
}

impl Programs {
    /// Fails where one of them is not built: a check that has nothing to hold a page against is none.
    pub fn new(root: &Path, xtask: PathBuf, satstile: PathBuf, node: PathBuf) -> Result<Self> {
        let npm = root.join("worker/npm/satstile.mjs");
        for program in [&xtask, &satstile, &node, &npm] {
            if !program.is_file() {
                bail!("{} is not built", program.display());
            }
        }
        Ok(Self { xtask, satstile, node, npm, said: RefCell::default(), held: Cell::new(0) })
    }

    /// How many commands were held against what their programs say.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// What a program says of itself, on stdout or stderr.
    fn help(&self, program: &Path, args: &[&str]) -> Result<String> {
        let mut key = vec![program.display().to_string()];
        key.extend(args.iter().map(|arg| (*arg).to_owned()));
        if let Some(said) = self.said.borrow().get(&key) {
            return Ok(said.clone());
        }
        let is_script = program.extension().is_some_and(|e| e == "mjs");
        let mut command = Command::new(if is_script { Path::new("node") } else { program });
        command.args(is_script.then_some(program)).args(args).arg("--help").stdin(Stdio::null());
        let out = command.output().with_context(|| format!("cannot run {}", program.display()))?;
        let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        self.said.borrow_mut().insert(key, said.clone());
        Ok(said)
    }
}

/// What is wrong with the commands of a page: those of its `console` blocks, and those within sentences.
pub fn check(page: &Page, programs: &Programs) -> Vec<Finding> {
    let blocks = page.fences.iter().filter(|fence| fence.language == "console");
    let typed = blocks.flat_map(|f| shell::commands(&f.text).into_iter().map(|(n, text)| (f.line + n, text)));
    let mut findings = Vec::new();
    for (line, text) in typed.chain(page.code.iter().cloned()) {
        for words in shell::words(&text) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if let Some(what) = fault(&words, programs) {
                findings.push(page.finding(line, format!("`{}`: {what}", words.join(" "))));
            }
        }
    }
    findings
}

fn fault(words: &[&str], programs: &Programs) -> Option<String> {
    let outcome = match words {
        ["cargo", "xtask", "devnet", args @ ..] => listed(programs, &["devnet"], args),
        ["cargo", "xtask", args @ ..] => listed(programs, &[], args),
        ["npx", "satstile", args @ ..] => programs.help(&programs.npm, &[]).map(|help| {
            let command = args.first().filter(|arg| !is_placeholder(arg))?;
            (!help.contains(&format!("satstile {command} "))).then(|| format!("there is no {command}"))
        }),
        ["cargo", "run", "-p" | "--package", "satstile-cli", "--", args @ ..] | ["satstile", args @ ..] => {
            clap(programs, &programs.satstile, args)
        }
        ["cargo", "run", "-p" | "--package", "satstile-node", "--", args @ ..] | ["satstile-node", args @ ..] => {
            clap(programs, &programs.node, args)
        }
        _ => return None,
    };
    programs.held.set(programs.held.get() + 1);
    outcome.unwrap_or_else(|e| Some(format!("{e:#}")))
}

/// By the one page of `cargo xtask --help`: the command begins a line of it, its options are in it, and so are lanes.
fn listed(programs: &Programs, before: &[&str], args: &[&str]) -> Result<Option<String>> {
    let help = programs.help(&programs.xtask, before)?;
    let Some(command) = args.first().filter(|arg| !is_placeholder(arg)) else { return Ok(None) };
    if !help.lines().any(|line| line.trim_start().split([' ', '|']).next() == Some(command)) && *command != "--help" {
        return Ok(Some(format!("there is no {command}")));
    }
    let is_known = |arg: &str| help.split([' ', ',', '\n', '[', ']', ':', ';', '(']).any(|word| word == arg);
    let takes_words = before.is_empty() && *command == "test";
    let asked = args.iter().skip(1).filter(|arg| arg.starts_with("--") || (takes_words && !is_placeholder(arg)));
    Ok(asked.map(|arg| long(arg)).find(|arg| !is_known(arg)).map(|arg| format!("there is no {arg}")))
}

/// By the help of the innermost subcommand that is named.
fn clap(programs: &Programs, program: &Path, args: &[&str]) -> Result<Option<String>> {
    let mut inner = Vec::new();
    let mut help = programs.help(program, &inner)?;
    for arg in args.iter().take_while(|arg| !arg.starts_with('-') && !is_placeholder(arg)) {
        let Some((_, list)) = help.split_once("\nCommands:\n") else { break };
        let list = list.split("\n\n").next().unwrap_or_default();
        if !list.lines().any(|line| line.split_whitespace().next() == Some(arg)) {
            return Ok(Some(format!("there is no {arg}")));
        }
        inner.push(*arg);
        help = programs.help(program, &inner)?;
    }
    let is_known = |arg: &str| help.split([' ', ',', '\n', '[', '=']).any(|word| word == arg);
    let options = args.iter().take_while(|arg| **arg != "--").filter(|arg| arg.starts_with("--"));
    Ok(options.map(|arg| long(arg)).find(|arg| !is_known(arg)).map(|arg| format!("there is no {arg}")))
}

/// `--name` of `--name=value`.
fn long(arg: &str) -> &str {
    arg.split('=').next().unwrap_or(arg)
}

/// `URL`, `[LANE…]`, `…`: what the reader puts something else for.
fn is_placeholder(arg: &str) -> bool {
    !arg.starts_with('-') && (arg.contains('…') || arg.starts_with('[') || !arg.bytes().any(|b| b.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs that have already said what they say.
    fn programs() -> Programs {
        let said = [
            (
                vec!["x"],
                "usage\n\n  dev      run\n  up|down  it\n  test [L] with:\n           lanes: fmt, docs; --install: too",
            ),
            (vec!["s"], "\nCommands:\n  pay   Pays\n  help  x\n\nOptions:\n  -h, --help\n"),
            (vec!["s", "pay"], "Options:\n      --max-sats <N>\n      --json\n"),
            (vec!["n"], "Options:\n      --state <DIR>  [env: STATE=]\n"),
            (vec!["npm"], "usage: satstile init [FOLDER]\n       satstile secrets      print"),
        ];
        let said = said.map(|(k, v)| (k.into_iter().map(str::to_owned).collect::<Vec<_>>(), v.to_owned())).into();
        let [xtask, satstile, node, npm] = ["x", "s", "n", "npm"].map(PathBuf::from);
        Programs { xtask, satstile, node, npm, said: RefCell::new(said), held: Cell::new(0) }
    }

    #[track_caller]
    fn fault_of(line: &str) -> Option<String> {
        fault(&line.split(' ').collect::<Vec<_>>(), &programs())
    }

    #[test]
    fn what_a_program_lists_exists() {
        for line in [
            "cargo xtask dev",
            "cargo xtask up",
            "cargo xtask test fmt --install",
            "cargo xtask test [LANE…]",
            "satstile pay --max-sats=5 URL",
            "cargo run -p satstile-cli -- pay --json https://a.example",
            "satstile-node --state DIR",
            "npx satstile secrets",
            "npx satstile init .",
            "ls --nonsense",
        ] {
            assert_eq!(fault_of(line), None, "{line}");
        }
    }

    #[test]
    fn what_no_program_lists_does_not() {
        for (line, missing) in [
            ("cargo xtask deploy", "deploy"),
            ("cargo xtask test lint", "lint"),
            ("cargo xtask test --fast", "--fast"),
            ("satstile buy URL", "buy"),
            ("satstile pay --max 5", "--max"),
            ("satstile-node --stat x", "--stat"),
            ("npx satstile deploy", "deploy"),
        ] {
            assert_eq!(fault_of(line), Some(format!("there is no {missing}")), "{line}");
        }
    }
}
