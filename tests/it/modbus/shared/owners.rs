//! Masters come, go, are cut and change over: what waits goes with them, and the others notice nothing.

use super::*;
use bulkhead_core::policy::model::Mode;
use rustix::net::sockopt::set_socket_linger;

/// Answers after so many milliseconds.
fn slow(plc: &Plc, time: u64) {
    plc.behave(move |_, reply| vec![Do::Wait(Duration::from_millis(time)), Do::Say(reply)]);
}

fn writes(plc: &Plc) -> Vec<u8> {
    plc.requests().iter().filter(|request| request[7] == 6).map(|request| request[11]).collect()
}

#[test]
fn what_a_master_asked_is_not_asked_again_when_it_is_gone_and_what_waited_is_never_sent() {
    for asset in [SHARED, CONVERTER] {
        let plc = Plc::with_sockets("127.0.1.20", 1);
        let gateway = shared(&plc, asset);
        let mut other = Client::from(MASTERS[1], gateway.at);
        assert_eq!(other.ask(1, "03 0009 0001"), "03020009");
        slow(&plc, 200);
        let mut gone = gateway.client();
        gone.say(&(1..=12).flat_map(|id| frame(id, &format!("06 0064 {id:04x}"))).collect::<Vec<_>>());
        until("the first one is under way", || !writes(&plc).is_empty());
        // Its socket is reset: nobody is there any more.
        set_socket_linger(&gone.stream, Some(Duration::ZERO)).unwrap();
        drop(gone);
        thread::sleep(Duration::from_millis(50));
        slow(&plc, 0);
        for round in 0..5 {
            assert_eq!(other.ask(round, "03 0009 0001"), "03020009", "another's reply, or none");
        }
        let sent = writes(&plc);
        assert!(sent.len() <= 4 && sent.iter().copied().eq(1..=u8::try_from(sent.len()).unwrap()), "{sent:?}");
        assert_eq!(plc.accepted(), 1, "the link stays");
        let journal = gateway.journal();
        assert!(journal.contains("\"unknown\"") && journal.contains("not-sent"), "{journal}");
    }
}

#[test]
fn nothing_of_a_revoked_master_is_sent_from_the_queue_and_the_others_are_served() {
    for asset in [SHARED, CONVERTER] {
        let plc = Plc::with_sockets("127.0.1.20", 1);
        let gateway = shared(&plc, asset);
        slow(&plc, 150);
        let mut bad = gateway.client();
        let mut good = Client::from(MASTERS[1], gateway.at);
        bad.say(&(1..=16).flat_map(|id| frame(id, &format!("06 0064 {id:04x}"))).collect::<Vec<_>>());
        until("the first one is under way", || !writes(&plc).is_empty());
        good.say(&frame(1, "03 0009 0001"));
        assert_eq!(gateway.revoke("scada"), 1);
        let already = plc.bytes().len();
        assert_eq!(good.answer(1), "03020009");
        let on_the_wire = plc.requests().len();
        thread::sleep(Duration::from_secs(1));
        assert_eq!(good.ask(2, "03 0009 0001"), "03020009");
        assert!(writes(&plc).len() <= 5, "{:?}", writes(&plc));
        assert_eq!(plc.requests().len(), on_the_wire + 1, "after {already} bytes");
        bad.rest();
        assert!(bad.hear().is_none(), "it was cut");
    }
}

#[test]
fn the_reset_of_a_device_is_survived_by_all_and_what_waits_goes_to_the_new_link() {
    let plc = Plc::with_sockets("127.0.1.20", 1);
    let gateway = shared(&plc, CONVERTER);
    let count = AtomicUsize::new(0);
    plc.behave(move |_, reply| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 1;
        vec![Do::Wait(Duration::from_millis(100)), if first { Do::Close } else { Do::Say(reply) }]
    });
    let mut clients: Vec<_> = MASTERS.iter().map(|address| Client::from(address, gateway.at)).collect();
    assert_eq!(clients[0].ask(1, "03 0000 0001"), "03020000");
    for (at, client) in (0_u8..).zip(&mut clients) {
        client.say(&frame(7, &format!("03 {at:04x} 0001")));
        thread::sleep(Duration::from_millis(10));
    }
    let answers: Vec<_> = clients.iter_mut().map(|client| client.answer(7)).collect();
    assert_eq!(answers, ["830b", "03020001", "03020002", "03020003", "03020004"]);
    assert_eq!(plc.accepted(), 2);
}

#[test]
fn a_write_is_not_overtaken_by_the_read_behind_it() {
    let plc = Plc::with_sockets("127.0.1.20", 1);
    let gateway = Running::with(plc.at, &Setup { asset: SHARED, record: "written", ..Setup::default() });
    let mut client = gateway.client();
    for value in 1..200_u16 {
        client.say(&[frame(1, &format!("06 0064 {value:04x}")), frame(2, "03 0064 0001")].concat());
        assert_eq!(client.answer(1), format!("060064{value:04x}"));
        assert_eq!(client.answer(2), format!("0302{value:04x}"));
    }
}

