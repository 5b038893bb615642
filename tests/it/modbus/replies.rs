//! What the device says: only the answer to a request that is under way reaches the client.

use std::net::TcpListener;
use std::time::Duration;

use crate::kit::{Client, Do, OTHER, Plc, Running, Setup, Watch, frame, hex, until};

const QUICK: &str = "answer_within = \"1 s\"";

fn quick(plc: &Plc) -> Running {
    Running::with(plc.at, &Setup { asset: QUICK, ..Setup::default() })
}

/// A reply frame to a transaction and unit.
fn reply(id: u16, unit: u8, pdu: &str) -> Vec<u8> {
    let mut bytes = frame(id, pdu);
    bytes[6] = unit;
    bytes
}

#[test]
fn replies_that_nobody_asked_for_are_dropped_and_alarmed_once() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    plc.behave(|request, lawful| {
        let id = u16::from_be_bytes([request[0], request[1]]);
        vec![
            Do::Say(reply(id.wrapping_add(1), 1, "03 02 dead")),
            Do::Say(reply(id, 2, "03 02 dead")),
            Do::Say(reply(id, 1, "04 02 dead")),
            Do::Say(reply(id, 1, "03 04 deaddead")),
            Do::Say(reply(id, 1, "03 02 de")),
            Do::Say(reply(id, 1, "83 02 00")),
            Do::Say(lawful.clone()),
            Do::Say(lawful),
        ]
    });
    let mut client = gateway.client();
    for id in 1..=5 {
        assert_eq!(client.ask(id, "03 0005 0001"), "03020005");
    }
    assert_eq!(client.rest(), (Vec::new(), false));
    let journal = gateway.journal();
    assert_eq!(journal.matches("unsolicited-reply").count(), 1, "{journal}");
}

#[test]
fn a_reply_longer_than_a_frame_ends_the_link_and_the_client_gets_0b() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    plc.behave(|_, _| vec![Do::Say(hex("0001 0000 0400 01 03")), Do::Wait(Duration::from_secs(1))]);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "830b");
    plc.lawful();
    assert_eq!(client.ask(2, "03 0000 0001"), "03020000", "a new link serves");
    assert!(gateway.journal().contains("malformed-reply"));
    assert_eq!(plc.accepted(), 2);
}

#[test]
fn the_devices_exceptions_pass_as_they_are() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    plc.behave(|request, _| vec![Do::Say([&request[..4], &[0, 3, 1, request[7] | 0x80, 0x0A]].concat())]);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "830a");
    assert_eq!(client.ask(2, "06 0064 0001"), "860a");
    assert!(gateway.journal().contains("{\"refused\":10}"), "{}", gateway.journal());
}

#[test]
fn a_device_that_cannot_be_reached_is_0a_and_not_dialled_again_at_once() {
    // A port that was free a moment ago.
    let nobody = TcpListener::bind("127.0.1.20:0").unwrap().local_addr().unwrap();
    let gateway = Running::with(nobody, &Setup::default());
    let mut client = gateway.client();
    let began = Watch::start();
    for id in 0..50 {
        assert_eq!(client.ask(id, "03 0000 0001"), "830a");
        assert_eq!(client.ask(id, "06 0064 0001"), "860a");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_device_that_comes_back_is_served_without_a_new_connection() {
    let nobody = TcpListener::bind("127.0.1.20:0").unwrap().local_addr().unwrap();
    let gateway = Running::with(nobody, &Setup::default());
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "830a");
    let listener = TcpListener::bind(nobody).unwrap();
    crate::kit::beside(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 12];
        while std::io::Read::read_exact(&mut stream, &mut request).is_ok() {
            let reply = [&request[..4], &[0, 5, 1, 3, 2, 0, 9]].concat();
            std::io::Write::write_all(&mut stream, &reply).unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(client.ask(2, "03 0000 0001"), "03020009");
}

#[test]
fn a_silent_device_is_0b_when_its_time_is_over_and_its_late_answer_is_nobodys() {
    let plc = Plc::at("127.0.1.20");
    let gateway = quick(&plc);
    plc.behave(|request, reply| {
        let late = if request[1] == 1 { 1_500 } else { 0 };
        vec![Do::Wait(Duration::from_millis(late)), Do::Say(reply)]
    });
    let mut client = gateway.client();
    let began = Watch::start();
    assert_eq!(client.ask(1, "06 0064 0007"), "860b");
    let after = began.elapsed();
    assert!(after >= Duration::from_millis(990) && after < Duration::from_millis(1_600), "{after:?}");
    assert_eq!(client.ask(2, "03 0064 0001"), "03020007", "the late answer did not come in its place");
    assert_eq!(client.rest(), (Vec::new(), false));
    let journal = gateway.journal();
    assert!(journal.contains("no-answer"), "{journal}");
    assert!(!journal.contains("unsolicited"), "a late answer is no attack: {journal}");
}

#[test]
fn a_late_answer_is_never_taken_for_the_answer_to_another_request_with_the_same_id() {
    let plc = Plc::at("127.0.1.20");
    let gateway = quick(&plc);
    plc.behave(|request, reply| {
        let late = if request[9] == 1 { 1_300 } else { 0 };
        vec![Do::Wait(Duration::from_millis(late)), Do::Say(reply)]
    });
    let mut client = gateway.client();
    assert_eq!(client.ask(7, "03 0001 0001"), "830b");
    // Register 2 holds 2. The device is about to say 1, with the same transaction id, function and length.
    assert_eq!(client.ask(7, "03 0002 0001"), "03020002");
    assert_eq!(plc.accepted(), 2, "on a link of its own");
}

#[test]
fn what_was_under_way_when_the_device_closes_is_0b_and_the_next_request_dials_again() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    plc.behave(|_, _| vec![Do::Close]);
    assert_eq!(client.ask(2, "06 0064 0007"), "860b");
    plc.lawful();
    assert_eq!(client.ask(3, "03 0064 0001"), "03020007", "it was applied, and nobody had said so");
    assert_eq!(plc.accepted(), 2);
    assert!(gateway.journal().contains("\"unknown\""), "{}", gateway.journal());
}

#[test]
fn a_device_that_closes_before_it_ever_answers_is_left_alone() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    plc.behave(|_, _| vec![Do::Close]);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "830b");
    for id in 2..20 {
        assert_eq!(client.ask(id, "03 0000 0001"), "830a");
    }
    assert_eq!(plc.accepted(), 1);
}

