//! Groups of families that can be left out of the page.

use clap::ValueEnum;

use super::{Family, cost, hosts, networks, pods, regions, workloads, zones};

/// Families that are left out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// By pod and node.
    Pods,
    /// By pair of workloads.
    Workloads,
    /// By pair of zones.
    Zones,
    /// By pair of regions.
    Regions,
    /// By named network.
    Networks,
    /// By who has the sockets on nodes' own networks.
    Hosts,
    /// In money.
    Costs,
}

impl Group {
    /// Its families.
    pub const fn families(self) -> &'static [Family] {
        match self {
            Self::Pods => pods::FAMILIES,
            Self::Workloads => workloads::FAMILIES,
            Self::Zones => zones::FAMILIES,
            Self::Regions => regions::FAMILIES,
            Self::Networks => networks::FAMILIES,
            Self::Hosts => hosts::FAMILIES,
            Self::Costs => cost::FAMILIES,
        }
    }

    /// Whether a family is one of its.
    pub(super) fn has(self, family: &Family) -> bool {
        self.families().iter().any(|each| each.name == family.name)
    }
}
