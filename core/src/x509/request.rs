//! A certificate request (PKCS#10, RFC 2986), as far as the plant's CA looks at it: the key in it, and the proof that whoever asks
//! has its private half. What else it asks for (names, usages, to be a CA) is not looked at: the policy knows who it is.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::digest::Sha256;

/// A request larger than this (16 KiB) is not looked at.
pub const MAX_BYTES: usize = 16 * 1024;
/// The shortest RSA modulus, in bits.
pub const RSA_LEAST: usize = 2_048;
/// The longest RSA modulus: a longer one costs the verifier more than it gives.
pub const RSA_MOST: usize = 8_192;

const EC: &str = "1.2.840.10045.2.1";
const P256: &str = "1.2.840.10045.3.1.7";
const P384: &str = "1.3.132.0.34";
const ED25519: &str = "1.3.101.112";
const RSA: &str = "1.2.840.113549.1.1.1";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";
const RSA_SHA256: &str = "1.2.840.113549.1.1.11";
const RSA_SHA384: &str = "1.2.840.113549.1.1.12";
const RSA_SHA512: &str = "1.2.840.113549.1.1.13";

/// A request whose sender has the private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// DER of the subject public key info, as it goes into the certificate.
    pub spki: Vec<u8>,
    /// The bits of the public key alone: its identifier is made of them.
    pub public_key: Vec<u8>,
    /// `P-256`, `P-384`, `Ed25519`, `RSA 2048`, ..
    pub kind: String,
}

impl Request {
    /// What the registry knows the key by.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(&self.spki)
    }
}

/// The bytes are no request that can be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARequest {
    /// More than [`MAX_BYTES`].
    #[error("a request of more than 16 KiB")]
    Large,
    /// PEM of another kind.
    #[error("PEM of a `{0}`, not of a `CERTIFICATE REQUEST`")]
    Label(String),
    /// Neither PEM nor DER of one request, or something behind it.
    #[error("neither PEM nor DER of one certificate request")]
    Encoding,
    /// A key that we do not certify.
    #[error("a key of a kind that is not certified: {0}")]
    Key(String),
    /// A signature of a kind that we do not know.
    #[error("a signature of a kind that is not known: `{0}`")]
    Algorithm(String),
    /// Whoever asks does not have the private key.
    #[error("its signature does not fit its key: whoever asks does not hold the private half")]
    Possession,
}

impl Request {
    /// Reads a request, PEM or DER, and checks its own signature.
    ///
    /// # Errors
    /// See [`NotARequest`].
    pub fn read(bytes: &[u8]) -> Result<Self, NotARequest> {
        if bytes.len() > MAX_BYTES {
            return Err(NotARequest::Large);
        }
        // DER of a request begins with a SEQUENCE, which is no letter of any PEM.
        if bytes.first() == Some(&0x30) {
            return Self::der(bytes);
        }
        let (rest, pem) = parse_x509_pem(bytes).map_err(|_| NotARequest::Encoding)?;
        if !matches!(pem.label.as_str(), "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST") {
            let label = pem.label.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect();
            return Err(NotARequest::Label(label));
        }
        if rest.iter().any(|byte| !byte.is_ascii_whitespace()) {
            return Err(NotARequest::Encoding);
        }
        Self::der(&pem.contents)
    }

    fn der(bytes: &[u8]) -> Result<Self, NotARequest> {
        let (rest, csr) = X509CertificationRequest::from_der(bytes).map_err(|_| NotARequest::Encoding)?;
        if !rest.is_empty() {
            return Err(NotARequest::Encoding);
        }
        let info = &csr.certification_request_info;
        let kind = kind(&info.subject_pki).map_err(NotARequest::Key)?;
        if !super::key::is_plain(&info.subject_pki) {
            return Err(NotARequest::Key(
                "in an unusual encoding; write the whole point, and no parameters of your own".to_owned(),
            ));
        }
        let signature = &csr.signature_value;
        if signature.unused_bits != 0 {
            return Err(NotARequest::Encoding);
        }
        verify(&csr.signature_algorithm, &info.subject_pki, info.raw, &signature.data).map_err(
            |wrong| match wrong {
                Unverified::Algorithm(oid) => NotARequest::Algorithm(oid),
                Unverified::Signature => NotARequest::Possession,
            },
        )?;
        Ok(Self {
            spki: info.subject_pki.raw.to_vec(),
            public_key: info.subject_pki.subject_public_key.data.to_vec(),
            kind,
        })
    }
}

/// What kind of key it is, or why it is none that we certify.
fn kind(spki: &SubjectPublicKeyInfo<'_>) -> Result<String, String> {
    let curve = || spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    if spki.subject_public_key.unused_bits != 0 {
        return Err("its bits are no bytes".to_owned());
    }
    match spki.algorithm.algorithm.to_id_string().as_str() {
        EC => match curve().as_deref() {
            Some(P256) => Ok("P-256".to_owned()),
            Some(P384) => Ok("P-384".to_owned()),
            Some(other) => Err(format!("the curve `{other}`; use P-256, P-384, Ed25519 or RSA of {RSA_LEAST} bits")),
            None => Err("a curve without a name; use P-256, P-384, Ed25519 or RSA".to_owned()),
        },
        ED25519 => Ok("Ed25519".to_owned()),
        RSA => match spki.parsed() {
            Ok(PublicKey::RSA(key)) => match key.key_size() {
                bits @ RSA_LEAST..=RSA_MOST => Ok(format!("RSA {bits}")),
                bits => Err(format!("RSA of {bits} bits; use {RSA_LEAST} to {RSA_MOST}")),
            },
            Ok(_) | Err(_) => Err("RSA that cannot be read".to_owned()),
        },
        other => Err(format!("the algorithm `{}`", other.chars().take(60).collect::<String>())),
    }
}

/// Why a signature is not good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unverified {
    /// Of a kind that is not known, or that does not belong to the key.
    Algorithm(String),
    /// It is not over these bytes by this key.
    Signature,
}

/// Verifies a signature over `message` with the key of `spki`.
pub(super) fn verify(
    algorithm: &AlgorithmIdentifier<'_>,
    spki: &SubjectPublicKeyInfo<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Unverified> {
    let oid = algorithm.algorithm.to_id_string();
    let curve = spki.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string());
    let key = spki.algorithm.algorithm.to_id_string();
    let with: &'static dyn VerificationAlgorithm = match (key.as_str(), curve.as_deref(), oid.as_str()) {
        (EC, Some(P256), ECDSA_SHA256) => &signature::ECDSA_P256_SHA256_ASN1,
        (EC, Some(P256), ECDSA_SHA384) => &signature::ECDSA_P256_SHA384_ASN1,
        (EC, Some(P384), ECDSA_SHA256) => &signature::ECDSA_P384_SHA256_ASN1,
        (EC, Some(P384), ECDSA_SHA384) => &signature::ECDSA_P384_SHA384_ASN1,
        (ED25519, _, ED25519) => &signature::ED25519,
        (RSA, _, RSA_SHA256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (RSA, _, RSA_SHA384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (RSA, _, RSA_SHA512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        _ => return Err(Unverified::Algorithm(oid.chars().take(60).collect())),
    };
    UnparsedPublicKey::new(with, &spki.subject_public_key.data)
        .verify(message, signature)
        .map_err(|_| Unverified::Signature)
}

#[cfg(test)]
mod tests;