#[test]
fn replies_in_another_order_find_their_requests() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let held = std::sync::Mutex::new(Vec::new());
    plc.behave(move |_, reply| {
        let mut held = held.lock().unwrap();
        held.push(reply);
        if held.len() == 3 { held.drain(..).rev().map(Do::Say).collect() } else { Vec::new() }
    });
    let mut client = gateway.client();
    client.say(&(1..=3).flat_map(|id| frame(id, &format!("03 {id:04x} 0001"))).collect::<Vec<_>>());
    for id in [3, 2, 1] {
        assert_eq!(client.answer(id), format!("0302{id:04x}"));
    }
}

#[test]
fn a_device_that_makes_up_ids_is_asked_one_thing_at_a_time() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::with(
        plc.at,
        &Setup {
            asset: "profile = \"converter\"\n[profiles.converter]\nbase = \"direct\"\nechoes_ids = false",
            ..Setup::default()
        },
    );
    plc.behave(|_, mut reply| {
        reply[..2].copy_from_slice(&[0, 0]);
        vec![Do::Say(reply)]
    });
    let mut client = gateway.client();
    client.say(&(1..=10).flat_map(|id| frame(id, &format!("03 {id:04x} 0001"))).collect::<Vec<_>>());
    for id in 1..=10 {
        assert_eq!(client.answer(id), format!("0302{id:04x}"));
    }
}

#[test]
fn a_device_gives_only_as_many_sockets_as_the_plant_says() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::with(plc.at, &Setup { asset: "connections = 2", ..Setup::default() });
    let mut clients: Vec<_> = (0..3).map(|_| gateway.client()).collect();
    assert_eq!(clients[0].ask(1, "03 0000 0001"), "03020000");
    assert_eq!(clients[1].ask(1, "03 0000 0001"), "03020000");
    assert_eq!(clients[2].ask(1, "03 0000 0001"), "8306", "busy, and not a reset");
    drop(clients.remove(0));
    until("its socket is given back", || plc.open() == 1);
    assert_eq!(clients[1].ask(2, "03 0000 0001"), "03020000");
}

#[test]
fn the_journal_knows_the_last_value_from_what_passed() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0064 0002"), "030400640065");
    assert_eq!(client.ask(2, "10 0064 0002 04 0001 0002"), "1000640002");
    assert_eq!(client.ask(3, "06 0064 0003"), "0600640003");
    let journal = gateway.journal();
    assert!(journal.contains("\"last\":[100,101]") && journal.contains("\"new\":[1,2]"), "{journal}");
    assert!(journal.contains("\"last\":[1]") && journal.contains("\"new\":[3]"), "{journal}");
}

#[test]
fn two_listeners_of_one_device_share_its_sockets() {
    let plc = Plc::at("127.0.1.20");
    let setup = Setup { listen: "127.0.9.20", also: Some("127.0.9.21"), asset: "connections = 1", ..Setup::default() };
    let gateway = Running::with(plc.at, &setup);
    let (mut one, mut two) = (gateway.client(), Client::from(OTHER, gateway.also.unwrap()));
    assert_eq!(one.ask(1, "03 0000 0001"), "03020000");
    assert_eq!(two.ask(1, "03 0000 0001"), "8306");
    assert_eq!(plc.accepted(), 1);
}
