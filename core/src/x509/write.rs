//! What the plant's own CA writes (RFC 5280): certificates, lists of those that were taken back, and the request by which a plant CA
//! signs it. Unsigned: the key is elsewhere. Signatures are ECDSA with SHA-256.

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::der::{OCTET_STRING, OID, SET, UTF8_STRING, bits, integer, sequence, time, tlv};
use crate::moment::UnixMs;
use crate::names::Role;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ECDSA_SHA256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 0x0E];
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1D, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x13];
const CRL_NUMBER: &[u8] = &[0x55, 0x1D, 0x14];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x25];
const SERVER_AUTH: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTH: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
/// 1.3.6.1.4.1.50316.802.1, MB-TCP-Security-v36 R-21.
const MODBUS_ROLE: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0x83, 0x89, 0x0C, 0x86, 0x22, 0x01];
const EXTENSION_REQUEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x0E];

/// The DER of a name that is one common name.
pub fn common_name(text: &str) -> Vec<u8> {
    let attribute = sequence(&[&tlv(OID, COMMON_NAME), &tlv(UTF8_STRING, text.as_bytes())]);
    sequence(&[&tlv(SET, &attribute)])
}

/// The identifier of a key: SHA-1 of the bits of its public half (RFC 5280 section 4.2.1.2, method 1), which is what other CAs make
/// of it too. It hides nothing and proves nothing.
pub fn key_id(public_key: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, public_key).as_ref().to_vec()
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// To sign leaves and lists; no CA below it.
    Authority,
    /// To show a client, with its Modbus role.
    Client(Option<&'a Role>),
    /// To show this gateway at these addresses.
    Server(&'a [IpAddr]),
}

/// Everything that stands in a certificate besides its signature.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The serial number, big-endian, at most 20 bytes.
    pub serial: &'a [u8],
    /// DER of the issuer's name.
    pub issuer: &'a [u8],
    /// The identifier of the issuer's key.
    pub issuer_key: &'a [u8],
    /// DER of the subject's name.
    pub subject: &'a [u8],
    /// DER of the subject public key info.
    pub spki: &'a [u8],
    /// The identifier of the subject's key.
    pub subject_key: &'a [u8],
    /// Valid from.
    pub not_before: UnixMs,
    /// Valid to.
    pub not_after: UnixMs,
    /// What for.
    pub purpose: Purpose<'a>,
}

/// `TBSCertificate`.
pub fn certificate(plan: &Plan<'_>) -> Vec<u8> {
    let version = tlv(0xA0, &integer(&[2]));
    let validity = sequence(&[&time(plan.not_before), &time(plan.not_after)]);
    let extensions = tlv(0xA3, &sequence(&[&extensions(plan).concat()]));
    sequence(&[
        &version,
        &integer(plan.serial),
        &algorithm(),
        plan.issuer,
        &validity,
        plan.subject,
        plan.spki,
        &extensions,
    ])
}

fn extensions(plan: &Plan<'_>) -> Vec<Vec<u8>> {
    let (constraints, usage) = match plan.purpose {
        // cA TRUE, pathLenConstraint 0; keyCertSign and cRLSign.
        Purpose::Authority => (sequence(&[&[0x01, 0x01, 0xFF], &integer(&[0])]), [0x03, 0x02, 0x01, 0x06]),
        // digitalSignature.
        Purpose::Client(_) | Purpose::Server(_) => (sequence(&[]), [0x03, 0x02, 0x07, 0x80]),
    };
    let mut all = vec![
        extension(BASIC_CONSTRAINTS, true, &constraints),
        extension(KEY_USAGE, true, &usage),
        extension(SUBJECT_KEY_ID, false, &tlv(OCTET_STRING, plan.subject_key)),
        extension(AUTHORITY_KEY_ID, false, &authority(plan.issuer_key)),
    ];
    match plan.purpose {
        Purpose::Authority => {}
        Purpose::Client(role) => {
            all.push(extension(EXTENDED_KEY_USAGE, false, &sequence(&[&tlv(OID, CLIENT_AUTH)])));
            all.extend(role.map(|role| extension(MODBUS_ROLE, false, &tlv(UTF8_STRING, role.as_str().as_bytes()))));
        }
        Purpose::Server(addresses) => {
            all.push(extension(EXTENDED_KEY_USAGE, false, &sequence(&[&tlv(OID, SERVER_AUTH)])));
            let names: Vec<Vec<u8>> = addresses
                .iter()
                .map(|ip| match ip {
                    IpAddr::V4(ip) => tlv(0x87, &ip.octets()),
                    IpAddr::V6(ip) => tlv(0x87, &ip.octets()),
                })
                .collect();
            all.push(extension(ALTERNATIVE_NAME, false, &sequence(&[&names.concat()])));
        }
    }
    all
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xFF] } else { &[] };
    sequence(&[&tlv(OID, oid), critical, &tlv(OCTET_STRING, value)])
}

