//! The flags that say of which Prometheus-compatible server the past is asked.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{anyhow, ensure};
use clap::Args;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::history::prometheus::Options;

/// Headers that say what a question is, and are not for others to set.
const TAKEN: [&str; 7] = [
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
];

/// Of which Prometheus-compatible server the past is asked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "History")]
pub struct PrometheusFlags {
    /// Ask a Prometheus-compatible server for history, instead of keeping it.
    ///
    /// Prometheus, Thanos, Mimir or `VictoriaMetrics`, which has the metrics of this server, or of several:
    /// they are seen as one. Its URL without /api/v1.
    #[arg(
        id = "prometheus_url",
        long = "prometheus-url",
        env = "KUBEZONNET_PROMETHEUS_URL",
        value_parser = url,
        value_name = "URL"
    )]
    url: Option<Url>,

    /// File with the token to send it; read for each question.
    #[arg(
        long = "prometheus-token-file",
        env = "KUBEZONNET_PROMETHEUS_TOKEN_FILE",
        requires = "prometheus_url",
        value_name = "FILE"
    )]
    token_file: Option<PathBuf>,

    /// Authorities to trust for it besides the system's (PEM); read again when they change.
    #[arg(
        long = "prometheus-ca-file",
        env = "KUBEZONNET_PROMETHEUS_CA_FILE",
        requires = "prometheus_url",
        value_name = "FILE"
    )]
    ca_file: Option<PathBuf>,

    /// Header to send it, like X-Scope-OrgID=tenant; repeatable.
    ///
    /// In the variable one on each line.
    #[arg(
        long = "prometheus-header",
        env = "KUBEZONNET_PROMETHEUS_HEADER",
        requires = "prometheus_url",
        hide_env_values = true,
        value_name = "NAME=VALUE"
    )]
    headers: Vec<Headers>,
}

/// Headers as they are given, one on each line. They are read later: what is wrong with an argument is told
/// with all of it, and these may be secret.
#[derive(Clone)]
struct Headers(String);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Headers(…)")
    }
}

impl From<&str> for Headers {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A header, whose value may be secret.
#[derive(Debug, Clone)]
struct Header(HeaderName, HeaderValue);

impl PrometheusFlags {
    /// Where it is, and how it lets us in; `None` if nobody is asked.
    ///
    /// # Errors
    ///
    /// If they do not go together.
    pub fn options(&self) -> anyhow::Result<Option<Options>> {
        let Some(url) = &self.url else {
            return Ok(None);
        };
        let given = self.headers.iter().flat_map(|Headers(text)| text.lines());
        let given = given.filter(|line| !line.trim().is_empty());
        let headers = given.map(|line| {
            let header = Header::from_str(line);
            header.map_err(|why| anyhow!("--prometheus-header: {why}"))
        });
        let headers: Vec<Header> = headers.collect::<Result<_, _>>()?;
        let mut names = headers.iter().map(|Header(name, _)| name);
        let has_authorization = names.any(|name| name == AUTHORIZATION);
        let is_clear = url.scheme() == "http";
        ensure!(
            !(self.token_file.is_some() && has_authorization),
            "--prometheus-header authorization and --prometheus-token-file say the same: give one of them"
        );
        ensure!(
            !(is_clear && (self.token_file.is_some() || has_authorization)),
            "a token needs an https:// --prometheus-url: nothing secret is sent in clear"
        );
        ensure!(
            !(is_clear && self.ca_file.is_some()),
            "--prometheus-ca-file needs an https:// --prometheus-url"
        );
        let headers = headers.into_iter();
        let headers = headers.map(|Header(name, value)| (name, value));
        Ok(Some(Options {
            url: url.clone(),
            token_file: self.token_file.clone(),
            ca_file: self.ca_file.clone(),
            headers: headers.collect(),
        }))
    }
}

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("expected NAME=VALUE, like X-Scope-OrgID=tenant")?;
        let name = HeaderName::from_str(name).map_err(|_| "the name is none of a header")?;
        if TAKEN.contains(&name.as_str()) {
            return Err(format!("{name} is not for others to set"));
        }
        let value = HeaderValue::from_str(value);
        let mut value = value.map_err(|_| "the value is none of a header")?;
        value.set_sensitive(true);
        Ok(Self(name, value))
    }
}

