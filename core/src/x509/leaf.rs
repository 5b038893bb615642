//! What a peer's certificate says (RFC 5280): its key, its number, its dates, what it is for, and the role of Modbus/TCP Security.
//!
//! The role is one extension, 1.3.6.1.4.1.50316.802.1, whose value is one DER `UTF8String` and nothing else (MB-TCP-Security-v36,
//! No extension is the NULL role. Anything but exactly one good one is no role at all: two roles are
//! not a choice, and `PrintableString "Engineer"` is not `UTF8String "Engineer"`.

use std::fmt;

use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate, X509Extension};

use crate::digest::Sha256;
use crate::moment::UnixMs;
use crate::names::Role;

/// The dotted number of the role extension.
pub const ROLE: &str = "1.3.6.1.4.1.50316.802.1";
/// A certificate larger than this (16 KiB) is not looked at: real ones have under 2 KiB.
pub const MAX_BYTES: usize = 16 * 1024;
/// The longest role, in bytes of UTF-8: the name fits the short form of a DER length and a line of the journal.
pub const MAX_ROLE: usize = 64;
/// RFC 5280 4.1.2.2: 20 bytes; a leading zero may make it one more.
const MAX_SERIAL: usize = 21;
const UTF8_STRING: u8 = 0x0C;
const KEY_USAGE: &str = "2.5.29.15";
const EXTENDED_KEY_USAGE: &str = "2.5.29.37";

/// What a certificate says. Nobody has looked at its signature or compared its dates with a clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// SHA-256 of the DER of its subject public key info: the credential that the registry knows.
    pub spki: Sha256,
    /// SHA-256 of the DER of its issuer's name. With the serial number it says which certificate this is.
    pub issuer: Sha256,
    /// Its serial number.
    pub serial: Serial,
    /// Valid from.
    pub not_before: UnixMs,
    /// Valid to, included.
    pub not_after: UnixMs,
    /// Whether its usages let a TLS client use it.
    pub usage: Usage,
    /// Its Modbus role.
    pub role: RoleMark,
}

/// A serial number: 1 to 21 bytes, printed as upper-case hex pairs, as `openssl x509 -serial` prints them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

impl Serial {
    /// Of the content of a DER integer, which may have a zero in front.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(
            if let [0, rest @ ..] = bytes
                && !rest.is_empty()
            {
                rest
            } else {
                bytes
            }
            .to_vec(),
        )
    }

    /// Its bytes, big-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

/// What a certificate is for, as far as a TLS client is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// `clientAuth` is among its extended key usages, or it names none; and its key may sign.
    Client,
    /// It is for something else, such as `serverAuth` alone, or its key may not sign.
    Other,
}

/// The Modbus role of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleMark {
    /// No role extension: the NULL role.
    Absent,
    /// Exactly one good one.
    One(Role),
    /// A role extension that is none.
    Bad(BadRole),
}

impl RoleMark {
    /// The role that counts, if there is one.
    pub fn role(&self) -> Option<&Role> {
        match self {
            Self::One(role) => Some(role),
            Self::Absent | Self::Bad(_) => None,
        }
    }
}

/// Why a role extension is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRole {
    /// The extension occurs more than once.
    #[error("more than one role")]
    Several,
    /// Another tag than `UTF8String`, a length that is not that of the text, bytes behind it, or no UTF-8.
    #[error("not one DER UTF8String")]
    Encoding,
    /// An empty text.
    #[error("an empty role")]
    Empty,
    /// More than [`MAX_ROLE`] bytes.
    #[error("a role of more than 64 bytes")]
    Long,
    /// Control characters.
    #[error("control characters in a role")]
    Control,
}

