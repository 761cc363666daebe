//! What the agent keeps in memory, idle and when its maps are full, and the kernel for its maps.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use kubezonnet_model::Family;
use kubezonnet_testkit::bench::{Bench, Figure};
use kubezonnet_testkit::{Deployment, DeploymentOptions, wait_for};

use crate::Outcome;
use crate::nodes::{self, Flood};

/// Megabytes.
const IDLE: f64 = 15.0;
const FULL: f64 = 40.0;

/// Half a map of each family.
const PORTS: u16 = 32_767;

/// Windows that are full, one after the other.
const WINDOWS: usize = 3;

/// More than the interval by far.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn run(bench: &mut Bench) -> Outcome {
    let options = DeploymentOptions {
        agent_arguments: vec!["--interval=2s".to_owned()],
        ..DeploymentOptions::default()
    };
    let mut deployment = Deployment::start(nodes::cluster()?, &options, || false)?;
    let process = deployment.agent("node-a").pid();
    let windows = |deployment: &Deployment| -> Outcome<f64> {
        let page = deployment.scrape_agent("node-a")?;
        Ok(page.sum(
            "kubezonnet_agent_windows_total",
            &[("result", "acknowledged")],
        ))
    };
    for (subject, ports, most) in [("idle", 0, IDLE), ("full maps", PORTS, FULL)] {
        for _ in 0..WINDOWS {
            for family in Family::ALL {
                Flood::between(deployment.cluster(), family)?.scatter(ports)?;
            }
            let before = windows(&deployment)?;
            wait_for("a window that is acknowledged", DEADLINE, || {
                (windows(&deployment).ok()? > before).then_some(())
            })?;
        }
        let memory = |name| memory(process, name);
        let figures = [
            Figure::new("MB resident", memory("VmRSS:")?).at_most(most),
            Figure::new("of it the program's file, MB", memory("RssFile:")?),
            Figure::new("highest MB so far", memory("VmHWM:")?),
            Figure::new("kernel's MB for the maps", maps(process)?),
        ];
        bench.tell("agent memory", subject, &figures)?;
    }
    Ok(())
}

/// A line of the process' status, in megabytes.
fn memory(process: u32, name: &str) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.ok_or_else(|| format!("the status has no {name}"))?;
    Ok(kib.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}

/// What the kernel charges for the maps the process holds, in megabytes.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn maps(process: u32) -> Outcome<f64> {
    let mut bytes = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse::<u64>().ok())
        };
        if let (Some(id), Some(memory)) = (field("map_id:"), field("memlock:")) {
            bytes.insert(id, memory);
        }
    }
    Ok(bytes.values().sum::<u64>() as f64 / 1e6)
}
