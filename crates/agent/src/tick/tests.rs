//! The loop on a source that is made up and a clock that stands still until everybody waits.

use std::collections::VecDeque;
use std::sync::Mutex;

use kubezonnet_capture::{Drained, Progress};
use kubezonnet_exposition::Format;
use kubezonnet_model::{
    Coverage, Epoch, Hook, NodeName, ObservationPoint, Total, TotalKind, Uplinks,
};
use kubezonnet_wire::Limits;
use tokio::sync::mpsc;

use super::*;
use crate::answer::ServerId;
use crate::backoff::Backoff;
use crate::cgroups::Cgroups;
use crate::uplinks::Readings;
use crate::window::{Pace, Plan};

/// What the loop did to the source, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Call {
    Close,
    Keep,
    Clear,
    TakeHooksOff,
    SetInterfaces(BTreeMap<u32, InterfaceClass>),
    SetTunnelPorts(BTreeMap<u16, Tunnel>),
}

/// Every window holds 1,000 bytes.
#[derive(Debug, Clone, Default)]
struct FakeSource {
    calls: Arc<Mutex<Vec<Call>>>,
    /// How often the next calls fail.
    failures: Arc<Mutex<u32>>,
}

#[derive(Debug, thiserror::Error)]
#[error("not now")]
struct NotNow;

impl FakeSource {
    fn call(&self, call: Call) -> Result<(), NotNow> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err(NotNow);
        }
        self.calls.lock().unwrap().push(call);
        Ok(())
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Source for FakeSource {
    type Error = NotNow;

    fn close_window(&mut self) -> Result<(Drained, Instant), NotNow> {
        self.call(Call::Close)?;
        let total = Total {
            kind: TotalKind::Coarsened,
            point: ObservationPoint {
                hook: Hook::LocalIn,
                input: InterfaceClass::Uplink,
                output: InterfaceClass::Host,
            },
            counters: FlowCounters {
                bytes: 1_000,
                packets: 1,
            },
        };
        let drained = Drained {
            totals: vec![total],
            ..Drained::default()
        };
        Ok((drained, now()))
    }

    fn keep(&mut self, note: &[u8]) -> Result<(), NotNow> {
        let kept = kubezonnet_wire::decode(note, &Limits::default()).unwrap();
        assert!(kept.totals.is_empty(), "what is in the maps is kept there");
        self.call(Call::Keep)
    }

    fn clear_closed(&mut self, _: Option<ServerId>) -> Result<(), NotNow> {
        self.call(Call::Clear)
    }

    fn take_hooks_off(&mut self) -> Result<(), NotNow> {
        self.call(Call::TakeHooksOff)
    }

    fn coverage(&self) -> Coverage {
        Coverage::full()
    }

    fn set_interfaces(&mut self, interfaces: &BTreeMap<u32, InterfaceClass>) -> Result<(), NotNow> {
        self.call(Call::SetInterfaces(interfaces.clone()))
    }

    fn set_tunnel_ports(&mut self, ports: &BTreeMap<u16, Tunnel>) -> Result<(), NotNow> {
        self.call(Call::SetTunnelPorts(ports.clone()))
    }
}

/// Every uplink sends 900 bytes between two readings, of which there are two a window.
#[derive(Debug, Default)]
struct FakeReader {
    sent: FlowCounters,
}

impl ReadSent for FakeReader {
    type Error = NotNow;

    fn read_sent(&mut self, interfaces: &[u32]) -> Result<Readings, NotNow> {
        self.sent.bytes += 900;
        let readings = interfaces.iter().map(|&index| (index, self.sent));
        Ok(readings.collect())
    }
}

/// Gives the answers it was given, then acknowledges; `None` never answers.
struct FakeServer {
    answers: VecDeque<Option<Outcome>>,
    arrivals: mpsc::Sender<Outgoing>,
}

impl Deliver for FakeServer {
    async fn deliver(&mut self, outgoing: Outgoing) -> Answer {
        self.arrivals.send(outgoing).await.unwrap();
        match self
            .answers
            .pop_front()
            .unwrap_or(Some(Outcome::Acknowledged))
        {
            Some(outcome) => Answer::none(outcome, ""),
            None => std::future::pending().await,
        }
    }
}

/// A loop that runs.
struct Bench {
    source: FakeSource,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    links: watch::Sender<Arc<View>>,
    signals: watch::Sender<u32>,
    arrivals: mpsc::Receiver<Outgoing>,
    ended: tokio::task::JoinHandle<FlowCounters>,
}

impl Bench {
    fn run(answers: &[Option<Outcome>]) -> Self {
        Self::run_on(FakeSource::default(), answers)
    }

