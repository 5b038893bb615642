//! Frames that come in pieces, many at once, slowly or never.

use std::time::Duration;

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
fn writes_of_one_client_keep_their_order_and_reads_do_not_wait_for_the_disk() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    for round in 0..20_u16 {
        let id = round * 8;
        let mut asked = Vec::new();
        for at in 0..6 {
            asked.extend(frame(id + at, &format!("06 0064 {:04x}", id + at)));
        }
        asked.extend(frame(id + 6, "03 0000 0001"));
        client.say(&asked);
        for _ in 0..7 {
            client.hear().unwrap();
        }
    }
    let written: Vec<u16> = plc
        .requests()
        .iter()
        .filter(|request| request[7] == 6)
        .map(|request| u16::from_be_bytes([request[10], request[11]]))
        .collect();
    assert_eq!(written.len(), 120);
    assert!(written.is_sorted(), "{written:?}");
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
    let gateway = Running::before(&plc);
    plc.behave(|request, reply| {
        // The device is slow to begin with, so that the door fills up.
        let wait = if request[1] == 1 { 300 } else { 0 };
        vec![crate::kit::Do::Wait(Duration::from_millis(wait)), crate::kit::Do::Say(reply)]
    });
    let mut client = gateway.client();
    let asked: Vec<u8> = (1..=200).flat_map(|id| frame(id, "03 0000 0001")).collect();
    client.say(&asked);
    std::thread::sleep(Duration::from_millis(150));
    assert!(plc.bytes().len() <= 16 * 12, "more than sixteen are under way");
    for id in 1..=200 {
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
