//! Sessions that live for months: revoked, cut, and let in no more.

use std::time::Duration;

use crate::kit::{Client, OTHER, Plc, Running, Watch, frame, until};

#[test]
fn a_revoked_subject_is_cut_and_nothing_of_it_reaches_the_device_any_more() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    let mut other = Client::from(OTHER, gateway.at);
    assert_eq!(client.ask(1, "06 0064 0001"), "0600640001");
    assert_eq!(other.ask(1, "03 0000 0001"), "03020000");
    assert_eq!(gateway.revoke("scada"), 1);
    let before = plc.testimony();
    // It does not wait for the cut to reach it: everything is in its socket already.
    drop(std::io::Write::write_all(&mut client.stream, &frame(2, "06 0064 0002")));
    client.closed();
    let mut again = gateway.client();
    drop(std::io::Write::write_all(&mut again.stream, &frame(3, "06 0064 0003")));
    again.closed();
    assert!(plc.testimony() == before, "the device got {:02x?}", plc.bytes());
    assert_eq!(other.ask(2, "03 0000 0001"), "03020000", "others are not touched");
    until("its socket is given back", || plc.open() == 1);
}

#[test]
fn nothing_is_sent_after_a_revocation_has_answered_however_fast_the_client_writes() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    let writer = std::thread::Builder::new().spawn(move || {
        for id in 0..u16::MAX {
            let bytes = frame(id, &format!("06 0064 {id:04x}"));
            if std::io::Write::write_all(&mut client.stream, &bytes).is_err() {
                return;
            }
            // As fast as the sockets take it; answers are not waited for.
            if id % 8 == 0 {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    });
    until("it writes", || plc.requests().len() > 100);
    assert_eq!(gateway.revoke("scada"), 1);
    let written = gateway.lan.written();
    writer.unwrap().join().unwrap();
    until("the device is left", || plc.open() == 0);
    assert_eq!(gateway.lan.written(), written, "written to the device after the answer");
    assert_eq!(plc.bytes().len(), written, "the device says the same");
}

#[test]
fn an_address_with_another_hardware_address_behind_it_has_no_rights() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    gateway.lan.put("127.0.9.12", "02:00:00:00:66:66");
    let mut thief = Client::from("127.0.9.12", gateway.at);
    assert_eq!(thief.ask(1, "03 0000 0001"), "8301");
    assert_eq!(plc.accepted(), 0);
}

#[test]
fn an_address_that_is_taken_over_loses_its_rights_within_ten_seconds_and_keeps_its_connection() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    gateway.lan.put("127.0.9.12", "02:1f:5a:00:10:31");
    let mut client = Client::from("127.0.9.12", gateway.at);
    assert_eq!(client.ask(1, "06 0064 0001"), "0600640001");
    gateway.lan.put("127.0.9.12", "02:00:00:00:66:66");
    std::thread::sleep(Duration::from_millis(10_100));
    let before = plc.testimony();
    assert_eq!(client.ask(2, "06 0064 0002"), "8601");
    assert!(plc.testimony() == before);
    assert_eq!(gateway.journal().matches("mac-changed").count(), 1);
    // The rightful neighbour is back.
    gateway.lan.put("127.0.9.12", "02:1f:5a:00:10:31");
    std::thread::sleep(Duration::from_millis(10_100));
    assert_eq!(client.ask(3, "06 0064 0003"), "0600640003");
}

#[test]
fn a_permit_that_waits_for_a_dial_is_judged_again_when_the_evidence_has_changed() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    gateway.lan.put("127.0.9.12", "02:1f:5a:00:10:31");
    gateway.lan.dial_slowly(Duration::from_secs(1));
    let mut client = Client::from("127.0.9.12", gateway.at);
    client.say(&frame(1, "06 0064 0007"));
    until("it is judged, and the device is dialled", || gateway.lan.dials() == 1);
    // No policy changes: the world's number stays. Another machine now stands behind the address.
    let sessions = gateway.house().sessions.all();
    gateway.house().sessions.neighbour(&sessions[0], "127.0.9.12".parse().unwrap(), "02:00:00:00:66:66".parse().ok());
    assert_eq!(client.answer(1), "8601");
    assert_eq!((plc.register(100), gateway.lan.written()), (100, 0));
}

#[test]
fn a_request_that_waits_for_a_dial_when_its_subject_is_revoked_is_never_sent() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    gateway.lan.dial_slowly(Duration::from_secs(1));
    let mut client = gateway.client();
    client.say(&frame(1, "06 0064 0007"));
    until("the device is dialled", || gateway.lan.dials() == 1);
    assert_eq!(gateway.revoke("scada"), 1);
    client.closed();
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!((plc.register(100), gateway.lan.written()), (100, 0));
}

#[test]
fn a_device_that_does_not_take_the_dial_is_0a_after_two_seconds() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    gateway.lan.dial_slowly(Duration::from_mins(1));
    let mut client = gateway.client();
    let began = Watch::start();
    assert_eq!(client.ask(1, "06 0064 0007"), "860a");
    let after = began.elapsed();
    assert!(after >= Duration::from_millis(1_900) && after < Duration::from_millis(3_500), "{after:?}");
    assert_eq!(client.ask(2, "03 0000 0001"), "830a", "at once, while it is left alone");
    assert_eq!(gateway.lan.dials(), 1);
    let journal = gateway.journal();
    assert!(journal.contains("{\"not-sent\":\"asset-down\"}"), "{journal}");
}
