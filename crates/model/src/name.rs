//! Newtypes for the names that could be swapped for one another.
//!
//! Each is a shared string: cloning one is a reference count, so that an index can hold the same
//! zone or namespace for thousands of pods. None of them is ever empty.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name that is accepted, in bytes: Kubernetes' own limit for object names and a
/// multiple of what it allows for a label's value.
const MAX_BYTES: usize = 253;

/// A name was empty, too long, or held a control character.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {kind} must have 1 to {MAX_BYTES} bytes and no control characters, got {value:?}")]
pub struct InvalidName {
    /// What kind of name it was to be.
    pub kind: &'static str,
    /// The text that was refused, cut to the limit.
    pub value: String,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Makes one from text.
            ///
            /// # Errors
            ///
            /// [`InvalidName`] if the text is empty, longer than 253 bytes, or holds a control
            /// character.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                if text.is_empty() || text.len() > MAX_BYTES || text.chars().any(char::is_control) {
                    let value = text.chars().take(MAX_BYTES).collect();
                    return Err(InvalidName { kind: $kind, value });
                }
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            /// Refuses what [`new`](Self::new) refuses.
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(de::Error::custom)
            }
        }

        impl std::str::FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }
    };
}

name!(
    /// The name of a node, as Kubernetes (or the topology file) has it.
    NodeName, "node name"
);
name!(
    /// A Kubernetes namespace.
    Namespace, "namespace"
);
name!(
    /// The name of an object within its namespace: a pod's, a workload's.
    Name, "name"
);
name!(
    /// An availability zone, as the node's label `topology.kubernetes.io/zone` has it.
    Zone, "zone"
);
name!(
    /// An availability zone by the name that is the same in all accounts, as the node's label
    /// `topology.k8s.aws/zone-id` has it: on AWS `us-east-1a` is another zone in another account,
    /// and `use1-az1` is not.
    ZoneId, "zone id"
);
name!(
    /// A region, as the node's label `topology.kubernetes.io/region` has it.
    Region, "region"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_empty_too_long_or_full_of_control_characters() {
        for bad in ["", "a\nb", "\0", &"x".repeat(254)] {
            assert!(Zone::new(bad).is_err(), "{bad:?} was taken");
        }
        assert_eq!(Zone::new("eu-west-1a").unwrap().as_str(), "eu-west-1a");
    }

    #[test]
    fn the_message_says_what_kind_of_name_was_refused() {
        let message = NodeName::new("").unwrap_err().to_string();
        assert_eq!(
            message,
            "a node name must have 1 to 253 bytes and no control characters, got \"\""
        );
    }
}
