//! Handshakes that never end, and handshakes without end: others are served meanwhile.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::kit::{CLIENT, Client, Plc, Running, Secure, TLS13, Watch, frame, offer, until};

#[test]
fn a_handshake_that_is_not_over_in_five_seconds_is_closed_however_far_it_came() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let began = Watch::start();
    let mut silent = Client::from(CLIENT, gateway.tls.unwrap());
    // A whole hello in pieces, of which the last never comes; and one that stops after the gateway's answer.
    let mut hello = Vec::new();
    let config = offer(&pki, Some(&pki.client("Operator")), &TLS13);
    gateway.dial(&config).stream.conn.write_tls(&mut hello).unwrap();
    let mut torn = Client::from(CLIENT, gateway.tls.unwrap());
    torn.say(&hello[..hello.len() - 1]);
    let mut half = Client::from(CLIENT, gateway.tls.unwrap());
    half.say(&hello);
    for client in [&mut silent, &mut torn, &mut half] {
        let mut all = Vec::new();
        drop(client.stream.read_to_end(&mut all));
        let after = began.elapsed();
        assert!(after >= Duration::from_millis(4_800) && after < Duration::from_secs(8), "{after:?}");
    }
    until("each is recorded", || gateway.journal().matches("{\"handshake\":\"timed-out\"}").count() == 3);
    assert_eq!(gateway.house().sessions.count(), 0);
}

#[test]
fn half_handshakes_of_one_address_leave_room_for_the_others_and_are_ten_records() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let held: Vec<_> = (0..200).map(|_| Client::from("127.0.9.66", gateway.tls.unwrap())).collect();
    // All but sixteen are closed at once.
    until("they are closed", || {
        let mut open = 0;
        for client in &held {
            client.stream.set_nonblocking(true).unwrap();
            let waits =
                (&client.stream).read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            open += usize::from(waits);
        }
        open == 16
    });
    let (mut client, _card) = gateway.station(&pki);
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000", "from another address");
    assert_eq!(gateway.journal().matches("{\"handshake\":\"busy\"}").count(), 10);
    assert_eq!(gateway.house().gate.counters().handshakes, 184);
}

#[test]
fn half_handshakes_of_three_hundred_addresses_keep_nobody_out() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let at = |n: usize| format!("127.0.9.{}", 100 + n % 150);
    let _held: Vec<_> = (0..300).map(|n| Client::from(&at(n), gateway.tls.unwrap())).collect();
    let began = Watch::start();
    let (mut client, _card) = gateway.station(&pki);
    assert_eq!(client.ask(1, "03 0000 0001"), "03020000");
    assert!(began.elapsed() < Duration::from_secs(4), "it did not wait for a place: {:?}", began.elapsed());
}

#[test]
fn a_flood_of_whole_handshakes_does_not_keep_plain_answers_waiting() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU32::new(0));
    let config = offer(&pki, Some(&pki.client("Operator")), &TLS13);
    let floods: Vec<_> = (0..8)
        .map(|n| {
            let (stop, made, config, at) =
                (Arc::clone(&stop), Arc::clone(&made), Arc::clone(&config), gateway.tls.unwrap());
            let source = format!("127.0.9.{}", 70 + n);
            let work = move || {
                while !stop.load(Ordering::Relaxed) {
                    // A nobody's key: a whole handshake, and a session without rights.
                    if Secure::from(&source, at, &config).ask(1, "03 0000 0001") == "8301" {
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                }
            };
            std::thread::Builder::new().spawn(work).unwrap()
        })
        .collect();
    until("the flood has begun", || made.load(Ordering::Relaxed) > 50);
    let mut client = gateway.client();
    let mut longest = Duration::ZERO;
    for id in 0..300 {
        let began = Watch::start();
        assert_eq!(client.ask(id, "03 0000 0001"), "03020000");
        longest = longest.max(began.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.join().unwrap();
    }
    // The deadline of an answer is 6 s; the machine of the tests is busy with the flood's own half as well.
    assert!(longest < Duration::from_secs(2), "{longest:?} beside {} handshakes", made.load(Ordering::Relaxed));
}

#[test]
fn a_client_that_never_reads_is_let_go_and_holds_nothing() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut client, card) = gateway.station(&pki);
    assert_eq!(client.ask(0, "03 0000 0001"), "03020000");
    client.stream.sock.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let many: Vec<u8> = (0..50).flat_map(|id| frame(id, "03 0190 007d")).collect();
    // Until neither side takes any more.
    while client.say_quietly(&many) {}
    let mut other = gateway.dial(&offer(&pki, Some(&card), &TLS13));
    assert_eq!(other.ask(1, "03 0000 0001"), "03020000", "others are served");
    until("it is let go", || gateway.journal().contains("\"what\":\"timed-out\""));
    until("and its socket of the device with it", || plc.open() == 1);
}

#[test]
fn a_client_that_reads_slowly_and_steadily_is_served_for_longer_than_one_that_never_reads() {
    let plc = Plc::at("127.0.1.20");
    let (gateway, pki) = Running::secure(&plc);
    let (mut client, _card) = gateway.station(&pki);
    assert_eq!(client.ask(0, "03 0000 0001"), "03020000");
    client.stream.sock.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let many: Vec<u8> = (0..50).flat_map(|id| frame(id, "03 0190 007d")).collect();
    while client.say_quietly(&many) {}
    // What lies in the sockets is some hundred kilobytes; the gateway sees that some of it goes each second.
    let mut room = vec![0; 64 * 1024];
    for _ in 0..36 {
        std::thread::sleep(Duration::from_secs(1));
        assert!(client.stream.sock.read(&mut room).unwrap() > 0);
    }
    assert!(!gateway.journal().contains("\"what\":\"timed-out\""));
    assert_eq!(gateway.house().sessions.count(), 1);
}
