//! The flags that say how much of the past is kept.

use std::time::Duration;

use clap::Args;

use crate::history::embedded::Options;
use crate::store::DataDir;

/// The longest that the past is kept: more than this is a mistake in the unit.
const LONGEST: Duration = Duration::from_hours(24 * 3_660);

/// The least room that it can have.
const LEAST_BYTES: u64 = 16 << 20;

/// What it may take of memory without a directory, where the flag does not say: a server has 1 GiB of it.
const BYTES_IN_MEMORY: u64 = 64 << 20;

/// How much of the past is kept.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "History")]
pub struct HistoryFlags {
    /// How long history is kept by minute, from 1h to 10 years.
    #[arg(long, env = "KUBEZONNET_HISTORY_MINUTES", default_value = "48h", value_parser = length, value_name = "DURATION")]
    pub history_minutes: Duration,

    /// How long history is kept by hour, from 1h to 10 years.
    #[arg(long, env = "KUBEZONNET_HISTORY_HOURS", default_value = "90d", value_parser = length, value_name = "DURATION")]
    pub history_hours: Duration,

    /// How long history is kept by day, from 1h to 10 years.
    #[arg(long, env = "KUBEZONNET_HISTORY_DAYS", default_value = "400d", value_parser = length, value_name = "DURATION")]
    pub history_days: Duration,

    /// Most bytes of history in pages that are used, from 16777216; past it the oldest goes, of what takes
    /// most. 1073741824 by default, and 67108864 with --data-dir=none, where it is memory.
    #[arg(long, env = "KUBEZONNET_HISTORY_BYTES", value_parser = bytes, value_name = "BYTES")]
    pub history_bytes: Option<u64>,
}

impl HistoryFlags {
    /// What is kept, with the labels of these names.
    pub fn options(&self, data_dir: &DataDir, labels: Vec<String>) -> Options {
        let (directory, max_bytes) = match data_dir {
            DataDir::None => (None, BYTES_IN_MEMORY),
            DataDir::Path(path) => (Some(path.clone()), Options::default().max_bytes),
        };
        Options {
            directory,
            retention: [self.history_minutes, self.history_hours, self.history_days],
            max_bytes: self.history_bytes.unwrap_or(max_bytes),
            labels,
            ..Options::default()
        }
    }
}

fn length(text: &str) -> Result<Duration, String> {
    let length = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 48h, 90d or 2y"))?;
    if length < Duration::from_hours(1) || length > LONGEST {
        return Err("must be from 1h to 10 years".to_owned());
    }
    Ok(length)
}

fn bytes(text: &str) -> Result<u64, String> {
    let bytes: Option<u64> = text.parse().ok().filter(|bytes| *bytes >= LEAST_BYTES);
    bytes.ok_or_else(|| format!("expected a whole number of bytes, {LEAST_BYTES} at least"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{Config, Stop};

    fn read(argument: &str) -> Result<Config, Stop> {
        Config::read(["kubezonnet-server", argument].map(OsString::from))
    }

    #[test]
    fn what_is_kept_is_said_by_flags() {
        let config = read("--history-hours=30d").unwrap();

        let options = config.history.options(&DataDir::None, Vec::new());

        assert_eq!(options.directory, None);
        let hours = options.retention.map(|kept| kept.as_secs() / 3600);
        assert_eq!(hours, [48, 30 * 24, 400 * 24]);
    }

    #[test]
    fn without_a_directory_it_takes_less_unless_the_flag_says() {
        let bytes = |argument: &str, data_dir: &DataDir| {
            let config = read(argument).unwrap();
            config.history.options(data_dir, Vec::new()).max_bytes
        };
        let directory = DataDir::Path("/data".into());

        assert_eq!(bytes("--history-hours=30d", &directory), 1 << 30);
        assert_eq!(bytes("--history-hours=30d", &DataDir::None), 64 << 20);
        assert_eq!(
            bytes("--history-bytes=200000000", &DataDir::None),
            200_000_000
        );
    }

    #[test]
    fn too_little_and_too_much_is_refused() {
        for (argument, expected) in [
            ("--history-minutes=59m", "from 1h to 10 years"),
            ("--history-days=11y", "from 1h to 10 years"),
            ("--history-hours=soon", "write it like"),
            ("--history-bytes=1000", "16777216 at least"),
        ] {
            let Err(Stop::Wrong(line)) = read(argument) else {
                panic!("{argument} was taken");
            };

            assert!(line.contains(expected), "{line}");
        }
    }
}
