//! `kubezonnet-demo`: shows kubezonnet at work on one machine. See [`kubezonnet_testkit::demo`].

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use kubezonnet_testkit::{Error, demo};

/// A flag is wrong: `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;

/// This needs root: `EX_NOPERM`.
const NO_PERMISSION: u8 = 77;

fn main() -> ExitCode {
    let options = match demo::Options::try_parse() {
        Ok(options) => options,
        // Help and version are no mistakes.
        Err(error) if !error.use_stderr() => return told(&error.print()),
        Err(error) => {
            // One line says what is wrong and where; clap's further ones say how to ask for help.
            let text = error.render().to_string();
            let line = text.lines().next().unwrap_or_default();
            complain(line.trim_start_matches("error: "));
            return ExitCode::from(USAGE);
        }
    };
    let result = demo::Signals::take().and_then(|signals| demo::run(&options, &signals));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::NotRoot) => {
            complain("this needs root, for network namespaces and eBPF: run sudo make demo");
            ExitCode::from(NO_PERMISSION)
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn told(printed: &io::Result<()>) -> ExitCode {
    if printed.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn complain(text: &str) {
    // There is nobody left to tell if standard error is gone.
    let _ = writeln!(io::stderr(), "kubezonnet-demo: {text}");
}
