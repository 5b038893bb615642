//! Law 3: in `observe` every byte passes, and a switch takes effect between two frames.

use std::time::Duration;

use bulkhead_core::policy::model::Mode;

use crate::kit::{Client, Do, Plc, Running, Setup, frame, hex, until};

/// What a conduit that refuses would never let through.
fn forbidden() -> Vec<u8> {
    frame(5, "06 0384 beef")
}

#[test]
fn every_byte_passes_in_both_directions_malformed_ones_included() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut client = gateway.client();
    let mut all = Vec::new();
    for bytes in [
        frame(1, "03 0000 0002"),
        forbidden(),
        frame(2, "08 0001 0000"),
        // Trailing bytes: malformed for us, two requests for this device.
        [hex("0003 0000 0012 01 03 0000 0001"), frame(4, "06 0384 0001")].concat(),
        // Three malformed requests would end a connection that is enforced.
        frame(6, "05 0001 0001"),
        frame(7, "05 0001 0001"),
        frame(8, "05 0001 0001"),
    ] {
        client.say(&bytes);
        all.extend(bytes);
        let (answered, closed) = client.rest();
        assert!(!answered.is_empty() && !closed);
    }
    assert_eq!(plc.bytes(), all);
    let journal = gateway.journal();
    assert!(journal.contains("\"mode\":\"observe\"") && journal.contains("\"reason\":\"malformed\""), "{journal}");
    assert!(journal.contains("\"reason\":\"no-rule\""), "what enforce would refuse is recorded: {journal}");
}

#[test]
fn after_a_bad_header_every_byte_goes_on_passing() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    // The device takes whatever it is told: it ignores the protocol id.
    let mut client = gateway.client();
    let torn = hex("0001 0007 0006 01 03 0000 0001");
    client.say(&torn);
    assert_eq!(client.hear().map(|answer| answer[7..].to_vec()), Some(vec![3, 2, 0, 0]));
    client.say(&forbidden());
    client.hear().unwrap();
    assert_eq!(plc.bytes(), [torn, forbidden()].concat());
    assert_eq!(plc.register(900), 0xBEEF);
    assert!(gateway.journal().contains("not judged any more"));
}

#[test]
fn half_a_frame_passes_at_once() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut client = gateway.client();
    let bytes = frame(1, "03 0000 0001");
    client.say(&bytes[..5]);
    until("the half is there", || plc.bytes().len() == 5);
    client.say(&bytes[5..]);
    assert_eq!(client.answer(1), "03020000");
}

#[test]
fn replies_pass_as_they_are_also_those_that_nobody_asked_for() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    plc.behave(|_, reply| vec![Do::Say(hex("7777 0000 0003 01 83 02")), Do::Say(reply)]);
    let mut client = gateway.client();
    client.say(&frame(1, "03 0000 0001"));
    let (answered, _) = client.rest();
    assert_eq!(answered, [hex("7777 0000 0003 01 83 02"), hex("0001 0000 0005 01 03 02 0000")].concat());
}

#[test]
fn nothing_of_ours_is_put_into_the_stream_of_a_silent_device() {
    let plc = Plc::at("127.0.1.20");
    let gateway =
        Running::with(plc.at, &Setup { mode: "observe", asset: "answer_within = \"1 s\"", ..Setup::default() });
    plc.behave(|_, _| Vec::new());
    let mut client = gateway.client();
    client.say(&frame(1, "03 0000 0001"));
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(client.rest(), (Vec::new(), false));
}

#[test]
fn a_device_that_closes_is_closed_to_the_client_too() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    plc.behave(|_, reply| vec![Do::Say(reply), Do::Close]);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    client.closed();
}

#[test]
fn a_switch_to_enforce_takes_effect_at_the_next_frame() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "06 0384 0001"), "0603840001");
    gateway.set_mode(Mode::Enforce);
    let before = plc.testimony();
    assert_eq!(client.ask(2, "06 0384 beef"), "8601");
    assert!(plc.testimony() == before);
    assert_eq!(client.ask(3, "03 0000 0001"), "03020000", "on the same connection");
    gateway.set_mode(Mode::Observe);
    assert_eq!(client.ask(4, "06 0384 beef"), "060384beef");
    assert_eq!(plc.accepted(), 1, "and on the same link");
}

#[test]
fn an_allowed_frame_of_which_half_has_passed_is_completed() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut client = gateway.client();
    let bytes = frame(1, "06 0064 0007");
    client.say(&bytes[..9]);
    until("the half is there", || plc.bytes().len() == 9);
    gateway.set_mode(Mode::Enforce);
    client.say(&[&bytes[9..], &frame(2, "03 0064 0001")[..]].concat());
    assert_eq!(client.answer(1), "0600640007");
    assert_eq!(client.answer(2), "03020007");
    assert_eq!(plc.bytes(), [bytes, frame(2, "03 0064 0001")].concat());
    assert_eq!(plc.accepted(), 1);
}

