//! Hostile frames, each with the one answer of a strict gateway. After each, the device's memory and log are as before.

use crate::kit::{Client, Plc, Running, Setup, frame, hex};

/// Raw bytes, then the PDU that comes back; `closed` where the only safe answer is to close.
fn refused(gateway: &Running, plc: &Plc, cases: &[(&str, Vec<u8>, &str)]) {
    let before = plc.testimony();
    for (name, bytes, answer) in cases {
        let mut client = gateway.client();
        client.say(bytes);
        match *answer {
            "closed" => client.closed(),
            answer => {
                let id = u16::from_be_bytes([bytes[0], bytes[1]]);
                assert_eq!(client.answer(id), answer, "{name}");
                assert_eq!(client.rest(), (Vec::new(), false), "{name}: one answer, and the connection stays");
            }
        }
        assert!(plc.testimony() == before, "{name}: the device got {:02x?}", plc.bytes());
    }
}

#[test]
fn hostile_frames_never_reach_the_device() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let raw = |text: &str| hex(text);
    let cases = [
        ("FC 15 quantity lie", frame(2, "0f 0000 ffff 01 00"), "8f03"),
        ("FC 16 quantity wraps in 16 bits", frame(3, "10 0000 8001 02 0000"), "9003"),
        ("FC 3 past address 65535", frame(4, "03 ffff 0002"), "8303"),
        ("FC 3 of nothing", frame(5, "03 0000 0000"), "8303"),
        ("FC 5 neither 0000 nor FF00", frame(6, "05 0001 0001"), "8503"),
        ("FC 3 with trailing bytes", frame(7, "03 0000 0002 dead"), "8303"),
        ("a range straddles the limit", frame(8, "03 03de 0014"), "8301"),
        ("a write outside the grant", frame(9, "06 03e7 0001"), "8601"),
        ("FC 8/1 restart communications", frame(10, "08 0001 0000"), "8801"),
        ("FC 8/4 force listen only", frame(11, "08 0004 0000"), "8801"),
        ("FC 90 vendor programming", frame(12, "5a 0002"), "da01"),
        ("FC 43/13 CANopen", frame(13, "2b 0d 01 00"), "ab01"),
        ("FC 43/14 with trailing bytes", frame(14, "2b 0e 01 00 00"), "ab03"),
        ("FC 17 with a trailing byte", frame(14, "11 aa"), "9103"),
        ("FC 131", frame(15, "83 0000"), "8303"),
        ("FC 0", frame(15, "00"), "8003"),
        ("protocol id 1", raw("0010 0001 0006 01 03 0000 0002"), "closed"),
        ("length 0", raw("0011 0000 0000 01"), "closed"),
        ("length 1", raw("0012 0000 0001 01"), "closed"),
        ("length 255", raw("0013 0000 00ff 01 03 0000 0002"), "closed"),
        ("length 65535, header only", raw("0014 0000 ffff 01"), "closed"),
        ("unit 2", raw("0015 0000 0006 02 03 0000 0002"), "8301"),
        ("FC 23, only the read is allowed", frame(16, "17 0000 0001 0000 0001 02 0007"), "9701"),
        ("FC 23, only the write is allowed", frame(17, "17 1000 0001 0064 0001 02 0007"), "9701"),
        ("half of a 32-bit value", frame(18, "06 012c 0001"), "8601"),
        ("the other half", frame(19, "06 012d 0001"), "8601"),
        ("over the limit", frame(20, "06 00c8 0514"), "8601"),
        ("a mask write where values are limited", frame(21, "16 00c8 fffe 0001"), "9601"),
        ("FC 20 without a file rule", frame(22, "14 07 06 0004 0001 0002"), "9401"),
        ("FC 21 without a file rule", frame(23, "15 09 06 0004 0007 0001 06af"), "9501"),
        ("FC 24", frame(24, "18 0000"), "9801"),
    ];
    refused(&gateway, &plc, &cases);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0002"), "030400000001", "a lawful read is served after all that");
    assert_eq!(plc.requests(), [frame(1, "03 0000 0002")]);
}

#[test]
fn a_bus_refuses_unit_0_and_foreign_units() {
    let plc = Plc::at("127.0.1.20");
    let serial = Setup { asset: "profile = \"serial\"", ..Setup::default() };
    let gateway = Running::with(plc.at, &serial);
    let to = |unit: u8, pdu: &str| {
        let mut bytes = frame(1, pdu);
        bytes[6] = unit;
        bytes
    };
    let cases = [
        ("a broadcast", to(0, "06 0064 0001"), "8601"),
        ("a broadcast of many", to(0, "10 0064 0001 02 0001"), "9001"),
        ("a broadcast read", to(0, "03 0000 0001"), "8301"),
        ("unit 255", to(255, "06 0064 0001"), "8601"),
        ("unit 2", to(2, "06 0064 0001"), "8601"),
    ];
    refused(&gateway, &plc, &cases);
}

