//! Runs the system's network tools and turns their complaints into errors that say what was wrong.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use crate::Error;

/// The tools a cluster is built with, and the Debian package of each.
const PACKAGES: [(&str, &str); 6] = [
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("tc", "iproute2"),
    ("ethtool", "ethtool"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
];

/// Runs a tool to its end with `input` on its standard input.
pub(crate) fn run(words: &[&str], input: &str) -> Result<(), Error> {
    let command = words.join(" ");
    let (program, arguments) = words.split_first().expect("a command has a first word");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| not_started(program, &command, source))?;
    let mut stdin = child
        .stdin
        .take()
        .expect("its standard input was asked for");
    // A tool that stops early closes its end: what it says then is the better message.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child
        .wait_with_output()
        .map_err(Error::io(format!("wait for {command}")))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr)
        .trim()
        .replace('\n', "; ");
    if let Some((program, package)) = PACKAGES
        .into_iter()
        .find(|(tool, _)| message.contains(&format!("failed to execute {tool}:")))
    {
        return Err(Error::MissingTool { program, package });
    }
    Err(Error::Command { command, message })
}

/// Runs a batch of `ip` or `bridge` commands, one a line, in one process.
pub(crate) fn batch(words: &[&str], lines: &[String]) -> Result<(), Error> {
    if lines.is_empty() {
        return Ok(());
    }
    run(words, &(lines.join("\n") + "\n")).map_err(|error| match error {
        Error::Command { command, message } => match failed_line(&message, lines) {
            Some(line) => Error::Command {
                command: format!("{command}: {line}"),
                message,
            },
            None => Error::Command { command, message },
        },
        other => other,
    })
}

/// The line that a batch stopped at, from a message that ends in `Command failed -:3`.
fn failed_line<'a>(message: &str, lines: &'a [String]) -> Option<&'a str> {
    let (_, number) = message.rsplit_once("Command failed -:")?;
    let number: usize = number.trim().parse().ok()?;
    lines.get(number.checked_sub(1)?).map(String::as_str)
}

fn not_started(program: &str, command: &str, source: io::Error) -> Error {
    match PACKAGES.into_iter().find(|(tool, _)| *tool == program) {
        Some((program, package)) if source.kind() == io::ErrorKind::NotFound => {
            Error::MissingTool { program, package }
        }
        _ => Error::Io {
            what: format!("start {command}"),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_batch_names_the_line_it_stopped_at() {
        let lines = ["link add a".to_owned(), "link add b".to_owned()];

        let line = failed_line("RTNETLINK answers: no; Command failed -:2", &lines);

        assert_eq!(line, Some("link add b"));
    }

    #[test]
    fn a_tool_that_says_no_is_quoted() {
        let error = run(&["sh", "-c", "echo not today >&2; exit 3"], "").unwrap_err();

        assert!(error.to_string().ends_with("not today"), "{error}");
    }
}