    fn run_on(source: FakeSource, answers: &[Option<Outcome>]) -> Self {
        let (links, links_receiver) = watch::channel(Arc::new(View::default()));
        let (signals, signals_receiver) = watch::channel(0);
        let (sender, arrivals) = mpsc::channel(64);
        let metrics = Arc::new(Metrics::new());
        let health = Arc::new(Health::new());
        let mut tick = Tick {
            source: source.clone(),
            meter: Meter::new(FakeReader::default()),
            windows: Windows::new(
                NodeName::new("n1").unwrap(),
                Plan::ALONE,
                Pace {
                    interval: Duration::from_secs(10),
                    phase: Duration::ZERO,
                },
                Backoff::new(1),
                &Progress {
                    epoch: Epoch([7; 16]),
                    sequence: 1,
                    opened: now(),
                    server: None,
                    closed: None,
                },
                None,
            ),
            links: links_receiver,
            signals: signals_receiver,
            sockets: Sockets::new(Cgroups::none()),
            grace: Duration::from_secs(20),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            failing_since: None,
        };
        let mut server = FakeServer {
            answers: answers.iter().copied().collect(),
            arrivals: sender,
        };
        let ended = tokio::spawn(async move { tick.run(&mut server).await });
        Self {
            source,
            metrics,
            health,
            links,
            signals,
            arrivals,
            ended,
        }
    }

    async fn arrival(&mut self) -> Outgoing {
        self.arrivals.recv().await.expect("the loop runs")
    }

    fn signal(&self) {
        self.signals.send_modify(|count| *count += 1);
    }

    fn metrics(&self) -> String {
        self.metrics.render(Format::Classic)
    }
}

fn ends(outgoing: &Outgoing) -> bool {
    let batch = kubezonnet_wire::decode(&outgoing.body, &Limits::default()).unwrap();
    batch.header.coverage.ends
}

