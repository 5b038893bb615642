//! Issuing: to a subject of the policy from its request, and the gateway's own leaf.

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Credential, Life};
use bulkhead_core::journal::record::{GatewayRecord, Seq};
use bulkhead_core::moment::UnixMs;
use bulkhead_core::names::{Role, SubjectId};
use bulkhead_core::x509::request::Request;
use bulkhead_core::x509::write::{self, Purpose};

use super::signing::{Authority, Terms, sign};
use super::state::Leaf;
use super::{Ca, CaError, DAY_MS, DAYS_MOST, MAX_CERTIFICATES, begin, latest};
use crate::ports::keys::Vault;
use crate::ports::store::{CertificateRow, Change};
use crate::service::orders::OrderError;
use crate::service::registry::Registration;

/// Bytes of a serial number: 127 random bits.
const SERIAL: usize = 16;
/// A generator that repeats itself is asked so often.
const TRIES: usize = 8;
/// Days of the gateway's own leaf, which renews itself.
pub(super) const LEAF_DAYS: i64 = 365;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// For whom.
    pub subject: SubjectId,
    /// Its request, PEM or DER.
    pub request: Vec<u8>,
    /// For how many days.
    pub days: u32,
}

/// A certificate that may leave: its serial number is durable.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its row.
    pub row: CertificateRow,
    /// The certificate and what leads to its root, as PEM.
    pub pem: String,
    /// The key was not registered before.
    pub registered: bool,
    /// The kind of the key.
    pub kind: String,
    /// The life of the subject.
    pub life: Life,
}

impl Ca {
    /// Issues a certificate to a subject of the policy and registers its key. A renewal is the same, before the end or behind it, with
    /// the old key or a new one; the old certificate ends by itself.
    ///
    /// # Errors
    /// Who may not have it and why; nothing was issued.
    pub async fn sign(&self, wanted: Wanted, by: &str) -> Result<Issued, CaError> {
        if !(1..=DAYS_MOST).contains(&wanted.days) {
            return Err(CaError::Days(wanted.days));
        }
        let bytes = wanted.request;
        let request = self.blocking(move || Request::read(&bytes)).await??;
        let _order = self.orders.one.lock().await;
        let authority = self.authority()?;
        let (role, life) = self.entitled(&wanted.subject)?;
        let registration = Registration {
            subject: wanted.subject.clone(),
            life: Life::Active,
            credentials: vec![Credential::Key(request.digest())],
        };
        // Before anything is signed or recorded: somebody else's key gets nothing.
        self.orders.may_register(&registration)?;
        let now = self.now();
        if now.is_past(authority.not_after) {
            return Err(CaError::Ended);
        }
        self.room()?;
        let serial = self.fresh_serial()?;
        let wished = latest(now).saturating_add(i64::from(wanted.days) * DAY_MS);
        let (not_before, not_after) = (begin(now).max(authority.not_before), UnixMs(wished.min(authority.not_after.0)));
        let row = CertificateRow {
            serial: hex(&serial),
            subject: Some(wanted.subject.clone()),
            spki: request.digest(),
            role: role.clone(),
            not_before,
            not_after,
            issued: true,
            revoked: None,
            seq: Seq(0),
        };
        let (by_whom, spki, key) = (Arc::clone(&authority), request.spki.clone(), request.public_key.clone());
        let name = wanted.subject.clone();
        let der = self
            .blocking(move || {
                let purpose = Purpose::Client(role.as_ref());
                let terms = Terms { serial: &serial, name: name.as_str(), not_before, not_after, purpose };
                sign(&by_whom, &spki, &key, &terms)
            })
            .await??;
        let changed = self.orders.register_locked(&registration, by).await?;
        let row = self.keep(row, None, by).await?;
        // Somebody may have been barred while the disk was written: then it does not leave, and a revocation lists it.
        self.entitled(&wanted.subject)?;
        let pem = write::pem("CERTIFICATE", &der) + &authority.pem();
        Ok(Issued { row, pem, registered: !changed.edits.is_empty(), kind: request.kind, life })
    }

    /// The role that the policy gives to a subject that may have a certificate.
    fn entitled(&self, subject: &SubjectId) -> Result<(Option<Role>, Life), CaError> {
        let world = self.orders.shared.worlds.current();
        let entry = world.policy.subjects.get(subject).ok_or_else(|| CaError::NoSubject(subject.clone()))?;
        if !entry.admits_certificate() {
            return Err(CaError::NotAdmitted { subject: subject.clone(), admitted: entry.proof_words() });
        }
        let life = world.registry.life(subject);
        if life.is_barred() {
            return Err(CaError::Barred { subject: subject.clone(), life });
        }
        Ok((entry.role.clone(), life))
    }

