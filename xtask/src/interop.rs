//! `cargo xtask interop`: clients that others wrote, unmodified, pay at the built worker. Here they are set up below
//! `target/interop`, each language by its own tool and from pins; `tests/src/bin/satstile-interop` then runs and
//! judges them.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::steps::Steps;
use crate::{npm, programs, repo, test, wasm, wasm_target, worker};

/// For one of `npm ci`, `pip install`, `go build` on a busy machine.
const SETUP_LIMIT: Duration = Duration::from_secs(15 * 60);
const LOG_TAIL_LINES: usize = 20;

const PYTHON: &str = "Python 3.11 or newer with venv and pip is missing (to run it: apt-get install python3-venv)";
const GO: &str = "Go is missing (to run it: apt-get install golang-go)";

/// Something that clients run in.
#[derive(Clone)]
enum Runtime {
    /// One directory for all npm clients.
    Npm,
    /// One environment for each Python client, by the name of its requirements: their dependencies clash.
    Python(String),
    Go,
}

/// What became of one.
enum Outcome {
    Ready,
    /// The machine lacks its language: its clients do not run, which is no failure.
    Missing(&'static str),
    Failed(anyhow::Error),
}

/// `only` names clients; none means all.
pub fn run(only: &[String]) -> Result<()> {
    let mut steps = Steps::new(7 + worker::STEPS);
    let toolchain = wasm_target::ensure(&mut steps)?;
    let tools = npm::ensure(&mut steps)?;
    let outcomes = steps.run("clients: npm ci, pip install, go build", set_up)?;
    worker::build(&mut steps, &toolchain, &tools, wasm::Profile::Shipped)?;
    steps.run("node webhook, demo origin and harness: cargo build", programs::build)?;

    let mut judge = Command::new(repo::target().join("debug/satstile-interop"));
    judge.current_dir(repo::root()).arg("--built").arg(built()).arg("--node").arg(&tools.node);
    judge.arg("--page").arg(repo::root().join("docs/interop.md"));
    let has_lnurl =
        outcomes.iter().any(|(runtime, outcome)| runtime.name() == "lnurl" && matches!(outcome, Outcome::Ready));
    let mut failed = Vec::new();
    for (runtime, outcome) in outcomes {
        let why = match outcome {
            Outcome::Ready => continue,
            Outcome::Missing(why) => why,
            Outcome::Failed(e) => {
                eprintln!("xtask: {}: {e:#}", runtime.name());
                failed.push(runtime.name().to_owned());
                "it could not be set up"
            }
        };
        judge.args(["--missing", &format!("{}={why}", runtime.name())]);
    }
    steps.run("clients: two calls each", || repo::run(judge.args(only)))?;
    if has_lnurl {
        steps.run("LNURL: a wallet collects from a link of ours", || {
            repo::run(test::ignored("stories").args(["lnurl::", "payouts::"]).env("SATSTILE_INTEROP", built()))
        })?;
    }
    if ["curl", "jq"].iter().all(|tool| Command::new(tool).arg("--version").output().is_ok()) {
        steps.run("curl: a balance is filled, spent and filled again", || {
            repo::run(test::ignored("stories").arg("prepaid::"))
        })?;
    } else {
        println!("curl: not run, curl or jq is missing (to run it: apt-get install curl jq)");
    }
    if Command::new("python3").arg("--version").output().is_ok() {
        steps.run("Python: a session is opened, used, filled and closed", || {
            repo::run(test::ignored("stories").arg("sessions::"))
        })?;
    } else {
        println!("Python: the session's example is not run, python3 is missing");
    }
    if !failed.is_empty() {
        bail!("could not be set up: {}", failed.join(", "));
    }
    Ok(())
}

fn sources() -> PathBuf {
    repo::root().join("tests/interop")
}

fn built() -> PathBuf {
    repo::target().join("interop")
}

/// All of them, two at a time: they wait for the network more than they compute.
fn set_up() -> Result<Vec<(Runtime, Outcome)>> {
    fs::create_dir_all(built().join("log")).context("cannot create target/interop")?;
    let waiting = Mutex::new(runtimes()?);
    let done = Mutex::new(Vec::new());
    let work = || {
        let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(runtime) = next() {
            let outcome = match runtime.missing() {
                Some(why) => Outcome::Missing(why),
                None => runtime.ensure().map_or_else(Outcome::Failed, |()| Outcome::Ready),
            };
            done.lock().unwrap_or_else(PoisonError::into_inner).push((runtime, outcome));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The one that takes longest comes last: it is taken first.
fn runtimes() -> Result<Vec<Runtime>> {
    let mut environments = Vec::new();
    for entry in fs::read_dir(sources().join("python")).context("cannot list tests/interop/python")? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "txt") {
            environments.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    environments.sort_unstable();
    let python = environments.into_iter().map(Runtime::Python);
    Ok([Runtime::Npm, Runtime::Go].into_iter().chain(python).collect())
}

impl Runtime {
    fn name(&self) -> &str {
        match self {
            Self::Npm => "npm",
            Self::Python(environment) => environment,
            Self::Go => "go",
        }
    }

    /// What to install, when that is not there. Node is: the worker's own tools run on it.
    fn missing(&self) -> Option<&'static str> {
        match self {
            Self::Npm => None,
            Self::Python(_) => {
                let needs = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
                repo::output(Command::new("python3").args(["-c", needs])).is_none().then_some(PYTHON)
            }
            Self::Go => repo::output(Command::new("go").arg("version")).is_none().then_some(GO),
        }
    }

    fn directory(&self) -> PathBuf {
        match self {
            Self::Npm => built().join("npm"),
            Self::Python(environment) => built().join("python").join(environment),
            Self::Go => built().join("go"),
        }
    }

    /// The files that say what to install.
    fn pins(&self) -> Vec<PathBuf> {
        let pins = |names: &[&str]| names.iter().map(|name| sources().join(name)).collect();
        match self {
            Self::Npm => pins(&["package.json", "package-lock.json"]),
            Self::Python(environment) => pins(&[&format!("python/{environment}.txt")]),
            Self::Go => pins(&["go/go.mod", "go/go.sum", "go/main.go"]),
        }
    }

    /// Which program of this language; another one would want the set-up anew.
    fn interpreter(&self) -> Option<String> {
        match self {
            Self::Npm => None, // what is installed is the same for any Node
            Self::Python(_) => {
                repo::output(Command::new("python3").args(["-c", "import sys; print(sys.executable, sys.version)"]))
            }
            Self::Go => repo::output(Command::new("go").arg("version")),
        }
    }

    /// Sets it up, unless that was done from the same pins.
    fn ensure(&self) -> Result<()> {
        let directory = self.directory();
        // The place counts, too: a Python environment does not work in another one.
        let place = format!("{}{}", self.interpreter().unwrap_or_default(), directory.display());
        let wanted = repo::fingerprint(&self.pins(), &place)?;
        let stamp = directory.join(".pins");
        if !fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
            let _ = fs::remove_dir_all(&directory); // not there: fine
            fs::create_dir_all(&directory)?;
            self.install(&directory)?;
            fs::write(&stamp, wanted)?;
        }
        match self {
            Self::Npm => copy_drivers(&directory),
            Self::Python(_) | Self::Go => Ok(()),
        }
    }

    fn install(&self, directory: &Path) -> Result<()> {
        let log = built().join("log").join(format!("{}-setup.log", self.name()));
        let log = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&log)
            .with_context(|| format!("cannot create {}", log.display()))?;
        match self {
            Self::Npm => {
                for file in self.pins() {
                    fs::copy(&file, directory.join(file.file_name().unwrap_or_default()))?;
                }
                // No install scripts: none of the clients needs one.
                let args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
                limited(Command::new("npm").current_dir(directory).args(args), &log)
            }
            Self::Python(_) => {
                limited(Command::new("python3").args(["-m", "venv"]).arg(directory), &log)?;
                let mut pip = Command::new(directory.join("bin/python"));
                pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
                limited(pip.arg("--requirement").args(self.pins()), &log)
            }
            Self::Go => {
                let mut go = Command::new("go");
                // Without C: the clients' code is Go, and a C compiler would change nothing but the time it takes.
                go.current_dir(sources().join("go")).env("CGO_ENABLED", "0").args(["build", "-trimpath", "-o"]);
                limited(go.arg(directory.join("aperture-token")).arg("."), &log)
            }
        }
    }
}

/// Beside `node_modules`, where their imports are found as in any project.
fn copy_drivers(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(sources().join("js")).context("cannot list tests/interop/js")? {
        let driver = entry?;
        fs::copy(driver.path(), directory.join(driver.file_name()))?;
    }
    Ok(())
}

/// Runs it to the end or to the limit; a failure shows what it said.
fn limited(command: &mut Command, log: &File) -> Result<()> {
    let line = repo::line(command);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("cannot run `{line}`"))?;
    let deadline = Instant::now() + SETUP_LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            break child.wait()?;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        let mut text = String::new();
        (&*log).rewind()?;
        (&*log).read_to_string(&mut text)?;
        let lines: Vec<&str> = text.lines().collect();
        bail!("`{line}` failed ({status}):\n{}", lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n"));
    }
    Ok(())
}
