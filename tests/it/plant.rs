//! The scenarios of `bulkhead-simulators plant` with the real daemon beside them: everything that its guide says is typed, and
//! what came of it is told by masters and devices, never by the gateway alone. Each has a network of its own, 127.N.x.y.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use bulkhead_simulators::plant::{ALL, Folder, Options, Report, Scenario, run};

use crate::kit::until;

fn scenario(name: &str) -> &'static Scenario {
    ALL.iter().find(|scenario| scenario.name == name).unwrap()
}

/// A daemon beside a plant, in the plant's folder.
pub(crate) struct Beside {
    scenario: &'static Scenario,
    folder: Folder,
    daemon: Child,
}

impl Beside {
    pub(crate) fn start(name: &str, net: u8) -> Self {
        let path = std::env::temp_dir().join(format!("bulkhead-plant-{}-{net}", std::process::id()));
        let folder = Folder { path, net };
        folder.write(scenario(name)).unwrap();
        assert!(bulkhead(&folder.path, "init --site plant").status.success());
        let daemon = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
            .current_dir(&folder.path)
            .args(["--config", "bulkhead.toml", "run"])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(folder.path.join("log")).unwrap())
            .spawn()
            .unwrap();
        let beside = Self { scenario: scenario(name), folder, daemon };
        until("the daemon answers", || beside.said("status").1.contains("gateway"));
        beside
    }

    /// The plant for so many seconds, on a thread of its own.
    fn plant(&self, seconds: u64) -> JoinHandle<Report> {
        let (scenario, net, folder) = (self.scenario, self.folder.net, self.folder.path.clone());
        std::thread::Builder::new()
            .spawn(move || {
                let options = Options { folder, net, seed: 7, lasts: Some(Duration::from_secs(seconds)) };
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run(scenario, options, &mut |_| Ok(()))).unwrap()
            })
            .unwrap()
    }

    /// What a command of the guide says, and its exit code.
    pub(crate) fn said(&self, words: &str) -> (Option<i32>, String) {
        let output = bulkhead(&self.folder.path, words);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Types every step of the guide, with a pause before those that look at what has happened; gives what each said.
    fn type_all(&self, look: &str, pause: Duration) -> Vec<(&'static str, String)> {
        let step = |step: &bulkhead_simulators::plant::Step| {
            if step.command == look {
                std::thread::sleep(pause);
            }
            let (code, said) = self.said(step.command);
            assert!(matches!(code, Some(0 | 1)), "{}: {code:?} {said}", step.command);
            assert!(!said.is_empty(), "{} says nothing", step.command);
            (step.command, said)
        };
        self.scenario.steps.iter().map(step).collect()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _gone = self.daemon.kill();
        let _gone = self.daemon.wait();
        let _left_over = std::fs::remove_dir_all(&self.folder.path);
    }
}

