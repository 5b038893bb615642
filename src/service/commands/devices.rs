//! The registry's orders: who may be known by what, and whether they may act.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bulkhead_core::digest::Sha256;
use bulkhead_core::identity::sheet::{self, Mistake};
use bulkhead_core::identity::{Credential, Edit, Life, Mac};
use bulkhead_core::journal::record::Seq;
use bulkhead_core::names::{Role, SubjectId, ZoneId};
use serde::{Deserialize, Serialize};

use super::run::{Desk, refused};
use super::{Answer, By, Refusal, RefusalKind};
use crate::service::orders::OrderError;
use crate::service::registry::Registration;

/// Devices in one answer; ask for those behind the last one.
pub const DEVICES: usize = 1_000;
/// Changes of an import that are told.
const CHANGES: usize = 1_000;

/// One name of the registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceLine {
    /// Its name.
    pub subject: SubjectId,
    /// Its life.
    pub life: Life,
    /// Its zone by the policy in force; none where the policy does not name it: it may do nothing then.
    pub zone: Option<ZoneId>,
    /// Its role by the policy.
    pub role: Option<Role>,
    /// The proofs that the policy admits for it, in words.
    pub proof: String,
    /// SHA-256 of each public key.
    pub keys: Vec<Sha256>,
    /// Addresses, with the hardware address that must match.
    pub addresses: Vec<(IpAddr, Option<Mac>)>,
    /// Its open connections.
    pub sessions: u32,
}

/// What an order about a device came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceChanged {
    /// It, as it is now.
    pub device: DeviceLine,
    /// False when everything was so already.
    pub changed: bool,
    /// Connections cut.
    pub cut: u32,
    /// The record; 0 when nothing was changed.
    pub seq: Seq,
}

/// What an import changed, or would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// Nothing was changed.
    pub dry_run: bool,
    /// The changes in words, at most 1,000.
    pub changes: Vec<String>,
    /// How many there are.
    pub changed: u64,
    /// The last record; 0 when nothing was changed.
    pub seq: Seq,
}

impl Desk {
    pub(super) async fn device_add(&self, wanted: Registration, by: By) -> Result<Answer, Refusal> {
        let subject = wanted.subject.clone();
        let done = self.house.orders.register(&wanted, &by.to_string()).await.map_err(refused)?;
        tracing::info!(%subject, %by, changed = !done.edits.is_empty(), "registered");
        Ok(self.changed(&subject, !done.edits.is_empty(), done.cut, done.seq))
    }

    pub(super) async fn device_suspend(&self, subject: SubjectId, by: By) -> Result<Answer, Refusal> {
        let done = self.house.orders.suspend(&subject, &by.to_string()).await.map_err(refused)?;
        tracing::info!(%subject, %by, cut = done.sessions, "suspended");
        Ok(self.changed(&subject, !done.again, done.sessions, done.seq))
    }

    pub(super) async fn device_resume(&self, subject: SubjectId, by: By) -> Result<Answer, Refusal> {
        let done = self.house.orders.resume(&subject, &by.to_string()).await.map_err(refused)?;
        tracing::info!(%subject, %by, "resumed");
        Ok(self.changed(&subject, !done.edits.is_empty(), done.cut, done.seq))
    }

    pub(super) async fn device_remove(
        &self,
        subject: SubjectId,
        credential: Credential,
        by: By,
    ) -> Result<Answer, Refusal> {
        let done = self.house.orders.remove(&subject, credential, &by.to_string()).await.map_err(refused)?;
        tracing::info!(%subject, %by, %credential, cut = done.cut, "credential removed");
        Ok(self.changed(&subject, true, done.cut, done.seq))
    }

