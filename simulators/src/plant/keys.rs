//! The keys of stations that prove who they are: each makes its own, shows a request for a certificate, and waits for it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The files of one station.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    folder: PathBuf,
    name: &'static str,
}

impl Keys {
    pub(super) fn of(folder: &Path, name: &'static str) -> Self {
        Self { folder: folder.join("stations"), name }
    }

    fn file(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.name))
    }

    /// Makes the key and the request where they are missing. The key never leaves the folder.
    pub(super) fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        if self.file("key").exists() && self.file("csr").exists() {
            return Ok(());
        }
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let mut wish = CertificateParams::default();
        wish.distinguished_name.push(DnType::CommonName, self.name);
        let request = wish.serialize_request(&key).and_then(|request| request.pem()).map_err(io::Error::other)?;
        secret(&self.file("key"), &key.serialize_pem())?;
        fs::write(self.file("csr"), request)
    }

    /// What the station shows and believes, once somebody has signed its request: the chain in `NAME.pem`, whose end is the
    /// root that it believes.
    pub(super) fn client(&self) -> io::Result<Arc<ClientConfig>> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_file_iter(self.file("pem")).and_then(Iterator::collect).map_err(io::Error::other)?;
        let mut roots = RootCertStore::empty();
        if let [_, .., root] = chain.as_slice() {
            roots.add(root.clone()).map_err(io::Error::other)?;
        }
        let key = PrivateKeyDer::from_pem_file(self.file("key")).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(io::Error::other)?;
        Ok(Arc::new(config))
    }
}

fn secret(file: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_is_nobody_elses_to_read_and_waits_for_its_certificate() {
        use std::os::unix::fs::MetadataExt as _;
        let folder = std::env::temp_dir().join(format!("bulkhead-station-keys-{}", std::process::id()));
        let keys = Keys::of(&folder, "scada");
        keys.make().unwrap();
        let request = fs::read(folder.join("stations/scada.csr")).unwrap();
        assert!(request.starts_with(b"-----BEGIN CERTIFICATE REQUEST-----"));
        assert_eq!(fs::metadata(folder.join("stations/scada.key")).unwrap().mode() & 0o777, 0o600);
        keys.make().unwrap();
        assert_eq!(fs::read(folder.join("stations/scada.csr")).unwrap(), request);
        assert!(keys.client().is_err(), "nobody has signed it yet");
        fs::remove_dir_all(&folder).unwrap();
    }
}