fn bulkhead(folder: &PathBuf, words: &str) -> Output {
    // As a shell splits it: quotes keep words together.
    let arguments = words.split('"').enumerate().flat_map(|(at, part)| {
        if at % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
    });
    Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .current_dir(folder)
        .args(["--config", "bulkhead.toml"])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Masters whose every request was answered, but for the one that was under way at the end.
#[track_caller]
fn served(report: &Report, names: &[&str], at_least: u64) {
    for name in names {
        let seen = &report.masters[name];
        assert!(seen.answered >= at_least && seen.asked - seen.answered <= 1, "{name}: {seen:?}");
        assert_eq!((seen.foreign, seen.wrong, seen.silent), (0, 0, 0), "{name}");
    }
}

#[test]
fn the_bottling_line_on_its_first_day_passes_everything_and_a_watched_enforce_comes_back() {
    let beside = Beside::start("bottling", 61);
    let plant = beside.plant(18);
    std::thread::sleep(Duration::from_secs(3));
    let said = beside.type_all("", Duration::ZERO);
    let of = |command: &str| said.iter().find(|(typed, _)| typed.starts_with(command)).unwrap().1.as_str();
    assert!(of("journal show --refused").contains("127.61.9.88"), "the laptop stands among the refusals");
    assert!(of("explain --as panel").starts_with("ALLOWED"));
    assert!(of("explain --as historian").starts_with("REFUSED"));
    assert!(of("doctor").contains("ok   listener 127.61.9.20:15020 for filler-plc speaks plain Modbus"));
    // The laptop is refused far more often than one time in a thousand.
    assert_eq!(beside.said("enforce control-to-filling --watch 10s").0, Some(0));
    until("the watch goes back to observe", || beside.said("status").1.contains("OBSERVE"));
    let report = plant.join().unwrap();
    served(&report, &["scada", "panel", "historian", "shift-lead", "capper-panel"], 10);
    assert!(report.masters["drives"].answered > 10 && report.masters["drives"].silent > 0, "unit 6 never answers");
    let filler = &report.devices["filler-plc"];
    assert!(filler.registers[&900] > 3, "observe lets the laptop's writes pass");
    assert!(filler.registers[&10] > 14 && filler.coils[&16] > 3, "the heartbeat and the jog reach the PLC: {filler:?}");
    assert_eq!(report.devices["capper"].refused, 0);
}

#[test]
fn what_a_noisy_laptop_sends_does_not_reach_the_plc_and_nobody_notices() {
    let beside = Beside::start("noisy-laptop", 62);
    let plant = beside.plant(12);
    std::thread::sleep(Duration::from_secs(8));
    let said = beside.type_all("", Duration::ZERO);
    assert!(said[0].1.contains("function-scan"), "{}", said[0].1);
    let report = plant.join().unwrap();
    served(&report, &["scada", "panel"], 30);
    assert!(report.masters["scada"].exceptions.is_empty() && report.masters["panel"].exceptions.is_empty());
    let laptop = &report.masters["laptop"];
    assert!(laptop.exceptions["01"] > 20 && laptop.closed > 2, "{laptop:?}");
    let plc = &report.devices["filler-plc"];
    let written: Vec<u16> = plc.registers.keys().copied().collect();
    assert_eq!(written, [10, 100], "the heartbeat and the speed; register 900 was never written");
    assert_eq!((plc.malformed, plc.refused), (0, 0));
    let asked = report.masters["scada"].answered + report.masters["panel"].answered;
    assert!(plc.requests.abs_diff(asked) <= 2, "the PLC has seen {} requests, lawful ones were {asked}", plc.requests);
}

#[test]
fn the_reset_of_a_plc_throws_no_master_out() {
    let beside = Beside::start("plc-reset", 63);
    assert_eq!(beside.said("enforce control-to-filling").0, Some(0));
    let plant = beside.plant(13);
    std::thread::sleep(Duration::from_secs(2));
    beside.type_all("status", Duration::from_secs(4));
    let report = plant.join().unwrap();
    assert!(report.devices["filler-plc"].resets >= 2, "{report}");
    for name in ["scada", "panel", "historian"] {
        let seen = &report.masters[name];
        assert_eq!((seen.connections, seen.closed, seen.foreign, seen.wrong, seen.silent), (1, 0, 0, 0, 0), "{name}");
        assert!(seen.exceptions.keys().all(|code| code == "0A" || code == "0B"), "{name}: {seen:?}");
        let refused: u64 = seen.exceptions.values().sum();
        assert!(refused > 0 && seen.answered > 2 * refused, "{name}: {seen:?}");
    }
}

#[test]
fn the_guide_of_policy_change_shows_who_would_lose_what_before_anybody_stands_still() {
    let beside = Beside::start("policy-change", 64);
    let plant = beside.plant(18);
    std::thread::sleep(Duration::from_secs(1));
    let said = beside.type_all("policy shadow", Duration::from_secs(6));
    let of = |command: &str| said.iter().find(|(typed, _)| *typed == command).unwrap().1.as_str();
    assert!(of("policy diff plant.toml candidate.toml").contains("- shift-lead write filler-plc/recipe"));
    let shadow = of("policy shadow");
    assert!(shadow.contains("LOST") && shadow.contains("shift-lead write filler-plc/recipe"), "{shadow}");
    assert!(of("policy activate candidate.toml").contains("is in force"));
    let report = plant.join().unwrap();
    served(&report, &["scada", "panel", "historian", "shift-lead"], 10);
    let refused = |name: &str| report.masters[name].exceptions.values().sum::<u64>();
    assert!(refused("shift-lead") > 0, "the recipe is refused once the candidate is in force: {report}");
    assert_eq!((refused("panel"), refused("historian")), (0, 0), "nobody else lost anything");
}

#[test]
fn five_masters_share_a_plc_with_two_sockets() {
    let beside = Beside::start("five-masters", 65);
    let plant = beside.plant(8);
    std::thread::sleep(Duration::from_secs(3));
    let said = beside.type_all("", Duration::ZERO);
    assert!(said[1].1.contains("panel-2"));
    let report = plant.join().unwrap();
    let masters = ["scada", "historian", "panel", "panel-2", "shift-lead"];
    served(&report, &masters, 40);
    assert!(masters.iter().all(|name| report.masters[name].exceptions.is_empty()), "{report}");
    let plc = &report.devices["capper"];
    assert!(plc.most <= 2 && plc.refused == 0, "{plc:?}");
    let worst = masters.iter().map(|name| report.masters[name].max_us).max().unwrap();
    assert!(worst < 2_000_000, "nobody waits for ever: {report}");
}

#[test]
fn a_certificate_does_what_the_same_name_may_not_by_its_address() {
    let beside = Beside::start("role-certificates", 67);
    let plant = beside.plant(22);
    until("the stations ask for certificates", || beside.folder.path.join("stations/shift-lead.csr").exists());
    let said = beside.type_all("status", Duration::from_secs(6));
    let of = |command: &str| said.iter().find(|(typed, _)| typed.starts_with(command)).unwrap().1.as_str();
    assert!(of("explain --as shift-lead --by certificate").starts_with("ALLOWED"));
    assert!(of("explain --as shift-lead --by address").starts_with("REFUSED"));
    assert!(of("device list").contains("scada"));
    let report = plant.join().unwrap();
    let (proven, at_desk) = (&report.masters["lead-by-tls"], &report.masters["lead-at-desk"]);
    assert!(proven.answered > 10 && proven.exceptions.is_empty(), "{report}");
    assert!(at_desk.exceptions["01"] > 0 && at_desk.closed == 0, "{report}");
    let scada = &report.masters["scada"];
    assert!(scada.closed > 0 && scada.connections > 1, "suspended, cut, and back by itself: {scada:?}");
    assert!(scada.answered > 30 && scada.exceptions.is_empty(), "{scada:?}");
    assert!(report.devices["filler-plc"].registers[&200] > 0, "the recipe of the one who has proven who he is");
}

#[test]
fn every_scenario_has_a_test_here_and_a_sound_policy() {
    let tests = std::fs::read_to_string(crate::source::root().join("tests/it/plant.rs")).unwrap();
    for scenario in ALL {
        assert!(tests.contains(&format!("Beside::start(\"{}\"", scenario.name)), "{} has no test", scenario.name);
        assert!(scenario.about.len() > 100 && !scenario.steps.is_empty(), "{}", scenario.name);
        let edited = scenario.edits.iter().fold(scenario.policy.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "{}: `{from}` is not in its policy", scenario.name);
            text.replace(from, to)
        });
        let candidate = scenario.candidate.iter().fold(edited.clone(), |text, (from, to)| {
            assert!(text.contains(from), "{}: `{from}` is not in its policy", scenario.name);
            text.replace(from, to)
        });
        for text in [edited, candidate] {
            let checked = bulkhead_core::policy::check(&text);
            let loud = |finding: &&bulkhead_core::policy::Finding| {
                finding.severity >= bulkhead_core::policy::Severity::Warning
            };
            let found: Vec<_> = checked.findings.iter().filter(loud).collect();
            assert!(found.is_empty(), "{}: {found:?}", scenario.name);
        }
    }
}