/// The bytes are no certificate that a client could show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotALeaf {
    /// More than [`MAX_BYTES`].
    #[error("a certificate of more than 16 KiB")]
    Large,
    /// No DER certificate, or one that is followed by something.
    #[error("not one DER certificate")]
    Encoding,
    /// No serial number, or one longer than RFC 5280 allows.
    #[error("a serial number of more than 20 bytes")]
    Serial,
    /// A key in another encoding than the one that the registry knows it by.
    #[error("a public key in an unusual encoding, or of a kind that is not certified")]
    Key,
    /// A usage that is stated twice or cannot be read: nobody can say what it is for.
    #[error("a usage that is stated twice or cannot be read")]
    Usage,
}

impl Leaf {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// See [`NotALeaf`]. A bad role is no error: its holder is let in without one.
    pub fn read(der: &[u8]) -> Result<Self, NotALeaf> {
        if der.len() > MAX_BYTES {
            return Err(NotALeaf::Large);
        }
        let Ok(([], certificate)) = X509Certificate::from_der(der) else { return Err(NotALeaf::Encoding) };
        let serial = certificate.raw_serial();
        if serial.is_empty() || serial.len() > MAX_SERIAL {
            return Err(NotALeaf::Serial);
        }
        if !super::key::is_plain(certificate.public_key()) {
            return Err(NotALeaf::Key);
        }
        let validity = certificate.validity();
        let ms = |seconds: i64| UnixMs(seconds.saturating_mul(1_000));
        Ok(Self {
            spki: Sha256::of(certificate.public_key().raw),
            issuer: Sha256::of(certificate.issuer().as_raw()),
            serial: Serial::new(serial),
            not_before: ms(validity.not_before.timestamp()),
            not_after: ms(validity.not_after.timestamp()),
            usage: usage(certificate.extensions())?,
            role: role(certificate.extensions()),
        })
    }
}

/// Never `extensions_map()`: that is an error as soon as any extension occurs twice.
fn usage(extensions: &[X509Extension<'_>]) -> Result<Usage, NotALeaf> {
    let (mut client, mut signs) = (None, None);
    for extension in extensions {
        let before = match extension.oid.to_id_string().as_str() {
            EXTENDED_KEY_USAGE => {
                let ParsedExtension::ExtendedKeyUsage(usage) = extension.parsed_extension() else {
                    return Err(NotALeaf::Usage);
                };
                client.replace(usage.client_auth)
            }
            KEY_USAGE => {
                let ParsedExtension::KeyUsage(usage) = extension.parsed_extension() else {
                    return Err(NotALeaf::Usage);
                };
                signs.replace(usage.digital_signature())
            }
            _ => None,
        };
        if before.is_some() {
            return Err(NotALeaf::Usage);
        }
    }
    Ok(if client.unwrap_or(true) && signs.unwrap_or(true) { Usage::Client } else { Usage::Other })
}

fn role(extensions: &[X509Extension<'_>]) -> RoleMark {
    let mut found = extensions.iter().filter(|extension| extension.oid.to_id_string() == ROLE);
    match (found.next(), found.next()) {
        (None, _) => RoleMark::Absent,
        (Some(only), None) => one(only.value).map_or_else(RoleMark::Bad, RoleMark::One),
        (Some(_), Some(_)) => RoleMark::Bad(BadRole::Several),
    }
}

/// One DER `UTF8String`: tag, length in its short form, text, end.
fn one(value: &[u8]) -> Result<Role, BadRole> {
    let [UTF8_STRING, length, text @ ..] = value else { return Err(BadRole::Encoding) };
    if *length >= 0x80 {
        // The long form says more than 127 bytes, or is no DER.
        return Err(if text.len() > 0x80 { BadRole::Long } else { BadRole::Encoding });
    }
    let text = std::str::from_utf8(text).map_err(|_| BadRole::Encoding)?;
    if text.len() != usize::from(*length) {
        return Err(BadRole::Encoding);
    }
    match text {
        "" => Err(BadRole::Empty),
        text if text.len() > MAX_ROLE => Err(BadRole::Long),
        text if text.chars().any(char::is_control) => Err(BadRole::Control),
        text => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests;
