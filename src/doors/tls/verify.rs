//! Whether a client's certificate is to be believed. The reasons of rustls are those of the standard, so that the peer gets the
//! alert that the standard has for it; the journal's word comes from `failure`.

use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_core::moment::{ClockTrust, Moment, UnixMs};
use bulkhead_core::x509::leaf::{Leaf, Usage};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::material::unix;
use crate::service::time::Time;

/// Certificates between the client's own and a root. webpki would try up to a hundred signatures for whoever asks.
const MAX_INTERMEDIATES: usize = 4;

/// The judge of one handshake.
#[derive(Debug)]
pub(super) struct Judge {
    roots: Arc<dyn ClientCertVerifier>,
    time: Arc<Time>,
    shown: Mutex<Option<Leaf>>,
}

impl Judge {
    pub(super) fn new(roots: Arc<dyn ClientCertVerifier>, time: Arc<Time>) -> Self {
        Self { roots, time, shown: Mutex::default() }
    }

    /// What the client's certificate said, believed or not.
    pub(super) fn shown(&self) -> Option<Leaf> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The moment at which webpki is to look at a chain. It is now, unless the client's own certificate is not valid now: then a
/// moment at which it is, because its dates are judged apart and a foreign certificate is foreign first of all.
///
/// A doubtful clock proves nothing: a certificate of the future counts from its beginning, one is over when the floor says so.
fn moment_for_chain(leaf: &Leaf, others: &[CertificateDer<'_>], now: Moment) -> UnixMs {
    let begins = others.iter().filter_map(|der| Leaf::read(der).ok()).map(|other| other.not_before);
    let at = match now.trust {
        ClockTrust::Doubtful => begins.fold(now.floor, UnixMs::max),
        ClockTrust::Floor | ClockTrust::Proven => now.wall.max(now.floor),
    };
    at.max(leaf.not_before).min(leaf.not_after)
}

/// Chain, usage and revocation by webpki, then the dates by this moment.
fn believe(
    roots: &dyn ClientCertVerifier,
    leaf: &Leaf,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    now: Moment,
) -> Result<ClientCertVerified, Error> {
    let at = moment_for_chain(leaf, intermediates, now);
    let verified = roots.verify_client_cert(end_entity, intermediates, unix(at))?;
    if leaf.usage != Usage::Client {
        return Err(CertificateError::InvalidPurpose.into());
    }
    if now.is_before(leaf.not_before) {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.is_past(leaf.not_after) {
        return Err(CertificateError::Expired.into());
    }
    Ok(verified)
}

impl ClientCertVerifier for Judge {
    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.roots.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let leaf = Leaf::read(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.clone());
        if intermediates.len() > MAX_INTERMEDIATES {
            return Err(CertificateError::BadEncoding.into());
        }
        believe(&*self.roots, &leaf, end_entity, intermediates, self.time.now())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.roots.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.roots.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
