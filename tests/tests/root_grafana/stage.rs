//! A cluster whose traffic the dashboard is to show: a database in one zone, who asks it in another,
//! and a Prometheus that scrapes the server and every agent.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use kubezonnet_model::Family;
use kubezonnet_testkit::traffic::{Flow, Pace};
use kubezonnet_testkit::{Deployment, DeploymentOptions, Netns, Place as _, Run, get, wait_for};
use kubezonnet_tests::books::{cluster, deploy};
use kubezonnet_tests::prometheus::Prometheus;

/// The longest wait for samples of a time in which all goes on steadily.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where an agent's metrics are, in its node's namespace.
const AGENT: &str = "127.0.0.1:9780";

/// What bytes cost: the sender pays, so that it is on top.
const PRICES: &str = "
currency: USD
unit: GB
retrieved: 2020-01
betweenZones: { price: 1000, paidBy: sender }
betweenRegions: [{ price: 2000 }]
";

/// When the month began, in UTC.
pub(crate) const MONTH: &str =
    "vector(time() - time() % 86400 - (scalar(day_of_month()) - 1) * 86400)";

/// More than there is for the cluster, and less for the namespace.
const BUDGETS: &str = "cluster: 1000000\nnamespaces: { shop: 0.000001 }\n";

const OFTEN: Pace = Pace {
    per_second: 20,
    request: 200,
    answer: 50_000,
};
const SELDOM: Pace = Pace {
    per_second: 5,
    request: 200,
    answer: 4_000,
};

/// All that runs. The order of the fields is the order in which they go.
pub(crate) struct Stage {
    pub(crate) prometheus: Prometheus,
    _flows: Vec<Flow>,
    _deployment: Deployment,
    _run: Run,
}

impl Stage {
    /// Begins, and waits until there is a time of steady traffic to be asked of.
    pub(crate) fn begin() -> Self {
        let run = Run::begin().unwrap();
        let write = |name: &str, text: &str| {
            let path = run.dir().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let options = DeploymentOptions {
            server_arguments: vec![
                "--cloud=none".to_owned(),
                format!("--pricing={}", write("prices.yaml", PRICES)),
                format!("--budgets={}", write("budgets.yaml", BUDGETS)),
            ],
            ..DeploymentOptions::default()
        };
        let deployment = deploy(cluster(), options);
        let talks = [
            ("client", "database", 5432, OFTEN),
            ("client", "far", 8080, SELDOM),
            ("client", "bare", 8081, SELDOM),
            ("client", "near", 8082, SELDOM),
            ("client", "neighbour", 8083, SELDOM),
        ];
        let pod = |name: &str| deployment.cluster().pod(&format!("shop/{name}"));
        let flows = talks.map(|(from, to, port, pace)| {
            Flow::start(pod(from), pod(to), Family::Ipv4, port, pace).unwrap()
        });
        let nodes = deployment.cluster().members();
        let agents: Vec<_> = nodes.map(|node| shown(node.netns().clone())).collect();
        let server = vec![deployment.address().to_string()];
        let jobs = [("kubezonnet-server", server), ("kubezonnet-agent", agents)];
        let prometheus = Prometheus::start(&run, &jobs);
        wait_until_steady(&prometheus);
        Self {
            prometheus,
            _flows: flows.into(),
            _deployment: deployment,
            _run: run,
        }
    }
}

/// Waits until every counter has been there for longer than any query looks back, and the month for so long
/// that a window which lay partly in the one before is a small part of it.
fn wait_until_steady(prometheus: &Prometheus) {
    let enough = [
        // Between these zones in both directions, and beside them what stays, and what is unknown.
        (
            "count(count_over_time(kubezonnet_zone_traffic_bytes_total[20s]) > 14)",
            5.0,
        ),
        (
            "count(count_over_time(kubezonnet_unknown_bytes_total[20s]) > 14)",
            5.0,
        ),
        (
            "count(count_over_time(kubezonnet_cost_total[20s]) > 14)",
            4.0,
        ),
        (
            "count(count_over_time(kubezonnet_agent_build_info[20s]) > 14)",
            5.0,
        ),
        (&format!("time() - {MONTH}"), 60.0),
    ];
    for (query, least) in enough {
        wait_for(query, PATIENCE, || {
            let samples = prometheus.ask(query, None)?;
            (samples.first()?.value >= least).then_some(())
        })
        .unwrap();
    }
}

/// Shows an agent's page outside of its node's namespace; where is returned. It ends with the test.
fn shown(netns: Netns) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Whatever is asked for: there is one page.
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok()
                && let Ok(Ok((200, page))) = netns.run(|| get(AGENT.parse().unwrap(), "/metrics"))
            {
                let head = "HTTP/1.0 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\r\n";
                // Who asked may have gone.
                stream.write_all((head.to_owned() + &page).as_bytes()).ok();
            }
        }
    });
    address.to_string()
}
