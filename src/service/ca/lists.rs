//! What was taken back: the list (CRL v2) that other programs read. Here the registry has cut the sessions long before.

use std::collections::BTreeSet;
use std::sync::Arc;

use bulkhead_core::journal::record::GatewayRecord;
use bulkhead_core::moment::{Moment, UnixMs};
use bulkhead_core::x509::write::{self, ListPlan, TakenBack};

use super::issue::hex;
use super::state::{CertificateLine, List};
use super::{Ca, CaError, DAY_MS, latest};
use crate::ports::store::Change;
use crate::service::orders::OrderError;

/// Days until the next list is there at the latest; it is made when half of them are over.
const LASTS: i64 = 14;
/// Serial numbers that a record names; the list has them all.
const NAMED: usize = 64;

impl Ca {
    /// The newest list, as PEM, with its number and length.
    ///
    /// # Errors
    /// `None` before the first.
    pub async fn list(&self) -> Result<(u64, u64, String), CaError> {
        self.authority()?;
        if self.state().list.is_none() {
            self.make_list(&[], "gateway").await?;
        }
        let state = self.state();
        let list = state.list.as_ref().ok_or(CaError::None)?;
        let count = u64::try_from(list.listed.len()).unwrap_or(u64::MAX);
        Ok((state.number, count, write::pem("X509 CRL", &list.der)))
    }

    /// Every certificate that was issued and is remembered.
    pub fn certificates(&self) -> Vec<CertificateLine> {
        self.state().lines()
    }

    /// Takes one certificate back; its key stays what the registry says it is.
    ///
    /// # Errors
    /// `NoCertificate`; what the disk says.
    pub async fn retire(&self, serial: &str, by: &str) -> Result<(u64, u64), CaError> {
        let serial = serial.to_ascii_uppercase();
        let known = self.state().certificates.get(&serial).is_some_and(|row| row.issued && row.subject.is_some());
        if !known {
            return Err(CaError::NoCertificate(serial.chars().filter(|c| !c.is_control()).take(42).collect()));
        }
        self.make_list(&[serial], by).await?;
        let state = self.state();
        Ok((state.number, state.list.as_ref().map_or(0, |list| u64::try_from(list.listed.len()).unwrap_or(u64::MAX))))
    }

    /// Whether the newest list is behind what was taken back, or half of its time is over.
    pub(super) fn is_list_due(&self) -> bool {
        let now = self.now();
        let registry = Arc::clone(&self.orders.shared.worlds.current().registry);
        let state = self.state();
        if state.authority.as_ref().is_none_or(|authority| authority.signer().is_err()) {
            return false;
        }
        let wanted = state.taken_back(&registry, now);
        state.list.as_ref().is_none_or(|list| !wanted.is_subset(&list.listed) || list.is_due(now))
    }

    /// Makes a list: the record, the row, the memory, the copy for people.
    pub(super) async fn make_list(&self, more: &[String], by: &str) -> Result<(), CaError> {
        let _order = self.orders.one.lock().await;
        let authority = self.authority()?;
        let now = self.now();
        let at = UnixMs(latest(now));
        let registry = Arc::clone(&self.orders.shared.worlds.current().registry);
        let (number, entries, new, gone) = {
            let state = self.state();
            let mut listed = state.taken_back(&registry, now);
            listed.extend(more.iter().cloned());
            let when = |serial: &String| state.certificates.get(serial).and_then(|row| row.revoked).unwrap_or(at);
            let entries: Vec<(String, UnixMs)> = listed.iter().map(|serial| (serial.clone(), when(serial))).collect();
            let before = state.list.as_ref().map(|list| &list.listed);
            let new: Vec<String> =
                listed.iter().filter(|serial| before.is_none_or(|before| !before.contains(*serial))).cloned().collect();
            (state.number.saturating_add(1), entries, new, state.forgettable(now))
        };
        let (this_update, next_update) = (UnixMs(now.floor.0.min(at.0)), UnixMs(at.0.saturating_add(LASTS * DAY_MS)));
        let taken_back: Vec<TakenBack> =
            entries.iter().map(|(serial, at)| TakenBack { serial: bytes(serial), at: UnixMs(at.0.max(0)) }).collect();
        let der = self
            .blocking(move || {
                let unsigned = write::list(&ListPlan {
                    issuer: &authority.subject,
                    issuer_key: &authority.key_id,
                    number,
                    this_update,
                    next_update,
                    taken_back: &taken_back,
                });
                let signature = authority.signer()?.sign(&unsigned)?;
                Ok::<_, CaError>(write::signed(&unsigned, &signature))
            })
            .await??;
        let record = GatewayRecord::List {
            number,
            count: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            revoked: new.iter().take(NAMED).cloned().collect(),
            by: by.to_owned(),
        };
        // From here on the number is used up, whatever the disk says.
        self.state().number = number;
        let seq = self.orders.record(record).await.map_err(OrderError::NotKept)?;
        let pem = write::pem("X509 CRL", &der);
        let row = Change::List { number, pem: Some(pem.clone()), revoked: entries.clone(), gone: gone.clone(), seq };
        self.orders.commit(row, seq).await?;
        {
            let mut state = self.state();
            for (serial, at) in &entries {
                if let Some(row) = state.certificates.get_mut(serial) {
                    row.revoked = row.revoked.or(Some(*at));
                }
            }
            for serial in &gone {
                state.certificates.remove(serial);
            }
            let listed = entries.into_iter().map(|(serial, _)| serial).collect();
            state.list = Some(List { der, listed, next_update });
        }
        self.publish("crl.pem", pem).await;
        self.put_trust();
        Ok(())
    }
}

impl List {
    /// Whether half of its time is over. Counted back from the end: the beginning goes by the floor, which may lie far behind, and
    /// what was just made is not due. One that ends later than one of now would was made by a clock that was ahead.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        let left = self.next_update.0.saturating_sub(latest(now));
        left <= LASTS * DAY_MS / 2 || left > LASTS * DAY_MS
    }
}

fn bytes(serial: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0);
    let (pairs, _) = serial.as_bytes().as_chunks::<2>();
    pairs.iter().map(|[high, low]| digit(*high) << 4 | digit(*low)).collect()
}

/// A list as it was kept.
pub(super) fn read(pem: &str) -> Option<List> {
    use x509_parser::prelude::FromDer as _;
    let der = super::signing::certificates(pem).into_iter().next()?;
    let (_, list) = x509_parser::revocation_list::CertificateRevocationList::from_der(&der).ok()?;
    let millis = |seconds: i64| UnixMs(seconds.saturating_mul(1_000));
    let listed: BTreeSet<String> = list.iter_revoked_certificates().map(|entry| hex(entry.raw_serial())).collect();
    let next_update = millis(list.next_update().map_or(0, |at| at.timestamp()));
    Some(List { der, listed, next_update })
}
