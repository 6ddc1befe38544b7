//! The built worker in a real workerd, served directly: no wrangler, no Node, no miniflare in between.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::private_directory;
use crate::capnp::Socket;
use crate::process::Process;
use crate::wrangler::{Wrangler, merge};
use crate::{START_LIMIT, Secrets, binaries, capnp, free_port, loopback};

/// What differs from the deployment in `wrangler.toml`.
#[derive(Clone, Debug)]
pub struct WorkerdOptions {
    /// Laid over `[vars.POLICY]`, see [`merge`].
    pub policy: Value,
    /// Laid over `[vars]`; a string, or any JSON.
    pub vars: Value,
    /// The worker's secrets; an empty one is not bound at all.
    pub secrets: Secrets,
    /// What stands in the built `policy.txt`, instead of what the build wrote.
    pub policy_file: Option<String>,
    /// What stands in the built `files.js`: the widget's files, instead of those of the build.
    pub files: Option<String>,
    /// Where to listen; see [`free_port`].
    pub port: u16,
    /// Cloudflare's side of the door: a request brings its `request.cf` in [`capnp::CF_HEADER`].
    pub platform: bool,
}

impl Default for WorkerdOptions {
    fn default() -> Self {
        let (policy, vars, secrets) = (json!({}), json!({}), Secrets::random());
        Self { policy, vars, secrets, policy_file: None, files: None, port: free_port(), platform: false }
    }
}

/// A running worker. Its storage lives as long as this value, across crashes and restarts.
pub struct Workerd {
    process: Process,
    wrangler: Wrangler,
    secrets: Secrets,
    socket: Socket,
    directory: TempDir,
    past_log: Vec<String>,
}

impl Workerd {
    /// Starts it and waits until it accepts connections.
    pub fn start(options: WorkerdOptions) -> Self {
        let WorkerdOptions { policy, vars, secrets, policy_file, files, port, platform } = options;
        let socket = Socket { port, platform };
        let mut wrangler = Wrangler::for_story();
        let mut all = Value::Object(wrangler.vars.into_iter().collect());
        merge(&mut all, &vars);
        merge(&mut all, &json!({ "POLICY": policy }));
        let Value::Object(all) = all else { panic!("vars are not a table") };
        wrangler.vars = all.into_iter().collect();

        let directory = private_directory("satstile-workerd-");
        fs::create_dir(directory.path().join("storage")).expect("cannot make the storage directory");
        // A copy, so that a rebuild in the meantime does not change the worker under a story.
        copy_tree(&binaries::worker_directory(), directory.path());
        if let Some(text) = policy_file {
            fs::write(directory.path().join("policy.txt"), text).expect("cannot write policy.txt");
        }
        if let Some(text) = files {
            fs::write(directory.path().join("files.js"), text).expect("cannot write files.js");
        }
        let process = spawn(directory.path(), &wrangler, &secrets, socket);
        Self { process, wrangler, secrets, socket, directory, past_log: Vec::new() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback(self.socket.port)
    }

    /// The process that answers, for `/proc`.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Every line it has printed, restarts included: `console.log` as well as workerd's own messages.
    pub fn log(&self) -> Vec<String> {
        self.past_log.iter().cloned().chain(self.process.log()).collect()
    }

    /// The files of the Durable Objects' databases. Only while it is stopped may they be changed.
    pub fn databases(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.directory.path().join("storage"), &mut |path| {
            if path.extension().is_some_and(|extension| extension == "sqlite") {
                found.push(path.to_owned());
            }
        });
        found
    }

    /// Bytes in the Durable Objects' storage on disk.
    pub fn storage_bytes(&self) -> u64 {
        tree_bytes(&self.directory.path().join("storage"))
    }

    /// Kills it in the middle of whatever it does, and starts it on the same storage and port.
    pub fn crash_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends it without warning.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same storage and port, after a [`kill`](Self::kill).
    pub fn start_again(&mut self) {
        self.restart();
    }

    /// Starts it again with another policy laid over the one it had, on the same storage and port.
    pub fn restart_with(&mut self, policy: &Value) {
        self.kill();
        merge(self.wrangler.vars.entry("POLICY".to_owned()).or_insert(json!({})), policy);
        self.restart();
    }

    /// Starts it again with other secrets, on the same storage and port.
    pub fn restart_with_secrets(&mut self, secrets: Secrets) {
        self.kill();
        self.secrets = secrets;
        self.restart();
    }

    fn restart(&mut self) {
        self.past_log.extend(self.process.log());
        self.process = spawn(self.directory.path(), &self.wrangler, &self.secrets, self.socket);
    }
}

fn spawn(directory: &Path, wrangler: &Wrangler, secrets: &Secrets, socket: Socket) -> Process {
    let config = directory.join("config.capnp");
    let storage = directory.join("storage");
    let secrets: Vec<_> = secrets.bindings().into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let text = capnp::render(wrangler, &modules(directory), &secrets, socket, &storage);
    fs::write(&config, text).expect("cannot write config.capnp");
    let mut command = Command::new(binaries::workerd());
    // --verbose: exceptions that nobody caught are logged, so that a story can say there were none.
    command.args(["serve", "--verbose", "--control-fd=1"]).arg(&config).current_dir(directory).env_remove("PWD");
    let mut process = Process::spawn("workerd", &mut command);
    process.wait_for("to listen", START_LIMIT, |line| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["event"] == "listen" && event["socket"] == "http").then_some(())
    });
    process
}

/// Every module of the build, relative, the entry first.
fn modules(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(directory, &mut |path| {
        let name = path.strip_prefix(directory).unwrap_or(path).to_string_lossy().into_owned();
        let known = ["js", "mjs", "wasm", "txt", "bin"].iter().any(|e| path.extension().is_some_and(|x| x == *e));
        if known && !name.starts_with("storage") {
            found.push(name);
        }
    });
    found.sort_by_key(|name| (name != "shim.mjs", name.clone()));
    found
}

fn copy_tree(from: &Path, to: &Path) {
    walk(from, &mut |path| {
        let target = to.join(path.strip_prefix(from).unwrap_or(path));
        let folder = target.parent().map(PathBuf::from).unwrap_or_default();
        let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(path, &target));
        copied.unwrap_or_else(|e| panic!("cannot copy {}: {e}", path.display()));
    });
}

fn tree_bytes(directory: &Path) -> u64 {
    let mut bytes = 0;
    walk(directory, &mut |path| bytes += path.metadata().map_or(0, |m| m.len()));
    bytes
}

fn walk(directory: &Path, visit: &mut dyn FnMut(&Path)) {
    let entries = fs::read_dir(directory).unwrap_or_else(|e| panic!("cannot list {}: {e}", directory.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}