#[test]
fn unit_0_and_255_are_a_direct_device_itself() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    for unit in [0, 255, 1] {
        let mut bytes = frame(u16::from(unit), "03 0000 0001");
        bytes[6] = unit;
        client.say(&bytes);
        let answer = client.hear().unwrap();
        assert_eq!((answer[6], &answer[7..]), (unit, &[3, 2, 0, 0][..]));
    }
}

#[test]
fn a_stranger_gets_the_same_bytes_whatever_he_asks() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let before = plc.testimony();
    let mut stranger = Client::from("127.0.9.77", gateway.at);
    for (id, pdu, answer) in [(1, "03 0000 0001", "8301"), (2, "06 0064 0001", "8601"), (3, "11", "9101")] {
        assert_eq!(stranger.ask(id, pdu), answer);
    }
    assert!(plc.testimony() == before);
    assert_eq!(plc.accepted(), 0, "the device is not even dialled for him");
}

/// A device that ignores the MBAP length executes what is hidden behind a harmless request.
#[test]
fn no_carrier_smuggles_a_write() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let hidden = frame(0x0BAD, "06 0384 beef");
    let carriers = [
        "01 0000 0001",
        "03 0000 0001",
        "05 0000 ff00",
        "06 0064 0001",
        "07",
        "08 0000 1234",
        "0b",
        "0f 0000 0001 01 01",
        "10 0064 0001 02 0001",
        "11",
        "14 07 06 0004 0001 0002",
        "16 0064 ffff 0000",
        "17 0000 0001 0064 0001 02 0007",
        "18 0000",
        "2b 0e 01 00",
    ];
    for carrier in carriers {
        let pdu = hex(carrier);
        let mut whole = frame(2, carrier);
        whole.extend(&hidden);
        whole[5] += u8::try_from(hidden.len()).unwrap();
        for pieces in [vec![&whole[..]], vec![&whole[..7 + pdu.len()], &whole[7 + pdu.len()..]]] {
            let mut client = gateway.client();
            for piece in pieces {
                client.say(piece);
                std::thread::sleep(std::time::Duration::from_millis(30));
            }
            let answer = client.answer(2);
            let refused = [format!("{:02x}01", pdu[0] | 0x80), format!("{:02x}03", pdu[0] | 0x80)];
            assert!(refused.contains(&answer), "{carrier}: {answer}");
        }
        assert_eq!(plc.register(900), 900, "{carrier} carried a write");
    }
    assert_eq!(plc.bytes(), Vec::<u8>::new());
}

/// What the rule about layouts is for: a granted opaque code in front of a careless device is a carrier, and lint says so.
#[test]
fn a_granted_code_without_a_layout_is_forwarded_as_one_frame() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "64 aabb"), "e401", "the device's own exception");
    assert_eq!(plc.bytes(), frame(1, "64 aabb"));
}

#[test]
fn three_malformed_requests_in_a_minute_end_the_connection() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0000"), "8303");
    assert_eq!(client.ask(2, "03 0000 0001"), "03020000");
    assert_eq!(client.ask(3, "03 0000 0000"), "8303");
    assert_eq!(client.ask(4, "03 0000 0000"), "8303");
    client.closed();
    let journal = gateway.journal();
    assert!(journal.contains("\"what\":\"malformed\""), "{journal}");
}

#[test]
fn a_scan_of_function_codes_and_a_look_at_the_nameplate_raise_one_alarm_each() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut stranger = Client::from("127.0.9.77", gateway.at);
    for code in 1..=120_u16 {
        if !matches!(code, 1..=6 | 8 | 15 | 16 | 20..=24 | 43) {
            assert_eq!(stranger.ask(code, &format!("{code:02x}")), format!("{:02x}01", code | 0x80));
        }
    }
    assert_eq!(stranger.ask(121, "2b 0e 01 00"), "ab01");
    assert_eq!(stranger.ask(122, "2b 0e 01 00"), "ab01");
    let journal = gateway.journal();
    assert_eq!(journal.matches("function-scan").count(), 1, "{journal}");
    assert_eq!(journal.matches("reconnaissance").count(), 1, "{journal}");
    assert_eq!(plc.accepted(), 0);
}

#[test]
fn device_identification_passes_with_a_grant_and_raises_nothing() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "2b 0e 01 00"), "2b0e0101000000");
    assert!(!gateway.journal().contains("reconnaissance"));
}
