//! The doors: each protocol's way in. They name core and services, never ports.

pub mod local;
pub mod modbus;
mod tls;
