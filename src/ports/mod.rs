//! What the gateway needs from the world besides sockets.

pub mod clock;
pub mod disk;
pub mod journal;
pub mod keys;
pub mod store;
