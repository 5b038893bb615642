//! The journal as data: records, the chain that binds them, and its verification.

pub mod chain;
pub mod record;
pub mod target;
pub mod verify;
