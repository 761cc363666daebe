//! What bytes cost, by the prices in force.

use std::fmt;

use kubezonnet_pricing::{Amount, Cloud, Gap, decimal};

use super::{Family, Kind, Samples, Scrape};

/// The families of this file; none has samples where no prices are in force.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_cost_total",
        kind: Kind::Counter,
        labels: &[
            "currency",
            "namespace",
            "kind",
            "workload",
            "zone",
            "locality",
        ],
        help: "Money that a workload pays for its own side of its traffic, since the server started",
        write: parties,
    },
    Family {
        name: "kubezonnet_zone_cost_total",
        kind: Kind::Counter,
        labels: &["currency", "src_zone", "dst_zone"],
        help: "Money that both sides pay for traffic from zone to zone, since the server started",
        write: zones,
    },
    Family {
        name: "kubezonnet_unpriced_bytes_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "IP bytes that no sum of costs has in it, since the server started",
        write: unpriced,
    },
    Family {
        name: "kubezonnet_cost_left_out",
        kind: Kind::Gauge,
        labels: &["charge"],
        help: "Always 1, for each kind of charge that no sum of costs has in it",
        write: left_out,
    },
    Family {
        name: "kubezonnet_prices_info",
        kind: Kind::Gauge,
        labels: &["cloud", "currency", "version"],
        help: "Always 1, with the prices in force",
        write: info,
    },
    Family {
        name: "kubezonnet_prices_stale",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 if the prices in force were looked up more than a year ago",
        write: stale,
    },
];

/// Digits after the point: what is beyond is rounded down, so that no counter falls.
const DIGITS: u8 = 9;

/// An amount as samples have it.
pub(super) fn money(amount: Amount) -> f64 {
    let text = decimal(amount.floor(DIGITS), DIGITS);
    text.parse().expect("a decimal is a number")
}

fn parties(scrape: &Scrape, samples: &mut Samples<'_>) -> fmt::Result {
    let Some(prices) = &scrape.prices else {
        return Ok(());
    };
    let currency = prices.in_force.book.currency();
    for (party, amount) in &prices.costs.parties {
        let [namespace, kind, workload] = party.who.labels();
        let labels = [
            currency.as_str(),
            namespace,
            kind,
            workload,
            &party.zone,
            party.locality.as_str(),
        ];
        samples.fraction(&labels, money(*amount))?;
    }
    Ok(())
}

fn zones(scrape: &Scrape, samples: &mut Samples<'_>) -> fmt::Result {
    let Some(prices) = &scrape.prices else {
        return Ok(());
    };
    let currency = prices.in_force.book.currency();
    for ([from, to], amount) in &prices.costs.zones {
        samples.fraction(&[currency.as_str(), from, to], money(*amount))?;
    }
    Ok(())
}

fn unpriced(scrape: &Scrape, samples: &mut Samples<'_>) -> fmt::Result {
    let Some(prices) = &scrape.prices else {
        return Ok(());
    };
    for gap in Gap::ALL {
        let bytes = prices.costs.unpriced.get(&gap).copied().unwrap_or_default();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        samples.counter(&[gap.reason()], bytes)?;
    }
    Ok(())
}

fn left_out(scrape: &Scrape, samples: &mut Samples<'_>) -> fmt::Result {
    let Some(prices) = &scrape.prices else {
        return Ok(());
    };
    for charge in prices.in_force.book.left_out() {
        samples.gauge(&[charge.as_str()], &1_u32)?;
    }
    Ok(())
}

fn info(scrape: &Scrape, samples: &mut Samples<'_>) -> fmt::Result {
    let Some(prices) = &scrape.prices else {
        return Ok(());
    };
    let book = &prices.in_force.book;
    let cloud = book.cloud().map_or("none", Cloud::as_str);
    let version = book.version().to_string();
    samples.gauge(&[cloud, book.currency().as_str(), &version], &1_u32)
}

fn stale(scrape: &Scrape, samples: &mut Samples<'_>) -> fmt::Result {
    match &scrape.prices {
        Some(prices) => samples.gauge(&[], &u32::from(prices.is_stale)),
        None => Ok(()),
    }
}
