//! What those are called that the server tells of.

use kubezonnet_api::{End, EndKind, Key, LocalityName, Of, Service};

/// What a place or a group is called that has no name.
const NAMELESS: &str = "(none)";

/// The name of a locality, as it is shown.
pub const fn locality(name: LocalityName) -> &'static str {
    match name {
        LocalityName::SameNode => "same node",
        LocalityName::SameZone => "same zone",
        LocalityName::CrossZone => "cross zone",
        LocalityName::CrossRegion => "cross region",
        LocalityName::Internet => "internet",
        LocalityName::Unknown => "unknown",
    }
}

/// The title of a column of these.
pub const fn title(of: Of) -> &'static str {
    match of {
        Of::Pods => "POD",
        Of::Workloads => "WORKLOAD",
        Of::Pairs => "FROM",
        Of::Namespaces => "NAMESPACE",
        Of::Teams => "TEAM",
        Of::Services => "SERVICE",
        Of::Networks => "NETWORK",
        Of::Zones => "ZONE",
    }
}

/// Who it is; of a pair, who sends.
pub fn name(key: &Key) -> String {
    match key {
        Key::Total => "total".to_owned(),
        Key::Rest => "the rest".to_owned(),
        Key::Locality { locality: name } => locality(*name).to_owned(),
        Key::ZonePair { source, .. } => place(source).to_owned(),
        Key::Workload(end) | Key::Network(end) | Key::Pair { source: end, .. } => self::end(end),
        Key::Namespace { name } | Key::Team { name } | Key::Zone { name } => place(name).to_owned(),
        Key::Service { service: None } => NAMELESS.to_owned(),
        Key::Pod { namespace, name }
        | Key::Service {
            service: Some(Service { namespace, name }),
        } => format!("{namespace}/{name}"),
    }
}

/// Who receives, of a pair.
pub fn peer(key: &Key) -> Option<String> {
    match key {
        Key::Pair { destination, .. } => Some(end(destination)),
        Key::ZonePair { destination, .. } => Some(place(destination).to_owned()),
        _ => None,
    }
}

/// Of what kind the workloads are, of a pair both: there may be several of one name.
pub fn kinds(key: &Key) -> [Option<&str>; 2] {
    match key {
        Key::Workload(end) => [end.workload_kind.as_deref(), None],
        Key::Pair {
            source,
            destination,
            ..
        } => [source, destination].map(|end| end.workload_kind.as_deref()),
        _ => [None, None],
    }
}

/// Across which boundary, of a pair.
pub const fn boundary(key: &Key) -> Option<LocalityName> {
    match key {
        Key::Pair { locality, .. } | Key::Locality { locality } => Some(*locality),
        _ => None,
    }
}

/// From which zone to which, of a pair whose zones are told.
pub fn zones(key: &Key) -> Option<(String, String)> {
    let Key::Pair {
        source,
        destination,
        ..
    } = key
    else {
        return None;
    };
    if source.zone.is_none() && destination.zone.is_none() {
        return None;
    }
    let of = |end: &End| end.zone.clone().unwrap_or_else(|| "?".to_owned());
    Some((of(source), of(destination)))
}

/// A zone, region, namespace or team by name, where there is one.
pub const fn place(name: &str) -> &str {
    if name.is_empty() { NAMELESS } else { name }
}

/// Who is at an end.
pub fn end(end: &End) -> String {
    let name = end.name.as_deref().unwrap_or_default();
    let full = match &end.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    };
    match (end.kind, &*full) {
        (EndKind::Workload, _) => full,
        (EndKind::Node, _) => format!("node {full}"),
        (EndKind::Service, _) => format!("service {full}"),
        (EndKind::Network, _) => format!("network {full}"),
        (EndKind::Internet, _) => "internet".to_owned(),
        (EndKind::Other, _) => "(others)".to_owned(),
        (EndKind::Unknown, "") => "unknown".to_owned(),
        (EndKind::Unknown, _) => format!("unknown ({})", full.replace('_', " ")),
    }
}

/// Of the columns that a table of the server has, those that lists of these fill.
pub const fn columns(of: Of) -> &'static [&'static str] {
    match of {
        Of::Pods | Of::Services => &["type", "namespace", "name"],
        Of::Workloads | Of::Networks => &["type", "kind", "namespace", "workload_kind", "name"],
        Of::Pairs => &[
            "type",
            "locality",
            "source_kind",
            "source_namespace",
            "source_workload_kind",
            "source_name",
            "source_zone",
            "destination_kind",
            "destination_namespace",
            "destination_workload_kind",
            "destination_name",
            "destination_zone",
        ],
        Of::Namespaces | Of::Teams | Of::Zones => &["type", "name"],
    }
}

/// Who it is, in the columns of these; empty where there is nothing to say.
pub fn values(of: Of, key: &Key) -> Vec<&str> {
    let cells = Key::COLUMNS.into_iter().zip(key.cells());
    let own = cells.filter(|(name, _)| columns(of).contains(name));
    own.map(|(_, cell)| cell.unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_those_of_the_server_in_its_order() {
        for of in [
            Of::Pods,
            Of::Workloads,
            Of::Pairs,
            Of::Namespaces,
            Of::Teams,
            Of::Services,
            Of::Networks,
            Of::Zones,
        ] {
            let own = Key::COLUMNS.into_iter();
            let own = own.filter(|name| columns(of).contains(name));

            assert_eq!(own.collect::<Vec<_>>(), columns(of), "{of:?}");
        }
    }
}
