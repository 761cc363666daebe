//! The file's form, and what must hold in it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use kubezonnet_model::{Billed, Name, Network, NetworkKind, Region, Zone, ZoneId};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Networks;
use crate::Problem;
use crate::yaml::{self, label, line_of, name, problem};

/// The name that stands in metrics for series past a limit.
const FOLDED: &str = "other";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    networks: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Item {
    name: Spanned<String>,
    cidr: Option<Spanned<String>>,
    #[serde(default)]
    cidrs: Vec<Spanned<String>>,
    #[serde(default)]
    kind: NetworkKind,
    zone: Option<Spanned<String>>,
    zone_id: Option<Spanned<String>>,
    region: Option<Spanned<String>>,
    #[serde(default)]
    billed: Billed,
}

/// Reads a document and checks it.
pub(super) fn parse(text: &str) -> Result<Networks, Problem> {
    let document: Document = yaml::document(text)?;
    let mut checked = Checked::default();
    for item in &document.networks {
        checked.network(item)?;
    }
    Ok(Networks::of(checked.entries))
}

/// What has been read so far, and the line of everything that may be there only once.
#[derive(Default)]
struct Checked {
    entries: Vec<(IpNet, Arc<Network>)>,
    names: HashMap<Name, (Arc<Network>, u64)>,
    prefixes: HashMap<IpNet, (Name, u64)>,
}

impl Checked {
    fn network(&mut self, item: &Item) -> Result<(), Problem> {
        let network = self.named(item)?;
        let prefixes: Vec<_> = item.cidr.iter().chain(&item.cidrs).collect();
        if prefixes.is_empty() {
            let message = format!("network {} has neither cidr nor cidrs", network.name);
            return Err(problem(&item.name, message));
        }
        for text in prefixes {
            let prefix = prefix(text)?;
            let held = (network.name.clone(), line_of(text));
            if let Some((other, line)) = self.prefixes.insert(prefix, held) {
                let message = format!("{prefix} is listed already for {other} in line {line}");
                return Err(problem(text, message));
            }
            self.entries.push((prefix, Arc::clone(&network)));
        }
        Ok(())
    }

    /// The network of an item: the one of that name, if it is the same.
    fn named(&mut self, item: &Item) -> Result<Arc<Network>, Problem> {
        let network = Network {
            name: name("network's name", &item.name, Name::new)?,
            kind: item.kind,
            zone: label("zone", item.zone.as_ref(), Zone::new)?,
            zone_id: label("zone id", item.zone_id.as_ref(), ZoneId::new)?,
            region: label("region", item.region.as_ref(), Region::new)?,
            billed: item.billed,
        };
        if network.name.as_str() == FOLDED {
            let message = format!("{FOLDED:?} stands for several in metrics: give another name");
            return Err(problem(&item.name, message));
        }
        if let Some((known, line)) = self.names.get(&network.name) {
            if **known != network {
                let message = format!(
                    "network {} is another one in line {line}: one name has one kind, zone, \
                     region and billing",
                    network.name
                );
                return Err(problem(&item.name, message));
            }
            return Ok(Arc::clone(known));
        }
        let network = Arc::new(network);
        let held = (Arc::clone(&network), line_of(&item.name));
        self.names.insert(network.name.clone(), held);
        Ok(network)
    }
}

/// A prefix without bits beyond its length; an address is a prefix of its own.
fn prefix(text: &Spanned<String>) -> Result<IpNet, Problem> {
    let value = text.value.as_str();
    let prefix = read(value).ok_or_else(|| {
        let message = format!("{value:?} is no network: write it like 10.9.0.0/24 or fd00:9::/64");
        problem(text, message)
    })?;
    if prefix != prefix.trunc() {
        let message = format!(
            "{prefix} has bits beyond its length: write {} or, for the one address, {}",
            prefix.trunc(),
            prefix.addr()
        );
        return Err(problem(text, message));
    }
    let prefix = unmapped(prefix);
    if let Some((what, _)) = nobodys().into_iter().find(|(_, all)| all.contains(&prefix)) {
        let message = format!("{prefix} is {what}: it is no network that others are in");
        return Err(problem(text, message));
    }
    Ok(prefix)
}

/// Numbers have no leading zeros, which some take for octal ones, in prefixes as in addresses.
fn read(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return text.parse().map(IpAddr::into).ok();
    };
    let is_plain = address.parse::<IpAddr>().is_ok() && (length == "0" || !length.starts_with('0'));
    is_plain.then(|| text.parse().ok()).flatten()
}

/// What cannot be named: each of these means something on one link or machine only, or many at once.
fn nobodys() -> [(&'static str, IpNet); 9] {
    let v4 = |a, b, length| {
        let address = [a, b, 0, 0].into();
        IpNet::V4(Ipv4Net::new_assert(address, length))
    };
    let v6 = |first: u16, last: u16, length| {
        let address = [first, 0, 0, 0, 0, 0, 0, last].into();
        IpNet::V6(Ipv6Net::new_assert(address, length))
    };
    [
        ("unspecified", v4(0, 0, 8)),
        ("loopback", v4(127, 0, 8)),
        ("link-local", v4(169, 254, 16)),
        ("multicast", v4(224, 0, 4)),
        ("broadcast", IpNet::from(IpAddr::from([255, 255, 255, 255]))),
        ("unspecified", v6(0, 0, 128)),
        ("loopback", v6(0, 1, 128)),
        ("link-local", v6(0xfe80, 0, 10)),
        ("multicast", v6(0xff00, 0, 8)),
    ]
}

/// A prefix of IPv4 addresses written as IPv6 is the prefix of the IPv4 addresses.
fn unmapped(prefix: IpNet) -> IpNet {
    match (prefix.addr().to_canonical(), prefix.prefix_len()) {
        (IpAddr::V4(v4), length @ 96..) if prefix.addr().is_ipv6() => {
            IpNet::V4(Ipv4Net::new_assert(v4, length - 96))
        }
        _ => prefix,
    }
}

#[cfg(test)]
mod tests;
