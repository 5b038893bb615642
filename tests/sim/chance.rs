//! Randomness of the plant: drawn by component and moment and never from one shared stream. Else taking one act out of a plan
//! would change every later draw, and a failing seed could not be made smaller.

use std::sync::Mutex;

use bulkhead::entropy::Entropy;

/// `SplitMix64`: enough for plans and latencies, useless for keys.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream `name` of `seed`.
    pub(crate) fn stream(seed: u64, name: &str) -> Self {
        let mixed = name
            .bytes()
            .fold(seed ^ 0x9E37_79B9_7F4A_7C15, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        let mut rng = Self(mixed);
        rng.next();
        rng
    }

    /// The stream of one moment: what happens then does not depend on how many draws came before.
    pub(crate) fn at(seed: u64, name: &str, moment: u64) -> Self {
        Self::stream(seed ^ moment.wrapping_mul(0xA24B_AED4_963E_E407), name)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `low..high`.
    pub(crate) fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low).max(1)
    }

    /// An address or a count in `low..high`.
    pub(crate) fn word(&mut self, low: u16, high: u16) -> u16 {
        u16::try_from(self.range(u64::from(low), u64::from(high))).unwrap()
    }

    /// A length in `low..high`.
    pub(crate) fn length(&mut self, low: usize, high: usize) -> usize {
        usize::try_from(self.range(low as u64, high as u64)).unwrap()
    }

    /// True once in `n` draws.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    /// One of `items`, which is not empty.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.next() % items.len() as u64).unwrap()]
    }
}

/// A seeded stream as one life of the gateway sees it.
#[derive(Debug)]
pub(crate) struct Seeded(pub(crate) Mutex<Rng>);

impl Entropy for Seeded {
    fn next(&self) -> u64 {
        self.0.lock().unwrap().next()
    }
}
