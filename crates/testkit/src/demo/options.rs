//! The flags of the demo.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;

/// How long a demo runs whose table is asked for once only.
const ONCE: Duration = Duration::from_secs(15);

/// Shows kubezonnet at work: a small shop in three zones and a second region made of network
/// namespaces, real traffic, real agents and a real server on this machine. Regions and zones have
/// names of AWS, so that its list prices hold.
///
/// It needs root, for namespaces and eBPF: sudo make demo. It listens on 127.0.0.1 only, and
/// leaves nothing behind; what a killed run left is removed by the next one.
///
/// Exit codes: 0 when it has run, 64 if a flag is wrong, 77 if it is not root, 1 if something
/// else fails.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "kubezonnet-demo",
    version,
    verbatim_doc_comment,
    max_term_width = 100
)]
pub struct Options {
    /// End after this long, like 30s or 5m [default: run until Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Show the table once, at the end (after 15s if --for is not given)
    #[arg(long)]
    pub once: bool,

    /// Show it as one JSON object instead; notes go to standard error
    #[arg(long)]
    pub json: bool,

    /// Port of the server on 127.0.0.1; a free one is taken if it is in use
    #[arg(long, default_value_t = 9779, value_name = "PORT")]
    pub port: u16,

    /// Once all of it runs, write where to find what into this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub endpoints_file: Option<PathBuf>,
}

impl Options {
    /// When it is to end, if at all.
    pub(super) fn end(&self, begun: Instant) -> Option<Instant> {
        let only_at_the_end = self.once || self.json;
        let duration = self.duration.or(only_at_the_end.then_some(ONCE))?;
        begun.checked_add(duration)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 30s, 5m or 1h30m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_until_it_is_told_to_end_unless_it_is_to_show_one_table() {
        let now = Instant::now();
        let end = |flags: &[&str]| {
            let arguments = ["kubezonnet-demo"].iter().chain(flags);
            Options::try_parse_from(arguments)
                .unwrap()
                .end(now)
                .map(|end| end - now)
        };

        assert_eq!(end(&[]), None);
        assert_eq!(end(&["--once"]), Some(ONCE));
        assert_eq!(
            end(&["--json", "--for=1m30s"]),
            Some(Duration::from_secs(90))
        );
    }

    #[test]
    fn a_wrong_duration_is_named() {
        let error = Options::try_parse_from(["kubezonnet-demo", "--for=soon"]).unwrap_err();

        assert!(error.to_string().contains("--for <DURATION>"), "{error}");
    }
}
