//! The decoders of what comes from outside, for the fuzz targets.

use serde::Deserializer;

use crate::file::FileView;
use crate::networks::Networks;
use crate::{NodeState, PodState, Problem};

/// Reads the text of a topology file.
///
/// # Errors
///
/// What is wrong with it.
pub fn file(text: &str) -> Result<FileView, Problem> {
    crate::file::parse_text(text)
}

/// Reads the text of a networks file.
///
/// # Errors
///
/// What is wrong with it.
pub fn networks(text: &str) -> Result<Networks, Problem> {
    text.parse()
}

/// Reads a pod.
pub fn pod<'de, D: Deserializer<'de>>(object: D) -> Option<PodState> {
    crate::kubernetes::parse_pod(object)
}

/// Reads a node.
pub fn node<'de, D: Deserializer<'de>>(object: D) -> Option<NodeState> {
    crate::kubernetes::parse_node(object)
}
