//! Keys that sign for the gateway. Today software keys, said loudly; a TPM comes behind the same trait.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bulkhead_core::journal::verify::PublicKey;

use crate::net::Later;

mod vault;

pub use vault::{FileVault, NoVault, ServerKey, Signer, Vault};

/// The largest key file that is read.
const MAX_FILE: u64 = 4096;

/// A key that signs. A TPM needs tens of milliseconds for it, so it is a future.
pub trait Keys: fmt::Debug + Send + Sync {
    /// The signature over `message`.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Later<'a, Result<Vec<u8>, KeyError>>;

    /// The public half.
    fn public(&self) -> PublicKey;

    /// The name of the key in records: the first 16 hex digits of the digest of its public half.
    fn id(&self) -> String {
        self.public().id()
    }

    /// Whether the private half lies in a file: a state that `status` shows loudly.
    fn is_software(&self) -> bool;
}

/// Why a key could not be had or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read, made or written.
    #[error("key file `{path}`: {cause}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        cause: io::Error,
    },
    /// Somebody else could read or change it.
    #[error("key file `{path}` has mode {mode:04o}: only its owner may have access (chmod 600)")]
    Open {
        /// The file.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// It holds no key.
    #[error("key file `{path}` holds no Ed25519 key in PKCS#8")]
    NoKey {
        /// The file.
        path: String,
    },
    /// It holds no key of the CA's kind.
    #[error("key file `{path}` holds no P-256 key in PKCS#8")]
    NoCurveKey {
        /// The file.
        path: String,
    },
    /// A key is there already and must not be overwritten.
    #[error("key file `{path}` exists")]
    Exists {
        /// The file.
        path: String,
    },
    /// The library or the device could not make or use the key.
    #[error("the key could not be {0}")]
    Device(&'static str),
}

/// An Ed25519 key in a file that its owner alone may read.
pub struct SoftwareKey {
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({}, <redacted>)", self.id())
    }
}

impl SoftwareKey {
    /// Reads the key from `path`.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let bytes = read(path)?;
        let pair =
            Ed25519KeyPair::from_pkcs8(&bytes).map_err(|_| KeyError::NoKey { path: path.display().to_string() })?;
        Ok(Self { pair })
    }

    /// Makes a key and keeps it at `path`; a crash leaves the whole file or none. Its public half goes beside it, as text, in
    /// `path` with the extension `pub`.
    pub fn create(path: &Path) -> Result<Self, KeyError> {
        let failed = |cause| KeyError::File { path: path.display().to_string(), cause };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Device("made"))?;
        let pair = Ed25519KeyPair::from_pkcs8(secret.as_ref()).map_err(|_| KeyError::Device("made"))?;
        let key = Self { pair };
        keep(path, secret.as_ref(), 0o600).map_err(|cause| {
            if cause.kind() == io::ErrorKind::AlreadyExists {
                KeyError::Exists { path: path.display().to_string() }
            } else {
                failed(cause)
            }
        })?;
        let public = path.with_extension("pub");
        drop(fs::remove_file(&public));
        keep(&public, format!("{}\n", key.public()).as_bytes(), 0o644).map_err(failed)?;
        Ok(key)
    }

    /// Reads the key from `path`, or makes it there when nothing is there.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Self::create(path),
            other => other,
        }
    }

    /// A key from a seed: for simulated gateways, whose keys must be the same in each run.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ok(Self { pair: Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Device("made"))? })
    }
}

/// Reads a file that its owner alone may read.
fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    let failed = |cause| KeyError::File { path: path.display().to_string(), cause };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { path: path.display().to_string(), mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes a file that is there wholly or not at all, and never overwrites one.
fn keep(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let fresh = PathBuf::from(format!("{}.fresh", path.display()));
    drop(fs::remove_file(&fresh));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link, unlike a rename, refuses to replace what is there.
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh)?;
    linked?;
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

impl Keys for SoftwareKey {
    fn sign<'a>(&'a self, message: &'a [u8]) -> Later<'a, Result<Vec<u8>, KeyError>> {
        let signed = self.pair.try_sign(message);
        Box::pin(async move { Ok(signed.map_err(|_| KeyError::Device("used"))?.as_ref().to_vec()) })
    }

    fn public(&self) -> PublicKey {
        PublicKey::ed25519(self.pair.public_key().as_ref())
    }

    fn is_software(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