#[test]
fn a_refused_frame_of_which_half_has_passed_is_never_completed() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut client = gateway.client();
    client.say(&forbidden()[..9]);
    until("the half is there", || plc.bytes().len() == 9);
    gateway.set_mode(Mode::Enforce);
    client.say(&forbidden()[9..]);
    assert_eq!(client.answer(5), "8601");
    until("the device is left with its half", || plc.open() == 0);
    assert_eq!((plc.bytes(), plc.register(900)), (forbidden()[..9].to_vec(), 900));
    assert_eq!(client.ask(6, "03 0000 0001"), "03020000");
}

#[test]
fn a_connection_whose_framing_is_lost_is_closed_when_enforce_comes() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut client = gateway.client();
    client.say(&hex("0001 0007 0006 01 03 0000 0001"));
    client.hear().unwrap();
    gateway.set_mode(Mode::Enforce);
    let before = plc.testimony();
    client.say(&forbidden());
    client.closed();
    assert!(plc.testimony() == before);
    assert!(gateway.journal().contains("framing-lost"));
}

#[test]
fn replies_to_what_passed_in_observe_reach_the_client_after_the_switch() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    plc.behave(|_, reply| {
        let (head, tail) = (reply[..8].to_vec(), reply[8..].to_vec());
        vec![Do::Say(head), Do::Wait(Duration::from_millis(500)), Do::Say(tail)]
    });
    let mut client = gateway.client();
    client.say(&frame(1, "03 0005 0001"));
    until("it is under way", || !plc.bytes().is_empty());
    gateway.set_mode(Mode::Enforce);
    client.say(&forbidden());
    assert_eq!(client.answer(1), "03020005", "half of the reply came before the switch");
    assert_eq!(client.answer(5), "8601");
    assert_eq!(plc.register(900), 900);
}

#[test]
fn a_stranger_passes_too_and_is_recorded() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut stranger = Client::from("127.0.9.77", gateway.at);
    assert_eq!(stranger.ask(1, "06 0064 0007"), "0600640007");
    assert!(gateway.journal().contains("no-subject"));
}

#[test]
fn a_half_frame_whose_id_may_still_be_answered_is_sent_whole_on_a_new_link() {
    let plc = Plc::at("127.0.1.20");
    let quick = Setup { mode: "observe", asset: "answer_within = \"1 s\"", ..Setup::default() };
    let gateway = Running::with(plc.at, &quick);
    plc.behave(|_, _| Vec::new());
    let mut client = gateway.client();
    // It passes and is never answered: transaction 1 stays in doubt on this link.
    client.say(&frame(1, "03 0001 0001"));
    until("it is there", || plc.bytes().len() == 12);
    std::thread::sleep(Duration::from_millis(1_200));
    let bytes = frame(1, "06 0064 0007");
    client.say(&bytes[..9]);
    until("half of the next is there", || plc.bytes().len() == 21);
    gateway.set_mode(Mode::Enforce);
    plc.lawful();
    client.say(&bytes[9..]);
    assert_eq!(client.answer(1), "0600640007");
    assert_eq!(plc.bytes(), [&frame(1, "03 0001 0001")[..], &bytes[..9], &bytes].concat());
    assert_eq!(plc.accepted(), 2);
}

#[test]
fn a_master_that_repeats_under_enforce_what_passed_unanswered_in_observe_is_answered() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    plc.behave(|_, _| Vec::new());
    let mut client = gateway.client();
    client.say(&frame(1, "03 0005 0001"));
    until("it is there", || plc.bytes().len() == 12);
    gateway.set_mode(Mode::Enforce);
    plc.lawful();
    assert_eq!(client.ask(1, "03 0005 0001"), "03020005");
    assert_eq!(client.ask(2, "03 0006 0001"), "03020006");
}

#[test]
fn a_switch_to_observe_waits_for_what_is_under_way_and_closes_nobody_for_it() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    plc.behave(|request, reply| {
        let wait = if request[1] == 1 { 3_000 } else { 0 };
        vec![Do::Wait(Duration::from_millis(wait)), Do::Say(reply)]
    });
    let mut client = gateway.client();
    // The refusal waits for the answer before it; the next frame waits for the refusal, for longer than a header may take.
    client.say(&[frame(1, "03 0005 0001"), frame(2, "06 0384 beef")].concat());
    until("it is under way", || plc.bytes().len() == 12);
    gateway.set_mode(Mode::Observe);
    client.say(&frame(3, "06 0384 beef"));
    assert_eq!(client.answer(1), "03020005");
    assert_eq!(client.answer(2), "8601");
    assert_eq!(client.answer(3), "060384beef");
}

#[test]
fn the_end_of_a_client_reaches_the_device_after_its_last_byte() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::observing(&plc);
    let mut client = gateway.client();
    client.say(&[frame(1, "03 0005 0001"), frame(2, "03 0006 0001")].concat());
    client.end();
    assert_eq!(client.answer(1), "03020005");
    assert_eq!(client.answer(2), "03020006");
    client.closed();
    until("the device is left", || plc.open() == 0);
}
