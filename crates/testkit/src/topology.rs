//! The topology file of a cluster: what the server is told about nodes, zones and pods.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use kubezonnet_model::Family;

use crate::{Cluster, Error, Place};

impl Cluster {
    /// The topology file that describes the cluster.
    pub fn topology(&self) -> String {
        let mut text = String::from("nodes:\n");
        for node in self.members() {
            push(&mut text, "  - ", "name", node.name());
            push(&mut text, "    ", "zone", node.zone().unwrap_or_default());
            push(
                &mut text,
                "    ",
                "region",
                node.region().unwrap_or_default(),
            );
            push_addresses(&mut text, node);
        }
        text.push_str(if self.pods().is_empty() && self.host_pods().is_empty() {
            "pods: []\n"
        } else {
            "pods:\n"
        });
        for pod in self.pods() {
            push(&mut text, "  - ", "namespace", pod.namespace());
            push(&mut text, "    ", "name", pod.name());
            push(&mut text, "    ", "node", pod.node());
            push_addresses(&mut text, pod);
            if let Some((kind, name)) = pod.owner() {
                text.push_str("    owner:\n");
                push(&mut text, "      ", "kind", kind);
                push(&mut text, "      ", "name", name);
            }
        }
        for pod in self.host_pods() {
            push(&mut text, "  - ", "namespace", &pod.spec.namespace);
            push(&mut text, "    ", "name", &pod.spec.name);
            push(&mut text, "    ", "node", &pod.node);
            push(&mut text, "    ", "uid", &pod.uid.to_string());
            text.push_str("    hostNetwork: true\n");
            if let Some((kind, name)) = &pod.spec.owner {
                text.push_str("    owner:\n");
                push(&mut text, "      ", "kind", kind);
                push(&mut text, "      ", "name", name);
            }
        }
        text
    }

    /// Writes it to a file at once: a reader sees the old file or the new one.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write_topology(&self, path: &Path) -> Result<(), Error> {
        let beside = path.with_extension("new");
        fs::write(&beside, self.topology())
            .and_then(|()| fs::rename(&beside, path))
            .map_err(Error::io(format!("write {}", path.display())))
    }
}

/// One line; an empty value is left out. Quoted, for YAML has ideas about words like `no`.
fn push(text: &mut String, indent: &str, key: &str, value: &str) {
    if !value.is_empty() {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        writeln!(text, "{indent}{key}: \"{quoted}\"").expect("writing to a string never fails");
    }
}

fn push_addresses(text: &mut String, place: &impl Place) {
    let addresses = Family::ALL.map(|family| format!("\"{}\"", place.address(family)));
    writeln!(text, "    addresses: [{}]", addresses.join(", "))
        .expect("writing to a string never fails");
}
