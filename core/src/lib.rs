//! Bulkhead's decisions: pure functions of bytes, policy, evidence and a moment.
//!
//! Nothing here opens a file or a socket, reads a clock or draws a random number: `now` is an argument, and what must be
//! sent or written is returned. So every decision can be explained, replayed and judged by an oracle.
#![forbid(unsafe_code)]

pub mod access;
pub mod decision;
pub mod digest;
pub mod identity;
pub mod journal;
pub mod limits;
pub mod moment;
pub mod names;
pub mod policy;
pub mod wire;
pub mod world;
pub mod x509;
