//! The prices in force: what the flags say, and the cloud that the nodes tell.
//!
//! The file is read once, at the start: prices that change take another start, and counters of money
//! begin anew with it. Which cloud it is can be told once the nodes are known.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow, bail};
use kubezonnet_model::{Name, Timestamp};
use kubezonnet_pricing::{BookError, Cloud, Overrides, PriceBook, PriceTable, Retrieved, Stale};
use kubezonnet_topology::Topology;
use time::{Date, OffsetDateTime};

use crate::config::{CloudChoice, PriceFlags};

#[cfg(test)]
mod tests;

/// The largest file that is read: prices between all regions of a cloud are a tenth of it.
const MAX_BYTES: u64 = 4 << 20;

/// What to say where no cloud is told.
const NO_CLOUD: &str = "no node tells its cloud, as Kubernetes' nodes do by spec.providerID and those of \
                        a --topology-file never do, so there are no prices: name one with --cloud, or \
                        give --pricing with currency and unit";

/// What bytes cost, as far as it is known.
#[derive(Debug, Default)]
pub struct Prices {
    overrides: Overrides,
    /// The operator's file.
    file: Option<PathBuf>,
    internet: bool,
    /// What is in force; `None` if nothing is. Empty until the nodes are known.
    in_force: OnceLock<Option<InForce>>,
    /// It was told in the log.
    told: OnceLock<()>,
}

/// Prices that are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// The prices.
    pub book: PriceBook,
    /// When they were looked up, as far as it is said.
    pub retrieved: Option<Retrieved>,
    /// When those of the cloud were.
    pub listed: Option<Retrieved>,
}

impl InForce {
    /// Says so if they are more than a year old.
    pub fn stale(&self, now: Timestamp) -> Option<Stale> {
        let today = date(now)?;
        // A day that is to come says nothing of the past.
        let said = self.retrieved.filter(|said| !said.is_to_come(today));
        said.or(self.listed)?.stale(today)
    }
}

impl Prices {
    /// Nothing costs anything, and nothing is shown of it.
    pub fn none() -> Self {
        Self {
            in_force: OnceLock::from(None),
            ..Self::default()
        }
    }

