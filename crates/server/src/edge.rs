//! The server's two sides to the network: where agents report, and where it is looked at.
//!
//! Decides by the flags how each is kept secret and who is let in, opens what that needs, and follows
//! it. Serving is in [`crate::connections`].

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use kubezonnet_topology::{Clock, Topology};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::authenticate::{ClientAuthorities, Door, Reviews, Rules};
use crate::config::{Config, Security, ServiceAccount};
use crate::connections::{self, ConnectionCounts, ConnectionLimits};
use crate::http::Gate;
use crate::source::Source;
use crate::tls::files::{Followed, Pair};
use crate::tls::own::Own;
use crate::tls::own::keeper::Keeper;
use crate::tls::{Credential, PeerAcceptor, Served, Status};

/// Where agents report if nothing else is said.
const INGEST_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8443);

/// The name of the Service and of the service account in the manifest.
const SERVICE: &str = "kubezonnet-server";
const AGENT: &str = "kubezonnet-agent";

/// All that stands between the network and the routes.
pub(crate) struct Edge {
    /// Who may report.
    pub(crate) door: Arc<Door>,
    /// What is served where agents report; `None`: that is at --listen, too.
    pub(crate) ingest: Option<Side>,
    /// Where the server is looked at.
    pub(crate) listen: Side,
    /// Who is shown metrics.
    pub(crate) gate: Gate,
    /// What metrics tell of all this.
    pub(crate) status: Arc<Status>,
    /// Follow files and authorities; they end when this is dropped.
    pub(crate) tasks: JoinSet<()>,
}

/// Where it is listened, and how that is kept secret.
#[derive(Debug)]
pub(crate) struct Side {
    flag: &'static str,
    address: SocketAddr,
    /// `None`: in clear.
    served: Option<Served>,
}

impl Edge {
    /// Opens what the flags name.
    ///
    /// # Errors
    ///
    /// If it is not said how agents are to prove who they are, or a file cannot be used.
    pub(crate) fn open(
        config: &Config,
        source: &Source,
        topology: &Topology,
        clock: &Clock,
    ) -> anyhow::Result<Self> {
        let security = &config.security;
        let status = Arc::new(Status::default());
        let mut tasks = JoinSet::new();
        let mut opening = Opening {
            security,
            status: &status,
            clock,
            tasks: &mut tasks,
        };
        let door = opening.door(source, topology)?;
        let ingest = opening.ingest(source, &door)?;
        let listen = opening.listen(config.listen)?;
        let gate = opening.gate()?;
        announce(&door);
        Ok(Self {
            door,
            ingest,
            listen,
            gate,
            status,
            tasks,
        })
    }

    /// Whether agents can be shown a certificate, where they are to be.
    pub(crate) fn is_ready(&self) -> impl Fn() -> bool + Send + Sync + use<> {
        let served = self.ingest.as_ref().and_then(|side| side.served.clone());
        move || served.as_ref().is_none_or(Served::is_ready)
    }
}

/// What [`Edge::open`] works with.
struct Opening<'a> {
    security: &'a Security,
    status: &'a Arc<Status>,
    clock: &'a Clock,
    tasks: &'a mut JoinSet<()>,
}

