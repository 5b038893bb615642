//! The running daemon, ordered about by the real command line.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Plant, Said};
use crate::kit::{Plc, until};

/// A daemon in the foreground of a test.
pub(super) struct Daemon(Child);

impl Daemon {
    pub(super) fn start(plant: &Plant) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
            .current_dir(&plant.0)
            .args(["--config", "bulkhead.toml", "run"])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(plant.path("log")).unwrap())
            .spawn()
            .unwrap();
        let daemon = Self(child);
        until("the daemon answers", || plant.run(&["status"]).code == Some(0));
        daemon
    }

    pub(super) fn stop(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One asset that is not there, and one subject at 127.0.0.1 that may read `speed` and write it.
pub(super) fn policy(port: u16, mode: &str) -> String {
    format!(
        "[plant]\nname = \"line\"\ntimezone = \"Europe/Berlin\"\n[zones.filling]\nnetworks = [\"127.0.1.0/24\"]\n\
         [zones.room]\nnetworks = [\"127.0.0.0/24\"]\n[assets.plc]\nzone = \"filling\"\nlisten = [\"127.0.0.1:{port}\"]\n\
         connect = \"modbus://127.0.1.77:9\"\nunits = [1]\n[assets.plc.points]\nspeed = \"holding 0 values 0..900 safe 0\"\n\
         [subjects.scada]\nzone = \"room\"\nproof = \"address\"\nrole = \"Operator\"\naddress = \"127.0.0.1\"\n\
         [conduits.c]\nfrom = \"room\"\nto = \"filling\"\nmode = \"{mode}\"\n[[conduits.c.allow]]\nwho = [\"Operator\"]\n\
         on = \"plc\"\ncan = [\"read speed\", \"write speed\"]\n"
    )
}

pub(super) fn write_register(port: u16, address: u16, value: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut frame = vec![0, 7, 0, 0, 0, 6, 1, 6];
    frame.extend_from_slice(&address.to_be_bytes());
    frame.extend_from_slice(&value.to_be_bytes());
    stream.write_all(&frame).unwrap();
    let mut reply = vec![0; 9];
    stream.read_exact(&mut reply).unwrap();
    reply
}

/// One frame and the first answer to it, whole.
pub(super) fn exchange(port: u16, frame: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(frame).unwrap();
    let mut reply = vec![0; 6];
    stream.read_exact(&mut reply).unwrap();
    let mut rest = vec![0; usize::from(reply[5])];
    stream.read_exact(&mut rest).unwrap();
    [reply, rest].concat()
}

#[track_caller]
pub(super) fn ok(said: &Said) -> &str {
    assert_eq!(said.code, Some(0), "{said:?}");
    &said.out
}

#[test]
fn the_first_day_from_nothing_to_a_refusal_that_is_explained() {
    let plant = Plant::new();
    let said = plant.run(&["run"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("bulkhead init"), "{said:?}");

    let said = plant.run(&["init", "--site", "riverside"]);
    assert!(ok(&said).contains("SOFTWARE KEYS (no TPM): whoever copies this disk has them"), "{said:?}");
    let again = plant.run(&["init"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains("init overwrites nothing"), "{again:?}");

    let daemon = Daemon::start(&plant);
    let status = plant.run(&["status"]);
    assert!(ok(&status).contains("allows nothing: no conduit; nothing beyond loopback listens"), "{status:?}");
    assert!(status.out.contains("KEYS      SOFTWARE KEYS"), "{status:?}");

    let port = free_port();
    std::fs::write(plant.path("plant.toml"), policy(port, "enforce")).unwrap();
    let said = plant.run(&["policy", "activate", "plant.toml"]);
    assert!(ok(&said).contains("is in force (generation 2)"), "{said:?}");
    until("the listener is told", || plant.run(&["status"]).out.contains(&format!("127.0.0.1:{port}")));
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert_eq!(write_register(port, 0, 1_300), [0, 7, 0, 0, 0, 3, 1, 0x86, 1]);

    until("the decision is on record", || plant.run(&["explain", "--last"]).code == Some(0));
    let said = plant.run(&["explain", "--last"]);
    for words in [
        "REFUSED",
        "scada (Operator), by address alone, which anybody in the segment can take over (assurance 1)",
        "write plc/speed ? -> 1300 (holding 0)",
        "(range); nearest: conduits.c.allow[1]",
        "nothing was sent to the device",
    ] {
        assert!(said.out.contains(words), "`{words}` is missing: {}", said.out);
    }
    let shown = plant.run(&["journal", "show", "--point", "plc/speed"]);
    assert!(ok(&shown).contains("REFUSED by conduits.c.allow[1]"), "{shown:?}");
    ok(&plant.run(&["journal", "verify"]));

    let asks =
        |value: &str| plant.run(&["explain", "--as", "scada", "--on", "plc", "--do", &format!("write speed {value}")]);
    assert!(ok(&asks("900")).starts_with("ALLOWED by conduits.c.allow[1]"));
    assert_eq!(asks("901").code, Some(1));
    // Only the daemon knows who is revoked.
    ok(&plant.run(&["subject", "revoke", "scada"]));
    let said = asks("900");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("revoked"), "{said:?}");
    assert_eq!(daemon.stop(), Some(0));
    // Offline verbs see the policy that was in force, and say what they cannot know.
    let said = asks("900");
    let says = "(the daemon was not asked: who is revoked is not known here)\nALLOWED by conduits.c.allow[1]";
    assert!(ok(&said).starts_with(says), "{said:?}");
    assert!(!plant.path("c.sock").exists(), "an orderly stop takes its socket along");
    let shown = plant.run(&["journal", "show", "--last", "5"]);
    assert!(ok(&shown).contains("gateway: stopped in order"), "{shown:?}");
}

pub(super) fn running(mode: &str) -> (Plant, Daemon, u16) {
    let plant = Plant::new();
    let port = free_port();
    std::fs::write(plant.path("plant.toml"), policy(port, mode)).unwrap();
    ok(&plant.run(&["init", "--policy", "plant.toml"]));
    let daemon = Daemon::start(&plant);
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (plant, daemon, port)
}

#[test]
fn a_policy_with_a_typo_is_refused_with_its_place_and_the_running_one_stays() {
    let (plant, _daemon, _) = running("enforce");
    let before = plant.run(&["status", "--json"]);
    let good = std::fs::read_to_string(plant.path("plant.toml")).unwrap();
    std::fs::write(plant.path("typo.toml"), good.replace("\"write speed\"", "\"write sped\"")).unwrap();
    let said = plant.run(&["policy", "activate", "typo.toml"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("typo.toml:27:29: ") && said.err.contains("did you mean `speed`?"), "{said:?}");
    let hash = |said: &Said| serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["policy"]["hash"].clone();
    assert_eq!(hash(&before), hash(&plant.run(&["status", "--json"])));
    until("the refusal is on record", || {
        plant.run(&["journal", "show", "--refused"]).out.contains("REFUSED, 1 problem; the first: 27:29: ")
    });
}

#[test]
fn a_revoked_subject_is_cut_stays_out_and_stays_revoked_over_a_restart() {
    let (plant, daemon, port) = running("enforce");
    let mut connected = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connected.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    until("the station is connected", || {
        plant.run(&["subject", "list"]).out.lines().any(|line| line.starts_with("scada") && !line.ends_with('0'))
    });
    let said = plant.run(&["subject", "revoke", "scada"]);
    assert!(ok(&said).contains("scada is revoked for good; 1 connection"), "{said:?}");
    assert_eq!(connected.read(&mut [0; 16]).unwrap_or(0), 0, "the connection is closed");
    let said = plant.run(&["subject", "revoke", "nobody"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("bulkhead subject list"), "{said:?}");
    drop(daemon);
    let _daemon = Daemon::start(&plant);
    let list = plant.run(&["subject", "list"]);
    assert!(ok(&list).contains("REVOKED"), "{list:?}");
}

#[test]
fn a_watched_conduit_goes_back_to_observe_by_itself_when_too_much_is_refused() {
    let (plant, _daemon, port) = running("observe");
    let mode =
        |wanted: &str| plant.run(&["status"]).out.lines().any(|line| line.contains("c  ") && line.contains(wanted));
    assert!(mode("OBSERVE"));
    let said = plant.run(&["enforce", "c", "--watch", "10m"]);
    assert!(ok(&said).contains("watched for 10 min"), "{said:?}");
    assert!(mode("enforce (ordered here; the policy says observe) (watched for"));
    // One refusal in a thousand is borne; three at once are not.
    for value in [901, 902, 903] {
        assert_eq!(write_register(port, 0, value), [0, 7, 0, 0, 0, 3, 1, 0x86, 1]);
    }
    until("back to observe", || mode("OBSERVE"));
    let shown = plant.run(&["journal", "show", "--last", "20"]);
    assert!(ok(&shown).contains("conduit c set to observe by watch"), "{shown:?}");
    assert!(shown.out.contains("3 of 3 requests were refused, more than 0.1 %"), "{shown:?}");
}

#[test]
fn a_watched_conduit_goes_back_to_observe_when_a_heartbeat_is_lost() {
    let plant = Plant::new();
    let (port, plc) = (free_port(), Plc::at("127.0.1.78"));
    let policy = policy(port, "observe")
        .replace("127.0.1.77:9", &plc.at.to_string())
        .replace("values 0..900 safe 0", "heartbeat");
    std::fs::write(plant.path("plant.toml"), policy).unwrap();
    ok(&plant.run(&["init", "--policy", "plant.toml"]));
    let _daemon = Daemon::start(&plant);
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    ok(&plant.run(&["enforce", "c", "--watch", "10m"]));
    let enforces = || plant.run(&["status"]).out.contains("enforce (ordered here");
    // Longer than a heartbeat may be away: it is not the time that ends the watch.
    for value in 0..14 {
        assert_eq!(write_register(port, 0, value)[7], 6, "written");
        std::thread::sleep(Duration::from_secs(1));
        assert!(enforces());
    }
    assert!(plant.run(&["status"]).out.lines().any(|line| line.contains("plc") && line.ends_with("up")));
    until("back to observe", || !enforces());
    let shown = plant.run(&["journal", "show", "--last", "20"]);
    assert!(ok(&shown).contains("the heartbeat plc/speed was last seen"), "{shown:?}");
}

#[test]
fn a_device_that_does_not_answer_is_down_on_the_screen() {
    let (plant, _daemon, port) = running("enforce");
    assert!(plant.run(&["status"]).out.contains("not asked yet"));
    assert_eq!(write_register(port, 0, 5)[7..], [0x86, 0x0a]);
    let status = plant.run(&["status"]);
    assert!(ok(&status).contains("DOWN for") && status.out.contains("it does not answer"), "{status:?}");
}

#[test]
fn a_first_try_that_was_broken_off_is_finished_by_the_next() {
    let plant = Plant::new();
    ok(&plant.run(&["init"]));
    let key = std::fs::read(plant.path("state/keys/checkpoint.pub")).unwrap();
    // What a power cut between the key and the policy leaves.
    std::fs::remove_file(plant.path("state/policy/active.toml")).unwrap();
    ok(&plant.run(&["init"]));
    assert_eq!(std::fs::read(plant.path("state/keys/checkpoint.pub")).unwrap(), key, "nothing is overwritten");
    assert_eq!(plant.run(&["init"]).code, Some(1));
}

#[test]
fn an_unknown_conduit_is_refused_and_names_the_next_step() {
    let (plant, _daemon, _) = running("enforce");
    for verb in ["observe", "enforce"] {
        plant.run(&[verb, "x"]).is(
            1,
            "",
            "bulkhead: there is no conduit `x` in the policy\n  next: see what there is: bulkhead status\n",
        );
    }
}

#[test]
fn a_second_daemon_does_not_take_the_state_or_the_socket_of_the_first() {
    let (plant, _daemon, port) = running("enforce");
    for config in ["c.sock", "other.sock"] {
        let text = format!("state = \"state\"\nsocket = \"{config}\"\n");
        std::fs::write(plant.path("bulkhead.toml"), text).unwrap();
        let said = plant.run(&["run"]);
        assert_eq!(said.code, Some(78), "{said:?}");
        assert!(said.err.contains("another daemon runs with it"), "{said:?}");
    }
    std::fs::write(plant.path("bulkhead.toml"), "state = \"state\"\nsocket = \"c.sock\"\n").unwrap();
    let shown = plant.run(&["journal", "show"]);
    assert_eq!(ok(&shown).matches("started with policy").count(), 1, "only the first one wrote: {shown:?}");
    assert_eq!(write_register(port, 0, 901), [0, 7, 0, 0, 0, 3, 1, 0x86, 1]);
    ok(&plant.run(&["status"]));
    ok(&plant.run(&["journal", "verify"]));
}

#[test]
fn a_cut_tail_is_found_by_the_head_that_was_kept_elsewhere_and_by_nothing_else() {
    let (plant, daemon, _) = running("enforce");
    ok(&plant.run(&["observe", "c"]));
    assert_eq!(daemon.stop(), Some(0));
    let lines = plant.run(&["journal", "show", "--json"]).out;
    let head = lines.lines().rfind(|line| line.contains("checkpoint")).unwrap();
    std::fs::write(plant.path("head.json"), head).unwrap();
    let said = plant.run(&["journal", "verify", "--head", "head.json"]);
    assert!(ok(&said).contains("complete   up to #") && said.out.contains("signed     up to #"), "{said:?}");

    // A copy whose end was cut off in front of what the head covers, read where the gateway's keys are not.
    std::fs::create_dir(plant.path("copy")).unwrap();
    let cut: String = lines.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    std::fs::write(plant.path("copy/0001.jsonl"), cut).unwrap();
    std::fs::rename(plant.path("state/keys/checkpoint.pub"), plant.path("gateway.pub")).unwrap();
    let said = plant.run(&["journal", "verify", "copy", "--key", "gateway.pub"]);
    assert!(ok(&said).contains("complete   not proven"), "{said:?}");
    let said = plant.run(&["journal", "verify", "copy", "--key", "gateway.pub", "--head", "head.json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("its end was cut off"), "{said:?}");
    let said = plant.run(&["journal", "verify", "copy", "--head", "head.json"]);
    assert_eq!(said.code, Some(1), "without the key the head proves nothing: {said:?}");
    std::fs::write(plant.path("head.json"), "{}").unwrap();
    let said = plant.run(&["journal", "verify", "copy", "--key", "gateway.pub", "--head", "head.json"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("a head is the newest checkpoint line"), "{said:?}");
}

#[test]
fn a_stale_socket_of_a_killed_daemon_is_replaced() {
    let (plant, daemon, _) = running("enforce");
    drop(daemon);
    assert!(plant.path("c.sock").exists(), "SIGKILL leaves it");
    let said = plant.run(&["status"]);
    assert!(said.err.contains("the daemon does not run"), "{said:?}");
    let _daemon = Daemon::start(&plant);
}

#[test]
fn doctor_tells_each_finding_with_what_mends_it() {
    let (plant, daemon, _) = running("enforce");
    let said = plant.run(&["doctor"]);
    assert!(said.out.contains("WEAK keys     SOFTWARE KEYS"), "{said:?}");
    assert!(said.out.contains("ok   daemon   bulkhead"), "{said:?}");
    for line in plant.run(&["doctor", "--json"]).out.lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(finding["grade"] == "ok" || finding["mend"].is_string(), "{line}");
        assert!(finding["id"].is_string() && finding["where"].is_string(), "{line}");
    }
    drop(daemon);
    let said = plant.run(&["doctor"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("BAD  daemon   the daemon does not run"), "{said:?}");
}

#[test]
fn a_hangup_reads_the_policy_file_again_and_a_typo_in_it_changes_nothing() {
    let plant = Plant::new();
    let port = free_port();
    std::fs::write(plant.path("bulkhead.toml"), "state = \"state\"\nsocket = \"c.sock\"\npolicy = \"plant.toml\"\n")
        .unwrap();
    std::fs::write(plant.path("plant.toml"), policy(port, "enforce")).unwrap();
    ok(&plant.run(&["init"]));
    let daemon = Daemon::start(&plant);
    let hup = || {
        let id = rustix::process::Pid::from_child(&daemon.0);
        rustix::process::kill_process(id, rustix::process::Signal::HUP).unwrap();
    };
    let plant_name = || {
        let said = plant.run(&["status", "--json"]);
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["policy"]["plant"].as_str().unwrap().to_owned()
    };
    std::fs::write(plant.path("plant.toml"), "[plant\n").unwrap();
    hup();
    until("the typo is told", || {
        std::fs::read_to_string(plant.path("log")).unwrap().contains("the running policy stays")
    });
    assert_eq!(plant_name(), "line");
    std::fs::write(plant.path("plant.toml"), policy(port, "enforce").replace("\"line\"", "\"other\"")).unwrap();
    hup();
    until("the policy is in force", || plant_name() == "other");
    // The copy for offline verbs follows.
    until("the copy follows", || {
        std::fs::read_to_string(plant.path("state/policy/active.toml")).unwrap().contains("\"other\"")
    });
}

#[test]
fn a_policy_is_tried_without_effect_and_the_one_before_comes_back_when_it_is_restored() {
    let plant = Plant::new();
    ok(&plant.run(&["init", "--site", "riverside"]));
    let _daemon = Daemon::start(&plant);
    let port = free_port();
    let text = policy(port, "enforce");
    std::fs::write(plant.path("plant.toml"), &text).unwrap();
    std::fs::write(plant.path("narrow.toml"), text.replace(", \"write speed\"", "")).unwrap();
    ok(&plant.run(&["policy", "activate", "plant.toml"]));
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());

    let tried = plant.run(&["policy", "activate", "narrow.toml", "--dry-run"]);
    assert!(ok(&tried).contains("- scada write plc/speed (holding 0)"), "{tried:?}");
    assert!(tried.out.contains("nothing was changed"), "{tried:?}");
    let in_force = |wanted: &str| {
        plant.run(&["policy", "history"]).out.lines().any(|line| line.contains("in force") && line.ends_with(wanted))
    };
    assert!(in_force("000002.toml"), "{:?}", plant.run(&["policy", "history"]));
    let typo = text.replace("\"write speed\"", "\"write sped\"");
    std::fs::write(plant.path("typo.toml"), typo).unwrap();
    let refused = plant.run(&["policy", "activate", "typo.toml", "--dry-run"]);
    assert!(refused.code != Some(0) && refused.err.contains("typo.toml:"), "{refused:?}");

    ok(&plant.run(&["policy", "activate", "narrow.toml"]));
    assert!(in_force("000003.toml"), "{:?}", plant.run(&["policy", "history"]));
    assert_eq!(write_register(port, 0, 1)[7..], [0x86, 1]);
    let restored = plant.run(&["policy", "restore"]);
    assert!(ok(&restored).contains("is in force"), "{restored:?}");
    let allowed = plant.run(&["explain", "--as", "scada", "--on", "plc", "--do", "write speed 1"]);
    assert!(ok(&allowed).starts_with("ALLOWED"), "{allowed:?}");
    let gone = plant.run(&["policy", "restore", "77"]);
    assert_eq!(gone.code, Some(64), "{gone:?}");
    assert!(gone.err.contains("policy history"), "{gone:?}");
}