    fn room(&self) -> Result<(), CaError> {
        if self.state().certificates.len() >= MAX_CERTIFICATES { Err(CaError::Full) } else { Ok(()) }
    }

    /// Records a certificate and keeps its row: behind this it may leave. The caller holds the order.
    async fn keep(&self, row: CertificateRow, leaf: Option<String>, by: &str) -> Result<CertificateRow, CaError> {
        let record = GatewayRecord::Certificate {
            serial: row.serial.clone(),
            subject: row.subject.clone(),
            spki: row.spki,
            role: row.role.clone(),
            not_before: row.not_before,
            not_after: row.not_after,
            by: by.to_owned(),
        };
        // From here on the number is used up, whatever the disk says.
        let mut row = row;
        self.state().certificates.insert(row.serial.clone(), CertificateRow { issued: false, ..row.clone() });
        row.seq = self.orders.record(record).await.map_err(OrderError::NotKept)?;
        let seq = row.seq;
        self.orders.commit(Change::Certificate { row: row.clone(), leaf }, seq).await?;
        self.state().certificates.insert(row.serial.clone(), row.clone());
        Ok(row)
    }

    /// A serial number that this CA has never used.
    pub(super) fn fresh_serial(&self) -> Result<[u8; SERIAL], CaError> {
        fresh(&*self.vault, |serial| self.state().certificates.contains_key(serial))
    }

    /// Issues the gateway's own leaf for its TLS listeners. The caller holds no order.
    pub(super) async fn issue_leaf(&self, addresses: Vec<IpAddr>) -> Result<(), CaError> {
        let _order = self.orders.one.lock().await;
        let authority = self.authority()?;
        let now = self.now();
        if now.is_past(authority.not_after) {
            return Err(CaError::Ended);
        }
        // A full table stops nobody on port 802: the gateway's own leaf always finds room.
        let vault = Arc::clone(&self.vault);
        let key = self.blocking(move || vault.server()).await??;
        let serial = self.fresh_serial()?;
        let not_before = begin(now).max(authority.not_before);
        let not_after = UnixMs(latest(now).saturating_add(LEAF_DAYS * DAY_MS).min(authority.not_after.0));
        let spki = Sha256::of(&key.spki);
        let (der, pkcs8) = self.sign_leaf(&authority, key, serial, addresses, (not_before, not_after)).await?;
        let row = CertificateRow {
            serial: hex(&serial),
            subject: None,
            spki,
            role: None,
            not_before,
            not_after,
            issued: true,
            revoked: None,
            seq: Seq(0),
        };
        self.keep(row, Some(write::pem("CERTIFICATE", &der)), "gateway").await?;
        let mut state = self.state();
        state.leaf = Leaf::read(&der);
        state.server_key = Some(pkcs8);
        drop(state);
        self.put_trust();
        Ok(())
    }

    async fn sign_leaf(
        &self,
        authority: &Arc<Authority>,
        key: crate::ports::keys::ServerKey,
        serial: [u8; SERIAL],
        addresses: Vec<IpAddr>,
        (not_before, not_after): (UnixMs, UnixMs),
    ) -> Result<(Vec<u8>, Vec<u8>), CaError> {
        let authority = Arc::clone(authority);
        self.blocking(move || {
            let purpose = Purpose::Server(&addresses);
            let terms = Terms { serial: &serial, name: "bulkhead", not_before, not_after, purpose };
            let der = sign(&authority, &key.spki, &key.public_key, &terms)?;
            Ok((der, key.pkcs8))
        })
        .await?
    }
}

/// A serial number that is not used: positive, 16 bytes.
pub(super) fn fresh(vault: &dyn Vault, is_used: impl Fn(&str) -> bool) -> Result<[u8; SERIAL], CaError> {
    for _ in 0..TRIES {
        let mut serial = [0; SERIAL];
        vault.random(&mut serial)?;
        if let Some(first) = serial.first_mut() {
            // Neither negative nor shorter than it looks.
            *first = (*first & 0x7F) | 0x40;
        }
        if !is_used(&hex(&serial)) {
            return Ok(serial);
        }
    }
    Err(CaError::Machine("the random generator repeats itself".to_owned()))
}

/// Upper-case hex, as `openssl x509 -serial` prints it.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('0', char::from);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
