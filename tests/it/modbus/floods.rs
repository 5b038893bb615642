//! Whoever floods is bounded; whoever works beside him does not notice.

use std::time::Duration;

use crate::kit::{Client, Do, OTHER, Plc, Running, Setup, Watch, frame, until};

#[test]
fn a_flood_of_connections_from_one_address_leaves_room_for_the_others() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut flood: Vec<_> = (0..400).map(|_| Client::from("127.0.9.66", gateway.at)).collect();
    until("the cap holds", || gateway.house().sessions.count() >= 250);
    assert!(gateway.house().sessions.count() <= 250);
    let mut client = Client::from(OTHER, gateway.at);
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    let last = flood.last_mut().unwrap();
    assert_eq!(last.hear(), None, "beyond the cap a connection is closed");
    drop(flood);
    until("the places are given back", || gateway.house().sessions.count() == 1);
    assert_eq!(plc.accepted(), 1);
}

#[test]
fn a_flood_of_frames_by_a_stranger_is_bounded_in_the_journal_and_others_are_served() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut stranger = Client::from("127.0.9.66", gateway.at);
    let asked: Vec<u8> = (0..100).flat_map(|id| frame(id, "06 0064 0001")).collect();
    let mut client = gateway.client();
    let began = Watch::start();
    let mut slowest = Duration::ZERO;
    for round in 0..50_u16 {
        stranger.say(&asked);
        for _ in 0..100 {
            stranger.hear().unwrap();
        }
        let asked = Watch::start();
        assert_eq!(client.ask(round, "03 0000 0001"), "03020000");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_millis(500), "{slowest:?} in {:?}", began.elapsed());
    let journal = gateway.journal();
    let denied = journal.matches("\"effect\":\"deny\"").count();
    assert!((1..=10).contains(&denied), "{denied} records of 5,000 refusals");
    assert!(plc.requests().iter().all(|request| request[7] == 3));
}

#[test]
fn a_client_that_reads_nothing_is_held_back_and_harms_nobody() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut deaf = gateway.client();
    deaf.stream.set_nonblocking(true).unwrap();
    let block: Vec<u8> = (0..300).flat_map(|id| frame(id, "03 0190 007d")).collect();
    let mut said = 0;
    let mut asked = 0;
    // The kernel's buffers grow as they like: they are full when nothing more is asked for a while, however much is said.
    let held = (0..100).any(|_| {
        for _ in 0..400 {
            match std::io::Write::write(&mut deaf.stream, &block[said % block.len()..]) {
                Ok(count) => said += count,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        let before = std::mem::replace(&mut asked, plc.requests().len());
        asked > 0 && asked == before
    });
    assert!(held, "{asked} requests, and it goes on asking for a client that does not read");
    let mut client = Client::from(OTHER, gateway.at);
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    std::thread::sleep(Duration::from_millis(300));
    assert!(plc.requests().len() <= asked + 20, "it goes on asking for a client that does not read");
}

#[test]
fn a_master_that_pipelines_writes_through_a_slow_device_gets_each_answer_by_its_deadline() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::with(plc.at, &Setup { asset: "answer_within = \"1 s\"", ..Setup::default() });
    plc.behave(|_, reply| vec![Do::Wait(Duration::from_millis(150)), Do::Say(reply)]);
    let mut client = gateway.client();
    let began = Watch::start();
    client.say(&(0..16).flat_map(|id| frame(id, &format!("06 0064 {id:04x}"))).collect::<Vec<_>>());
    let mut answers: Vec<u16> = (0..16)
        .map(|_| {
            let answer = client.hear().unwrap();
            u16::from_be_bytes([answer[0], answer[1]])
        })
        .collect();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    answers.sort_unstable();
    assert_eq!(answers, (0..16).collect::<Vec<_>>(), "each has one answer");
}

#[test]
fn half_open_clients_take_a_place_and_nothing_else() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let silent: Vec<_> = (0..100).map(|_| Client::from("127.0.9.66", gateway.at)).collect();
    until("they are in", || gateway.house().sessions.count() == 100);
    let mut client = gateway.client();
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    assert_eq!(plc.accepted(), 1, "a client that asks for nothing takes no socket of the device");
    drop(silent);
}
