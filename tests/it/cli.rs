//! The real binary: what a person types, what they read, and the exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use bulkhead_core::journal::chain::Chain;
use bulkhead_core::journal::record::{Event, GatewayRecord};
use bulkhead_core::moment::{ClockTrust, Moment, UnixMs};

mod authority;
mod devices;
mod online;
mod shadow;
mod watch;

static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// A gateway in a folder of its own.
struct Plant(PathBuf);

impl Plant {
    fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("bulkhead-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("bulkhead.toml"), "state = \"state\"\nsocket = \"c.sock\"\n").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
            .current_dir(&self.0)
            .args(["--config", "bulkhead.toml"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Said::of(&output)
    }

    /// A journal of three records, written as the gateway writes it.
    fn with_journal(&self) -> PathBuf {
        let folder = self.path("state/journal");
        fs::create_dir_all(&folder).unwrap();
        let (mut chain, mut bytes) = (Chain::default(), Vec::new());
        let at = Moment { wall: UnixMs(1_795_486_198_000), trust: ClockTrust::Proven, ..Moment::default() };
        for text in ["one", "two", "three"] {
            let (what, text) = ("function-scan".to_owned(), text.to_owned());
            let alarm = GatewayRecord::Alarm { what, source: None, asset: Some("plc".into()), text };
            chain.push(at, Event::Gateway(alarm), &mut bytes).unwrap();
        }
        bytes.resize(4_096, 0);
        fs::write(folder.join("0001.jsonl"), bytes).unwrap();
        folder
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        let _left_over = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    fn is(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, self.out.as_str(), self.err.as_str()), (Some(code), out, err));
    }
}

#[test]
fn a_wrong_command_line_is_usage_and_help_is_not() {
    let plant = Plant::new();
    for arguments in
        [&["frob"][..], &["explain"], &["explain", "--as", "x"], &["journal"], &["enforce"], &["init", "x"]]
    {
        let said = plant.run(arguments);
        assert_eq!(said.code, Some(64), "{arguments:?} {said:?}");
        assert!(said.out.is_empty() && !said.err.is_empty(), "{arguments:?} {said:?}");
    }
    for verb in [
        "init",
        "run",
        "check",
        "doctor",
        "status",
        "explain",
        "observe",
        "enforce",
        "policy lint",
        "policy diff",
        "policy decide",
        "policy activate",
        "subject list",
        "subject revoke",
        "journal verify",
        "journal show",
    ] {
        let words: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        let said = plant.run(&words);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.out.contains("Exit codes: 0 yes or done"), "{verb}: {}", said.out);
        assert!(said.out.contains("Example") || verb == "init", "{verb}: {}", said.out);
    }
}

#[test]
fn a_typo_in_the_configuration_is_told_with_place_and_remedy() {
    let plant = Plant::new();
    fs::write(plant.path("bulkhead.toml"), "state = \"state\"\nsokcet = \"c.sock\"\n").unwrap();
    plant.run(&["check"]).is(
        78,
        "",
        "bulkhead: bulkhead.toml:2:1: there is no key `sokcet` [key-unknown]; did you mean `socket`?\n  \
         next: mend the line, then: bulkhead --config bulkhead.toml check\n",
    );
    let said = plant.run(&["--json", "check"]);
    assert_eq!(
        said.out,
        "{\"error\":\"bulkhead.toml:2:1: there is no key `sokcet` [key-unknown]; did you mean `socket`?\",\
         \"next\":\"mend the line, then: bulkhead --config bulkhead.toml check\",\"exit\":78}\n"
    );
}

#[test]
fn a_configuration_that_is_not_there_is_made_by_init_alone() {
    let plant = Plant::new();
    fs::remove_file(plant.path("bulkhead.toml")).unwrap();
    plant.run(&["check"]).is(
        78,
        "",
        "bulkhead: the configuration file bulkhead.toml does not exist\n  \
         next: make it from the commented reference: bulkhead --config bulkhead.toml init\n",
    );
    assert!(!plant.path("bulkhead.toml").exists());
}

