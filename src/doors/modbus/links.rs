//! Which devices are dialled, how often at once, and when a device that failed is tried again. Shared by all clients: a PLC
//! has few sockets, and a dead one must not be dialled by everybody at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bulkhead_core::decision::Reason;
use bulkhead_core::moment::BootMs;

use super::ms;

/// The first pause after a failed dial.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// All devices that somebody is connected to, or that failed.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<BTreeMap<SocketAddr, Device>>);

#[derive(Clone, Copy, Debug, Default)]
struct Device {
    open: u16,
    /// Of these, sockets that we have left and the device has not closed yet.
    leaving: u16,
    failures: u32,
    not_before: BootMs,
}

/// One of the sockets that a device has to give. Given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    links: Arc<Links>,
    device: SocketAddr,
    leaving: bool,
}

impl Links {
    /// Whether a socket that we have left is still to be closed by the device.
    pub(super) fn is_leaving(&self, device: SocketAddr) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&device).is_some_and(|known| known.leaving > 0)
    }

    /// Takes a socket of the device.
    ///
    /// # Errors
    /// `Busy` when all are taken, `AssetDown` while it is left alone after a failure.
    pub(super) fn take(self: &Arc<Self>, device: SocketAddr, most: u16, now: BootMs) -> Result<Slot, Reason> {
        let mut devices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = devices.get(&device).copied().unwrap_or_default();
        if now < known.not_before {
            return Err(Reason::AssetDown);
        }
        if known.open >= most {
            return Err(Reason::Busy);
        }
        devices.insert(device, Device { open: known.open.saturating_add(1), ..known });
        Ok(Slot { links: Arc::clone(self), device, leaving: false })
    }
}

impl Slot {
    /// We have left: its place is free as soon as the device has closed it.
    pub(super) fn leaves(&mut self) {
        self.leaving = true;
        self.change(|device| device.leaving = device.leaving.saturating_add(1));
    }

    /// The device answers: the next failure is a first one again.
    pub(super) fn works(&self) {
        self.change(|device| (device.failures, device.not_before) = (0, BootMs(0)));
    }

    /// The device cannot be reached, or closes at once. `chance` spreads the next attempts.
    pub(super) fn failed(&self, now: BootMs, chance: u64) {
        self.change(|device| {
            device.failures = device.failures.saturating_add(1);
            device.not_before = BootMs(now.0.saturating_add(pause(device.failures, chance)));
        });
    }

    fn change(&self, change: impl FnOnce(&mut Device)) {
        let mut devices = self.links.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = devices.get_mut(&self.device) {
            change(device);
            // INVARIANT: the map holds devices in use and devices in trouble, both named by a policy that was in force.
            if device.open == 0 && device.failures == 0 {
                devices.remove(&self.device);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let leaving = u16::from(self.leaving);
        self.change(|device| {
            device.open = device.open.saturating_sub(1);
            device.leaving = device.leaving.saturating_sub(leaving);
        });
    }
}

/// Half a second, doubled with each failure in a row up to half a minute, less up to a quarter by chance.
fn pause(failures: u32, chance: u64) -> u64 {
    let doubled = ms(FIRST_PAUSE).checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u64::MAX);
    let whole = doubled.min(ms(LONGEST_PAUSE));
    let spread = whole / 4;
    (whole - chance % (spread + 1)).max(ms(FIRST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plc() -> SocketAddr {
        "10.0.0.1:502".parse().unwrap()
    }

    #[test]
    fn a_device_gives_as_many_sockets_as_it_has() {
        let links = Arc::new(Links::default());
        let one = links.take(plc(), 2, BootMs(0)).unwrap();
        let two = links.take(plc(), 2, BootMs(0)).unwrap();
        assert_eq!(links.take(plc(), 2, BootMs(0)).unwrap_err(), Reason::Busy);
        drop(one);
        assert!(links.take(plc(), 2, BootMs(0)).is_ok());
        drop(two);
        assert!(links.0.lock().unwrap().is_empty(), "nothing is left of a device that nobody uses");
    }

    #[test]
    fn a_device_that_fails_is_left_alone_and_tried_again() {
        let links = Arc::new(Links::default());
        links.take(plc(), 1, BootMs(0)).unwrap().failed(BootMs(1_000), 0);
        assert_eq!(links.take(plc(), 1, BootMs(1_499)).unwrap_err(), Reason::AssetDown);
        let again = links.take(plc(), 1, BootMs(1_500)).unwrap();
        again.works();
        drop(again);
        assert!(links.take(plc(), 1, BootMs(1_500)).is_ok());
    }

    #[test]
    fn pauses_grow_from_half_a_second_to_half_a_minute() {
        let longest: Vec<_> = (1..=8).map(|failures| pause(failures, 0)).collect();
        assert_eq!(longest, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        for chance in 0..2_000 {
            assert!((500..=30_000).contains(&pause(u32::MAX, chance)));
            assert!((500..=1_000).contains(&pause(2, chance)));
        }
        assert_ne!(pause(7, 1), pause(7, 2), "clients do not all come at once");
    }
}
