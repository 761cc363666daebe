//! The prices that hold: a table, what the operator says before it, and what is switched on.

use std::fmt;
use std::hash::Hasher;

use kubezonnet_model::{Billed, Locality};
use serde::{Deserialize, Serialize};

use crate::decimal::{Factor, Percent, Price};
use crate::edge::PerClass;
use crate::form;
use crate::overrides::Free;
use crate::region::{Groups, Selector};
use crate::rule::Rules;
use crate::{
    Charges, Class, Cloud, Currency, Edge, Gap, LeftOut, Overrides, Payer, Place, PriceTable,
    Problem, Rate, Unit,
};

#[cfg(test)]
mod tests;

/// Which text [`PriceBook::to_text`] writes.
const FORMAT: u32 = 1;

/// The prices that hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PriceBook {
    format: u32,
    cloud: Option<Cloud>,
    currency: Currency,
    unit: Unit,
    /// Whether bytes to the internet are charged.
    internet_on: bool,
    between_zones: Option<Zones>,
    discounts: PerClass<Percent>,
    calibration: PerClass<Factor>,
    groups: Groups,
    free: Free,
    /// The operator's before the table's.
    between_regions: Rules,
    internet: Rules,
}

/// What bytes between two zones cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Zones {
    price: Price,
    paid_by: Payer,
}

