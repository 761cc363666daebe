//! `flows`: the flow log through the API, flow by flow, and on.

use std::fmt::Write as _;
use std::time::Duration;

use kubezonnet_api::{Address, Asked, EndKind, Flow, Flows, FlowsAsked, LocalityName};

use crate::args::{FlowsArgs, Form, Way};
use crate::client::{Client, Question};
use crate::console::Console;
use crate::failure::Failure;
use crate::key;
use crate::text::{self, Tone};

/// How soon a server that could not be asked is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long the server's word is waited for at the most: it says when there can be more.
const LONGEST: f64 = 60.0;

/// The most flows that an answer has.
const PAGE: u32 = 10_000;

/// How many times in a row it may fail before it is given up: a server that starts again is away for
/// less.
const TRIES: u32 = 30;

/// Follows until it is ended, or prints what there is.
///
/// # Errors
///
/// Those of the way to the server, its answers, and the console.
pub async fn run(args: &FlowsArgs, way: &Way, console: &mut Console) -> Result<(), Failure> {
    let mut asked = Asked::default();
    args.filter.ask(&mut asked);
    let mut wanted = FlowsAsked {
        pod: args.pod.clone(),
        node: args.node.clone(),
        limit: Some(args.limit),
        cursor: None,
    };
    let first = async {
        let client = Client::find(way).await?;
        let flows: Flows = client.ask(&question(&asked, &wanted)).await?;
        Ok::<_, Failure>((client, flows))
    };
    let (client, mut flows) = console.wait("asking the server", first).await?;
    console.tell_of(&client);
    let mut failures = 0;
    loop {
        print(&flows, args.output, console)?;
        if args.no_follow {
            return Ok(());
        }
        wanted.cursor = Some(flows.next);
        wanted.limit = Some(PAGE);
        let mut wait = wait(flows.wait_seconds);
        flows = loop {
            tokio::time::sleep(wait).await;
            wait = AGAIN;
            match client.ask(&question(&asked, &wanted)).await {
                Ok(more) => {
                    failures = 0;
                    break more;
                }
                Err(failure) if failure.may_pass() && failures < TRIES => {
                    if failures == 0 {
                        console.note(&format!("{failure}; trying again"));
                    }
                    failures += 1;
                }
                Err(failure) => return Err(failure),
            }
        };
        if flows.missed > 0 {
            let missed = text::count(flows.missed.into());
            console.note(&format!(
                "{missed} flows came faster than they could be shown; filters make them fewer"
            ));
        }
    }
}

/// How long it is waited for more, by what the server says.
fn wait(seconds: f64) -> Duration {
    // What makes no sense is as good as none said.
    Duration::try_from_secs_f64(seconds.min(LONGEST)).unwrap_or(AGAIN)
}

/// Flows have no time to ask for.
fn question(asked: &Asked, wanted: &FlowsAsked) -> Question {
    Question::new("flows").with(asked).with(wanted)
}

fn print(flows: &Flows, output: Form, console: &mut Console) -> Result<(), Failure> {
    let mut lines = String::new();
    for flow in &flows.flows {
        match output {
            Form::Json => {
                lines.push_str(&serde_json::to_string(flow).map_err(std::io::Error::other)?);
            }
            Form::Table => lines.push_str(&line(flow, console)),
        }
        lines.push('\n');
    }
    if !lines.is_empty() {
        console.print(&lines)?;
    }
    Ok(())
}

/// `12:34:56  cross zone    1.23 MB  shop/orders-6d5f7 (us-east-1a) > shop/postgres-0:5432 (us-east-1b) tcp`
fn line(flow: &Flow, console: &Console) -> String {
    let look = console.look();
    let locality = format!("{:<12}", key::locality(flow.locality));
    let tone = match flow.locality {
        LocalityName::CrossZone => Tone::Doubtful,
        LocalityName::CrossRegion | LocalityName::Internet => Tone::Bad,
        LocalityName::Unknown => Tone::Strong,
        LocalityName::SameNode | LocalityName::SameZone => Tone::Faint,
    };
    let mut line = format!(
        "{}  {}  {:>7}  {} > {} {}",
        text::clock(&flow.end),
        tone.paint(&locality, look),
        text::bytes(flow.bytes),
        address(&flow.source),
        address(&flow.destination),
        text::printable(&flow.protocol),
    );
    if let Some(service) = &flow.service {
        let name = format!("{}/{}", service.namespace, service.name);
        let _ = write!(line, " by {}", text::printable(&name));
    }
    if flow.direction == "transit" {
        let _ = write!(line, " through {}", text::printable(&flow.reporter));
    }
    if let Some(reason) = &flow.unknown_reason {
        let reason = reason.replace('_', " ");
        let _ = write!(line, " ({})", text::printable(&reason));
    }
    line
}

/// Who it is, and where.
fn address(end: &Address) -> String {
    let name = match (&end.namespace, &end.pod, &end.name) {
        (Some(namespace), Some(pod), _) => format!("{namespace}/{pod}"),
        (Some(namespace), None, Some(name)) => format!("{namespace}/{name}"),
        (None, Some(name), _) | (None, None, Some(name)) => match end.kind {
            EndKind::Node => format!("node {name}"),
            EndKind::Network => format!("network {name} {}", end.address),
            _ => name.clone(),
        },
        _ => end.address.clone(),
    };
    let port = end.port.map_or_else(String::new, |port| format!(":{port}"));
    let place = end.zone.as_ref().or(end.region.as_ref());
    let place = place.map_or_else(String::new, |place| format!(" ({place})"));
    text::printable(&format!("{name}{port}{place}")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(kind: EndKind) -> Address {
        Address {
            address: "10.0.0.1".to_owned(),
            port: Some(5432),
            kind,
            namespace: None,
            pod: None,
            workload: None,
            name: None,
            node: None,
            zone: None,
            region: None,
        }
    }

    #[test]
    fn it_is_waited_as_the_server_says_and_not_for_ever() {
        let waits = [0.0, 7.5, 1e9, -1.0, f64::NAN].map(|seconds| wait(seconds).as_millis());

        assert_eq!(waits, [0, 7500, 60_000, 1000, 60_000]);
    }

    #[test]
    fn an_end_is_told_by_the_best_name_it_has() {
        let pod = Address {
            namespace: Some("shop".to_owned()),
            pod: Some("postgres-0".to_owned()),
            zone: Some("us-east-1b".to_owned()),
            ..end(EndKind::Workload)
        };
        let node = Address {
            name: Some("node-a".to_owned()),
            ..end(EndKind::Node)
        };

        assert_eq!(address(&pod), "shop/postgres-0:5432 (us-east-1b)");
        assert_eq!(address(&node), "node node-a:5432");
        assert_eq!(address(&end(EndKind::Internet)), "10.0.0.1:5432");
    }
}
