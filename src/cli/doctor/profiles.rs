//! Devices that behave otherwise than the policy's profile says, as far as the newest records of the journal have seen it.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_core::journal::record::{DecisionRecord, Event, GatewayRecord, Outcome, Record, Seq};
use bulkhead_core::names::AssetId;
use bulkhead_core::policy::Policy;
use bulkhead_core::policy::model::{Asset, UnitZero};

use super::Finding;

/// Records that are looked at: some hours of a busy line.
pub(super) const LOOK_AT: usize = 20_000;
/// Fewer than so many are an accident.
const SOME: u64 = 3;
/// Requests whose answers are waited for at once in this look: more is another's fault.
const PENDING: usize = 4_096;

/// What one asset was seen to do.
#[derive(Debug, Default)]
struct Seen {
    unsolicited: u64,
    malformed: Option<String>,
    repeated: u64,
    zero: u64,
    foreign: BTreeSet<u8>,
    answered: BTreeMap<u8, u64>,
    silent: BTreeMap<u8, u64>,
    exceptions: BTreeMap<u32, u64>,
}

/// What the records show of each asset.
pub(super) fn findings(policy: &Policy, records: &[Record], activate: &str) -> Vec<Finding> {
    let mut seen: BTreeMap<AssetId, Seen> = BTreeMap::new();
    let mut pending: BTreeMap<Seq, (AssetId, u8)> = BTreeMap::new();
    for record in records {
        match &record.event {
            Event::Gateway(GatewayRecord::Alarm { what, asset: Some(asset), text, .. }) => {
                let seen = seen.entry(asset.clone()).or_default();
                match what.as_str() {
                    "unsolicited-reply" => seen.unsolicited += 1,
                    "malformed-reply" => seen.malformed = Some(text.clone()),
                    "reused-transaction-id" => seen.repeated += 1,
                    _ => {}
                }
            }
            Event::Decision(decision) => {
                let Some(id) = &decision.asset else { continue };
                let Some(asset) = policy.assets.get(id) else { continue };
                decided(seen.entry(id.clone()).or_default(), asset, decision);
                if pending.len() == PENDING {
                    pending.pop_first();
                }
                pending.insert(record.seq, (id.clone(), decision.frame.unit));
            }
            Event::Outcome { of, outcome, .. } => {
                let Some((asset, unit)) = pending.remove(of) else { continue };
                let seen = seen.entry(asset).or_default();
                match outcome {
                    Outcome::Applied => *seen.answered.entry(unit).or_default() += 1,
                    Outcome::Refused(code) => {
                        *seen.answered.entry(unit).or_default() += 1;
                        *seen.exceptions.entry(*code).or_default() += 1;
                    }
                    Outcome::NoAnswer => *seen.silent.entry(unit).or_default() += 1,
                    Outcome::NotSent(_) | Outcome::Unknown => {}
                }
            }
            Event::Gateway(_)
            | Event::Repeated { .. }
            | Event::Denied { .. }
            | Event::Session(_)
            | Event::Trimmed { .. }
            | Event::Checkpoint { .. } => {}
        }
    }
    let known = seen.iter().filter_map(|(id, seen)| Some((id, policy.assets.get(id)?, seen)));
    let mut findings: Vec<Finding> = known.flat_map(|(id, asset, seen)| told(id, asset, seen, activate)).collect();
    if findings.is_empty() {
        let text = format!("nothing in the newest {} records speaks against the profiles", records.len());
        findings.push(Finding::ok("profile-ok", "assets", text));
    }
    findings
}

fn decided(seen: &mut Seen, asset: &Asset, decision: &DecisionRecord) {
    let unit = decision.frame.unit;
    let direct = asset.profile.unit_zero == UnitZero::Itself;
    if unit == 0 {
        seen.zero += 1;
        return;
    }
    // What a stranger asks for says nothing about the device.
    let named =
        decision.subject.is_none() || asset.units.is_empty() || asset.units.contains(&unit) || (direct && unit == 255);
    if !named {
        seen.foreign.insert(unit);
    }
}

