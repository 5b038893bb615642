//! What a handshake needs, made once of the material in force.

use std::sync::Arc;

use bulkhead_core::moment::UnixMs;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::{CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};

use super::verify::Judge;
use crate::service::time::Time;
use crate::service::trust::Material;

/// The most that one record of ours carries, its header of 5 bytes included. Modbus/TCP Security lets a client ask for fragments of
/// 512 bytes (RFC 6066, section 4); rustls does not answer that extension, so every client gets what such a client can take.
const MAX_FRAGMENT: usize = 512 + 5;

/// Why material is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("the gateway's own certificate or key: {0}")]
    Own(rustls::Error),
    #[error("a root certificate: {0}")]
    Root(rustls::Error),
    #[error("roots or revocation lists: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// Shared by all handshakes under one material.
#[derive(Debug)]
pub(super) struct Prepared {
    provider: Arc<CryptoProvider>,
    own: Arc<SingleCertAndKey>,
    /// Judges chain, usage and revocation.
    pub(super) roots: Arc<dyn ClientCertVerifier>,
}

impl Prepared {
    /// Of the material, with these lists of what was taken back.
    pub(super) fn of(material: &Material, lists: &[CertificateRevocationListDer<'static>]) -> Result<Self, Unusable> {
        let provider = Arc::new(provider());
        let key = PrivateKeyDer::Pkcs8(material.key.clone_key());
        let own = CertifiedKey::from_der(material.chain.clone(), key, &provider).map_err(Unusable::Own)?;
        let mut roots = RootCertStore::empty();
        for root in &material.roots {
            roots.add(root.clone()).map_err(Unusable::Root)?;
        }
        // A list that ran out still names who was revoked; one that nobody brought must not stop a plant (law 2). What this gateway
        // revokes itself is in its registry, list or no list.
        let roots = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .with_crls(lists.iter().cloned())
            .allow_unknown_revocation_status()
            .build()?;
        Ok(Self { provider, own: Arc::new(SingleCertAndKey::from(own)), roots })
    }

    /// The configuration of one handshake: the judge is its own, everything else is shared. None where the provider cannot do what
    /// it was made for.
    pub(super) fn config(&self, judge: &Arc<Judge>, time: &Arc<Time>) -> Option<ServerConfig> {
        let clock = Arc::new(Clock(Arc::clone(time)));
        let judge: Arc<dyn ClientCertVerifier> = Arc::<Judge>::clone(judge);
        let mut config = ServerConfig::builder_with_details(Arc::clone(&self.provider), clock)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .ok()?
            .with_client_cert_verifier(judge)
            .with_cert_resolver(Arc::<SingleCertAndKey>::clone(&self.own));
        // A resumed session is believed without its certificate being looked at: there is none.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_fragment_size = Some(MAX_FRAGMENT);
        Some(config)
    }
}

/// Never a suite without encryption, without authentication or without forward secrecy. MB-TCP-Security-v36 wants the two with
/// AES-128; the order is that of what they cost here.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..default_provider()
    }
}

/// This gateway's clock, for what rustls itself wants to date.
#[derive(Debug)]
struct Clock(Arc<Time>);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let now = self.0.now();
        Some(unix(now.wall.max(now.floor)))
    }
}

/// Whole seconds; a time before 1970 is 1970.
pub(super) fn unix(at: UnixMs) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_millis(u64::try_from(at.0).unwrap_or(0)))
}
