//! What a TLS listener of this gateway shows and believes. The CA makes it, the doors read it at each handshake: a change counts
//! for the next handshake and drops nobody.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bulkhead_core::x509::list::TakenBack;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivatePkcs8KeyDer};

use super::sessions::Sessions;

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
pub struct Trust {
    current: ArcSwapOption<Material>,
    sessions: Option<Arc<Sessions>>,
}

impl Trust {
    /// Trust whose changes these sessions feel.
    pub(crate) fn of(sessions: Arc<Sessions>) -> Self {
        Self { current: ArcSwapOption::empty(), sessions: Some(sessions) }
    }

    /// What counts now. Two values are the same material when they are the same pointer.
    pub fn current(&self) -> Option<Arc<Material>> {
        self.current.load_full()
    }

    /// Puts other material in force, for the handshakes that begin from now on. It drops nobody, but whoever is there by a
    /// certificate that a list of it takes back: when it has returned, no frame of those is on its way any more.
    pub fn put(&self, material: Material) {
        let read = |list: &CertificateRevocationListDer<'_>| TakenBack::read(list).ok();
        // A list that cannot be read is told where handshakes are prepared.
        let lists = material.crls.iter().filter_map(read).collect();
        self.current.store(Some(Arc::new(material)));
        if let Some(sessions) = &self.sessions {
            let cut = sessions.take_back(lists);
            if cut > 0 {
                tracing::info!(cut, "sessions ended whose certificates were taken back by their issuer");
            }
        }
    }
}
