//! A child process with its output captured line by line. It dies with the test process, however that ends, and what
//! it has started in turn dies with it.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A running child.
pub struct Process {
    name: String,
    child: Child,
    watchdog: Child,
    log: Arc<Log>,
    is_over: bool,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    grew: Condvar,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        let log = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { return };
                log.lines().push(String::from_utf8_lossy(&line).into_owned());
                log.grew.notify_all();
            }
        });
    }
}

impl Process {
    /// Starts it with stdout and stderr captured. `name` is for messages.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        let watchdog = watch(child.id());
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take().expect("stdout was asked to be a pipe"));
        log.follow(child.stderr.take().expect("stderr was asked to be a pipe"));
        Self { name: name.to_owned(), child, watchdog, log, is_over: false }
    }

    /// Its process id, for `/proc`.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Every line that it printed so far, on stdout or stderr.
    pub fn log(&self) -> Vec<String> {
        self.log.lines().clone()
    }

    /// The first line, printed already or yet to come, that `pick` takes.
    pub fn wait_for<T>(&mut self, what: &str, limit: Duration, pick: impl Fn(&str) -> Option<T>) -> T {
        let (deadline, mut read) = (Instant::now() + limit, 0);
        loop {
            let mut lines = self.log.lines();
            for line in &lines[read..] {
                if let Some(found) = pick(line) {
                    return found;
                }
            }
            read = lines.len();
            let tick = Duration::from_millis(50);
            lines = self.log.grew.wait_timeout(lines, tick).unwrap_or_else(PoisonError::into_inner).0;
            let nothing_new = lines.len() == read;
            drop(lines);
            if nothing_new {
                self.must_be_in_time(what, deadline);
            }
        }
    }

    /// Waits until something accepts connections there.
    pub fn wait_for_listener(&mut self, address: SocketAddr, limit: Duration) {
        let deadline = Instant::now() + limit;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            self.must_be_in_time(&format!("to listen on {address}"), deadline);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop, and insists after a while.
    pub fn stop(&mut self) {
        if !self.is_over {
            self.signal(Signal::SIGTERM);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
    }

    /// Ends it without warning, as a power cut would.
    pub fn kill(&mut self) {
        // Once: later its number may belong to somebody else.
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        // The watchdog first, for the same reason.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// To the whole group: wrangler has a workerd, and workerd does not notice that wrangler is gone.
    fn signal(&self, signal: Signal) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), signal); // gone already: fine
        }
    }

    fn must_be_in_time(&mut self, what: &str, deadline: Instant) {
        let (name, tail) = (self.name.clone(), self.tail());
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("{name} ended ({status}) while we waited for it {what}; its last lines:\n{tail}");
        }
        assert!(Instant::now() < deadline, "{name} takes too long {what}; its last lines:\n{tail}");
    }

    fn tail(&self) -> String {
        let mut lines = self.log.lines();
        // workerd's addresses of itself, which say nothing to anybody.
        lines.retain(|line| !line.starts_with("stack: "));
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- last lines of {}:\n{}", self.name, self.tail());
        }
    }
}

/// A shell that kills the group when our end of its stdin closes, which the kernel does for us if we cannot. In a group
/// of its own, so that Ctrl-C in a terminal does not take it away first.
fn watch(group: u32) -> Child {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -s KILL -- "-$1""#, "watchdog", &group.to_string()])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("cannot start sh")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Process {
        Process::spawn("sh", Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_of_both_streams_are_kept() {
        let mut process = sh("echo out; echo err >&2; sleep 60");
        let limit = Duration::from_secs(5);
        process.wait_for("to say out", limit, |l| (l == "out").then_some(()));
        process.wait_for("to say err", limit, |l| (l == "err").then_some(()));
        process.stop();
    }

    #[test]
    fn a_child_does_not_outlive_the_test_process() {
        let mut process = sh("echo up; sleep 60");
        process.wait_for("to be up", Duration::from_secs(5), |l| (l == "up").then_some(()));
        drop(process.watchdog.stdin.take()); // what the kernel does when we are gone
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(process.child.try_wait(), Ok(None)) {
            assert!(Instant::now() < deadline, "it still runs");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn what_a_child_has_started_ends_with_it() {
        let mut process = sh("sleep 60 & echo $!; wait");
        let grandchild: i32 = process.wait_for("to start it", Duration::from_secs(5), |line| line.parse().ok());
        process.kill();
        let deadline = Instant::now() + Duration::from_secs(5);
        // A zombie until init takes it; it runs no longer.
        let runs =
            || std::fs::read_to_string(format!("/proc/{grandchild}/stat")).is_ok_and(|stat| !stat.contains(") Z"));
        while runs() {
            assert!(Instant::now() < deadline, "it still runs");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    #[should_panic(expected = "sh ended (exit status: 3) while we waited for it to speak; its last lines:\nbad luck")]
    fn a_death_shows_the_last_lines() {
        sh("echo bad luck; exit 3").wait_for("to speak", Duration::from_secs(5), |_| None::<()>);
    }
}
