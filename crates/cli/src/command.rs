//! One module for each command.

pub mod check;
pub mod cost;
pub mod flows;
pub mod manual;
pub mod matrix;
pub mod top;
pub mod version;
