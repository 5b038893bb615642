//! The keys of the gateway's own CA and of its TLS listeners. Today files; the CA's key moves under a TPM behind the same trait.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::{KeyError, keep, read};

/// What stands before the 65 bytes of a P-256 point in a `SubjectPublicKeyInfo`.
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE,
    0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A key that signs certificates and lists: ECDSA on P-256 with SHA-256. It may take tens of milliseconds, so it runs beside the data
/// path.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The point, uncompressed: 65 bytes.
    fn public_key(&self) -> &[u8];

    /// The signature over `message`, in DER.
    ///
    /// # Errors
    /// `Device` when the device does not sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// DER of the subject public key info.
    fn spki(&self) -> Vec<u8> {
        [&P256, self.public_key()].concat()
    }
}

/// The key of the gateway's own leaf, which TLS needs itself.
pub struct ServerKey {
    /// PKCS#8.
    pub pkcs8: Vec<u8>,
    /// The point, uncompressed.
    pub public_key: Vec<u8>,
    /// DER of the subject public key info.
    pub spki: Vec<u8>,
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(<redacted>)")
    }
}

/// Where the keys are. Every call may block.
pub trait Vault: fmt::Debug + Send + Sync {
    /// The CA's key, if there is one.
    ///
    /// # Errors
    /// What is wrong with it.
    fn authority(&self) -> Result<Option<Arc<dyn Signer>>, KeyError>;

    /// The CA's key, made when there is none.
    ///
    /// # Errors
    /// What is wrong with it, or why none can be made.
    fn make_authority(&self) -> Result<Arc<dyn Signer>, KeyError>;

    /// The key of the gateway's own leaf, made when there is none.
    ///
    /// # Errors
    /// What is wrong with it, or why none can be made.
    fn server(&self) -> Result<ServerKey, KeyError>;

    /// Fills `out` with what nobody can guess.
    ///
    /// # Errors
    /// `Device` when there is none.
    fn random(&self, out: &mut [u8]) -> Result<(), KeyError>;

    /// Puts a public text where people and other programs find it, such as `crl.pem`.
    ///
    /// # Errors
    /// The disk's.
    fn publish(&self, name: &str, text: &str) -> io::Result<()>;
}

/// No keys and no room for any: a gateway without a CA.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVault;

impl Vault for NoVault {
    fn authority(&self) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        Ok(None)
    }

    fn make_authority(&self) -> Result<Arc<dyn Signer>, KeyError> {
        Err(KeyError::Device("made"))
    }

    fn server(&self) -> Result<ServerKey, KeyError> {
        Err(KeyError::Device("made"))
    }

    fn random(&self, _out: &mut [u8]) -> Result<(), KeyError> {
        Err(KeyError::Device("used"))
    }

    fn publish(&self, _name: &str, _text: &str) -> io::Result<()> {
        Ok(())
    }
}

/// Keys in files that their owner alone may read.
#[derive(Clone, Debug)]
pub struct FileVault {
    keys: PathBuf,
    public: PathBuf,
}

struct FileSigner {
    pair: EcdsaKeyPair,
}

impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileSigner(<redacted>)")
    }
}

impl Signer for FileSigner {
    fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Device("used"))?;
        Ok(signature.as_ref().to_vec())
    }
}

impl FileVault {
    /// Keys in the folder `keys`, public texts in the folder `public`.
    pub fn new(keys: PathBuf, public: PathBuf) -> Self {
        Self { keys, public }
    }

    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, KeyError> {
        match read(&self.keys.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(KeyError::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn load_or_make(&self, name: &str) -> Result<Vec<u8>, KeyError> {
        if let Some(bytes) = self.load(name)? {
            return Ok(bytes);
        }
        let path = self.keys.join(name);
        let failed = |cause| KeyError::File { path: path.display().to_string(), cause };
        if !self.keys.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.keys).map_err(failed)?;
        }
        let secret = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::Device("made"))?;
        keep(&path, secret.as_ref(), 0o600).map_err(failed)?;
        Ok(secret.as_ref().to_vec())
    }

    fn pair(&self, name: &str, pkcs8: &[u8]) -> Result<EcdsaKeyPair, KeyError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8)
            .map_err(|_| KeyError::NoCurveKey { path: self.keys.join(name).display().to_string() })
    }
}

/// The file of the CA's key.
const AUTHORITY: &str = "ca.key";
/// The file of the key of the gateway's own leaf.
const SERVER: &str = "server.key";

impl Vault for FileVault {
    fn authority(&self) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        match self.load(AUTHORITY)? {
            Some(pkcs8) => Ok(Some(Arc::new(FileSigner { pair: self.pair(AUTHORITY, &pkcs8)? }))),
            None => Ok(None),
        }
    }

    fn make_authority(&self) -> Result<Arc<dyn Signer>, KeyError> {
        let pkcs8 = self.load_or_make(AUTHORITY)?;
        Ok(Arc::new(FileSigner { pair: self.pair(AUTHORITY, &pkcs8)? }))
    }

    fn server(&self) -> Result<ServerKey, KeyError> {
        let pkcs8 = self.load_or_make(SERVER)?;
        let public_key = self.pair(SERVER, &pkcs8)?.public_key().as_ref().to_vec();
        let spki = [&P256[..], &public_key].concat();
        Ok(ServerKey { pkcs8, public_key, spki })
    }

    fn random(&self, out: &mut [u8]) -> Result<(), KeyError> {
        SystemRandom::new().fill(out).map_err(|_| KeyError::Device("used"))
    }

    fn publish(&self, name: &str, text: &str) -> io::Result<()> {
        if !self.public.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.public)?;
        }
        let (path, aside) = (self.public.join(name), self.public.join(format!("{name}.new")));
        let mut file = File::create(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        sync(&self.public)
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_is_made_once_kept_for_its_owner_alone_and_signs() {
        let folder = std::env::temp_dir().join(format!("bulkhead-vault-{}", std::process::id()));
        drop(fs::remove_dir_all(&folder));
        let vault = FileVault::new(folder.join("keys"), folder.join("ca"));
        assert!(vault.authority().unwrap().is_none());
        let made = vault.make_authority().unwrap();
        let again = vault.authority().unwrap().unwrap();
        assert_eq!(made.spki(), again.spki());
        assert_ne!(made.public_key(), vault.server().unwrap().public_key);
        let signature = again.sign(b"text").unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, made.public_key()).verify(b"text", &signature).unwrap();
        let path = folder.join("keys/ca.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(!format!("{made:?}{:?}", vault.server().unwrap()).contains("pair"), "secrets are not printed");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(vault.authority(), Err(KeyError::Open { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"no key").unwrap();
        assert!(matches!(vault.authority(), Err(KeyError::NoCurveKey { .. })));
        vault.publish("crl.pem", "text").unwrap();
        assert_eq!(fs::read_to_string(folder.join("ca/crl.pem")).unwrap(), "text");
    }
}
