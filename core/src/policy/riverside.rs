//! The plant of the tests: one bottling line with a SCADA station, an old panel, two drives on a bus and a vendor.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::model::*;
use super::problem::Place;
use crate::access::Bank;
use crate::digest::Sha256;
use crate::identity::{Attributes, Evidence, Grant, Proof, Registry};
use crate::moment::{BootMs, ClockTrust, Moment, RanMs, UnixMs};
use crate::names::{Role, RuleId};
use crate::world::World;

pub(crate) const FILLER: &str = "10.10.9.20:502";
pub(crate) const DOSING: &str = "10.10.9.30:502";
pub(crate) const SCADA_IP: &str = "10.10.9.11";
pub(crate) const PANEL_IP: &str = "10.10.9.31";
pub(crate) const PANEL_MAC: &str = "02:1f:5a:00:10:31";

pub(crate) fn point(bank: Bank, first: u16, last: u16) -> Point {
    Point {
        bank,
        first,
        last,
        number: None,
        order: WordOrder::BigWord,
        values: None,
        safe: None,
        heartbeat: false,
        place: Place::default(),
    }
}

pub(crate) fn profile(name: &str) -> Profile {
    let serial = name == "serial";
    Profile {
        name: name.into(),
        unit_zero: if serial { UnitZero::Broadcast } else { UnitZero::Itself },
        long_frames: false,
        echoes_ids: if serial { None } else { Some(true) },
        repeats_ids: false,
        read_gaps: false,
        programming: BTreeSet::new(),
        order: WordOrder::BigWord,
    }
}

pub(crate) fn asset(
    listen: &[&str],
    connect: &str,
    profile_name: &str,
    units: &[u8],
    points: &[(&str, Point)],
) -> Asset {
    Asset {
        zone: "filling".into(),
        listen: listen.iter().map(|at| at.parse().unwrap()).collect(),
        connect: connect.parse().unwrap(),
        profile: profile(profile_name),
        units: units.to_vec(),
        connections: 4,
        safety: false,
        answer_within: Duration::from_secs(6),
        in_order: true,
        share_upstream: false,
        points: points.iter().map(|(name, point)| ((*name).into(), point.clone())).collect(),
        place: Place::default(),
    }
}

pub(crate) fn roles(names: &[&str]) -> BTreeSet<Role> {
    names.iter().map(|name| Role::from(*name)).collect()
}

/// `read X`, `write X`, `broadcast`, `identify`.
pub(crate) fn can(words: &[&str]) -> Vec<Can> {
    words
        .iter()
        .map(|word| match word.split_once(' ') {
            Some(("read", point)) => Can::Read(point.into()),
            Some(("write", point)) => Can::Write(point.into()),
            _ if *word == "broadcast" => Can::Broadcast,
            _ => Can::Function(Function::Identify),
        })
        .collect()
}

pub(crate) fn rule(id: &str, who: &[&str], on: &str, words: &[&str], when: &[Condition]) -> Rule {
    Rule {
        id: RuleId::from(id),
        who: roles(who),
        on: on.into(),
        can: can(words),
        when: when.to_vec(),
        limit: None,
        place: Place::default(),
    }
}

pub(crate) fn conduit(from: From, to: &str, allow: Vec<Rule>) -> Conduit {
    Conduit {
        from,
        to: to.into(),
        mode: Mode::Enforce,
        record: RecordKind::Durable,
        on_stall: OnStall::Continue,
        on_failure: OnFailure::Close,
        detail: Detail::Writes,
        on_expiry: OnExpiry::Keep,
        hours: None,
        approval: None,
        allow,
        place: Place::default(),
    }
}

fn zone(network: &str) -> Zone {
    Zone { networks: vec![Network { address: network.parse().unwrap(), prefix: 24 }], ..Zone::default() }
}

pub(crate) fn hours(days: u8, start: u16, end: u16) -> Hours {
    Hours { days: Days(days), start: DayMinute(start), end: DayMinute(end) }
}

fn line_1() -> Attributes {
    Attributes { line: Some("line-1".into()), ..Attributes::default() }
}

pub(crate) fn subject(zone: &str, proof: SubjectProof, role: Option<&str>, attributes: Attributes) -> SubjectEntry {
    SubjectEntry { zone: zone.into(), proof, role: role.map(Role::from), attributes, place: Place::default() }
}

