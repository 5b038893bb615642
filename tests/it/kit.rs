//! A whole gateway on loopback, a device that testifies, and clients that say exactly the bytes they are told.

mod client;
mod gateway;
mod lan;
mod pki;
mod plc;
mod secure;

use std::time::{Duration, Instant};

pub(crate) use client::{Client, frame, hex};
pub(crate) use gateway::{CLIENT, OTHER, Running, Setup};
pub(crate) use pki::{Card, Pki, Wish, text};
pub(crate) use plc::{Do, Plc, beside};
pub(crate) use secure::{Secure, TLS12, TLS13, offer};

/// How long something took, by the test's own clock.
pub(crate) struct Watch(Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "a test measures the gateway with a clock of its own")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits for something that happens on another thread.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited in vain: {what}");
}
