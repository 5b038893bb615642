//! The CA's certificate and key, and what it signs: from a request to a certificate, without disk and memory.

use std::fmt;
use std::sync::Arc;

use bulkhead_core::digest::Sha256;
use bulkhead_core::moment::{ClockTrust, Moment, UnixMs};
use bulkhead_core::names::Role;
use bulkhead_core::x509::chain::{Chain, ChainError};
use bulkhead_core::x509::request::Request;
use bulkhead_core::x509::write::{self, Purpose};

use super::CaError;
use crate::ports::keys::{KeyError, Signer};

/// A CA: its key and its chain.
#[derive(Clone)]
pub struct Authority {
    /// Its name.
    pub name: String,
    /// SHA-256 of its subject public key info.
    pub spki: Sha256,
    /// DER of its name.
    pub subject: Vec<u8>,
    /// The identifier of its key.
    pub key_id: Vec<u8>,
    /// DER of each certificate: its own first, the root last.
    pub chain: Vec<Vec<u8>>,
    /// The name of the root; none when it has signed itself.
    pub root: Option<String>,
    /// Valid from.
    pub not_before: UnixMs,
    /// The first end in the chain.
    pub not_after: UnixMs,
    key: Option<Arc<dyn Signer>>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({}, key {}, <redacted>)", self.name, self.spki.short())
    }
}

impl Authority {
    /// A CA with its key and its own chain, checked.
    ///
    /// # Errors
    /// What is wrong with the chain.
    pub fn of(key: Arc<dyn Signer>, chain: Vec<Vec<u8>>, subject: &[u8], now: Moment) -> Result<Self, ChainError> {
        let chain = Chain::of(chain, &Sha256::of(&key.spki()), subject, now)?;
        let name = name_of(subject);
        Ok(Self::chained(key, chain, &name))
    }

    /// As it was kept, whatever the clock says; the key may be gone.
    pub(super) fn kept(key: Option<Arc<dyn Signer>>, pem: &str) -> Result<Self, ChainError> {
        let certificates = certificates(pem);
        let first = certificates.first().ok_or(ChainError::Length(0))?;
        let (spki, subject) = key_and_name(first).ok_or(ChainError::Encoding)?;
        // Its dates were looked at when it was taken in: here nobody loses by a clock.
        let any = Moment { trust: ClockTrust::Doubtful, ..Moment::default() };
        let chain = Chain::of(certificates, &spki, &subject, any)?;
        let name = name_of(&subject);
        let fits = |key: &Arc<dyn Signer>| Sha256::of(&key.spki()) == spki;
        Ok(Self { key: key.filter(fits), ..Self::with(spki, chain, &name) })
    }

    pub(super) fn chained(key: Arc<dyn Signer>, chain: Chain, name: &str) -> Self {
        let own = write::key_id(key.public_key());
        let mut made = Self::with(Sha256::of(&key.spki()), chain, name);
        if made.key_id.is_empty() {
            made.key_id = own;
        }
        made.key = Some(key);
        made
    }

    fn with(spki: Sha256, chain: Chain, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            spki,
            subject: chain.subject,
            key_id: chain.key_id.unwrap_or_default(),
            root: (chain.certificates.len() > 1).then_some(chain.root),
            chain: chain.certificates,
            not_before: chain.not_before,
            not_after: chain.not_after,
            key: None,
        }
    }

    /// Its key.
    ///
    /// # Errors
    /// `Device` when it is gone.
    pub fn signer(&self) -> Result<Arc<dyn Signer>, KeyError> {
        self.key.clone().ok_or(KeyError::Device("found"))
    }

    /// Its chain as PEM, its own certificate first.
    pub fn pem(&self) -> String {
        self.chain.iter().map(|der| write::pem("CERTIFICATE", der)).collect()
    }

    /// What a peer needs behind a leaf: the chain without its root, which the peer has or does not believe.
    pub(super) fn between(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.chain.iter().take(self.chain.len().saturating_sub(1))
    }
}

/// What is signed besides the key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    /// The serial number.
    pub serial: &'a [u8],
    /// The common name.
    pub name: &'a str,
    /// Valid from.
    pub not_before: UnixMs,
    /// Valid to.
    pub not_after: UnixMs,
    /// What for.
    pub purpose: Purpose<'a>,
}

/// Signs a certificate for a key. Takes as long as the key needs for a signature.
pub(super) fn sign(
    authority: &Authority,
    spki: &[u8],
    public_key: &[u8],
    terms: &Terms<'_>,
) -> Result<Vec<u8>, CaError> {
    let unsigned = write::certificate(&write::Plan {
        serial: terms.serial,
        issuer: &authority.subject,
        issuer_key: &authority.key_id,
        subject: &write::common_name(terms.name),
        spki,
        subject_key: &write::key_id(public_key),
        not_before: terms.not_before,
        not_after: terms.not_after,
        purpose: terms.purpose,
    });
    let signature = authority.signer()?.sign(&unsigned)?;
    Ok(write::signed(&unsigned, &signature))
}

/// From the bytes of a request to the certificate of a client: what the CA does besides its records, for the figures of benchmarks.
///
/// # Errors
/// `Request` or `Key`.
pub fn sign_request(
    authority: &Authority,
    request: &[u8],
    serial: &[u8],
    name: &str,
    role: Option<&Role>,
    (not_before, not_after): (UnixMs, UnixMs),
) -> Result<Vec<u8>, CaError> {
    let request = Request::read(request)?;
    let terms = Terms { serial, name, not_before, not_after, purpose: Purpose::Client(role) };
    sign(authority, &request.spki, &request.public_key, &terms)
}

/// DER of each certificate in a PEM of ours.
pub(super) fn certificates(pem: &str) -> Vec<Vec<u8>> {
    x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).map_while(Result::ok).map(|pem| pem.contents).collect()
}

fn key_and_name(der: &[u8]) -> Option<(Sha256, Vec<u8>)> {
    use x509_parser::prelude::FromDer as _;
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).ok()?;
    Some((Sha256::of(certificate.public_key().raw), certificate.subject().as_raw().to_vec()))
}

/// The common name in a name of ours.
fn name_of(subject: &[u8]) -> String {
    use x509_parser::prelude::FromDer as _;
    let name = x509_parser::x509::X509Name::from_der(subject).ok().map(|(_, name)| name);
    let common = name.as_ref().and_then(|name| name.iter_common_name().next()).and_then(|name| name.as_str().ok());
    common.unwrap_or_default().to_owned()
}
