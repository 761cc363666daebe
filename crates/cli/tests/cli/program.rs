//! Starts the program.

use std::process::{Command, Output, Stdio};

/// How it ended, and what it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program with these arguments, and nothing that this machine has set of Kubernetes.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = kubezonnet_testkit::served::command(env!("CARGO_BIN_EXE_kubectl-zonnet"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "NO_COLOR",
        "TERM",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    ended(&command(arguments).output().unwrap())
}

pub(crate) fn ended(output: &Output) -> Ended {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ended {
        status: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}