    pub(super) async fn device_import(&self, text: String, dry_run: bool, by: By) -> Result<Answer, Refusal> {
        let (registry, hold) = (self.house.world.current().registry.clone(), self.house.orders.hold());
        let now = self.house.time.now();
        // Thousands of names take their time: beside the data path.
        let planned = self.house.tasks.blocking(move || {
            let rows = sheet::read(text.as_bytes())?;
            sheet::plan(&registry, &rows, hold, now)
        });
        let planned = planned.await.map_err(|error| refused(OrderError::NotKept(error.to_string())))?;
        let edits = planned.map_err(|mistakes| wrong(&mistakes))?;
        let changed = u64::try_from(edits.len()).unwrap_or(u64::MAX);
        let changes = edits.iter().take(CHANGES).map(words).collect();
        let mut seq = Seq(0);
        if !dry_run && !edits.is_empty() {
            seq = self.house.orders.edit(edits, &by.to_string()).await.map_err(refused)?.seq;
            tracing::info!(%by, changed, "registry imported");
        }
        Ok(Answer::Imported(Imported { dry_run, changes, changed, seq }))
    }

    pub(super) fn devices(&self, after: Option<&SubjectId>) -> Answer {
        let world = self.house.world.current();
        let names = world.registry.lives.keys().filter(|name| after.is_none_or(|after| *name > after));
        let names: Vec<SubjectId> = names.take(DEVICES + 1).cloned().collect();
        let more = names.len() > DEVICES;
        let sessions = self.connected();
        let lines = names.iter().take(DEVICES).map(|name| self.device(name, &sessions)).collect();
        Answer::Devices { devices: lines, more }
    }

    pub(super) fn device_show(&self, subject: &SubjectId) -> Result<Answer, Refusal> {
        let world = self.house.world.current();
        if !world.registry.lives.contains_key(subject) && !world.policy.subjects.contains_key(subject) {
            return Err(refused(OrderError::NoSubject(subject.clone())));
        }
        Ok(Answer::Devices { devices: vec![self.device(subject, &self.connected())], more: false })
    }

    fn changed(&self, subject: &SubjectId, changed: bool, cut: u32, seq: Seq) -> Answer {
        let device = self.device(subject, &self.connected());
        Answer::Device(Box::new(DeviceChanged { device, changed, cut, seq }))
    }

    /// How many connections each subject has.
    pub(super) fn connected(&self) -> BTreeMap<SubjectId, u32> {
        let mut connected = BTreeMap::new();
        for subject in self.house.sessions.all().iter().filter_map(|session| session.subject()) {
            *connected.entry(subject).or_default() += 1;
        }
        connected
    }

    fn device(&self, subject: &SubjectId, sessions: &BTreeMap<SubjectId, u32>) -> DeviceLine {
        let world = self.house.world.current();
        let entry = world.policy.subjects.get(subject);
        DeviceLine {
            subject: subject.clone(),
            life: world.registry.life(subject),
            zone: entry.map(|entry| entry.zone.clone()),
            role: entry.and_then(|entry| entry.role.clone()),
            proof: entry.map(bulkhead_core::policy::model::SubjectEntry::proof_words).unwrap_or_default(),
            keys: world.registry.keys_of(subject).collect(),
            addresses: world.registry.addresses_of(subject).collect(),
            sessions: sessions.get(subject).copied().unwrap_or_default(),
        }
    }
}

fn wrong(mistakes: &[Mistake]) -> Refusal {
    Refusal {
        kind: RefusalKind::Refused,
        cause: match mistakes.len() {
            1 => "1 mistake in the sheet; nothing was changed".to_owned(),
            n => format!("{n} mistakes in the sheet; nothing was changed"),
        },
        next: "mend the lines, and try it first: bulkhead device import FILE --dry-run".to_owned(),
        problems: mistakes.iter().map(ToString::to_string).collect(),
    }
}

/// An edit for people.
fn words(edit: &Edit) -> String {
    match edit {
        Edit::Added { subject, life, again, credentials } => {
            let with: Vec<String> = credentials.iter().map(ToString::to_string).collect();
            let with = if with.is_empty() { "no credential".to_owned() } else { with.join(", ") };
            let again = if *again { " anew" } else { "" };
            format!("+ {subject} ({}){again}: {with}", life.word())
        }
        Edit::Life { subject, life } => format!("~ {subject}: {}", life.word()),
        Edit::Removed { subject, credential } => format!("- {subject}: {credential}"),
    }
}
