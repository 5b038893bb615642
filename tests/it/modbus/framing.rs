//! Frames that come in pieces, many at once, slowly or never.

use std::time::Duration;

use bulkhead_core::policy::model::Mode;

use crate::kit::{Client, OTHER, Plc, Running, Setup, Watch, frame, hex, until};

#[test]
fn one_byte_a_segment_is_served() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    for byte in frame(22, "03 0000 0002") {
        client.say(&[byte]);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(client.answer(22), "030400000001");
    assert_eq!(plc.requests(), [frame(22, "03 0000 0002")]);
}

#[test]
fn pipelined_requests_are_judged_one_by_one_and_refusals_keep_their_place() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    let asked = [frame(30, "03 0000 0001"), frame(31, "06 03e8 0001"), frame(32, "03 0001 0001")].concat();
    client.say(&asked);
    assert_eq!(client.answer(30), "03020000");
    assert_eq!(client.answer(31), "8601", "it waits behind what was asked before it");
    assert_eq!(client.answer(32), "03020001");
    assert_eq!(plc.requests(), [frame(30, "03 0000 0001"), frame(32, "03 0001 0001")]);
}

#[test]
fn a_refusal_overtakes_where_the_plant_says_so() {
    let plc = Plc::at("127.0.1.20");
    let asset = "in_order = false";
    let gateway = Running::with(plc.at, &Setup { asset, ..Setup::default() });
    plc.behave(|_, reply| vec![crate::kit::Do::Wait(Duration::from_millis(300)), crate::kit::Do::Say(reply)]);
    let mut client = gateway.client();
    client.say(&[frame(30, "03 0000 0001"), frame(31, "06 03e8 0001")].concat());
    assert_eq!(client.answer(31), "8601");
    assert_eq!(client.answer(30), "03020000");
}

#[test]
fn writes_of_one_client_keep_their_order_whether_they_wait_for_the_disk_or_not() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    // Register 101 holds 5, and a record says so: writing 5 again needs no disk.
    for id in 0..3 {
        assert_eq!(client.ask(id, "06 0065 0005"), "0600650005");
    }
    let before = plc.requests().len();
    for round in 1..=40_u16 {
        let (new, again) = (format!("06 0064 {round:04x}"), "06 0065 0005");
        client.say(&[frame(round * 3, &new), frame(round * 3 + 1, again), frame(round * 3 + 2, &new)].concat());
        for _ in 0..3 {
            client.hear().unwrap();
        }
    }
    let ids: Vec<u16> =
        plc.requests()[before..].iter().map(|request| u16::from_be_bytes([request[0], request[1]])).collect();
    assert_eq!(ids, (3..123).collect::<Vec<_>>());
}

#[test]
fn a_read_does_not_wait_for_the_disk_of_the_write_before_it() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    reads_overtake_a_write(&gateway);
}

/// A local override makes refusals count, and with them what the conduit promises of its records.
#[test]
fn a_write_waits_for_its_record_also_where_enforce_is_a_local_override() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    gateway.set_mode(Mode::Enforce);
    reads_overtake_a_write(&gateway);
}

fn reads_overtake_a_write(gateway: &Running) {
    let mut client = gateway.client();
    let mut overtook = 0;
    for round in 1..=40_u16 {
        client.say(&[frame(round * 2, &format!("06 0064 {round:04x}")), frame(round * 2 + 1, "03 0000 0001")].concat());
        let first = client.hear().unwrap();
        client.hear().unwrap();
        overtook += u16::from(first[7] == 3);
    }
    assert!(overtook > 20, "only {overtook} reads of 40 went before the write whose record was not yet durable");
}

