//! A small plant on loopback addresses: devices, masters, and the files of a gateway to stand between them.
//!
//! The devices listen at 127.N.1.x, the gateway is to listen at 127.N.9.x, the masters come from 127.N.9.x. Nothing listens beyond
//! 127.0.0.0/8. Which bulkhead commands to type is printed, and written beside the gateway's files.

mod device;
mod files;
mod keys;
mod run;
mod scenario;
mod station;
mod tally;

pub use files::Folder;
pub use run::{Options, Told, run};
pub use scenario::{ALL, DeviceSpec, Scenario, StationSpec, Step};
pub use tally::{DeviceReport, Report, StationReport};
