//! A server as it runs: what agents report goes into its past, its last windows and its pods; and, for
//! comparison, into a plain list.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kubezonnet_history::spread;
use kubezonnet_model::{Direction, Endpoint, Timestamp};
use kubezonnet_topology::Topology;

use super::seeded::{api_of, book, books};
use crate::api::*;
use crate::export::{ExportCounts, Exporter, Exporters};
use crate::history::embedded::Options;
use crate::history::plain::{Had, Plain};
use crate::history::{Answer, AskError, Question, Status};
use crate::ledger::Side;
use crate::ledger::edges::Class;
use crate::resolve::{Outcome, ResolvedBatch, ResolvedFlow};
use crate::testing::{NOW, Report, settings};

/// How long anything here may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server that counts, with prices.
pub(super) struct Running {
    pub(super) api: Api,
    now: Arc<AtomicU64>,
    heard: Arc<Heard>,
}

/// Every batch that was resolved.
#[derive(Debug, Default)]
struct Heard(Mutex<Vec<Arc<ResolvedBatch>>>);

impl Exporter for Arc<Heard> {
    fn name(&self) -> &'static str {
        "heard"
    }

    fn offer(&self, batch: &Arc<ResolvedBatch>) {
        self.0.lock().unwrap().push(Arc::clone(batch));
    }

    fn counts(&self) -> ExportCounts {
        ExportCounts::default()
    }

    fn close(&self, _patience: Duration) {}
}

/// A plain list that began when the first window did.
#[derive(Debug)]
struct Listed {
    plain: Plain,
    begun: Option<Timestamp>,
}

impl Past for Listed {
    fn ask(&self, question: &Question) -> Result<Answer, AskError> {
        Ok(Answer {
            since: self.begun,
            reaches: [self.begun; 3],
            ..self.plain.ask(question)?
        })
    }

    fn status(&self) -> Status {
        self.plain.status()
    }
}

impl Running {
    /// One that has heard of nothing, a third of a minute after [`NOW`].
    pub(super) fn new(topology: &Topology) -> Self {
        let heard = Arc::<Heard>::default();
        let api = api_of(topology, None);
        let (recent, pods) = (api.recent.clone().unwrap(), api.pods.clone().unwrap());
        let exporters = Exporters::of(vec![
            Box::new(recent),
            Box::new(pods),
            Box::new(Arc::clone(&heard)),
        ]);
        let past = Options {
            labels: topology.labels().names().map(ToString::to_string).collect(),
            ..Options::default()
        };
        let settings = settings(Timestamp(0));
        let pipeline = Pipeline::with_past(topology.clone(), exporters, settings, None, Some(past));
        let pipeline = Arc::new(pipeline.unwrap());
        pipeline.begin_costs(&book());
        let now = Arc::new(AtomicU64::new(NOW.0 + 20_000));
        let clock = Arc::clone(&now);
        let past: Arc<dyn Past> = pipeline.past().unwrap().clone();
        Self {
            api: Api {
                past: Some(past),
                pipeline,
                clock: Clock::new(move || Timestamp(clock.load(Ordering::Relaxed))),
                ..api
            },
            now,
            heard,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.api.clock.now()
    }

    /// Lets time pass.
    pub(super) fn pass(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap();
        self.now.fetch_add(millis, Ordering::Relaxed);
    }

    /// A report comes now.
    pub(super) fn hear(&self, report: &Report) {
        let batch = report.decoded();
        let heard = self.api.pipeline.apply(&batch, Duration::ZERO, self.now());
        heard.unwrap();
    }

    /// Waits until all that was heard can be asked for.
    pub(super) fn is_written(&self) {
        self.api.pipeline.past().unwrap().flush();
        let counted = self.counted().count() as u64;
        let pods = self.api.pods.as_ref().unwrap();
        let deadline = Instant::now() + DEADLINE;
        while pods.counts().written < counted {
            assert!(Instant::now() < deadline, "{:?}", pods.counts());
            std::thread::yield_now();
        }
    }

    /// The same server, with a plain list for its past.
    pub(super) fn asked_of_a_plain_list(&self) -> Api {
        let plain = Plain {
            books: books(),
            had: self.had(),
        };
        let past = Listed {
            plain,
            begun: self.begun(),
        };
        Api {
            past: Some(Arc::new(past)),
            ..self.api.clone()
        }
    }

    /// Tells another exporter all that was heard.
    pub(super) fn offer_all(&self, exporter: &impl Exporter) {
        for batch in &*self.heard.0.lock().unwrap() {
            exporter.offer(batch);
        }
    }

    /// The bytes of each flow that was counted, in the order in which they came.
    pub(super) fn counted(&self) -> impl Iterator<Item = u64> {
        let heard = self.heard.0.lock().unwrap().clone();
        heard.into_iter().flat_map(|batch| {
            let counted = batch
                .flows
                .iter()
                .filter(|flow| matches!(flow.outcome, Outcome::Counted(..)));
            counted.map(|flow| flow.counters.bytes).collect::<Vec<_>>()
        })
    }

    /// When the first window of which something was counted began.
    fn begun(&self) -> Option<Timestamp> {
        let heard = self.heard.0.lock().unwrap();
        let is_counted = |flow: &ResolvedFlow| matches!(flow.outcome, Outcome::Counted(..));
        let counted = heard
            .iter()
            .filter(|batch| batch.flows.iter().any(is_counted));
        counted.map(|batch| batch.window.start).min()
    }

    /// Flow by flow what went in each minute.
    fn had(&self) -> Vec<Had> {
        let mut all = Vec::new();
        for batch in &*self.heard.0.lock().unwrap() {
            let reporter = Endpoint::Node(Arc::clone(&batch.reporter.node));
            let reporter = Side::of(&reporter, &batch.reporter.site);
            let side = |end: u32| {
                let party = &batch.parties[end as usize];
                Side::of(&party.endpoint, &party.site)
            };
            for flow in &batch.flows {
                let Outcome::Counted(direction, locality) = flow.outcome else {
                    continue;
                };
                let source = match direction {
                    Direction::Transit => reporter.clone(),
                    Direction::Egress | Direction::Ingress => side(flow.source),
                };
                let service = flow.service.map(|place| &*batch.services[place as usize]);
                for (at, counters) in spread(batch.window, flow.counters) {
                    all.push(Had {
                        at,
                        source: source.clone(),
                        destination: side(flow.destination),
                        class: Class::of(direction, locality),
                        service: service.cloned(),
                        prices: Some(book().version()),
                        counters,
                    });
                }
            }
        }
        all
    }
}
