//! The columns of tables, for whoever writes one: the server, and kubectl-zonnet. What is the same has the
//! same name in both.

use crate::{End, EndKind, Key, LocalityName, Measure, Measures, Of};

impl Key {
    /// The columns of whom an item or a line is of.
    pub const COLUMNS: [&'static str; 16] = [
        "type",
        "kind",
        "namespace",
        "workload_kind",
        "name",
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
    ];

    /// What is in these columns; `None` where it has nothing to say.
    pub fn cells(&self) -> [Option<&str>; Self::COLUMNS.len()] {
        let mut cells = [None; Self::COLUMNS.len()];
        cells[0] = Some(self.type_name());
        match self {
            Self::Total | Self::Rest => {}
            Self::Locality { locality } => cells[LOCALITY] = Some(locality.as_str()),
            Self::ZonePair {
                source,
                destination,
            } => {
                cells[SOURCE + NAME] = Some(source);
                cells[DESTINATION + NAME] = Some(destination);
            }
            Self::Pod { namespace, name } => {
                cells[ONE + NAMESPACE] = Some(namespace);
                cells[ONE + NAME] = Some(name);
            }
            Self::Workload(end) | Self::Network(end) => end.put(&mut cells[ONE..LOCALITY]),
            Self::Pair {
                source,
                destination,
                locality,
            } => {
                cells[LOCALITY] = Some(locality.as_str());
                source.put(&mut cells[SOURCE..]);
                cells[SOURCE + ZONE] = source.zone.as_deref();
                destination.put(&mut cells[DESTINATION..]);
                cells[DESTINATION + ZONE] = destination.zone.as_deref();
            }
            Self::Namespace { name } | Self::Team { name } | Self::Zone { name } => {
                cells[ONE + NAME] = Some(name);
            }
            Self::Service { service } => {
                if let Some(service) = service {
                    cells[ONE + NAMESPACE] = Some(&service.namespace);
                    cells[ONE + NAME] = Some(&service.name);
                }
            }
        }
        cells
    }

    /// As JSON has it.
    const fn type_name(&self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Rest => "rest",
            Self::Locality { .. } => "locality",
            Self::ZonePair { .. } => "zone_pair",
            Self::Pod { .. } => "pod",
            Self::Workload(_) => "workload",
            Self::Pair { .. } => "pair",
            Self::Namespace { .. } => "namespace",
            Self::Team { .. } => "team",
            Self::Service { .. } => "service",
            Self::Network(_) => "network",
            Self::Zone { .. } => "zone",
        }
    }
}

/// Where the columns of an end begin, and that of the boundary.
const ONE: usize = 1;
const LOCALITY: usize = 5;
const SOURCE: usize = 6;
const DESTINATION: usize = 11;

/// How far from there its namespace, name and zone are.
const NAMESPACE: usize = 1;
const NAME: usize = 3;
const ZONE: usize = 4;

impl End {
    /// Who it is, without its place.
    fn put<'a>(&'a self, cells: &mut [Option<&'a str>]) {
        let who = [
            Some(self.kind.as_str()),
            self.namespace.as_deref(),
            self.workload_kind.as_deref(),
            self.name.as_deref(),
        ];
        cells[..who.len()].copy_from_slice(&who);
    }
}

impl Measure {
    /// The columns of how much went between two, and what it costs.
    pub const COLUMNS: [&'static str; 4] = ["bytes", "packets", "cost", "currency"];
}

impl Measures {
    /// The columns of how much somebody sent and received, and what they pay.
    pub const COLUMNS: [&'static str; 7] = [
        "sent_bytes",
        "sent_packets",
        "received_bytes",
        "received_packets",
        "crossing_bytes",
        "cost",
        "currency",
    ];
}

impl Of {
    /// Whether a list of these has what each sent and received; else what went between two, once.
    pub const fn is_of_parties(self) -> bool {
        match self {
            Self::Pairs | Self::Services => false,
            Self::Pods
            | Self::Workloads
            | Self::Namespaces
            | Self::Teams
            | Self::Networks
            | Self::Zones => true,
        }
    }
}

impl LocalityName {
    /// As JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameNode => "same_node",
            Self::SameZone => "same_zone",
            Self::CrossZone => "cross_zone",
            Self::CrossRegion => "cross_region",
            Self::Internet => "internet",
            Self::Unknown => "unknown",
        }
    }
}

impl EndKind {
    /// As JSON has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Workload => "workload",
            Self::Node => "node",
            Self::Network => "network",
            Self::Service => "service",
            Self::Internet => "internet",
            Self::Unknown => "unknown",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Service;

    fn end(name: &str) -> End {
        End {
            kind: EndKind::Workload,
            namespace: Some("shop".to_owned()),
            workload_kind: Some("Deployment".to_owned()),
            name: Some(name.to_owned()),
            zone: Some("a".to_owned()),
            region: None,
        }
    }

    /// What is filled, as `column=value`.
    fn filled(key: &Key) -> String {
        let cells = Key::COLUMNS.into_iter().zip(key.cells());
        let filled = cells.filter_map(|(name, cell)| Some(format!("{name}={}", cell?)));
        filled.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_key_has_its_own_columns_and_leaves_the_others_empty() {
        let name = || "web".to_owned();
        let namespace = || "shop".to_owned();
        let cases = [
            (Key::Total, "type=total"),
            (
                Key::Pod {
                    namespace: namespace(),
                    name: name(),
                },
                "type=pod namespace=shop name=web",
            ),
            (
                Key::Namespace { name: namespace() },
                "type=namespace name=shop",
            ),
            (Key::Team { name: name() }, "type=team name=web"),
            (Key::Zone { name: name() }, "type=zone name=web"),
            (
                Key::Service {
                    service: Some(Service {
                        namespace: namespace(),
                        name: name(),
                    }),
                },
                "type=service namespace=shop name=web",
            ),
            (Key::Service { service: None }, "type=service"),
            (
                Key::Workload(end("web")),
                "type=workload kind=workload namespace=shop workload_kind=Deployment name=web",
            ),
            (
                Key::ZonePair {
                    source: "a".to_owned(),
                    destination: "b".to_owned(),
                },
                "type=zone_pair source_name=a destination_name=b",
            ),
            (
                Key::Pair {
                    source: end("web"),
                    destination: end("db"),
                    locality: LocalityName::CrossZone,
                },
                "type=pair locality=cross_zone \
                 source_kind=workload source_namespace=shop source_workload_kind=Deployment \
                 source_name=web source_zone=a \
                 destination_kind=workload destination_namespace=shop \
                 destination_workload_kind=Deployment destination_name=db destination_zone=a",
            ),
        ];
        for (key, expected) in cases {
            assert_eq!(filled(&key), expected);
            let json = serde_json::to_value(&key).unwrap();
            assert_eq!(json["type"], key.cells()[0].unwrap(), "as in JSON");
        }
    }

    #[test]
    fn words_are_those_of_json() {
        use EndKind as Kind;
        use LocalityName as Name;

        let json = |value: Result<Value, _>| value.unwrap();
        for name in [
            Name::SameNode,
            Name::SameZone,
            Name::CrossZone,
            Name::CrossRegion,
            Name::Internet,
            Name::Unknown,
        ] {
            assert_eq!(json(serde_json::to_value(name)), name.as_str());
        }
        for kind in [
            Kind::Workload,
            Kind::Node,
            Kind::Network,
            Kind::Service,
            Kind::Internet,
            Kind::Unknown,
            Kind::Other,
        ] {
            assert_eq!(json(serde_json::to_value(kind)), kind.as_str());
        }
    }
}