/// Why there is no book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The operator's file contradicts itself or the table.
    #[error(transparent)]
    Invalid(#[from] Problem),
    /// Without a table the file must say it itself.
    #[error("without a cloud's table the file must say its {0}")]
    Missing(&'static str),
    /// A text that is none of a book's.
    #[error("this is no price book: {0}")]
    Text(String),
}

/// Which book: two of the same prices have the same version, whenever and wherever they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl PriceBook {
    /// Puts the operator's prices before a cloud's. `internet_on` says whether bytes to the internet are
    /// charged.
    ///
    /// # Errors
    ///
    /// [`BookError`] if the file names a group that there is not, has two prices for the same regions or
    /// another currency than the table, or leaves out what no table says.
    pub fn new(
        table: Option<&PriceTable>,
        overrides: &Overrides,
        internet_on: bool,
    ) -> Result<Self, BookError> {
        let theirs = form::groups(&overrides.groups)?;
        let groups = match table {
            Some(table) => table.groups.replaced_by(&theirs),
            None => theirs,
        };
        let none = Rules::default();
        let list = |of: fn(&PriceTable) -> &Rules| table.map_or(&none, of);
        let between_regions = form::regions(&overrides.between_regions, &groups)?;
        let internet = form::internet(&overrides.internet, &groups)?;
        let unit = overrides.unit.or(table.map(PriceTable::unit));
        Ok(Self {
            format: FORMAT,
            cloud: table.map(PriceTable::cloud),
            currency: currency(table, overrides)?,
            unit: unit.ok_or(BookError::Missing("unit"))?,
            internet_on,
            between_zones: zones(table, overrides)?,
            discounts: overrides.discounts,
            calibration: overrides.calibration,
            free: free(overrides, &groups)?,
            groups,
            between_regions: between_regions.before(list(|table| &table.between_regions)),
            internet: internet.before(list(|table| &table.internet)),
        })
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    ///
    /// [`BookError::Text`] if it is not that.
    pub fn from_text(text: &str) -> Result<Self, BookError> {
        let book: Self =
            toml::from_str(text).map_err(|error| BookError::Text(error.to_string()))?;
        if book.format == FORMAT {
            Ok(book)
        } else {
            let message = format!("its format is {}, known is {FORMAT}", book.format);
            Err(BookError::Text(message))
        }
    }

    /// Writes everything that the book charges by, and nothing else: to be kept with the bytes that
    /// were counted while it held, so that they cost later what they cost then.
    ///
    /// # Panics
    ///
    /// Never: a book is of strings, numbers, lists, and maps by name.
    pub fn to_text(&self) -> String {
        toml::to_string(self).expect("a book is of strings, numbers, lists, and maps by name")
    }

    /// Which book this is.
    pub fn version(&self) -> Version {
        // A fixed function of the text: versions are kept, and must be the same in the next release.
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(self.to_text().as_bytes());
        Version(hasher.finish())
    }

    /// The cloud whose table it is made of, if it is.
    pub fn cloud(&self) -> Option<Cloud> {
        self.cloud
    }

    /// What its amounts are in.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// What a sum of its costs does not have in it, beside the bytes that have no price.
    pub fn left_out(&self) -> Vec<LeftOut> {
        let internet = (!self.internet_on).then_some(LeftOut::Internet);
        LeftOut::ALWAYS.into_iter().chain(internet).collect()
    }

    /// What a byte of an edge costs its sender and its receiver.
    pub fn charges(&self, edge: &Edge<'_>) -> Charges {
        let pays = Pays::of(edge);
        // What costs nothing wherever it goes does so too where nobody knows how far that is.
        if pays.nobody() || self.free.has(edge, &self.groups) {
            return Charges::FREE;
        }
        let class = match edge.locality {
            Locality::SameNode | Locality::SameZone => return Charges::FREE,
            Locality::Unknown(_) => return Charges::missing(Gap::UnknownPlace),
            Locality::CrossZone => Class::BetweenZones,
            Locality::CrossRegion => Class::BetweenRegions,
            // Nobody charges for what comes from there.
            Locality::Internet if edge.source == Place::Internet => return Charges::FREE,
            Locality::Internet if !self.internet_on => return Charges::missing(Gap::InternetOff),
            Locality::Internet => Class::Internet,
        };
        let Some((price, paid_by)) = self.price(class, edge) else {
            return Charges::missing(Gap::UnlistedRate);
        };
        let (discount, factor) = (self.discounts.get(class), self.calibration.get(class));
        let rate = Rate::new(price, self.unit, discount, factor);
        let if_paid = |pays| if pays { rate } else { Rate::ZERO };
        Charges {
            sender: if_paid(paid_by.sender() && pays.sender),
            receiver: if_paid(paid_by.receiver() && pays.receiver),
            gap: None,
        }
    }

    fn price(&self, class: Class, edge: &Edge<'_>) -> Option<(Price, Payer)> {
        let from = edge.source.location().region;
        let to = edge.destination.location().region;
        let rules = match class {
            Class::BetweenZones => {
                return self.between_zones.map(|zones| (zones.price, zones.paid_by));
            }
            Class::BetweenRegions => &self.between_regions,
            Class::Internet => &self.internet,
        };
        let rule = rules.find(&self.groups, from, to)?;
        Some((rule.price, rule.paid_by))
    }
}

/// Which sides of an edge are charged at all: a named network may say that one is not.
struct Pays {
    sender: bool,
    receiver: bool,
}

impl Pays {
    fn of(edge: &Edge<'_>) -> Self {
        // What a network says of the cluster's side holds for the other end, be it a network too.
        let cluster = |billed| matches!(billed, Billed::Both | Billed::Cluster);
        let network = |billed| matches!(billed, Billed::Both | Billed::Network);
        let says = |place: &Place<'_>| place.network().map_or(Billed::Both, |(_, billed)| billed);
        let (source, destination) = (says(&edge.source), says(&edge.destination));
        Self {
            sender: network(source) && cluster(destination),
            receiver: cluster(source) && network(destination),
        }
    }

    const fn nobody(&self) -> bool {
        !self.sender && !self.receiver
    }
}

fn currency(table: Option<&PriceTable>, overrides: &Overrides) -> Result<Currency, BookError> {
    match (table.map(PriceTable::currency), &overrides.currency) {
        (Some(listed), Some(theirs)) if theirs.value != listed => {
            let message = format!(
                "the table is in {listed}: prices in {} need all prices in this file, and no cloud",
                theirs.value
            );
            Err(form::problem(theirs, message).into())
        }
        (Some(listed), _) => Ok(listed),
        (None, Some(theirs)) => Ok(theirs.value),
        (None, None) => Err(BookError::Missing("currency")),
    }
}

fn zones(table: Option<&PriceTable>, overrides: &Overrides) -> Result<Option<Zones>, BookError> {
    let listed = table.and_then(|table| table.between_zones.as_ref());
    let Some(theirs) = overrides.between_zones.as_ref().or(listed) else {
        return Ok(None);
    };
    let paid_by = theirs.paid_by.or(listed.and_then(|zones| zones.paid_by));
    let paid_by = paid_by.ok_or_else(|| {
        let message = "no table says who pays between zones: paidBy is missing".to_owned();
        form::problem(&theirs.price, message)
    })?;
    Ok(Some(Zones {
        price: theirs.price.value,
        paid_by,
    }))
}

fn free(overrides: &Overrides, groups: &Groups) -> Result<Free, Problem> {
    let known = |selector| form::selector(Some(selector), groups);
    let regions = overrides.free.regions.iter();
    let regions: Result<Vec<(Selector, Selector)>, Problem> = regions
        .map(|(one, other)| Ok((known(one)?, known(other)?)))
        .collect();
    Ok(Free {
        zones: overrides.free.zones.clone(),
        regions: regions?,
        networks: overrides.free.networks.clone(),
    })
}
