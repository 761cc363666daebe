//! The live view: what is on the screen as a value, what keys do to it, and how it is drawn.
//!
//! ```text
//! keys ─▶ State ◀─ answers of the server
//!           │
//!           ▼
//!         draw
//! ```
//!
//! Nothing here reads a clock or the terminal: the command `top` does.

mod draw;
mod keys;
mod state;

pub use self::draw::{Moment, draw};
pub use self::keys::{Done, press};
pub use self::state::{Answered, Overlay, State, Times, Wanted};
