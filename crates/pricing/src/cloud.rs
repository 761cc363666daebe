//! Which cloud a cluster runs on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A cloud that there is a price table of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
    /// Oracle Cloud Infrastructure.
    Oci,
    /// Alibaba Cloud.
    Alibaba,
}

/// A name that is none of a cloud's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no price table of {0:?}: there are aws, gcp, azure, oci and alibaba")]
pub struct UnknownCloud(pub String);

/// Nodes of more than one cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("some nodes are of {0} and some of {1}: say which prices hold")]
pub struct MixedClouds(pub Cloud, pub Cloud);

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 5] = [Self::Aws, Self::Gcp, Self::Azure, Self::Oci, Self::Alibaba];

    /// The name in flags, files and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::Oci => "oci",
            Self::Alibaba => "alibaba",
        }
    }

    /// The cloud of a node, by its `spec.providerID`; `None` if it says nothing of one of these.
    pub fn of_provider_id(id: &str) -> Option<Self> {
        if let Some((scheme, _)) = id.split_once("://") {
            return match scheme {
                "aws" => Some(Self::Aws),
                "gce" => Some(Self::Gcp),
                "azure" => Some(Self::Azure),
                "oci" => Some(Self::Oci),
                "alicloud" => Some(Self::Alibaba),
                _ => None,
            };
        }
        // Oracle's own identifiers, as its managed nodes have them.
        if id.starts_with("ocid1.") {
            return Some(Self::Oci);
        }
        // Alibaba's: a region and an instance.
        let (region, instance) = id.split_once('.')?;
        let is_region = region.contains('-')
            && region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (is_region && instance.starts_with("i-")).then_some(Self::Alibaba)
    }

    /// The cloud of a cluster, by its nodes' `spec.providerID`s; `None` if no node tells.
    ///
    /// # Errors
    ///
    /// [`MixedClouds`] if nodes tell of two.
    pub fn of_nodes<'a>(
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Self>, MixedClouds> {
        let mut found = None;
        for cloud in ids.into_iter().filter_map(Self::of_provider_id) {
            match found {
                Some(first) if first != cloud => return Err(MixedClouds(first, cloud)),
                _ => found = Some(cloud),
            }
        }
        Ok(found)
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(name: &str) -> Result<Self, UnknownCloud> {
        let found = Self::ALL.into_iter().find(|cloud| cloud.as_str() == name);
        found.ok_or_else(|| UnknownCloud(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_tells_its_cloud() {
        let cases = [
            ("aws:///us-east-1a/i-0123456789abcdef0", Some(Cloud::Aws)),
            (
                "aws:///eu-west-1b/0f2c/fargate-ip-10-0-0-1.eu-west-1.compute.internal",
                Some(Cloud::Aws),
            ),
            ("gce://shop/europe-west1-b/gke-shop-1", Some(Cloud::Gcp)),
            (
                "azure:///subscriptions/0/resourceGroups/shop/providers/Microsoft.Compute/virtualMachines/n1",
                Some(Cloud::Azure),
            ),
            ("oci://ocid1.instance.oc1.phx.abc", Some(Cloud::Oci)),
            ("ocid1.instance.oc1.phx.abc", Some(Cloud::Oci)),
            ("alicloud://cn-hangzhou.i-bp1", Some(Cloud::Alibaba)),
            ("cn-hangzhou.i-bp1", Some(Cloud::Alibaba)),
            ("ap-southeast-1.i-t4n", Some(Cloud::Alibaba)),
            ("kind://docker/kind/kind-worker", None),
            ("k3s://node-1", None),
            ("node.i-1", None),
            ("example.org", None),
            ("aws", None),
            ("", None),
        ];
        for (id, cloud) in cases {
            assert_eq!(Cloud::of_provider_id(id), cloud, "{id}");
        }
    }

    #[test]
    fn nodes_of_two_clouds_are_refused_and_silent_ones_do_not_matter() {
        let aws = "aws:///us-east-1a/i-0";
        let gce = "gce://shop/europe-west1-b/n1";

        assert_eq!(Cloud::of_nodes(["", aws, aws]), Ok(Some(Cloud::Aws)));
        assert_eq!(Cloud::of_nodes(["", "kind://a/b/c"]), Ok(None));
        assert_eq!(
            Cloud::of_nodes([aws, "", gce]),
            Err(MixedClouds(Cloud::Aws, Cloud::Gcp))
        );
    }

    #[test]
    fn every_cloud_is_read_by_its_name() {
        for cloud in Cloud::ALL {
            assert_eq!(cloud.as_str().parse(), Ok(cloud));
        }
        assert_eq!(
            "ibm".parse::<Cloud>().unwrap_err().to_string(),
            "there is no price table of \"ibm\": there are aws, gcp, azure, oci and alibaba"
        );
    }
}
