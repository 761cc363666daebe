//! Asks the server, and understands what it answers: in the types of the API, or as a failure in words.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use kubezonnet_api::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::args;
use crate::failure::Failure;

mod cluster;
mod direct;
mod forward;
mod tls;

pub use self::cluster::{Cluster, SERVICE};

/// How long an answer may take: the longest questions are of months of history.
const PATIENCE: Duration = Duration::from_secs(75);

/// The largest answer that is read.
const MOST_BYTES: usize = 256 << 20;

/// How much of an answer that is not understood is quoted.
const QUOTED: usize = 200;

/// What is asked: a path below `/api/v1/`, and parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    path: &'static str,
    parameters: Vec<String>,
}

impl Question {
    /// Without parameters.
    pub fn new(path: &'static str) -> Self {
        Self {
            path,
            parameters: Vec::new(),
        }
    }

    /// With these parameters too.
    ///
    /// # Panics
    ///
    /// Never: the parameters of the API are plain values and lists of them.
    pub fn with(mut self, parameters: &impl Serialize) -> Self {
        let text = serde_html_form::to_string(parameters).expect("parameters are plain");
        if !text.is_empty() {
            self.parameters.push(text);
        }
        self
    }

    /// Path and query.
    fn target(&self) -> String {
        let query = self.parameters.join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("/api/v1/{}{mark}{query}", self.path)
    }
}

/// Status and body of an answer.
type Answer = (u16, Bytes);

/// The server, and the way to it.
#[derive(Debug)]
pub struct Client {
    way: Way,
    token_file: Option<PathBuf>,
}

#[derive(Debug)]
enum Way {
    Direct(direct::Direct),
    Forward(Box<forward::Forward>),
}

impl Client {
    /// Finds the server; asks it nothing yet.
    ///
    /// # Errors
    ///
    /// If a flag is wrong, or there is no server in the cluster.
    pub async fn find(way: &args::Way) -> Result<Self, Failure> {
        Box::pin(Self::on(way, None)).await
    }

    /// The same, by way of a cluster that is known already.
    ///
    /// # Errors
    ///
    /// As [`Self::find`].
    pub async fn on(way: &args::Way, cluster: Option<&Cluster>) -> Result<Self, Failure> {
        let token_file = way.token_file.clone();
        let ca_file = way.ca_file.as_deref();
        if let Some(server) = &way.server {
            let way = Way::Direct(direct::Direct::new(server, ca_file)?);
            return Ok(Self { way, token_file });
        }
        let opened;
        let cluster = if let Some(cluster) = cluster {
            cluster
        } else {
            opened = Cluster::open(way).await?;
            &opened
        };
        let forward = Box::pin(forward::Forward::open(cluster, ca_file)).await?;
        let way = Way::Forward(Box::new(forward));
        Ok(Self { way, token_file })
    }

    /// Where the server is, for people.
    pub fn place(&self) -> String {
        match &self.way {
            Way::Direct(direct) => direct.place(),
            Way::Forward(forward) => forward.place(),
        }
    }

