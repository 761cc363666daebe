//! What can go wrong when a cluster, its traffic or its processes are made.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A failure of the testkit. Each message names the thing it is about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not make network namespaces.
    #[error("network namespaces need root: run this with sudo")]
    NotRoot,
    /// A tool that builds the cluster is not installed.
    #[error("{program} is not installed: install the Debian package {package}")]
    MissingTool {
        /// The program that was looked for.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A tool ran and said no.
    #[error("failed to run {command}: {message}")]
    Command {
        /// What was run, with the line of the batch that failed where there is one.
        command: String,
        /// What the tool wrote to its standard error.
        message: String,
    },
    /// A program that was to go on running has ended.
    #[error("{name} has ended ({status}){}", wrote(last))]
    Ended {
        /// The program, and of which node.
        name: String,
        /// How.
        status: ExitStatus,
        /// The last that it wrote.
        last: String,
    },
    /// A binary of this project has not been built.
    #[error("{name} is not built: looked in {}; run make build, or set {variable}", looked_in.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" and "))]
    MissingBinary {
        /// The binary's name.
        name: String,
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
        /// The environment variable that may name its path.
        variable: String,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The description of a cluster makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The operating system refused.
    #[error("failed to {what}: {source}")]
    Io {
        /// What was tried, with the path or address.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A signal asked to end before all was ready.
    #[error("interrupted")]
    Interrupted,
    /// Something that was waited for did not come.
    #[error("{what} did not happen within {} s", deadline.as_secs_f32())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        deadline: Duration,
    },
}

impl Error {
    /// Makes an [`Error::Io`] out of an error of std or nix, to be used with `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io {
            what,
            source: source.into(),
        }
    }
}

fn wrote(last: &str) -> String {
    match last.trim_end() {
        "" => ", and had written nothing".to_owned(),
        last => format!("; the last it wrote:\n{last}"),
    }
}
