//! A key that always signs the same, and takes as long as a chip.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use bulkhead::net::Later;
use bulkhead::ports::keys::{KeyError, Keys};
use bulkhead_core::journal::verify::PublicKey;
use tokio::time::sleep;

pub(crate) struct SimKey(Ed25519KeyPair);

impl fmt::Debug for SimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimKey")
    }
}

impl SimKey {
    pub(crate) fn new() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }
}

impl Keys for SimKey {
    fn sign<'a>(&'a self, message: &'a [u8]) -> Later<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            sleep(Duration::from_millis(30)).await;
            Ok(self.0.sign(message).as_ref().to_vec())
        })
    }

    fn public(&self) -> PublicKey {
        PublicKey::ed25519(self.0.public_key().as_ref())
    }

    fn is_software(&self) -> bool {
        true
    }
}
