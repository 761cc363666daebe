//! The flags that bound what clients can cost.

use std::time::Duration;

use kubezonnet_wire::Limits;

use super::{duration, positive};
use crate::connections::{ConnectionLimits, LEAST_HEAD_BYTES};
use crate::ingest::BodyLimits;

/// What clients can cost.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitFlags {
    /// Most bytes of a batch, from 1 to 4294967295; a larger one is refused (413) before it is read.
    ///
    /// A window of the most records takes 2 to 3 MiB.
    #[arg(long, env = "KUBEZONNET_MAX_BODY_BYTES", default_value_t = BodyLimits::default().bytes, value_parser = positive, value_name = "BYTES")]
    pub max_body_bytes: usize,

    /// Most records of a batch, from 1 to 4294967295; one with more is refused (413).
    ///
    /// The default is what agents hold to: a lower one loses the windows of nodes with many flows.
    #[arg(long, env = "KUBEZONNET_MAX_RECORDS", default_value_t = Limits::default().max_records, value_parser = positive, value_name = "COUNT")]
    pub max_records: usize,

    /// Memory for batches that are being read or wait to be resolved, in bytes; less than
    /// --max-body-bytes is raised to that.
    ///
    /// Where it does not suffice, the slowest batch of those that are being read gives up its share, or
    /// the new one is told to come again (503).
    #[arg(long, env = "KUBEZONNET_MAX_BODY_MEMORY", default_value_t = BodyLimits::default().memory, value_parser = positive, value_name = "BYTES")]
    pub max_body_memory: usize,

    /// How long a batch may take to arrive; a slower one is refused (408).
    #[arg(long, env = "KUBEZONNET_BODY_TIMEOUT", default_value = "30s", value_parser = some_time, value_name = "DURATION")]
    pub body_timeout: Duration,

    /// Bytes a second that a batch must arrive with after its first five seconds; a slower one is refused
    /// (408).
    #[arg(long, env = "KUBEZONNET_MIN_BODY_RATE", default_value_t = BodyLimits::default().rate, value_parser = positive, value_name = "BYTES")]
    pub min_body_rate: usize,

    /// Most batches of one node in ten seconds; further ones are told to come again (429).
    ///
    /// An agent sends ten at most, with the shortest interval there is, and repeats what was not
    /// answered.
    #[arg(long, env = "KUBEZONNET_MAX_BATCHES_PER_AGENT", default_value_t = BodyLimits::default().batches, value_parser = positive, value_name = "COUNT")]
    pub max_batches_per_agent: usize,

    /// Most connections at once. Where there are more, one that keeps the server waiting is closed, of
    /// the address that has the most.
    #[arg(long, env = "KUBEZONNET_MAX_CONNECTIONS", default_value_t = ConnectionLimits::default().total, value_parser = positive, value_name = "COUNT")]
    pub max_connections: usize,

    /// Most connections at once from one address. Where there are more, its oldest that keeps the server
    /// waiting is closed.
    ///
    /// Agents have one each. Where a proxy or NAT brings them all from one address, a connection is
    /// opened anew for a window that finds its own closed.
    #[arg(long, env = "KUBEZONNET_MAX_CONNECTIONS_PER_PEER", default_value_t = ConnectionLimits::default().per_peer, value_parser = positive, value_name = "COUNT")]
    pub max_connections_per_peer: usize,

    /// Most bytes of a request's head, from 8192; a longer one is refused (431), and one with more than
    /// 100 headers.
    #[arg(long, env = "KUBEZONNET_MAX_HEADER_BYTES", default_value_t = ConnectionLimits::default().head_bytes, value_parser = head_bytes, value_name = "BYTES")]
    pub max_header_bytes: usize,

    /// How long a TLS handshake may take, and how long the head of a request; who is slower is let go.
    #[arg(long, env = "KUBEZONNET_HEADER_TIMEOUT", default_value = "10s", value_parser = some_time, value_name = "DURATION")]
    pub header_timeout: Duration,

    /// How long a connection may be idle after an answer. Agents close theirs after 90 seconds.
    #[arg(long, env = "KUBEZONNET_IDLE_TIMEOUT", default_value = "100s", value_parser = some_time, value_name = "DURATION")]
    pub idle_timeout: Duration,

    /// How long a client may take to receive an answer.
    #[arg(long, env = "KUBEZONNET_ANSWER_TIMEOUT", default_value = "30s", value_parser = some_time, value_name = "DURATION")]
    pub answer_timeout: Duration,
}

impl LimitFlags {
    /// What bodies may be.
    pub fn bodies(&self) -> BodyLimits {
        BodyLimits {
            bytes: self.max_body_bytes,
            records: self.max_records,
            // Less would refuse what --max-body-bytes allows.
            memory: self.max_body_memory.max(self.max_body_bytes),
            timeout: self.body_timeout,
            rate: self.min_body_rate,
            batches: self.max_batches_per_agent,
        }
    }

    /// What connections may cost.
    pub fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            total: self.max_connections,
            per_peer: self.max_connections_per_peer,
            head_bytes: self.max_header_bytes,
            head: self.header_timeout,
            idle: self.idle_timeout,
            answer: self.answer_timeout,
        }
    }
}

fn some_time(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration < Duration::from_millis(100) {
        return Err("must be at least 100ms".to_owned());
    }
    Ok(duration)
}

fn head_bytes(text: &str) -> Result<usize, String> {
    let bytes = positive(text)?;
    if bytes < LEAST_HEAD_BYTES {
        return Err(format!("must be at least {LEAST_HEAD_BYTES}"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Config, Stop};
    use super::*;

    fn read(argument: &str) -> Result<Config, Stop> {
        Config::read(["kubezonnet-server", argument].map(OsString::from))
    }

    #[test]
    fn what_is_not_told_is_as_the_limits_have_it() {
        let config = Config::read([OsString::from("kubezonnet-server")]).unwrap();

        let bodies = format!("{:?}", config.limits.bodies());
        let connections = format!("{:?}", config.limits.connections());

        assert_eq!(bodies, format!("{:?}", BodyLimits::default()));
        assert_eq!(connections, format!("{:?}", ConnectionLimits::default()));
    }

    #[test]
    fn there_is_always_memory_for_one_body() {
        let config = read("--max-body-memory=1").unwrap();

        assert_eq!(config.limits.bodies().memory, BodyLimits::default().bytes);
    }

    #[test]
    fn limits_that_would_keep_everybody_out_are_refused() {
        for argument in [
            "--max-header-bytes=8191",
            "--header-timeout=0s",
            "--body-timeout=99ms",
            "--max-connections=0",
            "--max-batches-per-agent=0",
        ] {
            assert!(matches!(read(argument), Err(Stop::Wrong(_))), "{argument}");
        }
    }
}
