//! Whose the flows of the node's own network are.
//!
//! ```text
//! SeenFlow: a control group ─▶ Cgroups ─────────────┐
//!   without a socket ─▶ Table: who listens there ──┴─▶ FlowRecord with its SocketOwner
//! ```
//!
//! The kernel tells the control group of a socket, and [`Cgroups`] whose that is. What came without
//! one (the first SYN to a listener, datagrams to an unconnected socket) is looked up in its table of
//! sockets, once a window and only if there is such. Where the table has nobody, it is of who sent
//! from the port shortly before, if that was learnt.

mod owners;
mod table;

use std::collections::BTreeSet;

use kubezonnet_capture::{SeenFlow, Socket};
use kubezonnet_model::{FlowRecord, Hook, PortSide, SocketOwner};
use tracing::warn;

use crate::cgroups::{Cgroups, View};
use crate::links::netlink::NetlinkError;
use crate::metrics::Metrics;

pub use self::owners::Owners;
pub use self::table::Table;

/// Tells whose flows are.
#[derive(Debug, Clone)]
pub struct Sockets {
    cgroups: Cgroups,
    /// Asks the kernel for its sockets; a stand-in in tests.
    read: fn() -> (Table, Option<NetlinkError>),
    /// What was told of the window that comes next, if an agent before this one has told it.
    kept: Option<Owners>,
    /// Groups of the window before that are known nowhere: reading all directories again would not
    /// find them either, and new ones are told.
    missed: BTreeSet<u32>,
    /// Reading failed, and that was said.
    is_failing: bool,
    /// What was said of the view.
    said: Option<View>,
}

impl Sockets {
    /// By these control groups, and the sockets of the calling thread's network namespace.
    pub fn new(cgroups: Cgroups) -> Self {
        Self {
            cgroups,
            read: Table::read,
            kept: None,
            missed: BTreeSet::new(),
            is_failing: false,
            said: None,
        }
    }

    /// Tells of the next window what was told of it before.
    pub fn resume(&mut self, kept: Owners) {
        self.kept = Some(kept);
    }

    /// Gives each flow of a window its owner, and returns what is to be kept of that. Flows of one owner
    /// may come several times then, and are to be added up.
    pub fn tell(&mut self, seen: Vec<SeenFlow>, metrics: &Metrics) -> (Vec<FlowRecord>, Owners) {
        let mut window = Window {
            cgroups: &self.cgroups,
            is_rescanned: false,
            missed_before: std::mem::take(&mut self.missed),
            missed: BTreeSet::new(),
            is_told: self.kept.is_some(),
            told: self.kept.take().unwrap_or_default(),
        };
        let has_none = |flow: &SeenFlow| matches!(flow.socket, Socket::Unseen | Socket::Learnt(_));
        let table = if !window.is_told && seen.iter().any(has_none) {
            let (table, refused) = (self.read)();
            self.is_failing = note(refused, self.is_failing, metrics);
            table
        } else {
            Table::default()
        };
        let records: Vec<FlowRecord> = seen
            .into_iter()
            .map(|flow| {
                let mut key = flow.key;
                key.socket = match flow.socket {
                    Socket::None => None,
                    Socket::Kernel => Some(SocketOwner::Kernel),
                    Socket::Unreadable => Some(SocketOwner::Unreadable),
                    Socket::Cgroup(number) => Some(window.owner(number)),
                    Socket::Learnt(number) => Some(window.learnt(&flow, number, &table)),
                    Socket::Unseen => Some(window.holder(&flow, &table)),
                };
                FlowRecord {
                    key,
                    counters: flow.counters,
                }
            })
            .collect();
        self.missed = window.missed;
        let told = window.told;
        metrics.sockets(&records);
        self.say(metrics);
        (records, told)
    }

    /// Shows how many control groups are known.
    pub fn show(&self, metrics: &Metrics) {
        metrics.known_cgroups(self.cgroups.count());
    }

