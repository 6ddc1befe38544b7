//! What a new isolate costs: the CPU time of workerd until it has answered its first request, beyond that of a Worker that
//! does nothing. Cloudflare counts the start of a Worker's script in the same unit and gives it up to 1 second.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{dev_vars, repo, worker};

/// The median of so many starts: one takes a quarter of a second.
const STARTS: usize = 9;

/// A Worker to compare with, in workerd's words.
const NOTHING: &str =
    r#"[(name = "nothing.mjs", esModule = "export default { fetch() { return new Response(); } };")]"#;

/// The median, or nothing where the system does not tell CPU times by the nanosecond (`/proc` of Linux does).
///
/// # Errors
/// workerd does not start or does not answer.
pub fn cpu(workerd: &Path) -> Result<Option<Duration>> {
    if !Path::new("/proc/self/schedstat").is_file() {
        return Ok(None);
    }
    let satstile = config("import \"/modules.capnp\".modules", &bindings()?);
    let nothing = config(NOTHING, "");
    let folder = repo::target().join("startup");
    fs::create_dir_all(&folder)?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let [with, without] = [(&satstile, 404), (&nothing, 200)].map(|(text, status)| {
            let file = folder.join("config.capnp");
            fs::write(&file, text)?;
            Started::new(workerd, &file)?.cpu_until_answered(status)
        });
        times.push(with?.saturating_sub(without?));
    }
    times.sort_unstable();
    Ok(times.get(STARTS / 2).copied())
}

/// The demo's policy, and secrets of this moment: a configuration that stands.
fn bindings() -> Result<String> {
    let file =
        fs::read_to_string(repo::root().join("wrangler.toml"))?.parse::<toml::Table>().context("wrangler.toml")?;
    let vars = file.get("vars").context("wrangler.toml has no [vars]")?;
    let policy = serde_json::to_string(vars.get("POLICY").context("wrangler.toml has no [vars.POLICY]")?)?;
    let mut bindings = vec![format!("(name = \"POLICY\", json = {policy:?})")];
    let node = ("NODE_URL".to_owned(), "http://127.0.0.1:1".to_owned());
    for (name, value) in dev_vars::of_this_moment()?.into_iter().chain([node]) {
        bindings.push(format!("(name = {name:?}, text = {value:?})"));
    }
    Ok(bindings.join(", "))
}

/// A Worker of these modules and nothing else: what is neither sold nor free needs no object, no node and no origin.
fn config(modules: &str, bindings: &str) -> String {
    format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = {modules}, compatibilityDate = "2026-09-01", bindings = [{bindings}],
);
"#
    )
}

/// A running workerd; it goes with this value.
struct Started {
    child: Child,
    port: u16,
}

impl Started {
    fn new(workerd: &Path, config: &Path) -> Result<Self> {
        let mut child = Command::new(workerd)
            .args(["serve", "--control-fd=1", "--import-path"])
            .arg(worker::directory())
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start workerd")?;
        let stdout = child.stdout.take();
        let mut started = Self { child, port: 0 };
        let mut line = String::new();
        BufReader::new(stdout.context("no output")?).read_line(&mut line)?;
        let event: serde_json::Value = serde_json::from_str(&line).context("workerd did not start")?;
        started.port = event["port"].as_u64().and_then(|port| port.try_into().ok()).context("workerd named no port")?;
        Ok(started)
    }

    fn cpu_until_answered(&mut self, status: u16) -> Result<Duration> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET /nothing-here HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", self.port)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        if !answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()) {
            bail!("workerd should answer {status}: {}", String::from_utf8_lossy(&answer));
        }
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(thread?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).context("schedstat")?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
