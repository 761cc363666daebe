//! Services, as the file tells them.

use std::collections::HashSet;

use kubezonnet_model::{Name, Namespace, NodeName, Protocol, Service};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{Checked, address};
use crate::yaml::{name, problem};
use crate::{EndpointPort, EndpointSliceState, EndpointState, Problem, ServiceState};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ServiceItem {
    namespace: Spanned<String>,
    name: Spanned<String>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    #[serde(default)]
    external_addresses: Vec<Spanned<String>>,
    #[serde(default)]
    endpoints: Vec<Spanned<String>>,
    #[serde(default)]
    ports: Vec<PortItem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PortItem {
    protocol: Option<ProtocolItem>,
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ProtocolItem {
    Tcp,
    Udp,
    Sctp,
}

impl Checked {
    pub(super) fn service(&mut self, item: &ServiceItem) -> Result<(), Problem> {
        let service = Service {
            namespace: name("namespace", &item.namespace, Namespace::new)?,
            name: name("Service", &item.name, Name::new)?,
        };
        let full_name = format!("{}/{}", service.namespace, service.name);
        self.once("Service", &item.name, &full_name)?;
        let holder = format!("Service {full_name}");
        let addresses = self.addresses(&item.addresses, &holder)?;
        let external = self.addresses(&item.external_addresses, &holder)?;
        let mut seen = HashSet::new();
        let mut endpoints = Vec::with_capacity(item.endpoints.len());
        for text in &item.endpoints {
            let address = address(text)?;
            if !seen.insert(address) {
                let message = format!("{address} is an endpoint of {holder} twice");
                return Err(problem(text, message));
            }
            let node: Option<NodeName> = self.places.get(&address).cloned();
            endpoints.push(EndpointState {
                address,
                node,
                is_ready: true,
            });
        }
        self.view.services.push(ServiceState {
            service: service.clone(),
            uid: full_name.clone(),
            addresses,
            external,
        });
        self.view.endpoints.push(EndpointSliceState {
            uid: full_name,
            service,
            endpoints,
            ports: item.ports.iter().map(PortItem::read).collect(),
        });
        Ok(())
    }
}

impl PortItem {
    fn read(&self) -> EndpointPort {
        EndpointPort {
            protocol: match self.protocol {
                None | Some(ProtocolItem::Tcp) => Protocol::TCP,
                Some(ProtocolItem::Udp) => Protocol::UDP,
                Some(ProtocolItem::Sctp) => Protocol::SCTP,
            },
            number: self.port,
        }
    }
}
