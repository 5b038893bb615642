use bulkhead_core::policy::model::UnitZero;

use super::*;

/// Asks for register `id`, under the client's own `id`, and gives back the name.
fn ask(wire: &mut Wire, owner: u64, id: u16) -> u16 {
    let [high, low] = id.to_be_bytes();
    let frame = Frame::classify(&[high, low, 0, 0, 0, 6, 1, 3, high, low, 0, 1], UnitZero::Itself).unwrap();
    let name = wire.fresh();
    wire.push(Asked { name, owner: Some(owner), frame, sent: BootMs(0), until: BootMs(u64::from(id)), direct: false });
    name
}

fn reply(name: u16) -> [u8; 11] {
    let [high, low] = name.to_be_bytes();
    [high, low, 0, 0, 0, 5, 1, 3, 2, 0, 9]
}

fn owner(whose: Whose) -> Option<(u64, u16)> {
    match whose {
        Whose::Of(asked, Matched::Normal) => Some((asked.owner.unwrap(), asked.id())),
        Whose::Of(..) | Whose::Late(_) | Whose::Doubt(_) => None,
    }
}

#[test]
fn equal_ids_of_five_clients_are_five_requests_in_whatever_order_they_are_answered() {
    let mut wire = Wire::default();
    let names: Vec<_> = (0..5).map(|client| ask(&mut wire, client, 7)).collect();
    for client in [3, 0, 4, 1, 2] {
        let name = names[usize::try_from(client).unwrap()];
        assert_eq!(owner(wire.whose(&reply(name), true)), Some((client, 7)));
        assert!(matches!(wire.whose(&reply(name), true), Whose::Doubt(_)), "once");
    }
}

#[test]
fn what_differs_in_anything_from_the_reply_is_doubt() {
    let bend: [fn(&mut [u8; 11]); 5] = [
        |reply| reply[1] ^= 0x40,
        |reply| reply[6] = 2,
        |reply| reply[7] = 4,
        |reply| reply[8] = 1,
        |reply| (reply[7], reply[8]) = (0x84, 2),
    ];
    for (at, bend) in bend.into_iter().enumerate() {
        for by_name in [true, false] {
            let mut wire = Wire::default();
            let mut bytes = reply(ask(&mut wire, 1, 7));
            bend(&mut bytes);
            let taken = matches!(wire.whose(&bytes, by_name), Whose::Of(..));
            // A device that makes up ids says so with the first reply.
            assert_eq!(taken, at == 0 && !by_name, "{at} {by_name}");
        }
    }
}

#[test]
fn a_device_that_has_echoed_an_id_is_held_to_it() {
    let mut wire = Wire::default();
    let first = ask(&mut wire, 1, 7);
    assert_eq!(owner(wire.whose(&reply(first), false)), Some((1, 7)));
    let second = ask(&mut wire, 2, 7);
    assert!(matches!(wire.whose(&reply(first), false), Whose::Doubt(_)), "the first one's second reply");
    assert_eq!(owner(wire.whose(&reply(second), false)), Some((2, 7)));
    wire.lost();
    ask(&mut wire, 3, 7);
    assert_eq!(owner(wire.whose(&reply(first), false)), Some((3, 7)), "another link, perhaps another device");
}

#[test]
fn a_late_reply_is_known_once_and_its_id_is_nobody_elses() {
    let mut wire = Wire::default();
    let name = ask(&mut wire, 1, 7);
    let asked = wire.expired(BootMs(7)).unwrap();
    assert!(wire.remember_late(&asked));
    wire.name = name - 1;
    assert_ne!(wire.fresh(), name);
    assert!(matches!(wire.whose(&reply(name), true), Whose::Late(1)));
    assert!(matches!(wire.whose(&reply(name), true), Whose::Doubt(_)));
}

#[test]
fn what_belongs_to_a_client_that_is_gone_is_still_awaited() {
    let mut wire = Wire::default();
    let (gone, stays) = (ask(&mut wire, 1, 7), ask(&mut wire, 2, 7));
    wire.disown(1);
    assert_eq!(wire.len(), 2, "the device answers it all the same");
    let Whose::Of(asked, _) = wire.whose(&reply(gone), true) else { panic!() };
    assert_eq!(asked.owner, None);
    assert_eq!(owner(wire.whose(&reply(stays), true)), Some((2, 7)));
}

#[test]
fn ids_of_the_link_go_round_and_meet_nothing_that_is_under_way() {
    let mut wire = Wire::default();
    let first = ask(&mut wire, 1, 7);
    for _ in 0..40_000 {
        let name = wire.fresh();
        assert!(name != first && name & OURS != 0);
    }
}

#[test]
fn a_device_that_calls_itself_by_another_of_its_names_is_believed_where_nobody_else_can_be_meant() {
    for (direct, unit) in [(true, 255), (true, 0), (false, 255), (true, 2)] {
        let mut wire = Wire::default();
        let name = ask(&mut wire, 1, 7);
        wire.asked[0].direct = direct;
        let mut bytes = reply(name);
        bytes[6] = unit;
        let believed = matches!(wire.whose(&bytes, true), Whose::Of(..));
        assert_eq!(believed, direct && unit != 2, "{direct} {unit}");
    }
}
