//! Masters that repeat themselves.

use std::time::Duration;

use crate::kit::{Do, Plc, Running, Setup, frame};

fn slow(plc: &Plc) {
    plc.behave(|_, reply| vec![Do::Wait(Duration::from_millis(400)), Do::Say(reply)]);
}

#[test]
fn a_write_that_is_repeated_while_it_is_pending_is_sent_once_and_answered_once() {
    for record in ["durable", "written"] {
        repeats_a_write(&Setup { record, ..Setup::default() });
    }
}

fn repeats_a_write(setup: &Setup) {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::with(plc.at, setup);
    slow(&plc);
    let mut client = gateway.client();
    for _ in 0..3 {
        client.say(&frame(9, "06 0064 0007"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.answer(9), "0600640007");
    assert_eq!(client.rest(), (Vec::new(), false));
    assert_eq!(plc.requests(), [frame(9, "06 0064 0007")]);
}

#[test]
fn a_read_that_is_repeated_while_it_is_pending_is_answered_once() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    slow(&plc);
    let mut client = gateway.client();
    for _ in 0..3 {
        client.say(&frame(9, "03 0005 0001"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.answer(9), "03020005");
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(client.rest(), (Vec::new(), false));
    assert!(plc.requests().len() <= 3);
    assert!(!gateway.journal().contains("unsolicited"), "the device's second answer was asked for");
}

#[test]
fn a_repeated_read_finds_an_answer_although_the_first_one_was_lost() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let first = std::sync::atomic::AtomicBool::new(true);
    plc.behave(
        move |_, reply| {
            if first.swap(false, std::sync::atomic::Ordering::SeqCst) { Vec::new() } else { vec![Do::Say(reply)] }
        },
    );
    let mut client = gateway.client();
    client.say(&frame(9, "03 0005 0001"));
    std::thread::sleep(Duration::from_millis(200));
    client.say(&frame(9, "03 0005 0001"));
    assert_eq!(client.answer(9), "03020005");
}

#[test]
fn a_transaction_id_that_is_taken_is_refused_to_another_request() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    slow(&plc);
    let mut client = gateway.client();
    client.say(&[frame(32, "03 0000 0002"), frame(32, "03 0005 0002")].concat());
    assert_eq!(client.answer(32), "030400000001");
    assert_eq!(client.answer(32), "8301");
    assert_eq!(plc.requests(), [frame(32, "03 0000 0002")]);
}

#[test]
fn a_transaction_id_may_be_used_again_once_it_is_answered() {
    let plc = Plc::at("127.0.1.20");
    let gateway = Running::before(&plc);
    let mut client = gateway.client();
    for at in 0..20 {
        assert_eq!(client.ask(0, &format!("03 {at:04x} 0001")), format!("0302{at:04x}"));
    }
    assert_eq!(plc.accepted(), 1);
}
