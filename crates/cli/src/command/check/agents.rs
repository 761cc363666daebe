//! What the server tells of the agents.

use kubezonnet_api::{Agent, AgentState};

use super::kubernetes::Seen;
use super::server::whole;
use super::{Finding, names, some_of};
use crate::text;

/// Looks at the agents of nodes that are to have one. Of a node of which it was said already why it has
/// none, nothing more is.
pub(super) fn look(agents: &[Agent], seen: &Seen) -> Vec<Finding> {
    let is_counting =
        |agent: &&Agent| matches!(agent.state, AgentState::Reporting | AgentState::Late);
    let is_wanted = |agent: &&Agent| {
        let can_have_one = agent.state != AgentState::Impossible;
        is_counting(agent) || (can_have_one && !seen.without_agent.contains(&agent.node))
    };
    // Kubernetes tells of these too, if it was asked.
    let impossible = agents.iter().filter(|agent| {
        agent.state == AgentState::Impossible && !seen.without_agent.contains(&agent.node)
    });
    let impossible: Vec<_> = impossible.map(|agent| &agent.node).collect();
    let agents: Vec<_> = agents.iter().filter(is_wanted).collect();
    let counting = agents.iter().copied().filter(is_counting).count();
    let found = format!("{counting} of {} nodes report", agents.len());
    let mut findings = vec![if agents.is_empty() {
        Finding::problem("agents", "there is no node to count on")
    } else if counting == agents.len() {
        Finding::good("agents", found)
    } else {
        Finding::problem("agents", found)
    }];
    if !impossible.is_empty() {
        let found = format!(
            "{} on which none can run: {}",
            impossible.len(),
            names(impossible)
        );
        findings.push(Finding::look("nodes", found).advise(
            "what they send is counted by who receives it, and by nobody between two of them",
        ));
    }
    let is_news = |agent: &&Agent| is_counting(agent) || !seen.explained.contains(&agent.node);
    let (wrong, right): (Vec<_>, Vec<_>) = agents
        .into_iter()
        .filter(is_news)
        .map(of_agent)
        .partition(|finding| finding.level > super::Level::Good);
    findings.extend(some_of(wrong, "agents", "nodes are not as they should be"));
    findings.extend(right);
    findings
}

fn of_agent(agent: &Agent) -> Finding {
    let subject = format!("node {}", agent.node);
    let seconds = agent.last_window_seconds;
    let ago = seconds.map_or_else(
        || "never".to_owned(),
        |seconds| format!("{} ago", text::span(whole(seconds))),
    );
    let logs = "see the log of the pod of kubezonnet-agent there";
    match agent.state {
        AgentState::None => {
            return Finding::problem(subject, "has no agent: nobody counts there").advise(
                "the DaemonSet kubezonnet-agent may not reach it: taints, kernel, or no room",
            );
        }
        AgentState::Missing => {
            let found = format!("its agent broke off, last heard of {ago}");
            return Finding::problem(subject, found).advise(logs);
        }
        AgentState::Ended => {
            let found = format!("its agent has ended, {ago}");
            return Finding::problem(subject, found).advise(
                "start it again, or what the node sends is counted by who receives it only",
            );
        }
        AgentState::Reporting | AgentState::Late | AgentState::Impossible => {}
    }
    if agent.bypassed {
        return Finding::look(subject, "its packets pass the agent's hooks by").advise(
            "receivers count for it: see \"packets bypass the hooks\" in docs/troubleshooting.md",
        );
    }
    if agent.lost_bytes > 0 {
        let found = format!("its agent has lost {}", text::bytes(agent.lost_bytes));
        return Finding::look(subject, found).advise(logs);
    }
    if agent.state == AgentState::Late {
        return Finding::look(subject, format!("its agent is late, last heard of {ago}"))
            .advise("it keeps what it counts; if it stays late, see its log");
    }
    if agent.coarsened {
        return Finding::look(subject, "has more flows than its agent has room for")
            .advise("no byte is lost, but detail: give the agent a larger --max-flows");
    }
    let zone = agent.zone.as_deref().unwrap_or("no zone");
    Finding::good(subject, format!("reports, last heard of {ago} ({zone})")).detail()
}