fn told(id: &AssetId, asset: &Asset, seen: &Seen, activate: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = asset.profile.name.as_str();
    let mut weak = |finding_id, text: String, write: &str| {
        let mend = format!("write {write} in the policy, then: {activate}");
        findings.push(Finding::weak(finding_id, id, text).mend(mend));
    };
    if seen.unsolicited >= SOME && asset.profile.echoes_ids != Some(false) {
        let text = format!(
            "{id} gave {} answers that belong to no request: it may not echo transaction ids, or answers late",
            seen.unsolicited
        );
        weak(
            "profile-ids",
            text,
            &format!("[profiles.NAME] base = \"{name}\", echoes_ids = false, or a longer answer_within"),
        );
    }
    if let Some(said) = &seen.malformed {
        let text = format!("{id} sent what is no Modbus/TCP for its profile `{name}` ({said})");
        weak(
            "profile-frames",
            text,
            "profile = \"schneider\" where it programs by UMAS, or [profiles.NAME] long_frames = true,",
        );
    }
    if seen.repeated >= SOME && !asset.profile.repeats_ids {
        let text = format!("masters of {id} use one transaction id for several requests, {} times", seen.repeated);
        weak("profile-repeats", text, &format!("[profiles.NAME] base = \"{name}\", repeats_ids = true,"));
    }
    if seen.zero > 0 && asset.profile.unit_zero == UnitZero::Broadcast {
        let text = format!(
            "{id} is asked as unit 0, {} times: with the profile `{name}` that is every unit at once",
            seen.zero
        );
        weak("profile-unit-zero", text, "profile = \"direct\" if it is one device,");
    }
    if !seen.foreign.is_empty() {
        let units: Vec<String> = seen.foreign.iter().map(u8::to_string).collect();
        let text = format!("{id} is asked for unit {}, which its `units` do not name", units.join(", "));
        weak("profile-units", text, "units = [..] with those that are meant");
    }
    for (unit, count) in &seen.silent {
        if *count >= SOME && !seen.answered.contains_key(unit) {
            let text = format!("unit {unit} of {id} is silent: {count} writes without an answer, none with one");
            findings.push(
                Finding::weak("profile-silent", id, text)
                    .mend(format!("look at its power and its cable; bulkhead journal show --point {id}")),
            );
        }
    }
    let refused: u64 = seen.exceptions.values().sum();
    let answered: u64 = seen.answered.values().sum();
    if refused >= SOME && refused * 10 >= answered {
        let codes: Vec<String> =
            seen.exceptions.iter().map(|(code, count)| format!("{code:02} {count} times")).collect();
        let text = format!("{id} itself refuses writes that the policy allows: exception {}", codes.join(", "));
        findings
            .push(Finding::weak("profile-exceptions", id, text).mend(format!("bulkhead journal show --point {id}")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use bulkhead_core::decision::Effect;
    use bulkhead_core::digest::Sha256;
    use bulkhead_core::identity::Assurance;
    use bulkhead_core::journal::record::FrameRecord;
    use bulkhead_core::moment::Moment;
    use bulkhead_core::policy::model::Mode;

    use super::super::tests::lines;
    use super::*;

    fn plant() -> Policy {
        let text = "[plant]\nname = \"p\"\ntimezone = \"UTC\"\n[zones.a]\nnetworks = [\"10.10.1.0/24\"]\n\
            [assets.plc]\nzone = \"a\"\nlisten = [\"127.0.0.1:1502\"]\nconnect = \"modbus://10.10.1.20:502\"\nunits = [1]\n\
            [assets.bus]\nzone = \"a\"\nprofile = \"serial\"\nlisten = [\"127.0.0.1:1503\"]\nconnect = \"modbus://10.10.1.30:502\"\nunits = [3, 4]\n\
            [profiles.strict]\nbase = \"direct\"\nrepeats_ids = false\n[assets.strict]\nzone = \"a\"\nprofile = \"strict\"\n\
            listen = [\"127.0.0.1:1504\"]\nconnect = \"modbus://10.10.1.40:502\"\nunits = [1]\n";
        let policy = bulkhead_core::policy::check(text).policy;
        assert_eq!(policy.assets.len(), 3);
        policy
    }

    fn record(seq: u64, event: Event) -> Record {
        Record { v: 1, seq: Seq(seq), previous: Sha256::default(), at: Moment::default(), event }
    }

    fn alarms(what: &str, asset: &str, count: u64) -> Vec<Record> {
        let alarm = || GatewayRecord::Alarm {
            what: what.to_owned(),
            source: None,
            asset: Some(asset.into()),
            text: "the device sent a length `1031`".to_owned(),
        };
        (0..count).map(|seq| record(seq, Event::Gateway(alarm()))).collect()
    }

    fn writes(asset: &str, unit: u8, count: u64, outcome: Outcome) -> Vec<Record> {
        let decision = || {
            Event::Decision(Box::new(DecisionRecord {
                effect: Effect::Allow,
                reason: None,
                mode: Mode::Enforce,
                subject: Some("scada".into()),
                roles: Vec::new(),
                assurance: Assurance(1),
                source: "10.10.9.5:1".parse().unwrap(),
                mac: None,
                listener: "127.0.0.1:1502".parse().unwrap(),
                zone: None,
                conduit: None,
                asset: Some(asset.into()),
                rule: None,
                policy: Sha256::default(),
                proofs: None,
                frame: FrameRecord { id: 1, unit, function: 6 },
                accesses: Vec::new(),
                doubtful: false,
            }))
        };
        let of = |n: u64| {
            let seq = u64::from(unit) * 1_000 + n * 2;
            [record(seq, decision()), record(seq + 1, Event::Outcome { of: Seq(seq), outcome, late: false })]
        };
        (0..count).flat_map(of).collect()
    }

    fn of(records: &[Record]) -> Vec<String> {
        lines(&findings(&plant(), records, "bulkhead policy activate plant.toml"))
    }

    #[test]
    fn what_a_device_does_against_its_profile_is_named() {
        for (what, asset, id) in [
            ("unsolicited-reply", "plc", "weak profile-ids"),
            ("malformed-reply", "plc", "weak profile-frames"),
            ("reused-transaction-id", "strict", "weak profile-repeats"),
        ] {
            assert_eq!(of(&alarms(what, asset, 3)), [id]);
        }
        assert_eq!(of(&alarms("unsolicited-reply", "plc", 2)), ["ok profile-ok"], "twice is an accident");
        assert_eq!(of(&alarms("function-scan", "plc", 9)), ["ok profile-ok"], "a master's, not the device's");
        assert_eq!(of(&alarms("unsolicited-reply", "gone", 9)), ["ok profile-ok"], "the policy knows it no more");
    }

    #[test]
    fn units_that_nobody_named_and_a_broadcast_that_is_none_are_told() {
        assert_eq!(of(&writes("plc", 7, 1, Outcome::Applied)), ["weak profile-units"]);
        assert_eq!(of(&writes("bus", 0, 1, Outcome::Applied)), ["weak profile-unit-zero"]);
        for unit in [0, 1, 255] {
            assert_eq!(
                of(&writes("plc", unit, 1, Outcome::Applied)),
                ["ok profile-ok"],
                "{unit} is a direct device itself"
            );
        }
    }

    #[test]
    fn a_silent_unit_and_a_device_that_refuses_are_told() {
        let bus = [writes("bus", 3, 9, Outcome::Applied), writes("bus", 4, 3, Outcome::NoAnswer)].concat();
        let found = findings(&plant(), &bus, "bulkhead policy activate plant.toml");
        assert_eq!(lines(&found), ["weak profile-silent"]);
        assert!(found[0].text.starts_with("unit 4 of bus is silent: 3 writes"), "{found:?}");
        assert_eq!(of(&writes("plc", 1, 3, Outcome::Refused(2))), ["weak profile-exceptions"]);
        let now_and_then =
            [writes("plc", 1, 3, Outcome::Refused(2)), writes("plc", 255, 40, Outcome::Applied)].concat();
        assert_eq!(of(&now_and_then), ["ok profile-ok"]);
    }
}