impl Opening<'_> {
    fn door(&mut self, source: &Source, topology: &Topology) -> anyhow::Result<Arc<Door>> {
        let security = self.security;
        if security.insecure {
            return Ok(Arc::new(Door::Open));
        }
        if let Some(path) = &security.client_ca {
            return self.certificates(path);
        }
        let Source::Kubernetes(watch) = source else {
            bail!(
                "without Kubernetes agents prove who they are by certificates: give --client-ca, \
                 --tls-cert and --tls-key, or --insecure to take windows in clear and from anybody"
            );
        };
        let client = watch.client();
        let account = security.agent_service_account.clone();
        let account = account.unwrap_or_else(|| ServiceAccount {
            namespace: client.default_namespace().to_owned(),
            name: AGENT.to_owned(),
        });
        let rules = Rules {
            audience: security.token_audience.clone(),
            user: account.user(),
        };
        let reviews = Reviews::new(client, rules, topology.clone(), self.clock.clone());
        Ok(Arc::new(Door::Tokens(Box::new(reviews))))
    }

    fn certificates(&mut self, path: &Path) -> anyhow::Result<Arc<Door>> {
        let followed = Followed::now(Credential::ClientCa, vec![path.to_owned()]);
        let named = format!("--client-ca {}", path.display());
        let authorities = ClientAuthorities::load(path, self.clock.clone());
        let door = Arc::new(Door::Certificates(authorities.context(named.clone())?));
        let (path, reloaded) = (path.to_owned(), Arc::clone(&door));
        let reload = move || match &*reloaded {
            Door::Certificates(authorities) => authorities.reload(&path).context(named.clone()),
            Door::Open | Door::Tokens(_) => Ok(()),
        };
        self.tasks
            .spawn(followed.follow(Arc::clone(self.status), reload));
        Ok(door)
    }

    fn ingest(&mut self, source: &Source, door: &Door) -> anyhow::Result<Option<Side>> {
        let security = self.security;
        let flag = "--ingest-listen";
        if security.insecure {
            return Ok(security.ingest_listen.map(|address| Side {
                flag,
                address,
                served: None,
            }));
        }
        let asks_clients = matches!(door, Door::Certificates(_));
        let served = Served::new(Credential::Ingest, asks_clients, Arc::clone(self.status));
        match (&security.tls_cert, &security.tls_key, source) {
            (Some(certificate), Some(key), _) => {
                let pair = Pair {
                    flags: ["--tls-cert", "--tls-key"],
                    certificate: certificate.clone(),
                    key: key.clone(),
                };
                self.follow_files(Credential::Ingest, pair, &served)?;
            }
            (_, _, Source::Kubernetes(watch)) => {
                let client = watch.client();
                let namespace = client.default_namespace();
                let (secret, map) = (&security.tls_secret, &security.tls_configmap);
                let keeper = Keeper::new(&client, namespace, secret, map);
                let names = if security.tls_names.is_empty() {
                    service_names(namespace)
                } else {
                    security.tls_names.clone()
                };
                let own = Own::new(keeper, names, served.clone(), Arc::clone(self.status));
                self.tasks.spawn(own.run(self.clock.clone()));
            }
            _ => bail!(
                "without Kubernetes the server cannot make a certificate that agents know: give \
                 --tls-cert and --tls-key, or --insecure to take windows in clear and from anybody"
            ),
        }
        Ok(Some(Side {
            flag,
            address: security.ingest_listen.unwrap_or(INGEST_LISTEN),
            served: Some(served),
        }))
    }

    fn listen(&mut self, address: SocketAddr) -> anyhow::Result<Side> {
        let security = self.security;
        let mut side = Side {
            flag: "--listen",
            address,
            served: None,
        };
        if let (Some(certificate), Some(key)) =
            (&security.listen_tls_cert, &security.listen_tls_key)
        {
            let pair = Pair {
                flags: ["--listen-tls-cert", "--listen-tls-key"],
                certificate: certificate.clone(),
                key: key.clone(),
            };
            let served = Served::new(Credential::Listen, false, Arc::clone(self.status));
            self.follow_files(Credential::Listen, pair, &served)?;
            side.served = Some(served);
        }
        Ok(side)
    }

    fn follow_files(
        &mut self,
        credential: Credential,
        pair: Pair,
        served: &Served,
    ) -> anyhow::Result<()> {
        let followed = Followed::now(credential, pair.paths());
        pair.show(served)?;
        let served = served.clone();
        let reload = move || pair.show(&served);
        self.tasks
            .spawn(followed.follow(Arc::clone(self.status), reload));
        Ok(())
    }

    fn gate(&mut self) -> anyhow::Result<Gate> {
        let Some(path) = self.security.bearer_token_file.clone() else {
            let is_open = self.security.open_api || self.security.insecure;
            return Ok(if is_open { Gate::open() } else { Gate::local() });
        };
        let followed = Followed::now(Credential::BearerToken, vec![path.clone()]);
        let gate = Gate::open();
        let reloaded = gate.clone();
        let reload = move || {
            let token = std::fs::read_to_string(&path);
            let named = || format!("--bearer-token-file {}", path.display());
            let token = token.with_context(|| format!("{}: cannot be read", named()))?;
            anyhow::ensure!(!token.trim().is_empty(), "{}: holds no token", named());
            reloaded.lock(token.trim());
            Ok(())
        };
        reload()?;
        self.tasks
            .spawn(followed.follow(Arc::clone(self.status), reload));
        Ok(gate)
    }
}

