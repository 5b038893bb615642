//! Settings that bear on decisions and are no rights: modes, calendars, addresses, profiles.

use std::collections::{BTreeMap, BTreeSet};

use super::Setting;
use crate::policy::Policy;
use crate::policy::model::{Asset, Conduit, Profile, SubjectEntry, SubjectProof};

/// Every setting by its name, as text.
type Flat = BTreeMap<String, String>;

pub(super) fn compare(old: &Policy, new: &Policy) -> Vec<Setting> {
    let (old, new) = (flat(old), flat(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| Setting { what: name.clone(), before: old.get(name).cloned(), after: new.get(name).cloned() })
        .collect()
}

fn flat(policy: &Policy) -> Flat {
    let mut flat = Flat::new();
    let mut put = |name: String, value: String| {
        flat.insert(name, value);
    };
    put("plant.timezone".into(), policy.plant.timezone.iana_name().unwrap_or("UTC").to_owned());
    put("plant.on_clock_doubt".into(), word(&policy.plant.on_clock_doubt));
    put("plant.on_expiry".into(), word(&policy.plant.on_expiry));
    for (name, shift) in &policy.shifts {
        put(format!("shifts.{name}"), format!("{}, overlap {} minutes", shift.hours, shift.overlap));
    }
    for (name, zone) in &policy.zones {
        put(format!("zones.{name}.networks"), list(zone.networks.iter()));
        put(format!("zones.{name}.kind"), word(&zone.kind));
    }
    for (name, asset) in &policy.assets {
        for (key, value) in of_asset(asset) {
            put(format!("assets.{name}.{key}"), value);
        }
    }
    for (name, subject) in &policy.subjects {
        for (key, value) in of_subject(subject) {
            put(format!("subjects.{name}.{key}"), value);
        }
    }
    for (name, conduit) in &policy.conduits {
        for (key, value) in of_conduit(conduit) {
            put(format!("conduits.{name}.{key}"), value);
        }
    }
    flat
}

fn of_asset(asset: &Asset) -> Vec<(&'static str, String)> {
    let Profile { name: _, unit_zero, long_frames, echoes_ids, repeats_ids, read_gaps, programming, order } =
        &asset.profile;
    vec![
        ("zone", asset.zone.to_string()),
        ("listen", list(asset.listen.iter())),
        ("connect", asset.connect.to_string()),
        ("units", list(asset.units.iter())),
        ("connections", asset.connections.to_string()),
        ("answer_within", format!("{} ms", asset.answer_within.as_millis())),
        ("in_order", asset.in_order.to_string()),
        ("share_upstream", asset.share_upstream.to_string()),
        ("profile.unit_zero", word(unit_zero)),
        ("profile.long_frames", long_frames.to_string()),
        ("profile.echoes_ids", echoes_ids.map_or_else(|| "unknown".to_owned(), |echoes| echoes.to_string())),
        ("profile.repeats_ids", repeats_ids.to_string()),
        ("profile.read_gaps", read_gaps.to_string()),
        ("profile.programming", list(programming.iter())),
        ("profile.order", order.word().to_owned()),
    ]
}

fn of_subject(subject: &SubjectEntry) -> Vec<(&'static str, String)> {
    let mut all = vec![("zone", subject.zone.to_string())];
    let (address, mac) = subject.bound().map_or((None, None), |(address, mac)| (Some(address), mac));
    let grant = subject.panel();
    all.push(("proof", list(subject.proofs.iter().map(SubjectProof::word))));
    all.extend(subject.role.iter().map(|role| ("role", role.to_string())));
    all.extend(address.map(|address| ("address", address.to_string())));
    all.extend(mac.map(|mac| ("mac", mac.to_string())));
    all.extend(grant.map(|grant| ("grant.opened_by", list(grant.opened_by.iter()))));
    all.extend(grant.map(|grant| ("grant.minutes", format!("{} + {}", grant.minutes, grant.overlap))));
    all.push(("priority", word(&subject.priority)));
    if subject.attributes != crate::identity::Attributes::default() {
        all.push(("attributes", word(&subject.attributes)));
    }
    all
}

fn of_conduit(conduit: &Conduit) -> Vec<(&'static str, String)> {
    vec![
        ("path", format!("{} > {}", conduit.from, conduit.to)),
        ("mode", word(&conduit.mode)),
        ("record", word(&conduit.record)),
        ("on_stall", word(&conduit.on_stall)),
        ("on_failure", word(&conduit.on_failure)),
        ("detail", word(&conduit.detail)),
        ("on_expiry", word(&conduit.on_expiry)),
    ]
}

fn list<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// A word of the language, or the shortest JSON of it.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}
