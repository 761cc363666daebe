//! The words of kubezonnet, as plain types.
//!
//! ```text
//! capture ─▶ FlowRecord ─▶ FlowBatch ─▶ (wire) ─▶ server: Endpoint × Endpoint ─▶ Locality
//! ```
//!
//! [`FlowBatch`] is what an agent reports: everything its node's hooks counted in one window.
//! [`Endpoint`] and [`Site`] are what the server makes of an address, and [`Locality::between`]
//! is the one rule that says what kind of boundary a byte crossed.
//!
//! Nothing in this crate does I/O, reads a clock or is async.

mod address;
mod batch;
mod endpoint;
mod excerpt;
mod flow;
mod locality;
mod name;
mod time;

pub use address::AddressKind;
pub use batch::{
    BatchHeader, BypassJudge, Coverage, Epoch, FlowBatch, SkipReason, Skipped, Total, TotalKind,
    Uplinks,
};
pub use endpoint::{
    Billed, Endpoint, Labels, Network, NetworkKind, Node, Pod, Service, UnknownReason, Workload,
};
pub use excerpt::excerpt;
pub use flow::{
    Family, FlowCounters, FlowKey, FlowRecord, Hook, InterfaceClass, ObservationPoint, PodUid,
    PortSide, Protocol, ServicePort, SocketOwner, Transport,
};
pub use locality::{Direction, Locality, Located, Site};
pub use name::{InvalidName, Name, Namespace, NodeName, Region, Zone, ZoneId};
pub use time::{Timestamp, Window};