#[test]
fn a_slow_loris_is_closed_after_two_seconds_and_a_slow_body_after_five() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let began = Watch::start();
    let mut header = gateway.client();
    header.say(&[0, 1, 0]);
    let mut body = gateway.client();
    body.say(&frame(1, "03 0000 0001")[..9]);
    // A byte now and then does not help.
    std::thread::sleep(Duration::from_secs(1));
    header.say(&[0]);
    header.closed();
    let after = began.elapsed();
    assert!(after >= Duration::from_millis(1_900) && after < Duration::from_millis(3_500), "{after:?}");
    body.say(&[0]);
    body.closed();
    let after = began.elapsed();
    assert!(after >= Duration::from_millis(4_900) && after < Duration::from_millis(6_500), "{after:?}");
    assert_eq!(plc.accepted(), 0);
}

#[test]
fn a_client_that_is_silent_is_never_closed_for_it() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!(client.ask(2, "03 0000 0001"), "03020000");
    assert_eq!(plc.accepted(), 1, "and its device neither");
}

#[test]
fn more_than_sixteen_requests_wait_in_the_clients_own_socket() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::with(plc.at, &Setup { asset: "answer_within = \"1 s\"", ..Setup::default() });
    // The device reads everything and answers nothing.
    plc.behave(|_, _| Vec::new());
    let mut client = gateway.client();
    client.say(&(1..=200).flat_map(|id| frame(id, "03 0000 0001")).collect::<Vec<_>>());
    until("the door is full", || plc.requests().len() == 16);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(plc.requests().len(), 16, "more than sixteen are under way");
    plc.lawful();
    for id in 1..=16 {
        assert_eq!(client.answer(id), "830b");
    }
    for id in 17..=200 {
        assert_eq!(client.answer(id), "03020000");
    }
}

#[test]
fn a_client_that_says_it_is_done_is_answered_to_the_end() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    client.say(&[frame(1, "03 0000 0001"), frame(2, "06 0064 0007")].concat());
    client.end();
    assert_eq!(client.answer(1), "03020000");
    assert_eq!(client.answer(2), "0600640007");
    client.closed();
    until("the device is left", || plc.open() == 0);
}

#[test]
fn a_frame_cut_by_the_end_of_the_stream_is_nobodys() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    client.say(&frame(1, "06 0064 0007")[..11]);
    client.end();
    client.closed();
    assert_eq!(plc.bytes(), Vec::<u8>::new());
}

#[test]
fn long_frames_pass_where_the_profile_says_so_and_only_there() {
    let plc = Plc::at("127.0.1.20");
    // A granted opaque code of 254 bytes: MBAP length 255.
    let long = [hex("0001 0000 00ff 01 64"), vec![0x55; 253]].concat();
    let strict = Running::before(&plc);
    let mut client = strict.client();
    client.say(&long);
    client.closed();
    assert_eq!(plc.bytes(), Vec::<u8>::new());

    let lenient = Running::with(plc.at, &Setup { asset: "profile = \"schneider\"", ..Setup::default() });
    let mut client = lenient.client();
    client.say(&long);
    assert_eq!(client.answer(1), "e401");
    assert_eq!(plc.bytes(), long);
}

#[test]
fn the_door_speaks_ipv6() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::with(plc.at, &Setup { listen: "::1", ..Setup::default() });
    let mut client = Client::from("::1", gateway.at);
    assert_eq!(client.ask(1, "03 0005 0001"), "03020005");
    assert_eq!(client.ask(2, "06 0064 0007"), "0600640007");
    assert_eq!(client.ask(3, "06 0384 beef"), "8601");
    assert_eq!((plc.register(100), plc.register(900)), (7, 900));
}

#[test]
fn one_client_hears_nothing_of_another() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let (mut one, mut two) = (gateway.client(), Client::from(OTHER, gateway.at));
    // The same transaction ids at the same time, on links of their own.
    for id in 0..50 {
        one.say(&frame(id, "03 0001 0001"));
        two.say(&frame(id, "03 0002 0001"));
        assert_eq!(two.answer(id), "03020002");
        assert_eq!(one.answer(id), "03020001");
    }
    assert_eq!(plc.accepted(), 2);
}
