//! The plant of the tests: one bottling line with a SCADA station, an old panel, two drives on a bus and a vendor.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Policy;
use crate::digest::Sha256;
use crate::identity::{Attributes, Evidence, Grant, Proof, Registry};
use crate::moment::{BootMs, ClockTrust, Moment, RanMs, UnixMs};
use crate::names::Role;
use crate::world::World;

pub(crate) const FILLER: &str = "10.10.9.20:502";
pub(crate) const DOSING: &str = "10.10.9.30:502";
pub(crate) const SCADA_IP: &str = "10.10.9.11";
pub(crate) const PANEL_IP: &str = "10.10.9.31";
pub(crate) const PANEL_MAC: &str = "02:1f:5a:00:10:31";

/// The example plant, with a station known by its address, a shift lead with tokens and a vendor.
pub(crate) fn text() -> String {
    let plant = include_str!("../../../config/examples/riverside/plant.toml");
    format!("{plant}\n{MORE}")
}

const MORE: &str = r#"
[subjects.station]
zone = "control-room"
proof = "address"
address = "10.10.9.11"
role = "Operator"
attributes = { line = "line-1" }
[subjects.lead]
zone = "control-room"
proof = "token"
role = "Supervisor"
attributes = { line = "line-1" }
[subjects.acme]
zone = "remote:acme-service"
proof = "token"
role = "Vendor"
"#;

pub(crate) fn policy() -> Policy {
    load(&text())
}

/// A policy that must load.
pub(crate) fn load(text: &str) -> Policy {
    match super::load(text) {
        Ok(loaded) => loaded.policy,
        Err(problems) => panic!("{}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// A world of that policy in which `scada` has a key.
pub(crate) fn world(policy: Policy) -> World {
    let keys = policy.subjects.keys().map(|id| (key_of(id.as_str()), id.clone())).collect();
    let registry = Registry { keys, ..Registry::default() };
    World { generation: 1, policy: Arc::new(policy), registry: Arc::new(registry), facts: Attributes::default() }
}

pub(crate) fn key_of(subject: &str) -> Sha256 {
    Sha256::of(subject.as_bytes())
}

/// Wall time of the plant, such as `2026-03-10 14:14:59.999`, in summer time's second hour with a `b` behind it.
pub(crate) fn at(text: &str) -> Moment {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let (text, later) = text.strip_suffix('b').map_or((text, false), |text| (text, true));
    let civil: jiff::civil::DateTime = text.parse().unwrap();
    let ambiguous = zone.to_ambiguous_timestamp(civil);
    let wall = if later { ambiguous.later() } else { ambiguous.compatible() };
    Moment {
        wall: UnixMs(wall.unwrap().as_millisecond()),
        boot: BootMs(1000),
        ran: RanMs(5_000_000),
        trust: ClockTrust::Proven,
        floor: UnixMs(0),
    }
}

pub(crate) fn evidence(listener: &str, source: &str, mac: Option<&str>) -> Evidence {
    let listener: SocketAddr = listener.parse().unwrap();
    let ip = source.parse().unwrap();
    Evidence {
        listener,
        source: ip,
        remote: None,
        approvals: Vec::new(),
        proofs: vec![Proof::Address { ip, mac: mac.map(|mac| mac.parse().unwrap()) }],
    }
}

pub(crate) fn panel(listener: &str, grant: Option<(&str, &str)>) -> Evidence {
    let mut evidence = evidence(listener, PANEL_IP, Some(PANEL_MAC));
    if let Some((by, ends)) = grant {
        let grant =
            Grant { id: "g-1".into(), subject: "old-panel".into(), by: by.into(), ends: at(ends).wall, ends_ran: None };
        evidence.proofs.push(Proof::SessionGrant { grant: Arc::new(grant) });
    }
    evidence
}
pub(crate) fn certificate(listener: &str, subject: &str, role: Option<&str>) -> Evidence {
    let mut evidence = evidence(listener, "10.10.9.99", None);
    let role = role.map(Role::from);
    evidence.proofs.push(Proof::Certificate {
        spki: key_of(subject),
        role,
        not_before: UnixMs(i64::MIN),
        not_after: UnixMs(i64::MAX),
    });
    evidence
}
