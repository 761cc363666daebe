//! Programs of this project as children: found, started, listened to, ended.

use std::collections::VecDeque;
use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::wait_for;
use crate::{Error, Run};

/// Lines of output that are kept; older ones are forgotten, and their number is told.
const MAX_LINES: usize = 10_000;

/// The longest line that is kept whole.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Lines that are told of a program that has ended: enough for an error with its causes.
const LAST_LINES: usize = 20;

/// How long a program may take to end when it is dropped, before it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// Finds a binary of this project: where `<NAME>_BIN` says (in capitals, `-` as `_`), else next
/// to the program that runs, as cargo puts them.
///
/// # Errors
///
/// [`Error::MissingBinary`] with the places that were looked at.
pub fn binary(name: &str) -> Result<PathBuf, Error> {
    let variable = format!("{}_BIN", name.to_uppercase().replace('-', "_"));
    if let Some(path) = env::var_os(&variable).map(PathBuf::from) {
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Error::MissingBinary {
                name: name.to_owned(),
                looked_in: vec![path],
                variable,
            })
        };
    }
    let own = env::current_exe().map_err(Error::io("find the path of this program"))?;
    // A test is in target/<profile>/deps, the binaries are one up.
    let looked_in: Vec<PathBuf> = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .collect();
    match looked_in.iter().find(|path| path.is_file()) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::MissingBinary {
            name: name.to_owned(),
            looked_in,
            variable,
        }),
    }
}

/// A program that was started. Dropping it ends it: SIGTERM, and SIGKILL if that does not help.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Mutex<Output>>,
    readers: Vec<JoinHandle<()>>,
}

/// What a program has written, standard output and standard error together.
#[derive(Debug, Default)]
struct Output {
    lines: VecDeque<String>,
    forgotten: u64,
}

