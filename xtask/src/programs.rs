//! The programs of the workspace, tests among them, built in one go. Cargo compiles a dependency with the features that
//! the packages it is asked for want together: lanes that ask for packages of their own compile many of them again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{repo, told};

/// What every build of a lane asks cargo for, so that they share what is compiled. `nwc` is left out of wasm builds, and so
/// off by default.
const SELECTION: [&str; 3] = ["--workspace", "--features", "satstile-egress/nwc"];

/// Cargo on the whole workspace.
pub fn cargo<'a>(command: &'a str, args: &[&'a str]) -> Command {
    repo::cargo([command].iter().chain(&SELECTION).chain(args))
}

/// Programs of tests.
pub struct Programs(Vec<Program>);

#[derive(Debug, PartialEq)]
struct Program {
    /// Of the package, relative to the workspace: where its tests run.
    directory: PathBuf,
    name: String,
    path: PathBuf,
}

/// Builds every program: those in `target/debug`, and those of tests.
pub fn build() -> Result<Programs> {
    let mut command = cargo("build", &["--bins", "--tests", "--message-format=json-render-diagnostics"]);
    let line = repo::line(&command);
    let built = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let built = built.with_context(|| format!("cannot run `{line}`"))?;
    ensure!(built.status.success(), "`{line}` failed ({})", built.status);
    let mut programs: Vec<Program> = String::from_utf8_lossy(&built.stdout).lines().filter_map(test_program).collect();
    programs.sort_by(|a, b| (&a.directory, &a.name).cmp(&(&b.directory, &b.name)));
    Ok(Programs(programs))
}

/// The program of tests that a message of cargo is about.
fn test_program(message: &str) -> Option<Program> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let path = message["executable"].as_str()?.into();
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let directory = manifest.parent()?.strip_prefix(repo::root()).ok()?.to_owned();
    Some(Program { directory, name: message["target"]["name"].as_str()?.to_owned(), path })
}

impl Programs {
    /// Runs the tests of the packages in directories that are `wanted`, one program after the other, as `cargo test` does;
    /// a failure does not stop the others. `with` adds what the lane says to them.
    pub fn run(&self, wanted: impl Fn(&str) -> bool, with: impl Fn(&mut Command)) -> Result<()> {
        let is_wanted = |program: &&Program| program.directory.to_str().is_some_and(&wanted);
        let (mut some, mut failed) = (false, Vec::new());
        for Program { directory, name, path } in self.0.iter().filter(is_wanted) {
            some = true;
            eprintln!("     Running {name} of {}", directory.display());
            let mut command = Command::new(path);
            let directory = repo::root().join(directory);
            command.current_dir(&directory).env("CARGO_MANIFEST_DIR", &directory);
            // Those of xtask, whose tests these are not.
            command.env_remove("CARGO_MANIFEST_PATH").env_remove("CARGO_PKG_NAME").env_remove("CARGO_PKG_VERSION");
            with(&mut command);
            if let Err(e) = told::run(&mut command) {
                failed.push(format!("{e:#}"));
            }
        }
        ensure!(some, "no program of tests was built for this lane");
        if !failed.is_empty() {
            bail!("{}", failed.join("\n"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(manifest: &str, test: bool) -> String {
        let manifest = repo::root().join(manifest);
        let target = json!({"name": "stories", "kind": ["test"]});
        json!({
            "reason": "compiler-artifact", "manifest_path": manifest, "target": target,
            "profile": {"test": test}, "executable": "/there/stories-0",
        })
        .to_string()
    }

    #[test]
    fn a_program_of_tests_is_told_from_the_rest_that_cargo_builds() {
        let found = Program { directory: "tests".into(), name: "stories".to_owned(), path: "/there/stories-0".into() };
        assert_eq!(test_program(&message("tests/Cargo.toml", true)), Some(found));
        assert_eq!(test_program(&message("tests/Cargo.toml", false)), None, "a program that is shipped");
        assert_eq!(test_program("{\"reason\":\"build-finished\",\"success\":true}"), None);
        assert_eq!(test_program("no JSON"), None);
    }

    #[test]
    fn a_lane_without_programs_has_not_passed() {
        assert!(Programs(Vec::new()).run(|_| true, |_| ()).is_err());
    }

    #[test]
    fn one_program_that_fails_does_not_stop_the_next_and_is_named() {
        let program = |name: &str| Program { directory: "xtask".into(), name: name.to_owned(), path: name.into() };
        let programs = Programs(vec![program("false"), program("true"), program("no-such-program-here")]);
        let failed = programs.run(|directory| directory == "xtask", |_| ()).unwrap_err().to_string();
        assert!(failed.contains("`false` failed") && failed.contains("no-such-program-here"), "{failed}");
        assert!(!failed.contains("`true`"), "{failed}");
        assert!(Programs(vec![program("true")]).run(|directory| directory == "xtask", |_| ()).is_ok());
    }
}
