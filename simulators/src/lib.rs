//! Test peers and plant scenarios, on tokio-modbus: never part of the daemon.
//!
//! tokio-modbus stands here for what others have in their plants. It may not stand in the daemon: one 14-byte frame panics its
//! decoder, and it lets a write hide behind a read.

pub mod capture;
pub mod chance;
pub mod load;
pub mod master;
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "peers have sockets, tasks and clocks of their own, beside the gateway"
)]
pub mod plant;
#[expect(clippy::disallowed_types, reason = "peers have sockets of their own, beside the gateway")]
pub mod plc;
pub mod script;
pub mod secure;
pub mod wire;

pub use tokio_modbus::{Request, Response};
