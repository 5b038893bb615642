//! A CA of the tests, and what it signs: good clients, and every kind of bad one.

use std::sync::atomic::{AtomicU64, Ordering};

use bulkhead::service::trust::Material;
use bulkhead_core::digest::Sha256;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData as _, RevocationReason,
    RevokedCertParams, SerialNumber,
};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

/// The name that clients expect of the gateway.
pub(crate) const GATEWAY: &str = "gateway.plant";
const ROLE: &[u64] = &[1, 3, 6, 1, 4, 1, 50316, 802, 1];

/// A certificate and its key.
pub(crate) struct Card {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivatePkcs8KeyDer<'static>,
    pub(crate) spki: Sha256,
    pub(crate) serial: u64,
}

impl Clone for Card {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key(), spki: self.spki, serial: self.serial }
    }
}

/// A CA.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: CertificateDer<'static>,
    gateway: Card,
}

/// What a certificate says, where it differs from a good client's.
pub(crate) struct Wish {
    /// The values of the role extensions.
    pub(crate) roles: Vec<Vec<u8>>,
    pub(crate) usages: Vec<ExtendedKeyUsagePurpose>,
    /// Its validity, in seconds from now.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) is_ca: bool,
}

impl Wish {
    pub(crate) fn client(role: &str) -> Self {
        Self::with(vec![text(0x0C, role)])
    }

    pub(crate) fn with(roles: Vec<Vec<u8>>) -> Self {
        Self { roles, usages: vec![ExtendedKeyUsagePurpose::ClientAuth], from: -3_600, to: 86_400, is_ca: false }
    }
}

/// A short DER string of a type.
pub(crate) fn text(tag: u8, text: &str) -> Vec<u8> {
    [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// Serial numbers so far, of all CAs.
static NUMBER: AtomicU64 = AtomicU64::new(0x1000);

fn params(common_name: &str, wish: &Wish, serial: u64) -> CertificateParams {
    let now = OffsetDateTime::from(std::time::UNIX_EPOCH) + since_1970();
    let mut params = CertificateParams::new(vec![GATEWAY.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = now + Duration::seconds(wish.from);
    params.not_after = now + Duration::seconds(wish.to);
    params.extended_key_usages.clone_from(&wish.usages);
    params.custom_extensions =
        wish.roles.iter().map(|der| CustomExtension::from_oid_content(ROLE, der.clone())).collect();
    if wish.is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    }
    params
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests' certificates are dated by the machine's clock, as the gateway's is"
)]
fn since_1970() -> std::time::Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap()
}

fn sign(name: &str, wish: &Wish, issuer: &Issuer<'static, KeyPair>, key: &KeyPair) -> Card {
    let serial = NUMBER.fetch_add(1, Ordering::Relaxed);
    let certificate = params(name, wish, serial).signed_by(key, issuer).unwrap();
    Card {
        chain: vec![certificate.der().clone()],
        key: PrivatePkcs8KeyDer::from(key.serialize_der()),
        spki: Sha256::of(&key.subject_public_key_info()),
        serial,
    }
}

impl Pki {
    pub(crate) fn new() -> Self {
        Self::named(&format!("CA {}", NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    /// A CA that goes by this name, whoever else does.
    pub(crate) fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let wish = Wish { usages: Vec::new(), is_ca: true, ..Wish::with(Vec::new()) };
        let params = params(name, &wish, 1);
        let root = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let server = Wish { usages: vec![ExtendedKeyUsagePurpose::ServerAuth], ..Wish::with(Vec::new()) };
        let gateway = sign("gateway", &server, &issuer, &KeyPair::generate().unwrap());
        Self { issuer, root, gateway }
    }

    /// A client with a key of its own.
    pub(crate) fn issue(&self, wish: &Wish) -> Card {
        sign("client", wish, &self.issuer, &KeyPair::generate().unwrap())
    }

    /// A good client in a role.
    pub(crate) fn client(&self, role: &str) -> Card {
        self.issue(&Wish::client(role))
    }

    /// Another certificate for the key of a card, by this CA.
    pub(crate) fn renew(&self, card: &Card, wish: &Wish) -> Card {
        let key = KeyPair::try_from(&card.key).unwrap();
        sign("client", wish, &self.issuer, &key)
    }

    /// What the gateway shows and believes, with these cards revoked by their issuer.
    pub(crate) fn material(&self, revoked: &[&Card]) -> Material {
        Material {
            chain: self.gateway.chain.clone(),
            key: self.gateway.key.clone_key(),
            roots: vec![self.root.clone()],
            crls: if revoked.is_empty() { Vec::new() } else { vec![self.crl(revoked)] },
        }
    }

    fn crl(&self, revoked: &[&Card]) -> CertificateRevocationListDer<'static> {
        let now = OffsetDateTime::from(std::time::UNIX_EPOCH) + since_1970();
        let one = |card: &&Card| RevokedCertParams {
            serial_number: SerialNumber::from(card.serial),
            revocation_time: now,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: now - Duration::hours(1),
            next_update: now + Duration::hours(1),
            crl_number: SerialNumber::from(7_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().clone()
    }
}
