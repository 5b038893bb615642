//! What a TLS listener of this gateway shows and believes. The CA makes it, the doors read it at each handshake: a change counts
//! for the next handshake and drops nobody.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivatePkcs8KeyDer};

/// All of it, of one moment.
pub struct Material {
    /// The gateway's own certificate and what leads to its root, leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the leaf.
    pub key: PrivatePkcs8KeyDer<'static>,
    /// Who may vouch for a client.
    pub roots: Vec<CertificateDer<'static>>,
    /// What they have taken back, one list an issuer.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material({} certificates, {} roots, <redacted>)", self.chain.len(), self.roots.len())
    }
}

/// The material in force; none until the gateway has a CA. A TLS listener without it closes each connection.
#[derive(Debug, Default)]
pub struct Trust(ArcSwapOption<Material>);

impl Trust {
    /// What counts now. Two values are the same material when they are the same pointer.
    pub fn current(&self) -> Option<Arc<Material>> {
        self.0.load_full()
    }

    /// Puts other material in force, for the handshakes that begin from now on.
    pub fn put(&self, material: Material) {
        self.0.store(Some(Arc::new(material)));
    }
}
