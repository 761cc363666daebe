//! The file's form, and what must hold in it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use kubezonnet_model::{Name, Namespace, NodeName, PodUid, Region, Workload, Zone, ZoneId};
use serde::Deserialize;
use serde_saphyr::Spanned;

use self::services::ServiceItem;
use super::FileView;
use crate::yaml::{self, label, line_of, name, problem};
use crate::{FOLDED_NAMESPACE, NODE_NAMESPACE, NodeState, PodState, Problem};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    nodes: Vec<NodeItem>,
    #[serde(default)]
    pods: Vec<PodItem>,
    #[serde(default)]
    namespaces: Vec<NamespaceItem>,
    #[serde(default)]
    services: Vec<ServiceItem>,
}

mod services;

/// The most bytes that Kubernetes allows for a label's key, prefix and all, and for its value.
const MOST_OF_A_LABEL: (usize, usize) = (253 + 1 + 63, 63);

/// Labels by key.
type LabelsForm = BTreeMap<String, Spanned<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamespaceItem {
    name: Spanned<String>,
    #[serde(default)]
    labels: LabelsForm,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NodeItem {
    name: Spanned<String>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    zone: Option<Spanned<String>>,
    zone_id: Option<Spanned<String>>,
    region: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PodItem {
    namespace: Spanned<String>,
    name: Spanned<String>,
    uid: Option<Spanned<String>>,
    node: Spanned<String>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    owner: Option<OwnerItem>,
    #[serde(default)]
    host_network: bool,
    #[serde(default)]
    labels: LabelsForm,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnerItem {
    kind: Spanned<String>,
    name: Spanned<String>,
}

/// Reads a document and checks it.
pub(super) fn parse(text: &str) -> Result<FileView, Problem> {
    let document: Document = yaml::document(text)?;
    let mut checked = Checked::default();
    for node in &document.nodes {
        checked.node(node)?;
    }
    for pod in &document.pods {
        checked.pod(pod)?;
    }
    for namespace in &document.namespaces {
        checked.namespace(namespace)?;
    }
    for service in &document.services {
        checked.service(service)?;
    }
    Ok(checked.view)
}

/// What has been read so far, and the line of everything that may be there only once.
#[derive(Default)]
struct Checked {
    view: FileView,
    nodes: HashMap<NodeName, u64>,
    /// Pods, namespaces and Services, by kind and name.
    named: HashMap<(&'static str, String), u64>,
    uids: HashMap<PodUid, (String, u64)>,
    addresses: HashMap<IpAddr, (String, u64)>,
    /// The node of every address of a node or pod.
    places: HashMap<IpAddr, NodeName>,
}

impl Checked {
    fn node(&mut self, item: &NodeItem) -> Result<(), Problem> {
        let line = line_of(&item.name);
        let name = name("node", &item.name, NodeName::new)?;
        if let Some(first) = self.nodes.insert(name.clone(), line) {
            let message = format!("node {name} is listed already in line {first}");
            return Err(problem(&item.name, message));
        }
        let state = NodeState {
            zone: label("zone", item.zone.as_ref(), Zone::new)?,
            zone_id: label("zone id", item.zone_id.as_ref(), ZoneId::new)?,
            region: label("region", item.region.as_ref(), Region::new)?,
            provider_id: None,
            can_run_agent: true,
            pod_cidrs: Vec::new(),
            addresses: self.addresses(&item.addresses, &format!("node {name}"))?,
            uid: name.to_string(),
            name,
        };
        let addresses = state.addresses.iter();
        self.places
            .extend(addresses.map(|address| (*address, state.name.clone())));
        self.view.nodes.push(state);
        Ok(())
    }

    fn pod(&mut self, item: &PodItem) -> Result<(), Problem> {
        let namespace = name("namespace", &item.namespace, Namespace::new)?;
        let stands_for = match namespace.as_str() {
            NODE_NAMESPACE => Some("nodes"),
            FOLDED_NAMESPACE => Some("pods that are too many"),
            _ => None,
        };
        if let Some(what) = stands_for {
            let message =
                format!("namespace {namespace} stands for {what} in metrics: pods need another");
            return Err(problem(&item.namespace, message));
        }
        let pod = name("pod", &item.name, Name::new)?;
        let full_name = format!("{namespace}/{pod}");
        self.once("pod", &item.name, &full_name)?;
        let uid = self.uid(item.uid.as_ref(), &full_name)?;
        let node = name("node", &item.node, NodeName::new)?;
        if !self.nodes.contains_key(&node) {
            let message =
                format!("pod {full_name} is on node {node}, which is not listed under nodes");
            return Err(problem(&item.node, message));
        }
        let workload = item.owner.as_ref().map(|owner| {
            Ok(Workload {
                kind: name("owner's kind", &owner.kind, Name::new)?,
                name: name("owner's name", &owner.name, Name::new)?,
            })
        });
        let addresses = if item.host_network {
            // They are its node's, and need not be told; what is told must be right all the same.
            for text in &item.addresses {
                address(text)?;
            }
            Vec::new()
        } else {
            self.addresses(&item.addresses, &format!("pod {full_name}"))?
        };
        let places = addresses.iter().map(|address| (*address, node.clone()));
        self.places.extend(places);
        if !item.labels.is_empty() {
            self.view.labels.insert(uid.clone(), labels(&item.labels)?);
        }
        self.view.pods.push(PodState {
            node: Some(node),
            workload: workload.transpose()?,
            addresses,
            host_network: item.host_network,
            ..PodState::new(namespace, pod, uid)
        });
        Ok(())
    }

    fn namespace(&mut self, item: &NamespaceItem) -> Result<(), Problem> {
        let namespace = name("namespace", &item.name, Namespace::new)?;
        self.once("namespace", &item.name, namespace.as_str())?;
        let labels = labels(&item.labels)?;
        self.view.namespaces.push((namespace, labels));
        Ok(())
    }

    /// What is of that kind and name is there only once.
    fn once(
        &mut self,
        kind: &'static str,
        text: &Spanned<String>,
        full_name: &str,
    ) -> Result<(), Problem> {
        let key = (kind, full_name.to_owned());
        match self.named.insert(key, line_of(text)) {
            None => Ok(()),
            Some(first) => {
                let message = format!("{kind} {full_name} is listed already in line {first}");
                Err(problem(text, message))
            }
        }
    }

    /// The pod's uid; one that is not told is its name.
    fn uid(&mut self, text: Option<&Spanned<String>>, full_name: &str) -> Result<String, Problem> {
        let Some(text) = text else {
            return Ok(full_name.to_owned());
        };
        let Some(uid) = PodUid::parse(&text.value) else {
            let message = format!("{:?} is no uid: expected 32 hexadecimal digits", text.value);
            return Err(problem(text, message));
        };
        let held = (full_name.to_owned(), line_of(text));
        if let Some((other, line)) = self.uids.insert(uid, held) {
            let message = format!("{uid} is the uid of pod {other} in line {line}");
            return Err(problem(text, message));
        }
        Ok(uid.to_string())
    }

    fn addresses(
        &mut self,
        texts: &[Spanned<String>],
        holder: &str,
    ) -> Result<Vec<IpAddr>, Problem> {
        let mut addresses = Vec::with_capacity(texts.len());
        for text in texts {
            let address = address(text)?;
            let held = (holder.to_owned(), line_of(text));
            if let Some((other, line)) = self.addresses.insert(address, held) {
                let message = format!("{address} is held already by {other} in line {line}");
                return Err(problem(text, message));
            }
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// Labels that could be Kubernetes' own.
fn labels(form: &LabelsForm) -> Result<BTreeMap<String, String>, Problem> {
    let (most_of_key, most_of_value) = MOST_OF_A_LABEL;
    for (key, value) in form {
        if key.len() > most_of_key {
            let message = format!("a label's key has more than {most_of_key} bytes");
            return Err(problem(value, message));
        }
        if value.value.len() > most_of_value {
            let message = format!("the value of label {key} has more than {most_of_value} bytes");
            return Err(problem(value, message));
        }
    }
    let labels = form.iter();
    Ok(labels
        .map(|(key, value)| (key.clone(), value.value.clone()))
        .collect())
}

fn address(text: &Spanned<String>) -> Result<IpAddr, Problem> {
    let address: IpAddr = text.value.parse().map_err(|_| {
        let message = format!("{:?} is no IPv4 or IPv6 address", text.value);
        problem(text, message)
    })?;
    let address = address.to_canonical();
    if address.is_loopback() || address.is_unspecified() || address.is_multicast() {
        let message = format!("{address} can be held by no one: it is the same everywhere");
        return Err(problem(text, message));
    }
    Ok(address)
}

#[cfg(test)]
mod tests;
