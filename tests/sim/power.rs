//! The power of one life of the gateway: an effect happens only while it is on, and a *fuse* ends the life after a number of
//! effects. So a crash falls between any two effects on the outside, where no boundary of a millisecond ever is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

#[derive(Debug)]
pub(crate) struct Power {
    on: AtomicBool,
    dark: AtomicBool,
    fuse: AtomicU64,
    blown: Notify,
}

impl Default for Power {
    fn default() -> Self {
        Self { on: true.into(), dark: false.into(), fuse: u64::MAX.into(), blown: Notify::new() }
    }
}

impl Power {
    /// True while effects happen.
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// True after a power cut.
    pub(crate) fn is_dark(&self) -> bool {
        self.dark.load(Ordering::Relaxed)
    }

    /// Lets `effects` more effects happen, then none.
    pub(crate) fn set_fuse(&self, effects: u64) {
        self.fuse.store(effects, Ordering::Relaxed);
    }

    /// Accounts for one effect; false when it must not happen.
    pub(crate) fn spend(&self) -> bool {
        let left = self.fuse.load(Ordering::Relaxed);
        if left == 0 && self.is_on() {
            self.on.store(false, Ordering::Relaxed);
            self.blown.notify_one();
        }
        self.fuse.store(left.saturating_sub(u64::from(left != u64::MAX)), Ordering::Relaxed);
        self.is_on()
    }

    /// Ends the life as a blown fuse does.
    pub(crate) fn blow(&self) {
        self.on.store(false, Ordering::Relaxed);
        self.blown.notify_one();
    }

    /// Ends the life now.
    pub(crate) fn off(&self, dark: bool) {
        self.on.store(false, Ordering::Relaxed);
        self.dark.store(dark, Ordering::Relaxed);
    }

    /// Resolves when the fuse has blown.
    pub(crate) async fn blown(&self) {
        self.blown.notified().await;
    }
}
