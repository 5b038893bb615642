//! Randomness that decides nothing about security: jitter of back-offs. Keys and ids come from the keys port.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};

/// A source of random numbers.
pub trait Entropy: fmt::Debug + Send + Sync {
    /// The next 64 bits.
    fn next(&self) -> u64;
}

/// The machine's.
#[derive(Clone, Copy, Debug, Default)]
pub struct MachineEntropy;

impl Entropy for MachineEntropy {
    fn next(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}
