//! A program that serves on ports which the system chooses, and says in its log which they are:
//! started, followed, ended.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Error;
use crate::wait::wait_for;

/// The command of a program, to which what this machine has set of Kubernetes is unknown.
pub fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("KUBE") {
            command.env_remove(name);
        }
    }
    command.env("HOME", "/nonexistent");
    command
}

/// A program that serves. It is killed when this is dropped.
#[derive(Debug)]
pub struct Served {
    child: Child,
    /// By the flags that ask for them.
    addresses: BTreeMap<String, SocketAddr>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Served {
    /// Starts a command whose log is JSON, and waits until it listens where these flags say. Its
    /// standard output is for [`Self::output`] if the command says so.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or ends before; with what it logged.
    ///
    /// # Panics
    ///
    /// Never: its log is a pipe.
    pub fn start(command: &mut Command, flags: &[&str]) -> Result<Self, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io(format!("start {program}")))?;
        let stderr = child.stderr.take();
        let mut served = Self {
            child,
            addresses: BTreeMap::new(),
            log: Arc::default(),
        };
        let mut lines = BufReader::new(stderr.expect("it is a pipe")).lines();
        while !flags
            .iter()
            .all(|flag| served.addresses.contains_key(*flag))
        {
            if !served.read(&mut lines) {
                return Err(Error::Command {
                    command: program,
                    message: format!("it does not listen:\n{}", served.log()),
                });
            }
        }
        // The rest is read, so that it never waits for it.
        let log = Arc::clone(&served.log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                log.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Ok(served)
    }

    /// Reads a line of its log; says whether there was one.
    fn read(&mut self, lines: &mut Lines<BufReader<ChildStderr>>) -> bool {
        let Some(Ok(line)) = lines.next() else {
            return false;
        };
        let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if entry["message"] == "listening"
            && let (Some(flag), Some(address)) = (entry["flag"].as_str(), entry["address"].as_str())
            && let Ok(address) = address.parse()
        {
            self.addresses.insert(flag.to_owned(), address);
        }
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
        true
    }

    /// Where it listens for what a flag asks for.
    ///
    /// # Panics
    ///
    /// If it was not waited for.
    pub fn address(&self, flag: &str) -> SocketAddr {
        self.addresses[flag]
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that has been resident so far.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn peak_bytes(&self) -> Result<u64, Error> {
        let path = format!("/proc/{}/status", self.pid());
        let status = fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.map(|kib| kib << 10)
            .ok_or_else(|| Error::Invalid(format!("{path} has no VmHWM")))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }

    /// Its standard output, once, if it is a pipe.
    pub fn output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        // It was not waited for: the number is its own.
        let pid = Pid::from_raw(self.pid().cast_signed());
        kill(pid, signal).map_err(Error::io(format!("send {signal}")))
    }

    /// Waits for its end, after a signal.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if it has not ended by the deadline; then it is killed.
    pub fn wait(mut self, deadline: Duration) -> Result<ExitStatus, Error> {
        // Only a child that was waited for elsewhere gives an error, and nobody else has it.
        wait_for("the end of a program", deadline, || {
            self.child.try_wait().ok().flatten()
        })
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(self) {
        // Dropping it does.
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Both fail only for a child that has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
