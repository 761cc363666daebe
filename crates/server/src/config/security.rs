//! The flags that say who is let in, and how connections are kept secret.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::listen;

/// Who is let in, and how connections are kept secret.
#[derive(Debug, Clone, Args)]
pub struct Security {
    /// Address and port where agents report.
    ///
    /// 0.0.0.0:8443 if nothing is said; with --insecure, that of --listen.
    #[arg(
        long,
        env = "KUBEZONNET_INGEST_LISTEN",
        value_parser = listen,
        value_name = "ADDRESS:PORT"
    )]
    pub ingest_listen: Option<SocketAddr>,

    /// Takes windows by plain HTTP and from anybody. For a demo, or a network that only agents reach.
    #[arg(
        long,
        env = "KUBEZONNET_INSECURE",
        value_parser = clap::builder::BoolishValueParser::new(),
        conflicts_with_all = ["tls_cert", "client_ca"]
    )]
    pub insecure: bool,

    /// Certificate that agents are shown (PEM, the whole chain); read again when it changes.
    ///
    /// Without it, and with Kubernetes, the server makes its own: see --tls-secret.
    #[arg(
        long,
        env = "KUBEZONNET_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert (PEM).
    #[arg(
        long,
        env = "KUBEZONNET_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,

    /// Secret in the server's namespace that holds its own certificate authority.
    #[arg(
        long,
        env = "KUBEZONNET_TLS_SECRET",
        default_value = "kubezonnet-server-ca",
        value_name = "NAME"
    )]
    pub tls_secret: String,

    /// `ConfigMap` there which the authority's certificate is published in, for agents to mount.
    #[arg(
        long,
        env = "KUBEZONNET_TLS_CONFIGMAP",
        default_value = "kubezonnet-ca",
        value_name = "NAME"
    )]
    pub tls_configmap: String,

    /// Name or address that agents know the server by, for its own certificate; repeatable.
    ///
    /// By default those of the Service kubezonnet-server in the server's namespace.
    #[arg(
        long = "tls-name",
        env = "KUBEZONNET_TLS_NAME",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub tls_names: Vec<String>,

    /// Authorities of the agents' certificates (PEM); read again when they change.
    ///
    /// An agent reports for the node that its certificate has as common name. Without this flag,
    /// and with Kubernetes, agents present a token of their service account instead.
    #[arg(long, env = "KUBEZONNET_CLIENT_CA", value_name = "FILE")]
    pub client_ca: Option<PathBuf>,

    /// Audience that agents' tokens must be for.
    #[arg(
        long,
        env = "KUBEZONNET_TOKEN_AUDIENCE",
        default_value = "kubezonnet",
        value_name = "AUDIENCE"
    )]
    pub token_audience: String,

    /// Service account whose tokens are agents'.
    ///
    /// By default kubezonnet-agent in the server's namespace.
    #[arg(
        long,
        env = "KUBEZONNET_AGENT_SERVICE_ACCOUNT",
        value_name = "NAMESPACE/NAME"
    )]
    pub agent_service_account: Option<ServiceAccount>,

    /// Certificate to serve --listen by HTTPS with (PEM); read again when it changes.
    #[arg(
        long,
        env = "KUBEZONNET_LISTEN_TLS_CERT",
        value_name = "FILE",
        requires = "listen_tls_key"
    )]
    pub listen_tls_cert: Option<PathBuf>,

    /// Private key of --listen-tls-cert (PEM).
    #[arg(
        long,
        env = "KUBEZONNET_LISTEN_TLS_KEY",
        value_name = "FILE",
        requires = "listen_tls_cert"
    )]
    pub listen_tls_key: Option<PathBuf>,

    /// File with the token that /metrics and /api are shown for; read again when it changes.
    ///
    /// Who asks sends it as `Authorization: Bearer …`. Probes need none.
    #[arg(long, env = "KUBEZONNET_BEARER_TOKEN_FILE", value_name = "FILE")]
    pub bearer_token_file: Option<PathBuf>,

    /// Answers whoever reaches --listen. For a network that only the right people reach.
    ///
    /// Without this flag and without --bearer-token-file, /api answers only who comes from the server's own
    /// host, as kubectl port-forward does. --insecure is this flag too.
    #[arg(
        long,
        env = "KUBEZONNET_OPEN_API",
        value_parser = clap::builder::BoolishValueParser::new(),
        conflicts_with = "bearer_token_file"
    )]
    pub open_api: bool,
}

/// A service account of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ServiceAccount {
    /// The user name that Kubernetes gives it.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for ServiceAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| !name.is_empty() && !name.contains(['/', ':']);
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err("expected a namespace and a name, like kubezonnet/kubezonnet-agent".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::config::{Config, Stop};

    fn read(arguments: &[&str]) -> Result<Config, Stop> {
        let arguments = ["kubezonnet-server"].iter().chain(arguments);
        Config::read(arguments.map(OsString::from))
    }

    #[test]
    fn a_service_account_is_named_with_its_namespace() {
        let config = read(&["--agent-service-account=lab/agent"]).unwrap();

        let account = config.security.agent_service_account.unwrap();
        assert_eq!(account.user(), "system:serviceaccount:lab:agent");
        for wrong in ["agent", "/agent", "lab/", "lab/a/b", "lab/a:b"] {
            let flag = format!("--agent-service-account={wrong}");
            let Err(Stop::Wrong(line)) = read(&[&flag]) else {
                panic!("{wrong} was taken");
            };
            assert!(line.contains("like kubezonnet/kubezonnet-agent"), "{line}");
        }
    }

    #[test]
    fn insecure_and_secure_are_not_asked_for_at_once() {
        for more in [&["--tls-cert=a", "--tls-key=b"][..], &["--client-ca=a"]] {
            let arguments = [&["--insecure"], more].concat();

            let Err(Stop::Wrong(line)) = read(&arguments) else {
                panic!("{arguments:?} was taken");
            };

            assert!(line.contains("--insecure"), "{line}");
        }
    }
}
