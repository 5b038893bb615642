//! What the device of a shared link may say: the reply of one request under way, or nothing that reaches anybody.

use super::*;
use crate::kit::hex;

/// What the device does to the request for register 5, the only one that it does not answer lawfully.
type Trick = fn(&[u8], Vec<u8>) -> Vec<Do>;

fn is_five(request: &[u8]) -> bool {
    request[7..10] == [3, 0, 5]
}

fn with_unit(mut reply: Vec<u8>, unit: u8) -> Vec<u8> {
    reply[6] = unit;
    reply
}

fn with_id(mut reply: Vec<u8>, id: u16) -> Vec<u8> {
    reply[..2].copy_from_slice(&id.to_be_bytes());
    reply
}

#[test]
fn what_is_not_exactly_the_reply_of_one_request_under_way_ends_the_link_and_reaches_nobody() {
    let tricks: [(&str, Trick); 7] = [
        ("a foreign id", |_, reply| vec![Do::Say(with_id(reply, 0x7777))]),
        ("another unit", |_, reply| vec![Do::Say(with_unit(reply, 2))]),
        ("another function", |request, _| vec![Do::Say([&request[..4], &hex("0005 01 04 02 dead")].concat())]),
        ("another length", |request, _| vec![Do::Say([&request[..4], &hex("0007 01 03 04 deaddead")].concat())]),
        ("no frame", |_, _| vec![Do::Say(hex("dead beef 0003 01 03 02"))]),
        ("too long a frame", |request, _| vec![Do::Say([&request[..4], &hex("0400 01 03")].concat())]),
        ("the end", |_, _| vec![Do::Close]),
    ];
    for (name, trick) in tricks {
        let plc = Plc::with_sockets("127.0.1.20", 2);
        let gateway = shared(&plc, SHARED);
        plc.behave(move |request, reply| if is_five(request) { trick(request, reply) } else { vec![Do::Say(reply)] });
        let (mut one, mut other) = (gateway.client(), Client::from(MASTERS[1], gateway.at));
        assert_eq!(other.ask(7, "03 0009 0001"), "03020009", "{name}");
        assert_eq!(one.ask(7, "03 0005 0001"), "830b", "{name}");
        assert_eq!(other.ask(7, "03 0009 0001"), "03020009", "{name}");
        assert_eq!(one.ask(8, "03 0006 0001"), "03020006", "{name}");
        assert_eq!((one.rest().0, other.rest().0), (vec![], vec![]), "{name}");
        assert_eq!(plc.accepted(), 2, "{name}: a new link");
        assert_eq!(gateway.journal().contains("doubtful-shared-link"), name != "the end", "{name}");
    }
}

#[test]
fn a_second_reply_to_one_request_ends_the_link_and_the_others_get_no_false_one() {
    let plc = Plc::with_sockets("127.0.1.20", 2);
    let gateway = shared(&plc, SHARED);
    plc.behave(|request, reply| {
        let twice = [reply.clone(), reply.clone()].concat();
        vec![Do::Say(if is_five(request) { twice } else { reply })]
    });
    let (mut one, mut other) = (gateway.client(), Client::from(MASTERS[1], gateway.at));
    for round in 0..20 {
        assert_eq!(one.ask(round, "03 0005 0001"), "03020005");
        let answer = other.ask(round, "03 0009 0001");
        assert!(["03020009", "830b"].contains(&answer.as_str()), "{answer}");
    }
    assert!(gateway.journal().contains("doubtful-shared-link"));
}

#[test]
fn a_reply_in_pieces_is_one_reply() {
    let plc = Plc::with_sockets("127.0.1.20", 2);
    let gateway = shared(&plc, SHARED);
    plc.behave(|_, reply| {
        reply.iter().flat_map(|byte| [Do::Say(vec![*byte]), Do::Wait(Duration::from_millis(2))]).collect()
    });
    poll_by(2, &gateway, 5, 4);
    assert_eq!(plc.accepted(), 1);
}

#[test]
fn a_late_answer_is_swallowed_where_ids_tell_it_apart() {
    let plc = Plc::with_sockets("127.0.1.20", 2);
    let gateway = shared(&plc, "share_upstream = true\nconnections = 2\nanswer_within = \"500 ms\"");
    plc.behave(|request, reply| {
        vec![Do::Wait(Duration::from_millis(if is_five(request) { 800 } else { 0 })), Do::Say(reply)]
    });
    let mut client = gateway.client();
    assert_eq!(client.ask(7, "03 0005 0001"), "830b");
    thread::sleep(Duration::from_millis(400));
    assert_eq!(client.ask(7, "03 0006 0001"), "03020006", "the same id, another question");
    assert_eq!(client.rest(), (Vec::new(), false));
    assert_eq!(plc.accepted(), 1, "the link stays");
}

#[test]
fn a_late_answer_of_a_device_that_may_not_echo_ids_comes_to_nobody() {
    let plc = Plc::with_sockets("127.0.1.20", 2);
    let gateway = shared(&plc, CONVERTER);
    let late = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&late);
    plc.behave(move |request, reply| {
        let reply = with_id(reply, 1);
        if is_five(request) {
            counter.fetch_add(1, Ordering::SeqCst);
            return vec![Do::Wait(Duration::from_millis(1_300)), Do::Say(reply)];
        }
        vec![Do::Say(reply)]
    });
    let (mut one, mut other) = (gateway.client(), Client::from(MASTERS[1], gateway.at));
    one.say(&frame(7, "03 0005 0001"));
    until("it is asked", || late.load(Ordering::SeqCst) == 1);
    // It waits behind the other for the only turn, and is sent on the next link.
    thread::sleep(Duration::from_millis(400));
    assert_eq!(other.ask(7, "03 0009 0001"), "03020009");
    assert_eq!(one.answer(7), "830b");
    assert_eq!(plc.accepted(), 2, "the link was opened anew");
    assert_eq!((one.rest().0, other.rest().0), (vec![], vec![]));
}

#[test]
fn five_masters_behind_a_converter_that_makes_up_ids_get_their_own_replies_one_at_a_time() {
    let plc = Plc::with_sockets("127.0.1.20", 1);
    let gateway = shared(&plc, CONVERTER);
    plc.behave(|_, reply| vec![Do::Say(with_id(reply, 0))]);
    poll_by(5, &gateway, 100, 2);
    assert_eq!((plc.accepted(), plc.requests().len()), (1, 1_000));
}
