//! `check`: can each node run the agent, does every agent report, how much is unknown and why, and what
//! to do about each.

use std::fmt::Write as _;

use kubezonnet_api::{Asked, Health, Summary, Version};
use serde::Serialize;
use serde_json::json;

use crate::args::{CheckArgs, Form, Way};
use crate::client::{Client, Cluster, Question};
use crate::console::Console;
use crate::failure::Failure;
use crate::text::{self, Look, Tone};

mod agents;
mod kubernetes;
mod server;

/// How far back shares are looked at.
const BACK: &str = "1h";

/// Cells of what is before a finding, and between its parts.
const MARK: usize = 7;
const BETWEEN: usize = 2;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// To be looked at: something is less than it could be.
    Look,
    /// Bytes are not counted, or cannot be shown.
    Problem,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it is.
    pub level: Level,
    /// Of what.
    pub subject: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Where it is named.
    #[serde(skip)]
    pub place: Place,
}

/// Where a finding is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// Everywhere.
    #[default]
    Everywhere,
    /// It is one of many of its kind: on a screen only if all are wanted, or it is not as it should be.
    Detail,
    /// One of more than fit on a screen: in JSON only, and counted.
    Beyond,
    /// How many those are: on a screen only, and not counted.
    Sum,
}

impl Finding {
    fn new(level: Level, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            level,
            subject: subject.into(),
            found: found.into(),
            advice: None,
            place: Place::Everywhere,
        }
    }

    fn good(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Level::Good, subject, found)
    }

    fn look(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Level::Look, subject, found)
    }

    fn problem(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Level::Problem, subject, found)
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn detail(mut self) -> Self {
        self.place = Place::Detail;
        self
    }
}

/// Looks at all of it and prints what it finds.
///
/// # Errors
///
/// [`Failure::Found`] if there is a problem; those of the way to the server, after what was found of
/// Kubernetes is printed.
pub async fn run(args: &CheckArgs, way: &Way, console: &mut Console) -> Result<(), Failure> {
    let mut findings = Vec::new();
    let looked = Box::pin(look(way, &mut findings));
    let looked = console.wait("looking", looked).await;
    if let Err(failure) = &looked {
        let found = failure.to_string();
        findings.push(Finding::problem("server", found));
    }
    match args.output {
        Form::Table => {
            let text = render(&findings, args.all, console.look());
            console.print(&text)?;
        }
        Form::Json => {
            let named = findings
                .iter()
                .filter(|finding| finding.place != Place::Sum);
            let text = json!({ "findings": named.collect::<Vec<_>>() });
            console.print(&format!("{text:#}\n"))?;
        }
    }
    // It is among the findings, and its status tells what kind of failure it was.
    looked?;
    let limit = if args.strict {
        Level::Look
    } else {
        Level::Problem
    };
    if findings.iter().any(|finding| finding.level >= limit) {
        return Err(Failure::Found);
    }
    Ok(())
}

async fn look(way: &Way, findings: &mut Vec<Finding>) -> Result<(), Failure> {
    let wants_cluster = way.server.is_none() || way.kubeconfig.is_some() || way.context.is_some();
    let mut seen = kubernetes::Seen::default();
    let cluster = if wants_cluster {
        let cluster = Cluster::open(way).await?;
        seen = kubernetes::look(&cluster, findings).await?;
        Some(cluster)
    } else {
        None
    };
    let client = Client::on(way, cluster.as_ref()).await?;
    let version: Version = client.ask(&Question::new("version")).await?;
    findings.push(server::version(&version, &client.place()));
    let health: Health = client.ask(&Question::new("health")).await?;
    findings.extend(server::look(&health, &seen));
    findings.extend(agents::look(&health.agents, &seen));
    let asked = Asked {
        since: Some(BACK.to_owned()),
        ..Asked::default()
    };
    let summary: Summary = client.ask(&Question::new("summary").with(&asked)).await?;
    findings.extend(server::shares(&summary, BACK));
    Ok(())
}

/// The first names of many.
fn names<'a>(all: impl IntoIterator<Item = &'a String>) -> String {
    /// So many fit on a line.
    const SHOWN: usize = 3;
    let all: Vec<&str> = all.into_iter().map(String::as_str).collect();
    let shown = all[..all.len().min(SHOWN)].join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        left => format!("{shown} and {left} more"),
    }
}

/// Findings of many of a kind; after the first that fit on a screen, how many `more` there are.
fn some_of(mut findings: Vec<Finding>, subject: &str, more: &str) -> Vec<Finding> {
    /// How many nodes or pods are named one by one; clusters have thousands.
    const NAMED: usize = 20;
    let Some(beyond) = findings
        .get_mut(NAMED..)
        .filter(|beyond| !beyond.is_empty())
    else {
        return findings;
    };
    let mut worst = Level::Look;
    for finding in &mut *beyond {
        worst = worst.max(finding.level);
        finding.place = Place::Beyond;
    }
    let found = format!("{} more {more}", beyond.len());
    let sum = Finding::new(worst, subject, found).advise("-o json names them all");
    findings.push(Finding {
        place: Place::Sum,
        ..sum
    });
    findings
}

fn render(findings: &[Finding], is_all: bool, look: Look) -> String {
    let mut lines = String::new();
    let is_shown = |finding: &&Finding| match finding.place {
        Place::Everywhere | Place::Sum => true,
        Place::Detail => is_all || finding.level > Level::Good,
        Place::Beyond => false,
    };
    let shown: Vec<_> = findings.iter().filter(is_shown).collect();
    let widest = shown.iter().map(|finding| text::width(&finding.subject));
    // Names of pods and nodes are long: what is found of them has the larger part of a line.
    let most = look.width.map_or(40, |width| (width / 3).clamp(8, 40));
    let widest = widest.max().unwrap_or_default().min(most);
    let before = MARK + BETWEEN + widest + BETWEEN;
    let room = look.width.map(|width| width.saturating_sub(before));
    let indent = " ".repeat(before);
    for finding in shown {
        let (mark, tone) = match finding.level {
            Level::Good => ("ok     ", Tone::Good),
            Level::Look => ("look   ", Tone::Doubtful),
            Level::Problem => ("problem", Tone::Bad),
        };
        let subject = text::printable(&finding.subject);
        let subject = text::shorten(&subject, widest);
        let blank = " ".repeat(widest - text::width(&subject));
        let mark = tone.paint(mark, look);
        let found = text::wrap(&text::printable(&finding.found), room);
        let found = found.join(&format!("\n{indent}"));
        let _ = writeln!(lines, "{mark}  {subject}{blank}  {found}");
        if let Some(advice) = &finding.advice {
            let advice = format!("> {}", text::printable(advice));
            for line in text::wrap(&advice, room) {
                let _ = writeln!(lines, "{indent}{}", Tone::Faint.paint(&line, look));
            }
        }
    }
    lines.push_str(&conclusion(findings, look));
    lines
}

fn conclusion(findings: &[Finding], look: Look) -> String {
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level && finding.place != Place::Sum)
            .count()
    };
    let (text, tone) = match (count(Level::Problem), count(Level::Look)) {
        (0, 0) => ("All is in order.".to_owned(), Tone::Good),
        (0, looks) => (format!("No problem; {looks} to look at."), Tone::Good),
        (1, looks) => (format!("1 problem, {looks} to look at."), Tone::Bad),
        (problems, looks) => (
            format!("{problems} problems, {looks} to look at."),
            Tone::Bad,
        ),
    };
    format!("\n{}\n", tone.paint(&text, look))
}