#[tokio::test(start_paused = true)]
async fn the_first_window_arrives_at_once_and_the_others_at_intervals() {
    let began = now();
    let mut bench = Bench::run(&[Some(Outcome::Acknowledged), None]);

    let first = bench.arrival().await;
    assert_eq!((first.sequence, now() - began), (1, Duration::ZERO));
    let second = bench.arrival().await;

    assert_eq!(
        (second.sequence, now() - began),
        (2, Duration::from_secs(10))
    );
    assert_eq!(
        bench.source.calls(),
        [
            Call::Close,
            Call::Keep,
            Call::Clear,
            Call::Close,
            Call::Keep
        ]
    );
    assert!(bench.health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_closed_while_a_window_is_unacknowledged() {
    let mut answers = vec![Some(Outcome::Unreachable); 30];
    answers.push(None);
    let mut bench = Bench::run(&answers);

    let first = bench.arrival().await;
    for _ in 0..30 {
        let again = bench.arrival().await;
        assert_eq!((again.sequence, &again.body), (1, &first.body));
    }

    assert_eq!(bench.source.calls(), [Call::Close, Call::Keep]);
    assert!(!bench.health.is_ready());
    assert!(
        bench
            .metrics()
            .contains("sends_total{outcome=\"unreachable\"} 30")
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_window_is_counted_as_loss_and_the_next_one_goes_out() {
    let mut bench = Bench::run(&[Some(Outcome::Refused)]);

    bench.arrival().await;
    let next = bench.arrival().await;

    assert_eq!(next.sequence, 2);
    let metrics = bench.metrics();
    assert!(metrics.contains("kubezonnet_agent_lost_bytes_total{reason=\"refused\"} 1000"));
    assert!(metrics.contains("kubezonnet_agent_windows_total{result=\"refused\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_kernel_that_refuses_is_asked_again() {
    let source = FakeSource {
        failures: Arc::new(Mutex::new(3)),
        ..FakeSource::default()
    };
    let mut bench = Bench::run_on(source, &[]);

    assert_eq!(bench.arrival().await.sequence, 1);

    assert!(
        bench
            .metrics()
            .contains("kubezonnet_agent_kernel_refusals_total 3")
    );
}

#[tokio::test(start_paused = true)]
async fn links_that_change_are_told_to_the_kernel_once() {
    let mut bench = Bench::run(&[]);
    bench.arrival().await;
    let interfaces = BTreeMap::from([(2, InterfaceClass::Uplink), (3, InterfaceClass::Pod)]);
    let view = View {
        interfaces: interfaces.clone(),
        ..View::default()
    };
    let address = "10.0.0.9".parse().unwrap();

    bench.links.send(Arc::new(view.clone())).unwrap();
    bench.arrival().await;
    let same_classes = View {
        node_addresses: vec![address],
        ..view
    };
    bench.links.send(Arc::new(same_classes)).unwrap();
    let last = bench.arrival().await;

    let told = Call::SetInterfaces(interfaces);
    let calls = bench.source.calls();
    assert_eq!(calls.iter().filter(|&call| *call == told).count(), 1);
    assert!(
        bench
            .metrics()
            .contains("kubezonnet_agent_interfaces{class=\"pod\"} 1")
    );
    let batch = kubezonnet_wire::decode(&last.body, &Limits::default()).unwrap();
    assert_eq!(batch.node_addresses, [address]);
}

#[tokio::test(start_paused = true)]
async fn ports_of_tunnels_are_told_when_they_change_and_again_when_the_kernel_refused() {
    let mut bench = Bench::run(&[]);
    bench.arrival().await;
    bench.arrival().await;
    let view = View {
        tunnel_ports: BTreeMap::from([(14_789, Tunnel::Vxlan)]),
        ..View::default()
    };
    let with_address = View {
        node_addresses: vec!["10.0.0.9".parse().unwrap()],
        ..view.clone()
    };
    let told = Call::SetTunnelPorts(view.tunnel_ports.clone());
    let times_told = |bench: &Bench| {
        let calls = bench.source.calls();
        calls.iter().filter(|&call| *call == told).count()
    };
    while bench.source.calls().last() != Some(&Call::Clear) {
        tokio::task::yield_now().await;
    }

    *bench.source.failures.lock().unwrap() = 1;
    bench.links.send(Arc::new(view.clone())).unwrap();
    bench.arrival().await;
    assert_eq!(times_told(&bench), 0);
    bench.links.send(Arc::new(with_address)).unwrap();
    bench.arrival().await;
    bench.links.send(Arc::new(view)).unwrap();
    bench.arrival().await;

    assert_eq!(times_told(&bench), 1);
}

#[tokio::test(start_paused = true)]
async fn a_window_tells_what_its_uplinks_sent_since_the_last_one() {
    let mut bench = Bench::run(&[]);
    let uplinks = |outgoing: &Outgoing| {
        let batch = kubezonnet_wire::decode(&outgoing.body, &Limits::default()).unwrap();
        batch.header.coverage.uplinks
    };
    assert_eq!(uplinks(&bench.arrival().await), Uplinks::default());
    let view = View {
        uplinks: BTreeMap::from([(2, 14)]),
        ..View::default()
    };

    bench.links.send(Arc::new(view)).unwrap();

    // A new uplink has nothing to be compared with at first.
    assert_eq!(uplinks(&bench.arrival().await), Uplinks::default());
    let sent = FlowCounters {
        bytes: 2 * 900,
        packets: 0,
    };
    let seen = FlowCounters::ZERO;
    assert_eq!(uplinks(&bench.arrival().await), Uplinks { seen, sent });
}

#[tokio::test(start_paused = true)]
async fn links_are_followed_while_the_server_does_not_answer() {
    let mut bench = Bench::run(&[None]);
    bench.arrival().await;
    let interfaces = BTreeMap::from([(2, InterfaceClass::Uplink)]);
    let view = View {
        interfaces: interfaces.clone(),
        ..View::default()
    };

    bench.links.send(Arc::new(view)).unwrap();
    let told = Call::SetInterfaces(interfaces);
    while !bench.source.calls().contains(&told) {
        tokio::time::advance(HEARTBEAT).await;
    }

    assert_eq!(bench.source.calls(), [Call::Close, Call::Keep, told]);
}

#[tokio::test(start_paused = true)]
async fn a_signal_delivers_one_last_window_and_ends_the_loop() {
    let mut bench = Bench::run(&[]);
    bench.arrival().await;

    bench.signal();
    let last = bench.arrival().await;

    assert!(ends(&last));
    assert_eq!(bench.ended.await.unwrap(), FlowCounters::ZERO);
    // Hooks go first: what they count after the last window would be lost.
    let calls = bench.source.calls();
    let last_calls = [Call::TakeHooksOff, Call::Close, Call::Keep];
    assert_eq!(calls[calls.len() - 3..], last_calls);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_the_loop_ends_with_the_grace_period_and_tells_what_is_lost() {
    let mut bench = Bench::run(&[None]);
    bench.arrival().await;
    let asked = now();

    bench.signal();
    let lost = (&mut bench.ended).await.unwrap();

    assert_eq!(now() - asked, Duration::from_secs(20));
    // The one that got no answer, and the last one.
    assert_eq!(
        lost,
        FlowCounters {
            bytes: 2_000,
            packets: 2
        }
    );
    let metrics = bench.metrics();
    assert!(metrics.contains("kubezonnet_agent_lost_bytes_total{reason=\"undelivered\"} 2000"));
}

#[tokio::test(start_paused = true)]
async fn a_last_window_that_is_refused_is_among_what_is_lost_at_the_end() {
    let refused = Some(Outcome::Refused);
    let mut bench = Bench::run(&[refused, refused]);
    bench.arrival().await;

    bench.signal();
    assert!(ends(&bench.arrival().await));

    // The first was refused before the end, and was told then.
    let one_window = FlowCounters {
        bytes: 1_000,
        packets: 1,
    };
    assert_eq!(bench.ended.await.unwrap(), one_window);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_the_loop_at_once() {
    let mut bench = Bench::run(&[None]);
    bench.arrival().await;
    let asked = now();

    bench.signal();
    tokio::task::yield_now().await;
    bench.signal();
    (&mut bench.ended).await.unwrap();

    assert!(now() - asked < Duration::from_secs(2));
}
