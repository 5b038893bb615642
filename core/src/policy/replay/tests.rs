//! What a journal can say about another policy, and that it never says more.

use super::*;
use crate::policy::differences::Turn;
use crate::policy::riverside::{load, policy, text};

/// A record as an earlier program wrote it: without the members that came later.
fn line(seq: u64, decision: &str) -> Record {
    let text = format!(
        "{{\"v\":1,\"seq\":{seq},\"previous\":\"{}\",\"at\":{{\"wall\":1773140400000,\"boot\":{seq},\"ran\":5000,\"trust\":\"proven\"}},\
         \"event\":{decision}}}",
        Sha256::default()
    );
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A decision about the station's write of a register, at noon.
fn write(seq: u64, policy: Sha256, verdict: &str, rule: u8, access: &str) -> Record {
    let rule = if rule == 0 { String::new() } else { format!("\"rule\":\"conduits.scada-to-filling.allow[{rule}]\",") };
    line(
        seq,
        &format!(
            "{{\"decision\":{{{verdict},\"mode\":\"enforce\",\"subject\":\"station\",\"roles\":[\"Operator\"],\"assurance\":1,\
             \"source\":\"10.10.9.11:40000\",\"listener\":\"10.10.9.20:502\",\"zone\":\"control-room\",\
             \"conduit\":\"scada-to-filling\",\"asset\":\"filler-plc\",{rule}\"policy\":\"{policy}\",\
             \"frame\":{{\"id\":7,\"unit\":1,\"function\":6}},\"accesses\":[{access}]}}}}"
        ),
    )
}

const ALLOW: &str = "\"effect\":\"allow\"";

fn deny(reason: &str) -> String {
    format!("\"effect\":\"deny\",\"reason\":\"{reason}\"")
}

fn speed(value: u16) -> String {
    format!("{{\"verb\":\"write\",\"points\":[\"filler-plc/speed\"],\"target\":\"holding 100\",\"new\":[{value}]}}")
}

fn narrower() -> Arc<Policy> {
    Arc::new(load(&text().replace("values 0..1200 safe 0", "values 0..600 safe 0")))
}

fn replay(new: Arc<Policy>, records: &[Record]) -> Replayed {
    let mut replay = Replay::new(Arc::new(policy()), new);
    for record in records {
        replay.count(record);
    }
    for record in records {
        replay.judge(record);
    }
    replay.finish()
}

#[test]
fn records_of_an_earlier_program_are_judged_and_weigh_what_they_stand_for() {
    let hash = policy().hash;
    let records = [
        write(1, hash, ALLOW, 2, &speed(700)),
        write(2, hash, ALLOW, 2, &speed(500)),
        line(3, "{\"repeated\":{\"like\":1,\"count\":40}}"),
        // What a limit refused, the policy had allowed.
        write(4, hash, &deny("limit"), 2, &speed(800)),
    ];
    let found = replay(narrower(), &records);
    assert_eq!((found.records, found.checked, &found.told), (4 - 1, 3, &vec![]));
    let line = &found.differences.lines[0];
    assert_eq!((line.turn, line.count, line.sample.as_deref()), (Turn::Lost, 42, Some("800")));
    assert_eq!((found.differences.judged, found.differences.lost), (43, 42));
    let same = replay(Arc::new(policy()), &records);
    assert_eq!((same.differences.lines.len(), same.differences.differ()), (0, 0));
}

#[test]
fn counted_refusals_weigh_where_one_operation_alone_was_refused_and_are_nobodys_otherwise() {
    let hash = policy().hash;
    let denied = |seq, count| {
        line(
            seq,
            &format!(
                "{{\"denied\":{{\"who\":\"station\",\"asset\":\"filler-plc\",\"reason\":\"range\",\"count\":{count}}}}}"
            ),
        )
    };
    let wider = || Arc::new(load(&text().replace("values 0..1200 safe 0", "values 0..1400 safe 0")));
    let one = [write(1, hash, &deny("range"), 2, &speed(1_300)), denied(2, 90)];
    let found = replay(wider(), &one);
    assert_eq!((found.differences.gained, found.blind.unattributed), (91, 0));
    let setpoint = "{\"verb\":\"write\",\"target\":\"holding 300\",\"new\":[1]}";
    let two =
        [write(1, hash, &deny("range"), 2, &speed(1_300)), write(2, hash, &deny("range"), 2, setpoint), denied(3, 90)];
    let found = replay(wider(), &two);
    assert_eq!((found.differences.gained, found.blind.unattributed), (1, 90));
}

#[test]
fn what_cannot_be_reproduced_is_told_and_counts_for_nothing() {
    let hash = policy().hash;
    let mask = "{\"verb\":\"write\",\"target\":\"holding 100\"}";
    let masked = "{\"verb\":\"write\",\"target\":\"holding 100\",\"mask\":[0,700]}";
    let records = [
        // A mask write of an earlier program, which did not keep the masks.
        write(1, hash, &deny("range"), 2, mask),
        // Somebody changed the record, or something unknown played a part.
        write(2, hash, ALLOW, 2, &speed(1_300)),
        write(3, hash, ALLOW, 2, &speed(700).replace("[700]", "[700,1]")),
        write(4, hash, ALLOW, 2, &speed(700).replace("holding 100", "relay 1")),
        write(5, hash, ALLOW, 2, masked),
    ];
    let found = replay(narrower(), &records);
    let why: Vec<_> = found.told.iter().map(|one| (one.seq.0, one.why.as_str())).collect();
    assert_eq!(
        why,
        [
            (1, "the record does not tell the values that were written"),
            (
                2,
                "it was allowed by conduits.scada-to-filling.allow[2], and comes out as refused (range) by \
                 conduits.scada-to-filling.allow[2]: something that the journal does not tell played a part"
            ),
            (3, "2 values are recorded for 1 addresses"),
            (4, "`relay 1` is no target"),
        ]
    );
    assert_eq!((found.unreproduced, found.checked, found.differences.lost), (4, 1, 1));
}

#[test]
fn a_name_that_the_registry_knew_is_that_name_again() {
    let hash = policy().hash;
    let from = |record: Record, source: &str| {
        let text = serde_json::to_string(&record).unwrap().replace("10.10.9.11:40000", source);
        serde_json::from_str::<Record>(&text).unwrap()
    };
    let records = [
        // By an address of the registry, by one of the policy, and by a name that may not act yet.
        from(write(1, hash, ALLOW, 2, &speed(700)), "10.10.9.66:40000"),
        write(2, hash, ALLOW, 2, &speed(700)),
        write(3, hash, &deny("no-subject"), 0, &speed(700)),
        write(4, hash, ALLOW, 2, &speed(700)),
    ];
    let found = replay(narrower(), &records);
    assert_eq!((&found.told, found.checked, found.differences.lost), (&vec![], 4, 3));
}

#[test]
fn what_the_journal_cannot_say_is_said() {
    let other = Sha256::of(b"another policy");
    let records = [
        write(1, other, ALLOW, 2, &speed(700)),
        write(2, policy().hash, &deny("revoked"), 0, &speed(700)),
        write(3, policy().hash, &deny("malformed"), 0, ""),
        line(4, "{\"denied\":{\"who\":\"10.10.9.77\",\"asset\":null,\"reason\":\"no-subject\",\"count\":5}}"),
        line(5, "{\"gateway\":{\"disk\":{\"state\":\"ok\",\"lost\":3}}}"),
    ];
    let found = replay(narrower(), &records);
    let blind = &found.blind;
    assert_eq!((blind.revoked, blind.without_access, blind.unattributed, blind.lost), (1, 1, 5, 3));
    assert_eq!(blind.unchecked, BTreeMap::from([(other.short(), 1)]));
    let unrecorded: Vec<_> = blind.reads_unrecorded.iter().map(ConduitId::as_str).collect();
    assert_eq!(unrecorded, ["scada-to-filling"], "vendor-service records in full");
    // Taken as it is: it would be lost.
    assert_eq!((found.checked, found.differences.lost), (0, 1));
}
