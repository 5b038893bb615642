//! The last value seen through the gateway, register by register, with its age. Never an extra read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bulkhead_core::access::{Bank, Values};
use bulkhead_core::moment::BootMs;
use bulkhead_core::names::AssetId;

/// Addresses on one page.
const PAGE: u16 = 64;
/// Pages kept for one asset: 16,384 addresses, 10 bytes each. What lies beyond is not remembered.
const PAGES: usize = 256;

#[derive(Debug)]
struct Page {
    values: [u16; PAGE as usize],
    /// When, in seconds of this life plus one; 0 = never.
    at: [u32; PAGE as usize],
}

type Pages = BTreeMap<(u8, Bank, u16), Box<Page>>;

/// The memory of what passed.
#[derive(Debug, Default)]
pub(crate) struct LastValues(Mutex<BTreeMap<AssetId, Pages>>);

impl LastValues {
    /// Remembers `count` values from address `first`, as the wire carries them.
    pub(crate) fn saw(
        &self,
        asset: &AssetId,
        (unit, bank): (u8, Bank),
        first: u16,
        count: u16,
        values: Values<'_>,
        now: BootMs,
    ) {
        let seen = u32::try_from(now.0 / 1000).unwrap_or(u32::MAX - 1) + 1;
        let mut assets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !assets.contains_key(asset) {
            assets.insert(asset.clone(), Pages::new());
        }
        let Some(pages) = assets.get_mut(asset) else { return };
        let mut at = 0;
        while at < count {
            let address = first.saturating_add(at);
            let (number, offset) = (address / PAGE, address % PAGE);
            let here = (PAGE - offset).min(count - at);
            let room = pages.len() < PAGES;
            let page = match pages.entry((unit, bank, number)) {
                std::collections::btree_map::Entry::Occupied(page) => Some(page.into_mut()),
                std::collections::btree_map::Entry::Vacant(free) if room => {
                    Some(free.insert(Box::new(Page { values: [0; PAGE as usize], at: [0; PAGE as usize] })))
                }
                std::collections::btree_map::Entry::Vacant(_) => None,
            };
            if let Some(page) = page {
                for (index, (value, time)) in
                    (at..at + here).zip(page.values.iter_mut().zip(page.at.iter_mut()).skip(usize::from(offset)))
                {
                    if let Some(new) = element(values, index) {
                        (*value, *time) = (new, seen);
                    }
                }
            }
            at += here;
        }
    }

    /// Nobody knows any more what a range holds.
    pub(crate) fn forget(&self, asset: &AssetId, (unit, bank): (u8, Bank), first: u16, count: u16) {
        let mut assets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pages) = assets.get_mut(asset) else { return };
        for address in (0..count).filter_map(|at| first.checked_add(at)) {
            let page = pages.get_mut(&(unit, bank, address / PAGE));
            if let Some(seen) = page.and_then(|page| page.at.get_mut(usize::from(address % PAGE))) {
                *seen = 0;
            }
        }
    }

    /// The last values of a range with the age of the oldest in milliseconds; none unless all were seen.
    pub(crate) fn last(
        &self,
        asset: &AssetId,
        (unit, bank): (u8, Bank),
        first: u16,
        count: u16,
        now: BootMs,
    ) -> Option<(Vec<u16>, u64)> {
        let assets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = assets.get(asset)?;
        let mut values = Vec::with_capacity(usize::from(count));
        let mut oldest = u32::MAX;
        for at in 0..count {
            let address = first.checked_add(at)?;
            let page = pages.get(&(unit, bank, address / PAGE))?;
            let offset = usize::from(address % PAGE);
            let seen = *page.at.get(offset).filter(|seen| **seen > 0)?;
            oldest = oldest.min(seen);
            values.push(*page.values.get(offset)?);
        }
        Some((values, now.0.saturating_sub(u64::from(oldest.saturating_sub(1)) * 1000)))
    }
}

/// The value at `index` as one register; coils are 0 and 1. None where the wire does not say it.
pub(crate) fn element(values: Values<'_>, index: u16) -> Option<u16> {
    let index = usize::from(index);
    match values {
        Values::None | Values::Mask { .. } => None,
        Values::Registers(bytes) => bytes.as_chunks::<2>().0.get(index).map(|pair| u16::from_be_bytes(*pair)),
        Values::Coil(on) => (index == 0).then_some(u16::from(on)),
        Values::Coils(bits) => bits.get(index / 8).map(|byte| u16::from(byte >> (index % 8) & 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_known_only_when_all_of_it_was_seen() {
        let (memory, plc) = (LastValues::default(), AssetId::from("plc"));
        let holding = (1, Bank::Holding);
        memory.saw(&plc, holding, 62, 4, Values::Registers(&[0, 1, 0, 2, 0, 3, 0, 4]), BootMs(5_000));
        assert_eq!(memory.last(&plc, holding, 62, 4, BootMs(7_000)), Some((vec![1, 2, 3, 4], 2_000)));
        assert_eq!(memory.last(&plc, holding, 62, 5, BootMs(7_000)), None);
        assert_eq!(memory.last(&plc, (2, Bank::Holding), 62, 1, BootMs(7_000)), None);
        memory.saw(&plc, (1, Bank::Coils), 3, 9, Values::Coils(&[0b1000_0001, 1]), BootMs(0));
        assert_eq!(memory.last(&plc, (1, Bank::Coils), 3, 9, BootMs(0)).unwrap().0, [1, 0, 0, 0, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_range_that_was_forgotten_is_unknown_and_its_neighbours_are_not() {
        let (memory, plc) = (LastValues::default(), AssetId::from("plc"));
        let holding = (1, Bank::Holding);
        memory.saw(&plc, holding, 62, 4, Values::Registers(&[0, 1, 0, 2, 0, 3, 0, 4]), BootMs(0));
        memory.forget(&plc, holding, 63, 2);
        assert_eq!(memory.last(&plc, holding, 62, 1, BootMs(0)).unwrap().0, [1]);
        assert_eq!(memory.last(&plc, holding, 63, 1, BootMs(0)), None);
        assert_eq!(memory.last(&plc, holding, 64, 1, BootMs(0)), None);
        assert_eq!(memory.last(&plc, holding, 65, 1, BootMs(0)).unwrap().0, [4]);
    }

    #[test]
    fn memory_is_bounded_whatever_is_asked_for() {
        let (memory, plc) = (LastValues::default(), AssetId::from("plc"));
        for unit in 0..=255 {
            for first in (0..65_000).step_by(1_000) {
                memory.saw(&plc, (unit, Bank::Holding), first, 125, Values::Registers(&[7; 250]), BootMs(0));
            }
        }
        assert_eq!(memory.0.lock().unwrap().get(&plc).unwrap().len(), PAGES);
    }
}