fn url(text: &str) -> Result<Url, String> {
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    let url = Url::parse(text).ok().filter(is_plain);
    let url = url.ok_or("expected a URL like http://prometheus.monitoring:9090")?;
    if !url.username().is_empty() || url.password().is_some() {
        let message = "a URL is no place for a password: give --prometheus-token-file, or \
                       authorization in KUBEZONNET_PROMETHEUS_HEADER";
        return Err(message.to_owned());
    }
    if url.path().contains("/api/v1") {
        return Err("give it without /api/v1, which is added".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{Config, Stop};

    fn read(arguments: &[&str]) -> Result<Config, Stop> {
        let arguments = ["kubezonnet-server"].iter().chain(arguments);
        Config::read(arguments.map(OsString::from))
    }

    fn options(arguments: &[&str]) -> Result<Option<Options>, String> {
        let config = read(arguments).map_err(|stop| format!("{stop:?}"))?;
        let options = config.prometheus.options();
        options.map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_asked_unless_it_is_said_who() {
        assert!(options(&[]).unwrap().is_none());
        let asked = options(&[
            "--prometheus-url=https://mimir.example:8443/prometheus",
            "--prometheus-token-file=token",
            "--prometheus-header=X-Scope-OrgID=blue",
            "--prometheus-header=x-other==a b, c",
            "--prometheus-header=x-1=one\nx-2=two\n",
        ]);

        let asked = asked.unwrap().unwrap();
        assert_eq!(asked.url.path(), "/prometheus");
        let headers = asked.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let headers: Vec<_> = headers.collect();
        let expected = [
            ("x-scope-orgid", "blue"),
            ("x-other", "=a b, c"),
            ("x-1", "one"),
            ("x-2", "two"),
        ];
        assert_eq!(headers, expected);
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let asked = [
            "--prometheus-url=https://mimir.example",
            "--prometheus-header=authorization=Basic c2VjcmV0",
        ];

        let config = read(&asked).unwrap();
        let options = config.prometheus.options().unwrap();

        assert!(!format!("{config:?} {options:?}").contains("c2VjcmV0"));
        let wrong = options_of_wrong("--prometheus-header=c2VjcmV0");
        assert!(!wrong.contains("c2VjcmV0"), "{wrong}");
    }

    /// What is said of a header that cannot be one.
    fn options_of_wrong(header: &str) -> String {
        options(&["--prometheus-url=https://mimir.example", header]).unwrap_err()
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        const CLEAR: &str = "--prometheus-url=http://prometheus:9090";
        const SECRET: &str = "--prometheus-url=https://prometheus:9090";
        const TOKEN: &str = "--prometheus-token-file=token";
        const BASIC: &str = "--prometheus-header=Authorization=Basic x";
        for (arguments, expected) in [
            (&["--prometheus-url=prometheus:9090"][..], "expected a URL"),
            (&["--prometheus-url=http://a?x=y"], "expected a URL"),
            (&["--prometheus-url=ftp://a"], "expected a URL"),
            (
                &["--prometheus-url=http://a:b@c"],
                "no place for a password",
            ),
            (
                &["--prometheus-url=http://a/api/v1/query"],
                "without /api/v1",
            ),
            (&[TOKEN], "--prometheus-url"),
            (&[CLEAR, TOKEN], "in clear"),
            (&[CLEAR, BASIC], "in clear"),
            (&[CLEAR, "--prometheus-ca-file=ca.crt"], "ca-file needs"),
            (
                &[SECRET, "--prometheus-header=tenant"],
                "expected NAME=VALUE",
            ),
            (&[SECRET, "--prometheus-header=a b=c"], "the name is none"),
            (
                &[SECRET, "--prometheus-header=a=\u{1}"],
                "the value is none",
            ),
            (&[SECRET, "--prometheus-header=Host=x"], "not for others"),
            (&[SECRET, TOKEN, BASIC], "one of them"),
        ] {
            let error = options(arguments).unwrap_err();

            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }
}
