//! How things are written for people: bytes, money, time, names, small pictures, and tables of them.

mod bytes;
mod moment;
mod money;
mod name;
mod picture;
mod table;

pub use self::bytes::{bytes, change, count, rate, share};
pub use self::moment::{clock, seconds, span};
pub use self::money::{BadMoney, Micros, Scale};
pub use self::name::{line, one_line, printable, shorten, width, wrap};
pub use self::picture::{bar, sparkline};
pub use self::table::{Align, Cell, Column, Look, Table, Tone};