#[test]
fn a_configuration_that_others_may_write_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let plant = Plant::new();
    fs::set_permissions(plant.path("bulkhead.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    plant.run(&["check"]).is(
        78,
        "bulkhead.toml is writable by everybody (mode 0666): whoever writes it owns the gateway; mend it: chmod go-w bulkhead.toml\n",
        "",
    );
    fs::set_permissions(plant.path("bulkhead.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    plant.run(&["check"]).is(0, "bulkhead.toml: the configuration is sound\n", "");
}

#[test]
fn a_sound_journal_is_proven_as_far_as_it_can_be() {
    let plant = Plant::new();
    plant.with_journal();
    plant.run(&["journal", "verify"]).is(
        0,
        "state/journal: 3 records (#1 to #3), no gap, nothing changed\n  \
         signed     not proven\n  \
         complete   not proven: a journal says nothing about its own end (--head FILE)\n",
        "",
    );
}

#[test]
fn any_flipped_byte_of_a_journal_is_found_and_its_record_named() {
    let plant = Plant::new();
    let folder = plant.with_journal();
    let whole = fs::read(folder.join("0001.jsonl")).unwrap();
    let second = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let mut changed = whole.clone();
    let place = second + 150;
    changed[place] ^= 1;
    fs::write(folder.join("0001.jsonl"), &changed).unwrap();
    let said = plant.run(&["journal", "verify"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let says = format!("BROKEN: segment `0001.jsonl`, byte {second}, record 2: the line was changed");
    assert!(said.out.starts_with(&says), "{}", said.out);
    assert!(said.out.contains("up to record 1 everything follows on"), "{}", said.out);

    // Reading goes on past the bad line, and says so.
    let said = plant.run(&["journal", "show"]);
    assert_eq!(said.code, Some(0));
    assert!(said.out.contains("UNREADABLE") && said.out.contains("three"), "{}", said.out);
}

#[test]
fn records_are_shown_in_words_and_bounded() {
    let plant = Plant::new();
    plant.with_journal();
    plant.run(&["journal", "show", "--last", "2"]).is(
        0,
        "#2 2026-11-24 02:09:58  ALARM function-scan on plc: two\n#3 2026-11-24 02:09:58  ALARM function-scan on plc: three\n",
        "",
    );
    plant.run(&["journal", "show", "--from", "3"]).is(
        0,
        "#3 2026-11-24 02:09:58  ALARM function-scan on plc: three\n",
        "",
    );
    let said = plant.run(&["journal", "show", "--point", "other"]);
    said.is(0, "no record fits\n", "");
    let said = plant.run(&["journal", "show", "--point", "plc", "--around", "2026-11-24T02:15", "--to", "1"]);
    said.is(0, "#1 2026-11-24 02:09:58  ALARM function-scan on plc: one\n", "");
    let said = plant.run(&["journal", "show", "--around", "soon"]);
    assert_eq!(said.code, Some(64), "{said:?}");
}

#[test]
fn json_is_one_value_a_line_as_it_stands_on_the_disk() {
    let plant = Plant::new();
    let folder = plant.with_journal();
    let said = plant.run(&["journal", "show", "--json"]);
    let disk = fs::read_to_string(folder.join("0001.jsonl")).unwrap();
    assert_eq!(said.out, disk.trim_end_matches('\0'));
}

#[test]
fn a_journal_that_is_not_there_is_told_with_the_next_step() {
    let plant = Plant::new();
    for (arguments, next) in [
        (&["journal", "show"][..], "make it with `bulkhead init`"),
        (&["journal", "verify", "nowhere"], "name the folder with the files NNNN.jsonl"),
        (&["explain", "--last"], "make it with `bulkhead init`"),
    ] {
        let said = plant.run(arguments);
        assert_eq!(said.code, Some(78), "{said:?}");
        assert!(said.err.contains("cannot be read") && said.err.contains(next), "{said:?}");
    }
}

#[test]
fn every_online_verb_says_that_the_daemon_does_not_run_and_how_to_start_it() {
    let plant = Plant::new();
    let file = plant.path("p.toml");
    fs::write(&file, "").unwrap();
    for arguments in [
        &["status"][..],
        &["observe", "x"],
        &["enforce", "x", "--watch", "10m"],
        &["subject", "list"],
        &["subject", "revoke", "x"],
        &["policy", "activate", "p.toml"],
    ] {
        plant.run(arguments).is(
            1,
            "",
            "bulkhead: the daemon does not run: nobody answers at c.sock\n  \
             next: start it: systemctl start bulkhead, or in the foreground: bulkhead --config bulkhead.toml run\n",
        );
    }
    let said = plant.run(&["enforce", "x", "--watch", "10"]);
    assert_eq!(said.code, Some(64), "{said:?}");
    assert!(said.err.contains("such as --watch 10m"), "{said:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let plant = Plant::new();
    let folder = plant.with_journal();
    assert!(Path::new(&folder).is_dir());
    let script = format!(
        "{} --config bulkhead.toml journal show | true; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_bulkhead")
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(&plant.0).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
}

#[test]
fn two_policies_are_compared_and_requests_decided_without_a_daemon() {
    let plant = Plant::new();
    let old = include_str!("../../config/examples/bottling/plant.toml");
    fs::write(plant.path("old.toml"), old).unwrap();
    fs::write(plant.path("new.toml"), old.replace("values 0..1200", "values 0..600")).unwrap();
    plant.run(&["policy", "diff", "old.toml", "old.toml"]).is(0, "no difference\n", "");
    let said = plant.run(&["policy", "diff", "old.toml", "new.toml"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("scada write filler-plc/speed"), "{said:?}");

    let decide = |input: &str| {
        let file = plant.path("requests.jsonl");
        fs::write(&file, input).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
            .current_dir(&plant.0)
            .args(["policy", "decide", "old.toml"])
            .stdin(fs::File::open(file).unwrap())
            .output()
            .unwrap();
        Said::of(&output)
    };
    let request = |value: u16| {
        format!(
            "{{\"at\":\"2026-03-10T09:00:00Z\",\"clock\":\"proven\",\"listener\":\"127.0.9.20:15020\",\"source\":\"127.0.9.10\",\
             \"proofs\":[],\"facts\":{{}},\"access\":{{\"asset\":\"filler-plc\",\"verb\":\"write\",\"point\":\"speed\",\"value\":{value}}}}}\n"
        )
    };
    let said = decide(&format!("{}{}", request(900), request(1300)));
    assert_eq!(said.code, Some(0), "{said:?}");
    let effects: Vec<String> = said
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["effect"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(effects, ["allow", "deny"], "{said:?}");
    let said = decide(&format!("{}{}", request(900), request(901).replace("proofs", "profs")));
    assert_eq!(said.code, Some(64), "{said:?}");
    assert_eq!(said.out.lines().count(), 1, "{said:?}");
    assert!(said.err.contains("line 2: ") && said.err.contains("`profs`"), "{said:?}");
}

#[test]
fn a_policy_file_is_checked_with_every_finding_at_its_place() {
    let plant = Plant::new();
    let good = include_str!("../../config/examples/bottling/plant.toml");
    fs::write(plant.path("plant.toml"), good).unwrap();
    let said = plant.run(&["check", "plant.toml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("plant.toml: the policy is sound: plant riverside-line1"), "{said:?}");
    fs::write(plant.path("plant.toml"), good.replacen("zone = \"filling\"", "zone = \"fillin\"", 1)).unwrap();
    for verb in [&["check", "plant.toml"][..], &["policy", "lint", "plant.toml"]] {
        let said = plant.run(verb);
        assert_eq!(said.code, Some(78), "{said:?}");
        let says = "plant.toml:30:8: there is no zone named `fillin` [asset-zone] in assets.filler-plc; did you mean `filling`?\n";
        assert!(said.out.contains(says), "{said:?}");
    }
}
