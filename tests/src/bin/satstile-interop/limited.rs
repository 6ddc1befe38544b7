//! A program that gets a time limit and a process group, of which nothing is left afterwards.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

const TICK: Duration = Duration::from_millis(20);

/// Runs it with its output in `log`. The inner error says how it ended, if not well and in time.
pub fn run(command: &mut Command, log: File, limit: Duration) -> io::Result<Result<(), String>> {
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let mut child = command.spawn()?;
    let group = i32::try_from(child.id()).map_err(io::Error::other)?;
    let mut watchdog = watch(group)?;
    let deadline = Instant::now() + limit;
    let ended = loop {
        match child.try_wait()? {
            Some(status) if status.success() => break Ok(()),
            Some(status) => break Err(format!("it failed ({status})")),
            None if Instant::now() >= deadline => break Err(format!("it did not end within {} s", limit.as_secs())),
            None => std::thread::sleep(TICK),
        }
    };
    // The watchdog is in the group, so that its number is still ours.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    let _ = child.wait();
    let _ = watchdog.wait();
    Ok(ended)
}

/// A shell in the group that kills the group when our end of its stdin closes: when we are killed, too.
fn watch(group: i32) -> io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r _; kill -s KILL 0"]).process_group(group);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit_ms: u64) -> Result<(), String> {
        let log = tempfile::tempfile().unwrap();
        run(Command::new("sh").args(["-c", script]), log, Duration::from_millis(limit_ms)).unwrap()
    }

    #[test]
    fn an_end_is_told_as_it_was() {
        assert_eq!(sh("exit 0", 5_000), Ok(()));
        assert_eq!(sh("exit 3", 5_000), Err("it failed (exit status: 3)".to_owned()));
    }

    #[test]
    fn a_child_of_a_late_program_is_gone_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; wait", pid.display());
        assert_eq!(sh(&script, 300), Err("it did not end within 0 s".to_owned()));
        let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        // Until its new parent has taken notice it is a zombie, which no signal finds either way.
        let gone = || nix::sys::signal::kill(Pid::from_raw(pid), None).is_err() || zombie(pid);
        while !gone() {
            assert!(Instant::now() < deadline, "it still runs");
            std::thread::sleep(TICK);
        }
    }

    fn zombie(pid: i32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
    }
}
