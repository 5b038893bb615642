//! Whether each asset answers, as far as requests have shown it. Never an extra request.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bulkhead_core::moment::BootMs;
use bulkhead_core::names::AssetId;

/// What requests have shown of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    /// It answered the last time.
    Up,
    /// It could not be reached, or did not answer, the last time.
    Down {
        /// Since when.
        since: BootMs,
    },
}

/// The last of each asset. Bounded by the assets that policies of this life named.
#[derive(Debug, Default)]
pub(crate) struct Reach(Mutex<BTreeMap<AssetId, Reached>>);

impl Reach {
    pub(crate) fn answered(&self, asset: &AssetId) {
        let mut assets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match assets.get_mut(asset) {
            Some(reached) => *reached = Reached::Up,
            None => drop(assets.insert(asset.clone(), Reached::Up)),
        }
    }

    pub(crate) fn silent(&self, asset: &AssetId, now: BootMs) {
        let mut assets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(assets.get(asset), Some(Reached::Down { .. })) {
            assets.insert(asset.clone(), Reached::Down { since: now });
        }
    }

    /// None until somebody has asked it for something.
    pub(crate) fn of(&self, asset: &AssetId) -> Option<Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(asset).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_down_since_the_first_silence_and_up_with_the_next_answer() {
        let (reach, plc) = (Reach::default(), AssetId::from("plc"));
        assert_eq!(reach.of(&plc), None);
        reach.silent(&plc, BootMs(5));
        reach.silent(&plc, BootMs(9));
        assert_eq!(reach.of(&plc), Some(Reached::Down { since: BootMs(5) }));
        reach.answered(&plc);
        assert_eq!(reach.of(&plc), Some(Reached::Up));
    }
}
