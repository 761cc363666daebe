//! What clouds list: one table each, as data with its source and date.

use kubezonnet_model::{Billed, Locality, Located, Name, Region, Site, Zone, ZoneId};
use serde::Deserialize;
use time::Date;

use crate::decimal::Price;
use crate::form::{self, GroupsForm, InternetForm, RegionsForm, ZonesForm};
use crate::region::Groups;
use crate::rule::Rules;
use crate::{Cloud, Currency, Edge, Location, Place, Problem, Retrieved, Stale, Unit};

/// The text of a cloud's table. A cloud more is a [`Cloud`], a file and a line here.
const fn text(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Aws => include_str!("../tables/aws.toml"),
        Cloud::Gcp => include_str!("../tables/gcp.toml"),
        Cloud::Azure => include_str!("../tables/azure.toml"),
        Cloud::Oci => include_str!("../tables/oci.toml"),
        Cloud::Alibaba => include_str!("../tables/alibaba.toml"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    cloud: Cloud,
    currency: Currency,
    unit: Unit,
    retrieved: Retrieved,
    sources: Vec<String>,
    missing: Vec<String>,
    between_zones: Option<ZonesForm>,
    #[serde(default)]
    between_regions: Vec<RegionsForm>,
    #[serde(default)]
    internet: Vec<InternetForm>,
    #[serde(default)]
    groups: GroupsForm,
    examples: Vec<Example>,
}

/// What a cloud lists.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    pub(crate) cloud: Cloud,
    pub(crate) currency: Currency,
    pub(crate) unit: Unit,
    pub(crate) between_zones: Option<ZonesForm>,
    pub(crate) between_regions: Rules,
    pub(crate) internet: Rules,
    pub(crate) groups: Groups,
    retrieved: Retrieved,
    sources: Vec<String>,
    missing: Vec<String>,
    examples: Vec<Example>,
}

impl PriceTable {
    /// The table of a cloud.
    ///
    /// # Panics
    ///
    /// Never: a test reads every table.
    pub fn of(cloud: Cloud) -> Self {
        Self::parse(text(cloud)).expect("a test reads every table")
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let document: Document = toml::from_str(text).map_err(|error| Problem {
            line: None,
            message: error.to_string(),
        })?;
        let groups = form::groups(&document.groups)?;
        Ok(Self {
            cloud: document.cloud,
            currency: document.currency,
            unit: document.unit,
            between_zones: document.between_zones,
            between_regions: form::regions(&document.between_regions, &groups)?,
            internet: form::internet(&document.internet, &groups)?,
            groups,
            retrieved: document.retrieved,
            sources: document.sources,
            missing: document.missing,
            examples: document.examples,
        })
    }

    /// Whose it is.
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// What its prices are in.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// What its prices are for.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Where its prices are from.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// What the cloud charges and the table does not have, in sentences. Such bytes have no price
    /// ([`Gap::UnlistedRate`](crate::Gap::UnlistedRate)) until the operator gives one.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// When its prices were looked up.
    pub fn retrieved(&self) -> Retrieved {
        self.retrieved
    }

    /// Says so if its prices are more than a year old.
    pub fn stale(&self, today: Date) -> Option<Stale> {
        self.retrieved.stale(today)
    }

    /// Worked examples, with the internet switched on.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }
}

/// What some bytes cost by a table, for people and tests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows, in a sentence.
    pub says: String,
    /// How many bytes.
    pub bytes: u64,
    from: ExamplePlace,
    to: ExamplePlace,
    /// Both are left out where there is no price.
    sender: Option<Price>,
    receiver: Option<Price>,
}

/// Where the bytes of an [`Example`] come from or go to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ExamplePlace {
    zone: Option<Zone>,
    zone_id: Option<ZoneId>,
    region: Option<Region>,
    network: Option<Name>,
    #[serde(default)]
    billed: Billed,
    #[serde(default)]
    internet: bool,
}

impl Example {
    /// The edge that the bytes took.
    pub fn edge(&self) -> Edge<'_> {
        Edge {
            source: self.from.place(),
            destination: self.to.place(),
            locality: Locality::between(&self.from.site(), &self.to.site()),
        }
    }

    /// What sender and receiver pay, in nano-units of the currency; `None` where there is no price.
    pub fn expected(&self) -> Option<(u64, u64)> {
        Some((self.sender?.scaled(), self.receiver?.scaled()))
    }
}

impl ExamplePlace {
    fn site(&self) -> Site {
        if self.internet {
            return Site::Internet;
        }
        Site::from(Located {
            node: None,
            zone: self.zone.clone(),
            zone_id: self.zone_id.clone(),
            region: self.region.clone(),
        })
    }

    fn place(&self) -> Place<'_> {
        let location = Location {
            zone: self.zone.as_ref(),
            zone_id: self.zone_id.as_ref(),
            region: self.region.as_ref(),
        };
        match &self.network {
            _ if self.internet => Place::Internet,
            None => Place::Cluster(location),
            Some(name) => Place::Network {
                name,
                billed: self.billed,
                location,
            },
        }
    }
}
