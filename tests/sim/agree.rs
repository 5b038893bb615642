//! The model's table against the product's: random requests of everybody under every policy, on and off shift.

use std::sync::Arc;

use bulkhead_core::identity::{Attributes, Evidence, Proof, Registry};
use bulkhead_core::moment::{ClockTrust, Moment, UnixMs};
use bulkhead_core::policy::load;
use bulkhead_core::policy::model::UnitZero;
use bulkhead_core::policy::table::decide;
use bulkhead_core::wire::modbus::Request;
use bulkhead_core::world::{World, derive};

use super::chance::Rng;
use super::modbus::{Ask, Table};
use super::policies::{POLICIES, Plc, Who, opinion, text};
use super::wire::hardware;

fn ask(rng: &mut Rng) -> Ask {
    let table = rng.pick(&[Table::Coils, Table::Input, Table::Holding, Table::Holding, Table::Holding]);
    let first = rng.word(0, 92);
    let value = |rng: &mut Rng| rng.pick(&[0, 0, 1, 29_999, 30_000, 30_001, 60_000, 60_001, 65_535]);
    let values = |rng: &mut Rng, most: usize| (0..rng.length(1, most)).map(|_| value(rng)).collect();
    match rng.range(0, 6) {
        0..=1 => Ask::Read { table, first, count: rng.word(1, 12) },
        2..=4 if table == Table::Holding => Ask::Write { table, first, values: values(rng, 4) },
        5 => Ask::Both { first: rng.word(0, 70), count: rng.word(1, 3), to: first, values: values(rng, 3) },
        _ => Ask::Write { table: Table::Coils, first: rng.word(0, 10), values: vec![rng.word(0, 2)] },
    }
}

#[test]
fn the_model_and_the_product_agree_on_what_a_policy_allows() {
    let worlds: Vec<World> = (0..POLICIES)
        .map(|number| World {
            generation: 1,
            policy: Arc::new(load(&text(number)).unwrap().policy),
            registry: Arc::new(Registry::default()),
            facts: Attributes::default(),
        })
        .collect();
    let (mut rng, mut allowed) = (Rng::stream(1, "agree"), 0);
    for _ in 0..40_000 {
        let (number, who, plc) = (rng.pick(&[0_u8, 1, 2]), rng.pick(&Who::ALL), rng.pick(&Plc::ALL));
        // The office has no door to the drive.
        let plc = if who == Who::Office { Plc::Filler } else { plc };
        let (ask, on_shift) = (ask(&mut rng), rng.one_in(2));
        let unit = rng.pick(&[plc.unit(), plc.unit(), plc.unit(), 0, 255, 9]);
        let evidence = Evidence {
            listener: who.door(plc),
            source: who.ip(),
            remote: None,
            approvals: Vec::new(),
            proofs: vec![Proof::Address { ip: who.ip(), mac: hardware(who.ip()) }],
        };
        let hour = if on_shift { 10 } else { 16 };
        let wall = UnixMs(1_795_478_400_000 + hour * 3_600_000);
        let now = Moment { wall, trust: ClockTrust::Floor, ..Moment::default() };
        let standing = derive(&worlds[usize::from(number)], &evidence, now);
        let pdu = ask.pdu();
        let request = Request::decode(&pdu).unwrap();
        let zero = if plc == Plc::Filler { UnitZero::Itself } else { UnitZero::Broadcast };
        let decision = decide(&standing.table, &request.accesses(unit, zero), now);
        let ours = opinion(number, who, plc, unit, &ask);
        let expected = ours.allowed && (!ours.timed || ours.safe || on_shift);
        assert_eq!(
            decision.allows(),
            expected,
            "policy {number}, {who:?} on {plc:?} unit {unit}, on shift {on_shift}: {ask:?}: {decision:?}, the model {ours:?}"
        );
        assert!(
            !expected || decision.waived == ours.safe,
            "{who:?} on {plc:?}: {ask:?}: {decision:?}, the model {ours:?}"
        );
        allowed += u32::from(expected);
    }
    assert!(allowed > 2_000, "{allowed} of 40,000 allowed: hardly anything was compared");
}
