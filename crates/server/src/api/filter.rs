//! Of whom it is asked.

use kubezonnet_api::{Asked, LocalityName};
use kubezonnet_model::{Locality, Name, Namespace, Service, UnknownReason};
use kubezonnet_topology::{KeptLabel, KeptLabels};

use super::refusal::Refusal;
use crate::history::{Ends, Filter};

/// So many values all filters have together: each row of the past is compared with each.
pub(super) const MOST_VALUES: usize = 1_000;

/// Of whom it is asked.
///
/// # Errors
///
/// [`Refusal`] that says what is wrong.
pub(super) fn of(asked: &Asked, labels: &KeptLabels) -> Result<Filter, Refusal> {
    let lists = [
        ("namespace", asked.namespace.len()),
        ("workload", asked.workload.len()),
        ("team", asked.team.len()),
        ("zone", asked.zone.len()),
        ("region", asked.region.len()),
        ("network", asked.network.len()),
        ("service", asked.service.len()),
        ("locality", asked.locality.len()),
        ("source_zone", asked.source_zone.len()),
        ("destination_zone", asked.destination_zone.len()),
    ];
    if lists.iter().map(|(_, values)| values).sum::<usize>() > MOST_VALUES {
        let longest = lists.iter().max_by_key(|(_, values)| *values);
        let name = longest.map_or("namespace", |(name, _)| *name);
        let message = format!("all filters together have at most {MOST_VALUES} values");
        return Err(Refusal::of(name, message));
    }
    let mut teams = Vec::new();
    if !asked.team.is_empty() {
        let place = team(labels, "team")?;
        teams.extend(asked.team.iter().map(|team| (place, team.clone())));
    }
    let workloads = asked.workload.iter().map(|text| workload(text));
    let services = asked.service.iter().map(|text| service(text));
    let zones = |zones: &[String]| Ends {
        zones: zones.to_vec(),
        ..Ends::default()
    };
    Ok(Filter {
        ends: Ends {
            namespaces: asked.namespace.clone(),
            workloads: workloads.collect::<Result<_, _>>()?,
            labels: teams,
            zones: asked.zone.clone(),
            regions: asked.region.clone(),
            networks: asked.network.clone(),
        },
        source: zones(&asked.source_zone),
        destination: zones(&asked.destination_zone),
        localities: asked.locality.iter().map(|name| locality(*name)).collect(),
        services: services.collect::<Result<_, _>>()?,
    })
}

/// The place of the label `team` among those that are kept.
///
/// # Errors
///
/// [`Refusal`] of that field if it is not kept.
pub(super) fn team(labels: &KeptLabels, field: &str) -> Result<usize, Refusal> {
    let place = labels
        .names()
        .position(|name| name.as_str() == KeptLabel::TEAM);
    place.ok_or_else(|| {
        let message = "teams are not known: name the label that says who pays with --team-label";
        Refusal::of(field, message)
    })
}

fn workload(text: &str) -> Result<[String; 3], Refusal> {
    let parts: Vec<_> = text.split('/').collect();
    let [namespace, kind, name] = match parts[..] {
        [name] => ["", "", name],
        [namespace, name] => [namespace, "", name],
        [namespace, kind, name] => [namespace, kind, name],
        _ => ["", "", ""],
    };
    let given = [namespace, kind, name]
        .iter()
        .filter(|part| !part.is_empty())
        .count();
    if given != parts.len() {
        let message = "expected name, namespace/name or namespace/kind/name";
        return Err(Refusal::of("workload", message));
    }
    Ok([namespace, kind, name].map(ToOwned::to_owned))
}

fn service(text: &str) -> Result<Service, Refusal> {
    let read = || {
        let (namespace, name) = text.split_once('/')?;
        Some(Service {
            namespace: Namespace::new(namespace).ok()?,
            name: Name::new(name).ok()?,
        })
    };
    read().ok_or_else(|| Refusal::of("service", "expected namespace/name"))
}

fn locality(name: LocalityName) -> Locality {
    match name {
        LocalityName::SameNode => Locality::SameNode,
        LocalityName::SameZone => Locality::SameZone,
        LocalityName::CrossZone => Locality::CrossZone,
        LocalityName::CrossRegion => Locality::CrossRegion,
        LocalityName::Internet => Locality::Internet,
        // Whatever the reason is.
        LocalityName::Unknown => Locality::Unknown(UnknownReason::ALL[0]),
    }
}