fn authority(key_id: &[u8]) -> Vec<u8> {
    sequence(&[&tlv(0x80, key_id)])
}

fn algorithm() -> Vec<u8> {
    sequence(&[&tlv(OID, ECDSA_SHA256)])
}

/// A certificate that was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// Its serial number, big-endian.
    pub serial: Vec<u8>,
    /// When.
    pub at: UnixMs,
}

/// Everything that stands in a list (CRL v2) besides its signature.
#[derive(Clone, Copy, Debug)]
pub struct ListPlan<'a> {
    /// DER of the issuer's name.
    pub issuer: &'a [u8],
    /// The identifier of the issuer's key.
    pub issuer_key: &'a [u8],
    /// The list's number: greater than that of each list before it.
    pub number: u64,
    /// When it was made.
    pub this_update: UnixMs,
    /// When the next one is there at the latest.
    pub next_update: UnixMs,
    /// What was taken back.
    pub taken_back: &'a [TakenBack],
}

/// `TBSCertList`.
pub fn list(plan: &ListPlan<'_>) -> Vec<u8> {
    let entries: Vec<Vec<u8>> =
        plan.taken_back.iter().map(|entry| sequence(&[&integer(&entry.serial), &time(entry.at)])).collect();
    // An empty list of entries has no place in DER: it is left out.
    let entries = if entries.is_empty() { Vec::new() } else { sequence(&[&entries.concat()]) };
    let extensions = [
        extension(AUTHORITY_KEY_ID, false, &authority(plan.issuer_key)),
        extension(CRL_NUMBER, false, &integer(&plan.number.to_be_bytes())),
    ];
    sequence(&[
        &integer(&[1]),
        &algorithm(),
        plan.issuer,
        &time(plan.this_update),
        &time(plan.next_update),
        &entries,
        &tlv(0xA0, &sequence(&[&extensions.concat()])),
    ])
}

/// `CertificationRequestInfo` (RFC 2986) for a CA: it asks for the constraints and usages of [`Purpose::Authority`], and for the key
/// identifier that its leaves name already.
pub fn request(subject: &[u8], spki: &[u8], subject_key: &[u8]) -> Vec<u8> {
    let wanted = [
        extension(BASIC_CONSTRAINTS, true, &sequence(&[&[0x01, 0x01, 0xFF], &integer(&[0])])),
        extension(KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x06]),
        extension(SUBJECT_KEY_ID, false, &tlv(OCTET_STRING, subject_key)),
    ];
    let values = tlv(SET, &sequence(&[&wanted.concat()]));
    let attribute = sequence(&[&tlv(OID, EXTENSION_REQUEST), &values]);
    sequence(&[&integer(&[]), subject, spki, &tlv(0xA0, &attribute)])
}

/// The whole of it, with the signature over `unsigned`: an ECDSA signature in DER.
pub fn signed(unsigned: &[u8], signature: &[u8]) -> Vec<u8> {
    sequence(&[unsigned, &algorithm(), &bits(signature)])
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// PEM (RFC 7468) of some DER.
pub fn pem(label: &str, der: &[u8]) -> String {
    let mut text = String::new();
    for three in der.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for (index, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
            let digit = usize::try_from(word >> shift & 63).unwrap_or(0);
            let letter = BASE64.get(digit).copied().unwrap_or(b'A');
            text.push(if index <= three.len() { char::from(letter) } else { '=' });
        }
    }
    let lines: Vec<&str> = (0..text.len()).step_by(64).filter_map(|at| text.get(at..text.len().min(at + 64))).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
