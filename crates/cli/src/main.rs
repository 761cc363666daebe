//! Reads the command line, does what was asked for, and ends with its status.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use kubezonnet_cli::app;
use kubezonnet_cli::args::Cli;
use kubezonnet_cli::failure::Failure;
use kubezonnet_cli::text;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return asked_or_wrong(&error),
    };
    match app::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads has enough.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Found) {
                // Without standard error there is nowhere left to say it.
                let why = text::line(&failure.to_string());
                writeln!(io::stderr(), "kubectl-zonnet: {why}").ok();
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version go to standard output; what is wrong with flags ends with the status of all our
/// programs.
fn asked_or_wrong(error: &clap::Error) -> ExitCode {
    // A reader that went away wants no more of it.
    error.print().ok();
    if error.use_stderr() {
        ExitCode::from(Failure::Usage(String::new()).exit_code())
    } else {
        ExitCode::SUCCESS
    }
}
