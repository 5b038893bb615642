//! Assets and their points.

use std::collections::BTreeMap;

use super::listed;
use crate::access::Bank;
use crate::names::{AssetId, PointName};
use crate::policy::model::{Asset, Can, From, Listen, Point, Policy};
use crate::policy::problem::Severity;
use crate::policy::report::Report;
use crate::policy::show::BankWord;

pub(super) fn check(policy: &Policy, out: &mut Report<'_>) {
    let mut taken = BTreeMap::new();
    for (id, asset) in &policy.assets {
        let object = format!("assets.{id}");
        address(policy, &object, asset, out);
        if asset.listen.is_empty() {
            let help = Some("write for example `listen = [\"10.10.9.20:502\"]`".to_owned());
            let message = "no `listen` address: no master can reach it".to_owned();
            out.find("asset-listen", &object, &format!("{object}.listen"), message, help);
        }
        for Listen { at, .. } in &asset.listen {
            let spot = format!("{object}.listen.{at}");
            if let Some(other) = taken.insert(*at, id) {
                let message = format!("`{at}` already stands for asset `{other}`");
                let help = Some("the listener alone selects the asset: give each its own address or port".to_owned());
                out.find("listen-twice", &object, &spot, message, help);
            }
            if policy.zone_of(at.ip()).is_none() && !has_remote(policy, asset) && out.is_clean("zones") {
                let message = format!("`{at}` is in no zone, so that no conduit can start there");
                let zones = policy.zones.values().flat_map(|zone| &zone.networks);
                let help = Some(format!("the zones' networks are {}", listed(zones)));
                out.find("listen-zone", &object, &spot, message, help);
            }
        }
        points(policy, id, asset, out);
    }
}

fn has_remote(policy: &Policy, asset: &Asset) -> bool {
    policy.conduits.values().any(|conduit| conduit.to == asset.zone && matches!(conduit.from, From::Remote(_)))
}

fn address(policy: &Policy, object: &str, asset: &Asset, out: &mut Report<'_>) {
    let Some(zone) = policy.zones.get(&asset.zone) else { return };
    let ip = asset.connect.ip();
    let readable = out.is_clean(&format!("zones.{}", asset.zone));
    if readable && !zone.networks.iter().any(|network| network.contains(ip)) {
        let message = format!("`{ip}` is outside the networks of zone `{}`", asset.zone);
        let help = Some(format!("its networks are {}", listed(&zone.networks)));
        out.find("asset-address", object, &format!("{object}.connect"), message, help);
    }
}

fn points(policy: &Policy, id: &AssetId, asset: &Asset, out: &mut Report<'_>) {
    let mut known: Vec<(&PointName, &Point)> = Vec::new();
    for (name, point) in &asset.points {
        let object = format!("assets.{id}.points.{name}");
        safe(&object, point, out);
        if point.bank == Bank::Holding && (40_001..=49_999).contains(&point.first) {
            let help = format!(
                "did you mean `holding {}`? If the device really uses it, accept the finding",
                point.first - 40_001
            );
            let message =
                format!("`{}` looks like a 40001 number, and addresses count from 0 as on the wire", point.first);
            out.find("point-4xxxx", &object, &format!("{object}.first"), message, Some(help));
        }
        for (other, before) in &known {
            if other_meets(before, point) {
                let (low, high) = (before.first.max(point.first), before.last.min(point.last));
                let message =
                    format!("`{other}` and `{name}` share addresses `{low}-{high}` of {}", BankWord(point.bank));
                let (severity, help) = if writable(point.bank) {
                    (
                        Severity::Error,
                        "of two points that can be written each address has one: its limits must be clear",
                    )
                } else {
                    (Severity::Warning, "name each address once")
                };
                let help = Some(help.to_owned());
                out.find_as(severity, "point-overlap", &format!("assets.{id}"), &object, message, help);
            }
        }
        known.push((name, point));
        used(policy, id, name, point, &object, out);
    }
}

fn other_meets(one: &Point, other: &Point) -> bool {
    one.bank == other.bank && one.first <= other.last && other.first <= one.last
}

/// Whether a bank can be written at all.
pub(super) fn writable(bank: Bank) -> bool {
    match bank {
        Bank::Coils | Bank::Holding | Bank::File(_) => true,
        Bank::Discrete | Bank::Input => false,
    }
}

fn safe(object: &str, point: &Point, out: &mut Report<'_>) {
    let bank = BankWord(point.bank);
    if !writable(point.bank) {
        let help = || Some("name the coil or holding register that is written".to_owned());
        if let Some(safe) = point.safe {
            let message = format!("`safe {safe}` on {bank}, which cannot be written");
            out.find("safe-readonly", object, &format!("{object}.safe"), message, help());
        }
        if point.heartbeat {
            let message = format!("`heartbeat` on {bank}, which cannot be written");
            out.find("safe-readonly", object, &format!("{object}.heartbeat"), message, help());
        }
    } else if let (Some(safe), Some((low, high))) = (point.safe, point.values)
        && !(low..=high).contains(&safe)
    {
        let message = format!("`safe {safe}` is outside `values {low}..{high}`");
        let help = Some("the way to safe is never refused: let the values hold it".to_owned());
        out.find("safe-excluded", object, &format!("{object}.safe"), message, help);
    }
}

fn used(policy: &Policy, id: &AssetId, name: &PointName, point: &Point, object: &str, out: &mut Report<'_>) {
    let mut rights = policy.rules().filter(|(_, rule)| rule.on == *id).flat_map(|(_, rule)| &rule.can);
    let (mut read, mut written) = (false, false);
    for right in rights.by_ref() {
        match right {
            Can::Read(point) => read |= point == name,
            Can::Write(point) => written |= point == name,
            Can::Broadcast | Can::Function(_) => {}
        }
    }
    if let Some(safe) = point.safe.filter(|_| !written) {
        let help = Some(format!("a rule needs `write {name}`, else the way to safe is closed"));
        out.find("safe-unreachable", object, object, format!("nobody may write its safe value `{safe}`"), help);
    }
    if !read && !written && point.safe.is_none() && out.is_whole() {
        let help = Some("drop it, or write a rule for it".to_owned());
        out.find("point-unused", object, object, format!("no rule reads or writes `{name}`"), help);
    }
}
