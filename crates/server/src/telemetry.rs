//! The server's own log, on standard error: standard output belongs to the flow log.

use std::io;

use tracing_subscriber::fmt;

use crate::config::{Config, LogFormat, LogLevel};

/// Starts logging; called once, before anything else.
pub fn start(config: &Config) {
    let builder = fmt()
        .with_writer(io::stderr)
        .with_max_level(level(config.log_level))
        .with_ansi(false)
        .with_target(false);
    match config.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}

const fn level(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    }
}
