//! Networks that are not the cluster's, by the names that the operator gives them in a YAML file.
//!
//! [`Networks`] answers which of them an address is in: the one with the longest prefix.
//! [`NetworksWatch`] gives a file to a [`Topology`](crate::Topology) and follows its changes; readers
//! take the whole of what is in force, and never wait for a reload. docs/named-networks.md describes
//! the file.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use kubezonnet_model::{Located, Name, Network, Site};

use self::table::Table;
use crate::yaml::Form;
use crate::{FileError, Problem};

mod document;
mod overlap;
mod table;
mod watch;

pub use overlap::{Overlap, overlaps};
pub use watch::NetworksWatch;

const FORM: Form<Networks> = Form {
    what: "networks file",
    parse: document::parse,
};

/// The named networks that are in force.
#[derive(Debug, Default)]
pub struct Networks {
    table: Table<Entry>,
    /// How many there were before these.
    version: u64,
}

/// What is said of a prefix.
#[derive(Debug, Clone)]
struct Entry {
    network: Arc<Network>,
    site: Site,
    prefix: IpNet,
}

impl Networks {
    fn of(entries: impl IntoIterator<Item = (IpNet, Arc<Network>)>) -> Self {
        let entry = |(prefix, network): (IpNet, Arc<Network>)| {
            let entry = Entry {
                site: site_of(&network),
                network,
                prefix,
            };
            (prefix, entry)
        };
        Self {
            table: Table::of(entries.into_iter().map(entry)),
            version: 0,
        }
    }

    /// The network that the address is in, and where that is.
    pub fn find(&self, address: IpAddr) -> Option<(&Arc<Network>, &Site)> {
        let entry = self.table.find(address)?;
        Some((&entry.network, &entry.site))
    }

    /// Whether the file lists that very address, and not only others around it.
    pub fn lists(&self, address: IpAddr) -> bool {
        let entry = self.table.find(address);
        entry.is_some_and(|entry| entry.prefix.prefix_len() == entry.prefix.max_prefix_len())
    }

    /// The longest prefix that the address is in, and its network.
    pub fn prefix_of(&self, address: IpAddr) -> Option<(IpNet, &Arc<Network>)> {
        let entry = self.table.find(address)?;
        Some((entry.prefix, &entry.network))
    }

    /// Whether one of them has that name.
    pub fn has(&self, name: &Name) -> bool {
        self.all().any(|network| network.name == *name)
    }

    /// What the prefixes are of, one after the other: a network with several comes several times.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Network>> {
        self.table.values().map(|entry| &entry.network)
    }

    /// How many prefixes they have.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A number that rises with every reload.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The same, in force after others.
    pub(crate) fn after(self, others: &Self) -> Self {
        Self {
            version: others.version + 1,
            ..self
        }
    }
}

fn site_of(network: &Network) -> Site {
    Site::from(Located {
        node: None,
        zone: network.zone.clone(),
        zone_id: network.zone_id.clone(),
        region: network.region.clone(),
    })
}

/// Reads and checks a file.
///
/// # Errors
///
/// [`FileError`] if the file cannot be read, is no regular file, has more than 64 MiB, is no YAML of
/// this form, or contradicts itself: a prefix twice, a name for two different things, a prefix that
/// is none, one of addresses that mean something on one link or machine only.
pub fn load(path: &Path) -> Result<Networks, FileError> {
    FORM.load(path)
}

impl FromStr for Networks {
    type Err = Problem;

    /// Reads and checks the text of a file.
    fn from_str(text: &str) -> Result<Self, Problem> {
        document::parse(text)
    }
}
