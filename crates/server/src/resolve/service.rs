//! A Service's own address, and the Services that stand in front of an endpoint.
//!
//! Nobody sends with a Service's own address but who translates: IPVS puts it back into answers
//! before they are counted. So behind a pod's interface, or on the node itself, it stands for a local
//! end; elsewhere for endpoints whose node has counted.

use std::sync::Arc;

use foldhash::HashMap;
use kubezonnet_model::{Endpoint, InterfaceClass, PortSide, Service, Transport, Window};
use kubezonnet_topology::EndpointPort;

use super::{Party, Place, Reporter, Views};

/// Who a Service's own address stands for on the node that reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Behind a pod's interface: the Service's one endpoint here, else the Service.
    pods: Party,
    /// On the node itself.
    host: Party,
}

impl Local {
    /// Finds out who that is; `None` if the party is no Service.
    pub fn of(
        party: &Party,
        reporter: &Reporter,
        window: Window,
        views: &Views<'_>,
    ) -> Option<Self> {
        let Endpoint::Service(service) = &party.endpoint else {
            return None;
        };
        let host = Party {
            address: party.address,
            ..Party::node(party.address, reporter, window, views)
        };
        let endpoint = |address| Party {
            address: party.address,
            ..Party::resolve(address, reporter, window, views)
        };
        let node = &reporter.node.name;
        let only = views.topology.service_endpoint_on(service, node);
        let only = only.map(endpoint).filter(|end| end.place == Place::Here);
        let pods = only.unwrap_or_else(|| Party {
            endpoint: party.endpoint.clone(),
            ..host.clone()
        });
        let pods = Party {
            // It may be a new pod's that a Service was given beforehand.
            may_be_listed: party.may_be_listed,
            ..pods
        };
        Some(Self { pods, host })
    }

    /// Who it is behind that interface, if it is local there.
    pub fn behind(&self, interface: InterfaceClass) -> Option<&Party> {
        match interface {
            InterfaceClass::Pod => Some(&self.pods),
            InterfaceClass::Host => Some(&self.host),
            InterfaceClass::Other
            | InterfaceClass::Uplink
            | InterfaceClass::Tunnel
            | InterfaceClass::Loopback => None,
        }
    }
}

/// The Services by which each address of a batch can have been reached, looked up once an address.
#[derive(Debug, Default)]
pub struct Fronts {
    services: Vec<Arc<Service>>,
    /// Where each of them is.
    positions: HashMap<Arc<Service>, u32>,
    /// For each address, where its ports begin in `ports`; the end is the next one's begin.
    begins: Vec<u32>,
    /// A port, or all of them, with the position of its Service.
    ports: Vec<(Option<EndpointPort>, u32)>,
}

impl Fronts {
    /// Adds the next address.
    pub fn add(&mut self, party: &Party, views: &Views<'_>) {
        self.begins.push(index(self.ports.len()));
        if let Endpoint::Service(service) = &party.endpoint {
            let position = self.position(service);
            self.ports.push((None, position));
            return;
        }
        for (port, service) in views.topology.services_behind(party.address) {
            let position = self.position(service);
            self.ports.push((Some(port), position));
        }
    }

    /// The Service by which the side that serves was reached; `None` if there is none, or several.
    pub fn of(&self, transport: Option<Transport>, ends: (u32, u32)) -> Option<u32> {
        if self.services.is_empty() {
            return None;
        }
        let Transport {
            protocol, service, ..
        } = transport?;
        let port = service?;
        let server = match port.side {
            PortSide::Source => ends.0,
            PortSide::Destination => ends.1,
        } as usize;
        let begin = self.begins[server] as usize;
        let end = self.begins.get(server + 1);
        let end = end.map_or(self.ports.len(), |end| *end as usize);
        let mut fitting = self.ports[begin..end]
            .iter()
            .filter(|(own, _)| own.is_none_or(|own| own.is(protocol, port.number)))
            .map(|(_, service)| *service);
        let first = fitting.next()?;
        fitting.all(|other| other == first).then_some(first)
    }

    /// The Services, by the positions that were told.
    pub fn into_services(self) -> Vec<Arc<Service>> {
        self.services
    }

    fn position(&mut self, service: &Arc<Service>) -> u32 {
        if let Some(position) = self.positions.get(service) {
            return *position;
        }
        let position = index(self.services.len());
        self.services.push(Arc::clone(service));
        self.positions.insert(Arc::clone(service), position);
        position
    }
}

fn index(position: usize) -> u32 {
    u32::try_from(position).expect("a batch has far fewer addresses and ports")
}
