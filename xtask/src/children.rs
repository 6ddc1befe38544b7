//! Programs that run beside each other until somebody presses Ctrl-C or one of them ends, and of which nothing
//! survives: each is the leader of a process group, so that what it has started in turn goes with it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a program has for leaving by itself.
const GRACE: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(100);

/// All of them. Dropping stops them.
pub struct Children {
    running: Vec<Running>,
    asked_to_stop: Arc<AtomicBool>,
}

struct Running {
    name: &'static str,
    child: Child,
    group: Pid,
    watchdog: Child,
}

/// Why [`Children::wait_until`] came back.
pub enum Woken {
    /// What was waited for is true.
    Ready,
    /// Somebody pressed Ctrl-C, or sent SIGTERM or SIGHUP.
    Stopped,
    /// This one ended by itself.
    Ended(&'static str, ExitStatus),
    /// The time is up.
    Late,
}

impl Children {
    /// None yet; from here on Ctrl-C is ours to handle.
    pub fn new() -> Result<Self> {
        let asked_to_stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&asked_to_stop);
        ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst)).context("cannot handle Ctrl-C")?;
        Ok(Self { running: Vec::new(), asked_to_stop })
    }

    /// Starts one. Its output appears line by line behind its name.
    pub fn start(&mut self, name: &'static str, command: &mut Command) -> Result<()> {
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", command.get_program().to_string_lossy()))?;
        show(name, child.stdout.take());
        show(name, child.stderr.take());
        let group = Pid::from_raw(i32::try_from(child.id()).context("a process id that is no i32")?);
        let watchdog = watch(group)?;
        self.running.push(Running { name, child, group, watchdog });
        Ok(())
    }

    /// Waits until `ready`, a stop, a death, or the limit.
    pub fn wait_until(&mut self, limit: Duration, ready: impl Fn() -> bool) -> Woken {
        let deadline = Instant::now().checked_add(limit);
        loop {
            if self.asked_to_stop.load(Ordering::SeqCst) {
                return Woken::Stopped;
            }
            for one in &mut self.running {
                if let Ok(Some(status)) = one.child.try_wait() {
                    return Woken::Ended(one.name, status);
                }
            }
            if ready() {
                return Woken::Ready;
            }
            if deadline.is_some_and(|d| Instant::now() >= d) {
                return Woken::Late;
            }
            std::thread::sleep(TICK);
        }
    }

    /// Takes out one that has ended, with all that it left behind, so that another of that name can be started.
    pub fn bury(&mut self, name: &'static str) {
        let (gone, running) = std::mem::take(&mut self.running).into_iter().partition(|one: &Running| one.name == name);
        self.running = running;
        for mut one in gone {
            one.end();
        }
    }

    /// Stops every group: politely, and after a while by force.
    fn stop(&mut self) {
        for one in &self.running {
            let _ = killpg(one.group, Signal::SIGTERM); // gone already: fine
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && self.running.iter_mut().any(Running::is_alive) {
            std::thread::sleep(TICK / 4);
        }
        for one in &mut self.running {
            one.end();
        }
        self.running.clear();
    }
}

impl Running {
    /// By force.
    fn end(&mut self) {
        // The watchdog first: it must not kill a group whose number was given to somebody else.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = killpg(self.group, Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// The leader or anything that it left behind.
    fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) || killpg(self.group, None).is_ok()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stop();
    }
}

fn show(name: &'static str, stream: Option<impl Read + Send + 'static>) {
    let Some(stream) = stream else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line);
            if !line.trim().is_empty() {
                println!("{name:>7} │ {}", line.trim_end());
            }
        }
    });
}

/// A shell that kills the group when our end of its stdin closes: after a `kill -9` of xtask, too.
fn watch(group: Pid) -> Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", r#"read -r _; kill -s KILL -- "-$1""#, "watchdog", &group.to_string()]);
    // In a group of its own, so that Ctrl-C in a terminal reaches only xtask.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("cannot start sh")
}