/// Says at every start who is let in.
fn announce(door: &Door) {
    match door {
        Door::Open => tracing::warn!(
            "--insecure: windows are taken in clear and from anybody, who may speak for any node"
        ),
        Door::Tokens(reviews) => {
            let Rules { user, audience } = reviews.rules();
            tracing::info!(user, audience, "agents prove by tokens who they are");
        }
        Door::Certificates(_) => tracing::info!("agents prove by certificates who they are"),
    }
}

/// The names that pods of the cluster find the Service by, and itself for who forwards a port.
fn service_names(namespace: &str) -> Vec<String> {
    let names = [
        SERVICE.to_owned(),
        format!("{SERVICE}.{namespace}"),
        format!("{SERVICE}.{namespace}.svc"),
        format!("{SERVICE}.{namespace}.svc.cluster.local"),
        "localhost".to_owned(),
    ];
    names.to_vec()
}

impl Side {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// Names the flag and the address.
    pub(crate) fn bind(self) -> anyhow::Result<Bound> {
        let (flag, address) = (self.flag, self.address);
        let listener = TcpListener::bind(address)
            .with_context(|| format!("{flag} {address}: cannot listen there"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let scheme = if self.served.is_some() {
            "https"
        } else {
            "http"
        };
        tracing::info!(%address, scheme, flag, "listening");
        Ok(Bound {
            listener,
            served: self.served,
        })
    }
}

/// How it is served.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    pub(crate) limits: ConnectionLimits,
    pub(crate) counts: Arc<ConnectionCounts>,
    /// Turns true when it is over.
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Serving {
    /// The connections for two ports: an eighth for where the server is looked at, the rest for
    /// agents, so that both together have no more than one would.
    pub(crate) fn split(self) -> [Self; 2] {
        let [mut few, mut most] = [self.clone(), self];
        few.limits.total = (most.limits.total / 8).max(1);
        most.limits.total = most.limits.total.saturating_sub(few.limits.total).max(1);
        [few, most]
    }
}

/// A port that is taken.
pub(crate) struct Bound {
    listener: TcpListener,
    served: Option<Served>,
}

impl Bound {
    /// Serves until the handle says that it is over; once there is a certificate, where one is needed,
    /// unless it is stopped before.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(crate) async fn serve(
        self,
        router: Router,
        handle: Handle<SocketAddr>,
        serving: Serving,
    ) -> anyhow::Result<()> {
        let Serving {
            limits,
            counts,
            mut stopped,
        } = serving;
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let tcp = NoDelayAcceptor::new();
        let served = if let Some(served) = self.served {
            let config = tokio::select! {
                config = served.ready() => config,
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            };
            let tls = PeerAcceptor(RustlsAcceptor::new(config).acceptor(tcp));
            let server = connections::serve(self.listener, tls, limits, counts);
            let server = server.context("cannot listen")?;
            server.handle(handle).serve(service).await
        } else {
            let server = connections::serve(self.listener, tcp, limits, counts);
            let server = server.context("cannot listen")?;
            server.handle(handle).serve(service).await
        };
        served.context("cannot serve")
    }
}
