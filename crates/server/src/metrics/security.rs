//! Certificates and other credentials, and how tokens were reviewed.

use super::{Family, Kind};

/// The families of this file.
pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "kubezonnet_certificate_expiry_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["credential"],
        help: "When the certificate that is used now ends, in seconds since 1970",
        write: |scrape, samples| {
            for (credential, end) in &scrape.security.ends {
                samples.gauge(&[credential.as_str()], &(end.0 / 1000))?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_credential_reload_failures_total",
        kind: Kind::Counter,
        labels: &["credential"],
        help: "Times that a newer certificate or token could not be had; the old one stayed in use",
        write: |scrape, samples| {
            for (credential, failures) in &scrape.security.failures {
                samples.counter(&[credential.as_str()], *failures)?;
            }
            Ok(())
        },
    },
    Family {
        name: "kubezonnet_server_token_reviews_total",
        kind: Kind::Counter,
        labels: &["outcome"],
        help: "Reviews of agents' tokens by Kubernetes; what was known already is not asked again",
        write: |scrape, samples| {
            for (outcome, reviews) in &scrape.security.reviews {
                samples.counter(&[outcome.as_str()], *reviews)?;
            }
            Ok(())
        },
    },
];
