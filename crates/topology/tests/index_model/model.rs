//! The model: a table of who had each address in each tick. Too slow to be wrong.

use std::collections::{BTreeMap, BTreeSet};

/// A pod or a node, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Pod(u8),
    Node(u8),
}

/// What is told of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) addresses: BTreeSet<u8>,
    pub(crate) completed: bool,
    pub(crate) leaving: bool,
    /// So many ticks before it is told of.
    pub(crate) created_before: Option<u8>,
}

/// What happens in a tick.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Pod(u8, Told),
    PodGone(u8),
    Pods(BTreeMap<u8, Told>),
    Node(u8, BTreeSet<u8>),
    NodeGone(u8),
    Nodes(BTreeMap<u8, BTreeSet<u8>>),
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Held(Who),
    Reused,
    Nobody,
}

/// The model: what is so now, and a row for each tick that has been.
#[derive(Default)]
pub(crate) struct Model {
    /// Pods that run: what they name, when they were created, whether they leave.
    pub(crate) running: BTreeMap<u8, (BTreeSet<u8>, Option<u64>, bool)>,
    completed: BTreeSet<u8>,
    pub(crate) nodes: BTreeMap<u8, BTreeSet<u8>>,
    gone: BTreeSet<Who>,
    /// Who has what, and since when it can have had it.
    pub(crate) held: BTreeMap<u8, (Who, u64)>,
    ever_held: BTreeSet<u8>,
    /// For each tick that has been, who had what in it.
    rows: Vec<BTreeMap<u8, (Who, u64)>>,
    /// Pods that were over when their address was told: they had it for this moment.
    moments: Vec<(u64, u8, Who, u64)>,
}

