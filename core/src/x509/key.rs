//! One key, one encoding. The registry knows a key by the digest of its DER, and readers of keys are lenient (compressed points,
//! parameters that may be there or not): without this a revoked key could come back in other clothes.

use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::der::{bits, integer, sequence};

/// Everything before the point of an uncompressed P-256 key (RFC 5480), its first byte included.
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// The same of a P-384 key.
const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00, 0x04,
];
/// Everything before the 32 bytes of an Ed25519 key (RFC 8410).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The algorithm of an RSA key with its NULL (RFC 3279 section 2.3.1).
const RSA: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// Whether a key of a kind that we certify stands in the one form that counts.
pub(super) fn is_plain(spki: &SubjectPublicKeyInfo<'_>) -> bool {
    let raw = spki.raw;
    let fixed = |before: &[u8], rest: usize| raw.len() == before.len() + rest && raw.starts_with(before);
    if fixed(P256, 64) || fixed(P384, 96) || fixed(ED25519, 32) {
        return true;
    }
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) => {
            let key = sequence(&[&integer(key.modulus), &integer(key.exponent)]);
            sequence(&[RSA, &bits(&key)]) == raw
        }
        Ok(_) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer as _;

    use super::*;

    fn plain(der: &[u8]) -> bool {
        SubjectPublicKeyInfo::from_der(der).is_ok_and(|(_, spki)| is_plain(&spki))
    }

    #[test]
    fn a_key_has_one_form_and_its_other_clothes_are_refused() {
        let whole = [P256, &[7; 64]].concat();
        assert!(plain(&whole));
        // A compressed point, with its lengths made right.
        let mut compressed = [&P256[..P256.len() - 1], &[0x02], &[7; 32]].concat();
        (compressed[1], compressed[24]) = (0x39, 0x22);
        assert!(!plain(&compressed));
        assert!(plain(&[P384, &[7; 96]].concat()) && plain(&[ED25519, &[7; 32]].concat()));
        // Ed25519 with a NULL that does not belong there.
        let null =
            [&[0x30, 0x2c, 0x30, 0x07, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x05, 0x00, 0x03, 0x21, 0x00][..], &[7; 32]];
        assert!(!plain(&null.concat()));
        let key = sequence(&[&integer(&[0x81; 256]), &integer(&[1, 0, 1])]);
        assert!(plain(&sequence(&[RSA, &bits(&key)])));
        let bare = &[0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01][..];
        assert!(!plain(&sequence(&[bare, &bits(&key)])), "without its NULL");
    }
}
