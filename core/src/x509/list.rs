//! What an issuer has taken back (RFC 5280, section 5): whose list it is, and which serial numbers stand in it. Whether the list is
//! to be believed is judged elsewhere; nothing here looks at a signature.

use std::collections::BTreeSet;

use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use super::leaf::Serial;
use crate::digest::Sha256;

/// One list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// SHA-256 of the DER of the issuer's name.
    pub issuer: Sha256,
    serials: BTreeSet<Serial>,
}

/// The bytes are no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one DER certificate revocation list")]
pub struct NotAList;

impl TakenBack {
    /// Reads one list in DER.
    ///
    /// # Errors
    /// When the bytes are no list, or something follows it.
    pub fn read(der: &[u8]) -> Result<Self, NotAList> {
        let Ok(([], list)) = CertificateRevocationList::from_der(der) else { return Err(NotAList) };
        let serials = list.iter_revoked_certificates().map(|entry| Serial::new(entry.raw_serial())).collect();
        Ok(Self { issuer: Sha256::of(list.issuer().as_raw()), serials })
    }

    /// True when this issuer has taken back its certificate of this number.
    pub fn has(&self, issuer: &Sha256, serial: &Serial) -> bool {
        self.issuer == *issuer && self.serials.contains(serial)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
        KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
    };

    use super::*;
    use crate::x509::leaf::Leaf;

    fn authority(name: &str) -> Issuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        Issuer::new(params, KeyPair::generate().unwrap())
    }

    fn list(issuer: &Issuer<'static, KeyPair>, serials: &[&[u8]]) -> Vec<u8> {
        let day = date_time_ymd(2026, 1, 1);
        let one = |serial: &&[u8]| RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: day,
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: day,
            next_update: date_time_ymd(2027, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(issuer).unwrap().der().to_vec()
    }

    fn leaf(issuer: &Issuer<'static, KeyPair>, serial: &[u8]) -> Leaf {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(serial));
        Leaf::read(params.signed_by(&KeyPair::generate().unwrap(), issuer).unwrap().der()).unwrap()
    }

    #[test]
    fn a_list_names_the_numbers_of_its_own_issuer_and_no_others() {
        let (plant, other) = (authority("plant"), authority("other"));
        let taken = TakenBack::read(&list(&plant, &[&[0x80, 1], &[7]])).unwrap();
        let is_in = |leaf: &Leaf| taken.has(&leaf.issuer, &leaf.serial);
        assert!(is_in(&leaf(&plant, &[0x80, 1])), "a number that DER puts a zero in front of");
        assert!(is_in(&leaf(&plant, &[7])));
        assert!(!is_in(&leaf(&plant, &[8])));
        assert!(!is_in(&leaf(&other, &[7])), "another issuer's certificate of the same number");
    }

    #[test]
    fn what_is_no_list_is_none() {
        let good = list(&authority("plant"), &[&[7]]);
        assert!(TakenBack::read(&good).is_ok());
        assert_eq!(TakenBack::read(&good[..good.len() - 1]), Err(NotAList));
        assert_eq!(TakenBack::read(&[good.as_slice(), &[0]].concat()), Err(NotAList));
        assert_eq!(TakenBack::read(b""), Err(NotAList));
    }
}