#[test]
fn a_device_that_moves_with_the_policy_is_followed_by_all() {
    let (here, there) = (Plc::with_sockets("127.0.1.20", 1), Plc::with_sockets("127.0.1.21", 1));
    let gateway = shared(&here, SHARED);
    let mut clients: Vec<_> = MASTERS.iter().map(|address| Client::from(address, gateway.at)).collect();
    for client in &mut clients {
        assert_eq!(client.ask(1, "03 0009 0001"), "03020009");
    }
    gateway.activate(gateway.policy.replace(&here.at.to_string(), &there.at.to_string()));
    for client in &mut clients {
        assert_eq!(client.ask(2, "03 0009 0001"), "03020009");
    }
    assert_eq!((here.requests().len(), there.requests().len()), (5, 5));
    until("the old link is closed", || here.open() == 0);
    // And each to a link of its own, with a device that has enough of them.
    let more = Plc::at("127.0.1.22");
    let own = gateway.policy.replace(&here.at.to_string(), &more.at.to_string());
    gateway.activate(own.replace("share_upstream = true\nconnections = 2", "connections = 9"));
    for client in &mut clients {
        assert_eq!(client.ask(3, "03 0009 0001"), "03020009");
    }
    assert_eq!(more.accepted(), 5);
}

#[test]
fn who_is_only_observed_has_a_link_of_its_own_and_changes_over_between_two_frames() {
    let plc = Plc::with_sockets("127.0.1.20", 3);
    let asset = "share_upstream = true\nconnections = 3\nanswer_within = \"3 s\"";
    let gateway = Running::with(plc.at, &Setup { asset, mode: "observe", ..Setup::default() });
    let (mut one, mut other) = (gateway.client(), Client::from(MASTERS[1], gateway.at));
    assert_eq!(one.ask(1, "03 0001 0001"), "03020001");
    assert_eq!(other.ask(1, "03 0002 0001"), "03020002");
    assert_eq!(plc.open(), 2);
    // Half a frame has passed: its rest goes the same way.
    slow(&plc, 300);
    let half = frame(2, "03 0003 0001");
    one.say(&half[..9]);
    until("it has passed", || plc.bytes().ends_with(&half[..9]));
    gateway.set_mode(Mode::Enforce);
    one.say(&[&half[9..], &frame(3, "03 0004 0001")].concat());
    assert_eq!(one.answer(2), "03020003");
    assert_eq!(one.answer(3), "03020004");
    assert_eq!(other.ask(2, "03 0005 0001"), "03020005");
    until("they share one link", || plc.open() == 1);
    assert_eq!(one.ask(4, "06 0384 0001"), "8601", "enforced");
    gateway.set_mode(Mode::Observe);
    one.say(&frame(5, "06 0384 0001"));
    assert_eq!(one.answer(5), "0603840001");
    assert_eq!(other.ask(3, "03 0006 0001"), "03020006");
    assert_eq!((plc.open(), plc.register(900)), (2, 1));
}

#[test]
fn a_repeat_of_a_pending_request_is_one_answer_on_a_shared_link_too() {
    let plc = Plc::with_sockets("127.0.1.20", 1);
    let gateway = shared(&plc, SHARED);
    slow(&plc, 300);
    let mut client = gateway.client();
    for _ in 0..3 {
        client.say(&[frame(8, "03 0005 0001"), frame(9, "06 0064 0007")].concat());
        thread::sleep(Duration::from_millis(30));
    }
    let answers: Vec<_> = (0..2).map(|_| client.hear().unwrap()[7..].to_vec()).collect();
    assert!(answers.contains(&vec![3, 2, 0, 5]) && answers.contains(&vec![6, 0, 100, 0, 7]), "{answers:02x?}");
    thread::sleep(Duration::from_millis(1_200));
    assert_eq!(client.rest(), (Vec::new(), false));
    assert_eq!(writes(&plc), [7], "a write is sent once");
    assert_eq!(client.ask(9, "03 0006 0001"), "03020006", "the same id again");
    assert!(!gateway.journal().contains("doubtful"));
}

#[test]
fn the_turn_of_who_lost_his_right_while_he_waited_goes_on_at_once() {
    let plc = Plc::with_sockets("127.0.1.20", 1);
    let gateway = shared(&plc, CONVERTER);
    slow(&plc, 300);
    let (mut first, mut loses) = (Client::from(MASTERS[1], gateway.at), gateway.client());
    let mut next = Client::from(MASTERS[2], gateway.at);
    first.say(&frame(1, "03 0001 0001"));
    until("it is under way", || plc.requests().len() == 1);
    loses.say(&frame(1, "03 0002 0001"));
    thread::sleep(Duration::from_millis(30));
    next.say(&frame(1, "03 0003 0001"));
    thread::sleep(Duration::from_millis(30));
    gateway.activate(gateway.policy.replace("address = \"127.0.9.10\"", "address = \"127.0.9.99\""));
    assert_eq!(first.answer(1), "03020001");
    assert_eq!(loses.answer(1), "8301");
    // Were the turn lost, its own second would end first.
    assert_eq!(next.answer(1), "03020003");
}

#[test]
fn the_place_that_the_last_master_left_is_waited_for_and_not_called_busy() {
    let plc = Plc::with_sockets("127.0.1.20", 1);
    let asset = "share_upstream = true\nconnections = 1\nanswer_within = \"3 s\"";
    let gateway = shared(&plc, asset);
    // The device notices only after its answer that nobody is there any more.
    slow(&plc, 400);
    let mut gone = gateway.client();
    gone.say(&frame(1, "03 0001 0001"));
    until("it is under way", || plc.requests().len() == 1);
    set_socket_linger(&gone.stream, Some(Duration::ZERO)).unwrap();
    drop(gone);
    thread::sleep(Duration::from_millis(50));
    let mut other = Client::from(MASTERS[1], gateway.at);
    assert_eq!(other.ask(1, "03 0002 0001"), "03020002");
}
