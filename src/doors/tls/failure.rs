//! The one word of the journal for each way in which a handshake ends.

use std::io;

use bulkhead_core::journal::record::HandshakeFailure;
use rustls::{CertificateError, Error, PeerIncompatible};

/// The word for an error of the handshake.
pub(super) fn of(error: &io::Error) -> HandshakeFailure {
    // No error of TLS: the stream ended, or was reset.
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    tls.map_or(HandshakeFailure::Closed, of_tls)
}

fn of_tls(error: &Error) -> HandshakeFailure {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::PeerIncompatible(error) => of_offer(error),
        Error::NoCertificatesPresented => HandshakeFailure::NoCertificate,
        Error::AlertReceived(_) => HandshakeFailure::Untrusted,
        // Lists and keys are read when the material is prepared; what is wrong with them then is not the client's fault.
        Error::InvalidCertRevocationList(_) | Error::InconsistentKeys(_) => HandshakeFailure::NoMaterial,
        // Out of place, torn, undecipherable or contradictory: it is no TLS as the standard has it.
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::InvalidEncryptedClientHello(_)
        | Error::InvalidMessage(_)
        | Error::UnsupportedNameType
        | Error::DecryptError
        | Error::EncryptError
        | Error::PeerMisbehaved(_)
        | Error::General(_)
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::HandshakeNotComplete
        | Error::PeerSentOversizedRecord
        | Error::NoApplicationProtocol
        | Error::BadMaxFragmentSize
        | Error::Other(_)
        | _ => HandshakeFailure::Malformed,
    }
}

fn of_certificate(error: &CertificateError) -> HandshakeFailure {
    use CertificateError as E;
    let is = |one: bool, failure| one.then_some(failure);
    let unknown = matches!(error, E::UnknownIssuer | E::UnknownRevocationStatus);
    let over = matches!(error, E::Expired | E::ExpiredContext { .. });
    let early = matches!(error, E::NotValidYet | E::NotValidYetContext { .. });
    let usage = matches!(error, E::InvalidPurpose | E::InvalidPurposeContext { .. } | E::Other(_));
    let signature = matches!(
        error,
        E::BadSignature
            | E::UnsupportedSignatureAlgorithmContext { .. }
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
    );
    is(unknown, HandshakeFailure::UnknownIssuer)
        .or_else(|| is(over, HandshakeFailure::Expired))
        .or_else(|| is(early, HandshakeFailure::NotYetValid))
        .or_else(|| is(matches!(error, E::Revoked), HandshakeFailure::Revoked))
        // What webpki has no word of rustls for: a CA's certificate in the place of a client's, a violated constraint.
        .or_else(|| is(usage, HandshakeFailure::WrongUsage))
        .or_else(|| is(signature, HandshakeFailure::Signature))
        .unwrap_or(HandshakeFailure::Malformed)
}

/// What the client offers and this gateway does not: either the version, or everything else.
fn of_offer(error: &PeerIncompatible) -> HandshakeFailure {
    let version = matches!(
        error,
        PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired
            // A client of TLS 1.1 or older has none to offer.
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired
    );
    if version { HandshakeFailure::Version } else { HandshakeFailure::Cipher }
}