    /// Says what of the control groups is to be seen, when that changes.
    pub fn say(&mut self, metrics: &Metrics) {
        let view = self.cgroups.view();
        metrics.cgroups(view);
        if self.said.replace(view) == Some(view) {
            return;
        }
        let root = self.cgroups.root();
        let root = root.as_deref().map(std::path::Path::display);
        match view.problem() {
            None => tracing::info!(
                view = view.as_str(),
                root = root.map(tracing::field::display),
                "pods on the node's network are told apart by their control groups"
            ),
            Some(problem) => warn!(
                view = view.as_str(),
                problem, "pods on the node's network are not told apart: they count as the node"
            ),
        }
    }
}

/// One window's look at control groups.
struct Window<'a> {
    cgroups: &'a Cgroups,
    is_rescanned: bool,
    missed_before: BTreeSet<u32>,
    missed: BTreeSet<u32>,
    /// An agent before this one has told it, and may have sent it: nothing is looked up.
    is_told: bool,
    /// What was told of it. What is not in here is in nobody's group, or on nobody's port: of so many
    /// that they cannot be kept none is told, so that the window never changes.
    told: Owners,
}

impl Window<'_> {
    /// Whose the sockets of a control group are.
    fn owner(&mut self, number: u32) -> SocketOwner {
        if let Some(owner) = self.told.groups.get(&number) {
            return *owner;
        }
        if !self.asks() {
            return SocketOwner::Unreadable;
        }
        let owner = self.look_up(number);
        self.told.groups.insert(number, owner);
        owner
    }

    /// Who has the local port of a flow that came without a socket.
    fn holder(&mut self, flow: &SeenFlow, table: &Table) -> SocketOwner {
        let Some(port) = local_port(flow) else {
            return SocketOwner::Unseen;
        };
        if let Some(owner) = self.told.ports.get(&port) {
            return *owner;
        }
        if !self.asks() {
            return SocketOwner::Unseen;
        }
        let (protocol, address, number) = port;
        let Some(group) = table.holder(protocol, address, number) else {
            return SocketOwner::Unseen;
        };
        // What was learnt right need not be kept: there can be very many such ports.
        if flow.socket == Socket::Learnt(group) {
            return self.owner(group);
        }
        let owner = self.owner(group);
        if !self.asks() {
            return SocketOwner::Unseen;
        }
        self.told.ports.insert(port, owner);
        owner
    }

    /// Whether more is to be told than is told already.
    fn asks(&self) -> bool {
        !self.is_told && self.told.has_room()
    }

    /// Who sent from that port shortly before, unless the kernel says that another has it now.
    fn learnt(&mut self, flow: &SeenFlow, number: u32, table: &Table) -> SocketOwner {
        match self.holder(flow, table) {
            SocketOwner::Unseen => self.owner(number),
            owner => owner,
        }
    }

    fn look_up(&mut self, number: u32) -> SocketOwner {
        let mut owner = self.cgroups.owner(number);
        if owner.is_none() && !self.is_rescanned && !self.missed_before.contains(&number) {
            self.is_rescanned = true;
            self.cgroups.rescan();
            owner = self.cgroups.owner(number);
        }
        if owner.is_none() {
            self.missed.insert(number);
        }
        owner.unwrap_or(SocketOwner::Unreadable)
    }
}

/// Notes that sockets could not be read; says whether it was so.
fn note(refused: Option<NetlinkError>, is_failing: bool, metrics: &Metrics) -> bool {
    let Some(error) = refused else {
        return false;
    };
    metrics.sockets_unread();
    if !is_failing {
        warn!(
            error = &error as &dyn std::error::Error,
            "not all of the kernel's sockets can be read: first packets to those count as unseen"
        );
    }
    true
}

/// The node's end of a flow, where its port is known.
fn local_port(flow: &SeenFlow) -> Option<owners::Port> {
    let transport = flow.key.transport?;
    let (address, local) = match flow.key.point.hook {
        Hook::Postrouting => (flow.key.source, PortSide::Source),
        Hook::LocalIn => (flow.key.destination, PortSide::Destination),
    };
    let service = transport.service?;
    let port = if service.side == local {
        service.number
    } else {
        transport.client_port?
    };
    Some((transport.protocol, address, port))
}

#[cfg(test)]
mod tests;
