//! What the CA remembers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::{Life, Registry};
use bulkhead_core::moment::{Moment, UnixMs};
use bulkhead_core::names::{Role, SubjectId};

use super::signing::{Authority, certificates};
use super::{DAY_MS, View, lists};
use crate::ports::keys::Vault;
use crate::ports::store::{AuthorityPart, CertificateRow, Change, Found};

/// Days that a certificate is remembered behind its end.
const REMEMBERED: i64 = 365;

/// The newest list of what was taken back.
#[derive(Clone, Debug, Default)]
pub(super) struct List {
    pub(super) der: Vec<u8>,
    pub(super) listed: BTreeSet<String>,
    pub(super) next_update: UnixMs,
}

/// The gateway's own leaf.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) der: Vec<u8>,
    pub(super) spki: Sha256,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) not_after: UnixMs,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) authority: Option<Arc<Authority>>,
    pub(super) certificates: BTreeMap<String, CertificateRow>,
    pub(super) list: Option<List>,
    /// The number of the newest list, made or only used up.
    pub(super) number: u64,
    pub(super) leaf: Option<Leaf>,
    /// PKCS#8 of the leaf's key.
    pub(super) server_key: Option<Vec<u8>>,
    pub(super) trouble: Option<String>,
}

/// One certificate, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateLine {
    /// Its serial number.
    pub serial: String,
    /// Whose; none for the gateway's own.
    pub subject: Option<SubjectId>,
    /// The key in it.
    pub spki: Sha256,
    /// The role in it.
    pub role: Option<Role>,
    /// Valid from.
    pub not_before: UnixMs,
    /// Valid to.
    pub not_after: UnixMs,
    /// When it was taken back.
    pub revoked: Option<UnixMs>,
}

impl State {
    pub(super) fn found(vault: &dyn Vault, found: &Found, unfinished: &[Change]) -> Self {
        let mut state = Self { certificates: found.certificates.clone(), number: found.list, ..Self::default() };
        for change in unfinished {
            state.learn(change);
        }
        let text = |part| found.authority.get(&part).map(|row| row.value.as_str());
        let Some(chain) = text(AuthorityPart::Chain) else { return state };
        let key = match vault.authority() {
            Ok(Some(key)) => Some(key),
            Ok(None) => {
                state.trouble = Some("the CA's key is gone: nothing can be issued; what was issued goes on".to_owned());
                None
            }
            Err(error) => {
                state.trouble = Some(error.to_string());
                None
            }
        };
        match Authority::kept(key, chain) {
            Ok(authority) => {
                if state.trouble.is_none() && authority.signer().is_err() {
                    state.trouble = Some("the CA's key is not the one of its certificate".to_owned());
                }
                state.authority = Some(Arc::new(authority));
            }
            Err(error) => state.trouble = Some(format!("the CA's own certificate: {error}")),
        }
        state.list = text(AuthorityPart::List).and_then(lists::read);
        state.leaf = text(AuthorityPart::Leaf).and_then(|pem| Leaf::read(certificates(pem).first()?));
        if state.leaf.is_some() {
            match vault.server() {
                Ok(key) if state.leaf.as_ref().is_some_and(|leaf| leaf.spki == Sha256::of(&key.spki)) => {
                    state.server_key = Some(key.pkcs8);
                }
                // Another key, or none that can be read: another leaf has to be issued.
                Ok(_) | Err(_) => state.leaf = None,
            }
        }
        state
    }

    /// What the last life recorded and did not keep.
    fn learn(&mut self, change: &Change) {
        match change {
            Change::Certificate { row, .. } => drop(self.certificates.insert(row.serial.clone(), row.clone())),
            Change::List { number, revoked, .. } => {
                self.number = self.number.max(*number);
                for (serial, at) in revoked {
                    if let Some(row) = self.certificates.get_mut(serial) {
                        row.revoked = row.revoked.or(Some(*at));
                    }
                }
            }
            Change::Life { .. }
            | Change::Registry { .. }
            | Change::Spent { .. }
            | Change::Chain { .. }
            | Change::Mode { .. }
            | Change::Policy { .. }
            | Change::Shadow { .. }
            | Change::ShadowEnded
            | Change::Ran { .. }
            | Change::Settled(_) => {}
        }
    }

    /// Certificates that somebody may still show and that were taken back, by themselves, with their key or with their subject.
    pub(super) fn taken_back(&self, registry: &Registry, now: Moment) -> BTreeSet<String> {
        let gone = |row: &&CertificateRow| {
            let subject = row.subject.as_ref().is_some_and(|subject| registry.life(subject) == Life::Revoked);
            row.issued
                // By what the clock cannot be earlier than: one that runs ahead empties no list.
                && now.floor.0 <= row.not_after.0
                && (row.revoked.is_some() || registry.spent.contains(&row.spki) || subject)
        };
        self.certificates.values().filter(gone).map(|row| row.serial.clone()).collect()
    }

    /// Certificates whose end is so long ago that nobody asks for them any more.
    pub(super) fn forgettable(&self, now: Moment) -> Vec<String> {
        let old = |row: &&CertificateRow| now.floor.0 > row.not_after.0.saturating_add(REMEMBERED * DAY_MS);
        self.certificates.values().filter(old).map(|row| row.serial.clone()).collect()
    }

    pub(super) fn lines(&self) -> Vec<CertificateLine> {
        let issued = self.certificates.values().filter(|row| row.issued);
        let line = |row: &CertificateRow| CertificateLine {
            serial: row.serial.clone(),
            subject: row.subject.clone(),
            spki: row.spki,
            role: row.role.clone(),
            not_before: row.not_before,
            not_after: row.not_after,
            revoked: row.revoked,
        };
        issued.map(line).collect()
    }

    pub(super) fn view(&self, now: Moment) -> Option<View> {
        let authority = self.authority.as_ref()?;
        let live = |row: &&CertificateRow| row.issued && row.revoked.is_none() && !now.is_past(row.not_after);
        // The gateway's own leaf renews itself, and of several certificates of one subject the last counts.
        let mut ends: BTreeMap<&SubjectId, UnixMs> = BTreeMap::new();
        for row in self.certificates.values().filter(live) {
            if let Some(subject) = &row.subject {
                let end = ends.entry(subject).or_insert(row.not_after);
                *end = row.not_after.max(*end);
            }
        }
        let next = ends.iter().min_by_key(|(_, end)| **end).map(|(subject, end)| (*end, Some((*subject).clone())));
        Some(View {
            name: authority.name.clone(),
            root: authority.root.clone(),
            not_before: authority.not_before,
            not_after: authority.not_after,
            pem: authority.pem(),
            certificates: count(self.certificates.values().filter(live).count()),
            taken_back: count(self.list.as_ref().map_or(0, |list| list.listed.len())),
            next,
            trouble: self.trouble.clone(),
        })
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Leaf {
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        use x509_parser::extensions::GeneralName;
        use x509_parser::prelude::FromDer as _;
        let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok().flatten()?;
        let address = |name: &GeneralName<'_>| {
            let GeneralName::IPAddress(bytes) = name else { return None };
            match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(IpAddr::from),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(IpAddr::from),
            }
        };
        let millis = |seconds: i64| UnixMs(seconds.saturating_mul(1_000));
        Some(Self {
            der: der.to_vec(),
            spki: Sha256::of(certificate.public_key().raw),
            addresses: names.value.general_names.iter().filter_map(address).collect(),
            not_after: millis(certificate.validity().not_after.timestamp()),
        })
    }
}