    /// What there is to say of the server that was found, beside its answers.
    pub fn note(&self) -> Option<&str> {
        match &self.way {
            Way::Direct(_) => None,
            Way::Forward(forward) => forward.note(),
        }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// If there is none, or it says no, or nobody can understand it.
    pub async fn ask<T: DeserializeOwned>(&self, question: &Question) -> Result<T, Failure> {
        let token = self.token_file.as_deref().map(read_token).transpose()?;
        let target = question.target();
        // Boxed, as what asks is large and held by all that waits for it.
        let asked = match &self.way {
            Way::Direct(direct) => direct.get(&target, token.as_deref()).boxed(),
            Way::Forward(forward) => forward.get(&target, token.as_deref()).boxed(),
        };
        let Ok(answered) = tokio::time::timeout(PATIENCE, asked).await else {
            if let Way::Forward(forward) = &self.way {
                forward.forget().await;
            }
            let (place, seconds) = (self.place(), PATIENCE.as_secs());
            return Err(Failure::Unavailable(format!(
                "{place}: no answer in {seconds} seconds"
            )));
        };
        let (status, body) = answered?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|error| {
                Failure::Answer(format!(
                    "{}: the answer to {} is not that of a kubezonnet-server this program knows \
                     ({error}): {}",
                    self.place(),
                    question.path,
                    quote(&body),
                ))
            });
        }
        Err(self.refused(question, status, &body))
    }

    fn refused(&self, question: &Question, status: u16, body: &[u8]) -> Failure {
        let place = self.place();
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let said = match &problem {
            Some(problem) => crate::text::printable(&problem.error).into_owned(),
            None => quote(body),
        };
        match status {
            401 if self.token_file.is_none() => Failure::Permission(format!(
                "{place}: the server wants a token: name the file that has it with --token-file"
            )),
            401 => Failure::Permission(format!(
                "{place}: the server does not take the token of --token-file; it wants that of its own \
                 --bearer-token-file"
            )),
            403 => Failure::Permission(format!("{place}: {said}")),
            404 if problem.is_none() => Failure::Unavailable(format!(
                "{place}: there is no /api/v1/{}: that is another program, or a kubezonnet-server that \
                 is older than this one (it said {said})",
                question.path
            )),
            400..500 if problem.is_some() => {
                let field = problem.and_then(|problem| problem.field);
                let what = field.map(|field| format!("{}: ", called(&field)));
                Failure::Usage(format!("{}{said}", what.unwrap_or_default()))
            }
            300..400 => Failure::Usage(format!(
                "{place} leads elsewhere (it answers {status}): give the URL it leads to with --server"
            )),
            502..=504 => Failure::Unavailable(format!("{place} answers {status}: {said}")),
            _ => Failure::Answer(format!("{place} answers {status}: {said}")),
        }
    }
}

/// What a parameter is called here: the flag that sets it, if there is one.
fn called(field: &str) -> String {
    const FLAGS: [&str; 14] = [
        "since",
        "from",
        "to",
        "namespace",
        "workload",
        "team",
        "zone",
        "region",
        "network",
        "service",
        "locality",
        "limit",
        "pod",
        "node",
    ];
    match field {
        "of" | "by" => "what is asked for".to_owned(),
        flag if FLAGS.contains(&flag) => format!("--{flag}"),
        other => format!("the parameter {}", crate::text::printable(other)),
    }
}

/// Read anew each time: tokens are renewed while `top` runs.
fn read_token(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("--token-file {}: {error}", path.display())))?;
    let token = text.trim();
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !fits {
        let path = path.display();
        return Err(Failure::Usage(format!(
            "--token-file {path}: holds no token"
        )));
    }
    Ok(token.to_owned())
}

/// The beginning of what was said, on one line.
fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(QUOTED)]);
    let words: Vec<_> = text.split_whitespace().collect();
    match words.join(" ") {
        text if text.is_empty() => "nothing".to_owned(),
        text => format!("{:?}", crate::text::printable(&text)),
    }
}

/// An error with all its causes on one line: the outermost alone seldom says what is wrong. A cause that
/// repeats what is there already is left out.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let cause = error.to_string();
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
        next = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use kubezonnet_api::{Asked, LocalityName, Of, TopAsked};

    use super::*;

    #[test]
    fn a_question_has_each_value_of_a_filter_by_itself() {
        let asked = Asked {
            since: Some("7d".to_owned()),
            namespace: vec!["shop".to_owned(), "a b&c".to_owned()],
            locality: vec![LocalityName::CrossZone],
            ..Asked::default()
        };
        let top = TopAsked {
            of: Of::Workloads,
            ..TopAsked::default()
        };

        let target = Question::new("top").with(&asked).with(&top).target();

        assert_eq!(
            target,
            "/api/v1/top?since=7d&namespace=shop&namespace=a+b%26c&locality=cross_zone&of=workloads&by=cost"
        );
        assert_eq!(Question::new("health").target(), "/api/v1/health");
    }

    #[test]
    fn what_is_quoted_is_one_line_and_short() {
        let long = "x\n\x1b[31m".repeat(200);

        let quoted = quote(long.as_bytes());

        assert!(
            quoted.len() < 2 * QUOTED && !quoted.contains(['\n', '\x1b']),
            "{quoted}"
        );
        assert_eq!(quote(b" \n"), "nothing");
    }
}
