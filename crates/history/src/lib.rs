//! Traffic over time: by minute, by hour and by day, exact and in bounded room.
//!
//! ```text
//! a window's edges ──spread()──▶ what each minute has ──▶ Chunks of minutes, of hours, of days
//!                                                             │ to_bytes()
//!                                                             ▼
//!                                  rows on disk, which add up ──merge()──▶ fewer rows
//! ```
//!
//! What is kept is told by a [`SeriesId`]; who that is knows the caller. All sums are exact: the minutes
//! of a window sum to the window, hours to their minutes, days to their hours.

mod chunk;
mod resolution;
mod spread;
mod varint;

pub use chunk::{Cell, Chunk, Damaged, Reader, SeriesId, merge};
pub use resolution::{ChunkStart, Resolution};
pub use spread::spread;
