//! Real traffic through real hooks, between the pods and nodes of clusters of network namespaces.

mod exact;
mod limits;
mod nodes;
