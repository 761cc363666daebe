//! What bytes cost: from edges and price tables to exact money.
//!
//! ```text
//! tables/<cloud>.toml ─▶ PriceTable ─┐
//!                                    ├─▶ PriceBook ──charges(edge)──▶ Charges ──cost(bytes)──▶ Cost
//! the operator's YAML ─▶ Overrides ──┘    version()                   sender and receiver, exact
//!                                                                        │ summed over edges
//!                                                                        ▼
//!                                                                   apportion()    rounded once
//! ```
//!
//! A [`PriceTable`] is what a cloud lists, with its source and date. [`Overrides`] are what one operator
//! pays. A [`PriceBook`] is both together: it says what each side of an [`Edge`] is charged for a byte,
//! and why an edge has no price. [`Amount`]s are exact; [`apportion`] rounds them once, at the end, so
//! that parts sum to their whole. docs/pricing.md describes rules, tables and the file.
//!
//! The caller keeps bytes for each edge and [`Version`] of the book, and works out money when it is
//! read. So a price that changes is a new version for new bytes, and no sum ever falls.
//!
//! There is no floating point in this crate, and nothing does I/O or reads a clock.

mod amount;
mod book;
mod budgets;
mod cloud;
mod date;
mod decimal;
mod edge;
mod form;
mod left_out;
mod overrides;
mod rate;
mod region;
mod rule;
mod table;

pub use amount::{Amount, Cost, apportion, apportion_to, decimal};
pub use book::{BookError, PriceBook, Version};
pub use budgets::{Account, Budgets};
pub use cloud::{Cloud, MixedClouds, UnknownCloud};
pub use date::{Retrieved, Stale};
pub use edge::{Bill, Charges, Class, Edge, Gap, Location, Place};
pub use left_out::LeftOut;
pub use overrides::{Overrides, Problem};
pub use rate::{Currency, Payer, Rate, Unit};
pub use table::{Example, PriceTable};
