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

/// The name of a locality, as it is in JSON.
pub const fn locality_value(name: LocalityName) -> &'static str {
    match name {
        LocalityName::SameNode => "same_node",
        LocalityName::SameZone => "same_zone",
        LocalityName::CrossZone => "cross_zone",
        LocalityName::CrossRegion => "cross_region",
        LocalityName::Internet => "internet",
        LocalityName::Unknown => "unknown",
    }
}

/// The kind of an end, as it is in JSON.
pub const fn end_kind(kind: EndKind) -> &'static str {
    match kind {
        EndKind::Workload => "workload",
        EndKind::Node => "node",
        EndKind::Network => "network",
        EndKind::Service => "service",
        EndKind::Internet => "internet",
        EndKind::Unknown => "unknown",
        EndKind::Other => "other",
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

/// Names of the columns that [`values`] has, exact and for programs.
pub fn columns(of: Of) -> &'static [&'static str] {
    match of {
        Of::Pods => &["namespace", "pod"],
        Of::Workloads | Of::Networks => &["kind", "namespace", "workload_kind", "name"],
        Of::Pairs => &[
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
            "locality",
        ],
        Of::Namespaces => &["namespace"],
        Of::Teams => &["team"],
        Of::Services => &["namespace", "service"],
        Of::Zones => &["zone"],
    }
}

/// Who it is, field by field.
pub fn values(key: &Key) -> Vec<&str> {
    fn party(end: &End) -> [&str; 4] {
        [
            end_kind(end.kind),
            end.namespace.as_deref().unwrap_or_default(),
            end.workload_kind.as_deref().unwrap_or_default(),
            end.name.as_deref().unwrap_or_default(),
        ]
    }
    match key {
        Key::Total => vec!["total"],
        Key::Rest => vec!["rest"],
        Key::Locality { locality } => vec![locality_value(*locality)],
        Key::ZonePair {
            source,
            destination,
        } => vec![source, destination],
        Key::Pod { namespace, name } => vec![namespace, name],
        Key::Workload(end) | Key::Network(end) => party(end).to_vec(),
        Key::Pair {
            source,
            destination,
            locality,
        } => {
            let mut values = party(source).to_vec();
            values.push(source.zone.as_deref().unwrap_or_default());
            values.extend(party(destination));
            values.push(destination.zone.as_deref().unwrap_or_default());
            values.push(locality_value(*locality));
            values
        }
        Key::Namespace { name } | Key::Team { name } | Key::Zone { name } => vec![name],
        Key::Service { service } => match service {
            Some(service) => vec![&service.namespace, &service.name],
            None => vec!["", ""],
        },
    }
}