/// The plant of `examples/policy/plant.toml`, and a station known by its address.
pub(crate) fn policy() -> Policy {
    let shift = |start: u16, end: u16| Shift { hours: hours(0x7f, start * 60, end * 60), overlap: 15 };
    let holding = |first, last| point(Bank::Holding, first, last);
    let filler = asset(
        &[FILLER, "10.10.9.20:802"],
        "10.10.1.20:502",
        "direct",
        &[1],
        &[
            ("status", point(Bank::Input, 0, 49)),
            ("counters", holding(0, 9)),
            ("alive", Point { heartbeat: true, ..holding(10, 10) }),
            ("speed", Point { values: Some((0.0, 1200.0)), safe: Some(0.0), ..holding(100, 100) }),
            ("jog", Point { safe: Some(0.0), ..point(Bank::Coils, 16, 17) }),
            ("recipe", holding(200, 239)),
            ("setpoint", Point { number: Some(Number::U32), values: Some((0.0, 90_000.0)), ..holding(300, 301) }),
            ("valves", point(Bank::Coils, 0, 15)),
        ],
    );
    let dosing = asset(
        &[DOSING],
        "10.10.1.30:502",
        "serial",
        &[3, 4],
        &[
            ("flow", point(Bank::Input, 0, 3)),
            ("rate", Point { values: Some((0.0, 500.0)), safe: Some(0.0), ..holding(0, 0) }),
        ],
    );
    let both = ["Operator", "Supervisor"];
    let on_shift = [Condition::OnShift, Condition::LineIs("line-1".into())];
    let mut writes = rule(
        "conduits.scada-to-filling.allow[2]",
        &both,
        "filler-plc",
        &["write alive", "write speed", "write jog", "write setpoint"],
        &on_shift,
    );
    writes.limit = Some(Limit { count: NonZeroU32::new(600).unwrap(), of: LimitOf::Writes, seconds: 60 });
    let local = conduit(
        From::Zone("control-room".into()),
        "filling",
        vec![
            rule(
                "conduits.scada-to-filling.allow[1]",
                &both,
                "filler-plc",
                &["read status", "read counters", "read speed", "read setpoint"],
                &[],
            ),
            writes,
            rule("conduits.scada-to-filling.allow[3]", &both, "dosing", &["read flow", "write rate"], &[]),
            rule(
                "conduits.scada-to-filling.allow[4]",
                &["Supervisor"],
                "filler-plc",
                &["read recipe", "write recipe", "write valves"],
                &[Condition::OnShift, Condition::SecondFactor],
            ),
        ],
    );
    let vendor = Conduit {
        hours: Some(hours(0x1f, 7 * 60, 17 * 60)),
        approval: Some(ApprovalTerms { by: "Supervisor".into(), minutes: 120 }),
        on_stall: OnStall::Deny,
        detail: Detail::Full,
        ..conduit(
            From::Remote("acme-service".into()),
            "filling",
            vec![rule(
                "conduits.vendor-service.allow[1]",
                &["Vendor"],
                "filler-plc",
                &["read status", "read counters", "read recipe", "diagnostics identify"],
                &[Condition::SecondFactor, Condition::WorkOrderOpen],
            )],
        )
    };
    let panel = SubjectProof::SessionGrant {
        address: PANEL_IP.parse().unwrap(),
        mac: Some(PANEL_MAC.parse().unwrap()),
        grant: GrantTerms { opened_by: roles(&both), minutes: 480, overlap: 15 },
    };
    let station = SubjectProof::Address { address: SCADA_IP.parse().unwrap(), mac: None };
    Policy {
        plant: Plant {
            name: "riverside-line1".into(),
            timezone: jiff::tz::TimeZone::get("Europe/Berlin").unwrap(),
            on_expiry: OnExpiry::Keep,
            on_clock_doubt: OnClockDoubt::AllowLocal,
        },
        shifts: BTreeMap::from([
            ("early".into(), shift(6, 14)),
            ("late".into(), shift(14, 22)),
            ("night".into(), shift(22, 6)),
        ]),
        zones: BTreeMap::from([("filling".into(), zone("10.10.1.0")), ("control-room".into(), zone("10.10.9.0"))]),
        assets: BTreeMap::from([("filler-plc".into(), filler), ("dosing".into(), dosing)]),
        subjects: BTreeMap::from([
            ("scada".into(), subject("control-room", SubjectProof::Certificate, Some("Operator"), line_1())),
            ("station".into(), subject("control-room", station, Some("Operator"), line_1())),
            ("lead".into(), subject("control-room", SubjectProof::Token, Some("Supervisor"), line_1())),
            ("old-panel".into(), subject("control-room", panel, None, line_1())),
            ("acme".into(), subject("remote:acme-service", SubjectProof::Token, Some("Vendor"), Attributes::default())),
        ]),
        conduits: BTreeMap::from([("scada-to-filling".into(), local), ("vendor-service".into(), vendor)]),
        never: vec![Never {
            id: "never[1]".into(),
            what: vec![
                Forbidden::Function(Function::Restart),
                Forbidden::Function(Function::ListenOnly),
                Forbidden::Function(Function::Programming),
                Forbidden::Broadcast,
            ],
            why: Some("PLC stop and programming only from the local service port".into()),
            place: Place::default(),
        }],
        accepts: Vec::new(),
        hash: Sha256::of(b"riverside"),
    }
}

/// A world of that policy in which `scada` has a key.
pub(crate) fn world(policy: Policy) -> World {
    let keys = policy.subjects.keys().map(|id| (key_of(id.as_str()), id.clone())).collect();
    let registry = Registry { lives: BTreeMap::new(), keys };
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
