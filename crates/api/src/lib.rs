//! The words of `/api/v1`: what can be asked of the server, and what it answers.
//!
//! ```text
//! GET /api/v1/summary   Asked              ─▶ Summary    what it is now, this month, and before
//!             matrix    Asked, MatrixAsked ─▶ Matrix     zone × zone, region × region
//!             top       Asked, TopAsked    ─▶ Top        who has the most of it
//!             series    Asked, SeriesAsked ─▶ Series     the same over time
//!             flows     Asked, FlowsAsked  ─▶ Flows      the last windows, flow by flow
//!             costs.csv Asked, CostsAsked  ─▶ CSV        for charge-back, in the shape of FOCUS
//!             health                       ─▶ Health     whether to believe it
//!             version                      ─▶ Version
//!             openapi.json                 ─▶ all this, for machines
//! ```
//!
//! The server writes these, `kubectl-zonnet` and the dashboard read them. Fields are added over time
//! and never change their meaning: who reads takes no offence at one it does not know.
//!
//! Bytes and packets are whole numbers. Money is a decimal as text, `"12.345678"`, in the currency that the
//! answer names: a number of JSON would not hold it exactly. Parts of an answer sum to its totals to the
//! last digit. Times are RFC 3339 in UTC.

mod asked;
mod columns;
mod end;
mod flows;
mod formula;
mod health;
mod matrix;
mod measure;
mod problem;
mod range;
mod series;
mod summary;
mod top;
mod version;

pub use asked::{
    Asked, CostsAsked, FlowsAsked, Format, FormatAsked, Granularity, MatrixAsked, Of, Places, Rank,
    SeriesAsked, SeriesBy, TopAsked,
};
pub use end::{End, EndKind, Service, Workload};
pub use flows::{Address, Flow, Flows};
pub use formula::guarded;
pub use health::{Agent, AgentState, Health, History, Prices, Store, Topology, UnseenBudget};
pub use matrix::{Matrix, MatrixCell};
pub use measure::{Gap, LocalityName, Measure, Measures, Money};
pub use problem::Problem;
pub use range::{Range, ResolutionName};
pub use series::{Line, Point, Series};
pub use summary::{LocalityShare, Month, RateNow, Summary, UnknownShare, Unpriced};
pub use top::{Amount, Item, Key, Top};
pub use version::Version;
