//! Masters that share one link to a device with few sockets: every reply to its owner, and nobody at another's cost.

mod doubts;
mod fair;
mod owners;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::kit::{Client, Do, Plc, Running, Setup, frame, until};

/// Five subjects at five addresses, two of them with a priority.
const MASTERS: [&str; 5] = ["127.0.9.10", "127.0.9.11", "127.0.9.13", "127.0.9.14", "127.0.9.15"];
const SUBJECTS: &str = r#"
[subjects.third]
zone = "office"
proof = "address"
address = "127.0.9.13"
role = "Operator"
[subjects.urgent]
zone = "office"
proof = "address"
address = "127.0.9.14"
role = "Operator"
priority = "high"
[subjects.patient]
zone = "office"
proof = "address"
address = "127.0.9.15"
role = "Operator"
priority = "low"
"#;
/// As [`SUBJECTS`], without priorities.
const EQUALS: &str = r#"
[subjects.third]
zone = "office"
proof = "address"
address = "127.0.9.13"
role = "Operator"
[subjects.fourth]
zone = "office"
proof = "address"
address = "127.0.9.14"
role = "Operator"
[subjects.fifth]
zone = "office"
proof = "address"
address = "127.0.9.15"
role = "Operator"
"#;
const SHARED: &str = "share_upstream = true\nconnections = 2\nanswer_within = \"3 s\"";
/// A converter of which nobody knows whether it echoes transaction ids.
const CONVERTER: &str = "share_upstream = true\nconnections = 2\nanswer_within = \"1 s\"\nprofile = \"serial\"";

fn shared(plc: &Plc, asset: &'static str) -> Running {
    Running::with(plc.at, &Setup { asset, more: SUBJECTS, ..Setup::default() })
}

/// Asks `rounds` times for registers that only this master asks for, `ahead` requests at once, all masters with the same ids.
fn poll(mut client: Client, master: usize, rounds: u16, ahead: u16) {
    let register = |at: u16| u16::try_from(master).unwrap() * 20 + at % 20;
    for round in 0..rounds {
        for at in 0..ahead {
            client.say(&frame(at, &format!("03 {:04x} 0001", register(round + at))));
        }
        for at in 0..ahead {
            assert_eq!(client.answer(at), format!("0302{:04x}", register(round + at)), "master {master}");
        }
    }
}

/// As [`poll`], by this many masters at once.
fn poll_by(masters: usize, gateway: &Running, rounds: u16, ahead: u16) {
    thread::scope(|scope| {
        for (master, address) in MASTERS.iter().enumerate().take(masters) {
            let client = Client::from(address, gateway.at);
            scope.spawn(move || poll(client, master, rounds, ahead));
        }
    });
}

#[test]
fn five_masters_on_a_device_with_two_sockets_get_every_reply_that_is_theirs_and_no_other() {
    let plc = Plc::with_sockets("127.0.1.20", 2);
    let gateway = shared(&plc, SHARED);
    poll_by(5, &gateway, 500, 4);
    assert_eq!(plc.requests().len(), 10_000);
    assert_eq!(plc.accepted(), 1, "one socket served all");
    assert!(!gateway.journal().contains("doubtful"), "{}", gateway.journal());
}
