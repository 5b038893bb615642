//! A candidate policy beside the one in force, as an engineer uses it: on the running daemon, over restarts and activations.

use std::net::TcpStream;
use std::time::Duration;

use super::online::{Daemon, free_port, ok, policy, write_register};
use super::{Plant, Said};
use crate::kit::{Plc, until};

/// A daemon before a device that answers, with a candidate file that narrows what `speed` takes.
fn running(mode: &str) -> (Plant, Daemon, u16, Plc) {
    let (plant, port, plc) = (Plant::new(), free_port(), Plc::at("127.0.1.79"));
    let text = policy(port, mode).replace("127.0.1.77:9", &plc.at.to_string());
    std::fs::write(plant.path("plant.toml"), &text).unwrap();
    std::fs::write(plant.path("new.toml"), text.replace("values 0..900", "values 0..600")).unwrap();
    ok(&plant.run(&["init", "--policy", "plant.toml"]));
    let daemon = Daemon::start(&plant);
    listens(port);
    (plant, daemon, port, plc)
}

fn listens(port: u16) {
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

#[track_caller]
fn says(said: &Said, words: &[&str]) {
    for words in words {
        assert!(said.out.contains(words), "`{words}` is missing: {said:?}");
    }
}

/// The journal holds words, now or in a moment.
#[track_caller]
fn recorded(plant: &Plant, words: &str) {
    until(words, || plant.run(&["journal", "show", "--last", "50"]).out.contains(words));
}

#[test]
fn a_candidate_changes_nothing_and_tells_exactly_who_would_lose_what_in_enforce_and_in_observe() {
    for (mode, over) in [("enforce", [0x86, 1].as_slice()), ("observe", &[6, 0, 0, 0x04, 0x4c])] {
        let (plant, _daemon, port, plc) = running(mode);
        let none = plant.run(&["policy", "shadow"]);
        assert!(ok(&none).contains("no candidate policy is judged"), "{none:?}");
        let begun = plant.run(&["policy", "shadow", "new.toml", "--for", "2h"]);
        assert!(ok(&begun).contains("more, then it ends by itself"), "{begun:?}");
        // 500: both allow. 700: only the policy in force. 1100: neither.
        let mut stream = Vec::new();
        for value in [500_u16, 700, 800, 1_100] {
            let reply = if value > 900 { over.to_vec() } else { [&[6, 0, 0][..], &value.to_be_bytes()].concat() };
            let said = write_register(port, 0, value);
            assert_eq!(said[7..9], reply[..2], "{mode}, {value}: nothing changes");
            stream.push(value);
        }
        let written = plc.requests().len();
        assert_eq!(written, if mode == "enforce" { 3 } else { 4 }, "{mode}");
        let said = plant.run(&["policy", "shadow"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        says(
            &said,
            &[
                "4 requests judged by both; of 2 something would be lost, of 0 gained; 0 under another limit",
                "LOST: allowed before, refused after",
                "- scada write plc/speed (holding 0) = 800: allowed by conduits.c.allow[1] -> refused, range by \
                 conduits.c.allow[1]  2 x",
                "limits are not counted for the candidate",
            ],
        );
        says(&plant.run(&["status"]), &["shadow    candidate", "4 requests judged, 2 would be lost, 0 gained"]);
        let json: serde_json::Value = serde_json::from_str(&plant.run(&["policy", "shadow", "--json"]).out).unwrap();
        let line = &json["shadow"]["differences"]["lines"][0];
        assert_eq!(
            (line["turn"].as_str(), line["subject"].as_str(), line["asset"].as_str(), line["point"].as_str()),
            (Some("lost"), Some("scada"), Some("plc"), Some("speed"))
        );
        let stopped = plant.run(&["policy", "shadow", "--stop"]);
        says(&stopped, &["ended at ", "(uid "]);
        recorded(&plant, "4 requests, 2 would be lost, 0 gained, 0 under another limit; 1 differences");
        // What it came to stays on the screen; what comes later is not counted.
        assert_eq!(write_register(port, 0, 701)[7], 6);
        says(&plant.run(&["policy", "shadow"]), &["4 requests judged by both"]);
        assert!(!plant.run(&["status"]).out.contains("shadow "), "{mode}");
        assert_eq!(plant.run(&["policy", "shadow", "--stop"]).code, Some(1));
    }
}

#[test]
fn a_candidate_with_a_problem_or_no_time_or_that_is_in_force_is_refused_with_the_cause() {
    let (plant, _daemon, ..) = running("enforce");
    let good = std::fs::read_to_string(plant.path("new.toml")).unwrap();
    std::fs::write(plant.path("typo.toml"), good.replace("\"write speed\"", "\"write sped\"")).unwrap();
    let said = plant.run(&["policy", "shadow", "typo.toml"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("typo.toml:27:29: ") && said.err.contains("did you mean `speed`?"), "{said:?}");
    let said = plant.run(&["policy", "shadow", "plant.toml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("is in force already: there is nothing to compare"), "{said:?}");
    for time in ["3", "1s", "31d", "soon"] {
        let said = plant.run(&["policy", "shadow", "new.toml", "--for", time]);
        assert_eq!(said.code, Some(64), "{said:?}");
    }
    assert!(ok(&plant.run(&["policy", "shadow"])).contains("no candidate policy is judged"));
}

#[test]
fn a_candidate_goes_on_after_a_crash_and_ends_by_itself_when_its_time_is_over() {
    let (plant, daemon, port, _plc) = running("enforce");
    ok(&plant.run(&["policy", "shadow", "new.toml", "--for", "12s"]));
    assert_eq!(write_register(port, 0, 700)[7], 6);
    drop(daemon);
    let daemon = Daemon::start(&plant);
    listens(port);
    recorded(&plant, "goes on beside policy");
    assert_eq!(write_register(port, 0, 701)[7], 6);
    let said = plant.run(&["policy", "shadow"]);
    says(&said, &["1 request judged by both; of 1 something would be lost", " = 701: "]);
    std::thread::sleep(Duration::from_secs(11));
    recorded(&plant, "ended by time: 1 requests, 1 would be lost");
    says(&plant.run(&["policy", "shadow"]), &["ended at ", "(time)", " = 701: "]);
    drop(daemon);
    let _daemon = Daemon::start(&plant);
    assert!(ok(&plant.run(&["policy", "shadow"])).contains("no candidate policy is judged"), "its time is over");
}

#[test]
fn another_policy_begins_the_count_anew_and_the_candidate_ends_when_it_comes_in_force() {
    let (plant, _daemon, port, _plc) = running("enforce");
    ok(&plant.run(&["policy", "shadow", "new.toml", "--for", "1h"]));
    assert_eq!(write_register(port, 0, 700)[7], 6);
    // Against a policy that refuses 700 as well, the candidate takes nothing any more.
    let text = std::fs::read_to_string(plant.path("plant.toml")).unwrap();
    std::fs::write(plant.path("third.toml"), text.replace("values 0..900", "values 0..650")).unwrap();
    ok(&plant.run(&["policy", "activate", "third.toml"]));
    recorded(&plant, "ended by policy: 1 requests, 1 would be lost");
    assert_eq!(write_register(port, 0, 700)[7], 0x86);
    let said = plant.run(&["policy", "shadow"]);
    assert!(ok(&said).contains("1 request judged by both; of 0 something would be lost, of 0 gained"), "{said:?}");
    ok(&plant.run(&["policy", "activate", "new.toml"]));
    recorded(&plant, "ended by activated: 1 requests, 0 would be lost");
    assert!(!plant.run(&["status"]).out.contains("shadow "));
}

#[test]
fn a_revoked_subject_is_no_difference() {
    let (plant, _daemon, port, _plc) = running("enforce");
    ok(&plant.run(&["policy", "shadow", "new.toml"]));
    assert_eq!(write_register(port, 0, 5)[7], 6);
    ok(&plant.run(&["subject", "revoke", "scada"]));
    drop(TcpStream::connect(("127.0.0.1", port)));
    let said = plant.run(&["policy", "shadow"]);
    assert!(ok(&said).contains("of 0 something would be lost, of 0 gained"), "{said:?}");
}

/// Subject, asset, verb and point of what is lost and gained.
fn named(lines: &serde_json::Value, turn: &str) -> Vec<[String; 5]> {
    let text = |line: &serde_json::Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let turn = line["turn"].as_str().unwrap_or(turn).to_owned();
            [turn, text(line, "subject"), text(line, "asset"), text(line, "verb"), text(line, "point")]
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn json(said: &Said) -> serde_json::Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[test]
fn live_traffic_recorded_traffic_and_the_texts_name_the_same_losses_and_gains() {
    let (plant, daemon, port, _plc) = running("enforce");
    let old = std::fs::read_to_string(plant.path("plant.toml")).unwrap();
    // Everything is recorded, reads too: then the journal can tell all that the live traffic told.
    let old = old
        .replace("mode = \"enforce\"", "mode = \"enforce\"\ndetail = \"full\"")
        .replace("safe 0\"", "safe 0\"\nlevel = \"holding 10-11\"\nvalve = \"coils 3\"")
        .replace("\"write speed\"]", "\"write speed\", \"read level\", \"write valve\"]");
    std::fs::write(plant.path("plant.toml"), &old).unwrap();
    let new = old.replace("\"read speed\", ", "").replace("\"write valve\"", "\"write level\"");
    std::fs::write(plant.path("new.toml"), &new).unwrap();
    ok(&plant.run(&["policy", "activate", "plant.toml"]));
    ok(&plant.run(&["policy", "shadow", "new.toml", "--for", "1h"]));
    let ask = |pdu: &[u8]| {
        let mut frame = vec![0, 7, 0, 0, 0, u8::try_from(pdu.len() + 1).unwrap(), 1];
        frame.extend_from_slice(pdu);
        super::online::exchange(port, &frame)
    };
    // Read speed and level, write speed (same value twice), valve and level; and what neither knows.
    for pdu in [
        &[3, 0, 0, 0, 1][..],
        &[3, 0, 10, 0, 2],
        &[6, 0, 0, 0, 9],
        &[6, 0, 0, 0, 9],
        &[5, 0, 3, 0xff, 0],
        &[6, 0, 10, 0, 4],
        &[23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0, 5],
        &[90, 0, 1],
        &[6, 1, 0, 0, 1],
    ] {
        assert!(ask(pdu).len() > 8, "{pdu:?}");
    }
    let live = plant.run(&["policy", "shadow", "--json"]);
    let wanted = [
        ["gained", "scada", "plc", "write", "level"],
        ["lost", "scada", "plc", "read", "speed"],
        ["lost", "scada", "plc", "write", "valve"],
    ]
    .map(|line| line.map(str::to_owned));
    assert_eq!(named(&json(&live)["shadow"]["differences"]["lines"], ""), wanted);
    // Everything is on record when the daemon has stopped in order.
    assert_eq!(daemon.stop(), Some(0));
    let replayed = plant.run(&["policy", "replay", "state/journal", "--with", "new.toml", "--json"]);
    assert_eq!(replayed.code, Some(1), "{replayed:?}");
    let replayed = json(&replayed);
    assert_eq!(named(&replayed["differences"]["lines"], ""), wanted);
    assert_eq!((&replayed["unreproduced"], &replayed["told"]), (&0.into(), &serde_json::json!([])));
    let diff = json(&plant.run(&["policy", "diff", "plant.toml", "new.toml", "--json"]));
    let both = [named(&diff["gained"], "gained"), named(&diff["lost"], "lost")].concat();
    assert_eq!(both, wanted);

    // The self-test, on the screen: the policy that decided gives no difference.
    let same = plant.run(&["policy", "replay", "state/journal", "--with", "plant.toml"]);
    assert!(ok(&same).contains("of 0 something would be lost, of 0 gained; 0 under another limit"), "{same:?}");
    assert!(same.out.contains("self-test: 9 records decided again by"), "{same:?}");
    assert!(!same.out.contains("CANNOT BE REPRODUCED"), "{same:?}");
    // An export is as good as the folder.
    let export = plant.run(&["journal", "show", "--last", "1000", "--json"]);
    std::fs::write(plant.path("export.jsonl"), &export.out).unwrap();
    let again = plant.run(&["policy", "replay", "export.jsonl", "--with", "new.toml", "--json"]);
    assert_eq!(named(&json(&again)["differences"]["lines"], ""), wanted);
    let none = plant.run(&["policy", "replay", "nowhere", "--with", "new.toml"]);
    assert_eq!(none.code, Some(78), "{none:?}");
}

#[test]
fn a_replay_says_what_the_journal_does_not_tell() {
    let (plant, daemon, port, _plc) = running("enforce");
    for value in 0..15 {
        assert_eq!(write_register(port, 0, 1_000 + value)[7], 0x86);
    }
    assert_eq!(daemon.stop(), Some(0));
    let said = plant.run(&["policy", "replay", "state/journal", "--with", "new.toml"]);
    assert!(
        ok(&said).contains("allowed reads of c: only `detail = \"full\"` records them (0 recorded reads here)"),
        "{said:?}"
    );
    assert!(said.out.contains("what a limit would refuse"), "{said:?}");
    assert!(said.out.contains("10 recorded decisions"), "{said:?}");
}