    /// No cloud's, and those of a file of that text.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str, internet: bool) -> anyhow::Result<Self> {
        let overrides = Overrides::parse(text)?;
        let mut prices = Self {
            overrides,
            internet,
            ..Self::default()
        };
        prices.in_force = OnceLock::from(Some(prices.of(None)?));
        Ok(prices)
    }

    /// Reads what the flags name.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, and where.
    pub fn open(flags: &PriceFlags) -> anyhow::Result<Self> {
        let mut prices = Self {
            file: flags.pricing.clone(),
            internet: flags.internet_cost,
            ..Self::default()
        };
        if let Some(path) = &flags.pricing {
            let text =
                read(path).with_context(|| format!("cannot read --pricing {}", path.display()))?;
            prices.overrides = Overrides::parse(&text)
                .map_err(|problem| anyhow!("--pricing {}, {problem}", path.display()))?;
        }
        let in_force = match flags.cloud {
            CloudChoice::Auto => return Ok(prices),
            CloudChoice::None if prices.file.is_none() => None,
            CloudChoice::None => Some(prices.of(None)),
            CloudChoice::Of(cloud) => Some(prices.of(Some(cloud))),
        };
        let in_force = in_force.transpose().map_err(|error| match &flags.pricing {
            Some(path) => anyhow!("--pricing {}, {error}", path.display()),
            None => anyhow!(error),
        })?;
        prices.in_force = OnceLock::from(in_force);
        Ok(prices)
    }

    /// What is in force, as far as it is known without the nodes.
    pub fn known(&self) -> Option<&InForce> {
        self.in_force.get()?.as_ref()
    }

    /// Whether it is known that there are none.
    pub fn are_none(&self) -> bool {
        matches!(self.in_force.get(), Some(None))
    }

    /// What is in force, as far as the nodes that are known tell.
    pub fn in_force(&self, topology: &Topology) -> Option<&InForce> {
        if let Some(in_force) = self.in_force.get() {
            return in_force.as_ref();
        }
        if !topology.is_synced() {
            return None;
        }
        let told = Cloud::of_nodes(topology.read().provider_ids());
        let in_force = self.in_force.get_or_init(|| match told {
            Ok(None) if self.file.is_none() => {
                tracing::info!("{NO_CLOUD}");
                None
            }
            Ok(cloud) => match self.of(cloud) {
                Ok(in_force) => Some(in_force),
                Err(BookError::Missing(_)) => {
                    let pricing = self.shown_file();
                    tracing::warn!(%pricing, "nothing of the file of --pricing holds: {NO_CLOUD}");
                    None
                }
                Err(error) => {
                    let pricing = self.shown_file();
                    tracing::error!(%pricing, %error, "the prices of --pricing do not go with the nodes' cloud: there are none");
                    None
                }
            },
            Err(mixed) => {
                tracing::warn!(%mixed, "there are no prices: name one of the clouds with --cloud");
                None
            }
        });
        in_force.as_ref()
    }

    /// Says in the log, once, which prices hold, and if they are old.
    pub fn tell(&self, topology: &Topology, now: Timestamp) {
        let Some(in_force) = self.in_force(topology) else {
            return;
        };
        self.told.get_or_init(|| {
            let book = &in_force.book;
            let cloud = book.cloud().map_or("none", Cloud::as_str);
            let (currency, version) = (book.currency(), book.version());
            tracing::info!(cloud, %currency, %version, "prices are in force");
            self.tell_of_file(topology, now);
            if let Some(stale) = in_force.stale(now) {
                tracing::warn!("{stale}, and say so with `retrieved` in the file of --pricing");
            }
        });
    }

    /// Says what of the operator's file holds otherwise than it reads.
    fn tell_of_file(&self, topology: &Topology, now: Timestamp) {
        let pricing = self.shown_file();
        if let (Some(retrieved), Some(today)) = (self.overrides.retrieved(), date(now))
            && retrieved.is_to_come(today)
        {
            tracing::warn!(
                %pricing, %retrieved,
                "`retrieved` is a day to come: it says nothing of how old the prices are"
            );
        }
        for network in unknown_networks(&self.overrides, topology) {
            tracing::warn!(
                %pricing, %network,
                "`free` has a network that --networks does not name: nothing is free by it"
            );
        }
    }

    fn shown_file(&self) -> std::path::Display<'_> {
        self.file.as_deref().unwrap_or(Path::new("")).display()
    }

    fn of(&self, cloud: Option<Cloud>) -> Result<InForce, BookError> {
        let table = cloud.map(PriceTable::of);
        let listed = table.as_ref().map(PriceTable::retrieved);
        Ok(InForce {
            book: PriceBook::new(table.as_ref(), &self.overrides, self.internet)?,
            retrieved: self.overrides.retrieved().or(listed),
            listed,
        })
    }
}

/// The networks that are free by their names, and that nobody has named.
fn unknown_networks<'a>(overrides: &'a Overrides, topology: &Topology) -> Vec<&'a Name> {
    let named = topology.networks();
    let free = overrides.free_networks().iter();
    free.filter(|name| !named.has(name)).collect()
}

/// The day of a point in time; `None` far beyond any.
fn date(now: Timestamp) -> Option<Date> {
    let seconds = i64::try_from(now.0 / 1000).ok()?;
    Some(OffsetDateTime::from_unix_timestamp(seconds).ok()?.date())
}

/// Reads a file of the operator's.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    // To open a pipe without a writer would wait for one.
    if !std::fs::metadata(path)?.is_file() {
        bail!("it is no regular file");
    }
    let mut text = String::new();
    let bytes = std::fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if bytes as u64 > MAX_BYTES {
        bail!("it has more than {} MiB", MAX_BYTES >> 20);
    }
    Ok(text)
}