impl Output {
    fn tail(&self, lines: usize) -> String {
        let skipped = self.lines.len().saturating_sub(lines);
        let mut text = match self.forgotten + skipped as u64 {
            0 => String::new(),
            before => format!("({before} lines before)\n"),
        };
        for line in self.lines.iter().skip(skipped) {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

impl Process {
    /// Starts a command and notes it with the run. It gets a process group of its own, so that a
    /// Ctrl-C at the terminal reaches it only through its parent.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(run: &Run, name: impl Into<String>, command: &mut Command) -> Result<Self, Error> {
        Self::spawn(run, name.into(), command.stdout(Stdio::piped()))
    }

    /// The same with its standard output into a file; [`Self::output`] is its standard error then.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start_with_output(
        run: &Run,
        name: impl Into<String>,
        command: &mut Command,
        output: File,
    ) -> Result<Self, Error> {
        Self::spawn(run, name.into(), command.stdout(output))
    }

    fn spawn(run: &Run, name: String, command: &mut Command) -> Result<Self, Error> {
        let mut child = command
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {name}")))?;
        let noted = run.note_process(child.id());
        let output = Arc::default();
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        let readers = pipes
            .into_iter()
            .flatten()
            .map(|pipe| {
                let output = Arc::clone(&output);
                thread::spawn(move || read_lines(pipe, &output))
            })
            .collect();
        // From here on it is ended by its drop, whatever happens.
        let process = Self {
            name,
            child,
            output,
            readers,
        };
        noted?;
        Ok(process)
    }

    /// Its name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far, the last lines of it if it is much.
    pub fn output(&self) -> String {
        self.tail(MAX_LINES)
    }

    /// The last lines that it has written so far, and how many there were before.
    pub fn tail(&self, lines: usize) -> String {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.tail(lines)
    }

    /// Fails once it has ended, with what it wrote last.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`].
    pub fn check(&mut self) -> Result<(), Error> {
        let Some(status) = self.ended() else {
            return Ok(());
        };
        // All that it wrote is read by then.
        self.join_readers();
        Err(Error::Ended {
            name: self.name.clone(),
            status,
            last: self.tail(LAST_LINES),
        })
    }

    /// Waits for a line that holds `text`, and returns it.
    ///
    /// # Errors
    ///
    /// If it does not come by the deadline, or the program ends before; with what it wrote.
    pub fn wait_for_line(&mut self, text: &str, deadline: Duration) -> Result<String, Error> {
        let what = format!("a line {text:?} of {}", self.name);
        self.wait_for(&what, deadline, |process| {
            let output = process
                .output
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            output
                .lines
                .iter()
                .find(|line| line.contains(text))
                .cloned()
        })
    }

    /// Waits until `look` finds something, as long as the program runs.
    ///
    /// # Errors
    ///
    /// If it finds nothing by the deadline, or the program ends before; with what it wrote.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut look: impl FnMut(&Self) -> Option<T>,
    ) -> Result<T, Error> {
        let found = wait_for(what, deadline, || {
            // Asked first: what it wrote just before its end must still be found.
            let ended = self.ended();
            match (look(self), ended) {
                (Some(found), _) => Some(Ok(found)),
                (None, Some(status)) => Some(Err(status)),
                (None, None) => None,
            }
        });
        match found {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(status)) => {
                self.join_readers();
                let message = format!("it ended ({status}) before {what}:\n{}", self.output());
                Err(Error::Command {
                    command: self.name.clone(),
                    message,
                })
            }
            Err(Error::Timeout { what, deadline }) => {
                let what = format!("{what}, which has written:\n{}this", self.output());
                Err(Error::Timeout { what, deadline })
            }
            Err(other) => Err(other),
        }
    }

    /// How it ended, unless it still runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        // Only a child that was waited for elsewhere gives an error, and nobody else has it.
        self.child.try_wait().ok().flatten()
    }

    /// Sends it a signal, if it still runs.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        if self.ended().is_some() {
            return Ok(());
        }
        // It has not been waited for, so the number is still its own.
        let pid = Pid::from_raw(self.pid().cast_signed());
        kill(pid, signal).map_err(Error::io(format!("send {signal} to {}", self.name)))
    }

    /// Asks it to end (SIGTERM) and waits; kills it if it has not ended by the deadline.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if it had to be killed.
    pub fn terminate(&mut self, deadline: Duration) -> Result<ExitStatus, Error> {
        self.signal(Signal::SIGTERM)?;
        self.wait_for_end(deadline, || false)
    }

    /// Waits for its end after it was asked to; kills it if it has not ended by the deadline, or
    /// once `give_up` says so.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] if it had to be killed, [`Error::Interrupted`] if it was given up.
    pub fn wait_for_end(
        &mut self,
        deadline: Duration,
        give_up: impl Fn() -> bool,
    ) -> Result<ExitStatus, Error> {
        let what = format!("the end of {} after SIGTERM", self.name);
        let ended = wait_for(&what, deadline, || match self.ended() {
            Some(status) => Some(Ok(status)),
            None => give_up().then_some(Err(Error::Interrupted)),
        });
        let ended = ended.and_then(|ended| ended);
        if ended.is_err() {
            self.kill();
        }
        self.join_readers();
        ended
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        // Both fail only for a child that has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            // A thread that panicked has said so already.
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.terminate(GRACE) {
            tracing::warn!(name = self.name, %error, "a program had to be killed");
        }
    }
}

fn read_lines(pipe: impl Read, output: &Mutex<Output>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    // A program that has ended reads as an end; there is no other error that could be mended.
    while matches!(
        reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line),
        Ok(1..)
    ) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
        line.clear();
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.lines.push_back(text);
        if output.lines.len() > MAX_LINES {
            output.lines.pop_front();
            output.forgotten += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_the_others_counted() {
        let output = Mutex::default();
        let numbers: Vec<String> = (0..MAX_LINES + 3).map(|n| n.to_string()).collect();

        read_lines(numbers.join("\n").as_bytes(), &output);

        let output = output.into_inner().unwrap();
        assert_eq!((output.lines.len(), output.forgotten), (MAX_LINES, 3));
        assert_eq!(output.lines[0], "3");
        let last = format!("({} lines before)\n{}\n", MAX_LINES + 2, MAX_LINES + 2);
        assert_eq!(output.tail(1), last);
    }

    #[test]
    fn a_binary_that_is_not_built_is_named_with_the_places_looked_at() {
        let error = binary("kubezonnet-nothing").unwrap_err().to_string();

        assert!(error.contains("kubezonnet-nothing is not built"), "{error}");
        assert!(error.contains("KUBEZONNET_NOTHING_BIN"), "{error}");
    }
}
