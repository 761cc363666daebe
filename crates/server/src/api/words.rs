//! The server's words in those of the API.

use kubezonnet_api::{End, EndKind, LocalityName, Service};
use kubezonnet_model::Locality;

use crate::ledger::Who;

/// A locality, whyever it is unknown.
pub(super) fn locality(locality: Locality) -> LocalityName {
    match locality {
        Locality::SameNode => LocalityName::SameNode,
        Locality::SameZone => LocalityName::SameZone,
        Locality::CrossZone => LocalityName::CrossZone,
        Locality::CrossRegion => LocalityName::CrossRegion,
        Locality::Internet => LocalityName::Internet,
        Locality::Unknown(_) => LocalityName::Unknown,
    }
}

/// Who is at an end.
pub(super) fn end(who: &Who) -> End {
    let named = |kind, name: &str| End {
        kind,
        namespace: None,
        workload_kind: None,
        name: (!name.is_empty()).then(|| name.to_owned()),
        zone: None,
        region: None,
    };
    match who {
        Who::Workload(namespace, kind, name) => End {
            namespace: Some(namespace.to_string()),
            workload_kind: Some(kind.to_string()),
            ..named(EndKind::Workload, name.as_str())
        },
        Who::Node(name) => named(EndKind::Node, name.as_str()),
        Who::Network { name, .. } => named(EndKind::Network, name.as_str()),
        Who::Service(service) => End {
            namespace: Some(service.namespace.to_string()),
            ..named(EndKind::Service, service.name.as_str())
        },
        Who::Internet => named(EndKind::Internet, ""),
        Who::Unknown(reason) => named(EndKind::Unknown, reason.as_str()),
        Who::Other | Who::Gone => named(EndKind::Other, who.labels()[2]),
    }
}

/// Who is at an end, and in which zone; empty where that is not known.
pub(super) fn end_in(who: &Who, zone: &str) -> End {
    End {
        zone: (!zone.is_empty()).then(|| zone.to_owned()),
        ..end(who)
    }
}

/// A Service.
pub(super) fn service(service: &kubezonnet_model::Service) -> Service {
    Service {
        namespace: service.namespace.to_string(),
        name: service.name.to_string(),
    }
}
