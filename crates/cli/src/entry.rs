//! A line of a list of the largest, as it is shown by `top` and by `cost`.

use kubezonnet_api::{Amount, Item, Key, LocalityName, Money};

use crate::failure::Failure;
use crate::key;
use crate::text::{self, Micros};

/// One of the largest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whom it is of: names alone do not tell it from all others.
    pub key: Key,
    /// Who; of a pair, who sends.
    pub name: String,
    /// Of a pair, who receives.
    pub peer: Option<String>,
    /// Of a pair, across which boundary.
    pub locality: Option<LocalityName>,
    /// Of a pair, from where to where, if that is told.
    pub zones: Option<(String, String)>,
    /// What is counted of it.
    pub size: Size,
    /// The same in the time before.
    pub before: Option<Size>,
    /// Bytes over the time.
    pub trend: Vec<u64>,
}

/// How much it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Bytes: of a pair or Service, or sent and received.
    pub bytes: u128,
    /// Packets of these.
    pub packets: u128,
    /// Sent and received by themselves.
    pub sides: Option<Sides>,
    /// Money, if there is a price.
    pub cost: Option<Micros>,
}

/// What somebody sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sides {
    /// Bytes.
    pub sent: u64,
    /// Bytes.
    pub received: u64,
    /// Bytes of both that crossed zones, regions or the cluster's edge.
    pub crossing: u64,
}

impl Entry {
    /// Reads what the server said.
    ///
    /// # Errors
    ///
    /// If an amount is none.
    pub fn read(item: &Item) -> Result<Self, Failure> {
        Ok(Self {
            key: item.key.clone(),
            name: text::printable(&key::name(&item.key)).into_owned(),
            peer: key::peer(&item.key).map(|peer| text::printable(&peer).into_owned()),
            locality: key::boundary(&item.key),
            zones: key::zones(&item.key),
            size: Size::read(&item.amount)?,
            before: item.before.as_ref().map(Size::read).transpose()?,
            trend: item.trend.clone(),
        })
    }

    /// By what its share is told: money, where there is any, or bytes.
    pub fn weight(&self, has_prices: bool) -> u128 {
        match self.size.cost {
            Some(cost) if has_prices => cost.0,
            _ if has_prices => 0,
            _ => self.size.bytes,
        }
    }

    /// How it changed against the time before.
    pub fn change(&self) -> Option<String> {
        let before = self.before.as_ref()?;
        Some(match (self.size.cost, before.cost) {
            (Some(now), Some(before)) if now.0 > 0 || before.0 > 0 => text::change(now.0, before.0),
            _ => text::change(self.size.bytes, before.bytes),
        })
    }

    /// Whether a text occurs in its names; letters as they come.
    pub fn has(&self, wanted: &str) -> bool {
        let wanted = wanted.to_lowercase();
        let names = [Some(&self.name), self.peer.as_ref()];
        let mut words = names.into_iter().flatten().cloned().collect::<Vec<_>>();
        words.extend(self.locality.map(|name| key::locality(name).to_owned()));
        if let Some((from, to)) = &self.zones {
            words.extend([from.clone(), to.clone()]);
        }
        words
            .iter()
            .any(|word| word.to_lowercase().contains(&wanted))
    }
}

impl Size {
    fn read(amount: &Amount) -> Result<Self, Failure> {
        Ok(match amount {
            Amount::Party(party) => Self {
                bytes: u128::from(party.sent_bytes) + u128::from(party.received_bytes),
                packets: u128::from(party.sent_packets) + u128::from(party.received_packets),
                sides: Some(Sides {
                    sent: party.sent_bytes,
                    received: party.received_bytes,
                    crossing: party.crossing_bytes,
                }),
                cost: money(party.known_cost())?,
            },
            Amount::Between(between) => Self {
                bytes: between.bytes.into(),
                packets: between.packets.into(),
                sides: None,
                cost: money(between.known_cost())?,
            },
        })
    }
}

/// An amount, if there is one.
///
/// # Errors
///
/// If it is none.
pub fn money(money: Option<&Money>) -> Result<Option<Micros>, Failure> {
    Ok(money.map(Micros::try_from).transpose()?)
}

/// Bytes of both sides, saturated for what takes no more.
pub fn saturated(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
