//! workerd with a worker that only forwards, over the same outgoing `fetch`: the floor below our own figures.

use std::net::SocketAddr;
use std::process::Command;

use satstile_tests::{Process, START_LIMIT, binaries, free_port, loopback};
use tempfile::TempDir;

/// A running forwarder.
pub struct Bare {
    process: Process,
    port: u16,
    _directory: TempDir,
}

impl Bare {
    pub fn start(origin: &str) -> Self {
        let port = free_port();
        let directory = TempDir::with_prefix("satstile-bare-").expect("cannot make a temporary directory");
        let script = format!(
            r#"export default {{
  fetch(request) {{
    const at = request.url.indexOf("/", 8);
    const init = {{ method: request.method, headers: request.headers, body: request.body, redirect: "manual" }};
    return fetch("{origin}" + request.url.slice(at), init);
  }},
}};
"#
        );
        let config = format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "internet", network = (allow = ["local", "private", "public"]))],
  sockets = [(name = "http", address = "127.0.0.1:{port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "bare.mjs", esModule = embed "bare.mjs")],
  compatibilityDate = "2026-09-01",
  globalOutbound = "internet",
);
"#
        );
        let path = directory.path().join("config.capnp");
        let written = std::fs::write(directory.path().join("bare.mjs"), script);
        written.and_then(|()| std::fs::write(&path, config)).expect("cannot write the bare worker");
        let mut process = Process::spawn("bare workerd", Command::new(binaries::workerd()).arg("serve").arg(&path));
        process.wait_for_listener(loopback(port), START_LIMIT);
        Self { process, port, _directory: directory }
    }

    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}
