//! Reads flags, starts the log, runs the server.

use std::io::{self, Write as _};
use std::process::ExitCode;

use kubezonnet_server::app::{self, Failure};
use kubezonnet_server::config::{Config, Stop};
use kubezonnet_server::telemetry;

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(Stop::Asked(text)) => {
            // A reader that went away wants no more of it.
            io::stdout().write_all(text.as_bytes()).ok();
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(line)) => return fail(&Failure::Configuration(anyhow::Error::msg(line))),
    };
    telemetry::start(&config);
    match app::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    // Without standard error there is nowhere left to say it.
    writeln!(io::stderr(), "kubezonnet-server: {failure}").ok();
    ExitCode::from(failure.exit_code())
}
