//! The registry from the command line.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::online::{Daemon, free_port, ok, policy};
use super::{Plant, Said};
use crate::kit::until;

const KEY: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn running(port: u16) -> (Plant, Daemon) {
    let plant = Plant::new();
    ok(&plant.run(&["init"]));
    let daemon = Daemon::start(&plant);
    std::fs::write(plant.path("plant.toml"), policy(port, "enforce")).unwrap();
    ok(&plant.run(&["policy", "activate", "plant.toml"]));
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (plant, daemon)
}

#[track_caller]
fn no(said: &Said, words: &str) {
    assert!(said.code == Some(1) || said.code == Some(64), "{said:?}");
    assert!(said.err.contains(words), "`{words}` is missing: {said:?}");
}

#[test]
fn a_device_is_registered_shown_suspended_resumed_and_revoked_and_each_is_on_record() {
    let port = free_port();
    let (plant, daemon) = running(port);
    let said = plant.run(&["device", "add", "pump", "--key", KEY, "--registered"]);
    assert!(ok(&said).contains("pump is registered; record #"), "{said:?}");
    assert!(said.out.contains("bulkhead device resume pump"), "{said:?}");
    assert!(said.out.contains("does not name it"), "{said:?}");
    no(&plant.run(&["device", "add", "other", "--key", KEY]), "under another name");
    ok(&plant.run(&["device", "resume", "pump"]));
    let shown = plant.run(&["device", "show", "pump"]);
    assert!(ok(&shown).contains(KEY) && shown.out.contains("active"), "{shown:?}");
    no(&plant.run(&["device", "show", "nobody"]), "nobody");

    // The one that the policy knows, while it is connected.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(&[0, 7, 0, 0, 0, 6, 1, 6, 0, 0, 3, 232]).unwrap();
    stream.read_exact(&mut [0; 9]).unwrap();
    let said = plant.run(&["device", "suspend", "scada"]);
    assert!(ok(&said).contains("scada is suspended; 1 connection cut"), "{said:?}");
    assert_eq!(stream.read(&mut [0; 9]).unwrap_or(0), 0, "its connection is closed");
    let mut again = TcpStream::connect(("127.0.0.1", port)).unwrap();
    again.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(again.read(&mut [0; 9]).unwrap_or(0), 0, "and it is not let in");
    ok(&plant.run(&["device", "resume", "scada"]));
    let allowed = plant.run(&["explain", "--as", "scada", "--on", "plc", "--do", "write speed 1"]);
    assert!(ok(&allowed).starts_with("ALLOWED"), "{allowed:?}");

    ok(&plant.run(&["device", "revoke", "pump"]));
    no(&plant.run(&["device", "add", "pump"]), "held");
    no(&plant.run(&["device", "add", "fresh", "--key", KEY]), "never comes back");
    no(&plant.run(&["device", "resume", "pump"]), "revoked for good");
    assert_eq!(daemon.stop(), Some(0));
    let _daemon = Daemon::start(&plant);
    let listed = plant.run(&["device", "list"]);
    assert!(ok(&listed).lines().any(|line| line.starts_with("pump") && line.contains("REVOKED")), "{listed:?}");
    no(&plant.run(&["device", "add", "fresh", "--key", KEY]), "never comes back");
    let journal = plant.run(&["journal", "show", "--last", "50"]);
    for words in ["pump", "suspended", "active", "revoked"] {
        assert!(ok(&journal).contains(words), "`{words}` is missing: {}", journal.out);
    }
}

#[test]
fn a_sheet_goes_out_and_comes_in_wholly_or_not_at_all() {
    let port = free_port();
    let (plant, _daemon) = running(port);
    let sheet = |rows: &str| {
        std::fs::write(plant.path("devices.csv"), format!("subject,life,credential,value,mac\n{rows}")).unwrap();
    };
    sheet(&format!("pump,active,key,{KEY},\nvalve,registered,address,10.0.0.7,02:1f:5a:00:10:31\n"));
    let tried = plant.run(&["device", "import", "devices.csv", "--dry-run"]);
    assert!(ok(&tried).contains("2 changes would be made; nothing was changed"), "{tried:?}");
    assert!(ok(&plant.run(&["device", "list"])).contains("nobody is registered"));
    let done = plant.run(&["device", "import", "devices.csv"]);
    assert!(ok(&done).contains("2 changes made; record #"), "{done:?}");
    ok(&plant.run(&["device", "export", "out.csv"]));
    let out = std::fs::read_to_string(plant.path("out.csv")).unwrap();
    assert_eq!(out, std::fs::read_to_string(plant.path("devices.csv")).unwrap());
    assert!(ok(&plant.run(&["device", "import", "out.csv"])).contains("nothing was changed"));

    sheet(&format!("late,active,,,\nthief,active,key,{KEY},\nb ad,active,,,\n"));
    let refused = plant.run(&["device", "import", "devices.csv"]);
    no(&refused, "devices.csv:4: `b ad` is no name");
    sheet(&format!("late,active,,,\nthief,active,key,{KEY},\n"));
    no(&plant.run(&["device", "import", "devices.csv"]), "devices.csv:3: this key is registered under another name");
    assert!(!plant.run(&["device", "list"]).out.contains("late"), "all of it or nothing");
    let json = plant.run(&["device", "list", "--json"]);
    let first: serde_json::Value = serde_json::from_str(ok(&json).lines().next().unwrap()).unwrap();
    assert_eq!(first["subject"], "pump");
}

#[test]
fn an_address_that_goes_on_to_a_new_device_is_its_own_after_a_restart_too() {
    let port = free_port();
    let (plant, daemon) = running(port);
    ok(&plant.run(&["device", "add", "old", "--address", "10.0.0.1"]));
    ok(&plant.run(&["device", "revoke", "old"]));
    ok(&plant.run(&["device", "add", "new", "--address", "10.0.0.1", "--mac", "02:1f:5a:00:10:31"]));
    let before = ok(&plant.run(&["device", "export"])).to_owned();
    assert!(before.contains("old,revoked,,,\n"), "{before}");
    assert_eq!(daemon.stop(), Some(0));
    let _daemon = Daemon::start(&plant);
    assert_eq!(ok(&plant.run(&["device", "export"])), before, "memory and disk hold the same");
}
