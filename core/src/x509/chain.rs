//! The certificate that a plant CA gives to this gateway's CA, with what leads to its root.

use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use super::request::{Unverified, verify};
use crate::digest::Sha256;
use crate::moment::{Moment, UnixMs};

/// A chain larger than this (64 KiB) is not looked at.
pub const MAX_BYTES: usize = 64 * 1024;
/// Certificates from ours to the root, both included.
pub const MAX_LENGTH: usize = 5;

/// A chain that holds, ours first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// DER of each certificate: ours first, the root last.
    pub certificates: Vec<Vec<u8>>,
    /// DER of our name in it.
    pub subject: Vec<u8>,
    /// The common name of its root, for people.
    pub root: String,
    /// The identifier of our key in it, if it states one.
    pub key_id: Option<Vec<u8>>,
    /// Ours is valid from.
    pub not_before: UnixMs,
    /// The first end in the chain.
    pub not_after: UnixMs,
}

/// Why a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// More than [`MAX_BYTES`].
    #[error("a chain of more than 64 KiB")]
    Large,
    /// No PEM of certificates.
    #[error("not PEM of certificates")]
    Encoding,
    /// Nothing, or more than [`MAX_LENGTH`].
    #[error("{0} certificates, not 1 to 5 from ours to the root")]
    Length(usize),
    /// The first certificate is for another key.
    #[error("the first certificate is not for this gateway's CA key")]
    Key,
    /// The first certificate has another name.
    #[error(
        "the first certificate has another name than the request: leaves that were issued before would not chain to it"
    )]
    Name,
    /// The first certificate calls our key otherwise.
    #[error(
        "the first certificate states another identifier of our key than the request: leaves that were issued before would not \
         chain to it"
    )]
    KeyId,
    /// It would be over before it begins.
    #[error("the first certificate ends, or the chain above it does, before it begins")]
    Dates,
    /// Not a CA.
    #[error("certificate {0} of the chain is not a CA, or may not sign certificates")]
    NotACa(usize),
    /// Ours may not sign lists.
    #[error("the first certificate may not sign CRLs (keyUsage cRLSign)")]
    NoLists,
    /// A CA that admits fewer below it.
    #[error("certificate {0} of the chain admits fewer CAs below it (pathLen)")]
    PathLength(usize),
    /// Not signed by the next.
    #[error("certificate {0} of the chain is not signed by the one behind it")]
    Signature(usize),
    /// Past its end.
    #[error("certificate {0} of the chain is past its end")]
    Expired(usize),
    /// Not begun.
    #[error("certificate {0} of the chain begins later than the clock of this gateway")]
    NotBegun(usize),
    /// A critical extension that nobody here understands.
    #[error("certificate {0} of the chain has a critical extension that is not understood")]
    Critical(usize),
}

impl Chain {
    /// Checks a chain in PEM for our key and name. Dates count by a clock that is vouched for; a doubtful one ends nothing.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn read(text: &[u8], spki: &Sha256, subject: &[u8], now: Moment) -> Result<Self, ChainError> {
        if text.len() > MAX_BYTES {
            return Err(ChainError::Large);
        }
        let mut certificates = Vec::new();
        for pem in Pem::iter_from_buffer(text) {
            let pem = pem.map_err(|_| ChainError::Encoding)?;
            if pem.label != "CERTIFICATE" {
                return Err(ChainError::Encoding);
            }
            certificates.push(pem.contents);
        }
        Self::of(certificates, spki, subject, now)
    }

    /// As [`Self::read`], from DER.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn of(certificates: Vec<Vec<u8>>, spki: &Sha256, subject: &[u8], now: Moment) -> Result<Self, ChainError> {
        if !(1..=MAX_LENGTH).contains(&certificates.len()) {
            return Err(ChainError::Length(certificates.len()));
        }
        let mut parsed = Vec::new();
        for der in &certificates {
            let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| ChainError::Encoding)?;
            if !rest.is_empty() {
                return Err(ChainError::Encoding);
            }
            parsed.push(certificate);
        }
        let (Some(ours), Some(root)) = (parsed.first(), parsed.last()) else { return Err(ChainError::Length(0)) };
        if Sha256::of(ours.public_key().raw) != *spki {
            return Err(ChainError::Key);
        }
        if ours.subject().as_raw() != subject {
            return Err(ChainError::Name);
        }
        for (index, certificate) in parsed.iter().enumerate() {
            // The root is signed by itself.
            let issuer = parsed.get(index + 1).unwrap_or(certificate);
            one(index, certificate, issuer, now)?;
        }
        if !ours.key_usage().ok().flatten().is_none_or(|usage| usage.value.crl_sign()) {
            return Err(ChainError::NoLists);
        }
        let ends = parsed.iter().map(|certificate| millis(certificate.validity().not_after.timestamp()));
        let (not_before, not_after) = (millis(ours.validity().not_before.timestamp()), ends.min().unwrap_or_default());
        if not_before >= not_after {
            return Err(ChainError::Dates);
        }
        let common = root.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
        let key_id = ours.iter_extensions().find_map(|extension| {
            let ParsedExtension::SubjectKeyIdentifier(id) = extension.parsed_extension() else { return None };
            Some(id.0.to_vec())
        });
        Ok(Self {
            subject: ours.subject().as_raw().to_vec(),
            root: common.chars().filter(|c| !c.is_control()).take(64).collect(),
            key_id,
            not_before,
            not_after,
            certificates,
        })
    }
}

fn millis(seconds: i64) -> UnixMs {
    UnixMs(seconds.saturating_mul(1_000))
}

/// One certificate of the chain, and the one that has signed it.
fn one(index: usize, it: &X509Certificate<'_>, issuer: &X509Certificate<'_>, now: Moment) -> Result<(), ChainError> {
    let place = index + 1;
    let constraints = it.basic_constraints().map_err(|_| ChainError::NotACa(place))?;
    let constraints = constraints.ok_or(ChainError::NotACa(place))?.value;
    let usage = it.key_usage().map_err(|_| ChainError::NotACa(place))?;
    if !constraints.ca || !usage.is_none_or(|usage| usage.value.key_cert_sign()) {
        return Err(ChainError::NotACa(place));
    }
    // So many CAs stand below it.
    let below = u32::try_from(index).unwrap_or(u32::MAX);
    if constraints.path_len_constraint.is_some_and(|most| most < below) {
        return Err(ChainError::PathLength(place));
    }
    let known = |oid: &str| matches!(oid, "2.5.29.19" | "2.5.29.15" | "2.5.29.14" | "2.5.29.35");
    if it.iter_extensions().any(|extension| extension.critical && !known(&extension.oid.to_id_string())) {
        return Err(ChainError::Critical(place));
    }
    if it.issuer().as_raw() != issuer.subject().as_raw() {
        return Err(ChainError::Signature(place));
    }
    let signature = &it.signature_value.data;
    match verify(&it.signature_algorithm, issuer.public_key(), it.tbs_certificate.as_ref(), signature) {
        Ok(()) => {}
        Err(Unverified::Algorithm(_) | Unverified::Signature) => return Err(ChainError::Signature(place)),
    }
    if now.is_past(millis(it.validity().not_after.timestamp())) {
        return Err(ChainError::Expired(place));
    }
    if now.is_before(millis(it.validity().not_before.timestamp())) {
        return Err(ChainError::NotBegun(place));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
