//! The cluster, as the kubeconfig says: where the server's Service and its pods are.

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::client::UpgradeConnectionError;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config};

use super::causes;
use crate::args::Way;
use crate::failure::Failure;

/// The name of the Service, in every installation.
pub const SERVICE: &str = "kubezonnet-server";

/// The port of the Service that the API is at.
const PORT: &str = "http";

/// A cluster, and the server's namespace in it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
    /// What to call it: its context or its URL.
    name: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// A pod of the server, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) pod: String,
    pub(super) port: u16,
    /// Whether it takes windows, as Kubernetes sees it.
    pub(super) is_ready: bool,
}

impl Cluster {
    /// Reads the kubeconfig; asks nothing yet.
    ///
    /// # Errors
    ///
    /// If there is none, or it is wrong.
    pub async fn open(way: &Way) -> Result<Self, Failure> {
        let config = Box::pin(config(way)).await?;
        let name = match &way.context {
            Some(context) => format!("context {context}"),
            None => config
                .cluster_url
                .to_string()
                .trim_end_matches('/')
                .to_owned(),
        };
        let client = Client::try_from(config).map_err(|error| {
            let why = causes(&error);
            Failure::Usage(format!("cannot use the kubeconfig: {why}"))
        })?;
        Ok(Self {
            client,
            namespace: way.server_namespace.clone(),
            name,
        })
    }

    /// The server's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The client.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The pod to ask: one that is ready, or else one that runs. That is a server which takes no windows,
    /// and can say why.
    pub(super) async fn target(&self) -> Result<Target, Failure> {
        let Self {
            namespace, name, ..
        } = self;
        let services: Api<Service> = Api::namespaced(self.client.clone(), namespace);
        let service = services.get_opt(SERVICE).await;
        let service = service.map_err(|error| self.failure("get services", &error))?;
        let Some(service) = service else {
            return Err(Failure::Unavailable(format!(
                "there is no Service {SERVICE} in namespace {namespace} of {name}: install kubezonnet, \
                 or say with --server-namespace, --context or --server where it is"
            )));
        };
        let spec = service.spec.unwrap_or_default();
        let selector = spec.selector.unwrap_or_default();
        let ports = spec.ports.unwrap_or_default();
        let port = ports.iter().find(|port| port.name.as_deref() == Some(PORT));
        let port = port.or(match &*ports {
            [only] => Some(only),
            _ => None,
        });
        let (Some(port), false) = (port, selector.is_empty()) else {
            return Err(Failure::Unavailable(format!(
                "the Service {SERVICE} in namespace {namespace} has no port named {PORT}, or selects no \
                 pods: it is not that of kubezonnet's manifest"
            )));
        };
        let labels: Vec<_> = selector
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let labels = labels.join(",");
        let list = self
            .pods()
            .list(&ListParams::default().labels(&labels))
            .await;
        let pods = list
            .map_err(|error| self.failure("list pods", &error))?
            .items;
        let target = IntOrString::Int(port.port);
        let target = port.target_port.as_ref().unwrap_or(&target);
        let running = pods.iter().filter(|pod| is_running(pod));
        let found = running.filter_map(|pod| {
            let name = pod.metadata.name.clone()?;
            let port = port_of(pod, target)?;
            let is_ready = is_ready(pod);
            Some(Target {
                pod: name,
                port,
                is_ready,
            })
        });
        // The same one each time.
        let best = found
            .min_by(|one, other| (!one.is_ready, &one.pod).cmp(&(!other.is_ready, &other.pod)));
        best.ok_or_else(|| {
            let what = match &*pods {
                [] => "there is none".to_owned(),
                pods => pods.iter().map(state).collect::<Vec<_>>().join(", "),
            };
            Failure::Unavailable(format!(
                "no pod of the Service {SERVICE} in namespace {namespace} runs ({what}): look at \
                 kubectl -n {namespace} describe pod -l {labels}"
            ))
        })
    }

    /// What an error of Kubernetes means for who did that.
    pub(crate) fn failure(&self, what: &str, error: &kube::Error) -> Failure {
        let Self {
            namespace, name, ..
        } = self;
        let status = match error {
            kube::Error::Api(status) => Some(status.code),
            kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
                Some(status.as_u16())
            }
            _ => None,
        };
        let said = match error {
            kube::Error::Api(status) => status.message.clone(),
            error => causes(error),
        };
        match status {
            Some(401) => Failure::Stranger(format!(
                "{name} does not know who asks: log in again, as for kubectl ({said})"
            )),
            Some(403) => Failure::Permission(format!(
                "{name} does not let you {what} in namespace {namespace} ({said}); needed are: get \
                 services, list pods, get and create pods/portforward. --server goes without"
            )),
            _ => Failure::Unavailable(format!("cannot {what} in {name}: {said}")),
        }
    }
}

async fn config(way: &Way) -> Result<Config, Failure> {
    let options = KubeConfigOptions {
        context: way.context.clone(),
        ..KubeConfigOptions::default()
    };
    if let Some(path) = &way.kubeconfig {
        let wrong = |error: KubeconfigError| {
            let (path, why) = (path.display(), causes(&error));
            Failure::Usage(format!("--kubeconfig {path}: {why}"))
        };
        let read = Kubeconfig::read_from(path).map_err(wrong)?;
        return Config::from_custom_kubeconfig(read, &options)
            .await
            .map_err(wrong);
    }
    if let Some(context) = &way.context {
        return Config::from_kubeconfig(&options)
            .await
            .map_err(|error| Failure::Usage(format!("--context {context}: {}", causes(&error))));
    }
    Config::infer().await.map_err(|error| {
        let why = causes(&error);
        Failure::Usage(format!(
            "no cluster is known ({why}): set KUBECONFIG or --kubeconfig, or name the server's URL with \
             --server"
        ))
    })
}

/// Whether there is a server in it, as far as can be told from outside.
fn is_running(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let mut containers = status.container_statuses.iter().flatten();
    let is_down = containers.any(|container| {
        let state = container.state.as_ref();
        state.is_some_and(|state| state.waiting.is_some() || state.terminated.is_some())
    });
    pod.metadata.deletion_timestamp.is_none()
        && status.phase.as_deref() == Some("Running")
        && !is_down
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .filter_map(|status| status.conditions.as_ref());
    conditions
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Name and phase of a pod.
fn state(pod: &Pod) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    format!("{name}: {}", phase.unwrap_or("Unknown"))
}

/// The port of a pod that a Service's port leads to.
fn port_of(pod: &Pod, target: &IntOrString) -> Option<u16> {
    let number = match target {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
            let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
            ports
                .find(|port| port.name.as_ref() == Some(name))?
                .container_port
        }
    };
    u16::try_from(number).ok()
}
