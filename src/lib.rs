//! Bulkhead: the wall between a zone of PLCs and everything else.
//!
//! One path, five steps, whatever the protocol: `accept` (a door) -> `authenticate` (`service::sessions`) -> `classify` (the
//! door) -> `judge` (`service::gate`) -> `forward` (the door, with nothing but a permit). Modules name only what stands to
//! their left: core <- ports <- service <- doors <- app <- cli; `net`, `tasks`, `entropy`, `config` and `telemetry` are leaves.

pub mod app;
pub mod cli;
pub mod config;
pub mod doors;
pub mod entropy;
pub mod net;
pub mod ports;
pub mod service;
pub mod tasks;
pub mod telemetry;