impl Model {
    pub(crate) fn now(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(crate) fn happen(&mut self, event: &Event) {
        match event {
            Event::Pod(pod, told) => self.pod(*pod, told),
            Event::PodGone(pod) => self.pod_gone(*pod),
            Event::Pods(pods) => self.pods(pods),
            Event::Node(node, addresses) => self.node(*node, addresses),
            Event::NodeGone(node) => self.node_gone(*node),
            Event::Nodes(nodes) => self.nodes(nodes),
            Event::Nothing => {}
        }
        self.rows.push(self.held.clone());
    }

    fn created(&self, told: &Told) -> Option<u64> {
        let before = told.created_before?;
        Some(self.now().saturating_sub(before.into()))
    }

    fn pod(&mut self, pod: u8, told: &Told) {
        if self.gone.contains(&Who::Pod(pod)) || self.completed.contains(&pod) {
            return;
        }
        let created = self.created(told);
        if told.completed {
            let had = self.running.get(&pod).map(|known| known.0.clone());
            self.complete(pod);
            for address in &told.addresses - &had.unwrap_or_default() {
                if !self.held.contains_key(&address) {
                    let since = self.since(address, created);
                    let moment = (self.now(), address, Who::Pod(pod), since);
                    self.moments.push(moment);
                    self.ever_held.insert(address);
                }
            }
            return;
        }
        for address in self.run(pod, told) {
            let rival = self.held.get(&address).map(|(who, _)| *who);
            if !told.leaving || rival.is_none_or(|rival| self.leaves(rival)) {
                self.take(address, Who::Pod(pod), created);
            }
        }
    }

    fn pods(&mut self, pods: &BTreeMap<u8, Told>) {
        let known = self.running.keys().chain(&self.completed);
        let known: Vec<_> = known.copied().collect();
        let mut claims: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for (pod, told) in pods {
            self.gone.remove(&Who::Pod(*pod));
            self.completed.remove(pod);
            if told.completed {
                self.complete(*pod);
            } else {
                for address in self.run(*pod, told) {
                    claims.entry(address).or_default().push(*pod);
                }
            }
        }
        for pod in known.iter().filter(|pod| !pods.contains_key(pod)) {
            self.pod_gone(*pod);
        }
        for (address, pods) in claims {
            let rank = |pod: &u8| {
                let (_, created, leaving) = &self.running[pod];
                (!*leaving, *created, *pod)
            };
            let rival = self.held.get(&address).map(|(who, _)| *who);
            let may =
                |pod: &&u8| !self.running[*pod].2 || rival.is_none_or(|rival| self.leaves(rival));
            if let Some(best) = pods.iter().filter(may).max_by_key(|pod| rank(pod)) {
                let created = self.running[best].1;
                self.take(address, Who::Pod(*best), created);
            }
        }
    }

    /// The pod runs; returns what it names and did not before.
    fn run(&mut self, pod: u8, told: &Told) -> BTreeSet<u8> {
        let state = (told.addresses.clone(), self.created(told), told.leaving);
        let had = self.running.insert(pod, state).map(|known| known.0);
        let had = had.unwrap_or_default();
        self.held
            .retain(|address, (who, _)| *who != Who::Pod(pod) || told.addresses.contains(address));
        &told.addresses - &had
    }

    fn complete(&mut self, pod: u8) {
        self.running.remove(&pod);
        self.completed.insert(pod);
        self.held.retain(|_, (who, _)| *who != Who::Pod(pod));
    }

    fn pod_gone(&mut self, pod: u8) {
        self.complete(pod);
        self.completed.remove(&pod);
        self.gone.insert(Who::Pod(pod));
    }

    fn node(&mut self, node: u8, addresses: &BTreeSet<u8>) {
        if !self.gone.contains(&Who::Node(node)) {
            for address in self.name(node, addresses) {
                self.take(address, Who::Node(node), None);
            }
        }
    }

    fn nodes(&mut self, nodes: &BTreeMap<u8, BTreeSet<u8>>) {
        let mut claims = BTreeMap::new();
        for (node, addresses) in nodes {
            self.gone.remove(&Who::Node(*node));
            for address in self.name(*node, addresses) {
                claims.insert(address, *node);
            }
        }
        let known: Vec<_> = self.nodes.keys().copied().collect();
        for node in known.iter().filter(|node| !nodes.contains_key(node)) {
            self.node_gone(*node);
        }
        for (address, node) in claims {
            self.take(address, Who::Node(node), None);
        }
    }

    /// The node names these; returns those it did not before.
    fn name(&mut self, node: u8, addresses: &BTreeSet<u8>) -> BTreeSet<u8> {
        let had = self.nodes.insert(node, addresses.clone());
        let had = had.unwrap_or_default();
        let who = Who::Node(node);
        self.held
            .retain(|address, (holder, _)| *holder != who || addresses.contains(address));
        addresses - &had
    }

    fn node_gone(&mut self, node: u8) {
        self.gone.insert(Who::Node(node));
        self.nodes.remove(&node);
        self.held.retain(|_, (who, _)| *who != Who::Node(node));
    }

    fn leaves(&self, who: Who) -> bool {
        match who {
            Who::Pod(pod) => self.running.get(&pod).is_some_and(|known| known.2),
            Who::Node(_) => false,
        }
    }

    fn take(&mut self, address: u8, who: Who, created: Option<u64>) {
        let since = self.since(address, created);
        self.held.insert(address, (who, since));
        self.ever_held.insert(address);
    }

    fn since(&self, address: u8, created: Option<u64>) -> u64 {
        let is_first = !self.ever_held.contains(&address);
        created.unwrap_or(if is_first { 0 } else { self.now() })
    }

    /// Who had the address in a tick.
    fn row(&self, tick: u64, address: u8) -> Option<(Who, u64)> {
        let row = self.rows.get(usize::try_from(tick).unwrap());
        // What was so in the last tick, is so.
        let row = row.or(self.rows.last())?;
        row.get(&address).copied()
    }

    pub(crate) fn answer(&self, address: u8, start: u64, end: u64) -> Answer {
        let end = end.max(start + 1);
        let mut holders: BTreeSet<Who> = (start..end)
            .filter_map(|tick| Some(self.row(tick, address)?.0))
            .collect();
        let moments = || self.moments.iter().filter(|moment| moment.1 == address);
        holders.extend(
            moments()
                .filter(|it| start < it.0 && it.0 < end)
                .map(|it| it.2),
        );
        if holders.len() > 1 {
            return Answer::Reused;
        }
        if let Some(holder) = holders.first() {
            return Answer::Held(*holder);
        }
        for tick in end..=self.now() {
            let moment = moments().find(|moment| moment.0 == tick);
            let next = moment.map(|it| (it.2, it.3)).or(self.row(tick, address));
            if let Some((who, since)) = next {
                return if since < end {
                    Answer::Held(who)
                } else {
                    Answer::Nobody
                };
            }
        }
        Answer::Nobody
    }
}
