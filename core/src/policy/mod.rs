//! The policy language: text -> checked model -> interval tables -> decisions.
//!
//! `load` reads and checks TOML (every problem with line, column and suggestion), `table` derives a session's flat table,
//! `decide` searches it, `explain`, `lint` and `diff` look at the same model. Nothing else in the product knows the language.

pub mod ask;
pub mod batch;
pub mod calendar;
pub mod conditions;
pub mod diff;
pub mod differences;
pub mod document;
pub mod explain;
pub mod lint;
mod load;
pub mod model;
mod naming;
mod place;
mod point;
pub mod problem;
pub mod replay;
mod report;
#[cfg(test)]
mod riverside;
pub mod show;
mod suggest;
mod syntax;
pub mod table;
pub mod time;
mod tree;
pub mod values;
mod words;

/// The port of plain Modbus/TCP.
pub const PLAIN_PORT: u16 = 502;
/// The port of Modbus/TCP Security.
pub const TLS_PORT: u16 = 802;

pub use load::{Checked, MAX_BYTES, check, load};
pub use model::Policy;
pub use problem::{Finding, Loaded, Problem, Severity};
pub(crate) use tree::is_name;
