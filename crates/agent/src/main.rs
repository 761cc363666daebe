//! Reads flags, starts the log, runs the agent.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use kubezonnet_agent::app::{self, Failure};
use kubezonnet_agent::config::{Config, LogFormat, Stop};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

fn main() -> ExitCode {
    let config = match Config::read(std::env::args_os()) {
        Ok(config) => config,
        Err(Stop::Asked(text)) => {
            // A reader that went away wants no more of it.
            let _ = io::stdout().write_all(text.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Stop::Wrong(line)) => return fail(&Failure::Usage(line)),
    };
    start_log(config.log_format);
    match app::run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    for line in failure.lines() {
        // Without standard error there is nowhere left to say it.
        let _ = writeln!(io::stderr(), "kubezonnet-agent: {line}");
    }
    ExitCode::from(failure.exit_code())
}

/// The log goes to standard error: standard output is for tables.
fn start_log(format: LogFormat) {
    let level = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
