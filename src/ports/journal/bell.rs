//! Who wakes the writer, and when. To wake a thread costs as much as to judge ten frames: what nobody waits for (an outcome, a
//! decision that a commit is about to follow) lies in the queue until somebody does, or for [`super::Settings::linger`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

use super::Shared;

/// The writer sleeps and nobody has called it.
const SILENT: u8 = 0;
/// The writer looks before long.
const SOON: u8 = 1;
/// Somebody waits.
const NOW: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Bell {
    state: AtomicU8,
    wake: Notify,
}

impl Bell {
    /// Something lies in the queue. Wakes the writer only when it would not look by itself.
    pub(super) fn soon(&self) {
        // Always a write: either the writer's own change of the state comes later and sees what lies in the queue, or it came
        // before, and this sees that the writer sleeps.
        if self.state.fetch_max(SOON, Ordering::AcqRel) == SILENT {
            self.wake.notify_one();
        }
    }

    /// Somebody waits for what lies in the queue.
    pub(super) fn now(&self) {
        if self.state.swap(NOW, Ordering::AcqRel) != NOW {
            self.wake.notify_one();
        }
    }

    /// Resolves when the bell has rung; true when somebody waits.
    pub(super) async fn rung(&self) -> bool {
        self.wake.notified().await;
        self.state.load(Ordering::Acquire) == NOW
    }

    /// The writer looks now: whoever comes from here on has to ring again.
    pub(super) fn answered(&self) {
        self.state.swap(SILENT, Ordering::AcqRel);
    }

    /// The writer looks again before long, whether anybody rings or not.
    pub(super) fn lingers(&self) {
        // Whoever has rung meanwhile has left a wake behind.
        let _rung = self.state.compare_exchange(SILENT, SOON, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// Held by everybody who can hand something over. The last one to go rings, so that the writer learns that it is alone.
#[derive(Debug)]
pub(super) struct Hand(pub(super) Arc<Shared>);

impl Drop for Hand {
    fn drop(&mut self) {
        self.0.bell.now();
    }
}
